//! One pass over a model's events: chunks for the browser, and messages for the agent.
//!
//! The recorder knows what was said and what was shown; it decides nothing about the turn. Text that a cut
//! stream left open counts as said.

mod blocks;
mod calls;
mod messages;

use blocks::{Block, Kind};
pub use calls::PendingCall;

use super::{ApprovalSecret, StepError, StepErrorKind, StepEvent, ToolSet};
use crate::{
    turn_plan::random_id,
    wire::{
        AssistantPart, FileData, FilePart, FileType, FinishReason, ProviderMetadata, ReasoningFilePart,
        ReasoningFileType, ToolCallPart, ToolResultPart, UiChunk,
    },
};

/// The most that one step may say, in bytes. A handover carries all of it in one input of at most 1 MiB.
const DEFAULT_LIMIT: usize = 800 * 1024;
/// The most that one step may show beside that, in bytes: files and results that are not handed over.
const PASSING_LIMIT: usize = 16 * 1024 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub struct Recorder {
    message_id: String,
    tools: ToolSet,
    approval_secret: Option<ApprovalSecret>,
    limit: usize,
    size: usize,
    /// Bytes of what was shown and not kept.
    passed: usize,
    step_started: bool,
    is_shown: bool,
    is_closed: bool,
    finish: Option<(FinishReason, bool)>,
    parts: Vec<Part>,
    /// Blocks that are open, by the provider's id.
    open: Vec<Block>,
    used_ids: Vec<String>,
    /// Calls whose input has begun to stream.
    inputs: Vec<Input>,
    pending: Vec<PendingCall>,
}

#[derive(Debug)]
struct Input {
    call: String,
    /// Bytes that came so far.
    size: usize,
}

#[derive(Debug)]
enum Part {
    Text(String, Option<ProviderMetadata>),
    Reasoning(String, Option<ProviderMetadata>),
    Call {
        call: ToolCallPart,
        error: Option<String>,
    },
    Result(ToolResultPart),
    Other(AssistantPart),
    /// Too large to be handed over.
    LeftOut,
}

