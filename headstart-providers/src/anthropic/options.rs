//! What `providerOptions.anthropic` may say: of a request, and of a message or part.

use headstart_core::wire::Json;
use serde::{Deserialize, de::DeserializeOwned};

/// Options of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RequestOptions {
    pub(super) thinking: Option<Thinking>,
    pub(super) cache_control: Option<Json>,
    pub(super) effort: Option<String>,
    pub(super) send_reasoning: Option<bool>,
    pub(super) disable_parallel_tool_use: Option<bool>,
    pub(super) tool_streaming: Option<bool>,
}

/// Whether and how long the model may think.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thinking {
    pub(super) r#type: String,
    pub(super) budget_tokens: Option<u32>,
}

/// Options of a message or a part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartOptions {
    #[serde(alias = "cache_control")]
    pub(super) cache_control: Option<Json>,
    pub(super) signature: Option<String>,
    pub(super) redacted_data: Option<String>,
}

/// The options that are Anthropic's; those of others, and unreadable ones, are none.
pub(super) fn read<T: DeserializeOwned + Default>(options: Option<&Json>) -> T {
    #[derive(Deserialize)]
    struct Providers<T> {
        anthropic: Option<T>,
    }
    options.and_then(|options| options.to::<Providers<T>>().ok()?.anthropic).unwrap_or_default()
}
