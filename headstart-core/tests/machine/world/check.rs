//! The invariants (`ARCHITECTURE.md`), read off a world that has come to its end.

use headstart_core::turn::{self, OnDisconnect, Settlement};
use proptest::prelude::*;
use serde_json::Value;

use super::{Create, Ending, Leader, MESSAGE_ID, World};

impl World {
    pub(crate) fn check(&self) -> Result<(), TestCaseError> {
        self.check_inputs()?;
        self.check_settlement()?;
        self.check_stream()?;
        self.check_browser()
    }

    /// I1, I5, I9.
    fn check_inputs(&self) -> Result<(), TestCaseError> {
        let kinds: Vec<&str> = self.given.iter().filter_map(|input| input["kind"].as_str()).collect();
        match self.plan.create {
            _ if self.plan.attempt == turn::Plan::Alone => prop_assert!(kinds.is_empty(), "I1: {:?}", kinds),
            _ if self.replaced => prop_assert!(kinds.is_empty(), "I1, after a takeover: {:?}", kinds),
            Create::New | Create::LostAnswer if self.plan.attempt == turn::Plan::Message => {
                prop_assert_eq!(&kinds, &["message"], "I1");
            }
            Create::New | Create::LostAnswer => prop_assert_eq!(&kinds, &["handover"], "I1"),
            Create::Existing { leader, .. } => return self.check_existing(leader, &kinds),
            Create::Fails | Create::Hangs => prop_assert!(kinds.is_empty(), "I1: {:?}", kinds),
        }
        for input in self.given.iter().filter(|input| input["kind"] == "handover") {
            prop_assert_eq!(&input["messageId"], MESSAGE_ID, "I5");
            if self.stopped || self.gave_up() {
                prop_assert_eq!(&input["isFinal"], true, "a stop leaves nothing to run");
            }
            if self.plan.attempt == turn::Plan::Agent && !self.gave_up() && !self.stopped {
                prop_assert_eq!(&input["isFinal"], false, "the agent answers");
            }
        }
        prop_assert!(self.responded <= 1);
        Ok(())
    }

    /// Each message has one answer, whatever became of the process that had the session before us.
    fn check_existing(&self, leader: Leader, kinds: &[&str]) -> Result<(), TestCaseError> {
        let Create::Existing { same_message, .. } = self.plan.create else { return Ok(()) };
        prop_assert!(!self.gave_too_early, "I1: a message before the handover it has to wait for");
        prop_assert!(!self.gave_unfenced, "I1: a handover that is not fenced");
        prop_assert!(
            matches!(kinds, [] | ["handover"] | ["message"] | ["handover", "message"]),
            "I1: {:?}",
            kinds
        );
        for input in self.given.iter().filter(|input| input["kind"] == "handover") {
            prop_assert_eq!(&input["isFinal"], false, "the agent answers");
            prop_assert_eq!(&input["messageId"], &Value::Null, "under an id of its own");
        }
        if !same_message {
            prop_assert_eq!(kinds.last(), Some(&"message"), "I1");
            prop_assert!(self.answers == 1 || !self.held.is_empty(), "I1: {} answers", self.answers);
        } else if leader != Leader::Finished {
            prop_assert!(kinds.len() <= 1, "I1: {:?}", kinds);
            // Nobody waits for it any more; whoever posts it again takes care of it.
            let is_abandoned = self.left || self.yielded || self.leader_writes.is_some();
            prop_assert!(
                self.answers == 1 || (self.answers == 0 && is_abandoned),
                "I1: {} answers",
                self.answers
            );
        } else if self.rival.is_none() {
            prop_assert!(kinds.is_empty(), "I1: {:?}", kinds);
        }
        Ok(())
    }

    /// When nothing is left to do, it is known who has the turn, and that is who has it.
    fn check_settlement(&self) -> Result<(), TestCaseError> {
        if !self.is_done {
            return Ok(());
        }
        let expected = match self.given.last().and_then(|input| input["kind"].as_str()) {
            Some("handover") => Settlement::HandedOver,
            Some(_) => Settlement::SentAsMessage,
            None if self.replaced || matches!(self.plan.create, Create::Existing { .. }) => {
                Settlement::AnsweredElsewhere
            }
            None => Settlement::Lost,
        };
        prop_assert_eq!(self.machine.settlement(), Some(expected));
        Ok(())
    }

    /// The browser left in the middle of step 1, and that ends it at once.
    fn gave_up(&self) -> bool {
        self.plan.on_disconnect == OnDisconnect::Abort && self.left_during_step
    }

