//! A platform's client that stops in its tracks at a known place, so that its process can be killed there.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headstart_core::{
    sessions::{
        Appended, Channel, Opened, OutWriter, RecordStream, RunState, Sessions, SessionsFuture, Written,
    },
    wire::{ChatId, CreateSession, Record, Seq},
};
use serde::{Deserialize, Serialize};

/// What has happened when a process does no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// The session is created, and the process has not heard of it.
    Created,
    /// So many inputs are on `session.in`.
    In(usize),
    /// So many, and the process has not heard of the last.
    InUnheard(usize),
    /// So many records are on `session.out`.
    Out(usize),
}

impl Hold {
    /// How many inputs may be sent.
    fn inputs(self) -> usize {
        match self {
            Self::In(count) | Self::InUnheard(count) => count,
            Self::Created | Self::Out(_) => usize::MAX,
        }
    }

    /// How many records may be written.
    fn records(self) -> usize {
        if let Self::Out(count) = self { count } else { usize::MAX }
    }
}

/// Sessions of one chat that do no more from there on. Records are written one by one.
#[derive(Debug)]
pub struct HeldSessions<S> {
    inner: S,
    hold: Hold,
    inputs: AtomicUsize,
    records: Arc<AtomicUsize>,
}

impl<S> HeldSessions<S> {
    /// Passes everything on to `inner`, until `hold`.
    pub fn new(inner: S, hold: Hold) -> Self {
        Self { inner, hold, inputs: AtomicUsize::new(0), records: Arc::default() }
    }
}

/// Waits for ever if so.
async fn stop_if(is_there: bool) {
    if is_there {
        pending().await
    }
}

impl<S: Sessions> Sessions for HeldSessions<S> {
    fn create(&self, session: CreateSession) -> SessionsFuture<'_, Opened> {
        Box::pin(async move {
            let opened = self.inner.create(session).await;
            stop_if(self.hold == Hold::Created).await;
            opened
        })
    }

    fn open_out(&self, chat: &ChatId) -> SessionsFuture<'_, Box<dyn OutWriter>> {
        let inner = self.inner.open_out(chat);
        Box::pin(async move {
            let inner = inner.await?;
            let (most, records) = (self.hold.records(), self.records.clone());
            Ok(Box::new(HeldWriter { inner, most, records }) as Box<dyn OutWriter>)
        })
    }

    fn append_in(&self, chat: &ChatId, input: Bytes, part_id: &str) -> SessionsFuture<'_, Appended> {
        let append = self.inner.append_in(chat, input, part_id);
        let number = self.inputs.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            stop_if(number >= self.hold.inputs()).await;
            let appended = append.await;
            stop_if(self.hold == Hold::InUnheard(number + 1)).await;
            appended
        })
    }

    fn subscribe(&self, chat: &ChatId, channel: Channel, after: Option<Seq>) -> RecordStream {
        self.inner.subscribe(chat, channel, after)
    }

    fn records(
        &self,
        chat: &ChatId,
        channel: Channel,
        after: Option<Seq>,
    ) -> SessionsFuture<'_, Vec<Record>> {
        self.inner.records(chat, channel, after)
    }

    fn run_state(&self, run_id: &str) -> SessionsFuture<'_, RunState> {
        self.inner.run_state(run_id)
    }
}

/// Writes one record at a time, and no more than so many.
struct HeldWriter {
    inner: Box<dyn OutWriter>,
    most: usize,
    records: Arc<AtomicUsize>,
}

impl OutWriter for HeldWriter {
    fn append(&mut self, batch: Vec<Bytes>, match_seq: Option<Seq>) -> SessionsFuture<'_, Written> {
        Box::pin(async move {
            let mut written: Option<Written> = None;
            for body in batch {
                stop_if(self.records.fetch_add(1, Ordering::SeqCst) >= self.most).await;
                let at = match (match_seq, &written) {
                    (Some(_), Some(written)) => Some(written.last + 1),
                    _ => match_seq,
                };
                let next = self.inner.append(vec![body], at).await?;
                written =
                    Some(Written { first: written.map_or(next.first, |all| all.first), last: next.last });
            }
            Ok(written.expect("a batch is not empty"))
        })
    }

    fn linger(&self) -> Duration {
        self.inner.linger()
    }
}
