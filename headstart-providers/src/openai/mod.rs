//! OpenAI's two APIs: Responses, and Chat Completions with everything that speaks it
//! (<https://platform.openai.com/docs/api-reference>).

mod chat_decode;
mod chat_encode;
mod chat_wire;
mod error;
mod models;
mod reasoning_details;
mod responses_decode;
mod responses_encode;
mod responses_wire;
mod server;
mod server_tools;

use std::sync::Arc;

use headstart_core::step::{StepModel, StepRequest, StepStream};
use http::{HeaderName, header};

pub use self::server::Server;
pub(crate) use self::{
    chat_decode::Decoder as ChatDecoder, error::refusal, responses_decode::Decoder as ResponsesDecoder,
};
use crate::{
    answer::Api,
    connection::{Connection, with_connection},
    extras::{Extras, with_extras},
    transport::{ModelConfigError, env, secret},
};

/// The key of options and metadata in the Responses API.
const RESPONSES: &str = "openai";

/// Access to the OpenAI API, or to a server that is compatible with it.
///
/// ```no_run
/// use headstart_providers::OpenAi;
///
/// // OPENAI_API_KEY, and OPENAI_BASE_URL for a compatible server.
/// let gpt = OpenAi::from_env()?.chat("gpt-4o-mini");
/// # Ok::<(), headstart_providers::ModelConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenAi {
    server: Server,
    connection: Connection,
}

impl OpenAi {
    /// OpenAI itself, with this key.
    ///
    /// # Errors
    /// When the key cannot travel in a header, or there is no HTTP client to be had.
    pub fn new(api_key: &str) -> Result<Self, ModelConfigError> {
        Self::compatible(Server::OpenAi, None, Some(api_key))
    }

    /// OpenAI itself with `OPENAI_API_KEY`, and `OPENAI_BASE_URL` if it is set.
    ///
    /// # Errors
    /// When the key is missing or unusable.
    pub fn from_env() -> Result<Self, ModelConfigError> {
        Self::compatible_from_env(Server::OpenAi)
    }

    /// A server that speaks Chat Completions, at this address or its usual one. Servers on this machine need
    /// no key.
    ///
    /// ```
    /// use headstart_providers::{OpenAi, Server};
    ///
    /// let local = OpenAi::compatible(Server::Ollama, None, None)?.chat("qwen3");
    /// let other = OpenAi::compatible(Server::Other, Some("https://llm.example.org/v1"), Some("key"))?;
    /// # Ok::<(), headstart_providers::ModelConfigError>(())
    /// ```
    ///
    /// # Errors
    /// When the server has no usual address and none is given, the key cannot travel in a header, or there is
    /// no HTTP client to be had.
    pub fn compatible(
        server: Server,
        base_url: Option<&str>,
        api_key: Option<&str>,
    ) -> Result<Self, ModelConfigError> {
        let quirks = server.quirks();
        let base_url =
            base_url.or(quirks.base_url).ok_or(ModelConfigError::MissingUrl(quirks.url_variable))?;
        let key = match (api_key, quirks.key_header) {
            (Some(key), Some(name)) => Some((HeaderName::from_static(name), secret(key)?)),
            (Some(key), None) => Some((header::AUTHORIZATION, secret(&format!("Bearer {key}"))?)),
            (None, _) => None,
        };
        Ok(Self { server, connection: Connection::new(base_url, key)? })
    }

    /// The same with the server's own variables: `GROQ_API_KEY` and `GROQ_BASE_URL`, say (`docs/providers.md`
    /// has all of them).
    ///
    /// # Errors
    /// When the key of a server elsewhere is missing, or as above.
    pub fn compatible_from_env(server: Server) -> Result<Self, ModelConfigError> {
        let quirks = server.quirks();
        let (url, key) = (env(quirks.url_variable), env(quirks.key_variable));
        let is_local = quirks.base_url.is_some_and(|url| url.starts_with("http://127.0.0.1"));
        if key.is_none() && !is_local {
            return Err(ModelConfigError::MissingKey(quirks.key_variable));
        }
        Self::compatible(server, url.as_deref(), key.as_deref())
    }

    /// A model over Chat Completions, by the API's name of it.
    #[must_use]
    pub fn chat(&self, name: impl Into<String>) -> OpenAiChat {
        OpenAiChat { access: Arc::new(self.clone()), name: name.into(), extras: Extras::default() }
    }

    /// A model over Responses, by the API's name of it.
    ///
    /// What the provider keeps is only named in later requests: warm server and agent must share one project's
    /// key, or set `store: false` in the `openai` options.
    #[must_use]
    pub fn responses(&self, name: impl Into<String>) -> OpenAiResponses {
        OpenAiResponses { access: Arc::new(self.clone()), name: name.into(), extras: Extras::default() }
    }
}

with_connection!(OpenAi, "/v1");

/// A model over Chat Completions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenAiChat {
    access: Arc<OpenAi>,
    name: String,
    extras: Extras,
}

with_extras!(OpenAiChat, r#"{"type": "browser_search"}"#, r#""reasoning", json!({"effort": "low"})"#);

impl StepModel for OpenAiChat {
    fn stream(&self, request: StepRequest) -> StepStream {
        let quirks = self.access.server.quirks();
        let body = chat_encode::encode(&self.name, &quirks, &self.extras, &request);
        self.access.connection.stream(Api::OpenAiChat, "chat/completions", body)
    }
}

/// A model over Responses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenAiResponses {
    access: Arc<OpenAi>,
    name: String,
    extras: Extras,
}

with_extras!(OpenAiResponses, r#"{"type": "web_search"}"#, r#""truncation", json!("auto")"#);

impl StepModel for OpenAiResponses {
    fn stream(&self, request: StepRequest) -> StepStream {
        let body = responses_encode::encode(&self.name, &self.extras, &request);
        self.access.connection.stream(Api::OpenAiResponses, "responses", body)
    }
}
