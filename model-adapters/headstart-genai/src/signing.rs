//! How providers prove their reasoning, and under which name agents keep the proof.

use genai::adapter::AdapterKind;
use headstart_core::wire::Json;
use serde_json::json;

/// How a provider signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    /// A signature ends a block of reasoning.
    Closes(&'static str),
    /// A signature belongs to the next part, whatever that is.
    Marks(&'static str),
    Nothing,
}

impl Signing {
    /// `model` tells apart what Google sells of others.
    pub(crate) fn of(adapter: AdapterKind, model: &str) -> Self {
        match adapter {
            AdapterKind::Anthropic => Self::Closes("anthropic"),
            AdapterKind::Vertex if model.contains("claude") => Self::Closes("anthropic"),
            AdapterKind::BedrockApi => Self::Closes("bedrock"),
            AdapterKind::Gemini | AdapterKind::GeminiIx | AdapterKind::Vertex => Self::Marks("google"),
            _ => Self::Nothing,
        }
    }

    /// A signature as the metadata that goes with a part.
    pub(crate) fn metadata(self, signature: &str) -> Option<Json> {
        let (name, key) = match self {
            Self::Closes(name) => (name, "signature"),
            Self::Marks(name) => (name, "thoughtSignature"),
            Self::Nothing => return None,
        };
        Some(Json::from_value(&json!({ name: { key: signature } })))
    }

    /// The signature in a part's metadata.
    pub(crate) fn read(self, metadata: Option<&Json>) -> Option<String> {
        match self {
            Self::Closes(name) => text(metadata, name, "signature"),
            Self::Marks(name) => text(metadata, name, "thoughtSignature"),
            Self::Nothing => None,
        }
    }
}

/// Thinking that only the provider can read.
pub(crate) fn redacted_metadata(data: &str) -> Json {
    Json::from_value(&json!({ "anthropic": { "redactedData": data } }))
}

pub(crate) fn read_redacted(metadata: Option<&Json>) -> Option<String> {
    text(metadata, "anthropic", "redactedData")
}

fn text(metadata: Option<&Json>, name: &str, key: &str) -> Option<String> {
    Some(metadata?.to_value().get(name)?.get(key)?.as_str()?.to_owned())
}
