//! The parts that model messages are made of (`docs/protocol.md`, "Model messages").

use serde::{Deserialize, Serialize};

use super::{Json, tagged::constant};

/// Options or metadata of a provider, `{"<provider>": {…}}`, passed on untouched.
pub type ProviderMetadata = Json;

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
