//! One pass over a model's events: chunks for the browser, and messages for the agent.
//!
//! The recorder knows what was said and what was shown; it decides nothing about the turn. Text that a cut
//! stream left open counts as said.

use super::{
    ApprovalSecret, StepError, StepErrorKind, StepEvent, ToolSet, tool_error::unknown_tool,
    tool_input::check_tool_input,
};
use crate::{
    turn_plan::random_id,
    wire::{
        AssistantPart, FileData, FilePart, FileType, FinishReason, Json, ModelMessage, ProviderMetadata,
        ReasoningFilePart, ReasoningFileType, ReasoningPart, ReasoningType, TextPart, TextType, ToolCallPart,
        ToolCallType, ToolFlags, ToolOutput, ToolPart, ToolResultPart, ToolResultType, UiChunk,
    },
};

/// The most that one step may say, in bytes. A handover carries all of it in one input of at most 1 MiB.
const DEFAULT_LIMIT: usize = 800 * 1024;
/// The most that one step may show beside that, in bytes: files and results that are not handed over.
const PASSING_LIMIT: usize = 16 * 1024 * 1024;

/// A call of a client tool that has no result yet: the agent is to run it, or a human to answer it.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingCall {
    /// The call.
    pub tool_call_id: String,
    /// The tool.
    pub tool_name: String,
    /// A human has to allow it.
    pub needs_approval: bool,
    /// The page answers it.
    pub client_side: bool,
}

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
    inputs: Vec<String>,
    pending: Vec<PendingCall>,
}

