//! Which addresses a file may have. This crate fetches none of them; provider and agent may.

use http::Uri;

use super::HistoryError;
use crate::{
    admission::AllowList,
    wire::{PartKind, UiMessage},
};

/// The addresses that files of a history may have. Whoever fetches a file does so with the rights of its own
/// network: an address inside that network is an attack. Providers fetch from theirs, agents from yours.
///
/// ```
/// use headstart_core::history::FileUrls;
///
/// let urls = FileUrls::new().hosts(["cdn.example.com"]).data_bytes(256 * 1024);
/// # let _ = urls;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileUrls {
    hosts: AllowList,
    allow_http: bool,
    data_bytes: usize,
}

impl Default for FileUrls {
    fn default() -> Self {
        Self { hosts: AllowList::any(), allow_http: false, data_bytes: 1024 * 1024 }
    }
}

impl FileUrls {
    /// `https:` of any host, and `data:` of at most 1 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `https:` of these hosts alone.
    #[must_use]
    pub fn hosts<I>(mut self, hosts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.hosts = AllowList::only(hosts);
        self
    }

    /// `http:` too.
    #[must_use]
    pub fn allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// The longest `data:` address, in bytes; 0 for none at all.
    #[must_use]
    pub fn data_bytes(mut self, most: usize) -> Self {
        self.data_bytes = most;
        self
    }

    pub(crate) fn check(&self, messages: &[UiMessage]) -> Result<(), HistoryError> {
        for (message, parts) in messages.iter().map(|message| &message.parts).enumerate() {
            for (part, file) in parts.iter().enumerate() {
                let nested = file.parts.iter().flatten();
                for file in std::iter::once(file).chain(nested) {
                    let is_file = matches!(file.kind(), PartKind::File | PartKind::ReasoningFile);
                    if let (true, Some(url)) = (is_file, &file.url)
                        && let Some(reason) = self.problem(url)
                    {
                        return Err(HistoryError::Part { message, part, reason });
                    }
                }
            }
        }
        Ok(())
    }

    fn problem(&self, url: &str) -> Option<&'static str> {
        let (scheme, _) = url.split_once(':')?;
        let scheme = scheme.to_ascii_lowercase();
        match &*scheme {
            "data" if url.len() > self.data_bytes => Some("its data: address is too long"),
            "data" => None,
            "https" | "http" if scheme == "http" && !self.allow_http => Some("its url is not https:"),
            "https" | "http" => {
                let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
                match host {
                    Some(host) if self.hosts.allows(&host) => None,
                    _ => Some("its url names a host that is not allowed"),
                }
            }
            _ => Some("its url has a scheme that is not allowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_addresses_pass() {
        let any = FileUrls::new();
        for url in ["https://a.example/x.png", "data:image/png;base64,AAAA", "HTTPS://a.example/"] {
            assert_eq!(any.problem(url), None, "{url}");
        }
        for url in
            ["http://a.example/", "file:///etc/passwd", "javascript:alert(1)", "https:///x", "ftp://a/"]
        {
            assert!(any.problem(url).is_some(), "{url}");
        }
        assert_eq!(FileUrls::new().allow_http().problem("http://a.example/"), None);
        let strict = FileUrls::new().hosts(["cdn.example"]).data_bytes(0);
        assert_eq!(strict.problem("https://cdn.example/x"), None);
        for url in [
            "https://169.254.169.254/latest",
            "https://cdn.example.evil.example/",
            "https://cdn.example@evil.example/",
            "data:,x",
        ] {
            assert!(strict.problem(url).is_some(), "{url}");
        }
    }
}
