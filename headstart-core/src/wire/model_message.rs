//! Model messages: what a model is shown, and what a handover carries (`docs/protocol.md`, "Model messages").

use serde::{Deserialize, Serialize};

use super::{
    ApprovalRequestPart, ApprovalResponsePart, CustomPart, FilePart, Json, ProviderMetadata,
    ReasoningFilePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart,
    tagged::{constant, deserialize_tagged},
};

/// One message of a conversation as models take it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ModelMessage {
    /// `role: "system"`.
    System(SystemMessage),
    /// `role: "user"`.
    User(UserMessage),
    /// `role: "assistant"`.
    Assistant(AssistantMessage),
    /// `role: "tool"`.
    Tool(ToolMessage),
    /// A role from the future, kept as it came.
    Other(Json),
}

deserialize_tagged!(ModelMessage, "role", {
    "system" => System,
    "user" => User,
    "assistant" => Assistant,
    "tool" => Tool,
}, else Other);

constant!(/// The role of a system message.
    SystemRole = "system");
constant!(/// The role of a user message.
    UserRole = "user");
constant!(/// The role of an assistant message.
    AssistantRole = "assistant");
constant!(/// The role of a tool message.
    ToolRole = "tool");

/// Instructions to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemMessage {
    /// Always `system`.
    pub role: SystemRole,
    /// The text.
    pub content: String,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// What the user said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMessage {
    /// Always `user`.
    pub role: UserRole,
    /// Text and files, in order.
    #[serde(deserialize_with = "text_or_parts")]
    pub content: Vec<UserPart>,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssistantMessage {
    /// Always `assistant`.
    pub role: AssistantRole,
    /// The parts, in order.
    #[serde(deserialize_with = "text_or_parts")]
    pub content: Vec<AssistantPart>,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// What tools and humans answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolMessage {
    /// Always `tool`.
    pub role: ToolRole,
    /// Results and approvals, in order.
    pub content: Vec<ToolPart>,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// A part of a [`UserMessage`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum UserPart {
    /// Text.
    Text(TextPart),
    /// A file.
    File(FilePart),
    /// A part from the future, kept as it came.
    Other(Json),
}

deserialize_tagged!(UserPart, "type", { "text" => Text, "file" => File }, else Other);

/// A part of an [`AssistantMessage`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AssistantPart {
    /// Text.
    Text(TextPart),
    /// Reasoning; a signature, where the provider has one, is in its options.
    Reasoning(ReasoningPart),
    /// A generated file.
    File(FilePart),
    /// A file that belongs to the reasoning.
    ReasoningFile(ReasoningFilePart),
    /// A provider's own kind of part.
    Custom(CustomPart),
    /// A call of a tool.
    ToolCall(ToolCallPart),
    /// The result of a call that the provider itself executed.
    ToolResult(ToolResultPart),
    /// A call waits for somebody's approval.
    ApprovalRequest(ApprovalRequestPart),
    /// A part from the future, kept as it came.
    Other(Json),
}

deserialize_tagged!(AssistantPart, "type", {
    "text" => Text,
    "reasoning" => Reasoning,
    "file" => File,
    "reasoning-file" => ReasoningFile,
    "custom" => Custom,
    "tool-call" => ToolCall,
    "tool-result" => ToolResult,
    "tool-approval-request" => ApprovalRequest,
}, else Other);

/// A part of a [`ToolMessage`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ToolPart {
    /// The result of a call.
    Result(ToolResultPart),
    /// The answer to an approval request.
    ApprovalResponse(ApprovalResponsePart),
    /// A part from the future, kept as it came.
    Other(Json),
}

deserialize_tagged!(ToolPart, "type", {
    "tool-result" => Result,
    "tool-approval-response" => ApprovalResponse,
}, else Other);

impl ModelMessage {
    /// A user message of one text.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::User(UserMessage {
            role: UserRole::Value,
            content: vec![UserPart::Text(TextPart::new(text))],
            provider_options: None,
        })
    }

    /// An assistant message.
    #[must_use]
    pub fn assistant(content: Vec<AssistantPart>) -> Self {
        Self::Assistant(AssistantMessage { role: AssistantRole::Value, content, provider_options: None })
    }

    /// A tool message.
    #[must_use]
    pub fn tool(content: Vec<ToolPart>) -> Self {
        Self::Tool(ToolMessage { role: ToolRole::Value, content, provider_options: None })
    }
}

/// Older writers give `content` as a string; it means one text part.
fn text_or_parts<'de, D, P>(deserializer: D) -> Result<Vec<P>, D::Error>
where
    D: serde::Deserializer<'de>,
    P: serde::de::DeserializeOwned,
{
    let json = Json::deserialize(deserializer)?;
    let parts = match json.to::<String>() {
        Ok(text) => Json::from_serialize(&[TextPart::new(text)]).map_err(serde::de::Error::custom)?,
        Err(_) => json,
    };
    parts.to().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_message_and_part_survives_a_round_trip_with_its_key_order() {
        let text = concat!(
            r#"[{"role":"system","content":"s"},"#,
            r#"{"role":"user","content":[{"type":"text","text":"hi"},"#,
            r#"{"type":"file","mediaType":"image/png","filename":"a","data":{"type":"url","url":"data:,"}},"#,
            r#"{"type":"hologram","z":1.0,"a":2}]},"#,
            r#"{"role":"assistant","content":[{"type":"reasoning","text":"t","providerOptions":{"p":{"signature":"S"}}},"#,
            r#"{"type":"tool-call","toolCallId":"c","toolName":"w","input":{"z":1,"a":1.50},"providerExecuted":true},"#,
            r#"{"type":"tool-result","toolCallId":"c","toolName":"w","output":{"type":"json","value":[1]}},"#,
            r#"{"type":"tool-approval-request","approvalId":"h","toolCallId":"c"},"#,
            r#"{"type":"file","mediaType":"image/png","data":"AAAA"},{"type":"custom","kind":"p.x"}]},"#,
            r#"{"role":"tool","content":[{"type":"tool-approval-response","approvalId":"h","approved":true},"#,
            r#"{"type":"tool-result","toolCallId":"c","toolName":"w","output":{"type":"execution-denied"}}]},"#,
            r#"{"role":"oracle","content":1}]"#
        );
        let messages: Vec<ModelMessage> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&messages).unwrap(), text);
    }

    #[test]
    fn string_content_becomes_one_text_part() {
        let message: ModelMessage = serde_json::from_str(r#"{"role":"user","content":"hi"}"#).unwrap();
        assert_eq!(message, ModelMessage::user("hi"));
    }
}
