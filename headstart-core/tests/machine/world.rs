//! A platform, an agent, a model and a browser, all in memory, which do what a plan says in an order that
//! its choices say.

use std::{collections::VecDeque, time::Duration};

use headstart_core::{
    sessions::{Appended, Opened, RunState, SessionsError, SessionsErrorKind, Written},
    step::{StepError, StepErrorKind, StepEvent, Tool, ToolSet, Usage},
    turn::{self, Input, Machine, OnDisconnect, Output, Purpose, Refusal, Settlement, TurnSpec, ViewLoss},
    wire::{FinishReason, InChunk, Json, Record, RecordBody, Seq},
};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    New,
    /// Created, but the answer got lost; the second try says *existing* and echoes our nonce.
    LostAnswer,
    /// Another process made it.
    Existing {
        same_message: bool,
        leader: Leader,
    },
    Fails,
    Hangs,
}

/// What the process that made the session has done, and still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leader {
    /// Its turn is over.
    Finished,
    /// It has written some of step 1, and writes so much more before it hands over.
    Writes(usize),
    /// It has written some of step 1, and died.
    Dead { run_is_gone: bool },
    /// It died, but not before it handed over to a run that died, too.
    HandedOverInVain,
}

/// What the agent's run hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    AwaitsHandover,
    Serves,
    /// It took the place of a dead one.
    TakesMessages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stop,
    ToolCalls,
    /// Some servers say `stop` although they want tools.
    StopWithCalls,
    ContentFilter,
    Error,
    Eof,
    Hang,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) attempt: turn::Plan,
    pub(crate) on_disconnect: OnDisconnect,
    /// The server is stopped in the middle.
    pub(crate) yields: bool,
    /// Another process takes the turn over in the middle.
    pub(crate) replaced: bool,
    pub(crate) create: Create,
    pub(crate) deltas: usize,
    pub(crate) calls: usize,
    pub(crate) ending: Ending,
    pub(crate) agent_chunks: usize,
    pub(crate) tee_fails: bool,
    pub(crate) append_failures: u8,
    pub(crate) subscription_breaks: bool,
    pub(crate) leaves: bool,
    pub(crate) stops: bool,
    pub(crate) choices: Vec<u8>,
}

const MESSAGE_ID: &str = "message-1";
const NONCE: &str = "nonce-1";

pub(crate) struct World {
    plan: Plan,
    machine: Machine,
    now: Duration,
    choices: VecDeque<u8>,
    pub(crate) frames: Vec<Value>,
    pub(crate) ended: Option<turn::Ending>,
    pub(crate) given: Vec<Value>,
    refused: Option<Refusal>,
    responded: u32,
    is_done: bool,
    create_pending: bool,
    is_ours: bool,
    inspecting: Option<RunState>,
    model: VecDeque<Option<Result<StepEvent, StepError>>>,
    model_running: bool,
    said: Vec<String>,
    tee: VecDeque<Value>,
    tee_open: bool,
    tee_failed: bool,
    out: Vec<(Value, bool)>,
    records_after_handover: u32,
    unacked_at_handover: usize,
    has_handed_over: bool,
    appends: VecDeque<(Purpose, Value, String)>,
    input: Vec<Value>,
    run: Run,
    /// Messages that wait for a handover, by position.
    held: Vec<Seq>,
    takeovers: VecDeque<(Value, usize)>,
    leader_writes: Option<usize>,
    is_taken_over: bool,
    part_ids: Vec<String>,
    failures_left: u8,
    watching_for_stop: bool,
    stopped: bool,
    agent: VecDeque<Value>,
    reading_from: Option<usize>,
    left: bool,
    left_during_step: bool,
    yielded: bool,
    replaced: bool,
    /// A message went to a run that awaits a handover, which would not hear it for now.
    gave_too_early: bool,
    /// A handover was given that a leader who is alive does not see.
    gave_unfenced: bool,
    /// How often the agent answers our message.
    answers: usize,
}

