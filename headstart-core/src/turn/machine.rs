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
//! Here are its parts, its beginning, and what follows from all of them together (`advance`). The rest is where it
//! belongs: step 1 in `step_one`, the input of the agent in `giving` and `handover`, what is read back in `reading`
//! and `splice`, sessions that were there before in `existing` and `followed`, time in `timing`.

use std::{collections::VecDeque, time::Duration};

use super::{
    Input, OnDisconnect, Output, Plan, Purpose, Refusal, TurnSpec, ViewLoss,
    existing::FirstMessage,
    followed::Followed,
    giving::{self, Giving},
    handover::{Decision, Outcome},
    ledger::Ledger,
    mark::Mark,
    splice::{ANY_BOUNDARY, Splice},
    streams::Streams,
    view::View,
};
use crate::{
    sessions::Opened,
    step::Recorder,
    wire::{InChunk, Seq, UiChunk},
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
    pub(super) recorder: Recorder,
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
    pub(super) report_error: bool,
    /// The browser has no response any more, or one that was cut off for it.
    is_view_lost: bool,
    /// The browser left, and the step is given up then.
    pub(super) abort_by: Option<Duration>,
    /// This server is about to stop: the response ends as soon as the agent has the turn.
    pub(super) is_yielding: bool,
    is_done: bool,
}

/// How long a handover waits for the noop before it. By the end of step 1 it is mostly there.
const NOOP_PATIENCE: Duration = Duration::from_secs(1);

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

    fn is_over(&self) -> bool {
        self.is_given() && self.view.is_closed()
    }
}
