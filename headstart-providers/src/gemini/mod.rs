//! Gemini, over `streamGenerateContent` (<https://ai.google.dev/api/generate-content>).

mod conversation;
mod decode;
mod encode;
mod schema;
mod wire;

use std::sync::Arc;

use headstart_core::step::{StepModel, StepRequest, StepStream};
use http::{HeaderMap, HeaderName, HeaderValue, header};

pub(crate) use self::decode::{Decoder, refusal};
use crate::{
    answer::Api,
    extras::{Extras, with_extras},
    transport::{ModelConfigError, Request, Transport, env, failed, secret},
};

const BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";
/// The key of options and metadata.
const PROVIDER: &str = "google";

/// Access to the Gemini API.
///
/// ```no_run
/// use headstart_providers::Gemini;
///
/// // GEMINI_API_KEY or GOOGLE_GENERATIVE_AI_API_KEY, and GEMINI_BASE_URL for a gateway.
/// let flash = Gemini::from_env()?.model("gemini-2.5-flash");
/// # Ok::<(), headstart_providers::ModelConfigError>(())
/// ```
#[derive(Clone)]
pub struct Gemini {
    base_url: String,
    headers: HeaderMap,
    transport: Transport,
}

impl Gemini {
    /// With this key.
    ///
    /// # Errors
    /// When the key cannot travel in a header, or there is no HTTP client to be had.
    pub fn new(api_key: &str) -> Result<Self, ModelConfigError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-api-key", secret(api_key)?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { base_url: BASE_URL.to_owned(), headers, transport: Transport::new()? })
    }

    /// With `GEMINI_API_KEY` or else `GOOGLE_GENERATIVE_AI_API_KEY`, and `GEMINI_BASE_URL` if it is set.
    ///
    /// # Errors
    /// When the key is missing or unusable.
    pub fn from_env() -> Result<Self, ModelConfigError> {
        let key = env("GEMINI_API_KEY").or_else(|| env("GOOGLE_GENERATIVE_AI_API_KEY"));
        let gemini = Self::new(&key.ok_or(ModelConfigError::MissingKey("GEMINI_API_KEY"))?)?;
        Ok(match env("GEMINI_BASE_URL") {
            Some(url) => gemini.base_url(&url),
            None => gemini,
        })
    }

    /// Another address of the API, up to and with `/v1beta`.
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

    /// A model, by the API's name of it; one with a slash (`tunedModels/…`) is a whole path.
    #[must_use]
    pub fn model(&self, name: impl Into<String>) -> GeminiModel {
        GeminiModel { access: Arc::new(self.clone()), name: name.into(), extras: Extras::default() }
    }
}

impl std::fmt::Debug for Gemini {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gemini").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// One of Google's models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GeminiModel {
    access: Arc<Gemini>,
    name: String,
    extras: Extras,
}

with_extras!(GeminiModel, r#"{"google_search": {}}"#, r#""labels", json!({"team": "chat"})"#);

impl StepModel for GeminiModel {
    fn stream(&self, request: StepRequest) -> StepStream {
        let body = match encode::encode(&self.name, &self.extras, &request) {
            Ok(body) => body,
            Err(error) => return failed(error),
        };
        let path = if self.name.contains('/') { self.name.clone() } else { format!("models/{}", self.name) };
        let url = format!("{}/{path}:streamGenerateContent?alt=sse", self.access.base_url);
        let request = Request { url, headers: self.access.headers.clone(), body: body.into() };
        self.access.transport.stream(Api::Gemini, request)
    }
}
