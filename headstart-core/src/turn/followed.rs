//! A first turn that another process leads: it is watched, and taken over when that process falls silent and
//! owes the agent its handover (`docs/protocol.md`, "Existing sessions").

use bytes::Bytes;

use super::{
    Ending, Machine, Output,
    giving::Giving,
    handover,
    machine::Session,
    mark,
    splice::{ANY_BOUNDARY, Splice},
    streams::Streams,
};
use crate::{
    sessions::{RunState, SessionsError, SessionsErrorKind},
    wire::{Seq, UiChunk},
};

/// Looks in a row that may fail.
const MAX_FAILED_LOOKS: u32 = 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    /// It answers another message; ours comes next. An input before its handover would not be heard.
    is_before_ours: bool,
    leader: Leader,
    /// Where `session.out` ended when it was read as a whole.
    tail: Option<Seq>,
    failed_looks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    Leading,
    /// It fell silent; the streams are being read.
    Silent,
    /// The same, and it wrote when we wanted to take over.
    Contested,
    /// The takeover is on its way. Once begun it is brought to its end: a leader that meets it says no more.
    Replaced,
    /// The agent has the turn.
    Done,
}

impl Followed {
    pub(super) fn new(is_before_ours: bool, tail: Option<Seq>) -> Self {
        Self { is_before_ours, leader: Leader::Leading, tail, failed_looks: 0 }
    }

    /// Another process took the turn from us.
    pub(super) fn replacing_us() -> Self {
        Self { leader: Leader::Done, ..Self::new(false, None) }
    }

    pub(super) fn is_leading(self) -> bool {
        self.leader != Leader::Done
    }

    fn is_looked_after(self) -> bool {
        matches!(self.leader, Leader::Silent | Leader::Contested)
    }
}

impl Machine {
    /// Our message waits until the first turn of another is handed over.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.session, Session::Followed(Followed { is_before_ours: true, .. }))
            && !matches!(self.giving, Giving::Lost)
    }

    /// A takeover is on its way.
    pub(super) fn is_taking_over(&self) -> bool {
        matches!(self.session, Session::Followed(Followed { leader: Leader::Replaced, .. }))
    }

    /// Reads along behind `after`.
    pub(super) fn follow(&mut self, followed: Followed, after: Option<Seq>) {
        let skips = followed.is_before_ours.then_some(ANY_BOUNDARY);
        self.session = Session::Followed(followed);
        self.splice = Some(Splice::new(after, None).skipping_behind(skips));
        self.agent_by = Some(self.now + self.spec.deadlines.follow_idle);
        self.subscribe();
    }

    /// Something was waited for in vain.
    pub(super) fn leader_is_late(&mut self, followed: Followed) {
        match followed.leader {
            Leader::Leading => self.look_after_leader(),
            Leader::Silent | Leader::Contested => self.look_failed(followed),
            Leader::Replaced => self.taken_over(),
            Leader::Done => self.view.close(Ending::Reset, &mut self.outputs),
        }
    }

    /// What is on the streams, and what does the run do?
    pub(super) fn look_after_leader(&mut self) {
        self.look(Leader::Silent);
    }

    fn look(&mut self, leader: Leader) {
        self.set_leader(leader);
        self.agent_by = Some(self.now + self.spec.deadlines.create);
        self.outputs.push_back(Output::Inspect { run_id: self.run_id.clone() });
    }

    pub(super) fn look_failed(&mut self, followed: Followed) {
        if !followed.is_looked_after() {
            return;
        }
        let failed_looks = followed.failed_looks + 1;
        if failed_looks < MAX_FAILED_LOOKS {
            self.keep_following(Followed { failed_looks, ..followed });
        } else if self.is_queued() {
            // Whoever can look again takes over, and then it is heard.
            self.come_next(Some(ANY_BOUNDARY));
        } else {
            self.view.close(Ending::Reset, &mut self.outputs);
        }
    }

    fn keep_following(&mut self, followed: Followed) {
        self.session = Session::Followed(Followed { leader: Leader::Leading, ..followed });
        self.agent_by = Some(self.now + self.spec.deadlines.follow_idle);
    }

    pub(super) fn looked(&mut self, followed: Followed, streams: Streams<'_>, run: RunState) {
        if !followed.is_looked_after() {
            return;
        }
        self.newest_input = streams.newest_input();
        self.is_run_gone = run == RunState::TakesMessages;
        let is_given = match run {
            // What was handed over to a run that is gone is as good as not given.
            RunState::TakesMessages => streams.has_input("message"),
            // A message waits there until somebody hands over.
            RunState::TakesHandover => streams.has_input("handover"),
            RunState::Unknown => streams.has_input("handover") || streams.has_input("message"),
        };
        let cursor = self.splice.as_ref().and_then(Splice::cursor);
        let written = streams.output_of(&mark::takeover_id(&self.spec.nonce));
        if let Some(at) = written {
            // Only the answer was lost.
            self.begin_takeover(at, streams);
            self.taken_over();
        } else if is_given || streams.has_boundary() {
            self.leader_is_done(followed, streams);
        } else if followed.leader == Leader::Contested || streams.tail() > followed.tail.max(cursor) {
            // It is slow, or we are.
            self.keep_following(Followed { tail: streams.tail(), failed_looks: 0, ..followed });
        } else {
            self.take_over(streams);
        }
    }

    /// The agent has the turn, or is done with it.
    fn leader_is_done(&mut self, followed: Followed, streams: Streams<'_>) {
        if followed.is_before_ours {
            return self.come_behind(streams);
        }
        self.set_leader(Leader::Done);
        self.agent_by = Some(self.now + self.spec.deadlines.agent_first);
    }

    /// What the leader left on the stream is withdrawn, by a record that is written only if the stream ends where
    /// it was seen to end: a leader that is alive after all has either written by then, and keeps the turn, or
    /// finds that record in its way, and falls silent.
    fn take_over(&mut self, streams: Streams<'_>) {
        let at = streams.tail().map_or(0, |seq| seq + 1);
        self.begin_takeover(at, streams);
        self.agent_by = Some(self.now + self.spec.deadlines.create);
        let (chunk, id) = (UiChunk::ResetStep.to_json(), mark::takeover_id(&self.spec.nonce));
        let body = Bytes::from(format!(r#"{{"data":{chunk},"id":"{id}"}}"#));
        self.outputs.push_back(Output::TakeOver { body, at });
    }

    fn begin_takeover(&mut self, at: Seq, streams: Streams<'_>) {
        self.set_leader(Leader::Replaced);
        if self.is_queued() {
            let open = streams.message_before(Seq::MAX).or(Some(ANY_BOUNDARY));
            self.splice = Some(Splice::new(Some(at), None).skipping_behind(open));
        }
    }

    pub(super) fn took_over(&mut self, result: Result<(), SessionsError>) {
        match result {
            _ if !self.is_taking_over() => {}
            Err(error) if error.kind() == SessionsErrorKind::Conflict => self.look(Leader::Contested),
            // A text that is there twice is a lesser evil than a message that nobody answers.
            Ok(()) | Err(_) => self.taken_over(),
        }
    }

    /// The agent takes the turn from its beginning; a run that never heard of it takes our message alone.
    fn taken_over(&mut self) {
        self.set_leader(Leader::Done);
        self.agent_by = None;
        if self.is_run_gone {
            self.come_next(None);
        } else {
            self.give_handover(handover::no_op(), None, false);
        }
    }

    fn set_leader(&mut self, leader: Leader) {
        if let Session::Followed(followed) = &mut self.session {
            followed.leader = leader;
        }
    }
}
