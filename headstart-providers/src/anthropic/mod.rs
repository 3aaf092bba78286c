//! Claude, over the Messages API (<https://docs.anthropic.com/en/api/messages-streaming>).

mod decode;
mod encode;
mod options;

use std::sync::Arc;

use headstart_core::step::{StepModel, StepRequest, StepStream};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::transport::{ModelConfigError, Request, Transport};

const BASE_URL: &str = "https://api.anthropic.com/v1";

/// Access to the Anthropic API.
///
/// ```no_run
/// use headstart_providers::Anthropic;
///
/// // ANTHROPIC_API_KEY, and ANTHROPIC_BASE_URL for a gateway.
/// let claude = Anthropic::from_env()?.model("claude-sonnet-4-6");
/// # Ok::<(), headstart_providers::ModelConfigError>(())
/// ```
#[derive(Clone)]
pub struct Anthropic {
    base_url: String,
    headers: HeaderMap,
    transport: Transport,
}

impl Anthropic {
    /// With this key.
    ///
    /// # Errors
    /// When the key cannot travel in a header, or there is no HTTP client to be had.
    pub fn new(api_key: &str) -> Result<Self, ModelConfigError> {
        let mut key = HeaderValue::from_str(api_key).map_err(|_| ModelConfigError::Header("the API key"))?;
        key.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", key);
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { base_url: BASE_URL.to_owned(), headers, transport: Transport::new()? })
    }

    /// With `ANTHROPIC_API_KEY`, and `ANTHROPIC_BASE_URL` if it is set.
    ///
    /// # Errors
    /// When the key is missing or unusable.
    pub fn from_env() -> Result<Self, ModelConfigError> {
        let key = std::env::var("ANTHROPIC_API_KEY").ok().filter(|key| !key.trim().is_empty());
        let anthropic = Self::new(&key.ok_or(ModelConfigError::MissingKey("ANTHROPIC_API_KEY"))?)?;
        Ok(match std::env::var("ANTHROPIC_BASE_URL") {
            Ok(url) if !url.trim().is_empty() => anthropic.base_url(&url),
            _ => anthropic,
        })
    }

    /// Another address of the API, up to and with `/v1`.
    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        self.base_url = url.trim_end_matches('/').to_owned();
        self
    }

    /// A header of every request.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Another HTTP client, or other waits.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// A model, by the API's name of it.
    #[must_use]
    pub fn model(&self, name: impl Into<String>) -> AnthropicModel {
        AnthropicModel { access: Arc::new(self.clone()), name: name.into() }
    }
}

impl std::fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anthropic").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// One of Anthropic's models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AnthropicModel {
    access: Arc<Anthropic>,
    name: String,
}

impl StepModel for AnthropicModel {
    fn stream(&self, request: StepRequest) -> StepStream {
        let encoded = match encode::encode(&self.name, &request) {
            Ok(encoded) => encoded,
            Err(error) => return Box::pin(futures_util::stream::once(async { Err(error) })),
        };
        let mut headers = self.access.headers.clone();
        if let Ok(betas) = HeaderValue::from_str(&encoded.betas.join(","))
            && !encoded.betas.is_empty()
        {
            headers.insert("anthropic-beta", betas);
        }
        let url = format!("{}/messages", self.access.base_url);
        let request = Request { url, headers, body: encoded.body.into() };
        self.access.transport.stream::<decode::Decoder>(request)
    }
}
