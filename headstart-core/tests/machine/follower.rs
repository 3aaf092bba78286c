//! A turn that follows another process, told what happens step by step.

use std::time::Duration;

use headstart_core::{
    sessions::{Appended, Opened, RunState, SessionsError, SessionsErrorKind},
    turn::{Deadlines, Input, Machine, Output, Purpose, TurnSpec},
    wire::{InChunk, Json, Record, RecordBody, Seq},
};
use serde_json::{Value, json};

pub(crate) const TAKEOVER: &str = "mine-takeover";

/// A turn that follows another process, and what it wants done.
pub(crate) struct Follower {
    pub(crate) machine: Machine,
    pub(crate) now: Duration,
}

/// The first message of the session.
pub(crate) const FIRST: &str = "u1";

impl Follower {
    pub(crate) fn new() -> Self {
        Self::of(FIRST)
    }

    /// Answers this message, and has seen that the leader is at work.
    pub(crate) fn of(user_message_id: &str) -> Self {
        let mut follower = Self::found(user_message_id);
        follower.inspect(&left_behind());
        follower
    }

    /// Answers this message, and has not read the streams yet.
    pub(crate) fn found(user_message_id: &str) -> Self {
        let message = InChunk::Message { payload: Json::parse("{}").unwrap() };
        let spec = TurnSpec::new("m".into(), "mine".into(), user_message_id.into(), message);
        let mut opened = Opened::new("token");
        opened.is_existing = true;
        opened.run_id = Some("run_1".into());
        let mark = json!({"headStart": {"nonce": "theirs", "userMessageId": FIRST, "messageId": "x"}});
        opened.metadata = Some(Json::from_value(&mark));
        let mut follower = Self { machine: Machine::new(spec), now: Duration::ZERO };
        assert!(
            follower
                .tell(Input::Opened(opened))
                .iter()
                .any(|output| matches!(output, Output::Inspect { .. }))
        );
        follower
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(self.now, input);
        std::iter::from_fn(|| self.machine.poll()).collect()
    }

    pub(crate) fn inspect(&mut self, output: &[Record]) -> Vec<Output> {
        self.inspect_all(&[], output, RunState::TakesHandover)
    }

    /// These inputs are on `session.in`, these records on `session.out`, and the run does this.
    pub(crate) fn inspect_all(&mut self, kinds: &[&str], output: &[Record], run: RunState) -> Vec<Output> {
        let input = |(kind, seq): (&&str, Seq)| {
            let text = json!({"kind": kind}).to_string();
            Record { seq, body: RecordBody::Data { id: format!("i-{seq}"), data: Json::string(&text) } }
        };
        let input = kinds.iter().zip(0..).map(input).collect();
        self.tell(Input::Inspected { input, output: output.to_vec(), run })
    }

    /// Nothing happens until the next deadline.
    pub(crate) fn wait(&mut self) -> Vec<Output> {
        self.now = self.machine.deadline().unwrap();
        self.tell(Input::Tick)
    }

    /// The leader says nothing until it counts as dead.
    pub(crate) fn silence(&mut self) -> Vec<Output> {
        assert!(self.machine.deadline().unwrap() >= Deadlines::default().follow_idle);
        self.wait()
    }
}

pub(crate) fn record(seq: Seq, id: &str, chunk: &Value) -> Record {
    Record { seq, body: RecordBody::Data { id: id.into(), data: Json::from_value(chunk) } }
}

/// What an agent says.
pub(crate) fn said(number: usize) -> Value {
    json!({"type": "text-delta", "id": "0", "delta": format!("said {number}")})
}

pub(crate) fn left_behind() -> Vec<Record> {
    let chunks = [json!({"type": "start"}), json!({"type": "text-delta", "id": "0", "delta": "Half an ans"})];
    chunks.iter().zip(0..).map(|(chunk, seq)| record(seq, &format!("theirs-{seq}"), chunk)).collect()
}

/// The one that takes the turn over.
pub(crate) fn takeover(outputs: &[Output]) -> Option<(Value, Seq)> {
    outputs.iter().find_map(|output| match output {
        Output::TakeOver { body, at } => Some((serde_json::from_slice(body).unwrap(), *at)),
        _ => None,
    })
}

pub(crate) fn given(outputs: &[Output], wanted: Purpose) -> Vec<Value> {
    let body = |output: &Output| match output {
        Output::Append { purpose, body, .. } if *purpose == wanted => {
            Some(serde_json::from_slice(body).unwrap())
        }
        _ => None,
    };
    outputs.iter().filter_map(body).collect()
}

pub(crate) fn handovers(outputs: &[Output]) -> Vec<Value> {
    given(outputs, Purpose::Handover)
}

pub(crate) fn messages(outputs: &[Output]) -> usize {
    given(outputs, Purpose::Message).len()
}

pub(crate) fn accepted(purpose: Purpose, seq: Seq) -> Input {
    Input::Appended(purpose, Ok(Appended { seq: Some(seq) }))
}

pub(crate) fn boundary(seq: Seq, done: Seq) -> Record {
    let headers =
        [("trigger-control", "turn-complete".to_owned()), ("session-in-event-id", done.to_string())];
    let headers: Vec<(String, String)> =
        headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Record { seq, body: RecordBody::parse(&headers, "") }
}

/// What the browser is shown, but for the frames that end a turn.
pub(crate) fn shown(outputs: &[Output]) -> Vec<Value> {
    let frame = |output: &Output| match output {
        Output::Frame(frame) => {
            let text = std::str::from_utf8(frame).unwrap();
            Some(serde_json::from_str(text.strip_prefix("data: ").unwrap().trim_end()).unwrap())
        }
        _ => None,
    };
    let frames = outputs.iter().filter_map(frame);
    frames.filter(|frame: &Value| !frame["type"].as_str().unwrap().starts_with("trigger:")).collect()
}

pub(crate) fn conflict() -> SessionsError {
    SessionsError::new(SessionsErrorKind::Conflict, "the stream has moved on")
}
