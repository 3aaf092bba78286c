//! A step's request in rig's words.

use headstart_core::{
    step::{self, StepError, StepErrorKind, StepRequest},
    wire::{
        AssistantPart, FileData, FilePart, Json, ModelMessage, ReasoningPart, ToolOutput, ToolPart,
        ToolResultPart, UserPart,
    },
};
use rig_core::{
    DynModel,
    completion::{CompletionRequest, ToolDefinition},
    message::{
        AssistantContent, AssistantMessage, CallId, Document, DocumentMediaType, DocumentSourceKind, Image,
        ImageMediaType, Message, MimeType, Origin, Reasoning, ToolCall, ToolChoice, ToolFunction, ToolName,
        ToolResult, ToolResultContent, UserContent,
    },
    operation::Completion,
};

use crate::metadata;

pub(crate) fn completion(
    request: &StepRequest,
    model: &DynModel<Completion>,
    template: Option<&CompletionRequest>,
) -> Result<CompletionRequest, StepError> {
    let encoder = Encoder::of(model);
    let mut history: Vec<Message> = request.system.iter().map(Message::system).collect();
    for message in &request.messages {
        history.extend(encoder.message(message)?);
    }
    let mut completion = template.cloned().unwrap_or_else(|| CompletionRequest::new(""));
    completion.chat_history = history;
    completion.temperature = request.temperature.or(completion.temperature);
    completion.max_tokens = request.max_output_tokens.map(u64::from).or(completion.max_tokens);
    completion.tools = request
        .tools
        .iter()
        .map(|tool| Ok(ToolDefinition::new(name(tool.name())?, tool.description(), tool.schema().to_value())))
        .collect::<Result<_, StepError>>()?;
    if !request.tools.is_empty() {
        completion.tool_choice = match &request.tool_choice {
            step::ToolChoice::Required => Some(ToolChoice::Required),
            step::ToolChoice::None => Some(ToolChoice::None),
            step::ToolChoice::Tool(tool) => Some(ToolChoice::Specific { function_names: vec![name(tool)?] }),
            _ => completion.tool_choice,
        };
    }
    Ok(completion)
}

/// rig gives provider items back only to the model they came from; a history says no more than whose
/// signatures it holds.
struct Encoder {
    anthropic: Option<Origin>,
}

impl Encoder {
    fn of(model: &DynModel<Completion>) -> Self {
        let is_anthropic = model.name() == "anthropic";
        let id = model.id().filter(|_| is_anthropic);
        Self { anthropic: id.map(|id| Origin::new("anthropic.messages", "anthropic", id)) }
    }

    fn message(&self, message: &ModelMessage) -> Result<Option<Message>, StepError> {
        Ok(match message {
            ModelMessage::System(system) => Some(Message::system(&system.content)),
            ModelMessage::User(user) => {
                let parts = user.content.iter().filter_map(|part| user_part(part).transpose());
                let content: Vec<_> = parts.collect::<Result<_, _>>()?;
                (!content.is_empty()).then_some(Message::User { content })
            }
            ModelMessage::Assistant(assistant) => {
                let parts = assistant.content.iter().filter_map(|part| self.said(part).transpose());
                let content: Vec<_> = parts.collect::<Result<_, _>>()?;
                (!content.is_empty()).then(|| {
                    Message::Assistant(AssistantMessage::new(content).with_origin(self.anthropic.clone()))
                })
            }
            ModelMessage::Tool(tool) => {
                let results = tool.content.iter().filter_map(|part| match part {
                    ToolPart::Result(result) => Some(tool_result(result)),
                    _ => None,
                });
                let results: Vec<_> = results.collect::<Result<_, _>>()?;
                (!results.is_empty()).then(|| Message::tool_results(results))
            }
            ModelMessage::Other(_) => None,
        })
    }

