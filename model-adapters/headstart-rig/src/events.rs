//! rig's events as ours: parts that start, grow and end.

use std::collections::{HashMap, VecDeque};

use headstart_core::{
    step::{StepEvent, Usage},
    wire::FinishReason,
};
use rig_core::{
    completion::{CompletionResponse, FinishReason as RigFinish},
    message::AssistantContent,
    streaming::{PartKind, StreamEvent},
};

use crate::metadata::of_item;

#[derive(Default)]
pub(crate) struct Events {
    /// The text of the calls' inputs so far, by part. A call's id comes with its end, so nothing is told before.
    inputs: HashMap<usize, String>,
}

impl Events {
    pub(crate) fn event(&mut self, event: StreamEvent, out: &mut VecDeque<StepEvent>) {
        let at = event.part().index();
        let (id, provider_metadata) = (at.to_string(), None);
        match event {
            StreamEvent::Start { kind: PartKind::Text, .. } => {
                out.push_back(StepEvent::TextStart { id, provider_metadata });
            }
            StreamEvent::Start { kind: PartKind::Reasoning, .. } => {
                out.push_back(StepEvent::ReasoningStart { id, provider_metadata });
            }
            StreamEvent::Start { .. } => {}
            StreamEvent::Text { text: delta, .. } => {
                out.push_back(StepEvent::TextDelta { id, delta, provider_metadata });
            }
            StreamEvent::Reasoning { text: delta, .. } => {
                out.push_back(StepEvent::ReasoningDelta { id, delta, provider_metadata });
            }
            StreamEvent::Arguments { json, .. } => self.inputs.entry(at).or_default().push_str(&json),
            StreamEvent::End { content, .. } => self.end(at, &content, out),
        }
    }

    fn end(&mut self, at: usize, content: &AssistantContent, out: &mut VecDeque<StepEvent>) {
        let id = at.to_string();
        let provider_metadata = of_item(content.native_item());
        match content {
            AssistantContent::Text(_) => out.push_back(StepEvent::TextEnd { id, provider_metadata }),
            AssistantContent::Reasoning(_) => {
                out.push_back(StepEvent::ReasoningEnd { id, provider_metadata })
            }
            AssistantContent::ToolCall(call) => {
                let written = self.inputs.remove(&at).unwrap_or_default();
                let input = match &call.function.invalid_arguments {
                    Some(invalid) => invalid.clone(),
                    None if !written.is_empty() => written,
                    None => call.function.arguments_value().to_string(),
                };
                out.push_back(StepEvent::ToolCall {
                    id: call.id.to_string(),
                    tool_name: call.function.name.as_str().to_owned(),
                    input,
                    provider_executed: false,
                    provider_metadata,
                });
            }
            _ => {}
        }
    }
}

/// How the answer ended.
pub(crate) fn finish(response: &CompletionResponse) -> StepEvent {
    let (reason, paused) = match response.finish_reason() {
        Some(RigFinish::Stop) => (FinishReason::Stop, false),
        Some(RigFinish::Length) => (FinishReason::Length, false),
        Some(RigFinish::ToolCalls) => (FinishReason::ToolCalls, false),
        Some(RigFinish::ContentFilter) => (FinishReason::ContentFilter, false),
        Some(RigFinish::Other(reason)) if reason == "pause_turn" => (FinishReason::Stop, true),
        Some(RigFinish::Other(reason)) if reason == "refusal" => (FinishReason::ContentFilter, false),
        _ => (FinishReason::Other, false),
    };
    let usage = Usage {
        input_tokens: response.usage.input_tokens,
        output_tokens: response.usage.output_tokens,
        cached_input_tokens: response.usage.cached_input_tokens,
    };
    StepEvent::Finish { reason, paused, usage }
}
