//! What follows from time alone: when the machine has to be woken, and what has then gone on for too long.

use std::time::Duration;

use super::{
    Ending, Machine, Output, Refusal,
    handover::Outcome,
    machine::{Session, Step, Subscription},
};
use crate::step::StepErrorKind;

impl Machine {
    /// When to come back with [`Input::Tick`](super::Input::Tick) if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let subscription = match self.subscription {
            Subscription::At(at) => Some(at),
            _ => None,
        };
        let step_over = matches!(self.step, Step::Over(_));
        [
            self.create_by(),
            self.step_by(),
            self.ledger.settle_by.filter(|_| !self.ledger.is_settled()),
            self.noop_by.filter(|_| step_over),
            self.giving.deadline(),
            self.acceptance_by(),
            subscription,
            self.agent_by.filter(|_| self.is_reading()),
            self.abort_by.filter(|_| self.is_running()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn create_by(&self) -> Option<Duration> {
        let is_creating = matches!(self.session, Session::Creating | Session::Inspecting(_));
        is_creating.then_some(self.spec.deadlines.create)
    }

    fn step_by(&self) -> Option<Duration> {
        let deadlines = &self.spec.deadlines;
        match self.step {
            Step::Running { last_event: None } => Some(deadlines.model_first.min(deadlines.step)),
            Step::Running { last_event: Some(last) } => {
                Some((last + deadlines.model_idle).min(deadlines.step))
            }
            _ => None,
        }
    }

    /// Until when the browser waits for the platform to accept the turn's input.
    fn acceptance_by(&self) -> Option<Duration> {
        let since = self.giving.open_since().filter(|_| !self.view.is_closed())?;
        Some(since + self.spec.deadlines.handover)
    }

    pub(super) fn expire(&mut self) {
        let now = self.now;
        let is_late = |by: Option<Duration>| by.is_some_and(|by| now >= by);
        if is_late(self.create_by()) {
            self.create_failed(Refusal::PlatformTimeout);
        }
        if is_late(self.step_by()) {
            self.outputs.push_back(Output::CancelStep);
            self.end_step(Outcome::Failed(StepErrorKind::Timeout));
        }
        if is_late(self.abort_by) && self.is_running() {
            self.stop();
        }
        if is_late(self.ledger.settle_by) && !self.ledger.is_settled() {
            self.ledger.fail();
        }
        let again = self.giving.due(now);
        self.outputs.extend(again);
        if self.giving.give_up(now) || is_late(self.acceptance_by()) {
            self.cut_off();
        }
        if matches!(self.subscription, Subscription::At(at) if now >= at) {
            self.subscribe();
        }
        if is_late(self.agent_by) && self.is_reading() {
            self.agent_is_late();
        }
    }

    fn agent_is_late(&mut self) {
        self.agent_by = None;
        match self.session {
            _ if self.is_final => self.complete(),
            Session::Followed(followed) => self.leader_is_late(followed),
            _ => self.view.close(Ending::Reset, &mut self.outputs),
        }
    }
}
