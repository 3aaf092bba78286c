//! OpenAI's two APIs: Responses, and Chat Completions with everything that speaks it
//! (<https://platform.openai.com/docs/api-reference>).

mod chat_decode;
mod chat_encode;
mod responses_decode;
mod responses_encode;

use std::sync::Arc;

use headstart_core::step::{StepError, StepModel, StepRequest, StepStream};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::transport::{Decode, ModelConfigError, Request, Transport};

const BASE_URL: &str = "https://api.openai.com/v1";

/// Access to the OpenAI API, or to a server that is compatible with it.
///
/// ```no_run
/// use headstart_providers::OpenAi;
///
/// // OPENAI_API_KEY, and OPENAI_BASE_URL for a compatible server.
/// let gpt = OpenAi::from_env()?.chat("gpt-4o-mini");
/// # Ok::<(), headstart_providers::ModelConfigError>(())
/// ```
#[derive(Clone)]
pub struct OpenAi {
    base_url: String,
    headers: HeaderMap,
    transport: Transport,
}

impl OpenAi {
    /// With this key.
    ///
    /// # Errors
    /// When the key cannot travel in a header, or there is no HTTP client to be had.
    pub fn new(api_key: &str) -> Result<Self, ModelConfigError> {
        let mut key = HeaderValue::from_str(&format!("Bearer {api_key}"))
            .map_err(|_| ModelConfigError::Header("the API key"))?;
        key.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, key);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { base_url: BASE_URL.to_owned(), headers, transport: Transport::new()? })
    }

    /// With `OPENAI_API_KEY`, and `OPENAI_BASE_URL` if it is set.
    ///
    /// # Errors
    /// When the key is missing or unusable.
    pub fn from_env() -> Result<Self, ModelConfigError> {
        let key = std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.trim().is_empty());
        let openai = Self::new(&key.ok_or(ModelConfigError::MissingKey("OPENAI_API_KEY"))?)?;
        Ok(match std::env::var("OPENAI_BASE_URL") {
            Ok(url) if !url.trim().is_empty() => openai.base_url(&url),
            _ => openai,
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

    /// A model over Chat Completions, by the API's name of it.
    #[must_use]
    pub fn chat(&self, name: impl Into<String>) -> OpenAiChat {
        OpenAiChat { access: Arc::new(self.clone()), name: name.into() }
    }

    /// A model over Responses, by the API's name of it.
    ///
    /// What the provider keeps is only named in later requests: warm server and agent must share one project's
    /// key, or set `store: false` in the `openai` options.
    #[must_use]
    pub fn responses(&self, name: impl Into<String>) -> OpenAiResponses {
        OpenAiResponses { access: Arc::new(self.clone()), name: name.into() }
    }

    fn call<D: Decode>(&self, path: &str, body: Result<Vec<u8>, StepError>) -> StepStream {
        match body {
            Ok(body) => {
                let url = format!("{}/{path}", self.base_url);
                self.transport.stream::<D>(Request { url, headers: self.headers.clone(), body: body.into() })
            }
            Err(error) => Box::pin(futures_util::stream::once(async { Err(error) })),
        }
    }
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// A model over Chat Completions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenAiChat {
    access: Arc<OpenAi>,
    name: String,
}

impl StepModel for OpenAiChat {
    fn stream(&self, request: StepRequest) -> StepStream {
        let body = chat_encode::encode(&self.name, &request);
        self.access.call::<chat_decode::Decoder>("chat/completions", body)
    }
}

/// A model over Responses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenAiResponses {
    access: Arc<OpenAi>,
    name: String,
}

impl StepModel for OpenAiResponses {
    fn stream(&self, request: StepRequest) -> StepStream {
        let body = responses_encode::encode(&self.name, &request);
        self.access.call::<responses_decode::Decoder>("responses", body)
    }
}
