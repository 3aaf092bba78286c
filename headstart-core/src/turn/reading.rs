//! Reading along on `session.out`, and the end of the response that comes with it.

use std::time::Duration;

use super::{
    Ending, Machine, Output,
    giving::Giving,
    machine::{Session, Subscription},
    splice::Seen,
};
use crate::{
    sessions::SessionsError,
    wire::{Json, Record, UiChunk},
};

const ERROR_TEXT: &str = "An error occurred.";

impl Machine {
    /// Somebody wants to know what comes on `session.out`.
    pub(super) fn is_reading(&self) -> bool {
        !self.view.is_closed() || self.is_queued() || self.is_taking_over()
    }

    pub(super) fn subscribe(&mut self) {
        if let (Some(splice), true) = (&self.splice, self.is_reading()) {
            self.outputs.push_back(Output::Subscribe(splice.cursor()));
            self.subscription = Subscription::Active;
        }
    }

    pub(super) fn record(&mut self, record: Record) {
        if !self.is_reading() {
            return;
        }
        let (Some(splice), Subscription::Active) = (&mut self.splice, self.subscription) else { return };
        let seen = splice.record(record);
        let is_passed_over = splice.skipped().is_some();
        let idle = match &self.session {
            Session::Followed(followed) if followed.is_leading() => self.spec.deadlines.follow_idle,
            _ => self.spec.deadlines.agent_idle,
        };
        match seen {
            Seen::Complete if self.is_queued() => {
                // Of what was on `session.in`, only what this boundary is done with is known to be answered.
                self.newest_input = None;
                self.come_next(None);
            }
            // Answered together with the message before it: the page finds it on the session.
            Seen::Complete if is_passed_over => self.cut_off(),
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

    pub(super) fn subscription_ended(&mut self, error: Option<&SessionsError>) {
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
}
