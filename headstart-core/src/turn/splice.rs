//! The agent's part of the turn, read back from `session.out` and put behind ours (`docs/protocol.md`,
//! "Splice").

use std::{collections::VecDeque, time::Duration};

use super::Purpose;
use crate::{
    sessions::{SessionsError, SessionsErrorKind},
    wire::{Control, Json, Record, RecordBody, Seq, chunk_type},
};

/// Ids of records remembered against duplicates (a writer that retried).
const REMEMBERED_IDS: usize = 512;
/// Refusals of a subscription in a row after which it is given up.
const MAX_REFUSALS: u32 = 3;
/// For [`Splice::skipping_behind`]: the boundary of whatever turn comes first.
pub(super) const ANY_BOUNDARY: Seq = 0;

/// What a record means for the browser.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Nothing,
    /// The next chunk.
    Chunk(Json),
    /// The turn is over.
    Complete,
}

#[derive(Debug)]
pub(super) struct Splice {
    /// Position of the last record seen or written; the next subscription begins behind it.
    cursor: Option<Seq>,
    /// Position of our own input, or one that is not behind it; the boundary that answers it ends the turn.
    input: Option<Seq>,
    /// It is a handover.
    is_handover: bool,
    /// Position of the newest input that a boundary has done with.
    done: Option<Seq>,
    /// Own records begin with this: the browser has their chunks already.
    own_prefix: Option<String>,
    /// Earlier turns are still being written, up to that of the message here: they are not ours to show.
    skips_behind: Option<Seq>,
    recent_ids: VecDeque<String>,
    /// An `error` of the agent, held until the turn is over: the browser stops reading at it.
    held_error: Option<Json>,
    refusals: u32,
    failures: u32,
}

impl Splice {
    /// Behind `cursor`; records whose id begins with `own_prefix` are our own.
    pub(super) fn new(cursor: Option<Seq>, own_prefix: Option<String>) -> Self {
        Self {
            cursor,
            input: None,
            is_handover: false,
            done: None,
            own_prefix,
            skips_behind: None,
            recent_ids: VecDeque::new(),
            held_error: None,
            refusals: 0,
            failures: 0,
        }
    }

    /// Drops what comes before the boundary of the turn that this message began.
    pub(super) fn skipping_behind(mut self, input: Option<Seq>) -> Self {
        self.skips_behind = input;
        self
    }

    /// The same place, for a message that is still to be given, behind all that is known to be on `session.in`.
    pub(super) fn for_next_message(&self, newest: Option<Seq>) -> Self {
        Self { input: self.done.max(newest).map(|seq| seq + 1), ..Self::new(self.cursor, None) }
    }

    pub(super) fn set_input(&mut self, purpose: Purpose, input: Option<Seq>) {
        self.is_handover = purpose == Purpose::Handover;
        self.input = input.or(self.input);
    }

    pub(super) fn skipped(&self) -> Option<Seq> {
        self.skips_behind
    }

    /// See [`set_input`](Self::set_input); until then, the first position that it can have.
    pub(super) fn input(&self) -> Option<Seq> {
        self.input
    }

    pub(super) fn cursor(&self) -> Option<Seq> {
        self.cursor
    }

    pub(super) fn take_error(&mut self) -> Option<Json> {
        self.held_error.take()
    }

    pub(super) fn record(&mut self, record: Record) -> Seen {
        // A subscription that began anew may repeat what was there.
        if self.cursor.is_some_and(|cursor| record.seq <= cursor) {
            return Seen::Nothing;
        }
        self.cursor = Some(record.seq);
        (self.refusals, self.failures) = (0, 0);
        if let RecordBody::Control(control) = &record.body {
            self.done = self.done.max(control.in_event_id);
        }
        match record.body {
            RecordBody::Data { id, data } => self.data(id, data),
            RecordBody::Control(control) if control.session_closed => Seen::Complete,
            RecordBody::Control(control) if self.is_complete(&control) => Seen::Complete,
            RecordBody::Control(control) => {
                // The boundary of an earlier turn.
                if control.completes_turn() {
                    let done = |input: &Seq| control.in_event_id.is_none_or(|done| done >= *input);
                    self.skips_behind = self.skips_behind.filter(|input| !done(input));
                    self.held_error = None;
                }
                Seen::Nothing
            }
            RecordBody::Command => Seen::Nothing,
        }
    }

    fn is_complete(&self, control: &Control) -> bool {
        if self.is_handover {
            control.completes_handover(self.input)
        } else {
            control.completes_message(self.input)
        }
    }

    fn data(&mut self, id: String, data: Json) -> Seen {
        let is_own = self.own_prefix.as_deref().is_some_and(|prefix| id.starts_with(prefix));
        if is_own || self.skips_behind.is_some() || (!id.is_empty() && self.recent_ids.contains(&id)) {
            return Seen::Nothing;
        }
        if self.recent_ids.len() == REMEMBERED_IDS {
            self.recent_ids.pop_front();
        }
        self.recent_ids.push_back(id);
        match &*chunk_type(&data) {
            // Older agents end a turn with a chunk.
            "trigger:turn-complete" => Seen::Complete,
            "error" => {
                self.held_error = Some(data);
                Seen::Nothing
            }
            kind if kind.starts_with("trigger:") => Seen::Nothing,
            _ => Seen::Chunk(data),
        }
    }

    /// A subscription ended: how long to wait before the next one, or `None` when the platform refuses.
    pub(super) fn ended(&mut self, error: Option<&SessionsError>) -> Option<Duration> {
        use SessionsErrorKind::{Closed, NotFound, Rejected, Unauthorized};
        match error.map(SessionsError::kind) {
            None => return Some(Duration::ZERO),
            Some(Closed) => return None,
            Some(NotFound | Rejected | Unauthorized) => self.refusals += 1,
            Some(_) => {}
        }
        self.failures = (self.failures + 1).min(6);
        (self.refusals < MAX_REFUSALS).then(|| Duration::from_millis(50) * 2_u32.pow(self.failures - 1))
    }
}
