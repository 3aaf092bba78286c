//! A step request as a body of Chat Completions.

use headstart_core::{
    step::{StepError, StepErrorKind, StepRequest, ToolChoice},
    wire::{AssistantPart, FileData, FilePart, Json, ModelMessage, ToolOutput, ToolPart, UserPart},
};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    messages: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Json,
}

impl<'a> Tool<'a> {
    fn new(tool: &'a headstart_core::step::Tool) -> Self {
        let function =
            Function { name: tool.name(), description: tool.description(), parameters: tool.schema() };
        Self { r#type: "function", function }
    }
}

/// Encodes a request for a model.
pub(super) fn encode(model: &str, request: &StepRequest) -> Result<Vec<u8>, StepError> {
    let reasons = is_reasoning(model);
    let system_role = if reasons { "developer" } else { "system" };
    let mut messages: Vec<Value> =
        request.system.iter().map(|system| json!({"role": system_role, "content": system})).collect();
    for message in &request.messages {
        match message {
            ModelMessage::System(system) => {
                messages.push(json!({"role": system_role, "content": system.content}))
            }
            ModelMessage::User(user) => {
                messages.push(json!({"role": "user", "content": user_content(&user.content)?}))
            }
            ModelMessage::Assistant(assistant) => messages.extend(said(&assistant.content)),
            ModelMessage::Tool(tool) => messages.extend(tool.content.iter().filter_map(|part| match part {
                ToolPart::Result(result) => Some(json!({
                    "role": "tool",
                    "tool_call_id": result.tool_call_id,
                    "content": output(&result.output),
                })),
                _ => None,
            })),
            ModelMessage::Other(_) => {}
        }
    }
    let body = Body {
        model,
        max_tokens: request.max_output_tokens.filter(|_| !reasons),
        max_completion_tokens: request.max_output_tokens.filter(|_| reasons),
        temperature: request.temperature.filter(|_| !reasons),
        messages,
        tools: request.tools.iter().map(Tool::new).collect(),
        tool_choice: (!request.tools.is_empty()).then(|| match &request.tool_choice {
            ToolChoice::Required => json!("required"),
            ToolChoice::None => json!("none"),
            ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
            _ => json!("auto"),
        }),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
    };
    serde_json::to_vec(&body).map_err(|error| unsupported(error.to_string()))
}

/// Models that think take other parameters.
pub(super) fn is_reasoning(model: &str) -> bool {
    let is_o =
        model.strip_prefix('o').is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
    is_o || (model.starts_with("gpt-5") && !model.contains("chat"))
}

pub(super) fn unsupported(message: impl Into<String>) -> StepError {
    StepError::new(StepErrorKind::Unsupported, message)
}

fn user_content(parts: &[UserPart]) -> Result<Value, StepError> {
    if let [UserPart::Text(text)] = parts {
        return Ok(json!(text.text));
    }
    let parts = parts.iter().enumerate().filter_map(|(at, part)| match part {
        UserPart::Text(text) => Some(Ok(json!({"type": "text", "text": text.text}))),
        UserPart::File(part) => Some(file(at, part)),
        UserPart::Other(_) => None,
    });
    Ok(Value::Array(parts.collect::<Result<_, _>>()?))
}

fn file(at: usize, file: &FilePart) -> Result<Value, StepError> {
    let url = match &file.data {
        FileData::Url(url) => url.clone(),
        FileData::Base64(data) => format!("data:{};base64,{data}", file.media_type),
        _ => return Err(unsupported("a file that another provider has")),
    };
    match &*file.media_type {
        image if image.starts_with("image/") => Ok(json!({"type": "image_url", "image_url": {"url": url}})),
        "application/pdf" if url.starts_with("data:") => {
            let name = file.filename.clone().unwrap_or_else(|| format!("part-{at}.pdf"));
            Ok(json!({"type": "file", "file": {"filename": name, "file_data": url}}))
        }
        other => Err(unsupported(format!("a file of type {other:?}"))),
    }
}

/// What the model said; reasoning and the provider's own tools have no place in this API.
fn said(parts: &[AssistantPart]) -> Option<Value> {
    let mut text = String::new();
    let mut calls = Vec::new();
    for part in parts {
        match part {
            AssistantPart::Text(part) => text.push_str(&part.text),
            AssistantPart::ToolCall(call) if call.provider_executed != Some(true) => calls.push(json!({
                "id": call.tool_call_id,
                "type": "function",
                "function": {"name": call.tool_name, "arguments": call.input.as_str()},
            })),
            _ => {}
        }
    }
    match (text.is_empty(), calls.is_empty()) {
        (true, true) => None,
        (_, true) => Some(json!({"role": "assistant", "content": text})),
        (true, false) => Some(json!({"role": "assistant", "content": null, "tool_calls": calls})),
        (false, false) => Some(json!({"role": "assistant", "content": text, "tool_calls": calls})),
    }
}

/// A tool's output as text.
pub(super) fn output(output: &ToolOutput) -> String {
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
