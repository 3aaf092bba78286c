//! The one input of a turn on `session.in`, tried until it is accepted or lost.

use std::time::Duration;

use bytes::Bytes;

use super::{Output, Purpose};
use crate::{
    sessions::{Appended, SessionsError, SessionsErrorKind},
    wire::{InChunk, Json, Seq},
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
