//! `reasoning_details`: OpenRouter's form of thoughts that have to come back to the model as they were. What they
//! hold is the provider's business; only what joins the pieces of a stream is read here.

use headstart_core::{
    step::{StepError, StepErrorKind},
    wire::{AssistantPart, ProviderMetadata},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{metadata::metadata, options};

/// The key of options and metadata.
const PROVIDER: &str = "openrouter";
/// More than any answer has.
const MAX_DETAILS: usize = 256;

/// One detail, or a piece of one.
pub(super) type Detail = Map<String, Value>;

/// What the pieces add up to.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Details {
    reasoning_details: Vec<Detail>,
}

/// What of a detail is for people to read.
pub(super) fn shown(detail: &Detail) -> &str {
    text_key(detail).and_then(|key| detail.get(key)?.as_str()).unwrap_or_default()
}

/// Where a detail has its text. Others come whole.
fn text_key(detail: &Detail) -> Option<&'static str> {
    match detail.get("type")?.as_str()? {
        "reasoning.text" => Some("text"),
        "reasoning.summary" => Some("summary"),
        _ => None,
    }
}

fn given<'a>(detail: &'a Detail, key: &str) -> Option<&'a Value> {
    detail.get(key).filter(|value| !value.is_null())
}

fn is_signed(detail: &Detail) -> bool {
    detail.get("signature").and_then(Value::as_str).is_some_and(|signature| !signature.is_empty())
}

impl Details {
    pub(super) const fn is_empty(&self) -> bool {
        self.reasoning_details.is_empty()
    }

    /// Adds a piece to the detail it belongs to, or as a new one.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn add(&mut self, piece: Detail) -> Result<(), StepError> {
        let text_key = text_key(&piece);
        let Some(at) = text_key.and_then(|_| self.find(&piece)) else {
            if self.reasoning_details.len() == MAX_DETAILS {
                return Err(StepError::new(StepErrorKind::Malformed, "too many reasoning details"));
            }
            self.reasoning_details.push(piece);
            return Ok(());
        };
        let known = &mut self.reasoning_details[at];
        for (key, value) in piece {
            match (known.get_mut(&key), value) {
                (Some(Value::String(text)), Value::String(more)) if text_key == Some(key.as_str()) => {
                    text.push_str(&more);
                }
                // The signature comes last, and is empty until then.
                (Some(known), value) if known.is_null() || *known == "" => *known = value,
                (Some(_), _) => {}
                (None, value) => drop(known.insert(key, value)),
            }
        }
        Ok(())
    }

    /// The detail that a piece belongs to. Kinds are counted apart: a text and an encrypted detail may have one index.
    /// Pieces without an index belong to what came last. A text that is signed is over.
    fn find(&self, piece: &Detail) -> Option<usize> {
        let details = &self.reasoning_details;
        let index = given(piece, "index");
        let is_same = |known: &Detail| {
            let ids = given(known, "id").zip(given(piece, "id"));
            known.get("type") == piece.get("type")
                && given(known, "index") == index
                && ids.is_none_or(|(known, id)| known == id)
                && !(is_signed(known) && (is_signed(piece) || !shown(piece).is_empty()))
        };
        match index {
            Some(_) => details.iter().rposition(is_same),
            None => details.len().checked_sub(1).filter(|last| is_same(&details[*last])),
        }
    }

    /// As metadata of a part.
    pub(super) fn metadata(&self) -> Option<ProviderMetadata> {
        if self.is_empty() { None } else { metadata(PROVIDER, self) }
    }

    /// What a model is given back of what it thought in a message. A call has all that there is, if it has any; else
    /// each thought has its own, or, as agents write it, all up to then.
    pub(super) fn of(parts: &[AssistantPart]) -> Vec<Detail> {
        let read = |options: &Option<_>| options::lenient::<Self>(options.as_ref(), PROVIDER);
        let of_a_call = parts.iter().find_map(|part| match part {
            AssistantPart::ToolCall(call) => Some(read(&call.provider_options)).filter(|all| !all.is_empty()),
            _ => None,
        });
        let all = of_a_call.unwrap_or_else(|| {
            let mut all = Self::default();
            let thoughts = parts.iter().filter_map(|part| match part {
                AssistantPart::Reasoning(part) => Some(read(&part.provider_options).reasoning_details),
                _ => None,
            });
            for detail in thoughts.flatten() {
                // More than an answer can have were not made by a model.
                if !all.reasoning_details.contains(&detail) && all.add(detail).is_err() {
                    break;
                }
            }
            all
        });
        all.reasoning_details.into_iter().filter(is_whole).collect()
    }
}

/// Anthropic and Google refuse a thought without its signature, and one that was cut off has none. A detail that
/// names no format has Anthropic's.
fn is_whole(detail: &Detail) -> bool {
    let text = |key| detail.get(key).and_then(Value::as_str);
    let wants_signature = matches!(text("format"), None | Some("anthropic-claude-v1" | "google-gemini-v1"));
    text("type") != Some("reasoning.text") || !wants_signature || is_signed(detail)
}
