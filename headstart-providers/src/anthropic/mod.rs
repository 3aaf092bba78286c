//! Claude, over the Messages API (<https://docs.anthropic.com/en/api/messages-streaming>).

mod blocks;
mod conversation;
mod decode;
mod encode;
mod options;
mod server_tools;
mod wire;

use std::sync::Arc;

use headstart_core::step::{StepModel, StepRequest, StepStream};
use http::{HeaderName, HeaderValue};

pub(crate) use self::decode::{Decoder, refusal};
use crate::{
    answer::Api,
    connection::{Connection, with_connection},
    extras::{Extras, with_extras},
    transport::{ModelConfigError, env, failed, secret},
};

const BASE_URL: &str = "https://api.anthropic.com/v1";
/// The key of options and metadata.
const PROVIDER: &str = "anthropic";
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Access to the Anthropic API.
///
/// ```no_run
/// use headstart_providers::Anthropic;
///
/// // ANTHROPIC_API_KEY, and ANTHROPIC_BASE_URL for a gateway.
/// let claude = Anthropic::from_env()?.model("claude-sonnet-4-6");
/// # Ok::<(), headstart_providers::ModelConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Anthropic {
    connection: Connection,
}

impl Anthropic {
    /// With this key.
    ///
    /// # Errors
    /// When the key cannot travel in a header, or there is no HTTP client to be had.
    pub fn new(api_key: &str) -> Result<Self, ModelConfigError> {
        let headers = [
            (HeaderName::from_static("x-api-key"), secret(api_key)?),
            (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01")),
        ];
        Ok(Self { connection: Connection::new(BASE_URL, headers)? })
    }

    /// With `ANTHROPIC_API_KEY`, and `ANTHROPIC_BASE_URL` if it is set.
    ///
    /// # Errors
    /// When the key is missing or unusable.
    pub fn from_env() -> Result<Self, ModelConfigError> {
        let key = env("ANTHROPIC_API_KEY").ok_or(ModelConfigError::MissingKey("ANTHROPIC_API_KEY"))?;
        let anthropic = Self::new(&key)?;
        Ok(match env("ANTHROPIC_BASE_URL") {
            Some(url) => anthropic.base_url(&url),
            None => anthropic,
        })
    }

    /// A model, by the API's name of it.
    #[must_use]
    pub fn model(&self, name: impl Into<String>) -> AnthropicModel {
        AnthropicModel { access: Arc::new(self.clone()), name: name.into(), extras: Extras::default() }
    }
}

with_connection!(Anthropic, "/v1", "Betas (`anthropic-beta`) come beside those that a request needs.");

/// One of Anthropic's models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AnthropicModel {
    access: Arc<Anthropic>,
    name: String,
    extras: Extras,
}

with_extras!(
    AnthropicModel,
    r#"{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}"#,
    r#""service_tier", json!("standard_only")"#
);

impl StepModel for AnthropicModel {
    fn stream(&self, request: StepRequest) -> StepStream {
        let encoded = match encode::encode(&self.name, &self.extras, &request) {
            Ok(encoded) => encoded,
            Err(error) => return failed(error),
        };
        let mut connection = self.access.connection.clone();
        let own = connection.headers.get(&BETA).and_then(|betas| betas.to_str().ok());
        let betas: Vec<&str> = own.into_iter().chain(encoded.betas).collect();
        if let (false, Ok(betas)) = (betas.is_empty(), HeaderValue::from_str(&betas.join(","))) {
            connection.headers.insert(BETA, betas);
        }
        connection.stream(Api::Anthropic, "messages", Ok(encoded.body))
    }
}