impl Recorder {
    /// For the message of this id.
    #[must_use]
    pub fn new(message_id: String) -> Self {
        Self {
            message_id,
            tools: ToolSet::default(),
            approval_secret: None,
            limit: DEFAULT_LIMIT,
            size: 0,
            passed: 0,
            step_started: false,
            is_shown: false,
            is_closed: false,
            finish: None,
            parts: Vec::new(),
            open: Vec::new(),
            used_ids: Vec::new(),
            inputs: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// The same with another limit of what one step may say, in bytes.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// The same for an agent that checks who made an approval request.
    #[must_use]
    pub fn with_approval_secret(mut self, secret: Option<ApprovalSecret>) -> Self {
        self.approval_secret = secret;
        self
    }

    /// The tools that the model was given.
    pub fn set_tools(&mut self, tools: ToolSet) {
        self.tools = tools;
    }

    /// The message begins.
    pub fn start(&self, out: &mut Vec<UiChunk>) {
        out.push(UiChunk::Start { message_id: self.message_id.clone() });
    }

    /// Takes in one event and appends its chunks.
    ///
    /// # Errors
    /// When the model says more than the limit. A file or a result of the provider's own that does not fit is
    /// shown and not kept.
    pub fn event(&mut self, event: StepEvent, out: &mut Vec<UiChunk>) -> Result<(), StepError> {
        use StepEvent as E;
        if self.is_closed {
            return Ok(());
        }
        let is_kept = self.admit(&event)?;
        match event {
            E::Start => {}
            E::Finish { reason, paused, .. } => self.finish = Some((reason, paused)),
            E::TextStart { id, provider_metadata } => {
                self.block_start(Kind::Text, &id, provider_metadata, out)
            }
            E::ReasoningStart { id, provider_metadata } => {
                self.block_start(Kind::Reasoning, &id, provider_metadata, out);
            }
            E::TextDelta { id, delta, provider_metadata } => {
                // Without anything in it nobody misses it.
                if !delta.is_empty() || provider_metadata.is_some() {
                    self.block_delta(Kind::Text, &id, delta, provider_metadata, out);
                }
            }
            E::ReasoningDelta { id, delta, provider_metadata } => {
                self.block_delta(Kind::Reasoning, &id, delta, provider_metadata, out);
            }
            E::TextEnd { id, provider_metadata } => self.block_end(Kind::Text, &id, provider_metadata, out),
            E::ReasoningEnd { id, provider_metadata } => {
                self.block_end(Kind::Reasoning, &id, provider_metadata, out);
            }
            E::ToolInputStart { id, tool_name, provider_executed, provider_metadata } => {
                if !self.has_call(&id) && self.input(&id).is_none() {
                    let mut flags = self.flags(&tool_name, provider_executed, provider_metadata);
                    if !provider_executed && self.tools.get(&tool_name).is_none() {
                        flags.dynamic = Some(false);
                    }
                    self.inputs.push(Input { call: id.clone(), size: 0 });
                    self.show(UiChunk::ToolInputStart { tool_call_id: id, tool_name, flags }, out);
                }
            }
            E::ToolInputDelta { id, delta } => {
                if self.has_call(&id) {
                    return Ok(());
                }
                if let Some(input) = self.input(&id) {
                    input.size += delta.len();
                    self.show(UiChunk::ToolInputDelta { tool_call_id: id, input_text_delta: delta }, out);
                }
            }
            E::ToolCall { id, tool_name, input, provider_executed, provider_metadata } => {
                if !self.has_call(&id) {
                    self.call(id, tool_name, &input, provider_executed, provider_metadata, out);
                }
            }
            E::ToolResult { id, tool_name, result, is_error, provider_metadata } => {
                self.result(id.clone(), tool_name, result, is_error, provider_metadata, out);
                if !is_kept {
                    self.forget_call(&id);
                }
            }
            E::File { media_type, data, provider_metadata } => {
                let url = format!("data:{media_type};base64,{data}");
                let metadata = provider_metadata.clone();
                self.show(
                    UiChunk::File { media_type: media_type.clone(), url, provider_metadata: metadata },
                    out,
                );
                let part = Part::Other(AssistantPart::File(FilePart {
                    r#type: FileType::Value,
                    media_type,
                    filename: None,
                    data: FileData::Base64(data),
                    provider_options: provider_metadata,
                }));
                self.parts.extend(is_kept.then_some(part));
            }
            E::ReasoningFile { media_type, data, provider_metadata } => {
                let url = format!("data:{media_type};base64,{data}");
                let metadata = provider_metadata.clone();
                let chunk = UiChunk::ReasoningFile {
                    media_type: media_type.clone(),
                    url,
                    provider_metadata: metadata,
                };
                self.show(chunk, out);
                let part = Part::Other(AssistantPart::ReasoningFile(ReasoningFilePart {
                    r#type: ReasoningFileType::Value,
                    data: FileData::Base64(data),
                    media_type,
                    provider_options: provider_metadata,
                }));
                self.parts.extend(is_kept.then_some(part));
            }
            // Browsers do not get them unless an application asks; agents drop them.
            E::Source { .. } => {}
        }
        Ok(())
    }

    /// What the model said at its end: why, and whether it wants to be called again.
    #[must_use]
    pub fn finish(&self) -> Option<(FinishReason, bool)> {
        self.finish
    }

    /// Closes what is open, the step and the message. Once.
    pub fn close(&mut self, reason: FinishReason, out: &mut Vec<UiChunk>) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        for block in std::mem::take(&mut self.open) {
            let id = block.id;
            out.push(match self.parts.get(block.part) {
                Some(Part::Reasoning(..)) => UiChunk::ReasoningEnd { id, provider_metadata: None },
                _ => UiChunk::TextEnd { id, provider_metadata: None },
            });
        }
        self.start_step(out);
        // A human has to act: all that the agent would run waits for the same answer.
        if reason != FinishReason::Error
            && self.pending.iter().any(|call| call.needs_approval || call.client_side)
        {
            let asked = self.pending.iter().filter(|call| !call.client_side);
            out.extend(asked.map(|call| {
                let approval_id = random_id(16);
                UiChunk::ToolApprovalRequest {
                    signature: self.approval_signature(&approval_id, &call.tool_call_id),
                    approval_id,
                    tool_call_id: call.tool_call_id.clone(),
                }
            }));
        }
        out.push(UiChunk::FinishStep);
        out.push(UiChunk::Finish { finish_reason: reason });
    }

    /// Withdraws everything said so far.
    pub fn reset(&mut self, out: &mut Vec<UiChunk>) {
        if self.step_started {
            out.push(UiChunk::ResetStep);
        }
        self.is_closed = true;
        self.is_shown = false;
        self.parts.clear();
        self.open.clear();
        self.pending.clear();
    }

    /// Has the browser been sent anything but the frame of the message?
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.is_shown
    }

