//! Taking a turn over from a process that fell silent, step by step.

use std::time::Duration;

use headstart_core::{
    sessions::{Appended, Opened, RunState, SessionsError, SessionsErrorKind},
    turn::{Deadlines, Input, Machine, Output, Purpose, TurnSpec},
    wire::{InChunk, Json, Record, RecordBody, Seq},
};
use serde_json::{Value, json};

const TAKEOVER: &str = "mine-takeover";

/// A turn that follows another process, and what it wants done.
struct Follower {
    machine: Machine,
    now: Duration,
}

impl Follower {
    fn new() -> Self {
        let message = InChunk::Message { payload: Json::parse("{}").unwrap() };
        let spec = TurnSpec::new("m".into(), "mine".into(), "u1".into(), message);
        let mut opened = Opened::new("token");
        opened.is_existing = true;
        let mark = json!({"headStart": {"nonce": "theirs", "userMessageId": "u1", "messageId": "x"}});
        opened.metadata = Some(Json::from_value(&mark));
        let mut follower = Self { machine: Machine::new(spec), now: Duration::ZERO };
        assert!(
            follower
                .tell(Input::Opened(opened))
                .iter()
                .any(|output| matches!(output, Output::Inspect { .. }))
        );
        follower.inspect(&left_behind());
        follower
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(self.now, input);
        std::iter::from_fn(|| self.machine.poll()).collect()
    }

    fn inspect(&mut self, output: &[Record]) -> Vec<Output> {
        self.tell(Input::Inspected { input: vec![], output: output.to_vec(), run: RunState::TakesHandover })
    }

    /// The leader says nothing until it counts as dead.
    fn silence(&mut self) -> Vec<Output> {
        self.now = self.machine.deadline().unwrap();
        assert!(self.now >= Deadlines::default().follow_idle);
        self.tell(Input::Tick)
    }
}

fn record(seq: Seq, id: &str, chunk: &Value) -> Record {
    Record { seq, body: RecordBody::Data { id: id.into(), data: Json::from_value(chunk) } }
}

fn left_behind() -> Vec<Record> {
    let chunks = [json!({"type": "start"}), json!({"type": "text-delta", "id": "0", "delta": "Half an ans"})];
    chunks.iter().zip(0..).map(|(chunk, seq)| record(seq, &format!("theirs-{seq}"), chunk)).collect()
}

/// The one that takes the turn over.
fn takeover(outputs: &[Output]) -> Option<(Value, Seq)> {
    outputs.iter().find_map(|output| match output {
        Output::TakeOver { body, at } => Some((serde_json::from_slice(body).unwrap(), *at)),
        _ => None,
    })
}

fn handovers(outputs: &[Output]) -> Vec<Value> {
    let body = |output: &Output| match output {
        Output::Append { purpose: Purpose::Handover, body, .. } => {
            Some(serde_json::from_slice(body).unwrap())
        }
        _ => None,
    };
    outputs.iter().filter_map(body).collect()
}

fn conflict() -> SessionsError {
    SessionsError::new(SessionsErrorKind::Conflict, "the stream has moved on")
}

#[test]
fn what_a_silent_leader_left_is_withdrawn_and_then_the_agent_answers() {
    let mut follower = Follower::new();
    assert!(follower.silence().iter().any(|output| matches!(output, Output::Inspect { .. })));
    let outputs = follower.inspect(&left_behind());
    assert_eq!(takeover(&outputs), Some((json!({"data": {"type": "reset-step"}, "id": TAKEOVER}), 2)));
    assert!(handovers(&outputs).is_empty(), "not before that is written");
    let given = handovers(&follower.tell(Input::TookOver(Ok(()))));
    assert_eq!(given.len(), 1);
    assert_eq!(
        (&given[0]["isFinal"], &given[0]["partialAssistantMessage"][0]["role"]),
        (&json!(false), &json!("tool"))
    );
    let accepted = Input::Appended(Purpose::Handover, Ok(Appended { seq: Some(1) }));
    assert!(handovers(&follower.tell(accepted)).is_empty());
}

#[test]
fn a_leader_that_wrote_meanwhile_keeps_the_turn_until_it_is_silent_again() {
    let mut follower = Follower::new();
    follower.silence();
    follower.inspect(&left_behind());
    let outputs = follower.tell(Input::TookOver(Err(conflict())));
    assert!(handovers(&outputs).is_empty() && matches!(outputs[..], [Output::Inspect { .. }]));
    let mut longer = left_behind();
    longer.push(record(2, "theirs-2", &json!({"type": "text-delta", "id": "0", "delta": "wer"})));
    let outputs = follower.inspect(&longer);
    assert!(outputs.is_empty(), "{outputs:?}");
    follower.silence();
    assert_eq!(takeover(&follower.inspect(&longer)).unwrap().1, 3);
}

#[test]
fn a_takeover_whose_answer_was_lost_is_known_by_its_id() {
    let mut follower = Follower::new();
    follower.silence();
    follower.inspect(&left_behind());
    follower.tell(Input::TookOver(Err(conflict())));
    let mut taken = left_behind();
    taken.push(record(2, TAKEOVER, &json!({"type": "reset-step"})));
    assert_eq!(handovers(&follower.inspect(&taken)).len(), 1);
    assert!(handovers(&follower.tell(Input::TookOver(Ok(())))).is_empty(), "one handover");
}

#[test]
fn a_message_is_answered_even_where_nothing_can_be_withdrawn() {
    let mut follower = Follower::new();
    follower.silence();
    follower.inspect(&left_behind());
    let down = SessionsError::new(SessionsErrorKind::Unavailable, "down");
    assert_eq!(handovers(&follower.tell(Input::TookOver(Err(down)))).len(), 1);
}
