//! Chat ids.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};

/// What a path segment may carry as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const MAX_CHARACTERS: usize = 256;

/// The id that the browser chose for a chat; it addresses every stream of the session.
///
/// Trimmed, 1 to 256 characters of ISO 8859-1, no control characters, not of the form `session_…` (those are the
/// platform's own) and without `:channels:`. An address is not a permission: see
/// [`authorize`](crate::HeadStartBuilder::authorize).
///
/// ```
/// use headstart_core::wire::ChatId;
///
/// let id: ChatId = " support/42 ".parse()?;
/// assert_eq!(id.as_str(), "support/42");
/// assert_eq!(id.path_segment(), "support%2F42");
/// assert!("session_1".parse::<ChatId>().is_err());
/// # Ok::<(), headstart_core::wire::ChatIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatId(Arc<str>);

/// Why a text is no [`ChatId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatIdError {
    /// Nothing but white space.
    #[error("chatId is empty")]
    Empty,
    /// More than 256 characters.
    #[error("chatId is longer than {MAX_CHARACTERS} characters")]
    TooLong,
    /// A line break, a NUL or the like.
    #[error("chatId contains a control character")]
    Control,
    /// Beyond U+00FF: the platform names streams in response headers, which cannot carry it.
    #[error("chatId contains a character that streams cannot carry (use letters of ISO 8859-1)")]
    Unsupported,
    /// The platform keeps this form for itself.
    #[error("chatId has a form that is reserved for the platform")]
    Reserved,
    /// The system gives no random bytes to [mint](ChatId::mint) one from.
    #[error("there is no source of randomness")]
    NoRandomness,
}

impl ChatId {
    /// A new id that nobody can guess: the prefix, then 22 characters of base64url (128 random bits). With the
    /// owner as the prefix, [`Grant::owner_prefix`](crate::Grant::owner_prefix) checks it without a table.
    ///
    /// # Errors
    /// [`ChatIdError`] when the prefix makes no sound id, or the system gives no random bytes.
    ///
    /// ```
    /// use headstart_core::wire::ChatId;
    ///
    /// let id = ChatId::mint("user-7:")?;
    /// assert!(id.as_str().starts_with("user-7:") && id.as_str().len() == 29);
    /// # Ok::<(), headstart_core::wire::ChatIdError>(())
    /// ```
    pub fn mint(prefix: &str) -> Result<Self, ChatIdError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| ChatIdError::NoRandomness)?;
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random)).parse()
    }

    /// The id as it is.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as one segment of a URL path.
    #[must_use]
    pub fn path_segment(&self) -> String {
        utf8_percent_encode(&self.0, SEGMENT).to_string()
    }
}

impl std::str::FromStr for ChatId {
    type Err = ChatIdError;

    fn from_str(text: &str) -> Result<Self, ChatIdError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ChatIdError::Empty);
        }
        // The platform counts UTF-16 units.
        if text.encode_utf16().count() > MAX_CHARACTERS {
            return Err(ChatIdError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(ChatIdError::Control);
        }
        if text.chars().any(|letter| letter > '\u{ff}') {
            return Err(ChatIdError::Unsupported);
        }
        if text.starts_with("session_") || text.contains(":channels:") || matches!(text, "." | "..") {
            return Err(ChatIdError::Reserved);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for ChatId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_stream_can_carry_is_refused() {
        for (text, why) in [
            ("", ChatIdError::Empty),
            (" \t", ChatIdError::Empty),
            (&*"c".repeat(257), ChatIdError::TooLong),
            ("a\r\nb", ChatIdError::Control),
            ("a\u{7}b", ChatIdError::Control),
            ("chat-日本", ChatIdError::Unsupported),
            ("session_abc", ChatIdError::Reserved),
            ("a:channels:b", ChatIdError::Reserved),
            ("..", ChatIdError::Reserved),
        ] {
            assert_eq!(text.parse::<ChatId>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn odd_but_sound_ids_are_encoded_as_one_segment() {
        for (text, segment) in [("a b", "a%20b"), ("50%", "50%25"), ("é", "%C3%A9"), ("a?b#c", "a%3Fb%23c")]
        {
            assert_eq!(text.parse::<ChatId>().unwrap().path_segment(), segment);
        }
    }
}
