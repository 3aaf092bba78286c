//! What the two streams of a session say when they are read as a whole: who has spoken, whose turn is open, where
//! an answer begins.

use super::{
    Purpose,
    mark::{input_kind, is_takeover},
    splice::{ANY_BOUNDARY, Splice},
};
use crate::wire::{Control, Record, RecordBody, Seq};

/// `session.in` and `session.out`.
#[derive(Clone, Copy)]
pub(super) struct Streams<'a> {
    pub(super) input: &'a [Record],
    pub(super) output: &'a [Record],
}

impl Streams<'_> {
    /// Position of the newest input.
    pub(super) fn newest_input(self) -> Option<Seq> {
        self.input.last().map(|record| record.seq)
    }

    /// Position of the newest record on `session.out`.
    pub(super) fn tail(self) -> Option<Seq> {
        self.output.last().map(|record| record.seq)
    }

    pub(super) fn has_input(self, kind: &str) -> bool {
        self.input.iter().any(|record| input_kind(record).as_deref() == Some(kind))
    }

    /// Position of the newest ordinary message in front of `before`.
    pub(super) fn message_before(self, before: Seq) -> Option<Seq> {
        let is_earlier_message =
            |record: &&Record| record.seq < before && input_kind(record).as_deref() == Some("message");
        self.input.iter().rev().find(is_earlier_message).map(|record| record.seq)
    }

    /// Is the first turn over?
    pub(super) fn has_boundary(self) -> bool {
        self.output.iter().any(|record| boundary(record).is_some())
    }

    /// Position of the input with this part id.
    pub(super) fn input_of(self, part_id: &str) -> Option<Seq> {
        position_of(self.input, part_id)
    }

    /// Position of the record with this id on `session.out`.
    pub(super) fn output_of(self, id: &str) -> Option<Seq> {
        position_of(self.output, id)
    }

    /// The last message whose turn is not over, for [`Splice::skipping_behind`].
    pub(super) fn open_turn(self) -> Option<Seq> {
        let message = self.message_before(Seq::MAX);
        let last_boundary = self.output.iter().rev().find_map(boundary);
        if let Some(done) = last_boundary.and_then(|control| control.in_event_id) {
            // What is said behind a boundary may be from a hook of the agent.
            return message.filter(|message| *message > done);
        }
        let last_said = self.output.iter().rev().find(|record| !matches!(record.body, RecordBody::Command));
        let is_open = last_said.map_or(self.has_input("handover"), |record| boundary(record).is_none());
        message.filter(|_| last_boundary.is_none()).or(is_open.then_some(ANY_BOUNDARY))
    }

    /// The splice of the answer to the message at `at`: behind the last boundary that is not of it, or the takeover
    /// of the first turn, and behind the turn of the message before it. `hears_handover`: there may be a first turn.
    pub(super) fn answer_to(self, at: Seq, hears_handover: bool) -> Splice {
        let is_earlier = |record: &&Record| match boundary(record) {
            Some(control) => control.in_event_id.is_none_or(|done| done < at),
            None => is_takeover(record),
        };
        let start = self.output.iter().rev().find(is_earlier);
        let last_boundary = start.and_then(boundary);
        let done = last_boundary.and_then(|control| control.in_event_id);
        let open = self.message_before(at).filter(|message| done.is_none_or(|done| done < *message));
        let is_first_open = last_boundary.is_none() && hears_handover && self.has_input("handover");
        let mut splice = Splice::new(start.map(|record| record.seq), None)
            .skipping_behind(open.or(is_first_open.then_some(ANY_BOUNDARY)));
        splice.set_input(Purpose::Message, Some(at));
        splice
    }
}

fn position_of(records: &[Record], id: &str) -> Option<Seq> {
    let is_it = |record: &&Record| matches!(&record.body, RecordBody::Data { id: own, .. } if own == id);
    records.iter().find(is_it).map(|record| record.seq)
}

fn boundary(record: &Record) -> Option<&Control> {
    match &record.body {
        RecordBody::Control(control) if control.completes_turn() => Some(control),
        _ => None,
    }
}
