//! The chunks of a Chat Completions stream as our events.

use std::collections::VecDeque;

use headstart_core::{
    sse::Event,
    step::{StepError, StepErrorKind, StepEvent, Usage},
    wire::{FinishReason, Json},
};

use super::{
    chat_wire::{Chunk, Citation, ContentPart, Delta, Image, WireCall, WireUsage},
    reasoning_details::{Detail, Details, shown},
};
use crate::{answer::Decode, ids::Ids};

/// The API has one text, without an id.
const TEXT_ID: &str = "0";
/// More calls than anybody makes at once.
const MAX_CALLS: usize = 256;

#[derive(Default)]
pub(crate) struct Decoder {
    has_begun: bool,
    has_text: bool,
    has_refusal: bool,
    ids: Ids,
    thoughts: usize,
    open_thought: Option<String>,
    /// Details of the open thought, and of the whole answer.
    details: Details,
    all_details: Details,
    /// Thoughts that have details.
    detailed: usize,
    calls: Vec<Call>,
    finish: Option<String>,
    usage: Usage,
    is_done: bool,
}

struct Call {
    index: Option<u64>,
    /// What the server calls it, if anything.
    wire_id: Option<String>,
    id: String,
    name: String,
    arguments: String,
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        if event.data.trim() == "[DONE]" {
            self.close(out);
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(&event.data)
            .map_err(|_| StepError::new(StepErrorKind::Malformed, "a chunk is unreadable"))?;
        let (groq_usage, groq_error) = chunk.x_groq.map_or((None, None), |groq| (groq.usage, groq.error));
        if let Some(error) = chunk.error.or(groq_error) {
            return Err(error.into_step_error("error chunk"));
        }
        // A short id is a number that some servers draw anew each time.
        if let Some(id) = chunk.id.filter(|id| id.len() >= 16) {
            self.ids.name(&id);
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            out.push_back(StepEvent::Start);
        }
        if let Some(usage) = chunk.usage.or(groq_usage) {
            self.count(usage);
        }
        // Others are alternatives, which nobody asked for.
        if let Some(choice) = chunk.choices.into_iter().next() {
            if let Some(delta) = choice.delta {
                self.delta(delta, out)?;
            }
            self.finish = choice.finish_reason.filter(|reason| !reason.is_empty()).or(self.finish.take());
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn is_ending(&self) -> bool {
        self.finish.is_some()
    }

    /// The API closes nothing by itself: all of it ends here.
    fn close(&mut self, out: &mut VecDeque<StepEvent>) {
        self.is_done = true;
        self.end_thought(out);
        if self.has_text {
            out.push_back(StepEvent::TextEnd { id: TEXT_ID.to_owned(), provider_metadata: None });
        }
        let mut calls = std::mem::take(&mut self.calls);
        calls.sort_by_key(|call| call.index.unwrap_or(u64::MAX));
        let has_calls = !calls.is_empty();
        // Agents look for details in one place, the first call before the first thought.
        let mut details = (self.detailed > 1).then(|| self.all_details.metadata()).flatten();
        for call in calls {
            out.push_back(StepEvent::ToolCall {
                id: call.id,
                tool_name: call.name,
                input: call.arguments,
                provider_executed: false,
                provider_metadata: details.take(),
            });
        }
        let reason = match self.finish.as_deref() {
            Some("length" | "max_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            Some("error") => FinishReason::Error,
            Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
            // Some servers say `stop` although they want a tool.
            _ if has_calls => FinishReason::ToolCalls,
            Some("stop" | "eos" | "end_turn") if self.has_refusal => FinishReason::ContentFilter,
            Some("stop" | "eos" | "end_turn") => FinishReason::Stop,
            _ => FinishReason::Other,
        };
        out.push_back(StepEvent::Finish { reason, paused: false, usage: self.usage });
    }
}

impl Decoder {
    fn count(&mut self, usage: WireUsage) {
        let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens);
        self.usage = Usage {
            input_tokens: usage.prompt_tokens,
            output_tokens: usage.completion_tokens,
            cached_input_tokens: cached.or(usage.prompt_cache_hit_tokens),
        };
    }

    fn delta(&mut self, delta: Delta, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        let text = |json: Json| json.to::<String>().ok();
        // Some servers give one and the same under two names or three.
        let details: Vec<Detail> =
            delta.reasoning_details.and_then(|json| json.to().ok()).unwrap_or_default();
        let thought: String = details.iter().map(shown).collect();
        if thought.is_empty() {
            let thought = delta.reasoning_content.or_else(|| delta.reasoning.and_then(text));
            self.thought(thought.unwrap_or_default(), out);
        } else {
            self.thought(thought, out);
        }
        for detail in details {
            self.begin_thought(out);
            self.all_details.add(detail.clone())?;
            self.details.add(detail)?;
        }
        match delta.content.as_ref().map(Json::to::<Vec<ContentPart>>) {
            Some(Ok(parts)) => {
                for part in parts {
                    let thoughts = part.thinking.unwrap_or_default().into_iter().filter_map(|part| part.text);
                    self.thought(thoughts.collect(), out);
                    self.text(part.text.unwrap_or_default(), out);
                }
            }
            _ => self.text(delta.content.and_then(text).unwrap_or_default(), out),
        }
        if let Some(refusal) = delta.refusal.filter(|text| !text.is_empty()) {
            self.has_refusal = true;
            self.text(refusal, out);
        }
        for citation in
            delta.annotations.into_iter().flatten().filter_map(|annotation| annotation.url_citation)
        {
            let Citation { url, title } = citation;
            let id = self.ids.next("source");
            out.push_back(StepEvent::Source { id, url, title, provider_metadata: None });
        }
        for image in delta.images.into_iter().flatten() {
            out.extend(file(&image));
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.end_thought(out);
            self.call(call, out)?;
        }
        Ok(())
    }

    fn thought(&mut self, delta: String, out: &mut VecDeque<StepEvent>) {
        if delta.is_empty() {
            return;
        }
        let id = self.begin_thought(out);
        out.push_back(StepEvent::ReasoningDelta { id, delta, provider_metadata: None });
    }

    /// The id of the open thought; one begins if there is none.
    fn begin_thought(&mut self, out: &mut VecDeque<StepEvent>) -> String {
        if let Some(id) = &self.open_thought {
            return id.clone();
        }
        let id = format!("reasoning-{}", self.thoughts);
        self.thoughts += 1;
        out.push_back(StepEvent::ReasoningStart { id: id.clone(), provider_metadata: None });
        self.open_thought = Some(id.clone());
        id
    }

    fn end_thought(&mut self, out: &mut VecDeque<StepEvent>) {
        if let Some(id) = self.open_thought.take() {
            let details = std::mem::take(&mut self.details);
            self.detailed += usize::from(!details.is_empty());
            out.push_back(StepEvent::ReasoningEnd { id, provider_metadata: details.metadata() });
        }
    }

    fn text(&mut self, delta: String, out: &mut VecDeque<StepEvent>) {
        // Servers open with an empty content even when only tools follow.
        if delta.is_empty() {
            return;
        }
        self.end_thought(out);
        let id = || TEXT_ID.to_owned();
        if !std::mem::replace(&mut self.has_text, true) {
            out.push_back(StepEvent::TextStart { id: id(), provider_metadata: None });
        }
        out.push_back(StepEvent::TextDelta { id: id(), delta, provider_metadata: None });
    }

    fn call(&mut self, wire: WireCall, out: &mut VecDeque<StepEvent>) -> Result<(), StepError> {
        let wire_id = wire.id.filter(|id| !id.is_empty());
        let (name, arguments) = wire.function.map_or((None, None), |call| (call.name, call.arguments));
        let name = name.filter(|name| !name.is_empty());
        // A piece of text, or the whole as a value.
        let arguments = arguments.filter(|json| !json.is_null());
        let arguments =
            arguments.map(|json| json.to::<String>().unwrap_or_else(|_| json.as_str().to_owned()));
        let at = match self.find(wire.index, wire_id.as_deref(), name.is_some()) {
            Some(at) => at,
            None if self.calls.len() == MAX_CALLS => {
                return Err(StepError::new(StepErrorKind::Malformed, "too many calls"));
            }
            None => {
                let id = wire_id.clone().unwrap_or_else(|| self.ids.next("call"));
                let (name, arguments) = (String::new(), String::new());
                self.calls.push(Call { index: wire.index, wire_id, id, name, arguments });
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[at];
        let mut shown = arguments.unwrap_or_default();
        call.arguments.push_str(&shown);
        if let (true, Some(name)) = (call.name.is_empty(), name) {
            out.push_back(StepEvent::ToolInputStart {
                id: call.id.clone(),
                tool_name: name.clone(),
                provider_executed: false,
                provider_metadata: None,
            });
            call.name = name;
            // What came before the name.
            shown.clone_from(&call.arguments);
        }
        if !call.name.is_empty() && !shown.is_empty() {
            out.push_back(StepEvent::ToolInputDelta { id: call.id.clone(), delta: shown });
        }
        Ok(())
    }

    /// The call that a piece belongs to. The index tells, where a server has one, unless it gives the same one to
    /// calls with ids of their own; without one the id does, and without both it is the last call.
    fn find(&self, index: Option<u64>, wire_id: Option<&str>, has_name: bool) -> Option<usize> {
        let is_same = |call: &Call| match (&call.wire_id, wire_id) {
            (Some(known), Some(id)) => known == id,
            _ => true,
        };
        match (index, wire_id) {
            (Some(_), _) => self.calls.iter().rposition(|call| call.index == index && is_same(call)),
            (None, Some(id)) => self.calls.iter().rposition(|call| call.wire_id.as_deref() == Some(id)),
            (None, None) => {
                self.calls.len().checked_sub(1).filter(|last| !has_name || self.calls[*last].name.is_empty())
            }
        }
    }
}

/// An image that came as a data URL.
fn file(image: &Image) -> Option<StepEvent> {
    let (media_type, data) = image.image_url.url.strip_prefix("data:")?.split_once(";base64,")?;
    let (media_type, data) = (media_type.to_owned(), data.to_owned());
    Some(StepEvent::File { media_type, data, provider_metadata: None })
}
