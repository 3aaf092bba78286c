//! Sessions that were there before: whose turn is it, and what if nobody takes it?
//! (`docs/protocol.md`, "Existing sessions")

use bytes::Bytes;

use super::{
    Machine, Output,
    giving::Giving,
    handover,
    machine::Session,
    mark::{self, input_kind},
    splice::Splice,
};
use crate::{
    sessions::{SessionsError, SessionsErrorKind},
    wire::{Control, Record, RecordBody, UiChunk},
};

impl Machine {
    pub(super) fn inspected(&mut self, input: &[Record], output: &[Record]) {
        let kinds: Vec<String> = input.iter().filter_map(input_kind).collect();
        let has = |kind: &str| kinds.iter().any(|found| found == kind);
        match self.session {
            // Its leader fell silent and left the run waiting.
            Session::Followed { .. } if !has("handover") && !has("message") => self.take_over(output),
            Session::Inspecting(true) if !has("message") => {
                self.session = Session::Followed { is_contested: false };
                self.splice = Some(Splice::new(None, None));
                self.agent_by = Some(self.now + self.spec.deadlines.follow_idle);
                self.subscribe();
            }
            Session::Inspecting(_) => {
                self.session = Session::Theirs;
                let is_turn_open = output.iter().rev().find_map(|record| match &record.body {
                    RecordBody::Data { .. } => Some(true),
                    RecordBody::Control(control) => Some(control.name != Control::TURN_COMPLETE),
                    RecordBody::Command => None,
                });
                let tail = output.last().map(|record| record.seq);
                let splice = Splice::new(tail, None).skipping_to_boundary(is_turn_open == Some(true));
                self.splice = Some(splice);
                self.give_message();
            }
            _ => {}
        }
    }

    /// The agent takes the turn from its beginning. What the leader left on the stream is withdrawn first, by a
    /// record that is written only if the stream ends where it was seen to end: a leader that is alive after all
    /// has either written by then, and keeps the turn, or finds that record in its way, and falls silent.
    fn take_over(&mut self, output: &[Record]) {
        if !matches!(self.giving, Giving::Nothing) {
            return;
        }
        let id = mark::takeover_id(&self.spec.nonce);
        if output.iter().any(|record| matches!(&record.body, RecordBody::Data { id: own, .. } if *own == id))
        {
            // Written, and only the answer was lost.
            return self.give_handover(handover::no_op(), None, false);
        }
        if std::mem::replace(&mut self.session, Session::Followed { is_contested: false }).is_contested() {
            self.agent_by = Some(self.now + self.spec.deadlines.follow_idle);
            return;
        }
        let chunk = UiChunk::ResetStep.to_json();
        let body = Bytes::from(format!(r#"{{"data":{chunk},"id":"{id}"}}"#));
        let at = output.last().map_or(0, |record| record.seq + 1);
        self.outputs.push_back(Output::TakeOver { body, at });
    }

    pub(super) fn took_over(&mut self, result: Result<(), SessionsError>) {
        if !matches!((&self.session, &self.giving), (Session::Followed { .. }, Giving::Nothing)) {
            return;
        }
        match result {
            Err(error) if error.kind() == SessionsErrorKind::Conflict => {
                self.session = Session::Followed { is_contested: true };
                self.outputs.push_back(Output::Inspect);
            }
            // A text that is there twice is a lesser evil than a message that nobody answers.
            Ok(()) | Err(_) => self.give_handover(handover::no_op(), None, false),
        }
    }
}
