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
//!
//! What follows from time is in `timing`, what the browser sees in `view` and `splice`, what the agent gets
//! in `handover`.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    BrokenAnswer, Ending, Input, OnDisconnect, Output, Plan, Purpose, Refusal, TurnSpec, ViewLoss,
    existing::FirstMessage,
    followed::Followed,
    giving::{self, Giving, Verdict},
    handover::{self, Closing, Decision, Outcome},
    ledger::Ledger,
    mark::Mark,
    splice::{ANY_BOUNDARY, Seen, Splice},
    streams::Streams,
    view::View,
};
use crate::{
    sessions::{Appended, Opened, SessionsError},
    step::{Recorder, StepErrorKind, StepEvent},
    wire::{InChunk, Json, ModelMessage, Record, Seq, UiChunk},
};

/// The session, as far as known.
#[derive(Debug)]
pub(super) enum Session {
    /// There is no platform in this turn.
    None,
    Creating,
    /// Created by this turn.
    Ours,
    /// It exists; its streams are being read.
    Inspecting(FirstMessage),
    /// It exists, and an ordinary message continues it.
    Theirs,
    /// Another process answers the first message: see [`Followed`].
    Followed(Followed),
    Failed,
}

#[derive(Debug)]
pub(super) enum Step {
    None,
    Running { last_event: Option<Duration> },
    Over(Decision),
    HandedOver,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscription {
    None,
    /// The streams are being read for where the answer to our message begins, whose position this is, if known.
    Placing(Option<Seq>),
    Active,
    At(Duration),
}

/// The machine. See the module's documentation.
#[derive(Debug)]
pub struct Machine {
    pub(super) spec: TurnSpec,
    pub(super) now: Duration,
    pub(super) outputs: VecDeque<Output>,
    pub(super) session: Session,
    pub(super) step: Step,
    recorder: Recorder,
    pub(super) ledger: Ledger,
    pub(super) giving: Giving,
    /// The noop is on its way, and the handover waits for it until then: it has to come first.
    pub(super) noop_by: Option<Duration>,
    pub(super) splice: Option<Splice>,
    /// The run that serves a session that was there before.
    pub(super) run_id: Option<String>,
    /// It died, and the one in its place knows nothing of the first turn.
    pub(super) is_run_gone: bool,
    /// Position of the newest input on `session.in`, as far as known.
    pub(super) newest_input: Option<Seq>,
    pub(super) subscription: Subscription,
    pub(super) view: View,
    /// Until when the agent (or the followed turn) has to say something.
    pub(super) agent_by: Option<Duration>,
    /// Step 1 was handed over as the whole answer, and the agent has added nothing yet.
    pub(super) is_final: bool,
    report_error: bool,
    is_view_lost: bool,
    /// The browser left, and the step is given up then.
    pub(super) abort_by: Option<Duration>,
    /// This server is about to stop: the response ends as soon as the agent has the turn.
    is_yielding: bool,
    is_done: bool,
}

/// How long a handover waits for the noop before it. By the end of step 1 it is mostly there.
const NOOP_PATIENCE: Duration = Duration::from_secs(1);
const ERROR_TEXT: &str = "An error occurred.";

impl Machine {
    /// A turn that begins now.
    #[must_use]
    pub fn new(spec: TurnSpec) -> Self {
        let (session, step) = match spec.plan {
            Plan::HeadStart => (Session::Creating, Step::Running { last_event: None }),
            Plan::Agent => (Session::Creating, Step::Over(Decision::leave_to_agent())),
            Plan::Message => (Session::Creating, Step::None),
            Plan::Alone => (Session::None, Step::Running { last_event: None }),
        };
        let mut machine = Self {
            recorder: Recorder::new(spec.message_id.clone())
                .with_approval_secret(spec.approval_secret.clone()),
            spec,
            now: Duration::ZERO,
            outputs: VecDeque::new(),
            session,
            step,
            ledger: Ledger::default(),
            giving: Giving::Nothing,
            noop_by: None,
            splice: None,
            run_id: None,
            is_run_gone: false,
            newest_input: None,
            subscription: Subscription::None,
            view: View::new(),
            agent_by: None,
            is_final: false,
            report_error: false,
            is_view_lost: false,
            abort_by: None,
            is_yielding: false,
            is_done: false,
        };
        if matches!(machine.session, Session::None) {
            // The transport takes no response without a token; this one opens nothing, and is renewed.
            machine.view.open(Opened::new("unavailable"), &mut machine.outputs);
        }
        if machine.is_running() {
            let mut chunks = Vec::new();
            machine.recorder.start(&mut chunks);
            let denied = std::mem::take(&mut machine.spec.denied);
            chunks.extend(denied.into_iter().map(|tool_call_id| UiChunk::ToolOutputDenied { tool_call_id }));
            machine.emit(&chunks);
        }
        machine
    }

