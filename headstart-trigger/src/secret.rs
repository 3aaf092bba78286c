//! Keys that do not show themselves.

use std::fmt;

use zeroize::Zeroizing;

/// A key or token. `Debug` shows only what kind it is, and the memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    /// Wraps a key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(Zeroizing::new(key.into()))
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl<T: Into<String>> From<T> for SecretKey {
    fn from(key: T) -> Self {
        Self::new(key)
    }
}
