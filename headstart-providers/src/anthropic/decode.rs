//! The events of a Messages stream as ours.

use std::collections::{HashMap, VecDeque};

use headstart_core::{
    sse::Event,
    step::{StepError, StepErrorKind, StepEvent, Usage},
    wire::{FinishReason, Json, ProviderMetadata},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    PROVIDER,
    server_tools::{ToolResult, camel_case, first_delta, input_in_messages, name_in_messages},
    wire::{Wire, WireBlock, WireDelta, WireError, WireMessage, WireUsage},
};
use crate::{
    answer::{Decode, Refusal},
    metadata::metadata,
};

#[derive(Default)]
pub(crate) struct Decoder {
    message_id: Option<String>,
    blocks: HashMap<u64, Block>,
    /// Tools that the provider ran, by the id of their call.
    server_calls: HashMap<String, ServerCall>,
    sources: usize,
    stop_reason: Option<String>,
    usage: WireUsage,
    is_done: bool,
}

struct ServerCall {
    name: String,
    metadata: Option<ProviderMetadata>,
}

enum Block {
    Text {
        citations: Vec<Json>,
    },
    Reasoning,
    Tool(ToolBlock),
    /// Whole from its beginning.
    Whole,
}

struct ToolBlock {
    id: String,
    wire_name: String,
    input: String,
    is_server: bool,
    metadata: Option<ProviderMetadata>,
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        let wire: Wire = serde_json::from_str(&event.data)
            .map_err(|_| StepError::new(StepErrorKind::Malformed, "an event is unreadable"))?;
        match &*wire.r#type {
            "message_start" => return self.message_start(wire.message.unwrap_or_default(), out),
            "content_block_start" => {
                if let Some(block) = wire.content_block {
                    self.block_start(wire.index, block, out);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = wire.delta {
                    self.block_delta(wire.index, delta, out);
                }
            }
            "content_block_stop" => self.block_stop(wire.index, out),
            "message_delta" => {
                self.stop_reason = wire.delta.and_then(|delta| delta.stop_reason).or(self.stop_reason.take());
                self.usage.update(wire.usage);
            }
            "message_stop" => {
                self.is_done = true;
                let (reason, paused) = finish_reason(self.stop_reason.as_deref());
                out.push_back(StepEvent::Finish { reason, paused, usage: self.usage() });
            }
            "error" => {
                let kind = wire.error.and_then(|error| error.r#type).unwrap_or_default();
                let is_overloaded = kind == "overloaded_error";
                let class = if is_overloaded { StepErrorKind::Unavailable } else { StepErrorKind::Rejected };
                return Err(StepError::new(class, format!("error event {kind}")));
            }
            // Pings, and what is yet to come.
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

pub(crate) fn refusal(body: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Body {
        error: WireError,
    }
    let kind = serde_json::from_slice::<Body>(body).ok().and_then(|body| body.error.r#type);
    Refusal { kind: kind.unwrap_or_default(), retry_after: None }
}

impl Decoder {
    fn message_start(
        &mut self,
        message: WireMessage,
        out: &mut VecDeque<StepEvent>,
    ) -> Result<(), StepError> {
        if self.message_id.is_some() {
            return match self.message_id == message.id {
                true => Ok(()),
                false => Err(StepError::new(StepErrorKind::Malformed, "a second message began")),
            };
        }
        self.message_id = message.id;
        self.usage.update(message.usage);
        out.push_back(StepEvent::Start);
        // Calls that running code made before the message came.
        for block in
            message.content.unwrap_or_default().into_iter().filter(|block| block.r#type == "tool_use")
        {
            self.block_start(u64::MAX, block, out);
            self.block_stop(u64::MAX, out);
        }
        Ok(())
    }

    /// The API counts what was cached apart; we count the whole prompt.
    fn usage(&self) -> Usage {
        let cached = [self.usage.cache_read_input_tokens, self.usage.cache_creation_input_tokens];
        let cached: u64 = cached.into_iter().flatten().fold(0, u64::saturating_add);
        Usage {
            input_tokens: self.usage.input_tokens.map(|tokens| tokens.saturating_add(cached)),
            output_tokens: self.usage.output_tokens,
            cached_input_tokens: self.usage.cache_read_input_tokens,
        }
    }

    fn block_start(&mut self, index: u64, block: WireBlock, out: &mut VecDeque<StepEvent>) {
        let id = index.to_string();
        let state = match &*block.r#type {
            "text" | "compaction" => {
                let provider_metadata = (block.r#type == "compaction")
                    .then(|| metadata(PROVIDER, &json!({ "type": "compaction" })))
                    .flatten();
                out.push_back(StepEvent::TextStart { id: id.clone(), provider_metadata });
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
                let data = json!({ "redactedData": block.data.unwrap_or_default() });
                let provider_metadata = metadata(PROVIDER, &data);
                out.push_back(StepEvent::ReasoningStart { id, provider_metadata });
                Block::Reasoning
            }
            "tool_use" | "server_tool_use" | "mcp_tool_use" => self.tool_start(block, out),
            kind => {
                if let Some(tool) = kind.strip_suffix("_tool_result") {
                    self.tool_result(tool, &block, out);
                }
                Block::Whole
            }
        };
        self.blocks.insert(index, state);
    }

    fn tool_start(&mut self, block: WireBlock, out: &mut VecDeque<StepEvent>) -> Block {
        let is_server = block.r#type != "tool_use";
        let (id, wire_name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
        let is_mcp = block.r#type == "mcp_tool_use";
        let metadata = match block.caller {
            _ if is_mcp => {
                metadata(PROVIDER, &json!({ "type": "mcp-tool-use", "serverName": block.server_name }))
            }
            Some(caller) => metadata(PROVIDER, &json!({ "caller": camel_case(&caller.to_value()) })),
            None => None,
        };
        if is_server {
            let call = ServerCall { name: wire_name.clone(), metadata: metadata.clone().filter(|_| is_mcp) };
            self.server_calls.insert(id.clone(), call);
        }
        let tool_name = if is_server { name_in_messages(&wire_name) } else { &wire_name };
        out.push_back(StepEvent::ToolInputStart {
            id: id.clone(),
            tool_name: tool_name.to_owned(),
            provider_executed: is_server,
            provider_metadata: None,
        });
        let given = block.input.filter(|input| !matches!(input.as_str(), "{}" | "null"));
        let input = given.map(|input| input.as_str().to_owned()).unwrap_or_default();
        Block::Tool(ToolBlock { id, wire_name, input, is_server, metadata })
    }

    fn tool_result(&mut self, tool: &str, block: &WireBlock, out: &mut VecDeque<StepEvent>) {
        let id = block.tool_use_id.clone().unwrap_or_default();
        let content = block.content.clone().unwrap_or_default();
        let call = self.server_calls.get(&id);
        let result = match (tool, call) {
            ("mcp", call) => ToolResult {
                tool_name: call.map(|call| call.name.clone()).unwrap_or_default(),
                value: content.clone(),
                is_error: block.is_error == Some(true),
            },
            (tool, call) => ToolResult::read(tool, &content, call.map(|call| &*call.name)),
        };
        let caller = || {
            let caller = block.caller.as_ref()?.to_value();
            metadata(PROVIDER, &json!({ "caller": camel_case(&caller) }))
        };
        out.push_back(StepEvent::ToolResult {
            id,
            tool_name: result.tool_name,
            result: result.value,
            is_error: result.is_error,
            provider_metadata: call.and_then(|call| call.metadata.clone()).or_else(caller),
        });
        if tool == "web_search"
            && let Value::Array(results) = content.to_value()
        {
            for result in results {
                let metadata = metadata(PROVIDER, &json!({ "pageAge": result["page_age"] }));
                self.source(&result, metadata, out);
            }
        }
    }

    /// Something with an address and a title.
    fn source(
        &mut self,
        found: &Value,
        provider_metadata: Option<ProviderMetadata>,
        out: &mut VecDeque<StepEvent>,
    ) {
        let Some(url) = found["url"].as_str().map(str::to_owned) else { return };
        let title = found["title"].as_str().map(str::to_owned);
        let id = format!("{}-source-{}", self.message_id.as_deref().unwrap_or("message"), self.sources);
        self.sources += 1;
        out.push_back(StepEvent::Source { id, url, title, provider_metadata });
    }

    fn block_delta(&mut self, index: u64, delta: WireDelta, out: &mut VecDeque<StepEvent>) {
        let id = index.to_string();
        match (&*delta.r#type, self.blocks.get_mut(&index)) {
            ("text_delta", _) => {
                let delta = delta.text.unwrap_or_default();
                out.push_back(StepEvent::TextDelta { id, delta, provider_metadata: None });
            }
            ("compaction_delta", Some(Block::Text { .. })) => {
                let delta = delta.content.unwrap_or_default();
                out.push_back(StepEvent::TextDelta { id, delta, provider_metadata: None });
            }
            ("thinking_delta", _) => {
                let delta = delta.thinking.unwrap_or_default();
                out.push_back(StepEvent::ReasoningDelta { id, delta, provider_metadata: None });
            }
            ("signature_delta", Some(Block::Reasoning)) => {
                let signature = json!({ "signature": delta.signature.unwrap_or_default() });
                let provider_metadata = metadata(PROVIDER, &signature);
                out.push_back(StepEvent::ReasoningDelta { id, delta: String::new(), provider_metadata });
            }
            ("input_json_delta", Some(Block::Tool(tool))) => {
                let delta = delta.partial_json.unwrap_or_default();
                if delta.is_empty() {
                    return;
                }
                let shown = match tool.is_server && tool.input.is_empty() {
                    true => first_delta(&tool.wire_name, delta.clone()),
                    false => delta.clone(),
                };
                tool.input.push_str(&delta);
                out.push_back(StepEvent::ToolInputDelta { id: tool.id.clone(), delta: shown });
            }
            ("citations_delta", Some(Block::Text { citations })) => {
                let Some(citation) = delta.citation else { return };
                let tree = citation.to_value();
                // Citations of the user's own documents have no address; agents keep only those of the web.
                if tree["type"] == "web_search_result_location" {
                    citations.push(citation);
                    let cited = json!({
                        "citedText": tree["cited_text"],
                        "encryptedIndex": tree["encrypted_index"],
                    });
                    self.source(&tree, metadata(PROVIDER, &cited), out);
                }
            }
            _ => {}
        }
    }

    fn block_stop(&mut self, index: u64, out: &mut VecDeque<StepEvent>) {
        let id = index.to_string();
        match self.blocks.remove(&index) {
            Some(Block::Text { citations }) => {
                // As they came: they are replayed.
                let citations = std::collections::BTreeMap::from([("citations", citations)]);
                let has_any = citations.values().any(|citations| !citations.is_empty());
                let provider_metadata = has_any.then(|| metadata(PROVIDER, &citations)).flatten();
                out.push_back(StepEvent::TextEnd { id, provider_metadata });
            }
            Some(Block::Reasoning) => out.push_back(StepEvent::ReasoningEnd { id, provider_metadata: None }),
            Some(Block::Tool(tool)) => {
                let ToolBlock { id, wire_name, input, is_server, metadata } = tool;
                let (tool_name, input) = match is_server {
                    true => (name_in_messages(&wire_name).to_owned(), input_in_messages(&wire_name, input)),
                    false => (wire_name, input),
                };
                out.push_back(StepEvent::ToolCall {
                    id,
                    tool_name,
                    input,
                    provider_executed: is_server,
                    provider_metadata: metadata,
                });
            }
            Some(Block::Whole) | None => {}
        }
    }
}

fn finish_reason(stop: Option<&str>) -> (FinishReason, bool) {
    match stop {
        Some("end_turn" | "stop_sequence") => (FinishReason::Stop, false),
        // It was running tools of its own and wants to go on.
        Some("pause_turn") => (FinishReason::Stop, true),
        Some("tool_use") => (FinishReason::ToolCalls, false),
        Some("max_tokens" | "model_context_window_exceeded") => (FinishReason::Length, false),
        Some("refusal") => (FinishReason::ContentFilter, false),
        _ => (FinishReason::Other, false),
    }
}
