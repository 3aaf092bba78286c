//! Gemini, over `streamGenerateContent` (<https://ai.google.dev/api/generate-content>).

mod conversation;
mod decode;
mod encode;
mod schema;
mod wire;

use std::sync::Arc;

use headstart_core::step::{StepModel, StepRequest, StepStream};
use http::HeaderName;

pub(crate) use self::decode::{Decoder, refusal};
use crate::{
    answer::Api,
    connection::{Connection, with_connection},
    extras::{Extras, with_extras},
    transport::{ModelConfigError, env, secret},
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
#[derive(Debug, Clone)]
pub struct Gemini {
    connection: Connection,
}

impl Gemini {
    /// With this key.
    ///
    /// # Errors
    /// When the key cannot travel in a header, or there is no HTTP client to be had.
    pub fn new(api_key: &str) -> Result<Self, ModelConfigError> {
        let headers = [(HeaderName::from_static("x-goog-api-key"), secret(api_key)?)];
        Ok(Self { connection: Connection::new(BASE_URL, headers)? })
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

    /// A model, by the API's name of it; one with a slash (`tunedModels/…`) is a whole path.
    #[must_use]
    pub fn model(&self, name: impl Into<String>) -> GeminiModel {
        GeminiModel { access: Arc::new(self.clone()), name: name.into(), extras: Extras::default() }
    }
}

with_connection!(Gemini, "/v1beta");

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
        let model = if self.name.contains('/') { self.name.clone() } else { format!("models/{}", self.name) };
        let path = format!("{model}:streamGenerateContent?alt=sse");
        let body = encode::encode(&self.name, &self.extras, &request);
        self.access.connection.stream(Api::Gemini, &path, body)
    }
}
