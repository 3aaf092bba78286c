//! The chunks of a stream as our events.
//!
//! The API has parts, no blocks: parts of one kind in a row are one block. It has no last event either; the
//! stream ends when the connection does, and was whole if a finish reason had come.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use headstart_core::{
    sse::Event,
    step::{StepError, StepErrorKind, StepEvent, Usage},
    wire::{FinishReason, Json, ProviderMetadata},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    PROVIDER,
    wire::{
        Candidate, Chunk, FunctionCall, Grounding, Part, Place, ServerCall, ServerResponse, WireError,
        WireUsage,
    },
};
use crate::{
    answer::{Decode, Refusal},
    ids::Ids,
    metadata::metadata,
};

/// What messages call the code that Google ran.
const CODE: &str = "code_execution";

#[derive(Default)]
pub(crate) struct Decoder {
    has_begun: bool,
    ids: Ids,
    blocks: u64,
    open: Option<Block>,
    has_calls: bool,
    last_code: Option<String>,
    last_server_call: Option<String>,
    cited: HashSet<String>,
    is_blocked: bool,
    finish: Option<String>,
    usage: Usage,
    is_done: bool,
}

struct Block {
    id: String,
    is_thought: bool,
    signature: Option<String>,
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        let chunk: Chunk = serde_json::from_str(&event.data)
            .map_err(|_| StepError::new(StepErrorKind::Malformed, "a chunk is unreadable"))?;
        if let Some(error) = chunk.error {
            return Err(failure(&error));
        }
        if let Some(id) = &chunk.response_id {
            self.ids.name(id);
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            out.push_back(StepEvent::Start);
        }
        if let Some(usage) = chunk.usage_metadata {
            self.count(&usage);
        }
        let blocked = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason);
        self.is_blocked |= blocked.is_some_and(|reason| reason != "BLOCK_REASON_UNSPECIFIED");
        // Others are alternatives, which nobody asked for.
        if let Some(candidate) = chunk.candidates.into_iter().next()
            && !self.is_blocked
        {
            self.candidate(candidate, out);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn is_ending(&self) -> bool {
        self.finish.is_some() || self.is_blocked
    }

    fn close(&mut self, out: &mut VecDeque<StepEvent>) {
        self.is_done = true;
        self.end_block(out);
        let reason = match self.finish.as_deref() {
            _ if self.is_blocked => FinishReason::ContentFilter,
            Some("STOP") if self.has_calls => FinishReason::ToolCalls,
            Some("STOP") => FinishReason::Stop,
            Some("MAX_TOKENS" | "CONTINUATION") => FinishReason::Length,
            Some(
                "SAFETY"
                | "RECITATION"
                | "BLOCKLIST"
                | "PROHIBITED_CONTENT"
                | "SPII"
                | "IMAGE_SAFETY"
                | "IMAGE_PROHIBITED_CONTENT"
                | "IMAGE_RECITATION",
            ) => FinishReason::ContentFilter,
            Some("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL") => FinishReason::Error,
            _ => FinishReason::Other,
        };
        out.push_back(StepEvent::Finish { reason, paused: false, usage: self.usage });
    }
}

pub(crate) fn refusal(body: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Body {
        error: WireError,
    }
    // Without `alt=sse` an error is the only member of an array; some gateways keep that.
    let body = serde_json::from_slice::<Body>(body)
        .or_else(|_| serde_json::from_slice::<[Body; 1]>(body).map(|[body]| body));
    let Ok(Body { error }) = body else { return Refusal::default() };
    Refusal { retry_after: retry_delay(&error), kind: error.status.unwrap_or_default() }
}

/// An error in a stream that began well.
fn failure(error: &WireError) -> StepError {
    let status = error.status.as_deref().unwrap_or_default();
    let is_passing = matches!(
        status,
        "RESOURCE_EXHAUSTED" | "UNAVAILABLE" | "INTERNAL" | "DEADLINE_EXCEEDED" | "ABORTED" | "UNKNOWN"
    ) || matches!(error.code, Some(408 | 409 | 429 | 500..));
    let kind = if is_passing { StepErrorKind::Unavailable } else { StepErrorKind::Rejected };
    StepError::new(kind, format!("error chunk {status}")).with_retry_after(retry_delay(error))
}

