//! The chunks of a stream, as far as they are used.

use headstart_core::wire::Json;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) candidates: Vec<Candidate>,
    pub(super) prompt_feedback: Option<PromptFeedback>,
    pub(super) usage_metadata: Option<WireUsage>,
    pub(super) response_id: Option<String>,
    pub(super) error: Option<WireError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
}

/// Each chunk tells the sum so far.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireUsage {
    pub(super) prompt_token_count: Option<u64>,
    pub(super) candidates_token_count: Option<u64>,
    pub(super) thoughts_token_count: Option<u64>,
    pub(super) cached_content_token_count: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct WireError {
    pub(super) status: Option<String>,
    pub(super) code: Option<u16>,
    #[serde(default)]
    pub(super) details: Vec<ErrorDetail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorDetail {
    /// `"34.5s"`.
    pub(super) retry_delay: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub(super) content: Option<Content>,
    pub(super) finish_reason: Option<String>,
    pub(super) grounding_metadata: Option<Grounding>,
}

#[derive(Deserialize)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    pub(super) inline_data: Option<InlineData>,
    pub(super) function_call: Option<FunctionCall>,
    pub(super) executable_code: Option<Json>,
    pub(super) code_execution_result: Option<CodeResult>,
    pub(super) tool_call: Option<ServerCall>,
    pub(super) tool_response: Option<ServerResponse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData {
    #[serde(default)]
    pub(super) mime_type: String,
    #[serde(default)]
    pub(super) data: String,
}

#[derive(Deserialize)]
pub(super) struct FunctionCall {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    pub(super) args: Option<Json>,
}

#[derive(Deserialize)]
pub(super) struct CodeResult {
    pub(super) outcome: Option<String>,
    pub(super) output: Option<String>,
}

/// A tool that Google runs beside functions of the caller.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerCall {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) tool_type: String,
    pub(super) args: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerResponse {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) tool_type: String,
    pub(super) response: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding {
    #[serde(default)]
    pub(super) grounding_chunks: Vec<GroundingChunk>,
}

/// One of these is set.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroundingChunk {
    pub(super) web: Option<Place>,
    pub(super) maps: Option<Place>,
    pub(super) retrieved_context: Option<Place>,
    pub(super) image: Option<ImagePlace>,
}

#[derive(Deserialize)]
pub(super) struct Place {
    pub(super) uri: Option<String>,
    pub(super) title: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImagePlace {
    /// The page, which is to be named, not the image.
    pub(super) source_uri: Option<String>,
    pub(super) title: Option<String>,
}
