//! Model messages: what a model is shown, and what a handover carries (`docs/protocol.md`, "Model messages").

use serde::{Deserialize, Serialize};

use super::{Json, tagged::deserialize_tagged};

/// Options or metadata of a provider, `{"<provider>": {…}}`, passed on untouched.
pub type ProviderMetadata = Json;

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

/// A field that always has one value, such as `role: "user"`.
macro_rules! constant {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub enum $name {
            #[doc = concat!("`", $text, "`")]
            #[default]
            #[serde(rename = $text)]
            Value,
        }
    };
}

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

constant!(/// The type of a text part.
    TextType = "text");
constant!(/// The type of a file part.
    FileType = "file");
constant!(/// The type of a reasoning part.
    ReasoningType = "reasoning");
constant!(/// The type of a reasoning file part.
    ReasoningFileType = "reasoning-file");
constant!(/// The type of a custom part.
    CustomType = "custom");
constant!(/// The type of a tool call part.
    ToolCallType = "tool-call");
constant!(/// The type of a tool result part.
    ToolResultType = "tool-result");
constant!(/// The type of an approval request part.
    ApprovalRequestType = "tool-approval-request");
constant!(/// The type of an approval response part.
    ApprovalResponseType = "tool-approval-response");

/// Text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextPart {
    /// Always `text`.
    pub r#type: TextType,
    /// The text.
    pub text: String,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// Reasoning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningPart {
    /// Always `reasoning`.
    pub r#type: ReasoningType,
    /// The text; may be empty when the provider keeps it to itself.
    pub text: String,
    /// Options for the provider: here travels its signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// A file, inline or by address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePart {
    /// Always `file`.
    pub r#type: FileType,
    /// Its media type, such as `image/png`.
    #[serde(default)]
    pub media_type: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Where its bytes are.
    pub data: FileData,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// A file that belongs to the reasoning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningFilePart {
    /// Always `reasoning-file`.
    pub r#type: ReasoningFileType,
    /// Where its bytes are.
    pub data: FileData,
    /// Its media type.
    #[serde(default)]
    pub media_type: String,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FileData {
    /// A `data:` or `https:` address.
    Url(String),
    /// The provider has the file; `{"<provider>": "<id>"}`.
    Reference(Json),
    /// Base64.
    Base64(String),
}

#[derive(Serialize, Deserialize)]
struct TaggedFileData {
    r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<Json>,
    #[serde(default, skip_serializing)]
    data: Option<String>,
}

impl Serialize for FileData {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged =
            |tag: &str, url, reference| TaggedFileData { r#type: tag.to_owned(), url, reference, data: None };
        match self {
            Self::Base64(text) => serializer.serialize_str(text),
            Self::Url(url) => tagged("url", Some(url.clone()), None).serialize(serializer),
            Self::Reference(reference) => {
                tagged("reference", None, Some(reference.clone())).serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for FileData {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        if let Ok(text) = json.to::<String>() {
            // Older writers give the address itself.
            return Ok(if text.contains(':') { Self::Url(text) } else { Self::Base64(text) });
        }
        let tagged: TaggedFileData = json.to().map_err(serde::de::Error::custom)?;
        match tagged {
            TaggedFileData { url: Some(url), .. } => Ok(Self::Url(url)),
            TaggedFileData { reference: Some(reference), .. } => Ok(Self::Reference(reference)),
            TaggedFileData { data: Some(data), .. } => Ok(Self::Base64(data)),
            other => Err(serde::de::Error::custom(format_args!("file data of type {:?}", other.r#type))),
        }
    }
}

/// A provider's own kind of part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomPart {
    /// Always `custom`.
    pub r#type: CustomType,
    /// `<provider>.<name>`.
    pub kind: String,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCallPart {
    /// Always `tool-call`.
    pub r#type: ToolCallType,
    /// Unique in the conversation.
    pub tool_call_id: String,
    /// The tool.
    pub tool_name: String,
    /// The input as a value, not as text.
    pub input: Json,
    /// The provider runs the tool, not the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_executed: Option<bool>,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResultPart {
    /// Always `tool-result`.
    pub r#type: ToolResultType,
    /// The call.
    pub tool_call_id: String,
    /// The tool.
    pub tool_name: String,
    /// What came out.
    pub output: ToolOutput,
    /// Options for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_options: Option<ProviderMetadata>,
}

/// What a tool gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ToolOutput {
    /// Text.
    Text {
        /// The text.
        value: String,
    },
    /// Any value.
    Json {
        /// The value.
        value: Json,
    },
    /// An error in words.
    ErrorText {
        /// The words.
        value: String,
    },
    /// An error as a value.
    ErrorJson {
        /// The value.
        value: Json,
    },
    /// Nobody allowed the call.
    ExecutionDenied {
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Text, images and files.
    Content {
        /// An array of content parts.
        value: Json,
    },
}

impl<'de> Deserialize<'de> for ToolOutput {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            r#type: String,
            #[serde(default)]
            value: Option<Json>,
            #[serde(default)]
            reason: Option<String>,
        }
        let Fields { r#type, value, reason } = Fields::deserialize(deserializer)?;
        let value = value.unwrap_or_else(Json::null);
        let text = |value: &Json| value.to::<String>().unwrap_or_else(|_| value.as_str().to_owned());
        Ok(match &*r#type {
            "text" => Self::Text { value: text(&value) },
            "error-text" => Self::ErrorText { value: text(&value) },
            "error-json" => Self::ErrorJson { value },
            "execution-denied" => Self::ExecutionDenied { reason },
            "content" => Self::Content { value },
            _ => Self::Json { value },
        })
    }
}

/// A call waits for an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestPart {
    /// Always `tool-approval-request`.
    pub r#type: ApprovalRequestType,
    /// Names the request.
    pub approval_id: String,
    /// The call.
    pub tool_call_id: String,
    /// Nobody was asked: a rule decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_automatic: Option<bool>,
    /// Why approval is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The input as the model gave it, where the schema changed it (defaults, unknown keys).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema_input: Option<Json>,
    /// Proof of the request, where the agent signs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// The answer to an [`ApprovalRequestPart`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalResponsePart {
    /// Always `tool-approval-response`.
    pub r#type: ApprovalResponseType,
    /// The request.
    pub approval_id: String,
    /// May the call run?
    pub approved: bool,
    /// Why (not).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The provider runs the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_executed: Option<bool>,
}

impl TextPart {
    /// Text without options.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { r#type: TextType::Value, text: text.into(), provider_options: None }
    }
}

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