impl Plan {
    fn has_step(&self) -> bool {
        matches!(self.attempt, turn::Plan::HeadStart | turn::Plan::Alone)
    }
}

impl World {
    pub(crate) fn new(mut plan: Plan) -> Self {
        if plan.attempt == turn::Plan::Alone {
            plan.create = Create::New;
        }
        let message = InChunk::Message { payload: Json::parse(r#"{"message":1}"#).unwrap() };
        let mut spec = TurnSpec::new(MESSAGE_ID.into(), NONCE.into(), "u1".into(), message);
        spec.plan = plan.attempt;
        spec.on_disconnect = plan.on_disconnect;
        let mut world = Self {
            machine: Machine::new(spec),
            now: Duration::ZERO,
            choices: plan.choices.iter().copied().collect(),
            frames: vec![],
            ended: None,
            given: vec![],
            refused: None,
            responded: 0,
            is_done: false,
            create_pending: plan.create != Create::Hangs && plan.attempt != turn::Plan::Alone,
            is_ours: false,
            inspecting: None,
            model: VecDeque::new(),
            model_running: plan.has_step(),
            said: vec![],
            tee: VecDeque::new(),
            tee_open: true,
            tee_failed: false,
            out: vec![],
            records_after_handover: 0,
            unacked_at_handover: 0,
            has_handed_over: false,
            appends: VecDeque::new(),
            input: vec![],
            run: Run::AwaitsHandover,
            held: vec![],
            takeovers: VecDeque::new(),
            leader_writes: None,
            is_taken_over: false,
            part_ids: vec![],
            failures_left: plan.append_failures,
            watching_for_stop: false,
            stopped: false,
            agent: VecDeque::new(),
            reading_from: None,
            left: false,
            left_during_step: false,
            yielded: false,
            replaced: false,
            gave_too_early: false,
            gave_unfenced: false,
            answers: 0,
            plan,
        };
        if let Create::Existing { leader, .. } = world.plan.create {
            world.lead(leader);
        }
        world.script();
        world.carry_out();
        world
    }

    fn script(&mut self) {
        let id = || "0".to_owned();
        let mut events = vec![StepEvent::Start];
        if self.plan.deltas > 0 {
            events.push(StepEvent::TextStart { id: id(), provider_metadata: None });
            for n in 0..self.plan.deltas {
                events.push(StepEvent::TextDelta {
                    id: id(),
                    delta: format!("d{n} "),
                    provider_metadata: None,
                });
            }
            events.push(StepEvent::TextEnd { id: id(), provider_metadata: None });
        }
        let calls_come =
            matches!(self.plan.ending, Ending::ToolCalls | Ending::StopWithCalls | Ending::Error);
        for n in 0..if calls_come { self.plan.calls } else { 0 } {
            events.push(StepEvent::ToolCall {
                id: format!("call-{n}"),
                tool_name: "weather".into(),
                input: r#"{"city":"Paris"}"#.into(),
                provider_executed: false,
                provider_metadata: None,
            });
        }
        let reason = match self.plan.ending {
            Ending::Stop | Ending::StopWithCalls => Some(FinishReason::Stop),
            Ending::ToolCalls => Some(FinishReason::ToolCalls),
            Ending::ContentFilter => Some(FinishReason::ContentFilter),
            _ => None,
        };
        events.extend(reason.map(|reason| StepEvent::Finish {
            reason,
            paused: false,
            usage: Usage::default(),
        }));
        self.model.extend(events.into_iter().map(|event| Some(Ok(event))));
        match self.plan.ending {
            Ending::Error => {
                self.model.push_back(Some(Err(StepError::new(StepErrorKind::Transport, "broke"))));
            }
            Ending::Eof => self.model.push_back(None),
            _ => {}
        }
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let tools = ToolSet::new([Tool::new("weather", "", schema)]).unwrap();
        self.machine.handle(self.now, Input::StepStarted(tools));
    }

    /// Plays to the end; a turn that does not end is a failure of its own.
    pub(crate) fn play(&mut self) {
        for _ in 0..10_000 {
            if self.is_done {
                return;
            }
            self.act();
            self.carry_out();
        }
        panic!("the turn does not end: {:?}", self.machine);
    }

    /// One thing happens: which of those that can, the choices say.
    fn act(&mut self) {
        let mut can: Vec<fn(&mut Self)> = vec![];
        let mut may = |condition: bool, action: fn(&mut Self)| {
            if condition {
                can.push(action);
            }
        };
        may(self.create_pending, Self::answer_create);
        may(self.inspecting.is_some(), Self::answer_inspect);
        may(!self.takeovers.is_empty(), Self::answer_takeover);
        may(self.leader_writes.is_some(), Self::leader_acts);
        may(self.model_running && !self.model.is_empty(), Self::model_speaks);
        may(self.tee_open && !self.tee_failed && !self.tee.is_empty(), Self::tee_writes);
        may(!self.appends.is_empty(), Self::answer_append);
        may(!self.agent.is_empty(), Self::agent_writes);
        may(self.reading_from.is_some_and(|from| from < self.out.len()), Self::reader_gets);
        let choice = self.choices.pop_front();
        if let Some(choice) = choice {
            may(self.plan.leaves && !self.left, Self::browser_leaves);
            // After the handover it is the agent that obeys.
            let can_stop = self.watching_for_stop && !self.stopped && !self.has_handed_over;
            may(can_stop && self.plan.stops, Self::user_stops);
            may(self.reading_from.is_some() && self.plan.subscription_breaks, Self::subscription_breaks);
            may(self.plan.yields && !self.yielded, Self::server_stops);
            let can_be_replaced = self.plan.replaced && !self.replaced && !self.has_handed_over;
            may(can_be_replaced && self.is_ours && self.plan.has_step(), Self::another_takes_over);
            may(true, Self::time_passes);
            // Whoever follows may lose patience.
            let follows = matches!(self.plan.create, Create::Existing { .. }) && !self.create_pending;
            let is_idle = self.inspecting.is_none() && self.appends.is_empty() && self.takeovers.is_empty();
            may(follows && is_idle && self.machine.deadline().is_some(), Self::deadline_passes);
            let at = usize::from(choice) % can.len();
            return can[at](self);
        }
        match can.first() {
            Some(action) => action(self),
            None => self.deadline_passes(),
        }
    }

    fn tell(&mut self, input: Input) {
        self.now += Duration::from_millis(1);
        self.machine.handle(self.now, input);
    }

    fn server_stops(&mut self) {
        self.yielded = true;
        self.tell(Input::Yield);
    }

    fn another_takes_over(&mut self) {
        self.replaced = true;
        self.tell(Input::Replaced);
    }

    fn answer_create(&mut self) {
        self.create_pending = false;
        self.is_ours = matches!(self.plan.create, Create::New | Create::LostAnswer);
        let mut opened = Opened::new("token");
        let mark = |nonce: &str, user: &str| {
            Json::from_value(&json!({"headStart": {"nonce": nonce, "userMessageId": user, "messageId": "x"}}))
        };
        let answer = match self.plan.create {
            Create::New => Input::Opened(opened),
            Create::LostAnswer => {
                opened.is_existing = true;
                opened.metadata = Some(mark(NONCE, "u1"));
                Input::Opened(opened)
            }
            Create::Existing { same_message, .. } => {
                opened.is_existing = true;
                opened.run_id = Some("run_1".into());
                opened.metadata = Some(mark("other", if same_message { "u1" } else { "u0" }));
                Input::Opened(opened)
            }
            Create::Fails | Create::Hangs => {
                Input::CreateFailed(SessionsError::new(SessionsErrorKind::Unavailable, "down"))
            }
        };
        self.tell(answer);
    }

    fn answer_inspect(&mut self) {
        let run = self.inspecting.take().unwrap_or_default();
        let record = |(body, seq): (&Value, Seq)| {
            let body = RecordBody::Data { id: format!("i-{seq}"), data: Json::string(&body.to_string()) };
            Record { seq, body }
        };
        let input = self.input.iter().zip(0..).map(record).collect();
        let output = (0..self.out.len()).map(|seq| self.read(seq)).collect();
        self.tell(Input::Inspected { input, output, run });
    }

    /// What there is of another process when the turn begins.
    fn lead(&mut self, leader: Leader) {
        self.out.push((data(json!({"type": "start", "messageId": "theirs"}), "theirs-0"), false));
        let handover = json!({"kind": "handover"});
        match leader {
            Leader::Finished => {
                self.out.push((control(Some(0)), false));
                self.input.push(handover);
                self.run = Run::Serves;
            }
            Leader::Writes(records) => self.leader_writes = Some(records),
            Leader::Dead { run_is_gone: false } => {}
            Leader::Dead { run_is_gone: true } => self.run = Run::TakesMessages,
            Leader::HandedOverInVain => {
                self.input.push(handover);
                self.run = Run::TakesMessages;
            }
        }
    }

    /// The other process writes, or hands over; it stops when it finds that the stream was written to.
    fn leader_acts(&mut self) {
        match self.leader_writes {
            Some(0) => {
                self.leader_writes = None;
                self.input.push(json!({"kind": "handover"}));
                self.agent_hears();
            }
            Some(_) if self.is_taken_over => self.leader_writes = None,
            Some(left) => {
                self.leader_writes = Some(left - 1);
                let chunk = json!({"type": "text-delta", "id": "0", "delta": format!("theirs {left}")});
                self.out.push((data(chunk, &format!("theirs-{left}")), false));
            }
            None => {}
        }
    }

    fn answer_takeover(&mut self) {
        let Some((record, at)) = self.takeovers.pop_front() else { return };
        let error = |kind| Err(SessionsError::new(kind, "not written"));
        if self.out.len() != at {
            return self.tell(Input::TookOver(error(SessionsErrorKind::Conflict)));
        }
        self.out.push((record, false));
        self.is_taken_over = true;
        let is_answer_lost = self.next_choice() % 5 == 1;
        self.tell(Input::TookOver(if is_answer_lost { error(SessionsErrorKind::Conflict) } else { Ok(()) }));
    }

    fn model_speaks(&mut self) {
        let Some(event) = self.model.pop_front() else { return };
        match event {
            Some(event) => {
                if let Ok(StepEvent::TextDelta { delta, .. }) = &event {
                    self.said.push(delta.clone());
                }
                self.tell(Input::Step(event));
            }
            None => self.tell(Input::StepEnded),
        }
    }

    fn tee_writes(&mut self) {
        if self.plan.tee_fails && self.out.len() > 2 {
            self.tee_failed = true;
            // Some of it has landed all the same: only the acknowledgement is lost.
            let landed = self.next_choice() % (self.tee.len() + 1);
            self.out.extend(self.tee.drain(..landed).map(|record| (record, true)));
            self.tee.clear();
            return self.tell(Input::TeeFailed);
        }
        let count = 1 + self.next_choice() % self.tee.len();
        let first = self.out.len() as Seq;
        for record in self.tee.drain(..count) {
            self.out.push((record, true));
        }
        self.tell(Input::Written(Written { first, last: self.out.len() as Seq - 1 }));
    }

    fn answer_append(&mut self) {
        let Some((purpose, body, part_id)) = self.appends.pop_front() else { return };
        let fails = purpose != Purpose::Noop && self.failures_left > 0;
        // Every other failure has done it nevertheless: only the answer is lost.
        let lands = !fails || self.failures_left.is_multiple_of(2);
        let is_new = !self.part_ids.contains(&part_id);
        if lands && is_new {
            self.part_ids.push(part_id);
            self.input.push(body.clone());
            if purpose != Purpose::Noop {
                let is_early = purpose == Purpose::Message && self.run == Run::AwaitsHandover;
                self.gave_too_early |=
                    is_early && !self.yielded && matches!(self.plan.create, Create::Existing { .. });
                let is_unfenced = purpose == Purpose::Handover && !self.is_taken_over;
                self.gave_unfenced |= is_unfenced && matches!(self.plan.create, Create::Existing { .. });
                self.given.push(body);
                self.agent_hears();
            }
        }
        let result = if fails {
            self.failures_left -= 1;
            Err(SessionsError::new(SessionsErrorKind::Unavailable, "answer lost"))
        } else {
            Ok(Appended { seq: is_new.then(|| self.input.len() as Seq - 1) })
        };
        self.tell(Input::Appended(purpose, result));
    }

    /// The newest input: one handover is heard, and messages only when none is awaited.
    fn agent_hears(&mut self) {
        let seq = self.input.len() as Seq - 1;
        let kind = self.input.last().map(|input| input["kind"].clone()).unwrap_or_default();
        let is_theirs = matches!(self.plan.create, Create::Existing { same_message: false, .. });
        // A session may as well begin with a message.
        let begins =
            self.plan.attempt == turn::Plan::Message && !matches!(self.plan.create, Create::Existing { .. });
        match (kind.as_str(), self.run) {
            (Some("handover"), Run::AwaitsHandover) => {
                self.run = Run::Serves;
                self.agent_answers(seq, if is_theirs { "theirs" } else { "agent" });
                while !self.held.is_empty() {
                    let seq = self.held.remove(0);
                    self.agent_answers(seq, "agent");
                }
            }
            (Some("message"), Run::AwaitsHandover) if !begins => self.held.push(seq),
            (Some("message"), _) => self.agent_answers(seq, "agent"),
            _ => {}
        }
    }

    fn agent_answers(&mut self, seq: Seq, who: &str) {
        for n in 0..self.plan.agent_chunks {
            let chunk = json!({"type": "text-delta", "id": "a", "delta": format!("{who} {n}")});
            self.agent.push_back(data(chunk, &format!("a-{n}-{seq}")));
        }
        // Held below the oldest message that still waits.
        let waits = self.held.iter().copied().find(|held| *held > seq);
        self.agent.push_back(control(waits.map_or(Some(seq), |held| held.checked_sub(1))));
        self.answers += usize::from(who == "agent");
    }

    fn agent_writes(&mut self) {
        let mut record = self.agent.pop_front().unwrap_or_default();
        if let Some(headers) = record["headers"].as_array_mut() {
            // What it has seen by now, whether it is done with it or not.
            let seen = (self.input.len() - 1).to_string();
            headers.push(json!(["session-in-consumed-id", seen]));
        }
        // A writer that retries writes twice, under the same id.
        if self.next_choice() % 4 == 1 {
            self.out.push((record.clone(), false));
        }
        self.out.push((record, false));
    }

    fn next_choice(&self) -> usize {
        self.choices.front().copied().unwrap_or(9).into()
    }

    fn reader_gets(&mut self) {
        let Some(from) = self.reading_from else { return };
        self.reading_from = Some(from + 1);
        let record = self.read(from);
        self.tell(Input::Record(record));
    }

    fn subscription_breaks(&mut self) {
        self.reading_from = None;
        self.tell(Input::SubscriptionEnded(None));
    }

    fn browser_leaves(&mut self) {
        self.left = true;
        self.left_during_step = self.model_running && !self.model.is_empty();
        self.tell(Input::ViewLost(ViewLoss::Left));
    }

    fn user_stops(&mut self) {
        self.stopped = true;
        self.tell(Input::StopRequested);
    }

    fn time_passes(&mut self) {
        self.tell(Input::Tick);
    }

    fn deadline_passes(&mut self) {
        let at = self.machine.deadline().expect("a turn that waits has a deadline");
        self.now = self.now.max(at);
        self.tell(Input::Tick);
    }

    fn read(&self, seq: usize) -> Record {
        let record = &self.out[seq].0;
        let headers: Vec<(String, String)> =
            serde_json::from_value(record["headers"].clone()).unwrap_or_default();
        let body = record["body"].as_str().unwrap_or_default();
        Record { seq: seq as Seq, body: RecordBody::parse(&headers, body) }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll() {
            assert!(!self.is_done, "an output after the end: {output:?}");
            match output {
                Output::Respond(answer) => {
                    self.responded += 1;
                    self.refused = answer.err();
                }
                Output::Frame(frame) => {
                    assert!(self.ended.is_none(), "a frame after the end of the response");
                    let text = std::str::from_utf8(&frame).unwrap();
                    let json =
                        text.strip_prefix("data: ").and_then(|text| text.strip_suffix("\n\n")).unwrap();
                    self.frames.push(serde_json::from_str(json).unwrap());
                }
                Output::Close(ending) => assert_eq!(self.ended.replace(ending), None, "two ends"),
                Output::Record(body) => {
                    if self.has_handed_over {
                        self.records_after_handover += 1;
                    }
                    self.tee.push_back(json!({"body": std::str::from_utf8(&body).unwrap()}));
                }
                Output::FlushTee => {}
                Output::CloseTee => self.tee_open = false,
                Output::Append { purpose, body, part_id } => {
                    if purpose == Purpose::Handover {
                        self.has_handed_over = true;
                        self.unacked_at_handover = if self.tee_failed { 0 } else { self.tee.len() };
                    }
                    self.appends.push_back((purpose, serde_json::from_slice(&body).unwrap(), part_id));
                }
                Output::Inspect { run_id } => {
                    let is_gone = self.run == Run::TakesMessages;
                    let told = if is_gone { RunState::TakesMessages } else { RunState::TakesHandover };
                    self.inspecting = Some(if run_id.is_some() { told } else { RunState::Unknown });
                }
                Output::TakeOver { body, at } => {
                    let record = json!({"body": std::str::from_utf8(&body).unwrap()});
                    self.takeovers.push_back((record, at as usize));
                }
                Output::Subscribe(after) => {
                    // A subscription that begins anew may repeat the last record.
                    let repeats = self.next_choice() % 3 == 1;
                    self.reading_from = Some(after.map_or(0, |seq| seq as usize + usize::from(!repeats)));
                }
                Output::WatchForStop => self.watching_for_stop = true,
                Output::CancelStep => self.model_running = false,
                Output::Done => self.is_done = true,
                other => panic!("unknown output {other:?}"),
            }
        }
    }

    pub(crate) fn check(&self) -> Result<(), TestCaseError> {
        self.check_inputs()?;
        self.check_settlement()?;
        self.check_stream()?;
        self.check_browser()
    }

    /// I1, I5, I9.
    fn check_inputs(&self) -> Result<(), TestCaseError> {
        let kinds: Vec<&str> = self.given.iter().filter_map(|input| input["kind"].as_str()).collect();
        match self.plan.create {
            _ if self.plan.attempt == turn::Plan::Alone => prop_assert!(kinds.is_empty(), "I1: {:?}", kinds),
            _ if self.replaced => prop_assert!(kinds.is_empty(), "I1, after a takeover: {:?}", kinds),
            Create::New | Create::LostAnswer if self.plan.attempt == turn::Plan::Message => {
                prop_assert_eq!(&kinds, &["message"], "I1");
            }
            Create::New | Create::LostAnswer => prop_assert_eq!(&kinds, &["handover"], "I1"),
            Create::Existing { leader, .. } => return self.check_existing(leader, &kinds),
            Create::Fails | Create::Hangs => prop_assert!(kinds.is_empty(), "I1: {:?}", kinds),
        }
        for input in self.given.iter().filter(|input| input["kind"] == "handover") {
            prop_assert_eq!(&input["messageId"], MESSAGE_ID, "I5");
            if self.stopped || self.gave_up() {
                prop_assert_eq!(&input["isFinal"], true, "a stop leaves nothing to run");
            }
            if self.plan.attempt == turn::Plan::Agent && !self.gave_up() && !self.stopped {
                prop_assert_eq!(&input["isFinal"], false, "the agent answers");
            }
        }
        prop_assert!(self.responded <= 1);
        Ok(())
    }

    /// Each message has one answer, whatever became of the process that had the session before us.
    fn check_existing(&self, leader: Leader, kinds: &[&str]) -> Result<(), TestCaseError> {
        let Create::Existing { same_message, .. } = self.plan.create else { return Ok(()) };
        prop_assert!(!self.gave_too_early, "I1: a message before the handover it has to wait for");
        prop_assert!(!self.gave_unfenced, "I1: a handover that is not fenced");
        prop_assert!(
            matches!(kinds, [] | ["handover"] | ["message"] | ["handover", "message"]),
            "I1: {:?}",
            kinds
        );
        for input in self.given.iter().filter(|input| input["kind"] == "handover") {
            prop_assert_eq!(&input["isFinal"], false, "the agent answers");
            prop_assert_eq!(&input["messageId"], &Value::Null, "under an id of its own");
        }
        if !same_message {
            prop_assert_eq!(kinds.last(), Some(&"message"), "I1");
            prop_assert!(self.answers == 1 || !self.held.is_empty(), "I1: {} answers", self.answers);
        } else if leader != Leader::Finished {
            prop_assert!(kinds.len() <= 1, "I1: {:?}", kinds);
            // Nobody waits for it any more; whoever posts it again takes care of it.
            let is_abandoned = self.left || self.yielded || self.leader_writes.is_some();
            prop_assert!(
                self.answers == 1 || (self.answers == 0 && is_abandoned),
                "I1: {} answers",
                self.answers
            );
        } else {
            prop_assert!(kinds.is_empty(), "I1: {:?}", kinds);
        }
        Ok(())
    }

    /// When nothing is left to do, it is known who has the turn, and that is who has it.
    fn check_settlement(&self) -> Result<(), TestCaseError> {
        if !self.is_done {
            return Ok(());
        }
        let expected = match self.given.last().and_then(|input| input["kind"].as_str()) {
            Some("handover") => Settlement::HandedOver,
            Some(_) => Settlement::SentAsMessage,
            None if self.replaced || matches!(self.plan.create, Create::Existing { .. }) => {
                Settlement::AnsweredElsewhere
            }
            None => Settlement::Lost,
        };
        prop_assert_eq!(self.machine.settlement(), Some(expected));
        Ok(())
    }

    /// The browser left in the middle of step 1, and that ends it at once.
    fn gave_up(&self) -> bool {
        self.plan.on_disconnect == OnDisconnect::Abort && self.left_during_step
    }

    /// I2, I4 and the first half of I1: never a boundary of our own.
    fn check_stream(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.records_after_handover, 0, "I2: records after the handover");
        prop_assert_eq!(self.unacked_at_handover, 0, "I2: records not acknowledged before the handover");
        let own: Vec<Value> = self.own_chunks();
        for chunk in &own {
            prop_assert!(
                !chunk["type"].as_str().unwrap_or_default().starts_with("trigger:"),
                "I1: {}",
                chunk
            );
        }
        if let Create::Existing { .. } = self.plan.create {
            prop_assert!(own.is_empty(), "a second step 1 left records: {:?}", own);
        } else if !self.plan.has_step() || self.plan.attempt == turn::Plan::Alone {
            prop_assert!(own.is_empty(), "records without a step or a platform: {:?}", own);
        } else if !self.tee_failed && self.refused.is_none() && !self.replaced {
            let seen = self.seen_of_step1();
            prop_assert!(
                seen.len() <= own.len() && own[..seen.len()] == seen[..],
                "I4: {:?} / {:?}",
                seen,
                own
            );
        }
        Ok(())
    }

    /// I3, I6.
    fn check_browser(&self) -> Result<(), TestCaseError> {
        let text = |chunk: &Value| chunk["delta"].as_str().map(str::to_owned);
        let seen: Vec<String> = self.frames.iter().filter_map(text).collect();
        let agent = (0..self.plan.agent_chunks).map(|n| format!("agent {n}"));
        let mut all: Vec<String> = match self.plan.create {
            Create::Existing { same_message: true, leader: Leader::Writes(records) } => {
                (1..=records).rev().map(|left| format!("theirs {left}")).collect()
            }
            Create::Existing { .. } => vec![],
            _ => self.said.clone(),
        };
        all.extend(agent.clone());
        let mut rest = all.iter();
        for delta in &seen {
            prop_assert!(rest.any(|next| next == delta), "I3: {:?} of {:?}", seen, all);
        }
        let types: Vec<&str> = self.frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
        let is_complete = types.contains(&"trigger:turn-complete");
        if self.ended == Some(turn::Ending::Clean) {
            prop_assert!(is_complete, "I6: a clean end of an unfinished turn");
        }
        let is_given = self.given.iter().any(|input| input["kind"] == "handover");
        if is_complete && is_given && !matches!(self.plan.create, Create::Existing { .. }) {
            prop_assert!(seen.len() >= self.said.len().min(self.own_text_shown()), "I3: own text is missing");
        }
        if let (true, Create::Existing { .. }, 1..) = (is_complete, self.plan.create, self.answers) {
            prop_assert!(
                agent.clone().all(|delta| seen.contains(&delta)),
                "I3: {:?} is not all of the answer",
                seen
            );
        }
        if self.responded == 1 && self.refused.is_none() && !self.left {
            prop_assert!(self.ended.is_some(), "I6: the response has no end");
        }
        let starts =
            self.frames.iter().filter(|frame| frame["type"] == "start" && frame["messageId"] == MESSAGE_ID);
        prop_assert!(starts.count() <= 1, "I3: two starts");
        let has_fault = self.plan.tee_fails || self.left || self.yielded || self.plan.append_failures > 0;
        if !has_fault
            && is_complete
            && self.plan.create == Create::New
            && self.plan.attempt == turn::Plan::HeadStart
            && self.plan.ending == Ending::ToolCalls
        {
            let expected = if self.given[0]["isFinal"] == true { self.said.len() } else { all.len() };
            prop_assert!(
                seen.len() >= expected,
                "I3: with no fault each chunk comes: {:?} of {:?}",
                seen,
                all
            );
        }
        Ok(())
    }

    fn own_chunks(&self) -> Vec<Value> {
        let body = |(record, is_own): &(Value, bool)| {
            is_own.then(|| {
                serde_json::from_str::<Value>(record["body"].as_str().unwrap()).unwrap()["data"].clone()
            })
        };
        self.out.iter().filter_map(body).collect()
    }

    fn own_text_shown(&self) -> usize {
        if self.frames.iter().any(|frame| frame["type"] == "reset-step") { 0 } else { self.said.len() }
    }

    /// The browser's frames up to the end of step 1.
    fn seen_of_step1(&self) -> Vec<Value> {
        let is_own = |frame: &&Value| {
            let kind = frame["type"].as_str().unwrap_or_default();
            !kind.starts_with("trigger:")
                && kind != "error"
                && !frame["delta"].as_str().unwrap_or_default().starts_with("agent")
        };
        self.frames.iter().filter(is_own).cloned().collect()
    }
}

fn data(chunk: Value, id: &str) -> Value {
    json!({"body": json!({"data": chunk, "id": id}).to_string()})
}

fn control(in_event: Option<Seq>) -> Value {
    let floor = in_event.map(|seq| json!(["session-in-event-id", seq.to_string()]));
    let headers = [Some(json!(["trigger-control", "turn-complete"])), floor];
    json!({"headers": headers.into_iter().flatten().collect::<Vec<_>>()})
}
