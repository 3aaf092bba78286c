//! A step's request in genai's words.

use genai::{
    adapter::AdapterKind,
    chat::{
        Binary, ChatMessage, ChatOptions, ChatRequest, ContentPart, CustomPart, MessageContent, Tool,
        ToolCall, ToolChoice, ToolResponse,
    },
};
use headstart_core::{
    step::{self, StepError, StepErrorKind, StepRequest},
    wire::{AssistantPart, FileData, FilePart, ModelMessage, ReasoningPart, ToolOutput, ToolPart, UserPart},
};
use serde_json::{Value, json};

use crate::signing::{self, Signing};

/// The options of a call. All is captured: what genai streams is not all it knows.
pub(crate) fn options(base: &ChatOptions, request: &StepRequest) -> ChatOptions {
    let mut options = base.clone();
    options.capture_usage = Some(true);
    options.capture_tool_calls = Some(true);
    options.capture_reasoning_content = Some(true);
    options.temperature = request.temperature.or(options.temperature);
    options.max_tokens = request.max_output_tokens.or(options.max_tokens);
    if !request.tools.is_empty() {
        options.tool_choice = match &request.tool_choice {
            step::ToolChoice::Required => Some(ToolChoice::Required),
            step::ToolChoice::None => Some(ToolChoice::None),
            step::ToolChoice::Tool(name) => Some(ToolChoice::tool(name)),
            _ => options.tool_choice,
        };
    }
    options
}

pub(crate) fn chat(
    request: &StepRequest,
    adapter: AdapterKind,
    model: &str,
) -> Result<ChatRequest, StepError> {
    let encoder = Encoder { adapter, signing: Signing::of(adapter, model) };
    let messages = request.messages.iter().filter_map(|message| encoder.message(message).transpose());
    let mut chat = ChatRequest::new(messages.collect::<Result<_, _>>()?);
    chat.system.clone_from(&request.system);
    if !request.tools.is_empty() {
        chat = chat.with_tools(request.tools.iter().map(|tool| {
            Tool::new(tool.name()).with_description(tool.description()).with_schema(tool.schema().to_value())
        }));
    }
    Ok(chat)
}

struct Encoder {
    adapter: AdapterKind,
    signing: Signing,
}

impl Encoder {
    fn message(&self, message: &ModelMessage) -> Result<Option<ChatMessage>, StepError> {
        Ok(Some(match message {
            ModelMessage::System(system) => ChatMessage::system(&*system.content),
            ModelMessage::User(user) => {
                let parts = user.content.iter().filter_map(|part| self.user_part(part).transpose());
                ChatMessage::user(MessageContent::from_parts(parts.collect::<Result<Vec<_>, _>>()?))
            }
            ModelMessage::Assistant(assistant) => {
                let parts: Vec<_> =
                    assistant.content.iter().flat_map(|part| self.assistant_part(part)).collect();
                if parts.is_empty() {
                    return Ok(None);
                }
                ChatMessage::assistant(MessageContent::from_parts(parts))
            }
            ModelMessage::Tool(tool) => {
                let results = tool.content.iter().filter_map(|part| match part {
                    ToolPart::Result(result) => Some(
                        ToolResponse::new(&result.tool_call_id, output(&result.output))
                            .with_fn_name(&result.tool_name),
                    ),
                    _ => None,
                });
                ChatMessage::from(results.collect::<Vec<_>>())
            }
            ModelMessage::Other(_) => return Ok(None),
        }))
    }

    fn user_part(&self, part: &UserPart) -> Result<Option<ContentPart>, StepError> {
        match part {
            UserPart::Text(text) => Ok(Some(ContentPart::from_text(&text.text))),
            UserPart::File(file) => self.file(file).map(Some),
            UserPart::Other(_) => Ok(None),
        }
    }

