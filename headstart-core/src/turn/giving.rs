//! The one input of a turn on `session.in`: sent, and tried until it is accepted or lost.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Machine, Output, Purpose, handover,
    machine::{Session, Step},
    splice::Splice,
};
use crate::{
    sessions::{Appended, SessionsError, SessionsErrorKind},
    wire::{InChunk, Json, ModelMessage, Seq},
};

/// First wait before another try; each further one is twice as long, up to 16 times this.
const RETRY_WAIT: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) enum Giving {
    Nothing,
    Sending(Attempt),
    Waiting(Attempt, Duration),
    Accepted,
    Lost,
}

#[derive(Debug, Clone)]
pub(super) struct Attempt {
    purpose: Purpose,
    body: Bytes,
    part_id: String,
    since: Duration,
    until: Duration,
    count: u32,
}

/// What an answer of the platform means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is there, at this position if the platform says so.
    Accepted(Purpose, Option<Seq>),
    /// Nothing to do: another try follows, or the answer is to something else.
    Pending,
    /// It will never fit.
    TooLarge(Purpose),
    Lost,
}

impl Giving {
    /// Sends this input, and tries again for `patience`. There is one in each turn; a second replaces what is not
    /// accepted yet.
    pub(super) fn send(
        &mut self,
        purpose: Purpose,
        chunk: &InChunk,
        part_id: String,
        now: Duration,
        patience: Duration,
    ) -> Output {
        let until = now + patience;
        let attempt = Attempt { purpose, body: body(chunk), part_id, since: now, until, count: 1 };
        let output = attempt.output();
        *self = Self::Sending(attempt);
        output
    }

    /// Takes in the platform's answer.
    pub(super) fn answered(
        &mut self,
        purpose: Purpose,
        result: Result<Appended, SessionsError>,
        now: Duration,
    ) -> Verdict {
        let Self::Sending(attempt) = self else { return Verdict::Pending };
        if attempt.purpose != purpose {
            return Verdict::Pending;
        }
        let error = match result {
            Ok(Appended { seq }) => {
                *self = Self::Accepted;
                return Verdict::Accepted(purpose, seq);
            }
            Err(error) => error,
        };
        let next = now + RETRY_WAIT * 2_u32.pow(attempt.count.min(5) - 1);
        // A row that was just created may not be visible everywhere yet.
        let may_succeed = error.is_retryable() || error.kind() == SessionsErrorKind::NotFound;
        if may_succeed && next < attempt.until {
            let mut attempt = attempt.clone();
            attempt.count += 1;
            *self = Self::Waiting(attempt, next);
            return Verdict::Pending;
        }
        *self = Self::Lost;
        if error.kind() == SessionsErrorKind::TooLarge { Verdict::TooLarge(purpose) } else { Verdict::Lost }
    }

    /// The next try, if it is time.
    pub(super) fn due(&mut self, now: Duration) -> Option<Output> {
        let Self::Waiting(attempt, at) = self else { return None };
        if now < *at {
            return None;
        }
        let attempt = attempt.clone();
        let output = attempt.output();
        *self = Self::Sending(attempt);
        Some(output)
    }

    /// Is it lost because a try was not answered at all?
    pub(super) fn give_up(&mut self, now: Duration) -> bool {
        let is_late = matches!(self, Self::Sending(attempt) if now >= attempt.until);
        if is_late {
            *self = Self::Lost;
        }
        is_late
    }

    /// When the next try is due, or the one under way is given up.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Waiting(_, at) => Some(*at),
            Self::Sending(attempt) => Some(attempt.until),
            _ => None,
        }
    }

    /// Since when the platform is asked to accept it; `None` when it is not.
    pub(super) fn open_since(&self) -> Option<Duration> {
        match self {
            Self::Sending(attempt) | Self::Waiting(attempt, _) => Some(attempt.since),
            _ => None,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Self::Accepted | Self::Lost)
    }
}

impl Attempt {
    fn output(&self) -> Output {
        Output::Append { purpose: self.purpose, body: self.body.clone(), part_id: self.part_id.clone() }
    }
}

