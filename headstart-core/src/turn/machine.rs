//! The turn as a state machine: every rule, no clock, no socket.
//!
//! Inputs say what happened, outputs what is to be done; the driver in between decides nothing. Time comes
//! in with each input as the span since the turn began.
//!
//! ```text
//! POST ─┬─ create ──► ours ─────► records flow ──┐
//!       ├─ open out                              ├─► tee settled ─► handover ─► splice ─► turn complete
//!       └─ run ─► step 1 ─► chunks ─► step over ─┘
//!          create says existing ─► inspect ─► follow the turn under way, or send an ordinary message
//! ```

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    Ending, Input, Output, Plan, Purpose, Refusal, TurnSpec, ViewLoss,
    handover::{self, Closing, Decision, Outcome},
    mark::{Mark, input_kind},
    splice::{Seen, Splice},
    view::View,
};
use crate::{
    sessions::{Appended, MAX_RECORD_BYTES, Opened, SessionsError, SessionsErrorKind, Written},
    step::{Recorder, StepErrorKind, StepEvent},
    wire::{InChunk, Json, ModelMessage, Record, RecordBody, Seq, UiChunk},
};

/// The session, as far as known.
#[derive(Debug)]
enum Session {
    Creating,
    /// Created by this turn.
    Ours,
    /// It exists; its streams are being read. Is it the same first message as ours?
    Inspecting(bool),
    /// It exists, and an ordinary message continues it.
    Theirs,
    /// Another process answers the same message; its turn is shown.
    Followed,
    Failed,
}

#[derive(Debug)]
enum Step {
    None,
    Running { last_event: Option<Duration> },
    Over(Decision),
    HandedOver,
}

/// The one input of this turn on `session.in`.
#[derive(Debug)]
enum Given {
    Nothing,
    Sending(Giving),
    Waiting(Giving, Duration),
    Accepted,
    Lost,
}

#[derive(Debug, Clone)]
struct Giving {
    purpose: Purpose,
    body: Bytes,
    since: Duration,
    attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    None,
    Active,
    At(Duration),
}

#[derive(Debug, Default)]
struct Tee {
    /// Records wait here until the session is known to be ours.
    held: Vec<Bytes>,
    recorded: u64,
    written: u64,
    last: Option<Seq>,
    failed: bool,
    settle_by: Option<Duration>,
}

impl Tee {
    fn is_settled(&self) -> bool {
        self.failed || (self.held.is_empty() && self.recorded == self.written)
    }
}

/// The machine. See the module's documentation.
#[derive(Debug)]
pub struct Machine {
    spec: TurnSpec,
    now: Duration,
    outputs: VecDeque<Output>,
    session: Session,
    step: Step,
    recorder: Recorder,
    tee: Tee,
    given: Given,
    /// The noop is on its way, and the handover waits for it until then: it has to come first.
    noop_by: Option<Duration>,
    splice: Option<Splice>,
    subscription: Subscription,
    view: View,
    /// Until when the agent (or the followed turn) has to say something.
    agent_by: Option<Duration>,
    /// Step 1 was handed over as the whole answer, and the agent has added nothing yet.
    is_final: bool,
    report_error: bool,
    left: bool,
    is_done: bool,
}

/// How long a handover waits for the noop before it. By the end of step 1 it is mostly there.
const NOOP_PATIENCE: Duration = Duration::from_secs(1);
const ERROR_TEXT: &str = "An error occurred.";

impl Machine {
    /// A turn that begins now.
    #[must_use]
    pub fn new(spec: TurnSpec) -> Self {
        let step = match spec.plan {
            Plan::HeadStart => Step::Running { last_event: None },
            Plan::Message => Step::None,
        };
        let mut machine = Self {
            recorder: Recorder::new(spec.message_id.clone()),
            spec,
            now: Duration::ZERO,
            outputs: VecDeque::new(),
            session: Session::Creating,
            step,
            tee: Tee::default(),
            given: Given::Nothing,
            noop_by: None,
            splice: None,
            subscription: Subscription::None,
            view: View::new(),
            agent_by: None,
            is_final: false,
            report_error: false,
            left: false,
            is_done: false,
        };
        if machine.is_running() {
            let mut chunks = Vec::new();
            machine.recorder.start(&mut chunks);
            machine.emit(&chunks);
        }
        machine
    }