    fn said(&self, part: &AssistantPart) -> Result<Option<AssistantContent>, StepError> {
        Ok(match part {
            AssistantPart::Text(text) if text.text.is_empty() => None,
            AssistantPart::Text(text) => Some(AssistantContent::text(&text.text)),
            AssistantPart::Reasoning(reasoning) => self.reasoning(reasoning),
            AssistantPart::ToolCall(call) if call.provider_executed != Some(true) => {
                let function = ToolFunction::new(name(&call.tool_name)?, call.input.to_value());
                Some(AssistantContent::ToolCall(ToolCall::new(
                    CallId::from_wire(&call.tool_call_id),
                    function,
                )))
            }
            _ => None,
        })
    }

    fn reasoning(&self, part: &ReasoningPart) -> Option<AssistantContent> {
        let signed = metadata::anthropic_thinking(&part.text, part.provider_options.as_ref());
        let is_redacted = part.text.is_empty() && signed.is_some();
        let reasoning =
            AssistantContent::Reasoning(Reasoning { redacted: is_redacted, ..Reasoning::new(&part.text) });
        match (&self.anthropic, signed) {
            (Some(_), Some(block)) => Some(reasoning.with_native(block)),
            // Unsigned thinking is refused.
            (Some(_), None) => None,
            (None, _) => (!part.text.is_empty()).then_some(reasoning),
        }
    }
}

fn user_part(part: &UserPart) -> Result<Option<UserContent>, StepError> {
    match part {
        UserPart::Text(text) => Ok(Some(UserContent::text(&text.text))),
        UserPart::File(part) => file(part).map(Some),
        UserPart::Other(_) => Ok(None),
    }
}

fn file(file: &FilePart) -> Result<UserContent, StepError> {
    let (media_type, data) = match &file.data {
        FileData::Base64(data) => (&*file.media_type, DocumentSourceKind::base64(data)),
        FileData::Url(url) => match url.strip_prefix("data:") {
            Some(inline) => {
                let (head, data) = inline
                    .split_once(";base64,")
                    .ok_or_else(|| unsupported("a data: address that is not base64"))?;
                (head.split(';').next().unwrap_or_default(), DocumentSourceKind::base64(data))
            }
            None => (&*file.media_type, DocumentSourceKind::url(url)),
        },
        _ => return Err(unsupported("a file that a provider keeps")),
    };
    if media_type.starts_with("image/") {
        // rig reads the type off the bytes where it can.
        let media_type = ImageMediaType::from_mime_type(media_type);
        return Ok(UserContent::Image(Image { data, media_type, ..Image::default() }));
    }
    match DocumentMediaType::from_mime_type(media_type) {
        Some(kind) => {
            Ok(UserContent::Document(Document { data, media_type: Some(kind), additional_params: None }))
        }
        None => Err(unsupported(format!("a file of type {media_type:?}"))),
    }
}

fn tool_result(result: &ToolResultPart) -> Result<ToolResult, StepError> {
    let text = |text: &str| vec![ToolResultContent::text(text)];
    let json = |value: &Json| vec![ToolResultContent::Json { value: value.to_value() }];
    let (content, is_error) = match &result.output {
        ToolOutput::Text { value } => (text(value), false),
        ToolOutput::ErrorText { value } => (text(value), true),
        ToolOutput::Json { value } | ToolOutput::Content { value } => (json(value), false),
        ToolOutput::ErrorJson { value } => (json(value), true),
        ToolOutput::ExecutionDenied { reason } => {
            (text(reason.as_deref().unwrap_or("Tool call execution denied.")), false)
        }
        _ => (text(""), false),
    };
    let (call, name) = (CallId::from_wire(&result.tool_call_id), name(&result.tool_name)?);
    Ok(ToolResult { call, name, content, is_error })
}

fn name(name: &str) -> Result<ToolName, StepError> {
    ToolName::new(name).map_err(|_| unsupported("a tool without a name"))
}

fn unsupported(what: impl Into<String>) -> StepError {
    StepError::new(StepErrorKind::Unsupported, what)
}