#[derive(Debug)]
struct Block {
    provider_id: String,
    id: String,
    part: usize,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
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
                if !self.has_call(&id) && !self.inputs.contains(&id) {
                    let mut flags = self.flags(&tool_name, provider_executed, provider_metadata);
                    if !provider_executed && self.tools.get(&tool_name).is_none() {
                        flags.dynamic = Some(false);
                    }
                    self.inputs.push(id.clone());
                    self.show(UiChunk::ToolInputStart { tool_call_id: id, tool_name, flags }, out);
                }
            }
            E::ToolInputDelta { id, delta } => {
                if self.inputs.contains(&id) && !self.has_call(&id) {
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

    /// Was any text said?
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Text(text, _) if !text.is_empty()))
    }

    /// Calls that somebody still has to run, in order.
    #[must_use]
    pub fn pending_calls(&self) -> &[PendingCall] {
        &self.pending
    }

    /// Proof that this call was asked about under this id, for agents that want one.
    #[must_use]
    pub fn approval_signature(&self, approval_id: &str, tool_call_id: &str) -> Option<String> {
        let secret = self.approval_secret.as_ref()?;
        self.parts.iter().find_map(|part| match part {
            Part::Call { call, .. } if call.tool_call_id == tool_call_id => {
                secret.sign(approval_id, tool_call_id, &call.tool_name, &call.input)
            }
            _ => None,
        })
    }

    /// Was there a call that nobody can run?
    #[must_use]
    pub fn has_invalid_calls(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Call { error: Some(_), .. }))
    }

    /// What was said, as messages: an assistant message if anything was, and a tool message with the errors
    /// of calls that cannot run.
    #[must_use]
    pub fn messages(&self) -> Vec<ModelMessage> {
        self.build(|_| true)
    }

    /// The same without calls that have no result of their own: what may stand as a whole answer. The error
    /// of an invalid call is one.
    #[must_use]
    pub fn final_messages(&self) -> Vec<ModelMessage> {
        self.build(|part| match part {
            Part::Call { call, error } => error.is_some() || self.has_result(&call.tool_call_id),
            _ => true,
        })
    }

    fn build(&self, keep: impl Fn(&Part) -> bool) -> Vec<ModelMessage> {
        let mut said = Vec::new();
        let mut errors = Vec::new();
        for part in self.parts.iter().filter(|part| keep(part)) {
            match part {
                Part::Text(text, metadata) if text.is_empty() && metadata.is_none() => {}
                Part::Text(text, metadata) => said.push(AssistantPart::Text(TextPart {
                    r#type: TextType::Value,
                    text: text.clone(),
                    provider_options: metadata.clone(),
                })),
                Part::Reasoning(text, metadata) => said.push(AssistantPart::Reasoning(ReasoningPart {
                    r#type: ReasoningType::Value,
                    text: text.clone(),
                    provider_options: metadata.clone(),
                })),
                Part::Call { call, error } => {
                    said.push(AssistantPart::ToolCall(call.clone()));
                    errors.extend(error.as_ref().map(|error| {
                        ToolPart::Result(ToolResultPart {
                            r#type: ToolResultType::Value,
                            tool_call_id: call.tool_call_id.clone(),
                            tool_name: call.tool_name.clone(),
                            output: ToolOutput::ErrorText { value: error.clone() },
                            provider_options: None,
                        })
                    }));
                }
                Part::Result(result) => said.push(AssistantPart::ToolResult(result.clone())),
                Part::Other(part) => said.push(part.clone()),
                Part::LeftOut => {}
            }
        }
        let said = (!said.is_empty()).then(|| ModelMessage::assistant(said));
        let errors = (!errors.is_empty()).then(|| ModelMessage::tool(errors));
        said.into_iter().chain(errors).collect()
    }

    // ── blocks ──────────────────────────────────────────────────────────────────────────────────────

    fn block_start(
        &mut self,
        kind: Kind,
        provider_id: &str,
        metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        if self.find(kind, provider_id).is_some() {
            self.block_end(kind, provider_id, None, out);
        }
        // Browsers tell blocks by their id; providers use one again.
        let id = match self.used_ids.iter().any(|used| used == provider_id) {
            true => format!("aitxt-{}", random_id(24)),
            false => provider_id.to_owned(),
        };
        self.used_ids.push(provider_id.to_owned());
        let block = Block { provider_id: provider_id.to_owned(), id: id.clone(), part: self.parts.len() };
        self.open.push(block);
        let provider_metadata = metadata.clone();
        match kind {
            Kind::Text => {
                self.parts.push(Part::Text(String::new(), metadata));
                self.show(UiChunk::TextStart { id, provider_metadata }, out);
            }
            Kind::Reasoning => {
                self.parts.push(Part::Reasoning(String::new(), metadata));
                self.show(UiChunk::ReasoningStart { id, provider_metadata }, out);
            }
        }
    }

    fn find(&self, kind: Kind, provider_id: &str) -> Option<usize> {
        self.open.iter().position(|block| {
            let is_reasoning = matches!(self.parts.get(block.part), Some(Part::Reasoning(..)));
            block.provider_id == provider_id && is_reasoning == (kind == Kind::Reasoning)
        })
    }

    fn block_delta(
        &mut self,
        kind: Kind,
        provider_id: &str,
        delta: String,
        provider_metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        if self.find(kind, provider_id).is_none() {
            self.block_start(kind, provider_id, None, out);
        }
        let Some(at) = self.find(kind, provider_id) else { return };
        let (id, part) = (self.open[at].id.clone(), self.open[at].part);
        if let Some(Part::Text(text, metadata) | Part::Reasoning(text, metadata)) = self.parts.get_mut(part) {
            text.push_str(&delta);
            if provider_metadata.is_some() {
                metadata.clone_from(&provider_metadata);
            }
        }
        self.show(
            match kind {
                Kind::Text => UiChunk::TextDelta { id, delta, provider_metadata },
                Kind::Reasoning => UiChunk::ReasoningDelta { id, delta, provider_metadata },
            },
            out,
        );
    }

    fn block_end(
        &mut self,
        kind: Kind,
        provider_id: &str,
        metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        let Some(at) = self.find(kind, provider_id) else { return };
        let block = self.open.remove(at);
        if let (Some(Part::Text(_, last) | Part::Reasoning(_, last)), Some(metadata)) =
            (self.parts.get_mut(block.part), &metadata)
        {
            *last = Some(metadata.clone());
        }
        let (id, provider_metadata) = (block.id, metadata);
        out.push(match kind {
            Kind::Text => UiChunk::TextEnd { id, provider_metadata },
            Kind::Reasoning => UiChunk::ReasoningEnd { id, provider_metadata },
        });
    }

    // ── tools ───────────────────────────────────────────────────────────────────────────────────────

    fn has_call(&self, id: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Call { call, .. } if call.tool_call_id == id))
    }

    fn has_result(&self, id: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Result(result) if result.tool_call_id == id))
    }

    fn flags(
        &self,
        tool_name: &str,
        provider_executed: bool,
        provider_metadata: Option<ProviderMetadata>,
    ) -> ToolFlags {
        let tool = self.tools.get(tool_name);
        ToolFlags {
            provider_executed: provider_executed.then_some(true),
            provider_metadata,
            // A provider's own tool needs no declaration, and all its chunks must be of one kind: a page
            // makes two parts of a call that begins as one and becomes available as the other.
            dynamic: tool.map_or(!provider_executed, |tool| tool.is_dynamic()).then_some(true),
            title: tool.and_then(|tool| tool.shown_title()).map(str::to_owned),
        }
    }

    fn call(
        &mut self,
        id: String,
        tool_name: String,
        raw: &str,
        provider_executed: bool,
        metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        let flags = self.flags(&tool_name, provider_executed, metadata.clone());
        let checked = match self.tools.get(&tool_name) {
            Some(tool) => check_tool_input(tool, raw).map(|input| (input, Some(tool))),
            // The provider's own tools are its own business.
            None if provider_executed => Json::parse(if raw.trim().is_empty() { "{}" } else { raw })
                .map(|input| (input, None))
                .map_err(|_| (Json::string(raw), String::from("the input is not JSON"))),
            None => {
                let input = Json::parse(raw).unwrap_or_else(|_| Json::string(raw));
                Err((input, unknown_tool(&tool_name, &self.tools)))
            }
        };
        let part = |input: Json, error| Part::Call {
            call: ToolCallPart {
                r#type: ToolCallType::Value,
                tool_call_id: id.clone(),
                tool_name: tool_name.clone(),
                input,
                provider_executed: flags.provider_executed,
                provider_options: metadata.clone(),
            },
            error,
        };
        match checked {
            Ok((input, tool)) => {
                if !provider_executed {
                    self.pending.push(PendingCall {
                        tool_call_id: id.clone(),
                        tool_name: tool_name.clone(),
                        needs_approval: tool.is_some_and(|tool| tool.is_approval_needed()),
                        client_side: tool.is_some_and(|tool| tool.is_client_side()),
                    });
                }
                self.parts.push(part(input.clone(), None));
                self.show(UiChunk::ToolInputAvailable { tool_call_id: id, tool_name, input, flags }, out);
            }
            Err((input, error_text)) => {
                // Models take only objects for an input.
                let kept = if input.is_object() { input.clone() } else { Json::empty_object() };
                self.parts.push(part(kept, Some(error_text.clone())));
                let chunk = UiChunk::ToolInputError {
                    tool_call_id: id,
                    tool_name,
                    input,
                    provider_executed: flags.provider_executed,
                    provider_metadata: flags.provider_metadata,
                    dynamic: flags.dynamic,
                    error_text,
                    title: flags.title,
                };
                self.show(chunk, out);
            }
        }
    }

    fn result(
        &mut self,
        id: String,
        tool_name: String,
        result: Json,
        is_error: bool,
        provider_metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        // A result for a call nobody saw would fail the browser's stream.
        if !self.has_call(&id) || self.has_result(&id) {
            return;
        }
        let dynamic = self.tools.get(&tool_name).is_some_and(|tool| tool.is_dynamic()).then_some(true);
        let (output, chunk) = if is_error {
            let error_text = result.to::<String>().unwrap_or_else(|_| result.as_str().to_owned());
            let chunk = UiChunk::ToolOutputError {
                tool_call_id: id.clone(),
                error_text,
                provider_executed: Some(true),
                provider_metadata: provider_metadata.clone(),
                dynamic,
            };
            (ToolOutput::ErrorJson { value: result }, chunk)
        } else {
            let chunk = UiChunk::ToolOutputAvailable {
                tool_call_id: id.clone(),
                output: result.clone(),
                provider_executed: Some(true),
                provider_metadata: provider_metadata.clone(),
                dynamic,
            };
            (ToolOutput::Json { value: result }, chunk)
        };
        self.show(chunk, out);
        self.parts.push(Part::Result(ToolResultPart {
            r#type: ToolResultType::Value,
            tool_call_id: id,
            tool_name,
            output,
            provider_options: provider_metadata,
        }));
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

    /// May this be said, and is it kept? A file or a provider's own result that is too large for the handover
    /// is shown all the same: the answer does not fail for it.
    fn admit(&mut self, event: &StepEvent) -> Result<bool, StepError> {
        let size = event.size();
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

    /// Leaves a call and its result out of the messages: one without the other would be refused.
    fn forget_call(&mut self, id: &str) {
        for part in &mut self.parts {
            let of = match part {
                Part::Call { call, .. } => &call.tool_call_id,
                Part::Result(result) => &result.tool_call_id,
                _ => continue,
            };
            if of == id {
                *part = Part::LeftOut;
            }
        }
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
}