fn retry_delay(error: &WireError) -> Option<Duration> {
    let delay = error.details.iter().find_map(|detail| detail.retry_delay.as_deref())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    (0.0..=60.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

impl Decoder {
    fn count(&mut self, usage: &WireUsage) {
        let said = usage.candidates_token_count.unwrap_or_default();
        let thought = usage.thoughts_token_count.unwrap_or_default();
        self.usage = Usage {
            input_tokens: usage.prompt_token_count,
            output_tokens: Some(said.saturating_add(thought)),
            cached_input_tokens: usage.cached_content_token_count,
        };
    }

    fn candidate(&mut self, candidate: Candidate, out: &mut VecDeque<StepEvent>) {
        for part in candidate.content.map(|content| content.parts).unwrap_or_default() {
            self.part(part, out);
        }
        if let Some(grounding) = candidate.grounding_metadata {
            self.sources(grounding, out);
        }
        self.finish = candidate.finish_reason.or(self.finish.take());
    }

    fn part(&mut self, part: Part, out: &mut VecDeque<StepEvent>) {
        let signature = part.thought_signature.filter(|signature| !signature.is_empty());
        let signed = |more: Value| {
            let mut fields = match more {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            if let Some(signature) = &signature {
                fields.insert("thoughtSignature".to_owned(), json!(signature));
            }
            if fields.is_empty() { None } else { metadata(PROVIDER, &fields) }
        };
        let is_thought = part.thought == Some(true);
        if let Some(call) = part.function_call {
            self.end_block(out);
            self.call(call, signed(Value::Null), out);
        } else if let Some(file) = part.inline_data {
            self.end_block(out);
            let (media_type, data) = (file.mime_type, file.data);
            let thought = if is_thought { json!({ "thought": true }) } else { Value::Null };
            let provider_metadata = signed(thought);
            out.push_back(StepEvent::File { media_type, data, provider_metadata });
        } else if let Some(code) = part.executable_code {
            self.end_block(out);
            let id = self.ids.next("code");
            self.last_code = Some(id.clone());
            out.push_back(server_call(id, CODE.to_owned(), &code, signed(Value::Null)));
        } else if let Some(result) = part.code_execution_result {
            if let Some(id) = self.last_code.take() {
                out.push_back(StepEvent::ToolResult {
                    id,
                    tool_name: CODE.to_owned(),
                    result: Json::from_value(&json!({
                        "outcome": result.outcome,
                        "output": result.output.unwrap_or_default(),
                    })),
                    is_error: false,
                    provider_metadata: signed(Value::Null),
                });
            }
        } else if let Some(ServerCall { id, tool_type, args }) = part.tool_call {
            self.end_block(out);
            let id = id.unwrap_or_else(|| self.ids.next("tool"));
            self.last_server_call = Some(id.clone());
            let metadata = signed(json!({ "serverToolCallId": id, "serverToolType": tool_type }));
            let args = args.unwrap_or_else(Json::empty_object);
            out.push_back(server_call(id, format!("server:{tool_type}"), &args, metadata));
        } else if let Some(ServerResponse { id, tool_type, response }) = part.tool_response {
            if let Some(id) = self.last_server_call.take().or(id) {
                let metadata = signed(json!({ "serverToolCallId": id, "serverToolType": tool_type }));
                out.push_back(StepEvent::ToolResult {
                    id,
                    tool_name: format!("server:{tool_type}"),
                    result: response.unwrap_or_else(Json::empty_object),
                    is_error: false,
                    provider_metadata: metadata,
                });
            }
        } else if let Some(text) = part.text {
            let metadata = signed(Value::Null);
            self.text(text, is_thought, signature, metadata, out);
        }
    }

    fn text(
        &mut self,
        text: String,
        is_thought: bool,
        signature: Option<String>,
        metadata: Option<ProviderMetadata>,
        out: &mut VecDeque<StepEvent>,
    ) {
        if text.is_empty() && signature.is_none() {
            return;
        }
        // A block has room for one signature, which is to come back with its own text.
        let has_other =
            |block: &Block| matches!((&block.signature, &signature), (Some(a), Some(b)) if a != b);
        if self.open.as_ref().is_some_and(|block| block.is_thought != is_thought || has_other(block)) {
            self.end_block(out);
        }
        let block = match &mut self.open {
            Some(block) => block,
            None => {
                let id = self.blocks.to_string();
                self.blocks += 1;
                out.push_back(match is_thought {
                    true => StepEvent::ReasoningStart { id: id.clone(), provider_metadata: None },
                    false => StepEvent::TextStart { id: id.clone(), provider_metadata: None },
                });
                self.open.insert(Block { id, is_thought, signature: None })
            }
        };
        block.signature = signature.or(block.signature.take());
        let id = block.id.clone();
        out.push_back(match block.is_thought {
            true => StepEvent::ReasoningDelta { id, delta: text, provider_metadata: metadata },
            false => StepEvent::TextDelta { id, delta: text, provider_metadata: metadata },
        });
    }

    fn end_block(&mut self, out: &mut VecDeque<StepEvent>) {
        let Some(Block { id, is_thought, .. }) = self.open.take() else { return };
        out.push_back(match is_thought {
            true => StepEvent::ReasoningEnd { id, provider_metadata: None },
            false => StepEvent::TextEnd { id, provider_metadata: None },
        });
    }

    /// The API gives a call's input in one piece.
    fn call(
        &mut self,
        call: FunctionCall,
        metadata: Option<ProviderMetadata>,
        out: &mut VecDeque<StepEvent>,
    ) {
        self.has_calls = true;
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.ids.next("call"));
        let input = call.args.unwrap_or_else(Json::empty_object);
        out.push_back(StepEvent::ToolInputStart {
            id: id.clone(),
            tool_name: call.name.clone(),
            provider_executed: false,
            provider_metadata: metadata.clone(),
        });
        out.push_back(StepEvent::ToolInputDelta { id: id.clone(), delta: input.as_str().to_owned() });
        out.push_back(StepEvent::ToolCall {
            id,
            tool_name: call.name,
            input: input.as_str().to_owned(),
            provider_executed: false,
            provider_metadata: metadata,
        });
    }

    /// Each address once; chunks repeat what earlier ones said.
    fn sources(&mut self, grounding: Grounding, out: &mut VecDeque<StepEvent>) {
        for chunk in grounding.grounding_chunks {
            let image = chunk.image.map(|image| Place { uri: image.source_uri, title: image.title });
            let place = chunk.web.or(image).or(chunk.retrieved_context).or(chunk.maps);
            let Some(Place { uri: Some(url), title }) = place else { continue };
            let is_on_the_web = url.starts_with("https://") || url.starts_with("http://");
            if is_on_the_web && self.cited.insert(url.clone()) {
                let id = self.ids.next("source");
                out.push_back(StepEvent::Source { id, url, title, provider_metadata: None });
            }
        }
    }
}

fn server_call(
    id: String,
    tool_name: String,
    input: &Json,
    provider_metadata: Option<ProviderMetadata>,
) -> StepEvent {
    let input = input.as_str().to_owned();
    StepEvent::ToolCall { id, tool_name, input, provider_executed: true, provider_metadata }
}
