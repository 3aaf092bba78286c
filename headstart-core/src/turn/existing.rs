//! Sessions that were there before: whose turn is it, and where does the answer to our message begin?
//! (`docs/protocol.md`, "Existing sessions")

use super::{
    Machine, Output, Purpose, Refusal,
    followed::Followed,
    machine::{Session, Subscription},
    mark::{Mark, input_kind, is_takeover},
    splice::{ANY_BOUNDARY, Splice},
};
use crate::{
    sessions::{RunState, SessionsError},
    wire::{Control, Record, RecordBody, Seq},
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
    pub(super) fn inspected(&mut self, input: &[Record], output: &[Record], run: RunState) {
        match (&self.session, self.subscription) {
            (Session::Inspecting(first), _) => self.found(*first, input, output),
            (Session::Followed(followed), _) => self.looked(*followed, input, output, run),
            (_, Subscription::Placing(at)) => self.place(at, input, output),
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

    fn found(&mut self, first: FirstMessage, input: &[Record], output: &[Record]) {
        self.newest_input = tail(input);
        let is_first_over = output.iter().any(|record| boundary(record).is_some());
        match first {
            FirstMessage::Ours if !is_first_over || !has(input, "message") => {
                self.follow(Followed::new(false, tail(output)), None);
            }
            FirstMessage::Another if !is_first_over => {
                self.follow(Followed::new(true, tail(output)), tail(output));
                if has(input, "handover") {
                    // The leader has nothing more to say. Does the run hear it?
                    self.look_after_leader();
                }
            }
            _ => {
                self.splice = Some(Splice::new(tail(output), None));
                self.come_next(open_turn(input, output));
            }
        }
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

    /// The answer to the message at `at` is behind the last boundary that is not of it, and behind that of the
    /// message before it.
    fn place(&mut self, at: Option<Seq>, input: &[Record], output: &[Record]) {
        let is_ours = |record: &&Record| matches!(&record.body, RecordBody::Data { id, .. } if *id == self.spec.message_part_id);
        let Some(at) = at.or_else(|| input.iter().find(is_ours).map(|record| record.seq)) else {
            return self.subscribe();
        };
        let is_earlier = |record: &&Record| match boundary(record) {
            Some(control) => control.in_event_id.is_none_or(|done| done < at),
            None => is_takeover(record),
        };
        let start = output.iter().rev().find(is_earlier);
        let done = start.and_then(boundary).and_then(|control| control.in_event_id);
        let before = newest_message(input.iter().filter(|record| record.seq < at));
        let open = before.filter(|before| done.is_none_or(|done| done < *before));
        let is_first_open = start.and_then(boundary).is_none() && has(input, "handover") && !self.is_run_gone;
        let first = is_first_open.then_some(ANY_BOUNDARY);
        let mut splice = Splice::new(start.map(|record| record.seq), None).skipping_behind(open.or(first));
        splice.set_input(Purpose::Message, Some(at));
        self.splice = Some(splice);
        self.subscribe();
    }
}

/// The last input whose turn is not over, for [`Splice::skipping_behind`].
pub(super) fn open_turn(input: &[Record], output: &[Record]) -> Option<Seq> {
    let newest = newest_message(input.iter());
    let last_boundary = output.iter().rev().find_map(boundary);
    if let Some(done) = last_boundary.and_then(|control| control.in_event_id) {
        // What is said behind a boundary may be from a hook of the agent.
        return newest.filter(|newest| *newest > done);
    }
    let last_said = output.iter().rev().find(|record| !matches!(record.body, RecordBody::Command));
    let is_open = last_said.map_or(has(input, "handover"), |record| boundary(record).is_none());
    if last_boundary.is_none() { newest } else { None }.or(is_open.then_some(ANY_BOUNDARY))
}

pub(super) fn newest_message<'a>(input: impl DoubleEndedIterator<Item = &'a Record>) -> Option<Seq> {
    input.rev().find(|record| is_kind(record, "message")).map(|record| record.seq)
}

pub(super) fn has(input: &[Record], kind: &str) -> bool {
    input.iter().any(|record| is_kind(record, kind))
}

fn is_kind(record: &Record, kind: &str) -> bool {
    input_kind(record).as_deref() == Some(kind)
}

pub(super) fn tail(records: &[Record]) -> Option<Seq> {
    records.last().map(|record| record.seq)
}

pub(super) fn boundary(record: &Record) -> Option<&Control> {
    match &record.body {
        RecordBody::Control(control) if control.completes_turn() => Some(control),
        _ => None,
    }
}
