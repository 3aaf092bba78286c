//! Calls of tools, and results of those that the provider ran.

use super::{Part, Recorder};
use crate::{
    step::{tool_error::unknown_tool, tool_input::check_tool_input},
    wire::{
        Json, ProviderMetadata, ToolCallPart, ToolCallType, ToolFlags, ToolOutput, ToolResultPart,
        ToolResultType, UiChunk,
    },
};

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

impl Recorder {
    pub(super) fn has_call(&self, id: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Call { call, .. } if call.tool_call_id == id))
    }

    pub(super) fn has_result(&self, id: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Result(result) if result.tool_call_id == id))
    }

    pub(super) fn flags(
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

    pub(super) fn call(
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

    pub(super) fn result(
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

    /// Leaves a call and its result out of the messages: one without the other would be refused.
    pub(super) fn forget_call(&mut self, id: &str) {
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
