//! How a provider's API is reached: address, headers, transport.

use std::fmt;

use headstart_core::step::{StepError, StepStream};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    answer::Api,
    transport::{ModelConfigError, Request, Transport, failed},
};

#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) base_url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) transport: Transport,
}

impl Connection {
    pub(crate) fn new(
        base_url: &str,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<Self, ModelConfigError> {
        let mut headers: HeaderMap = headers.into_iter().collect();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { base_url, headers, transport: Transport::new()? })
    }

    /// The answer to this body, or why it could not be written.
    pub(crate) fn stream(&self, api: Api, path: &str, body: Result<Vec<u8>, StepError>) -> StepStream {
        let body = match body {
            Ok(body) => body.into(),
            Err(error) => return failed(error),
        };
        let url = format!("{}/{path}", self.base_url);
        self.transport.stream(api, Request { url, headers: self.headers.clone(), body })
    }
}

/// Headers may hold secrets.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The methods of a provider that has a `connection`.
macro_rules! with_connection {
    ($provider:ty, $root:literal $(, $header:literal)?) => {
        impl $provider {
            #[doc = concat!("Another address of the API, up to and with `", $root, "`.")]
            #[must_use]
            pub fn base_url(mut self, url: &str) -> Self {
                self.connection.base_url = url.trim_end_matches('/').to_owned();
                self
            }

            #[doc = concat!("A header of every request.", $(" ", $header)?)]
            #[must_use]
            pub fn header(mut self, name: http::HeaderName, value: http::HeaderValue) -> Self {
                self.connection.headers.insert(name, value);
                self
            }

            /// Another HTTP client, or other waits.
            #[must_use]
            pub fn transport(mut self, transport: $crate::Transport) -> Self {
                self.connection.transport = transport;
                self
            }
        }
    };
}

pub(crate) use with_connection;
