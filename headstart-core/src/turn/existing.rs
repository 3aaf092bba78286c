//! Sessions that were there before: whose turn is it, and what if nobody takes it?
//! (`docs/protocol.md`, "Existing sessions")

use bytes::Bytes;

use super::{
    Machine, Output,
    giving::Giving,
    handover,
    machine::{Session, Subscription},
    mark::{self, Mark, input_kind},
    splice::Splice,
};
use crate::{
    sessions::{RunState, SessionsError, SessionsErrorKind},
    wire::{Record, RecordBody, Seq, UiChunk},
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

/// A first turn that another process leads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    /// It answers another message; ours comes next. An input before its handover would not be heard.
    is_before_ours: bool,
    leader: Leader,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    Leading,
    /// It wrote when we wanted to take over.
    Contested,
    /// The agent has the turn.
    Done,
}

impl Followed {
    fn new(is_before_ours: bool) -> Self {
        Self { is_before_ours, leader: Leader::Leading }
    }

    /// Another process took the turn from us.
    pub(super) fn replacing_us() -> Self {
        Self { is_before_ours: false, leader: Leader::Done }
    }

    pub(super) fn is_leading(self) -> bool {
        self.leader != Leader::Done
    }
}

impl Machine {
    /// Our message waits until the first turn of another is handed over.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.session, Session::Followed(Followed { is_before_ours: true, .. }))
            && !matches!(self.giving, Giving::Lost)
    }

    /// Another process leads the turn, as far as known.
    pub(super) fn is_led(&self) -> bool {
        matches!(self.session, Session::Followed(followed) if followed.is_leading())
            && matches!(self.giving, Giving::Nothing)
    }

    /// Somebody wants to know what comes on `session.out`.
    pub(super) fn is_reading(&self) -> bool {
        !self.view.is_closed() || self.is_queued()
    }

    pub(super) fn inspected(&mut self, input: &[Record], output: &[Record], run: RunState) {
        self.newest_input = tail(input);
        let kinds: Vec<String> = input.iter().filter_map(input_kind).collect();
        let has = |kind: &str| kinds.iter().any(|found| found == kind);
        let is_given = has("handover") || has("message");
        match self.session {
            Session::Inspecting(FirstMessage::Ours) if !has("message") => self.follow(None, false),
            Session::Inspecting(FirstMessage::Another) if !output.iter().any(is_boundary) => {
                self.follow(tail(output), true);
                if is_given {
                    self.look_after_leader();
                }
            }
            Session::Inspecting(_) => {
                let is_turn_open = output
                    .iter()
                    .rev()
                    .find(|record| is_said(record))
                    .is_some_and(|record| !is_boundary(record));
                self.splice = Some(Splice::new(tail(output), None));
                self.come_next(is_turn_open);
            }
            Session::Followed(followed) if followed.is_leading() => {
                // What was handed over to a run that is gone is as good as not given.
                let is_gone = run == RunState::TakesMessages;
                if !is_given || (is_gone && !has("message")) {
                    self.take_over(followed, output, is_gone);
                } else if followed.is_before_ours {
                    self.splice = Some(Splice::new(tail(output), None));
                    self.come_next(!output.iter().any(is_boundary));
                } else {
                    self.session = Session::Followed(Followed { leader: Leader::Done, ..followed });
                }
            }
            _ => {}
        }
    }

    /// Reads along behind `after`.
    fn follow(&mut self, after: Option<Seq>, is_before_ours: bool) {
        self.session = Session::Followed(Followed::new(is_before_ours));
        self.splice = Some(Splice::new(after, None).skipping_to_boundary(is_before_ours));
        self.agent_by = Some(self.now + self.spec.deadlines.follow_idle);
        self.subscribe();
    }

    /// Our message as an ordinary one, and its answer from where the stream was last seen to end; when a turn is
    /// still open there, from behind its boundary.
    pub(super) fn come_next(&mut self, is_turn_open: bool) {
        self.session = Session::Theirs;
        // Where its answer begins is known once it is accepted.
        self.subscription = Subscription::None;
        let splice = self.splice.as_ref().map(|splice| splice.for_next_message(self.newest_input));
        self.splice = splice.map(|splice| splice.skipping_to_boundary(is_turn_open));
        self.agent_by = None;
        self.give_message();
    }

    /// Its leader fell silent: does the run still wait?
    pub(super) fn look_after_leader(&mut self) {
        self.outputs.push_back(Output::Inspect { run_id: self.run_id.clone() });
    }

    /// What the leader left on the stream is withdrawn, by a record that is written only if the stream ends where
    /// it was seen to end: a leader that is alive after all has either written by then, and keeps the turn, or
    /// finds that record in its way, and falls silent.
    fn take_over(&mut self, followed: Followed, output: &[Record], is_run_gone: bool) {
        let id = mark::takeover_id(&self.spec.nonce);
        let is_ours =
            |record: &&Record| matches!(&record.body, RecordBody::Data { id: own, .. } if *own == id);
        let written = output.iter().find(is_ours).map(|record| record.seq);
        let at = written.unwrap_or_else(|| tail(output).map_or(0, |seq| seq + 1));
        self.is_run_gone = is_run_gone;
        if followed.is_before_ours {
            self.splice = Some(Splice::new(Some(at), None).skipping_to_boundary(true));
        }
        if written.is_some() {
            // Only the answer was lost.
            return self.taken_over();
        }
        self.session = Session::Followed(Followed { leader: Leader::Leading, ..followed });
        if followed.leader == Leader::Contested {
            self.agent_by = Some(self.now + self.spec.deadlines.follow_idle);
            return;
        }
        let chunk = UiChunk::ResetStep.to_json();
        let body = Bytes::from(format!(r#"{{"data":{chunk},"id":"{id}"}}"#));
        self.outputs.push_back(Output::TakeOver { body, at });
    }

    pub(super) fn took_over(&mut self, result: Result<(), SessionsError>) {
        let Session::Followed(followed) = self.session else { return };
        if !self.is_led() {
            return;
        }
        match result {
            Err(error) if error.kind() == SessionsErrorKind::Conflict => {
                self.session = Session::Followed(Followed { leader: Leader::Contested, ..followed });
                self.look_after_leader();
            }
            // A text that is there twice is a lesser evil than a message that nobody answers.
            Ok(()) | Err(_) => self.taken_over(),
        }
    }

    /// The agent takes the turn from its beginning; a run that never heard of it takes our message alone.
    fn taken_over(&mut self) {
        if self.is_run_gone {
            self.come_next(false);
        } else {
            self.give_handover(handover::no_op(), None, false);
        }
    }
}

fn tail(records: &[Record]) -> Option<Seq> {
    records.last().map(|record| record.seq)
}

fn is_said(record: &Record) -> bool {
    !matches!(record.body, RecordBody::Command)
}

fn is_boundary(record: &Record) -> bool {
    matches!(&record.body, RecordBody::Control(control) if control.completes_turn())
}
