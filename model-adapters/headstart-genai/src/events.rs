//! genai's events as ours. It knows no blocks: what is of one kind and in a row is one.

use std::collections::VecDeque;

use genai::{
    adapter::AdapterKind,
    chat::{ChatStreamEvent, StopReason, StreamEnd, ToolCall, Usage},
};
use headstart_core::{
    step::{self, StepEvent},
    wire::{FinishReason, Json},
};
use serde_json::Value;

use crate::signing::{Signing, redacted_metadata};

pub(crate) struct Events {
    signing: Signing,
    blocks: usize,
    open: Option<Block>,
    /// A signature that belongs to the next part.
    mark: Option<String>,
    calls: Vec<Call>,
}

struct Block {
    id: String,
    is_reasoning: bool,
    signature: String,
}

struct Call {
    id: String,
    name: String,
    /// The input's text so far.
    text: String,
    /// The input as genai read it.
    value: Value,
    /// It came at once, and another of this id is another call: ids of genai's own making repeat.
    is_whole: bool,
    metadata: Option<Json>,
}

impl Events {
    pub(crate) fn new(adapter: AdapterKind, model: &str) -> Self {
        let signing = Signing::of(adapter, model);
        Self { signing, blocks: 0, open: None, mark: None, calls: Vec::new() }
    }

    pub(crate) fn event(&mut self, event: ChatStreamEvent, out: &mut VecDeque<StepEvent>) {
        match event {
            // It comes before the request is sent.
            ChatStreamEvent::Start | ChatStreamEvent::Heartbeat => {}
            ChatStreamEvent::Chunk(chunk) => self.delta(false, chunk.content, out),
            ChatStreamEvent::ReasoningChunk(chunk) => self.delta(true, chunk.content, out),
            ChatStreamEvent::ThoughtSignatureChunk(chunk) => match self.signing {
                Signing::Closes(_) => {
                    self.block(true, out).signature.push_str(&chunk.content);
                }
                Signing::Marks(_) => self.mark = Some(chunk.content),
                Signing::Nothing => {}
            },
            ChatStreamEvent::ToolCallChunk(chunk) => self.call(chunk.tool_call, out),
            ChatStreamEvent::End(end) => self.end(end, out),
        }
    }

    /// A block of thinking that only the provider can read.
    pub(crate) fn redacted(&mut self, data: String, out: &mut VecDeque<StepEvent>) {
        self.close(out);
        let id = self.next_id();
        let provider_metadata = Some(redacted_metadata(&data));
        out.push_back(StepEvent::ReasoningStart { id: id.clone(), provider_metadata });
        out.push_back(StepEvent::ReasoningEnd { id, provider_metadata: None });
    }

    fn delta(&mut self, is_reasoning: bool, delta: String, out: &mut VecDeque<StepEvent>) {
        if delta.is_empty() {
            return;
        }
        // A signed block is over.
        if self.open.as_ref().is_some_and(|block| !block.signature.is_empty()) {
            self.close(out);
        }
        let provider_metadata = self.mark.take().and_then(|mark| self.signing.metadata(&mark));
        let id = self.block(is_reasoning, out).id.clone();
        out.push_back(match is_reasoning {
            true => StepEvent::ReasoningDelta { id, delta, provider_metadata },
            false => StepEvent::TextDelta { id, delta, provider_metadata },
        });
    }

    /// The open block of this kind, begun if there is none.
    fn block(&mut self, is_reasoning: bool, out: &mut VecDeque<StepEvent>) -> &mut Block {
        if self.open.as_ref().is_some_and(|block| block.is_reasoning != is_reasoning) {
            self.close(out);
        }
        if self.open.is_none() {
            let (id, provider_metadata) = (self.next_id(), None);
            out.push_back(match is_reasoning {
                true => StepEvent::ReasoningStart { id, provider_metadata },
                false => StepEvent::TextStart { id, provider_metadata },
            });
        }
        let id = self.blocks.saturating_sub(1).to_string();
        self.open.get_or_insert(Block { id, is_reasoning, signature: String::new() })
    }

    fn next_id(&mut self) -> String {
        self.blocks += 1;
        (self.blocks - 1).to_string()
    }

    fn close(&mut self, out: &mut VecDeque<StepEvent>) {
        let Some(Block { id, is_reasoning, signature }) = self.open.take() else { return };
        if !signature.is_empty() {
            let (id, delta) = (id.clone(), String::new());
            let provider_metadata = self.signing.metadata(&signature);
            out.push_back(StepEvent::ReasoningDelta { id, delta, provider_metadata });
        }
        out.push_back(match is_reasoning {
            true => StepEvent::ReasoningEnd { id, provider_metadata: None },
            false => StepEvent::TextEnd { id, provider_metadata: None },
        });
    }

