//! Step 1: what the model says goes to the browser and to the durable copy, until it ends in one of many ways.

use bytes::Bytes;

use super::{
    BrokenAnswer, Ending, Machine, Output,
    followed::Followed,
    handover::{self, Closing, Outcome},
    ledger::Ledger,
    machine::{Session, Step},
};
use crate::{
    step::{StepErrorKind, StepEvent},
    wire::UiChunk,
};

impl Machine {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.step, Step::Running { .. })
    }

    pub(super) fn step_event(&mut self, event: StepEvent) {
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

    pub(super) fn step_ended(&mut self) {
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
    pub(super) fn drop_step(&mut self) {
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
    pub(super) fn replaced(&mut self) {
        if !matches!(self.step, Step::Running { .. } | Step::Over(_)) {
            return;
        }
        self.drop_step();
        self.session = Session::Followed(Followed::replacing_us());
        self.view.close(Ending::Reset, &mut self.outputs);
    }

    /// This server is about to stop: the agent goes on from where step 1 is now.
    pub(super) fn give_way(&mut self) {
        self.is_yielding = true;
        if self.is_running() {
            self.outputs.push_back(Output::CancelStep);
            self.spec.broken_answer = BrokenAnswer::Continue;
            self.end_step(Outcome::Failed(StepErrorKind::Truncated));
        }
    }

    /// Chunks of our own: to the browser, and as records to the durable copy.
    pub(super) fn emit(&mut self, chunks: &[UiChunk]) {
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

    pub(super) fn record_prefix(&self) -> String {
        format!("{}-", self.spec.nonce)
    }

    pub(super) fn write(&mut self, record: Bytes) {
        if self.ledger.count() {
            self.outputs.push_back(Output::Record(record));
        }
    }
}
