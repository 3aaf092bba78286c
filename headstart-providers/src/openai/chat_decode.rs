//! The chunks of a Chat Completions stream as our events.

use std::collections::{BTreeMap, VecDeque};

use headstart_core::{
    sse::Event,
    step::{StepError, StepErrorKind, StepEvent, Usage},
    wire::FinishReason,
};
use serde::Deserialize;

use crate::transport::Decode;

/// The API has one text, without an id.
const TEXT_ID: &str = "0";

#[derive(Default)]
pub(super) struct Decoder {
    has_begun: bool,
    has_text: bool,
    has_refusal: bool,
    calls: BTreeMap<u64, Call>,
    finish: Option<String>,
    usage: Usage,
    is_done: bool,
}

struct Call {
    id: String,
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<WireUsage>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<WireCall>>,
}

#[derive(Deserialize)]
struct WireCall {
    #[serde(default)]
    index: u64,
    id: Option<String>,
    function: Option<WireFunction>,
}

#[derive(Deserialize)]
struct WireFunction {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct WireError {
    r#type: Option<String>,
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        if event.data.trim() == "[DONE]" {
            self.end(out);
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(&event.data)
            .map_err(|_| StepError::new(StepErrorKind::Malformed, "a chunk is unreadable"))?;
        if let Some(error) = chunk.error {
            let kind = if self.has_begun { StepErrorKind::Rejected } else { StepErrorKind::Unavailable };
            return Err(StepError::new(kind, format!("error chunk {}", error.r#type.unwrap_or_default())));
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            out.push_back(StepEvent::Start);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Usage {
                input_tokens: usage.prompt_tokens,
                output_tokens: usage.completion_tokens,
                cached_input_tokens: usage.prompt_tokens_details.and_then(|details| details.cached_tokens),
            };
        }
        for choice in chunk.choices {
            if let Some(delta) = choice.delta {
                self.delta(delta, out);
            }
            self.finish = choice.finish_reason.or(self.finish.take());
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn error_type(body: &[u8]) -> Option<String> {
        error_type(body)
    }
}

/// The type of an error answer; both APIs have the same form.
pub(super) fn error_type(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: WireError,
    }
    serde_json::from_slice::<Body>(body).ok()?.error.r#type
}

impl Decoder {
    fn delta(&mut self, delta: Delta, out: &mut VecDeque<StepEvent>) {
        self.has_refusal |= delta.refusal.as_deref().is_some_and(|text| !text.is_empty());
        for text in [delta.content, delta.refusal].into_iter().flatten() {
            // Servers open with an empty content even when only tools follow.
            if text.is_empty() && !self.has_text {
                continue;
            }
            if !std::mem::replace(&mut self.has_text, true) {
                out.push_back(StepEvent::TextStart { id: TEXT_ID.to_owned(), provider_metadata: None });
            }
            out.push_back(StepEvent::TextDelta {
                id: TEXT_ID.to_owned(),
                delta: text,
                provider_metadata: None,
            });
        }
        for wire in delta.tool_calls.unwrap_or_default() {
            let (name, arguments) =
                wire.function.map_or((None, None), |function| (function.name, function.arguments));
            let call = self.calls.entry(wire.index).or_insert_with(|| {
                let name = name.unwrap_or_default();
                let id = wire
                    .id
                    .filter(|id| !id.is_empty())
                    .unwrap_or_else(|| format!("call-{}-{name}", wire.index));
                out.push_back(StepEvent::ToolInputStart {
                    id: id.clone(),
                    tool_name: name.clone(),
                    provider_executed: false,
                    provider_metadata: None,
                });
                Call { id, name, arguments: String::new() }
            });
            if let Some(delta) = arguments.filter(|text| !text.is_empty()) {
                call.arguments.push_str(&delta);
                out.push_back(StepEvent::ToolInputDelta { id: call.id.clone(), delta });
            }
        }
    }

    /// The API closes nothing by itself: all of it ends here.
    fn end(&mut self, out: &mut VecDeque<StepEvent>) {
        self.is_done = true;
        if self.has_text {
            out.push_back(StepEvent::TextEnd { id: TEXT_ID.to_owned(), provider_metadata: None });
        }
        for call in std::mem::take(&mut self.calls).into_values() {
            out.push_back(StepEvent::ToolCall {
                id: call.id,
                tool_name: call.name,
                input: call.arguments,
                provider_executed: false,
                provider_metadata: None,
            });
        }
        let reason = match self.finish.as_deref() {
            Some("stop") if self.has_refusal => FinishReason::ContentFilter,
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
            _ => FinishReason::Other,
        };
        out.push_back(StepEvent::Finish { reason, paused: false, usage: self.usage });
    }
}
