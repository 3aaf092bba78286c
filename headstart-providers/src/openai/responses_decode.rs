//! The events of a Responses stream as ours.

use std::collections::{HashMap, VecDeque};

use headstart_core::{
    sse::Event,
    step::{StepError, StepErrorKind, StepEvent, Usage},
    wire::{FinishReason, Json},
};
use serde::Deserialize;
use serde_json::json;

use crate::transport::Decode;

#[derive(Default)]
pub(super) struct Decoder {
    has_begun: bool,
    has_output: bool,
    has_refusal: bool,
    has_calls: bool,
    /// Calls whose input streams, by their place in the output.
    calls: HashMap<u64, String>,
    /// Summary parts of the reasoning item that is open.
    summaries: u64,
    is_done: bool,
}

#[derive(Deserialize)]
struct Wire {
    r#type: String,
    #[serde(default)]
    output_index: u64,
    item_id: Option<String>,
    item: Option<Item>,
    delta: Option<String>,
    #[serde(default)]
    summary_index: u64,
    response: Option<Response>,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    r#type: String,
    id: Option<String>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    encrypted_content: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    usage: Option<WireUsage>,
    incomplete_details: Option<Incomplete>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        let wire: Wire = serde_json::from_str(&event.data)
            .map_err(|_| StepError::new(StepErrorKind::Malformed, "an event is unreadable"))?;
        if matches!(&*wire.r#type, "error" | "response.failed") {
            let kind = if self.has_output { StepErrorKind::Rejected } else { StepErrorKind::Unavailable };
            return Err(StepError::new(kind, format!("{} {}", wire.r#type, wire.code.unwrap_or_default())));
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            out.push_back(StepEvent::Start);
        }
        let delta = wire.delta.unwrap_or_default();
        let item_id = wire.item_id.unwrap_or_default();
        match (&*wire.r#type, wire.item) {
            ("response.output_item.added", Some(item)) => self.added(wire.output_index, item, out),
            ("response.output_item.done", Some(item)) => self.done(wire.output_index, item, out),
            ("response.output_text.delta", _) => {
                out.push_back(StepEvent::TextDelta { id: item_id, delta, provider_metadata: None });
            }
            ("response.refusal.delta", _) => {
                self.has_refusal = true;
                out.push_back(StepEvent::TextDelta { id: item_id, delta, provider_metadata: None });
            }
            // The first part was opened with its item.
            ("response.reasoning_summary_part.added", _) if wire.summary_index > 0 => {
                let previous = summary_id(&item_id, wire.summary_index - 1);
                let provider_metadata = Some(metadata(&json!({ "itemId": item_id })));
                out.push_back(StepEvent::ReasoningEnd {
                    id: previous,
                    provider_metadata: provider_metadata.clone(),
                });
                let id = summary_id(&item_id, wire.summary_index);
                self.summaries = wire.summary_index;
                out.push_back(StepEvent::ReasoningStart { id, provider_metadata });
            }
            ("response.reasoning_summary_text.delta", _) => out.push_back(StepEvent::ReasoningDelta {
                id: summary_id(&item_id, wire.summary_index),
                delta,
                provider_metadata: Some(metadata(&json!({ "itemId": item_id }))),
            }),
            ("response.function_call_arguments.delta", _) => {
                if let (Some(id), false) = (self.calls.get(&wire.output_index), delta.is_empty()) {
                    out.push_back(StepEvent::ToolInputDelta { id: id.clone(), delta });
                }
            }
            ("response.completed" | "response.incomplete", _) => self.end(&wire.r#type, wire.response, out),
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn error_type(body: &[u8]) -> Option<String> {
        super::chat_decode::error_type(body)
    }
}

impl Decoder {
    fn added(&mut self, index: u64, item: Item, out: &mut VecDeque<StepEvent>) {
        self.has_output = true;
        let id = item.id.unwrap_or_default();
        match &*item.r#type {
            "message" => {
                let provider_metadata = Some(metadata(&json!({ "itemId": id })));
                out.push_back(StepEvent::TextStart { id, provider_metadata });
            }
            "reasoning" => {
                self.summaries = 0;
                let provider_metadata = Some(reasoning_metadata(&id, item.encrypted_content));
                out.push_back(StepEvent::ReasoningStart { id: summary_id(&id, 0), provider_metadata });
            }
            "function_call" => {
                let call_id = item.call_id.unwrap_or(id);
                self.calls.insert(index, call_id.clone());
                out.push_back(StepEvent::ToolInputStart {
                    id: call_id,
                    tool_name: item.name.unwrap_or_default(),
                    provider_executed: false,
                    provider_metadata: None,
                });
            }
            _ => {}
        }
    }

    fn done(&mut self, index: u64, item: Item, out: &mut VecDeque<StepEvent>) {
        let id = item.id.unwrap_or_default();
        match &*item.r#type {
            "message" => {
                let provider_metadata = Some(metadata(&json!({ "itemId": id })));
                out.push_back(StepEvent::TextEnd { id, provider_metadata });
            }
            "reasoning" => {
                let provider_metadata = Some(reasoning_metadata(&id, item.encrypted_content));
                out.push_back(StepEvent::ReasoningEnd {
                    id: summary_id(&id, self.summaries),
                    provider_metadata,
                });
            }
            "function_call" => {
                self.has_calls = true;
                out.push_back(StepEvent::ToolCall {
                    id: self.calls.remove(&index).or(item.call_id).unwrap_or_default(),
                    tool_name: item.name.unwrap_or_default(),
                    input: item.arguments.unwrap_or_default(),
                    provider_executed: false,
                    provider_metadata: Some(metadata(&json!({ "itemId": id }))),
                });
            }
            _ => {}
        }
    }

    fn end(&mut self, kind: &str, response: Option<Response>, out: &mut VecDeque<StepEvent>) {
        self.is_done = true;
        let (usage, incomplete) =
            response.map_or((None, None), |response| (response.usage, response.incomplete_details));
        let why = incomplete.and_then(|incomplete| incomplete.reason);
        let reason = match (kind, why.as_deref()) {
            ("response.incomplete", Some("max_output_tokens")) => FinishReason::Length,
            ("response.incomplete", Some("content_filter")) => FinishReason::ContentFilter,
            _ if self.has_calls => FinishReason::ToolCalls,
            ("response.incomplete", _) => FinishReason::Other,
            _ if self.has_refusal => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        };
        let usage = usage.map_or_else(Usage::default, |usage| Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_input_tokens: usage.input_tokens_details.and_then(|details| details.cached_tokens),
        });
        out.push_back(StepEvent::Finish { reason, paused: false, usage });
    }
}

fn summary_id(item: &str, index: u64) -> String {
    format!("{item}:{index}")
}

fn metadata(value: &serde_json::Value) -> Json {
    Json::from_value(&json!({ "openai": value }))
}

fn reasoning_metadata(item: &str, encrypted: Option<String>) -> Json {
    metadata(&json!({ "itemId": item, "reasoningEncryptedContent": encrypted }))
}
