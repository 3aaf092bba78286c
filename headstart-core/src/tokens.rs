//! Tokens for browsers: what they may do, with which chat, for how long.

use std::time::Duration;

use crate::wire::ChatId;

/// The longest life of a token that the platform gives.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A token to be made.
///
/// ```
/// use headstart_core::{TokenSpec, wire::ChatId};
/// use std::time::Duration;
///
/// let chat: ChatId = "c1".parse()?;
/// let spec = TokenSpec::read_only(chat).lifetime(Duration::from_secs(300));
/// assert_eq!(spec.scopes(), ["read:sessions:c1"]);
/// # Ok::<(), headstart_core::wire::ChatIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct TokenSpec {
    chat: ChatId,
    may_write: bool,
    lifetime: Duration,
}

impl TokenSpec {
    /// Reads the chat's session and writes to it, for an hour: what a page needs whose user takes part.
    pub fn read_write(chat: ChatId) -> Self {
        Self { chat, may_write: true, lifetime: Duration::from_secs(60 * 60) }
    }

    /// Only reads it, for an hour: for those who watch.
    pub fn read_only(chat: ChatId) -> Self {
        Self { may_write: false, ..Self::read_write(chat) }
    }

    /// How long it is good, in whole seconds: 1 s to 30 days.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.clamp(Duration::from_secs(1), LONGEST);
        self
    }

    /// What it allows, in the platform's words.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        let actions: &[&str] = if self.may_write { &["read", "write"] } else { &["read"] };
        actions.iter().map(|action| format!("{action}:sessions:{}", self.chat)).collect()
    }

    /// How long it is good, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.lifetime.as_secs()
    }
}
