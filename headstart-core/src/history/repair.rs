//! What every provider insists on: no empty text, no call without a result, no two tool messages in a row.

use std::collections::HashSet;

use super::HistoryError;
use crate::wire::{AssistantPart, ModelMessage, ToolPart, UserPart};

pub(super) fn repair(mut messages: Vec<ModelMessage>) -> Result<Vec<ModelMessage>, HistoryError> {
    let dangling = dangling_calls(&messages)?;
    for message in &mut messages {
        match message {
            ModelMessage::User(user) => {
                user.content.retain(|part| !matches!(part, UserPart::Text(text) if text.text.is_empty()));
            }
            ModelMessage::Assistant(assistant) => assistant.content.retain(|part| match part {
                AssistantPart::Text(text) => !text.text.is_empty() || text.provider_options.is_some(),
                AssistantPart::ToolCall(call) => !dangling.contains(&call.tool_call_id),
                // Requests and their answers are between page and agent.
                AssistantPart::ApprovalRequest(_) => false,
                _ => true,
            }),
            ModelMessage::Tool(tool) => tool.content.retain(|part| match part {
                ToolPart::ApprovalResponse(response) => response.provider_executed == Some(true),
                _ => true,
            }),
            _ => {}
        }
    }
    let mut repaired: Vec<ModelMessage> = Vec::with_capacity(messages.len());
    for message in messages {
        match (repaired.last_mut(), message) {
            (_, ModelMessage::Assistant(assistant)) if assistant.content.is_empty() => {}
            (_, ModelMessage::Tool(tool)) if tool.content.is_empty() => {}
            (Some(ModelMessage::Tool(last)), ModelMessage::Tool(tool)) => last.content.extend(tool.content),
            (_, message) => repaired.push(message),
        }
    }
    Ok(repaired)
}

/// Calls that nobody answered and nobody will.
fn dangling_calls(messages: &[ModelMessage]) -> Result<HashSet<String>, HistoryError> {
    let mut open: Vec<(String, Option<String>)> = Vec::new();
    let mut dangling = HashSet::new();
    let mut approved = HashSet::new();
    for message in messages {
        match message {
            ModelMessage::Assistant(assistant) => {
                for part in &assistant.content {
                    match part {
                        AssistantPart::ToolCall(call) if call.provider_executed != Some(true) => {
                            open.push((call.tool_call_id.clone(), None));
                        }
                        AssistantPart::ApprovalRequest(request) => {
                            let call = open.iter_mut().find(|(id, _)| *id == request.tool_call_id);
                            call.into_iter().for_each(|call| call.1 = Some(request.approval_id.clone()));
                        }
                        _ => {}
                    }
                }
            }
            ModelMessage::Tool(tool) => {
                for part in &tool.content {
                    match part {
                        ToolPart::Result(result) => open.retain(|(id, _)| *id != result.tool_call_id),
                        ToolPart::ApprovalResponse(response) if response.approved => {
                            approved.insert(response.approval_id.clone());
                        }
                        _ => {}
                    }
                }
            }
            _ => dangling.extend(open.drain(..).map(|(id, _)| id)),
        }
    }
    let may_run = |approval: &Option<String>| approval.as_ref().is_some_and(|id| approved.contains(id));
    if open.iter().any(|(_, approval)| may_run(approval)) {
        return Err(HistoryError::NeedsAgent);
    }
    dangling.extend(open.into_iter().map(|(id, _)| id));
    Ok(dangling)
}
