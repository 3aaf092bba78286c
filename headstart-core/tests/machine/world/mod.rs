//! A platform, an agent, a model and a browser, all in memory, which do what a plan says in an order that
//! its choices say.

use std::{collections::VecDeque, time::Duration};

use headstart_core::{
    sessions::{Appended, Opened, RunState, SessionsError, SessionsErrorKind, Written},
    step::{StepError, StepErrorKind, StepEvent, Tool, ToolSet, Usage},
    turn::{self, Input, Machine, Output, Purpose, Refusal, TurnSpec, ViewLoss},
    wire::{FinishReason, InChunk, Json, Record, RecordBody, Seq},
};
use serde_json::{Value, json};

pub(crate) use plan::{Create, Ending, Leader, Plan};

mod check;
mod others;
mod plan;

/// What the agent's run hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    AwaitsHandover,
    Serves,
    /// It took the place of a dead one.
    TakesMessages,
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
    /// Where the message of another is.
    rival: Option<Seq>,
    look_failures_left: u8,
    has_looked: bool,
    /// Messages that wait for a handover, by position.
    held: Vec<Seq>,
    takeovers: VecDeque<(Value, usize)>,
    leader_writes: Option<usize>,
    is_taken_over: bool,
    /// Position and part id.
    own_inputs: Vec<(Seq, String)>,
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
            rival: None,
            look_failures_left: plan.look_failures,
            has_looked: false,
            held: vec![],
            takeovers: VecDeque::new(),
            leader_writes: None,
            is_taken_over: false,
            own_inputs: vec![],
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
            may(self.rival_may_write(), Self::rival_writes);
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
        // Those that do not look after a leader decide what is shown at all.
        if self.look_failures_left > 0 && run != RunState::Unknown {
            self.look_failures_left -= 1;
            return self
                .tell(Input::InspectFailed(SessionsError::new(SessionsErrorKind::Unavailable, "down")));
        }
        self.has_looked = true;
        let record = |(body, seq): (&Value, Seq)| {
            let own = self.own_inputs.iter().find(|(own, _)| *own == seq).map(|(_, part_id)| part_id.clone());
            let id = own.unwrap_or_else(|| format!("i-{seq}"));
            Record { seq, body: RecordBody::Data { id, data: Json::string(&body.to_string()) } }
        };
        let input = self.input.iter().zip(0..).map(record).collect();
        let output = (0..self.out.len()).map(|seq| self.read(seq)).collect();
        self.tell(Input::Inspected { input, output, run });
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
        let is_new = !self.own_inputs.iter().any(|(_, own)| *own == part_id);
        if lands && is_new {
            self.own_inputs.push((self.input.len() as Seq, part_id));
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
}

fn data(chunk: Value, id: &str) -> Value {
    json!({"body": json!({"data": chunk, "id": id}).to_string()})
}

fn control(in_event: Option<Seq>) -> Value {
    let floor = in_event.map(|seq| json!(["session-in-event-id", seq.to_string()]));
    let headers = [Some(json!(["trigger-control", "turn-complete"])), floor];
    json!({"headers": headers.into_iter().flatten().collect::<Vec<_>>()})
}