    /// A call as far as it got. Its input is either text that grows or, whole, a value.
    fn call(&mut self, tool_call: ToolCall, out: &mut VecDeque<StepEvent>) {
        let ToolCall { call_id, fn_name, fn_arguments, thought_signatures } = tool_call;
        self.close(out);
        self.mark = None;
        let (text, is_whole) = match fn_arguments {
            Value::String(text) => (text, false),
            Value::Null => (String::new(), true),
            value => (value.to_string(), true),
        };
        let at = match self.calls.iter().position(|call| call.id == call_id) {
            Some(at) if !is_whole => at,
            known => {
                let id = if known.is_some() { format!("{call_id}{}", self.calls.len()) } else { call_id };
                let signature = thought_signatures.as_ref().and_then(|signatures| signatures.first());
                let metadata = signature.and_then(|signature| self.signing.metadata(signature));
                out.push_back(StepEvent::ToolInputStart {
                    id: id.clone(),
                    tool_name: fn_name.clone(),
                    provider_executed: false,
                    provider_metadata: metadata.clone(),
                });
                let (text, value) = (String::new(), Value::Null);
                self.calls.push(Call { id, name: fn_name, text, value, is_whole, metadata });
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[at];
        if let Some(delta) = text.strip_prefix(&*call.text).filter(|delta| !delta.is_empty()) {
            out.push_back(StepEvent::ToolInputDelta { id: call.id.clone(), delta: delta.to_owned() });
            call.text = text;
        }
    }

    fn end(&mut self, end: StreamEnd, out: &mut VecDeque<StepEvent>) {
        self.close(out);
        // Some calls come only now, or are only now complete.
        let usage = usage(end.captured_usage.as_ref());
        let reason = finish_reason(end.captured_stop_reason.as_ref());
        let captured = end.captured_into_tool_calls().unwrap_or_default();
        let are_whole = self.calls.iter().any(|call| call.is_whole);
        for captured in captured.into_iter().filter(|_| !are_whole) {
            let value = captured.fn_arguments.clone();
            if !self.calls.iter().any(|call| call.id == captured.call_id) {
                self.call(captured.clone(), out);
            }
            if let Some(call) = self.calls.iter_mut().find(|call| call.id == captured.call_id) {
                call.value = value;
            }
        }
        let has_calls = !self.calls.is_empty();
        for call in self.calls.drain(..) {
            let input = call.input();
            out.push_back(StepEvent::ToolCall {
                id: call.id,
                tool_name: call.name,
                input,
                provider_executed: false,
                provider_metadata: call.metadata,
            });
        }
        let (reason, paused) = match reason {
            None if has_calls => (FinishReason::ToolCalls, false),
            None => (FinishReason::Other, false),
            Some(reason) => reason,
        };
        out.push_back(StepEvent::Finish { reason, paused, usage });
    }
}

impl Call {
    /// The text as the model wrote it, unless genai knows better.
    fn input(&self) -> String {
        let written: Option<Value> = serde_json::from_str(&self.text).ok();
        match &self.value {
            Value::Null => self.text.clone(),
            Value::String(text) => text.clone(),
            value if written.as_ref() == Some(value) => self.text.clone(),
            value => value.to_string(),
        }
    }
}

fn finish_reason(stop: Option<&StopReason>) -> Option<(FinishReason, bool)> {
    Some(match stop? {
        StopReason::Completed(_) | StopReason::StopSequence(_) => (FinishReason::Stop, false),
        StopReason::MaxTokens(_) => (FinishReason::Length, false),
        StopReason::ToolCall(_) => (FinishReason::ToolCalls, false),
        StopReason::ContentFilter(_) => (FinishReason::ContentFilter, false),
        StopReason::Other(reason) if reason == "pause_turn" => (FinishReason::Stop, true),
        StopReason::Other(_) => (FinishReason::Other, false),
    })
}

fn usage(usage: Option<&Usage>) -> step::Usage {
    let Some(usage) = usage else { return step::Usage::default() };
    let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
    step::Usage {
        input_tokens: count(usage.prompt_tokens),
        output_tokens: count(usage.completion_tokens),
        cached_input_tokens: count(
            usage.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens),
        ),
    }
}
