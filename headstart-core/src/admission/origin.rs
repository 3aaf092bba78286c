//! Where requests may come from.

use http::{HeaderMap, header};

/// Names that a header may have. What is not sent at all is let through: `Origin` by programs that are no
/// browsers, which could say anything there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(Option<Vec<String>>);

impl AllowList {
    /// Anything.
    #[must_use]
    pub const fn any() -> Self {
        Self(None)
    }

    /// These alone, in any case.
    #[must_use]
    pub fn only<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self(Some(names.into_iter().map(Into::into).collect()))
    }

    pub(crate) fn allows(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Is every value of this header allowed?
    pub(crate) fn allows_header(&self, headers: &HeaderMap, name: header::HeaderName) -> bool {
        headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(|value| self.allows(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_what_is_listed_is_allowed_and_every_value_counts() {
        let list = AllowList::only(["https://app.example"]);
        let mut headers = HeaderMap::new();
        assert!(list.allows_header(&headers, header::ORIGIN));
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://APP.example"));
        assert!(list.allows_header(&headers, header::ORIGIN));
        headers.append(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
        assert!(!list.allows_header(&headers, header::ORIGIN));
        assert!(AllowList::any().allows_header(&headers, header::ORIGIN));
        headers.insert(header::ORIGIN, HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(!list.allows_header(&headers, header::ORIGIN));
    }
}
