//! The events of a Responses stream as ours.

use std::collections::{HashMap, VecDeque};

use headstart_core::{
    sse::Event,
    step::{StepError, StepErrorKind, StepEvent, Usage},
    wire::{FinishReason, Json, ProviderMetadata},
};
use serde::Serialize;
use serde_json::json;

use super::{
    RESPONSES,
    error::WireError,
    responses_wire::{Item, Response, Wire},
    server_tools,
};
use crate::{answer::Decode, metadata::metadata};

#[derive(Default)]
pub(crate) struct Decoder {
    has_begun: bool,
    has_refusal: bool,
    has_calls: bool,
    /// Calls whose input streams, by their place in the output.
    calls: HashMap<u64, String>,
    /// The reasoning item that is open.
    reasoning: Reasoning,
    /// What the open message cites.
    annotations: Vec<Json>,
    sources: usize,
    is_done: bool,
}

#[derive(Default)]
struct Reasoning {
    /// Its last summary part.
    summary: u64,
    encrypted: Option<String>,
}

/// Metadata of a text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TextMetadata<'a> {
    item_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Json>,
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        // Some gateways end the stream as Chat Completions does.
        if event.data.trim() == "[DONE]" {
            return Ok(());
        }
        let wire: Wire = serde_json::from_str(&event.data)
            .map_err(|_| StepError::new(StepErrorKind::Malformed, "an event is unreadable"))?;
        match &*wire.r#type {
            "error" => {
                let error = wire.error.unwrap_or_else(|| WireError::from_code(wire.code));
                return Err(error.into_step_error("error"));
            }
            "response.failed" => {
                let error = wire.response.and_then(|response| response.error).unwrap_or_default();
                return Err(error.into_step_error("response.failed"));
            }
            _ => {}
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            out.push_back(StepEvent::Start);
        }
        let delta = wire.delta.unwrap_or_default();
        let id = wire.item_id.unwrap_or_default();
        match (&*wire.r#type, wire.item) {
            ("response.output_item.added", Some(item)) => self.added(wire.output_index, item, out),
            ("response.output_item.done", Some(item)) => self.done(wire.output_index, item, out),
            ("response.output_text.delta", _) => {
                out.push_back(StepEvent::TextDelta { id, delta, provider_metadata: None });
            }
            ("response.output_text.annotation.added", _) => {
                if let Some(annotation) = wire.annotation {
                    self.annotation(annotation, &id, out);
                }
            }
            ("response.refusal.delta", _) => {
                self.has_refusal = true;
                out.push_back(StepEvent::TextDelta { id, delta, provider_metadata: None });
            }
            ("response.refusal.done", _) => self.has_refusal = true,
            // The first part was opened with its item.
            ("response.reasoning_summary_part.added", _) if wire.summary_index > 0 => {
                self.next_summary(&id, wire.summary_index, out);
            }
            ("response.reasoning_summary_text.delta", _) => out.push_back(StepEvent::ReasoningDelta {
                provider_metadata: metadata(RESPONSES, &json!({ "itemId": id })),
                id: summary_id(&id, wire.summary_index),
                delta,
            }),
            ("response.function_call_arguments.delta", _) => {
                if let (Some(id), false) = (self.calls.get(&wire.output_index), delta.is_empty()) {
                    out.push_back(StepEvent::ToolInputDelta { id: id.clone(), delta });
                }
            }
            ("response.completed", _) => self.end(true, wire.response, out),
            ("response.incomplete", _) => self.end(false, wire.response, out),
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Decoder {
    fn added(&mut self, index: u64, item: Item, out: &mut VecDeque<StepEvent>) {
        let id = item.id;
        match &*item.r#type {
            "message" => {
                self.annotations.clear();
                let text = TextMetadata { item_id: &id, phase: item.phase, annotations: Vec::new() };
                let provider_metadata = metadata(RESPONSES, &text);
                out.push_back(StepEvent::TextStart { id, provider_metadata });
            }
            "reasoning" => {
                let provider_metadata = reasoning_metadata(&id, item.encrypted_content.as_deref());
                self.reasoning = Reasoning { summary: 0, encrypted: item.encrypted_content };
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
            _ => {
                // That it has begun is all that can be said yet.
                if let Some(tool) = server_tools::read(&Item { id: id.clone(), ..item }) {
                    out.push_back(StepEvent::ToolInputStart {
                        id,
                        tool_name: tool.name,
                        provider_executed: true,
                        provider_metadata: None,
                    });
                }
            }
        }
    }

    fn done(&mut self, index: u64, item: Item, out: &mut VecDeque<StepEvent>) {
        match &*item.r#type {
            "message" => {
                let annotations = std::mem::take(&mut self.annotations);
                let text = TextMetadata { item_id: &item.id, phase: item.phase, annotations };
                let provider_metadata = metadata(RESPONSES, &text);
                out.push_back(StepEvent::TextEnd { id: item.id, provider_metadata });
            }
            "reasoning" => out.push_back(StepEvent::ReasoningEnd {
                provider_metadata: reasoning_metadata(&item.id, item.encrypted_content.as_deref()),
                id: summary_id(&item.id, self.reasoning.summary),
            }),
            "function_call" => {
                self.has_calls = true;
                out.push_back(StepEvent::ToolCall {
                    id: self.calls.remove(&index).or(item.call_id).unwrap_or_default(),
                    tool_name: item.name.unwrap_or_default(),
                    input: item.arguments.unwrap_or_default(),
                    provider_executed: false,
                    provider_metadata: metadata(RESPONSES, &json!({ "itemId": item.id })),
                });
            }
            _ => {
                let Some(tool) = server_tools::read(&item) else { return };
                let id = item.id;
                let provider_metadata = metadata(RESPONSES, &json!({ "itemId": id }));
                out.push_back(StepEvent::ToolCall {
                    id: id.clone(),
                    tool_name: tool.name.clone(),
                    input: tool.input,
                    provider_executed: true,
                    provider_metadata: provider_metadata.clone(),
                });
                out.push_back(StepEvent::ToolResult {
                    id,
                    tool_name: tool.name,
                    result: tool.result,
                    is_error: tool.is_error,
                    provider_metadata,
                });
            }
        }
    }

    fn next_summary(&mut self, item: &str, index: u64, out: &mut VecDeque<StepEvent>) {
        out.push_back(StepEvent::ReasoningEnd {
            id: summary_id(item, index - 1),
            provider_metadata: metadata(RESPONSES, &json!({ "itemId": item })),
        });
        self.reasoning.summary = index;
        out.push_back(StepEvent::ReasoningStart {
            id: summary_id(item, index),
            provider_metadata: reasoning_metadata(item, self.reasoning.encrypted.as_deref()),
        });
    }

    fn annotation(&mut self, annotation: Json, item: &str, out: &mut VecDeque<StepEvent>) {
        let tree = annotation.to_value();
        if let ("url_citation", Some(url)) =
            (tree["type"].as_str().unwrap_or_default(), tree["url"].as_str().map(str::to_owned))
        {
            let title = tree["title"].as_str().map(str::to_owned);
            let id = format!("{item}-source-{}", self.sources);
            self.sources += 1;
            out.push_back(StepEvent::Source { id, url, title, provider_metadata: None });
        }
        self.annotations.push(annotation);
    }

    fn end(&mut self, is_complete: bool, response: Option<Response>, out: &mut VecDeque<StepEvent>) {
        self.is_done = true;
        let (usage, incomplete) =
            response.map_or((None, None), |response| (response.usage, response.incomplete_details));
        let why = incomplete.and_then(|incomplete| incomplete.reason);
        let reason = match why.as_deref().filter(|_| !is_complete) {
            Some("max_output_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            _ if self.has_calls => FinishReason::ToolCalls,
            _ if !is_complete => FinishReason::Other,
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

fn reasoning_metadata(item: &str, encrypted: Option<&str>) -> Option<ProviderMetadata> {
    metadata(RESPONSES, &json!({ "itemId": item, "reasoningEncryptedContent": encrypted }))
}