    fn file(&self, file: &FilePart) -> Result<ContentPart, StepError> {
        let (media_type, name) = (&file.media_type, file.filename.clone());
        let url = match &file.data {
            FileData::Base64(data) => return Ok(Binary::from_base64(media_type, &**data, name).into()),
            FileData::Url(url) => url,
            _ => return Err(unsupported("a file that a provider keeps")),
        };
        if let Some(inline) = url.strip_prefix("data:") {
            let (media_type, data) = inline
                .split_once(";base64,")
                .ok_or_else(|| unsupported("a data: address that is not base64"))?;
            let media_type = media_type.split(';').next().unwrap_or_default();
            return Ok(Binary::from_base64(media_type, data, name).into());
        }
        let is_image = media_type.starts_with("image/");
        match self.adapter {
            // genai leaves it out, although the API takes it.
            AdapterKind::Anthropic if is_image => {
                Ok(custom(json!({"type": "image", "source": {"type": "url", "url": url}})))
            }
            AdapterKind::Anthropic | AdapterKind::Gemini | AdapterKind::GeminiIx => {
                Ok(Binary::from_url(media_type, url, name).into())
            }
            AdapterKind::OpenAI | AdapterKind::OpenAIResp if is_image => {
                Ok(Binary::from_url(media_type, url, name).into())
            }
            // genai may leave it out silently, and the answer would be to another question.
            _ => Err(unsupported(format!("a file of type {media_type:?} by its address"))),
        }
    }

    fn assistant_part(&self, part: &AssistantPart) -> Vec<ContentPart> {
        match part {
            AssistantPart::Text(text) => {
                let signature = self.mark(text.provider_options.as_ref());
                signature.into_iter().chain([ContentPart::from_text(&text.text)]).collect()
            }
            AssistantPart::Reasoning(reasoning) => self.reasoning(reasoning),
            AssistantPart::ToolCall(call) if call.provider_executed != Some(true) => {
                let signature = self.signing.read(call.provider_options.as_ref());
                vec![ContentPart::ToolCall(ToolCall {
                    call_id: call.tool_call_id.clone(),
                    fn_name: call.tool_name.clone(),
                    fn_arguments: call.input.to_value(),
                    thought_signatures: signature.map(|signature| vec![signature]),
                })]
            }
            _ => Vec::new(),
        }
    }

    /// A signature that goes in front of the part it belongs to.
    fn mark(&self, metadata: Option<&headstart_core::wire::Json>) -> Option<ContentPart> {
        match self.signing {
            Signing::Marks(_) => self.signing.read(metadata).map(ContentPart::ThoughtSignature),
            _ => None,
        }
    }

    fn reasoning(&self, part: &ReasoningPart) -> Vec<ContentPart> {
        let metadata = part.provider_options.as_ref();
        match self.signing {
            Signing::Closes("anthropic") => {
                let block = if let Some(signature) = self.signing.read(metadata) {
                    json!({"type": "thinking", "thinking": part.text, "signature": signature})
                } else if let Some(data) = signing::read_redacted(metadata) {
                    json!({"type": "redacted_thinking", "data": data})
                } else {
                    // Unsigned thinking is refused.
                    return Vec::new();
                };
                // As it is: genai would pair texts and signatures by their number.
                vec![custom(block)]
            }
            Signing::Closes(_) => match self.signing.read(metadata) {
                Some(signature) => vec![
                    ContentPart::ThoughtSignature(signature),
                    ContentPart::ReasoningContent(part.text.clone()),
                ],
                None => Vec::new(),
            },
            Signing::Marks(_) => Vec::new(),
            Signing::Nothing => vec![ContentPart::ReasoningContent(part.text.clone())],
        }
    }
}

fn custom(data: Value) -> ContentPart {
    ContentPart::Custom(CustomPart { model_iden: None, data })
}

/// A tool's output as text; genai knows no other.
fn output(output: &ToolOutput) -> String {
    match output {
        ToolOutput::Text { value } | ToolOutput::ErrorText { value } => value.clone(),
        ToolOutput::Json { value } | ToolOutput::ErrorJson { value } | ToolOutput::Content { value } => {
            value.as_str().to_owned()
        }
        ToolOutput::ExecutionDenied { reason } => {
            reason.clone().unwrap_or_else(|| "Tool call execution denied.".to_owned())
        }
        _ => String::new(),
    }
}

fn unsupported(what: impl Into<String>) -> StepError {
    StepError::new(StepErrorKind::Unsupported, what)
}
