//! A conversation as Gemini takes it: contents of parts, in turns of `user` and `model`.

use headstart_core::{
    step::{StepError, StepRequest},
    wire::{
        AssistantPart, FilePart, Json, ModelMessage, ToolCallPart, ToolOutput, ToolPart, ToolResultPart,
        UserPart,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::PROVIDER;
use crate::{
    files::{File, Source},
    options, tool_content, unsupported,
};

/// What Google has a caller say for a call that another model made, which nobody signed.
const NOT_SIGNED: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
pub(super) struct Contents {
    pub(super) role: &'static str,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    #[serde(flatten)]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video_metadata: Option<Json>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Kind {
    Text(String),
    InlineData {
        mime_type: String,
        data: String,
    },
    FileData {
        mime_type: String,
        file_uri: String,
    },
    FunctionCall {
        id: String,
        name: String,
        args: Json,
    },
    FunctionResponse {
        id: String,
        name: String,
        response: Response,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        parts: Vec<Part>,
    },
    ExecutableCode(Json),
    CodeExecutionResult(Json),
    ToolCall {
        tool_type: String,
        args: Json,
        id: String,
    },
    ToolResponse {
        tool_type: String,
        response: Json,
        id: String,
    },
}

impl Default for Kind {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

#[derive(Debug, Serialize)]
struct Response {
    name: String,
    content: Value,
}

/// `providerOptions.google` of a part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartOptions {
    thought: Option<bool>,
    thought_signature: Option<String>,
    server_tool_call_id: Option<String>,
    server_tool_type: Option<String>,
    video_metadata: Option<Json>,
}

/// Instructions and contents.
pub(super) struct Conversation {
    pub(super) system: Vec<Part>,
    pub(super) contents: Vec<Contents>,
}

/// Encodes the conversation. `wants_signatures`: the model refuses calls that it did not sign.
pub(super) fn encode(request: &StepRequest, wants_signatures: bool) -> Result<Conversation, StepError> {
    let mut system: Vec<Part> = request.system.iter().map(|system| text(system)).collect();
    let mut contents: Vec<Contents> = Vec::new();
    for message in &request.messages {
        let (role, parts) = match message {
            ModelMessage::System(message) if contents.is_empty() => {
                system.push(text(&message.content));
                continue;
            }
            ModelMessage::System(_) => return Err(unsupported("a system message behind the first others")),
            ModelMessage::User(user) => {
                let parts = user.content.iter().filter_map(|part| user_part(part).transpose());
                ("user", parts.collect::<Result<Vec<_>, _>>()?)
            }
            ModelMessage::Assistant(assistant) => ("model", said(&assistant.content, wants_signatures)?),
            ModelMessage::Tool(tool) => {
                let results = tool.content.iter().filter_map(|part| match part {
                    ToolPart::Result(result) => Some(tool_result(result)),
                    _ => None,
                });
                ("user", results.collect::<Result<Vec<_>, _>>()?)
            }
            ModelMessage::Other(_) => continue,
        };
        if !parts.is_empty() {
            contents.push(Contents { role, parts });
        }
    }
    Ok(Conversation { system, contents })
}

fn text(text: &str) -> Part {
    Part { kind: Kind::Text(text.to_owned()), ..Part::default() }
}

fn user_part(part: &UserPart) -> Result<Option<Part>, StepError> {
    Ok(match part {
        UserPart::Text(part) => Some(text(&part.text)),
        UserPart::File(part) => Some(file(part)?),
        UserPart::Other(_) => None,
    })
}

fn file(part: &FilePart) -> Result<Part, StepError> {
    let options: PartOptions = options::lenient(part.provider_options.as_ref(), PROVIDER);
    let kind = file_data(File::read(&part.data, &part.media_type, PROVIDER)?);
    Ok(Part { kind, video_metadata: options.video_metadata, ..Part::default() })
}

fn file_data(file: File) -> Kind {
    let mime_type = file.media_type;
    match file.source {
        Source::Inline(data) => Kind::InlineData { mime_type, data },
        // An uploaded file is known by its address.
        Source::Url(file_uri) | Source::Uploaded(file_uri) => Kind::FileData { mime_type, file_uri },
    }
}

fn said(parts: &[AssistantPart], wants_signatures: bool) -> Result<Vec<Part>, StepError> {
    let mut out = Vec::new();
    let mut has_signed_call = false;
    for part in parts {
        let options = |options| options::lenient::<PartOptions>(options, PROVIDER);
        let part = match part {
            AssistantPart::Text(part) => {
                let signature = options(part.provider_options.as_ref()).thought_signature;
                // Nothing said, unless it carries a signature.
                (!part.text.is_empty() || signature.is_some())
                    .then(|| Part { thought_signature: signature, ..text(&part.text) })
            }
            AssistantPart::Reasoning(part) => {
                let signature = options(part.provider_options.as_ref()).thought_signature;
                (!part.text.is_empty() || signature.is_some()).then(|| Part {
                    thought: Some(true),
                    thought_signature: signature,
                    ..text(&part.text)
                })
            }
            AssistantPart::File(part) => {
                let options = options(part.provider_options.as_ref());
                let kind = file_data(File::read(&part.data, &part.media_type, PROVIDER)?);
                let (thought, thought_signature) = (options.thought, options.thought_signature);
                Some(Part { kind, thought, thought_signature, ..Part::default() })
            }
            AssistantPart::ReasoningFile(part) => {
                let signature = options(part.provider_options.as_ref()).thought_signature;
                let kind = file_data(File::read(&part.data, &part.media_type, PROVIDER)?);
                Some(Part { kind, thought: Some(true), thought_signature: signature, ..Part::default() })
            }
            AssistantPart::ToolCall(call) => {
                let mut part = tool_call(call, options(call.provider_options.as_ref()));
                // Of calls made at once only the first one is signed.
                if let Some(part) = &mut part
                    && matches!(part.kind, Kind::FunctionCall { .. })
                {
                    if wants_signatures && !has_signed_call && part.thought_signature.is_none() {
                        part.thought_signature = Some(NOT_SIGNED.to_owned());
                    }
                    has_signed_call |= part.thought_signature.is_some();
                }
                part
            }
            AssistantPart::ToolResult(result) => {
                server_result(result, options(result.provider_options.as_ref()))
            }
            _ => None,
        };
        out.extend(part);
    }
    Ok(out)
}

fn tool_call(call: &ToolCallPart, options: PartOptions) -> Option<Part> {
    let args = call.input.clone();
    let kind = match (call.provider_executed, options.server_tool_type) {
        (Some(true), Some(tool_type)) => {
            Kind::ToolCall { tool_type, args, id: options.server_tool_call_id.unwrap_or_default() }
        }
        (Some(true), None) if call.tool_name == "code_execution" => Kind::ExecutableCode(args),
        // Of another provider, which alone knows what to make of it.
        (Some(true), None) => return None,
        _ => Kind::FunctionCall { id: call.tool_call_id.clone(), name: call.tool_name.clone(), args },
    };
    Some(Part { kind, thought_signature: options.thought_signature, ..Part::default() })
}

fn server_result(result: &ToolResultPart, options: PartOptions) -> Option<Part> {
    let ToolOutput::Json { value } = &result.output else { return None };
    let kind = match options.server_tool_type {
        Some(tool_type) => Kind::ToolResponse {
            tool_type,
            response: value.clone(),
            id: options.server_tool_call_id.unwrap_or_default(),
        },
        None if result.tool_name == "code_execution" => Kind::CodeExecutionResult(value.clone()),
        None => return None,
    };
    Some(Part { kind, thought_signature: options.thought_signature, ..Part::default() })
}

fn tool_result(result: &ToolResultPart) -> Result<Part, StepError> {
    let mut parts = Vec::new();
    let content = match &result.output {
        ToolOutput::Text { value } | ToolOutput::ErrorText { value } => json!(value),
        ToolOutput::Json { value } | ToolOutput::ErrorJson { value } => value.to_value(),
        ToolOutput::ExecutionDenied { reason } => {
            json!(reason.as_deref().unwrap_or("Tool call execution denied."))
        }
        ToolOutput::Content { value } => {
            let mut texts = Vec::new();
            for part in tool_content::read(value)? {
                match part.into_file()? {
                    Ok(text) => texts.push(text),
                    Err(file) => parts.push(Part { kind: file_data(file), ..Part::default() }),
                }
            }
            json!(texts.join("\n"))
        }
        _ => json!(""),
    };
    let name = result.tool_name.clone();
    let kind = Kind::FunctionResponse {
        id: result.tool_call_id.clone(),
        name: name.clone(),
        response: Response { name, content },
        parts,
    };
    Ok(Part { kind, ..Part::default() })
}
