//! UI messages, part by part, as model messages.

use super::HistoryError;
use crate::wire::{
    ApprovalRequestPart, ApprovalRequestType, ApprovalResponsePart, ApprovalResponseType, AssistantPart,
    CustomPart, CustomType, FileData, FilePart, FileType, Json, ModelMessage, PartKind, ReasoningFilePart,
    ReasoningFileType, ReasoningPart, ReasoningType, Role, TextPart, TextType, ToolCallPart, ToolCallType,
    ToolOutput, ToolPart, ToolResultPart, ToolResultType, UiMessage, UiPart, UserMessage, UserPart, UserRole,
};

const NO_LONGER_AVAILABLE: &str = "Tool output omitted because the tool is no longer available.";
const DENIED: &str = "Tool call execution denied.";

pub(super) fn convert(messages: &[UiMessage]) -> Result<Vec<ModelMessage>, HistoryError> {
    let last_user = messages.iter().rposition(|message| message.role == Role::User);
    let mut out = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let at = Place { message: at, is_before_last_user: last_user.is_some_and(|last| at < last) };
        match message.role {
            Role::System => return Err(HistoryError::System { message: at.message }),
            Role::User => out.push(user(at, &message.parts)?),
            Role::Assistant => assistant(at, &message.parts, &mut out)?,
        }
    }
    Ok(out)
}

#[derive(Clone, Copy)]
struct Place {
    message: usize,
    is_before_last_user: bool,
}

impl Place {
    fn invalid(self, part: usize, reason: &'static str) -> HistoryError {
        HistoryError::Part { message: self.message, part, reason }
    }
}

fn user(place: Place, parts: &[UiPart]) -> Result<ModelMessage, HistoryError> {
    let mut content = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        match part.kind() {
            PartKind::Text => content.push(UserPart::Text(text(place, at, part)?)),
            PartKind::File => content.push(UserPart::File(file(place, at, part)?)),
            _ => {}
        }
    }
    Ok(ModelMessage::User(UserMessage { role: UserRole::Value, content, provider_options: None }))
}

/// Each step is an assistant message, and a tool message if it called any.
fn assistant(place: Place, parts: &[UiPart], out: &mut Vec<ModelMessage>) -> Result<(), HistoryError> {
    let mut step = Step::default();
    for (at, part) in parts.iter().enumerate() {
        match part.kind() {
            PartKind::StepStart => std::mem::take(&mut step).close(out),
            PartKind::Steering => {
                std::mem::take(&mut step).close(out);
                out.push(user(place, part.parts.as_deref().unwrap_or_default())?);
            }
            PartKind::Text => step.said.push(AssistantPart::Text(text(place, at, part)?)),
            PartKind::Reasoning => step.said.push(AssistantPart::Reasoning(ReasoningPart {
                r#type: ReasoningType::Value,
                text: part.text.clone().ok_or_else(|| place.invalid(at, "it has no text"))?,
                provider_options: part.provider_metadata.clone(),
            })),
            PartKind::File => step.said.push(AssistantPart::File(file(place, at, part)?)),
            PartKind::ReasoningFile => step.said.push(AssistantPart::ReasoningFile(ReasoningFilePart {
                r#type: ReasoningFileType::Value,
                data: FileData::Url(address(place, at, part)?),
                media_type: part.media_type.clone().unwrap_or_default(),
                provider_options: part.provider_metadata.clone(),
            })),
            PartKind::Custom => step.said.push(AssistantPart::Custom(CustomPart {
                r#type: CustomType::Value,
                kind: part.custom_kind.clone().ok_or_else(|| place.invalid(at, "it has no kind"))?,
                provider_options: part.provider_metadata.clone(),
            })),
            PartKind::Tool(name) => tool(place, at, part, name, &mut step)?,
            PartKind::Source | PartKind::Data | PartKind::Unknown => {}
        }
    }
    step.close(out);
    Ok(())
}

#[derive(Default)]
struct Step {
    said: Vec<AssistantPart>,
    answered: Vec<ToolPart>,
}

impl Step {
    fn close(self, out: &mut Vec<ModelMessage>) {
        if !self.said.is_empty() {
            out.push(ModelMessage::assistant(self.said));
        }
        if !self.answered.is_empty() {
            out.push(ModelMessage::tool(self.answered));
        }
    }
}

fn text(place: Place, at: usize, part: &UiPart) -> Result<TextPart, HistoryError> {
    Ok(TextPart {
        r#type: TextType::Value,
        text: part.text.clone().ok_or_else(|| place.invalid(at, "it has no text"))?,
        provider_options: part.provider_metadata.clone(),
    })
}

fn file(place: Place, at: usize, part: &UiPart) -> Result<FilePart, HistoryError> {
    let data = match &part.provider_reference {
        Some(reference) => FileData::Reference(reference.clone()),
        None => FileData::Url(address(place, at, part)?),
    };
    Ok(FilePart {
        r#type: FileType::Value,
        media_type: part.media_type.clone().ok_or_else(|| place.invalid(at, "it has no mediaType"))?,
        filename: part.filename.clone(),
        data,
        provider_options: part.provider_metadata.clone(),
    })
}

