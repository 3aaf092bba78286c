//! The chunks of a Chat Completions stream, as far as they are used, in all the forms that servers give them.

use headstart_core::wire::Json;
use serde::Deserialize;

use super::error::WireError;

#[derive(Deserialize)]
pub(super) struct Chunk {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Option<WireUsage>,
    /// Groq's place for it.
    pub(super) x_groq: Option<Groq>,
    pub(super) error: Option<WireError>,
}

#[derive(Deserialize)]
pub(super) struct Groq {
    pub(super) usage: Option<WireUsage>,
    pub(super) error: Option<WireError>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    pub(super) delta: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Delta {
    /// A text, or parts (Mistral).
    pub(super) content: Option<Json>,
    pub(super) refusal: Option<String>,
    /// DeepSeek, vLLM, xAI and others.
    pub(super) reasoning_content: Option<String>,
    /// Groq, OpenRouter, Ollama, newer vLLM.
    pub(super) reasoning: Option<Json>,
    /// OpenRouter: the same once more, with what has to come back.
    pub(super) reasoning_details: Option<Json>,
    pub(super) tool_calls: Option<Vec<WireCall>>,
    pub(super) annotations: Option<Vec<Annotation>>,
    /// OpenRouter: what the model drew.
    pub(super) images: Option<Vec<Image>>,
}

#[derive(Deserialize)]
pub(super) struct ContentPart {
    pub(super) text: Option<String>,
    pub(super) thinking: Option<Vec<ContentPart>>,
}

#[derive(Deserialize)]
pub(super) struct WireCall {
    pub(super) index: Option<u64>,
    pub(super) id: Option<String>,
    pub(super) function: Option<WireFunction>,
}

#[derive(Deserialize)]
pub(super) struct WireFunction {
    pub(super) name: Option<String>,
    /// A piece of JSON text, or the whole as a value.
    pub(super) arguments: Option<Json>,
}

#[derive(Deserialize)]
pub(super) struct Annotation {
    pub(super) url_citation: Option<Citation>,
}

#[derive(Deserialize)]
pub(super) struct Citation {
    pub(super) url: String,
    pub(super) title: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Image {
    pub(super) image_url: ImageUrl,
}

#[derive(Deserialize)]
pub(super) struct ImageUrl {
    pub(super) url: String,
}

#[derive(Deserialize)]
pub(super) struct WireUsage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
    pub(super) prompt_tokens_details: Option<PromptDetails>,
    /// DeepSeek's name for it.
    pub(super) prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct PromptDetails {
    pub(super) cached_tokens: Option<u64>,
}