    // ── what all share ──────────────────────────────────────────────────────────────────────────────

    /// The step begins with its first part, not before: a message that only began leaves no trace when the
    /// agent answers in its place.
    fn start_step(&mut self, out: &mut Vec<UiChunk>) {
        if !std::mem::replace(&mut self.step_started, true) {
            out.push(UiChunk::StartStep);
        }
    }

    fn show(&mut self, chunk: UiChunk, out: &mut Vec<UiChunk>) {
        self.start_step(out);
        self.is_shown = true;
        out.push(chunk);
    }

    fn input(&mut self, call: &str) -> Option<&mut Input> {
        self.inputs.iter_mut().find(|input| input.call == call)
    }

    /// May this be said, and is it kept? A file or a provider's own result that is too large for the handover
    /// is shown all the same: the answer does not fail for it.
    fn admit(&mut self, event: &StepEvent) -> Result<bool, StepError> {
        let mut size = event.size();
        // The whole input comes behind its pieces, and is not said twice.
        if let StepEvent::ToolCall { id, input, .. } = event
            && let Some(streamed) = self.input(id)
        {
            size -= streamed.size.min(input.len());
        }
        let fits = self.size + size <= self.limit;
        let may_pass = matches!(
            event,
            StepEvent::File { .. } | StepEvent::ReasoningFile { .. } | StepEvent::ToolResult { .. }
        );
        if fits {
            self.size += size;
            return Ok(true);
        }
        if may_pass && self.passed + size <= PASSING_LIMIT {
            self.passed += size;
            return Ok(false);
        }
        let message = format!("the answer is larger than {} bytes", self.limit);
        Err(StepError::new(StepErrorKind::Malformed, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_without_end_are_too_much() {
        let mut recorder = Recorder::new("m".into()).with_limit(10_000);
        let blocks = (0..1000).map(|n| StepEvent::TextStart { id: n.to_string(), provider_metadata: None });
        let mut chunks = Vec::new();
        let mut results = blocks.map(|event| recorder.event(event, &mut chunks));
        assert!(results.any(|result| result.is_err()));
    }

    #[test]
    fn a_streamed_input_counts_once() {
        let mut recorder = Recorder::new("m".into()).with_limit(1000);
        let input = format!(r#"{{"text":"{}"}}"#, "x".repeat(700));
        let (id, tool_name) = ("c".to_owned(), "write".to_owned());
        let call = |input: String| StepEvent::ToolCall {
            id: id.clone(),
            tool_name: tool_name.clone(),
            input,
            provider_executed: false,
            provider_metadata: None,
        };
        for event in [
            StepEvent::ToolInputStart {
                id: id.clone(),
                tool_name: tool_name.clone(),
                provider_executed: false,
                provider_metadata: None,
            },
            StepEvent::ToolInputDelta { id: id.clone(), delta: input.clone() },
            call(input),
        ] {
            recorder.event(event, &mut Vec::new()).unwrap();
        }
        let other = StepEvent::TextDelta { id: "t".into(), delta: "x".repeat(400), provider_metadata: None };
        assert!(recorder.event(other, &mut Vec::new()).is_err(), "but once it does");
    }
}
