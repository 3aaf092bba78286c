//! Sessions that were there before: whose turn is it, and how does our message come next?
//! (`docs/protocol.md`, "Existing sessions")

use super::{
    Machine, Output, Refusal,
    followed::Followed,
    machine::{Session, Subscription},
    mark::Mark,
    splice::Splice,
    streams::Streams,
};
use crate::{
    sessions::{RunState, SessionsError},
    wire::Seq,
};

/// What a session that exists began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMessage {
    /// The message that we are to answer.
    Ours,
    /// Another one, answered by a head start.
    Another,
    /// It is not from a head start of this kind.
    Unknown,
}

impl FirstMessage {
    pub(super) fn of(mark: Option<&Mark>, user_message_id: &str) -> Self {
        match mark {
            Some(mark) if mark.user_message_id == user_message_id => Self::Ours,
            Some(_) => Self::Another,
            None => Self::Unknown,
        }
    }
}

impl Machine {
    pub(super) fn inspected(&mut self, streams: Streams<'_>, run: RunState) {
        match (&self.session, self.subscription) {
            (Session::Inspecting(first), _) => self.found(*first, streams),
            (Session::Followed(followed), _) => self.looked(*followed, streams, run),
            (_, Subscription::Placing(at)) => self.place(at, streams),
            _ => {}
        }
    }

    pub(super) fn inspect_failed(&mut self, error: &SessionsError) {
        match (&self.session, self.subscription) {
            (Session::Inspecting(_), _) => self.create_failed(Refusal::from(error)),
            (Session::Followed(followed), _) => self.look_failed(*followed),
            // Where the stream ended is mostly right.
            (_, Subscription::Placing(_)) => self.subscribe(),
            _ => {}
        }
    }

    fn found(&mut self, first: FirstMessage, streams: Streams<'_>) {
        let is_first_over = streams.has_boundary();
        match first {
            FirstMessage::Ours if !is_first_over || !streams.has_input("message") => {
                self.follow(Followed::new(false, streams.tail()), None);
            }
            FirstMessage::Another if !is_first_over => {
                self.follow(Followed::new(true, streams.tail()), streams.tail());
                if streams.has_input("handover") {
                    // The leader has nothing more to say. Does the run hear it?
                    self.look_after_leader();
                }
            }
            _ => self.come_behind(streams),
        }
    }

    /// Our message as an ordinary one, behind all that is on the streams.
    pub(super) fn come_behind(&mut self, streams: Streams<'_>) {
        self.newest_input = streams.newest_input();
        self.splice = Some(Splice::new(streams.tail(), None));
        self.come_next(streams.open_turn());
    }

    /// Our message as an ordinary one. Its answer is spliced from where the stream was last seen to end; when a
    /// turn is still open there, from behind that of `open`, the last message before ours.
    pub(super) fn come_next(&mut self, open: Option<Seq>) {
        self.session = Session::Theirs;
        // Where its answer begins is known once it is accepted.
        self.subscription = Subscription::None;
        let splice = self.splice.as_ref().map(|splice| splice.for_next_message(self.newest_input));
        self.splice = splice.map(|splice| splice.skipping_behind(open));
        self.agent_by = None;
        self.give_message();
    }

    /// Our message is at this position of `session.in`. When that is not the next one, others wrote in between, or
    /// it was there already: the streams say where its answer begins.
    pub(super) fn message_accepted(&mut self, at: Option<Seq>) {
        let expected = self.splice.as_ref().and_then(Splice::input).unwrap_or_default();
        if matches!(self.session, Session::Theirs) && at != Some(expected) && self.is_reading() {
            self.subscription = Subscription::Placing(at);
            self.outputs.push_back(Output::Inspect { run_id: None });
        } else {
            self.subscribe();
        }
    }

    fn place(&mut self, at: Option<Seq>, streams: Streams<'_>) {
        if streams.newest_input() < at {
            // Read before our message was there: it was to look after the leader.
            return;
        }
        if let Some(at) = at.or_else(|| streams.input_of(&self.spec.message_part_id)) {
            self.splice = Some(streams.answer_to(at, !self.is_run_gone));
        }
        self.subscribe();
    }
}
