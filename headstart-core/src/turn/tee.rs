//! The tee: what step 1 says, copied to `session.out`.
//!
//! One batch is on its way at a time; what comes meanwhile makes the next one. A batch that fails is sent
//! once more through a fresh writer, with the same record ids, so that a reader can tell a copy.
//!
//! Each batch says where it expects the stream to end (`match_seq_num`). Somebody else who wrote there is
//! either a hook of the agent, which is no harm, or a process that took us for dead: then a handover that is
//! not ours is on `session.in`, and we must not write another word.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::warn;

use super::{
    Input,
    mark::{input_kind, is_takeover},
};
use crate::{
    rt::Runtime,
    sessions::{
        Channel, MAX_BATCH_BYTES, MAX_BATCH_RECORDS, OutWriter, Sessions, SessionsError, SessionsErrorKind,
        Written,
    },
    wire::{ChatId, RecordBody, Seq},
};

pub(super) enum TeeCommand {
    /// The body of the next record.
    Record(Bytes),
    /// Do not wait for more.
    Flush,
}

struct Tee {
    sessions: Arc<dyn Sessions>,
    runtime: Arc<dyn Runtime>,
    chat: ChatId,
    commands: UnboundedReceiver<TeeCommand>,
    writer: Option<Box<dyn OutWriter>>,
    gathered: VecDeque<Bytes>,
    flush: bool,
    /// Id of our noop on `session.in`.
    noop: String,
    /// Where the next batch should begin.
    expected: Seq,
}

/// What became of a batch.
enum Batch {
    Written(Written),
    /// Another process has the turn.
    Replaced,
    /// There will be no more.
    None,
}

/// Writes records until the commands end or a write fails for good. Dropping the stream stops it.
pub(super) fn write(
    sessions: Arc<dyn Sessions>,
    runtime: Arc<dyn Runtime>,
    chat: ChatId,
    noop: String,
    commands: UnboundedReceiver<TeeCommand>,
) -> BoxStream<'static, Input> {
    let tee = Tee {
        sessions,
        runtime,
        chat,
        commands,
        writer: None,
        gathered: VecDeque::new(),
        flush: false,
        noop,
        expected: 0,
    };
    stream::unfold(Some(tee), |tee| async move {
        let mut tee = tee?;
        match tee.write_next().await {
            Ok(Batch::Written(written)) => Some((Input::Written(written), Some(tee))),
            Ok(Batch::Replaced) => {
                warn!(chat = %tee.chat, "another process answers in our place");
                Some((Input::Replaced, None))
            }
            Ok(Batch::None) => None,
            Err(error) => {
                warn!(chat = %tee.chat, %error, "the durable copy of step 1 is not whole");
                Some((Input::TeeFailed, None))
            }
        }
    })
    .chain(stream::pending())
    .boxed()
}

impl Tee {
    async fn write_next(&mut self) -> Result<Batch, SessionsError> {
        // Opened beside everything else, before there is anything to write.
        if self.writer.is_none() {
            self.writer = Some(self.open().await?);
        }
        if !self.gather().await {
            return Ok(Batch::None);
        }
        let batch = self.take_batch();
        let mut result = self.append(batch.clone(), Some(self.expected)).await;
        if let Err(error) = &result
            && error.is_retryable()
        {
            warn!(chat = %self.chat, %error, "writing to session.out failed, once more");
            self.writer = Some(self.sessions.open_out(&self.chat).await?);
            result = self.append(batch.clone(), Some(self.expected)).await;
        }
        if let Err(error) = &result
            && error.kind() == SessionsErrorKind::Conflict
        {
            // Or the first try was written and only its answer lost: a copy does no harm.
            if self.is_replaced().await? {
                return Ok(Batch::Replaced);
            }
            self.writer = Some(self.sessions.open_out(&self.chat).await?);
            result = self.append(batch, None).await;
        }
        let written = result?;
        self.expected = written.last + 1;
        Ok(Batch::Written(written))
    }

    /// Has somebody taken over on the stream, or is there a handover behind our noop? Ours is only sent when
    /// nothing is left to write.
    async fn is_replaced(&mut self) -> Result<bool, SessionsError> {
        let behind = self.expected.checked_sub(1);
        let written = self.sessions.records(&self.chat, Channel::Out, behind).await?;
        if written.iter().any(is_takeover) {
            return Ok(true);
        }
        let records = self.sessions.records(&self.chat, Channel::In, None).await?;
        let is_noop = |body: &RecordBody| matches!(body, RecordBody::Data { id, .. } if *id == self.noop);
        Ok(records
            .iter()
            .skip_while(|record| !is_noop(&record.body))
            .any(|record| input_kind(record).as_deref() == Some("handover")))
    }

    async fn open(&mut self) -> Result<Box<dyn OutWriter>, SessionsError> {
        match self.sessions.open_out(&self.chat).await {
            Err(error) if error.is_retryable() => self.sessions.open_out(&self.chat).await,
            opened => opened,
        }
    }

    async fn append(&mut self, batch: Vec<Bytes>, at: Option<Seq>) -> Result<Written, SessionsError> {
        match &mut self.writer {
            Some(writer) => writer.append(batch, at).await,
            None => Err(SessionsError::new(SessionsErrorKind::Unavailable, "no writer")),
        }
    }

    /// Waits until there is a batch: a first record, and then the linger or a flush. `false` at the end.
    async fn gather(&mut self) -> bool {
        while self.gathered.is_empty() {
            match self.commands.recv().await {
                Some(command) => self.take(command),
                None => return false,
            }
        }
        let linger = self.writer.as_ref().map(|writer| writer.linger()).unwrap_or_default();
        let mut timer = self.runtime.sleep(linger);
        while !self.flush && self.gathered.len() < MAX_BATCH_RECORDS {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.take(command),
                    None => break,
                },
                () = &mut timer => break,
            }
        }
        // A flush covers what was sent before it; take in what is there.
        while let Ok(command) = self.commands.try_recv() {
            self.take(command);
        }
        true
    }

    fn take(&mut self, command: TeeCommand) {
        match command {
            TeeCommand::Record(body) => self.gathered.push_back(body),
            TeeCommand::Flush => self.flush = true,
        }
    }

    fn take_batch(&mut self) -> Vec<Bytes> {
        let mut bytes = 0;
        let mut count = 0;
        for body in self.gathered.iter().take(MAX_BATCH_RECORDS) {
            bytes += body.len();
            if count > 0 && bytes > MAX_BATCH_BYTES {
                break;
            }
            count += 1;
        }
        self.gathered.drain(..count).collect()
    }
}