    /// The next thing to do; call until `None` after each [`handle`](Self::handle).
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes in what happened at `now`, the span since the turn began.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Opened(opened) => self.opened(opened),
            Input::CreateFailed(error) => self.create_failed(Refusal::from(&error)),
            Input::Inspected { input, output, run } => {
                self.inspected(Streams { input: &input, output: &output }, run);
            }
            Input::InspectFailed(error) => self.inspect_failed(&error),
            Input::StepStarted(tools) => self.recorder.set_tools(tools),
            Input::Step(Ok(event)) => self.step_event(event),
            Input::Step(Err(error)) => self.end_step(Outcome::Failed(error.kind())),
            Input::StepEnded => self.step_ended(),
            Input::Written(written) => self.ledger.written(written),
            Input::TeeFailed => self.ledger.fail(),
            Input::Appended(purpose, result) => self.appended(purpose, result),
            Input::Record(record) => self.record(record),
            Input::SubscriptionEnded(error) => self.subscription_ended(error.as_ref()),
            Input::ViewLost(loss) => self.view_lost(loss),
            Input::StopRequested => self.stop(),
            Input::Replaced => self.replaced(),
            Input::TookOver(result) => self.took_over(result),
            Input::Yield => self.give_way(),
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
            for record in self.ledger.release() {
                self.write(record);
            }
            if self.is_view_lost {
                self.watch_for_stop();
            }
            match self.spec.plan {
                Plan::HeadStart | Plan::Agent => {
                    self.outputs.push_back(Output::Append {
                        purpose: Purpose::Noop,
                        body: giving::body(&InChunk::Noop),
                        part_id: giving::noop_id(&self.spec.nonce),
                    });
                    self.noop_by = Some(self.now + NOOP_PATIENCE);
                }
                Plan::Message => {
                    self.splice = Some(Splice::new(None, None));
                    self.give_message();
                }
                Plan::Alone => {}
            }
            return;
        }
        let first_message = FirstMessage::of(mark.as_ref(), &self.spec.user_message_id);
        self.run_id.clone_from(&opened.run_id);
        // Nothing of our own step was seen by anybody, nor will be.
        self.drop_step();
        self.view.forget_waiting();
        self.view.open(opened, &mut self.outputs);
        self.session = Session::Inspecting(first_message);
        self.outputs.push_back(Output::Inspect { run_id: None });
    }

    pub(super) fn create_failed(&mut self, refusal: Refusal) {
        self.drop_step();
        self.session = Session::Failed;
        self.view.refuse(refusal, &mut self.outputs);
    }

    // ── step 1 ──────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn is_running(&self) -> bool {
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

    pub(super) fn end_step(&mut self, outcome: Outcome) {
        if !self.is_running() {
            return;
        }
        let decision = handover::decide(&self.recorder, outcome, &self.spec);
        let mut chunks = Vec::new();
        match decision.closing {
            Closing::Finish(reason) => self.recorder.close(reason, &mut chunks),
            Closing::Withdraw if self.recorder.is_shown() => self.recorder.reset(&mut chunks),
            Closing::Withdraw => {}
        }
        self.emit(&chunks);
        self.step = Step::Over(decision);
        self.ledger.settle_by = Some(self.now + self.spec.deadlines.tee);
        if matches!(self.session, Session::Ours) && !self.ledger.is_settled() {
            self.outputs.push_back(Output::FlushTee);
        }
    }

    /// The step is of no use any more, and leaves no trace.
    fn drop_step(&mut self) {
        if self.is_running() {
            self.outputs.push_back(Output::CancelStep);
        }
        self.step = Step::None;
        self.ledger = Ledger::default();
        self.outputs.push_back(Output::CloseTee);
    }

    pub(super) fn stop(&mut self) {
        if self.is_running() {
            self.outputs.push_back(Output::CancelStep);
            self.end_step(Outcome::Stopped);
        } else if let Step::Over(decision) = &mut self.step {
            // Closed already, but nothing is handed over yet: the tools must not run.
            let stopped = handover::decide(&self.recorder, Outcome::Stopped, &self.spec);
            decision.partial = stopped.partial;
            decision.is_final = true;
        }
    }

    /// Another process answers in our place: what we say now would be said twice.
    fn replaced(&mut self) {
        if !matches!(self.step, Step::Running { .. } | Step::Over(_)) {
            return;
        }
        self.drop_step();
        self.session = Session::Followed(Followed::replacing_us());
        self.view.close(Ending::Reset, &mut self.outputs);
    }

    /// This server is about to stop: the agent goes on from where step 1 is now.
    fn give_way(&mut self) {
        self.is_yielding = true;
        if self.is_running() {
            self.outputs.push_back(Output::CancelStep);
            self.spec.broken_answer = BrokenAnswer::Continue;
            self.end_step(Outcome::Failed(StepErrorKind::Truncated));
        }
    }

    /// Chunks of our own: to the browser, and as records to the durable copy.
    fn emit(&mut self, chunks: &[UiChunk]) {
        for chunk in chunks {
            let json = chunk.to_json();
            self.view.chunk(&json, &mut self.outputs);
            let record = self.ledger.record(&json, &self.record_prefix());
            match (record, &self.session) {
                (None, _) | (_, Session::None) => {}
                (Some(record), Session::Ours) => self.write(record),
                (Some(record), _) => self.ledger.hold(record),
            }
        }
    }

    fn record_prefix(&self) -> String {
        format!("{}-", self.spec.nonce)
    }

    fn write(&mut self, record: Bytes) {
        if self.ledger.count() {
            self.outputs.push_back(Output::Record(record));
        }
    }

    // ── the input on session.in ─────────────────────────────────────────────────────────────────────

    pub(super) fn give_message(&mut self) {
        let (part_id, patience) = (self.spec.message_part_id.clone(), self.spec.deadlines.handover_retry);
        let output = self.giving.send(Purpose::Message, &self.spec.message, part_id, self.now, patience);
        self.outputs.push_back(output);
    }

    pub(super) fn give_handover(
        &mut self,
        partial: Vec<ModelMessage>,
        message_id: Option<String>,
        is_final: bool,
    ) {
        let chunk = InChunk::Handover { partial_assistant_message: partial, message_id, is_final };
        let (part_id, patience) = (giving::handover_id(&self.spec.nonce), self.spec.deadlines.handover_retry);
        self.outputs.push_back(self.giving.send(Purpose::Handover, &chunk, part_id, self.now, patience));
    }

    fn appended(&mut self, purpose: Purpose, result: Result<Appended, SessionsError>) {
        if purpose == Purpose::Noop {
            self.noop_by = None;
            return;
        }
        match self.giving.answered(purpose, result, self.now) {
            Verdict::Pending => {}
            Verdict::Accepted(purpose, seq) => self.accepted(purpose, seq),
            Verdict::TooLarge(Purpose::Handover) if self.is_final => {
                // The text does not fit; the turn is closed without it rather than left open.
                self.report_error = true;
                self.is_final = false;
                let message_id = Some(self.spec.message_id.clone());
                self.give_handover(handover::no_op(), message_id, true);
            }
            Verdict::TooLarge(_) | Verdict::Lost => self.cut_off(),
        }
    }

    fn accepted(&mut self, purpose: Purpose, seq: Option<Seq>) {
        let deadlines = &self.spec.deadlines;
        let wait = if self.is_final { deadlines.final_grace } else { deadlines.agent_first };
        self.agent_by = Some(self.now + wait);
        // The answer to an ordinary message is told from earlier ones by its position, known only now.
        if purpose == Purpose::Message {
            self.message_accepted(seq);
        }
        match (&mut self.splice, &self.session) {
            // The first turn ends with the first boundary, whoever handed it over in the end.
            (_, Session::Followed(_)) | (None, _) => {}
            (Some(splice), _) => splice.set_input(purpose, seq),
        }
        if self.is_queued() {
            // When others wrote before it, the answer to our message has to be looked for.
            let is_next = seq == Some(self.newest_input.map_or(0, |newest| newest + 1));
            self.newest_input = seq.filter(|_| is_next);
            self.come_next(self.splice.as_ref().and_then(Splice::skipped));
        }
    }

    /// Somebody wants to know what comes on `session.out`.
    pub(super) fn is_reading(&self) -> bool {
        !self.view.is_closed() || self.is_queued() || self.is_taking_over()
    }

    // ── the splice ──────────────────────────────────────────────────────────────────────────────────

    pub(super) fn subscribe(&mut self) {
        if let (Some(splice), true) = (&self.splice, self.is_reading()) {
            self.outputs.push_back(Output::Subscribe(splice.cursor()));
            self.subscription = Subscription::Active;
        }
    }

    fn record(&mut self, record: Record) {
        if !self.is_reading() {
            return;
        }
        let (Some(splice), Subscription::Active) = (&mut self.splice, self.subscription) else { return };
        let seen = splice.record(record);
        let idle = match &self.session {
            Session::Followed(followed) if followed.is_leading() => self.spec.deadlines.follow_idle,
            _ => self.spec.deadlines.agent_idle,
        };
        match seen {
            Seen::Complete if self.is_queued() => {
                // What is on `session.in` behind that turn is not known any more.
                self.newest_input = None;
                self.come_next(None);
            }
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

    pub(super) fn complete(&mut self) {
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
    pub(super) fn cut_off(&mut self) {
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
            None if self.is_final && matches!(self.giving, Giving::Accepted) => self.complete(),
            None => {
                self.subscription = Subscription::None;
                self.view.close(Ending::Reset, &mut self.outputs);
            }
        }
    }

    // ── the browser ─────────────────────────────────────────────────────────────────────────────────

    fn view_lost(&mut self, loss: ViewLoss) {
        self.view.lose(&mut self.outputs);
        if std::mem::replace(&mut self.is_view_lost, true) {
            return;
        }
        match (self.spec.on_disconnect, loss) {
            // Nobody else will ever see it.
            _ if matches!(self.session, Session::None) => self.stop(),
            (OnDisconnect::Abort, ViewLoss::Left) if self.is_running() => self.stop(),
            (OnDisconnect::Grace(grace), ViewLoss::Left) => self.abort_by = Some(self.now + grace),
            _ => {}
        }
        self.watch_for_stop();
    }

    /// A stop comes with the end of the connection, or behind it from a page that resumed; without that nobody
    /// has pressed it.
    fn watch_for_stop(&mut self) {
        if matches!(self.session, Session::Ours) && matches!(self.step, Step::Running { .. } | Step::Over(_))
        {
            self.outputs.push_back(Output::WatchForStop);
        }
    }

    // ── what follows from all of the above ──────────────────────────────────────────────────────────

    fn advance(&mut self) {
        if matches!(self.session, Session::Ours)
            && self.ledger.is_settled()
            && self.noop_by.is_none_or(|by| self.now >= by)
            && let Step::Over(_) = self.step
        {
            self.hand_over();
        }
        // A message that waits is at least where it will be heard some time.
        let is_waiting = self.is_queued() && !self.is_taking_over() && matches!(self.giving, Giving::Nothing);
        if self.is_yielding && is_waiting {
            self.come_next(Some(ANY_BOUNDARY));
        }
        if let (Session::None, Step::Over(decision)) = (&self.session, &self.step) {
            // There is no agent to go on.
            self.report_error = decision.report_error || !decision.is_final;
            self.step = Step::HandedOver;
            self.complete();
        }
        if self.is_yielding && !self.view.is_closed() && self.is_given() {
            if self.is_final { self.complete() } else { self.cut_off() }
        }
        if !self.is_done && self.is_over() {
            self.is_done = true;
            self.outputs.push_back(Output::Done);
        }
    }

    fn hand_over(&mut self) {
        let Step::Over(decision) = std::mem::replace(&mut self.step, Step::HandedOver) else { return };
        self.ledger.settle_by = None;
        self.outputs.push_back(Output::CloseTee);
        self.is_final = decision.is_final;
        self.report_error = decision.report_error;
        self.splice = Some(Splice::new(self.ledger.last(), Some(self.record_prefix())));
        let message_id = Some(self.spec.message_id.clone());
        self.give_handover(decision.partial, message_id, decision.is_final);
        // Beside the handover, not behind it: the position to read from is known.
        self.subscribe();
    }

    /// This process has told the agent all it has to.
    fn is_given(&self) -> bool {
        match (&self.giving, &self.session) {
            (Giving::Nothing, Session::None) => matches!(self.step, Step::HandedOver),
            _ if self.is_queued() || self.is_taking_over() => false,
            (Giving::Nothing, Session::Failed | Session::Followed(_)) => true,
            (giving, _) => giving.is_settled(),
        }
    }

    fn is_over(&self) -> bool {
        self.is_given() && self.view.is_closed()
    }
}
