//! Chunks of the UI message stream (`docs/protocol.md`, "Chunks").

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Json, ProviderMetadata};

/// A chunk as head start itself writes it: the common subset that every version of the browser library
/// understands. Chunks of the agent are passed on as they came and never become this type.
///
/// Keys are serialised in the order below; absent ones are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are those of the protocol; docs/protocol.md has a table")]
pub enum UiChunk {
    /// The message begins.
    Start { message_id: String },
    /// A step begins.
    StartStep,
    /// A text block begins.
    TextStart {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A piece of a text block.
    TextDelta {
        id: String,
        delta: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A text block ends.
    TextEnd {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A reasoning block begins.
    ReasoningStart {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A piece of a reasoning block; may be empty and carry a signature.
    ReasoningDelta {
        id: String,
        delta: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A reasoning block ends.
    ReasoningEnd {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// The input of a tool call begins to stream.
    ToolInputStart {
        tool_call_id: String,
        tool_name: String,
        #[serde(flatten)]
        flags: ToolFlags,
    },
    /// A piece of the input's JSON text.
    ToolInputDelta { tool_call_id: String, input_text_delta: String },
    /// The input is whole and valid.
    ToolInputAvailable {
        tool_call_id: String,
        tool_name: String,
        input: Json,
        #[serde(flatten)]
        flags: ToolFlags,
    },
    /// The input is whole and of no use.
    ToolInputError {
        tool_call_id: String,
        tool_name: String,
        input: Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_executed: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
        #[serde(skip_serializing_if = "Option::is_none")]
        dynamic: Option<bool>,
        error_text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// Somebody has to approve a call.
    ToolApprovalRequest {
        approval_id: String,
        tool_call_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// A tool gave a result.
    ToolOutputAvailable {
        tool_call_id: String,
        output: Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_executed: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
        #[serde(skip_serializing_if = "Option::is_none")]
        dynamic: Option<bool>,
    },
    /// A tool failed.
    ToolOutputError {
        tool_call_id: String,
        error_text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_executed: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
        #[serde(skip_serializing_if = "Option::is_none")]
        dynamic: Option<bool>,
    },
    /// A call was not approved.
    ToolOutputDenied { tool_call_id: String },
    /// A generated file, as a `data:` URL.
    File {
        media_type: String,
        url: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A generated file that belongs to the reasoning.
    ReasoningFile {
        media_type: String,
        url: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A source the answer cites.
    SourceUrl {
        source_id: String,
        url: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// Parts since the last `start-step` are withdrawn.
    ResetStep,
    /// The step ends.
    FinishStep,
    /// The message, as far as this writer goes, ends.
    Finish { finish_reason: FinishReason },
    /// The turn failed; the browser stops reading here.
    Error { error_text: String },
    /// Only between this server and the browser, never on a stream: the turn is over.
    #[serde(rename = "trigger:turn-complete")]
    TurnComplete,
    /// Only between this server and the browser, never on a stream: where turn 2 goes on reading.
    #[serde(rename = "trigger:session-state")]
    SessionState { last_event_id: String },
}

/// What a tool chunk says about the tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolFlags {
    /// The provider runs the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_executed: Option<bool>,
    /// Opaque metadata of the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_metadata: Option<ProviderMetadata>,
    /// The tool is not known at compile time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<bool>,
    /// What to show instead of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Why a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// The model ran into a limit of tokens.
    Length,
    /// The provider withheld the answer, or the model refused.
    ContentFilter,
    /// The model wants tools to run.
    ToolCalls,
    /// The step failed.
    Error,
    /// Anything else.
    #[serde(other)]
    Other,
}

impl UiChunk {
    /// The chunk as compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only maps with odd keys can fail, and there are none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The `type` of a chunk somebody else wrote; empty when there is none.
#[must_use]
pub fn chunk_type(chunk: &Json) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
    }
    serde_json::from_str::<Head<'_>>(chunk.as_str()).map(|head| head.r#type).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_keys_are_left_out_and_the_order_is_that_of_the_protocol() {
        let chunk = UiChunk::ToolInputAvailable {
            tool_call_id: "c1".into(),
            tool_name: "w".into(),
            input: Json::parse(r#"{"b":1,"a":2}"#).unwrap(),
            flags: ToolFlags { dynamic: Some(true), ..ToolFlags::default() },
        };
        assert_eq!(
            chunk.to_json(),
            r#"{"type":"tool-input-available","toolCallId":"c1","toolName":"w","input":{"b":1,"a":2},"dynamic":true}"#
        );
        assert_eq!(
            UiChunk::Finish { finish_reason: FinishReason::ToolCalls }.to_json(),
            r#"{"type":"finish","finishReason":"tool-calls"}"#
        );
        assert_eq!(
            UiChunk::SessionState { last_event_id: "7".into() }.to_json(),
            r#"{"type":"trigger:session-state","lastEventId":"7"}"#
        );
    }
}