    /// The next thing to do; call until `None` after each [`handle`](Self::handle).
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let deadlines = &self.spec.deadlines;
        let step = match self.step {
            Step::Running { last_event: None } => Some(deadlines.model_first.min(deadlines.step)),
            Step::Running { last_event: Some(last) } => {
                Some((last + deadlines.model_idle).min(deadlines.step))
            }
            _ => None,
        };
        let given = match &self.given {
            Given::Waiting(giving, at) => Some((*at).min(self.view_patience(giving).unwrap_or(*at))),
            Given::Sending(giving) => self.view_patience(giving),
            _ => None,
        };
        let subscription = match self.subscription {
            Subscription::At(at) => Some(at),
            _ => None,
        };
        let create =
            matches!(self.session, Session::Creating | Session::Inspecting(_)).then_some(deadlines.create);
        let agent = self.agent_by.filter(|_| !self.view.is_closed());
        let tee = self.tee.settle_by.filter(|_| !self.tee.is_settled());
        let noop = self.noop_by.filter(|_| matches!(self.step, Step::Over(_)));
        [create, step, tee, noop, given, subscription, agent].into_iter().flatten().min()
    }

    /// Takes in what happened at `now`, the span since the turn began.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Opened(opened) => self.opened(opened),
            Input::CreateFailed(error) => self.create_failed(Refusal::from(&error)),
            Input::Inspected { input, output } => self.inspected(&input, &output),
            Input::StepStarted(tools) => self.recorder.set_tools(tools),
            Input::Step(Ok(event)) => self.step_event(event),
            Input::Step(Err(error)) => self.end_step(Outcome::Failed(error.kind())),
            Input::StepEnded => self.step_ended(),
            Input::Written(written) => self.written(written),
            Input::TeeFailed => self.tee_failed(),
            Input::Appended(purpose, result) => self.appended(purpose, result),
            Input::Record(record) => self.record(record),
            Input::SubscriptionEnded(error) => self.subscription_ended(error.as_ref()),
            Input::ViewLost(loss) => self.view_lost(loss),
            Input::StopRequested => self.stop(),
            Input::Tick => {}
        }
        self.expire();
        self.advance();
    }

    // ── the session ─────────────────────────────────────────────────────────────────────────────────

    fn opened(&mut self, opened: Opened) {
        if !matches!(self.session, Session::Creating) {
            return;
        }
        let mark = opened.metadata.as_ref().and_then(Mark::read);
        let is_ours = !opened.is_existing || mark.as_ref().is_some_and(|mark| mark.nonce == self.spec.nonce);
        if is_ours {
            self.session = Session::Ours;
            self.view.open(opened, &mut self.outputs);
            for record in std::mem::take(&mut self.tee.held) {
                self.write(record);
            }
            if self.left {
                self.watch_for_stop();
            }
            match self.spec.plan {
                Plan::HeadStart => {
                    self.append(Purpose::Noop, &InChunk::Noop);
                    self.noop_by = Some(self.now + NOOP_PATIENCE);
                }
                Plan::Message => {
                    self.splice = Some(Splice::new(None, None));
                    self.give(Purpose::Message, &self.spec.message.clone());
                }
            }
            return;
        }
        let is_same_message = mark.is_some_and(|mark| mark.user_message_id == self.spec.user_message_id);
        // Nothing of our own step was seen by anybody, nor will be.
        self.drop_step();
        self.view.forget_waiting();
        self.view.open(opened, &mut self.outputs);
        self.session = Session::Inspecting(is_same_message);
        self.outputs.push_back(Output::Inspect);
    }

    fn create_failed(&mut self, refusal: Refusal) {
        self.drop_step();
        self.session = Session::Failed;
        self.view.refuse(refusal, &mut self.outputs);
    }

    fn inspected(&mut self, input: &[Record], output: &[Record]) {
        let kinds: Vec<String> = input.iter().filter_map(input_kind).collect();
        let has = |kind: &str| kinds.iter().any(|found| found == kind);
        match self.session {
            // Its leader fell silent and left the run waiting: the agent takes the turn.
            Session::Followed if !has("handover") && !has("message") => {
                self.give_handover(vec![ModelMessage::tool(Vec::new())], None, false);
            }
            Session::Inspecting(true) if !has("message") => {
                self.session = Session::Followed;
                self.splice = Some(Splice::new(None, None));
                self.agent_by = Some(self.now + self.spec.deadlines.follow_idle);
                self.subscribe();
            }
            Session::Inspecting(_) => {
                self.session = Session::Theirs;
                let is_turn_open = output.iter().rev().find_map(|record| match &record.body {
                    RecordBody::Data { .. } => Some(true),
                    RecordBody::Control(control) => Some(control.name != crate::wire::Control::TURN_COMPLETE),
                    RecordBody::Command => None,
                });
                let tail = output.last().map(|record| record.seq);
                let splice = Splice::new(tail, None).skipping_to_boundary(is_turn_open == Some(true));
                self.splice = Some(splice);
                self.give(Purpose::Message, &self.spec.message.clone());
            }
            _ => {}
        }
    }

    // ── step 1 ──────────────────────────────────────────────────────────────────────────────────────

    fn is_running(&self) -> bool {
        matches!(self.step, Step::Running { .. })
    }

    fn step_event(&mut self, event: StepEvent) {
        let Step::Running { last_event } = &mut self.step else { return };
        *last_event = Some(self.now);
        let mut chunks = Vec::new();
        let recorded = self.recorder.event(event, &mut chunks);
        self.emit(&chunks);
        match (recorded, self.recorder.finish()) {
            (Err(error), _) => {
                self.outputs.push_back(Output::CancelStep);
                self.end_step(Outcome::Failed(error.kind()));
            }
            (Ok(()), Some((reason, paused))) => self.end_step(Outcome::Finished { reason, paused }),
            (Ok(()), None) => {}
        }
    }

    fn step_ended(&mut self) {
        self.end_step(Outcome::Failed(StepErrorKind::Truncated));
    }

    fn end_step(&mut self, outcome: Outcome) {
        if !self.is_running() {
            return;
        }
        let decision = handover::decide(&self.recorder, outcome, self.spec.broken_answer);
        let mut chunks = Vec::new();
        match decision.closing {
            Closing::Finish(reason) => self.recorder.close(reason, &mut chunks),
            Closing::Withdraw if self.recorder.is_shown() => self.recorder.reset(&mut chunks),
            Closing::Withdraw => {}
        }
        self.emit(&chunks);
        self.step = Step::Over(decision);
        self.tee.settle_by = Some(self.now + self.spec.deadlines.tee);
        if matches!(self.session, Session::Ours) && !self.tee.is_settled() {
            self.outputs.push_back(Output::FlushTee);
        }
    }

    /// The step is of no use any more, and leaves no trace.
    fn drop_step(&mut self) {
        if self.is_running() {
            self.outputs.push_back(Output::CancelStep);
        }
        self.step = Step::None;
        self.tee = Tee::default();
        self.outputs.push_back(Output::CloseTee);
    }

    fn stop(&mut self) {
        if self.is_running() {
            self.outputs.push_back(Output::CancelStep);
            self.end_step(Outcome::Stopped);
        } else if let Step::Over(decision) = &mut self.step {
            // Closed already, but nothing is handed over yet: the tools must not run.
            let stopped = handover::decide(&self.recorder, Outcome::Stopped, self.spec.broken_answer);
            decision.partial = stopped.partial;
            decision.is_final = true;
        }
    }

    /// Chunks of our own: to the browser, and as records to the durable copy.
    fn emit(&mut self, chunks: &[UiChunk]) {
        for chunk in chunks {
            let json = chunk.to_json();
            self.view.chunk(&json, &mut self.outputs);
            // The store takes no such record; the others still make a whole answer.
            if json.len() > MAX_RECORD_BYTES - 128 {
                continue;
            }
            let id = self.tee.recorded + self.tee.held.len() as u64;
            let record = Bytes::from(format!(r#"{{"data":{json},"id":"{}{id}"}}"#, self.record_prefix()));
            if matches!(self.session, Session::Ours) {
                self.write(record);
            } else {
                self.tee.held.push(record);
            }
        }
    }

    fn record_prefix(&self) -> String {
        format!("{}-", self.spec.nonce)
    }

    fn write(&mut self, record: Bytes) {
        if !self.tee.failed {
            self.tee.recorded += 1;
            self.outputs.push_back(Output::Record(record));
        }
    }

    fn written(&mut self, Written { first, last }: Written) {
        self.tee.written = (self.tee.written + (last + 1).saturating_sub(first)).min(self.tee.recorded);
        self.tee.last = self.tee.last.max(Some(last));
    }

    fn tee_failed(&mut self) {
        self.tee.failed = true;
        self.tee.held.clear();
    }

    // ── the input on session.in ─────────────────────────────────────────────────────────────────────

    fn append(&mut self, purpose: Purpose, chunk: &InChunk) {
        let body = Json::from_serialize(chunk).unwrap_or_default();
        self.append_body(purpose, Bytes::copy_from_slice(body.as_str().as_bytes()));
    }

    fn append_body(&mut self, purpose: Purpose, body: Bytes) {
        let name = match purpose {
            Purpose::Noop => "noop",
            Purpose::Handover => "handover",
            Purpose::Message => "message",
        };
        let part_id = format!("{}-{name}", self.spec.nonce);
        self.outputs.push_back(Output::Append { purpose, body, part_id });
    }

    fn give(&mut self, purpose: Purpose, chunk: &InChunk) {
        let body = Json::from_serialize(chunk).unwrap_or_default();
        let body = Bytes::copy_from_slice(body.as_str().as_bytes());
        self.append_body(purpose, body.clone());
        self.given = Given::Sending(Giving { purpose, body, since: self.now, attempts: 1 });
    }

    fn give_handover(&mut self, partial: Vec<ModelMessage>, message_id: Option<String>, is_final: bool) {
        let chunk = InChunk::Handover { partial_assistant_message: partial, message_id, is_final };
        self.give(Purpose::Handover, &chunk);
    }

    fn appended(&mut self, purpose: Purpose, result: Result<Appended, SessionsError>) {
        if purpose == Purpose::Noop {
            self.noop_by = None;
            return;
        }
        let Given::Sending(giving) = &mut self.given else { return };
        if giving.purpose != purpose {
            return;
        }
        let mut giving = giving.clone();
        let error = match result {
            Ok(Appended { seq }) => return self.accepted(purpose, seq),
            Err(error) => error,
        };
        let next = self.now + Duration::from_millis(250) * 2_u32.pow(giving.attempts.min(5) - 1);
        // A row that was just created may not be visible everywhere yet.
        let may_succeed = error.is_retryable() || error.kind() == SessionsErrorKind::NotFound;
        if may_succeed && next < giving.since + self.spec.deadlines.handover_retry {
            giving.attempts += 1;
            self.given = Given::Waiting(giving, next);
        } else if error.kind() == SessionsErrorKind::TooLarge && purpose == Purpose::Handover && self.is_final
        {
            // The text does not fit; the turn is closed without it rather than left open.
            self.report_error = true;
            self.given = Given::Nothing;
            self.is_final = false;
            self.give_handover(
                vec![ModelMessage::tool(Vec::new())],
                Some(self.spec.message_id.clone()),
                true,
            );
        } else {
            self.given = Given::Lost;
            self.cut_off();
        }
    }

    fn accepted(&mut self, purpose: Purpose, seq: Option<Seq>) {
        self.given = Given::Accepted;
        let deadlines = &self.spec.deadlines;
        let wait = if self.is_final { deadlines.final_grace } else { deadlines.agent_first };
        self.agent_by = Some(self.now + wait);
        if let Some(splice) = &mut self.splice {
            splice.set_input(seq);
        }
        // The answer to an ordinary message is told from earlier ones by its position, known only now.
        if purpose == Purpose::Message {
            self.subscribe();
        }
    }

    /// Until when the browser waits for an input to be accepted.
    fn view_patience(&self, giving: &Giving) -> Option<Duration> {
        (!self.view.is_closed()).then(|| giving.since + self.spec.deadlines.handover)
    }

    // ── the splice ──────────────────────────────────────────────────────────────────────────────────

    fn subscribe(&mut self) {
        if let (Some(splice), false) = (&self.splice, self.view.is_closed()) {
            self.outputs.push_back(Output::Subscribe(splice.cursor()));
            self.subscription = Subscription::Active;
        }
    }

    fn record(&mut self, record: Record) {
        let (Some(splice), Subscription::Active) = (&mut self.splice, self.subscription) else { return };
        if self.view.is_closed() {
            return;
        }
        let seen = splice.record(record);
        let idle = match self.session {
            Session::Followed => self.spec.deadlines.follow_idle,
            _ => self.spec.deadlines.agent_idle,
        };
        match seen {
            Seen::Complete => self.complete(),
            Seen::Chunk(chunk) => {
                // A hook that has begun to add something is waited for.
                self.is_final = false;
                self.agent_by = Some(self.now + idle);
                self.view.chunk(chunk.as_str(), &mut self.outputs);
            }
            Seen::Nothing if !self.is_final && self.agent_by.is_some() => {
                self.agent_by = Some(self.now + idle);
            }
            Seen::Nothing => {}
        }
    }

    fn complete(&mut self) {
        let (cursor, held) = match &mut self.splice {
            Some(splice) => (splice.cursor(), splice.take_error()),
            None => (None, None),
        };
        let own = self.report_error.then(|| {
            Json::parse(&UiChunk::Error { error_text: ERROR_TEXT.to_owned() }.to_json()).unwrap_or_default()
        });
        self.view.complete(cursor, own.or(held).as_ref(), &mut self.outputs);
        self.subscription = Subscription::None;
    }

    /// Ends the response of a turn that is not complete. Behind a whole answer the position is sound to go on
    /// from; in mid-turn it never is.
    fn cut_off(&mut self) {
        if let (true, Some(splice)) = (self.is_final, &self.splice) {
            self.view.cursor(splice.cursor(), &mut self.outputs);
        }
        self.view.close(Ending::Reset, &mut self.outputs);
    }

    fn subscription_ended(&mut self, error: Option<&SessionsError>) {
        let (Some(splice), Subscription::Active) = (&mut self.splice, self.subscription) else { return };
        match splice.ended(error) {
            Some(wait) => {
                self.subscription = Subscription::At(self.now + wait.max(Duration::from_millis(10)))
            }
            None if self.is_final && matches!(self.given, Given::Accepted) => self.complete(),
            None => {
                self.subscription = Subscription::None;
                self.view.close(Ending::Reset, &mut self.outputs);
            }
        }
    }

    // ── the browser ─────────────────────────────────────────────────────────────────────────────────

    fn view_lost(&mut self, loss: ViewLoss) {
        self.view.lose(&mut self.outputs);
        if loss == ViewLoss::Left && !std::mem::replace(&mut self.left, true) {
            self.watch_for_stop();
        }
    }

    /// A stop comes with the end of the connection; without that nobody has pressed it.
    fn watch_for_stop(&mut self) {
        if matches!(self.session, Session::Ours) && matches!(self.step, Step::Running { .. } | Step::Over(_))
        {
            self.outputs.push_back(Output::WatchForStop);
        }
    }

    // ── time, and what follows from all of the above ────────────────────────────────────────────────

    fn expire(&mut self) {
        let now = self.now;
        let deadlines = &self.spec.deadlines;
        if matches!(self.session, Session::Creating | Session::Inspecting(_)) && now >= deadlines.create {
            self.create_failed(Refusal::PlatformTimeout);
        }
        let deadlines = &self.spec.deadlines;
        let is_step_late = match self.step {
            Step::Running { last_event: None } => now >= deadlines.model_first.min(deadlines.step),
            Step::Running { last_event: Some(last) } => {
                now >= (last + deadlines.model_idle).min(deadlines.step)
            }
            _ => false,
        };
        if is_step_late {
            self.outputs.push_back(Output::CancelStep);
            self.end_step(Outcome::Failed(StepErrorKind::Timeout));
        }
        if self.tee.settle_by.is_some_and(|by| now >= by) && !self.tee.is_settled() {
            self.tee_failed();
        }
        match &self.given {
            Given::Waiting(giving, at) if now >= *at => {
                let giving = giving.clone();
                self.append_body(giving.purpose, giving.body.clone());
                self.given = Given::Sending(giving);
            }
            _ => {}
        }
        if let Given::Sending(giving) | Given::Waiting(giving, _) = &self.given
            && self.view_patience(giving).is_some_and(|by| now >= by)
        {
            self.cut_off();
        }
        if let Subscription::At(at) = self.subscription
            && now >= at
        {
            self.subscribe();
        }
        if self.agent_by.is_some_and(|by| now >= by) && !self.view.is_closed() {
            self.agent_is_late();
        }
    }

    fn agent_is_late(&mut self) {
        self.agent_by = None;
        if self.is_final {
            self.complete();
        } else if matches!((&self.session, &self.given), (Session::Followed, Given::Nothing)) {
            self.agent_by = Some(self.now + self.spec.deadlines.agent_first);
            self.outputs.push_back(Output::Inspect);
        } else {
            self.view.close(Ending::Reset, &mut self.outputs);
        }
    }

    fn advance(&mut self) {
        if matches!(self.session, Session::Ours)
            && self.tee.is_settled()
            && self.noop_by.is_none_or(|by| self.now >= by)
            && let Step::Over(_) = self.step
        {
            self.hand_over();
        }
        if !self.is_done && self.is_over() {
            self.is_done = true;
            self.outputs.push_back(Output::Done);
        }
    }

    fn hand_over(&mut self) {
        let Step::Over(decision) = std::mem::replace(&mut self.step, Step::HandedOver) else { return };
        self.tee.settle_by = None;
        self.outputs.push_back(Output::CloseTee);
        self.is_final = decision.is_final;
        self.report_error = decision.report_error;
        self.splice = Some(Splice::new(self.tee.last, Some(self.record_prefix())));
        let message_id = Some(self.spec.message_id.clone());
        self.give_handover(decision.partial, message_id, decision.is_final);
        // Beside the handover, not behind it: the position to read from is known.
        self.subscribe();
    }

    fn is_over(&self) -> bool {
        let is_given = match self.given {
            Given::Accepted | Given::Lost => true,
            Given::Nothing => matches!(self.session, Session::Failed | Session::Followed),
            _ => false,
        };
        is_given && self.view.is_closed()
    }
}
