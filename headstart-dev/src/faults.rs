//! Faults on demand: what the platform does wrong, where, to which chat and how often.
//!
//! Only what servers ask is touched (requests with the secret key, and their writes to the stream store):
//! pages and agents see a sound platform, so that a test can look at what became of a turn while the fault lasts.
//!
//! ```
//! # async fn example() -> Result<(), headstart_dev::StartError> {
//! use headstart_dev::{DevPlatform, Endpoint, Fault, FaultRule};
//!
//! let platform = DevPlatform::builder().start().await?;
//! let fault = platform.faults().inject(FaultRule::new(Endpoint::Create, Fault::Status(503)).chat("c1").times(1));
//! assert_eq!(fault.hits(), 0);
//! drop(fault); // and the platform is sound again
//! # Ok(()) }
//! ```

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What servers ask the platform for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `POST /api/v1/sessions`.
    Create,
    /// `PUT …/{in,out}`: where and how to write.
    Claim,
    /// `POST …/{in,out}/append`.
    Append,
    /// `GET …/{in,out}`: Server-Sent Events.
    Subscribe,
    /// `GET …/{in,out}/records`.
    Records,
    /// Appends to the stream store itself.
    Write,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Claim, Self::Append, Self::Subscribe, Self::Records, Self::Write];
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// It is answered with this status, and not done.
    Status(u16),
    /// Its connection is reset, and it is not done.
    Reset,
    /// It is never answered, and not done.
    Hang,
    /// It gets a good status and an answer that makes no sense, and is not done.
    Malformed,
    /// It is done, but its connection is reset before that is told.
    Lost,
    /// It is done after this time.
    Slow(Duration),
}

/// A fault, and whom it meets.
#[derive(Debug, Clone)]
#[must_use]
pub struct FaultRule {
    endpoint: Endpoint,
    fault: Fault,
    chat: Option<String>,
    passes: u64,
    times: u64,
}

impl FaultRule {
    /// Meets each request to the endpoint.
    pub fn new(endpoint: Endpoint, fault: Fault) -> Self {
        Self { endpoint, fault, chat: None, passes: 0, times: u64::MAX }
    }

    /// Only those of this chat.
    pub fn chat(mut self, chat: impl Into<String>) -> Self {
        self.chat = Some(chat.into());
        self
    }

    /// The first so many requests pass.
    pub fn after(mut self, passes: u64) -> Self {
        self.passes = passes;
        self
    }

    /// The next so many are met, the others pass.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }
}

/// The faults of a platform. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How many rules there are: none is the common case, and costs one load.
    count: AtomicUsize,
    rules: Mutex<Vec<Arc<Active>>>,
    requests: [AtomicU64; Endpoint::ALL.len()],
}

#[derive(Debug)]
struct Active {
    rule: FaultRule,
    seen: AtomicU64,
}

impl Active {
    fn hits(&self) -> u64 {
        self.seen.load(Ordering::Relaxed).saturating_sub(self.rule.passes).min(self.rule.times)
    }

    /// Does it meet this request? Counts it, if it is one of its own.
    fn meets(&self, endpoint: Endpoint, chat: &str) -> bool {
        let is_for =
            self.rule.endpoint == endpoint && self.rule.chat.as_deref().is_none_or(|own| own == chat);
        if !is_for {
            return false;
        }
        let before = self.seen.fetch_add(1, Ordering::Relaxed);
        before >= self.rule.passes && before - self.rule.passes < self.rule.times
    }
}

/// A fault in force. It ends when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Injected {
    faults: Faults,
    active: Arc<Active>,
}

impl Injected {
    /// How many requests it has met.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.active.hits()
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        let mut rules = self.faults.0.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|rule| !Arc::ptr_eq(rule, &self.active));
        self.faults.0.count.store(rules.len(), Ordering::Release);
    }
}

impl Faults {
    /// Puts a rule in force. Of several that meet a request, the first put in force counts.
    pub fn inject(&self, rule: FaultRule) -> Injected {
        let active = Arc::new(Active { rule, seen: AtomicU64::new(0) });
        let mut rules = self.0.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.push(active.clone());
        self.0.count.store(rules.len(), Ordering::Release);
        Injected { faults: self.clone(), active }
    }

    /// How many requests of servers an endpoint has had, of all chats.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.0.requests[endpoint as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, endpoint: Endpoint) {
        self.0.requests[endpoint as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn are_any(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// What goes wrong with this request.
    pub(crate) fn meet(&self, endpoint: Endpoint, chat: &str) -> Option<Fault> {
        let rules = self.0.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find(|rule| rule.meets(endpoint, chat)).map(|rule| rule.rule.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_meets_its_own_requests_as_often_as_it_says_and_ends_when_it_is_dropped() {
        let faults = Faults::default();
        let rule = FaultRule::new(Endpoint::Append, Fault::Reset).chat("c").after(1).times(2);
        let injected = faults.inject(rule);
        assert!(faults.are_any());
        let meets = |endpoint, chat: &str| faults.meet(endpoint, chat).is_some();
        assert!(!meets(Endpoint::Append, "other") && !meets(Endpoint::Create, "c"));
        let met: Vec<bool> = (0..5).map(|_| meets(Endpoint::Append, "c")).collect();
        assert_eq!(met, [false, true, true, false, false]);
        assert_eq!(injected.hits(), 2);
        drop(injected);
        assert!(!faults.are_any() && !meets(Endpoint::Append, "c"));
    }
}