/// The address of a file: inline, or one that the provider may fetch. It is never fetched here.
fn address(place: Place, at: usize, part: &UiPart) -> Result<String, HistoryError> {
    let url = part.url.as_deref().ok_or_else(|| place.invalid(at, "it has no url"))?;
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_sound = match scheme.as_deref() {
        Some("data") => url.contains(','),
        Some("https" | "http") => url.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some()),
        _ => false,
    };
    if is_sound {
        Ok(url.to_owned())
    } else {
        Err(place.invalid(at, "its url is no data: or https: address"))
    }
}

/// A call, and what became of it.
fn tool(place: Place, at: usize, part: &UiPart, name: &str, step: &mut Step) -> Result<(), HistoryError> {
    let state = part.state.as_deref().ok_or_else(|| place.invalid(at, "the tool has no state"))?;
    let id = part.tool_call_id.clone().ok_or_else(|| place.invalid(at, "the tool has no toolCallId"))?;
    match state {
        // Still being written when the page was closed.
        "input-streaming" => return Ok(()),
        // The user went on without an answer.
        "approval-requested" if place.is_before_last_user => return Ok(()),
        "input-available" | "approval-requested" | "approval-responded" | "output-available"
        | "output-error" | "output-denied" => {}
        _ => return Err(place.invalid(at, "the tool's state is unknown")),
    }
    let by_provider = part.provider_executed == Some(true);
    let result_metadata =
        || part.result_provider_metadata.clone().or_else(|| part.call_provider_metadata.clone());
    let result = |output, provider_options| ToolResultPart {
        r#type: ToolResultType::Value,
        tool_call_id: id.clone(),
        tool_name: name.to_owned(),
        output,
        provider_options,
    };
    let raw = if state == "output-error" { part.raw_input.clone() } else { None };
    let fallback = if state == "output-error" { part.result_provider_metadata.clone() } else { None };
    step.said.push(AssistantPart::ToolCall(ToolCallPart {
        r#type: ToolCallType::Value,
        tool_call_id: id.clone(),
        tool_name: name.to_owned(),
        input: part.input.clone().or(raw).unwrap_or_else(Json::empty_object),
        provider_executed: part.provider_executed,
        provider_options: part.call_provider_metadata.clone().or(fallback),
    }));
    if let Some(approval) = &part.approval {
        step.said.push(AssistantPart::ApprovalRequest(ApprovalRequestPart {
            r#type: ApprovalRequestType::Value,
            approval_id: approval.id.clone(),
            tool_call_id: id.clone(),
            is_automatic: approval.is_automatic,
            reason: approval.request_reason.clone(),
            input_schema_input: approval.input_schema_input.clone(),
            signature: approval.signature.clone(),
        }));
    }
    if by_provider && matches!(state, "output-available" | "output-error") {
        let output = match state {
            "output-error" => {
                ToolOutput::ErrorJson { value: Json::string(part.error_text.as_deref().unwrap_or_default()) }
            }
            _ => output(part),
        };
        step.said.push(AssistantPart::ToolResult(result(output, result_metadata())));
    }
    let approved = part.approval.as_ref().and_then(|approval| approval.approved.map(|yes| (approval, yes)));
    if let Some((approval, approved)) = approved {
        step.answered.push(ToolPart::ApprovalResponse(ApprovalResponsePart {
            r#type: ApprovalResponseType::Value,
            approval_id: approval.id.clone(),
            approved,
            reason: approval.reason.clone(),
            provider_executed: part.provider_executed,
        }));
        if state == "approval-responded" && !approved {
            let denied = ToolOutput::ExecutionDenied { reason: approval.reason.clone() };
            step.answered.push(ToolPart::Result(result(denied, part.call_provider_metadata.clone())));
        }
    }
    if by_provider {
        return Ok(());
    }
    let output = match state {
        "output-denied" => {
            let reason = part.approval.as_ref().and_then(|approval| approval.reason.as_deref());
            ToolOutput::ErrorText { value: reason.unwrap_or(DENIED).to_owned() }
        }
        "output-error" => ToolOutput::ErrorText { value: part.error_text.clone().unwrap_or_default() },
        "output-available" => output(part),
        _ => return Ok(()),
    };
    step.answered.push(ToolPart::Result(result(output, part.call_provider_metadata.clone())));
    Ok(())
}

fn output(part: &UiPart) -> ToolOutput {
    if part.dynamic == Some(false) {
        return ToolOutput::Text { value: NO_LONGER_AVAILABLE.to_owned() };
    }
    let value = part.output.clone().unwrap_or_default();
    match value.to::<String>() {
        Ok(value) => ToolOutput::Text { value },
        Err(_) => ToolOutput::Json { value },
    }
}
