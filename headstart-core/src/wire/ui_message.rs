//! UI messages: what the browser keeps, and posts as history (`docs/protocol.md`, "UI messages").

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Json, ProviderMetadata};

/// A message as the browser library keeps it.
///
/// It is read into typed fields and written as it came: fields and part types nobody here knows survive.
#[derive(Debug, Clone, PartialEq)]
pub struct UiMessage {
    raw: Json,
    /// The browser's id of the message.
    pub id: String,
    /// Whose message it is.
    pub role: Role,
    /// The application's metadata.
    pub metadata: Option<Json>,
    /// Its parts, in order.
    pub parts: Vec<UiPart>,
}

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The human.
    User,
    /// The model.
    Assistant,
}

/// One part of a [`UiMessage`]. All types share one set of fields; [`kind`](Self::kind) says which count.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, remote = "Self")]
pub struct UiPart {
    /// `text`, `reasoning`, `file`, `tool-NAME`, `data-NAME`, ….
    pub r#type: String,
    /// Of text and reasoning.
    pub text: Option<String>,
    /// Of files, such as `image/png`.
    pub media_type: Option<String>,
    /// Of files: `data:` or `https:`.
    pub url: Option<String>,
    /// Of files.
    pub filename: Option<String>,
    /// Of files the provider has: `{"<provider>": "<id>"}`.
    pub provider_reference: Option<Json>,
    /// Of custom parts: `<provider>.<name>`.
    #[serde(rename = "kind")]
    pub custom_kind: Option<String>,
    /// Opaque.
    pub provider_metadata: Option<ProviderMetadata>,
    /// Of steering messages: text and file parts.
    pub parts: Option<Vec<UiPart>>,
    /// Of dynamic tools.
    pub tool_name: Option<String>,
    /// Of tools.
    pub tool_call_id: Option<String>,
    /// Of tools: how far the call got. Of text and reasoning: streaming or done.
    pub state: Option<String>,
    /// Of tools.
    pub input: Option<Json>,
    /// Of tools whose input is no JSON.
    pub raw_input: Option<Json>,
    /// Of tools.
    pub output: Option<Json>,
    /// Of tools.
    pub error_text: Option<String>,
    /// Of tools: a result that is not the last one.
    pub preliminary: Option<bool>,
    /// Of tools: the provider runs it.
    pub provider_executed: Option<bool>,
    /// Of dynamic tools: `false` when the tool was not available.
    pub dynamic: Option<bool>,
    /// Of tools.
    pub approval: Option<UiApproval>,
    /// Of tools: the provider's metadata of the call.
    pub call_provider_metadata: Option<ProviderMetadata>,
    /// Of tools: the provider's metadata of the result.
    pub result_provider_metadata: Option<ProviderMetadata>,
}

/// Where the approval of a call stands.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UiApproval {
    /// Names the request.
    pub id: String,
    /// The answer; `None` while nobody answered.
    pub approved: Option<bool>,
    /// Why (not).
    pub reason: Option<String>,
    /// Why it was asked for.
    pub request_reason: Option<String>,
    /// A rule decided.
    pub is_automatic: Option<bool>,
    /// Proof of the request.
    pub signature: Option<String>,
    /// The input as the model gave it.
    pub input_schema_input: Option<Json>,
}

/// What a [`UiPart`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind<'a> {
    /// Text.
    Text,
    /// Reasoning.
    Reasoning,
    /// A file.
    File,
    /// A file of the reasoning.
    ReasoningFile,
    /// A provider's own kind.
    Custom,
    /// A source.
    Source,
    /// A new step begins.
    StepStart,
    /// The user said something while the agent worked.
    Steering,
    /// The application's own data.
    Data,
    /// A call of this tool.
    Tool(&'a str),
    /// Something from the future.
    Unknown,
}

impl UiPart {
    /// What the part is, by its `type`.
    #[must_use]
    pub fn kind(&self) -> PartKind<'_> {
        match &*self.r#type {
            "text" => PartKind::Text,
            "reasoning" => PartKind::Reasoning,
            "file" => PartKind::File,
            "reasoning-file" => PartKind::ReasoningFile,
            "custom" => PartKind::Custom,
            "source-url" | "source-document" => PartKind::Source,
            "step-start" => PartKind::StepStart,
            "steering-message" => PartKind::Steering,
            "dynamic-tool" => PartKind::Tool(self.tool_name.as_deref().unwrap_or_default()),
            other => match (other.strip_prefix("tool-"), other.starts_with("data-")) {
                (Some(name), _) => PartKind::Tool(name),
                (None, true) => PartKind::Data,
                (None, false) => PartKind::Unknown,
            },
        }
    }
}

impl UiMessage {
    /// A user message of one text.
    ///
    /// ```
    /// use headstart_core::wire::{Role, UiMessage};
    ///
    /// let message = UiMessage::user("u1", "Hello");
    /// assert_eq!(message.role, Role::User);
    /// assert_eq!(
    ///     message.raw().as_str(),
    ///     r#"{"id":"u1","role":"user","parts":[{"type":"text","text":"Hello"}]}"#
    /// );
    /// ```
    #[must_use]
    pub fn user(id: &str, text: &str) -> Self {
        let raw = format!(
            r#"{{"id":{},"role":"user","parts":[{{"type":"text","text":{}}}]}}"#,
            Json::string(id).as_str(),
            Json::string(text).as_str(),
        );
        Self {
            raw: Json::parse(&raw).unwrap_or_default(),
            id: id.to_owned(),
            role: Role::User,
            metadata: None,
            parts: vec![UiPart { r#type: "text".into(), text: Some(text.to_owned()), ..UiPart::default() }],
        }
    }

    /// The message as it came.
    #[must_use]
    pub fn raw(&self) -> &Json {
        &self.raw
    }
}

impl<'de> Deserialize<'de> for UiPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Head {
            r#type: String,
        }
        let raw = Json::deserialize(deserializer)?;
        let Head { r#type } = raw.to().map_err(serde::de::Error::custom)?;
        let bare = Self { r#type, ..Self::default() };
        match bare.kind() {
            // Only kept: their fields may be called like ours and hold something else.
            PartKind::Source | PartKind::StepStart | PartKind::Data | PartKind::Unknown => Ok(bare),
            _ => Self::deserialize(&mut serde_json::Deserializer::from_str(raw.as_str()))
                .map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for UiMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UiMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            id: String,
            role: Role,
            #[serde(default)]
            metadata: Option<Json>,
            parts: Vec<UiPart>,
        }
        let raw = Json::deserialize(deserializer)?;
        let Fields { id, role, metadata, parts } = raw.to().map_err(serde::de::Error::custom)?;
        Ok(Self { raw, id, role, metadata, parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_parts_from_the_future_survive() {
        let text = r#"{"id":"a","role":"assistant","parts":[{"type":"hologram","url":3}],"mood":"fine"}"#;
        let message: UiMessage = serde_json::from_str(text).unwrap();
        assert_eq!(message.parts[0].kind(), PartKind::Unknown);
        assert_eq!(serde_json::to_string(&message).unwrap(), text);
    }

    #[test]
    fn a_tool_name_is_all_that_follows_the_first_prefix() {
        let part = UiPart { r#type: "tool-tool-a-b".into(), ..UiPart::default() };
        assert_eq!(part.kind(), PartKind::Tool("tool-a-b"));
    }
}
