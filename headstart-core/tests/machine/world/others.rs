//! The others: the process that had the session before, and the agent that serves it.

use headstart_core::{
    sessions::{SessionsError, SessionsErrorKind},
    turn::{self, Input},
    wire::Seq,
};
use serde_json::json;

use super::{Create, Leader, Run, World, control, data};

impl World {
    /// What there is of another process when the turn begins.
    pub(super) fn lead(&mut self, leader: Leader) {
        self.out.push((data(json!({"type": "start", "messageId": "theirs"}), "theirs-0"), false));
        self.input.push(json!({"kind": "noop"}));
        let handover = json!({"kind": "handover"});
        match leader {
            Leader::Finished => {
                self.out.push((control(Some(1)), false));
                self.input.push(handover);
                self.run = Run::Serves;
            }
            Leader::Writes(records) => self.leader_writes = Some(records),
            Leader::Dead { run_is_gone: false } => {}
            Leader::Dead { run_is_gone: true } => self.run = Run::TakesMessages,
            Leader::HandedOverInVain => {
                self.input.push(handover);
                self.run = Run::TakesMessages;
            }
        }
    }

    /// The other process writes, or hands over; it stops when it finds that the stream was written to.
    pub(super) fn leader_acts(&mut self) {
        match self.leader_writes {
            Some(0) => {
                self.leader_writes = None;
                self.input.push(json!({"kind": "handover"}));
                self.agent_hears();
            }
            Some(_) if self.is_taken_over => self.leader_writes = None,
            Some(left) => {
                self.leader_writes = Some(left - 1);
                let chunk = json!({"type": "text-delta", "id": "0", "delta": format!("theirs {left}")});
                self.out.push((data(chunk, &format!("theirs-{left}")), false));
            }
            None => {}
        }
    }

    pub(super) fn answer_takeover(&mut self) {
        let Some((record, at)) = self.takeovers.pop_front() else { return };
        let error = |kind| Err(SessionsError::new(kind, "not written"));
        if self.out.len() != at {
            return self.tell(Input::TookOver(error(SessionsErrorKind::Conflict)));
        }
        self.out.push((record, false));
        self.is_taken_over = true;
        let is_answer_lost = self.next_choice() % 5 == 1;
        self.tell(Input::TookOver(if is_answer_lost { error(SessionsErrorKind::Conflict) } else { Ok(()) }));
    }

    /// The newest input: one handover is heard, and messages only when none is awaited.
    pub(super) fn agent_hears(&mut self) {
        let seq = self.input.len() as Seq - 1;
        let kind = self.input.last().map(|input| input["kind"].clone()).unwrap_or_default();
        let is_theirs = matches!(self.plan.create, Create::Existing { same_message: false, .. });
        // A session may as well begin with a message.
        let begins =
            self.plan.attempt == turn::Plan::Message && !matches!(self.plan.create, Create::Existing { .. });
        match (kind.as_str(), self.run) {
            (Some("handover"), Run::AwaitsHandover) => {
                self.run = Run::Serves;
                self.agent_answers(seq, if is_theirs { "theirs" } else { "agent" });
                while !self.held.is_empty() {
                    let seq = self.held.remove(0);
                    self.agent_answers(seq, self.whose(seq));
                }
            }
            (Some("message"), Run::AwaitsHandover) if !begins => self.held.push(seq),
            (Some("message"), _) => self.agent_answers(seq, self.whose(seq)),
            _ => {}
        }
    }

    fn whose(&self, message: Seq) -> &'static str {
        if self.rival == Some(message) { "rival" } else { "agent" }
    }

    /// Not where the run knows nothing of the first turn, nor ahead of a message that a session begins with. One that
    /// is posted again when the chat has gone on is answered again.
    pub(super) fn rival_may_write(&self) -> bool {
        let is_in_time = match self.plan.create {
            Create::Existing { same_message, .. } => self.has_looked || !same_message,
            _ => self.plan.attempt != turn::Plan::Message || !self.given.is_empty(),
        };
        self.plan.rival && self.rival.is_none() && is_in_time && self.run != Run::TakesMessages
    }

    pub(super) fn rival_writes(&mut self) {
        self.rival = Some(self.input.len() as Seq);
        self.input.push(json!({"kind": "message", "payload": {"message": "of a rival"}}));
        self.agent_hears();
    }

    fn agent_answers(&mut self, seq: Seq, who: &str) {
        for n in 0..self.plan.agent_chunks {
            let chunk = json!({"type": "text-delta", "id": "a", "delta": format!("{who} {n}")});
            self.agent.push_back(data(chunk, &format!("a-{n}-{seq}")));
        }
        // What it has seen, held below the oldest message that still waits.
        let seen = self.input.len() as Seq - 1;
        self.agent.push_back(control(self.held.first().map_or(Some(seen), |held| held.checked_sub(1))));
        self.answers += usize::from(who == "agent");
    }

    pub(super) fn agent_writes(&mut self) {
        let mut record = self.agent.pop_front().unwrap_or_default();
        if let Some(headers) = record["headers"].as_array_mut() {
            // What it has seen by now, whether it is done with it or not.
            let seen = (self.input.len() - 1).to_string();
            headers.push(json!(["session-in-consumed-id", seen]));
        }
        // A writer that retries writes twice, under the same id.
        if self.next_choice() % 4 == 1 {
            self.out.push((record.clone(), false));
        }
        self.out.push((record, false));
    }
}
