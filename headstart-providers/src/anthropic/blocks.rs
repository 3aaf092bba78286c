//! What a conversation is made of on the wire.

use headstart_core::wire::Json;
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) content: Vec<Block>,
}

#[derive(Serialize)]
pub(super) struct Block {
    #[serde(flatten)]
    pub(super) content: Content,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<Json>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content {
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Json>,
    },
    Compaction {
        content: String,
    },
    Image {
        source: Source,
    },
    Document {
        source: Source,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Enabled>,
    },
    ToolUse {
        id: String,
        name: String,
        input: Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        caller: Option<Value>,
    },
    ServerToolUse {
        id: String,
        name: String,
        input: Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        caller: Option<Value>,
    },
    McpToolUse {
        id: String,
        name: String,
        input: Json,
        server_name: String,
    },
    McpToolResult {
        tool_use_id: String,
        is_error: bool,
        content: Json,
    },
    ToolResult {
        tool_use_id: String,
        content: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    /// The result of a tool that the provider ran; each tool has its own type.
    #[serde(untagged)]
    ServerToolResult {
        r#type: String,
        tool_use_id: String,
        content: Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        caller: Option<Value>,
    },
}

impl Content {
    /// The API keeps the thoughts of a model by themselves.
    pub(super) fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking { .. } | Self::RedactedThinking { .. })
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self, Self::ToolUse { .. })
    }
}

#[derive(Serialize)]
pub(super) struct Enabled {
    pub(super) enabled: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source {
    Base64 { media_type: String, data: String },
    Url { url: String },
    Text { media_type: String, data: String },
    File { file_id: String },
}