    /// I2, I4 and the first half of I1: never a boundary of our own.
    fn check_stream(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.records_after_handover, 0, "I2: records after the handover");
        prop_assert_eq!(self.unacked_at_handover, 0, "I2: records not acknowledged before the handover");
        let own: Vec<Value> = self.own_chunks();
        for chunk in &own {
            prop_assert!(
                !chunk["type"].as_str().unwrap_or_default().starts_with("trigger:"),
                "I1: {}",
                chunk
            );
        }
        if let Create::Existing { .. } = self.plan.create {
            prop_assert!(own.is_empty(), "a second step 1 left records: {:?}", own);
        } else if !self.plan.has_step() || self.plan.attempt == turn::Plan::Alone {
            prop_assert!(own.is_empty(), "records without a step or a platform: {:?}", own);
        } else if !self.tee_failed && self.refused.is_none() && !self.replaced {
            let seen = self.seen_of_step1();
            prop_assert!(
                seen.len() <= own.len() && own[..seen.len()] == seen[..],
                "I4: {:?} / {:?}",
                seen,
                own
            );
        }
        Ok(())
    }

    /// I3, I6.
    fn check_browser(&self) -> Result<(), TestCaseError> {
        let text = |chunk: &Value| chunk["delta"].as_str().map(str::to_owned);
        let seen: Vec<String> = self.frames.iter().filter_map(text).collect();
        let agent = (0..self.plan.agent_chunks).map(|n| format!("agent {n}"));
        let mut all: Vec<String> = match self.plan.create {
            Create::Existing { same_message: true, leader: Leader::Writes(records) } => {
                (1..=records).rev().map(|left| format!("theirs {left}")).collect()
            }
            Create::Existing { .. } => vec![],
            _ => self.said.clone(),
        };
        all.extend(agent.clone());
        let mut rest = all.iter();
        for delta in &seen {
            prop_assert!(rest.any(|next| next == delta), "I3: {:?} of {:?}", seen, all);
        }
        let types: Vec<&str> = self.frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
        let is_complete = types.contains(&"trigger:turn-complete");
        if self.ended == Some(turn::Ending::Clean) {
            prop_assert!(is_complete, "I6: a clean end of an unfinished turn");
        }
        let is_given = self.given.iter().any(|input| input["kind"] == "handover");
        if is_complete && is_given && !matches!(self.plan.create, Create::Existing { .. }) {
            prop_assert!(seen.len() >= self.said.len().min(self.own_text_shown()), "I3: own text is missing");
        }
        if let (true, Create::Existing { .. }, 1..) = (is_complete, self.plan.create, self.answers) {
            prop_assert!(
                agent.clone().all(|delta| seen.contains(&delta)),
                "I3: {:?} is not all of the answer",
                seen
            );
        }
        if self.responded == 1 && self.refused.is_none() && !self.left {
            prop_assert!(self.ended.is_some(), "I6: the response has no end");
        }
        let starts =
            self.frames.iter().filter(|frame| frame["type"] == "start" && frame["messageId"] == MESSAGE_ID);
        prop_assert!(starts.count() <= 1, "I3: two starts");
        let has_fault = self.plan.tee_fails || self.left || self.yielded || self.plan.append_failures > 0;
        if let (false, true, Create::Existing { .. }) =
            (has_fault, self.plan.choices.is_empty(), self.plan.create)
        {
            prop_assert_eq!(
                self.ended,
                Some(turn::Ending::Clean),
                "I6: in the usual order the answer is whole"
            );
        }
        if !has_fault
            && is_complete
            && self.plan.create == Create::New
            && self.plan.attempt == turn::Plan::HeadStart
            && self.plan.ending == Ending::ToolCalls
        {
            let expected = if self.given[0]["isFinal"] == true { self.said.len() } else { all.len() };
            prop_assert!(
                seen.len() >= expected,
                "I3: with no fault each chunk comes: {:?} of {:?}",
                seen,
                all
            );
        }
        Ok(())
    }

    fn own_chunks(&self) -> Vec<Value> {
        let body = |(record, is_own): &(Value, bool)| {
            is_own.then(|| {
                serde_json::from_str::<Value>(record["body"].as_str().unwrap()).unwrap()["data"].clone()
            })
        };
        self.out.iter().filter_map(body).collect()
    }

    fn own_text_shown(&self) -> usize {
        if self.frames.iter().any(|frame| frame["type"] == "reset-step") { 0 } else { self.said.len() }
    }

    /// The browser's frames up to the end of step 1.
    fn seen_of_step1(&self) -> Vec<Value> {
        let is_own = |frame: &&Value| {
            let kind = frame["type"].as_str().unwrap_or_default();
            !kind.starts_with("trigger:")
                && kind != "error"
                && !frame["delta"].as_str().unwrap_or_default().starts_with("agent")
        };
        self.frames.iter().filter(is_own).cloned().collect()
    }
}
