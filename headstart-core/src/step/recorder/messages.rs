//! What was said, as messages for the agent.

use super::{Part, PendingCall, Recorder};
use crate::wire::{
    AssistantPart, ModelMessage, ReasoningPart, ReasoningType, TextPart, TextType, ToolOutput, ToolPart,
    ToolResultPart, ToolResultType,
};

impl Recorder {
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
}
