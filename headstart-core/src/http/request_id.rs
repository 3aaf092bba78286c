//! One id for a request: in the response, in problems, in logs.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::turn_plan::random_id;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 128;

/// The id that a proxy or the client gave the request, or else one of our own.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let is_sound = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        };
        let given = headers.get(REQUEST_ID).filter(is_sound).cloned();
        Self(
            given
                .or_else(|| HeaderValue::from_str(&random_id(16)).ok())
                .unwrap_or(HeaderValue::from_static("-")),
        )
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }

    /// What is logged about the request is logged under its id.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!("headstart", request = %self)
    }

    pub(crate) fn put_into(self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.0);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_id_is_kept_and_any_other_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert_eq!(RequestId::of(&headers).as_str(), "abc-1");
        for bad in ["a b", "", &"x".repeat(129)] {
            headers.insert(REQUEST_ID, HeaderValue::from_str(bad).unwrap());
            assert_ne!(RequestId::of(&headers).as_str(), bad);
            assert_eq!(RequestId::of(&headers).as_str().len(), 16);
        }
    }
}
