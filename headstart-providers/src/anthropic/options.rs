//! What `providerOptions.anthropic` may say: of a request, and of a message or part.

use headstart_core::wire::Json;
use serde::{Deserialize, Serialize};

/// Options of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RequestOptions {
    pub(super) thinking: Option<Thinking>,
    #[serde(alias = "cache_control")]
    pub(super) cache_control: Option<Json>,
    pub(super) effort: Option<String>,
    pub(super) send_reasoning: Option<bool>,
    pub(super) disable_parallel_tool_use: Option<bool>,
    pub(super) tool_streaming: Option<bool>,
}

/// Whether and how long the model may think.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub(super) struct Thinking {
    /// `enabled`, `adaptive` or `disabled`.
    pub(super) r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget_tokens: Option<u32>,
    /// How much of it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<String>,
}

/// Options of a message or a part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartOptions {
    #[serde(alias = "cache_control")]
    pub(super) cache_control: Option<Json>,
    pub(super) signature: Option<String>,
    pub(super) redacted_data: Option<String>,
    /// Of a text: those that the model gave. Of a file: whether it shall give any.
    pub(super) citations: Option<Json>,
    pub(super) title: Option<String>,
    pub(super) context: Option<String>,
    /// `compaction` of a text, `mcp-tool-use` of a call.
    pub(super) r#type: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) caller: Option<Json>,
}
