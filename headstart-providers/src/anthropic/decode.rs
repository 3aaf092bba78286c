//! The events of a Messages stream as ours.

use std::collections::{HashMap, VecDeque};

use headstart_core::{
    sse::Event,
    step::{StepError, StepErrorKind, StepEvent, Usage},
    wire::{FinishReason, Json},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::transport::Decode;

#[derive(Default)]
pub(super) struct Decoder {
    message_id: Option<String>,
    blocks: HashMap<u64, Block>,
    stop_reason: Option<String>,
    usage: Usage,
    is_done: bool,
}

enum Block {
    Text {
        citations: Vec<Value>,
    },
    Reasoning,
    Tool {
        id: String,
        name: String,
        input: String,
        is_server: bool,
        caller: Option<Json>,
    },
    /// Whole from its beginning.
    Whole,
}

#[derive(Deserialize)]
struct Wire {
    r#type: String,
    #[serde(default)]
    index: u64,
    message: Option<WireMessage>,
    content_block: Option<WireBlock>,
    delta: Option<WireDelta>,
    usage: Option<WireUsage>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireMessage {
    id: Option<String>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct WireError {
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct WireBlock {
    r#type: String,
    id: Option<String>,
    name: Option<String>,
    input: Option<Json>,
    data: Option<String>,
    text: Option<String>,
    thinking: Option<String>,
    tool_use_id: Option<String>,
    content: Option<Json>,
    caller: Option<Json>,
}

#[derive(Deserialize)]
struct WireDelta {
    #[serde(default)]
    r#type: String,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    citation: Option<Value>,
    stop_reason: Option<String>,
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        let wire: Wire = serde_json::from_str(&event.data)
            .map_err(|_| StepError::new(StepErrorKind::Malformed, "an event is unreadable"))?;
        match &*wire.r#type {
            "message_start" => self.message_start(wire.message, out),
            "content_block_start" => {
                if let Some(block) = wire.content_block {
                    self.block_start(wire.index, block, out);
                }
                Ok(())
            }
            "content_block_delta" => {
                if let Some(delta) = wire.delta {
                    self.block_delta(wire.index, delta, out);
                }
                Ok(())
            }
            "content_block_stop" => {
                self.block_stop(wire.index, out);
                Ok(())
            }
            "message_delta" => {
                self.stop_reason = wire.delta.and_then(|delta| delta.stop_reason).or(self.stop_reason.take());
                self.count(wire.usage);
                Ok(())
            }
            "message_stop" => {
                self.is_done = true;
                let (reason, paused) = finish_reason(self.stop_reason.as_deref());
                out.push_back(StepEvent::Finish { reason, paused, usage: self.usage });
                Ok(())
            }
            "error" => {
                let kind = wire.error.and_then(|error| error.r#type).unwrap_or_default();
                let is_overloaded = kind == "overloaded_error";
                let class = if is_overloaded { StepErrorKind::Unavailable } else { StepErrorKind::Rejected };
                Err(StepError::new(class, format!("error event {kind}")))
            }
            // Pings, and what is yet to come.
            _ => Ok(()),
        }
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn error_type(body: &[u8]) -> Option<String> {
        #[derive(Deserialize)]
        struct Body {
            error: WireError,
        }
        serde_json::from_slice::<Body>(body).ok()?.error.r#type
    }
}

impl Decoder {
    fn message_start(
        &mut self,
        message: Option<WireMessage>,
        out: &mut VecDeque<StepEvent>,
    ) -> Result<(), StepError> {
        let (id, usage) = message.map_or((None, None), |message| (message.id, message.usage));
        if self.message_id.is_some() && self.message_id != id {
            return Err(StepError::new(StepErrorKind::Malformed, "a second message began"));
        }
        self.message_id = id;
        self.count(usage);
        out.push_back(StepEvent::Start);
        Ok(())
    }

    fn count(&mut self, usage: Option<WireUsage>) {
        let Some(usage) = usage else { return };
        self.usage.input_tokens = usage.input_tokens.or(self.usage.input_tokens);
        self.usage.output_tokens = usage.output_tokens.or(self.usage.output_tokens);
        self.usage.cached_input_tokens = usage.cache_read_input_tokens.or(self.usage.cached_input_tokens);
    }

    fn block_start(&mut self, index: u64, block: WireBlock, out: &mut VecDeque<StepEvent>) {
        let id = index.to_string();
        let kind = &*block.r#type;
        let state = match kind {
            "text" => {
                out.push_back(StepEvent::TextStart { id: id.clone(), provider_metadata: None });
                if let Some(delta) = block.text.filter(|text| !text.is_empty()) {
                    out.push_back(StepEvent::TextDelta { id, delta, provider_metadata: None });
                }
                Block::Text { citations: Vec::new() }
            }
            "thinking" => {
                out.push_back(StepEvent::ReasoningStart { id: id.clone(), provider_metadata: None });
                if let Some(delta) = block.thinking.filter(|text| !text.is_empty()) {
                    out.push_back(StepEvent::ReasoningDelta { id, delta, provider_metadata: None });
                }
                Block::Reasoning
            }
            "redacted_thinking" => {
                let metadata = metadata(json!({ "redactedData": block.data.unwrap_or_default() }));
                out.push_back(StepEvent::ReasoningStart { id, provider_metadata: Some(metadata) });
                Block::Reasoning
            }
            "tool_use" | "server_tool_use" => {
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                let is_server = kind == "server_tool_use";
                out.push_back(StepEvent::ToolInputStart {
                    id: id.clone(),
                    tool_name: name.clone(),
                    provider_executed: is_server,
                    provider_metadata: None,
                });
                let given = block.input.filter(|input| !matches!(input.as_str(), "{}" | "null"));
                let input = given.map(|input| input.as_str().to_owned()).unwrap_or_default();
                Block::Tool { id, name, input, is_server, caller: block.caller }
            }
            result if result.ends_with("_tool_result") => {
                let content = block.content.unwrap_or_default();
                out.push_back(StepEvent::ToolResult {
                    id: block.tool_use_id.unwrap_or_default(),
                    tool_name: result.trim_end_matches("_tool_result").to_owned(),
                    is_error: content.is_object() && content.to_value().get("error_code").is_some(),
                    result: camel_case(&content),
                    provider_metadata: None,
                });
                Block::Whole
            }
            _ => Block::Whole,
        };
        self.blocks.insert(index, state);
    }

    fn block_delta(&mut self, index: u64, delta: WireDelta, out: &mut VecDeque<StepEvent>) {
        let id = index.to_string();
        match (&*delta.r#type, self.blocks.get_mut(&index)) {
            ("text_delta", _) => {
                let delta = delta.text.unwrap_or_default();
                out.push_back(StepEvent::TextDelta { id, delta, provider_metadata: None });
            }
            ("thinking_delta", _) => {
                let delta = delta.thinking.unwrap_or_default();
                out.push_back(StepEvent::ReasoningDelta { id, delta, provider_metadata: None });
            }
            ("signature_delta", Some(Block::Reasoning)) => {
                let metadata = metadata(json!({ "signature": delta.signature.unwrap_or_default() }));
                let delta = String::new();
                out.push_back(StepEvent::ReasoningDelta { id, delta, provider_metadata: Some(metadata) });
            }
            ("input_json_delta", Some(Block::Tool { id, input, .. })) => {
                let delta = delta.partial_json.unwrap_or_default();
                if !delta.is_empty() {
                    input.push_str(&delta);
                    out.push_back(StepEvent::ToolInputDelta { id: id.clone(), delta });
                }
            }
            ("citations_delta", Some(Block::Text { citations })) => citations.extend(delta.citation),
            _ => {}
        }
    }

    fn block_stop(&mut self, index: u64, out: &mut VecDeque<StepEvent>) {
        let id = index.to_string();
        match self.blocks.remove(&index) {
            Some(Block::Text { citations }) => {
                let provider_metadata = (!citations.is_empty())
                    .then(|| metadata(json!({ "citations": keys(&json!(citations), &camel) })));
                out.push_back(StepEvent::TextEnd { id, provider_metadata });
            }
            Some(Block::Reasoning) => out.push_back(StepEvent::ReasoningEnd { id, provider_metadata: None }),
            Some(Block::Tool { id, name, input, is_server, caller }) => out.push_back(StepEvent::ToolCall {
                id,
                tool_name: name,
                input,
                provider_executed: is_server,
                provider_metadata: caller.map(|caller| metadata(json!({ "caller": caller.to_value() }))),
            }),
            Some(Block::Whole) | None => {}
        }
    }
}

fn metadata(value: Value) -> Json {
    Json::from_value(&json!({ "anthropic": value }))
}

fn finish_reason(stop: Option<&str>) -> (FinishReason, bool) {
    match stop {
        Some("end_turn" | "stop_sequence") => (FinishReason::Stop, false),
        Some("pause_turn") => (FinishReason::Stop, true),
        Some("tool_use") => (FinishReason::ToolCalls, false),
        Some("max_tokens" | "model_context_window_exceeded") => (FinishReason::Length, false),
        Some("refusal") => (FinishReason::ContentFilter, false),
        _ => (FinishReason::Other, false),
    }
}

/// The keys of server tool results are in another case on the wire than in messages.
fn camel_case(value: &Json) -> Json {
    Json::from_value(&keys(&value.to_value(), &camel))
}

/// Back again.
pub(super) fn snake_case(value: &Json) -> Json {
    Json::from_value(&keys(&value.to_value(), &snake))
}

fn keys(value: &Value, rename: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object.iter().map(|(key, value)| (rename(key), keys(value, rename))).collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(|item| keys(item, rename)).collect()),
        other => other.clone(),
    }
}

fn camel(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut camel, word| {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
        camel
    })
}

fn snake(key: &str) -> String {
    key.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}
