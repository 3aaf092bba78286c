//! Taking a turn over from a process that fell silent, step by step.

use std::time::Duration;

use headstart_core::{
    sessions::{Appended, Opened, RunState, SessionsError, SessionsErrorKind},
    turn::{self, Deadlines, Input, Machine, Output, Purpose, TurnSpec},
    wire::{InChunk, Json, Record, RecordBody, Seq},
};
use serde_json::{Value, json};

const TAKEOVER: &str = "mine-takeover";

/// A turn that follows another process, and what it wants done.
struct Follower {
    machine: Machine,
    now: Duration,
}

/// The first message of the session.
const FIRST: &str = "u1";

impl Follower {
    fn new() -> Self {
        Self::of(FIRST)
    }

    /// Answers this message.
    fn of(user_message_id: &str) -> Self {
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
        follower.inspect(&left_behind());
        follower
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(self.now, input);
        std::iter::from_fn(|| self.machine.poll()).collect()
    }

    fn inspect(&mut self, output: &[Record]) -> Vec<Output> {
        self.inspect_all(&[], output, RunState::TakesHandover)
    }

    /// These inputs are on `session.in`, these records on `session.out`, and the run does this.
    fn inspect_all(&mut self, kinds: &[&str], output: &[Record], run: RunState) -> Vec<Output> {
        let input = |(kind, seq): (&&str, Seq)| {
            let text = json!({"kind": kind}).to_string();
            Record { seq, body: RecordBody::Data { id: format!("i-{seq}"), data: Json::string(&text) } }
        };
        let input = kinds.iter().zip(0..).map(input).collect();
        self.tell(Input::Inspected { input, output: output.to_vec(), run })
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

/// What an agent says.
fn said(number: usize) -> Value {
    json!({"type": "text-delta", "id": "0", "delta": format!("said {number}")})
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

fn given(outputs: &[Output], wanted: Purpose) -> Vec<Value> {
    let body = |output: &Output| match output {
        Output::Append { purpose, body, .. } if *purpose == wanted => {
            Some(serde_json::from_slice(body).unwrap())
        }
        _ => None,
    };
    outputs.iter().filter_map(body).collect()
}

fn handovers(outputs: &[Output]) -> Vec<Value> {
    given(outputs, Purpose::Handover)
}

fn messages(outputs: &[Output]) -> usize {
    given(outputs, Purpose::Message).len()
}

fn accepted(purpose: Purpose, seq: Seq) -> Input {
    Input::Appended(purpose, Ok(Appended { seq: Some(seq) }))
}

fn boundary(seq: Seq, done: Seq) -> Record {
    let headers =
        [("trigger-control", "turn-complete".to_owned()), ("session-in-event-id", done.to_string())];
    let headers: Vec<(String, String)> =
        headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Record { seq, body: RecordBody::parse(&headers, "") }
}

/// What the browser is shown, but for the frames that end a turn.
fn shown(outputs: &[Output]) -> Vec<Value> {
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

#[test]
fn a_message_behind_a_first_turn_that_is_not_handed_over_waits_for_its_boundary() {
    let mut follower = Follower::of("u2");
    let chunk = json!({"type": "text-delta", "id": "0", "delta": "for the first"});
    assert_eq!(
        follower.tell(Input::Record(record(2, "a-0", &chunk))).len(),
        0,
        "nothing sent, nothing shown"
    );
    assert_eq!(messages(&follower.tell(Input::Record(boundary(3, 1)))), 1);
    follower.tell(accepted(Purpose::Message, 2));
    let answer = json!({"type": "text-delta", "id": "0", "delta": "for the second"});
    assert_eq!(shown(&follower.tell(Input::Record(record(4, "a-1", &answer)))), [answer]);
    let end = follower.tell(Input::Record(boundary(5, 2)));
    assert!(matches!(end[..], [.., Output::Close(turn::Ending::Clean), Output::Done]), "{end:?}");
}

#[test]
fn a_message_behind_a_dead_leader_comes_after_the_handover_that_the_leader_owed() {
    let mut follower = Follower::of("u2");
    follower.silence();
    let (chunk, at) = takeover(&follower.inspect(&left_behind())).unwrap();
    let outputs = follower.tell(Input::TookOver(Ok(())));
    assert_eq!((handovers(&outputs).len(), messages(&outputs)), (1, 0));
    let outputs = follower.tell(accepted(Purpose::Handover, 0));
    assert_eq!((handovers(&outputs).len(), messages(&outputs)), (0, 1));
    follower.tell(accepted(Purpose::Message, 1));
    // The agent has seen both, and is done with the first.
    for record in [record(at, TAKEOVER, &chunk["data"]), record(3, "a-0", &said(0)), boundary(4, 0)] {
        assert_eq!(follower.tell(Input::Record(record)).len(), 0, "of the turn before");
    }
    assert_eq!(shown(&follower.tell(Input::Record(record(5, "a-1", &said(1))))), [said(1)]);
    let end = follower.tell(Input::Record(boundary(6, 1)));
    assert!(matches!(end[..], [.., Output::Close(turn::Ending::Clean), Output::Done]), "{end:?}");
}

#[test]
fn a_message_waits_although_nobody_looks_any_more() {
    let mut follower = Follower::of("u2");
    follower.tell(Input::ViewLost(turn::ViewLoss::Left));
    follower.silence();
    follower.inspect(&left_behind());
    follower.tell(Input::TookOver(Ok(())));
    assert_eq!(messages(&follower.tell(accepted(Purpose::Handover, 0))), 1);
    let end = follower.tell(accepted(Purpose::Message, 1));
    assert!(matches!(end[..], [Output::Done]), "{end:?}");
}

#[test]
fn a_server_that_stops_sends_the_message_that_waits() {
    let mut follower = Follower::of("u2");
    assert_eq!(messages(&follower.tell(Input::Yield)), 1);
}

#[test]
fn a_run_in_the_place_of_a_dead_one_gets_the_message_itself() {
    for (kinds, message) in
        [(&[][..], FIRST), (&["noop", "handover"], FIRST), (&["noop"], "u2"), (&["handover"], "u2")]
    {
        let mut follower = Follower::of(message);
        let asked = follower.silence();
        assert!(matches!(&asked[..], [Output::Inspect { run_id: Some(run) }] if run == "run_1"), "{asked:?}");
        let outputs = follower.inspect_all(kinds, &left_behind(), RunState::TakesMessages);
        assert_eq!(takeover(&outputs).unwrap().1, 2, "{kinds:?} {message}");
        let outputs = follower.tell(Input::TookOver(Ok(())));
        assert_eq!((handovers(&outputs).len(), messages(&outputs)), (0, 1), "{kinds:?} {message}");
    }
}

#[test]
fn a_turn_that_is_handed_over_is_the_agents_and_its_silence_has_an_end() {
    let mut follower = Follower::new();
    follower.silence();
    assert_eq!(follower.inspect_all(&["handover"], &left_behind(), RunState::TakesHandover).len(), 0);
    let end = follower.silence();
    assert!(matches!(end[..], [Output::Close(turn::Ending::Reset), Output::Done]), "{end:?}");
}
