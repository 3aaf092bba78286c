//! The circuit breaker in front of the platform: when it is down, requests are not made to wait for it one by
//! one, and it is not called by all of them the moment it comes back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{rt::Runtime, sessions::SessionsError, turn::Refusal};

/// When the platform counts as down, and for how long it is then left alone.
///
/// ```
/// use headstart_core::Breaker;
/// use std::time::Duration;
///
/// let breaker = Breaker::new(3, Duration::from_secs(10));
/// assert_ne!(breaker, Breaker::never());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    cool_down: Duration,
}

impl Breaker {
    /// Down after so many creations in a row that failed or got no answer; tried again, by one request, after
    /// `cool_down`.
    #[must_use]
    pub const fn new(failures: u32, cool_down: Duration) -> Self {
        Self { failures: if failures == 0 { 1 } else { failures }, cool_down }
    }

    /// The platform is always asked.
    #[must_use]
    pub const fn never() -> Self {
        Self { failures: u32::MAX, cool_down: Duration::ZERO }
    }
}

impl Default for Breaker {
    /// Five failures, five seconds.
    fn default() -> Self {
        Self::new(5, Duration::from_secs(5))
    }
}

/// What a new chat gets while the platform is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Outage {
    /// A 503 at once, with `Retry-After`.
    #[default]
    Refuse,
    /// Step 1 alone, streamed and kept nowhere; tools do not run. The next message of the chat then begins it
    /// anew on the platform, without this turn.
    StreamOnly,
}

/// The state behind a [`Breaker`]. Time comes in with each call.
#[derive(Debug)]
pub(crate) struct Circuit {
    breaker: Breaker,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
    },
    /// One request has gone to see. If nothing is heard of it for so long, another one goes.
    Probing {
        until: Duration,
    },
}

/// May the platform be asked?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// Not for so long.
    Barred(Duration),
}

impl Circuit {
    pub(crate) fn new(breaker: Breaker) -> Self {
        Self { breaker, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    pub(crate) fn admit(&self, now: Duration) -> Passage {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Closed { .. } => Passage::Open,
            State::Open { until } | State::Probing { until } if now < until => Passage::Barred(until - now),
            State::Open { .. } | State::Probing { .. } => {
                *state = State::Probing { until: now + self.breaker.cool_down };
                Passage::Open
            }
        }
    }

    /// A request that was admitted begins.
    pub(crate) fn ask(self: &Arc<Self>, runtime: Arc<dyn Runtime>) -> Asked {
        Asked { circuit: self.clone(), runtime, is_up: false }
    }

    /// What became of it; `is_up` is what that says about the platform.
    fn report(&self, is_up: bool, now: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = match (is_up, *state) {
            (true, _) => 0,
            (false, State::Closed { failures }) => failures.saturating_add(1),
            (false, State::Probing { .. }) => self.breaker.failures,
            // A straggler from before it opened says nothing new.
            (false, State::Open { .. }) => return,
        };
        *state = if failures < self.breaker.failures {
            State::Closed { failures }
        } else {
            State::Open { until: now + self.breaker.cool_down }
        };
    }
}

/// A request to the platform whose outcome the circuit hears of in any case: one that nobody waited for any
/// longer has failed.
pub(crate) struct Asked {
    circuit: Arc<Circuit>,
    runtime: Arc<dyn Runtime>,
    is_up: bool,
}

impl Asked {
    /// It is answered; a refusal is an answer, too.
    pub(crate) fn answered<T>(mut self, answer: &Result<T, SessionsError>) {
        let refusal = answer.as_ref().err().map(Refusal::from);
        self.is_up = !matches!(refusal, Some(Refusal::PlatformUnavailable | Refusal::PlatformTimeout));
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.circuit.report(self.is_up, self.runtime.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_platform_that_is_down_is_asked_by_one_request_after_each_cool_down() {
        let circuit = Circuit::new(Breaker::new(2, secs(5)));
        for _ in 0..2 {
            assert_eq!(circuit.admit(secs(0)), Passage::Open);
            circuit.report(false, secs(0));
        }
        assert_eq!(circuit.admit(secs(1)), Passage::Barred(secs(4)));
        assert_eq!(circuit.admit(secs(5)), Passage::Open, "the probe");
        assert_eq!(circuit.admit(secs(5)), Passage::Barred(secs(5)), "nobody beside the probe");
        circuit.report(false, secs(6));
        assert_eq!(circuit.admit(secs(10)), Passage::Barred(secs(1)));
        assert_eq!(circuit.admit(secs(11)), Passage::Open);
        circuit.report(true, secs(11));
        assert_eq!(circuit.admit(secs(11)), Passage::Open);
    }

    #[test]
    fn single_failures_do_not_add_up() {
        let circuit = Circuit::new(Breaker::new(2, secs(5)));
        for n in 0..10 {
            circuit.report(n % 2 == 0, secs(n));
            assert_eq!(circuit.admit(secs(n)), Passage::Open);
        }
    }

    #[test]
    fn a_probe_that_is_never_heard_of_again_does_not_bar_the_way_for_ever() {
        let circuit = Circuit::new(Breaker::new(1, secs(5)));
        circuit.report(false, secs(0));
        assert_eq!(circuit.admit(secs(5)), Passage::Open);
        assert_eq!(circuit.admit(secs(10)), Passage::Open);
    }

    #[test]
    fn never_means_never() {
        let circuit = Circuit::new(Breaker::never());
        (0..1000).for_each(|_| circuit.report(false, secs(0)));
        assert_eq!(circuit.admit(secs(0)), Passage::Open);
    }
}
