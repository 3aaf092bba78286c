//! Sessions in memory, with an agent that ends every turn; where step 1 was not the whole answer it says
//! something first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headstart_core::{
    Sessions,
    sessions::{
        Appended, Channel, Opened, OutWriter, RecordStream, SessionsError, SessionsErrorKind, SessionsFuture,
        Written,
    },
    wire::{ChatId, Control, CreateSession, Record, RecordBody, Seq},
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Cheap to clone; all clones are the same platform.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sessions: Mutex<HashMap<ChatId, Session>>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct Session {
    is_created: bool,
    input: Vec<Record>,
    output: Vec<Record>,
}

impl Memory {
    /// The handover of a chat, as soon as it is there.
    pub(crate) async fn handover(&self, chat: &str) -> Value {
        let mut changes = self.0.changes.subscribe();
        let found = async {
            loop {
                if let Some(handover) =
                    self.inputs(chat).into_iter().find(|input| input["kind"] == "handover")
                {
                    return handover;
                }
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), found).await;
        waited.unwrap_or_else(|_| panic!("no handover of {chat}: {:?}", self.inputs(chat)))
    }

    /// Everything on `session.in`.
    pub(crate) fn inputs(&self, chat: &str) -> Vec<Value> {
        let sessions = self.sessions();
        let session = chat.parse().ok().and_then(|chat: ChatId| sessions.get(&chat));
        session.map(|session| session.input.iter().map(input).collect()).unwrap_or_default()
    }

    /// The text that is on `session.out`.
    pub(crate) fn text(&self, chat: &str) -> String {
        let sessions = self.sessions();
        let Some(session) = chat.parse().ok().and_then(|chat: ChatId| sessions.get(&chat)) else {
            return String::new();
        };
        let delta = |record: &Record| match &record.body {
            RecordBody::Data { data, .. } => data.to_value()["delta"].as_str().map(str::to_owned),
            _ => None,
        };
        session.output.iter().filter_map(delta).collect()
    }

    /// How many sessions were created.
    pub(crate) fn count(&self) -> usize {
        self.sessions().values().filter(|session| session.is_created).count()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<ChatId, Session>> {
        self.0.sessions.lock().unwrap()
    }

    /// Changes a session and says so.
    fn change<T>(&self, chat: &ChatId, change: impl FnOnce(&mut Session) -> T) -> T {
        let changed = change(self.sessions().entry(chat.clone()).or_default());
        self.0.changes.send_replace(());
        changed
    }

    fn read(&self, chat: &ChatId, channel: Channel, from: Seq) -> Vec<Record> {
        let sessions = self.sessions();
        let Some(session) = sessions.get(chat) else { return Vec::new() };
        let records = if channel == Channel::In { &session.input } else { &session.output };
        records.iter().skip(usize::try_from(from).unwrap()).cloned().collect()
    }
}

fn input(record: &Record) -> Value {
    match &record.body {
        RecordBody::Data { data, .. } => serde_json::from_str(data.to_value().as_str().unwrap()).unwrap(),
        other => panic!("{other:?} on session.in"),
    }
}

impl Session {
    fn write(&mut self, body: RecordBody) -> Seq {
        let seq = self.output.len() as Seq;
        self.output.push(Record { seq, body });
        seq
    }

    fn answer(&mut self, handover: &Value, seq: Seq) {
        if handover["isFinal"] == false {
            for (at, chunk) in [
                json!({"type": "text-start", "id": "agent"}),
                json!({"type": "text-delta", "id": "agent", "delta": "the agent answers"}),
                json!({"type": "text-end", "id": "agent"}),
            ]
            .iter()
            .enumerate()
            {
                let body = json!({"data": chunk, "id": format!("agent-{at}")}).to_string();
                self.write(RecordBody::parse(&[], &body));
            }
        }
        let mut control = Control::default();
        control.name = Control::TURN_COMPLETE.to_owned();
        control.in_consumed_id = Some(seq);
        self.write(RecordBody::Control(control));
    }
}

impl Sessions for Memory {
    fn create(&self, session: CreateSession) -> SessionsFuture<'_, Opened> {
        let chat = session.external_id.clone();
        let mut opened = Opened::new(format!("token-of-{chat}"));
        opened.is_existing = self.change(&chat, |session| std::mem::replace(&mut session.is_created, true));
        opened.metadata = session.metadata.filter(|_| !opened.is_existing);
        Box::pin(async { Ok(opened) })
    }

    fn open_out(&self, chat: &ChatId) -> SessionsFuture<'_, Box<dyn OutWriter>> {
        let writer: Box<dyn OutWriter> = Box::new(Writer(self.clone(), chat.clone()));
        Box::pin(async { Ok(writer) })
    }

    fn append_in(&self, chat: &ChatId, input: Bytes, part_id: &str) -> SessionsFuture<'_, Appended> {
        let text = std::str::from_utf8(&input).unwrap();
        let body = json!({"data": text, "id": part_id}).to_string();
        let chunk: Value = serde_json::from_str(text).unwrap();
        let is_handover = chunk["kind"] == "handover";
        let seq = self.change(chat, |session| {
            let seq = session.input.len() as Seq;
            session.input.push(Record { seq, body: RecordBody::parse(&[], &body) });
            if is_handover {
                session.answer(&chunk, seq);
            }
            seq
        });
        Box::pin(async move { Ok(Appended { seq: Some(seq) }) })
    }

    fn subscribe(&self, chat: &ChatId, channel: Channel, after: Option<Seq>) -> RecordStream {
        let (memory, chat) = (self.clone(), chat.clone());
        let changes = memory.0.changes.subscribe();
        let from = after.map_or(0, |seq| seq + 1);
        let batches = stream::unfold((changes, from), move |(mut changes, from)| {
            let (memory, chat) = (memory.clone(), chat.clone());
            async move {
                loop {
                    changes.borrow_and_update();
                    let records = memory.read(&chat, channel, from);
                    if let Some(last) = records.last() {
                        let next = last.seq + 1;
                        return Some((stream::iter(records.into_iter().map(Ok)), (changes, next)));
                    }
                    changes.changed().await.ok()?;
                }
            }
        });
        batches.flatten().boxed()
    }

    fn records(
        &self,
        chat: &ChatId,
        channel: Channel,
        after: Option<Seq>,
    ) -> SessionsFuture<'_, Vec<Record>> {
        let records = self.read(chat, channel, after.map_or(0, |seq| seq + 1));
        Box::pin(async { Ok(records) })
    }
}

struct Writer(Memory, ChatId);

impl OutWriter for Writer {
    fn append(&mut self, batch: Vec<Bytes>, match_seq: Option<Seq>) -> SessionsFuture<'_, Written> {
        let written = self.0.change(&self.1, |session| {
            let first = session.output.len() as Seq;
            if match_seq.is_some_and(|expected| expected != first) {
                return Err(SessionsError::new(SessionsErrorKind::Conflict, "the stream ends elsewhere"));
            }
            for body in &batch {
                session.write(RecordBody::parse(&[], std::str::from_utf8(body).unwrap()));
            }
            Ok(Written { first, last: session.output.len() as Seq - 1 })
        });
        Box::pin(async { written })
    }

    fn linger(&self) -> Duration {
        Duration::from_millis(5)
    }
}