pub(super) fn body(chunk: &InChunk) -> Bytes {
    let json = Json::from_serialize(chunk).unwrap_or_default();
    Bytes::copy_from_slice(json.as_str().as_bytes())
}

/// The same for each try, so that the platform writes it once.
pub(super) fn noop_id(nonce: &str) -> String {
    format!("{nonce}-noop")
}

/// The same for each try, so that the platform writes it once.
pub(super) fn handover_id(nonce: &str) -> String {
    format!("{nonce}-handover")
}

impl Machine {
    pub(super) fn hand_over(&mut self) {
        let Step::Over(decision) = std::mem::replace(&mut self.step, Step::HandedOver) else { return };
        self.ledger.settle_by = None;
        self.outputs.push_back(Output::CloseTee);
        self.is_final = decision.is_final;
        self.report_error = decision.report_error;
        self.splice = Some(Splice::new(self.ledger.last(), Some(self.record_prefix())));
        let message_id = Some(self.spec.message_id.clone());
        self.give_handover(decision.partial, message_id, decision.is_final);
        // Beside the handover, not behind it: the position to read from is known.
        self.subscribe();
    }

    pub(super) fn give_message(&mut self) {
        let (part_id, patience) = (self.spec.message_part_id.clone(), self.spec.deadlines.handover_retry);
        let output = self.giving.send(Purpose::Message, &self.spec.message, part_id, self.now, patience);
        self.outputs.push_back(output);
    }

    pub(super) fn give_handover(
        &mut self,
        partial: Vec<ModelMessage>,
        message_id: Option<String>,
        is_final: bool,
    ) {
        let chunk = InChunk::Handover { partial_assistant_message: partial, message_id, is_final };
        let (part_id, patience) = (handover_id(&self.spec.nonce), self.spec.deadlines.handover_retry);
        self.outputs.push_back(self.giving.send(Purpose::Handover, &chunk, part_id, self.now, patience));
    }

    pub(super) fn appended(&mut self, purpose: Purpose, result: Result<Appended, SessionsError>) {
        if purpose == Purpose::Noop {
            self.noop_by = None;
            return;
        }
        match self.giving.answered(purpose, result, self.now) {
            Verdict::Pending => {}
            Verdict::Accepted(purpose, seq) => self.accepted(purpose, seq),
            Verdict::TooLarge(Purpose::Handover) if self.is_final => {
                // The text does not fit; the turn is closed without it rather than left open.
                self.report_error = true;
                self.is_final = false;
                let message_id = Some(self.spec.message_id.clone());
                self.give_handover(handover::no_op(), message_id, true);
            }
            Verdict::TooLarge(_) | Verdict::Lost => self.cut_off(),
        }
    }

    fn accepted(&mut self, purpose: Purpose, seq: Option<Seq>) {
        let deadlines = &self.spec.deadlines;
        let wait = if self.is_final { deadlines.final_grace } else { deadlines.agent_first };
        self.agent_by = Some(self.now + wait);
        // The answer to an ordinary message is told from earlier ones by its position, known only now.
        if purpose == Purpose::Message {
            self.message_accepted(seq);
        }
        match (&mut self.splice, &self.session) {
            // The first turn ends with the first boundary, whoever handed it over in the end.
            (_, Session::Followed(_)) | (None, _) => {}
            (Some(splice), _) => splice.set_input(purpose, seq),
        }
        if self.is_queued() {
            // When others wrote before it, the answer to our message has to be looked for.
            let is_next = seq == Some(self.newest_input.map_or(0, |newest| newest + 1));
            self.newest_input = seq.filter(|_| is_next);
            self.come_next(self.splice.as_ref().and_then(Splice::skipped));
        }
    }

    /// This process has told the agent all it has to.
    pub(super) fn is_given(&self) -> bool {
        match (&self.giving, &self.session) {
            (Giving::Nothing, Session::None) => matches!(self.step, Step::HandedOver),
            _ if self.is_queued() || self.is_taking_over() => false,
            (Giving::Nothing, Session::Failed | Session::Followed(_)) => true,
            (giving, _) => giving.is_settled(),
        }
    }
}
