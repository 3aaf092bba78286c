//! A step request as a body of Chat Completions.

use headstart_core::{
    step::{StepError, StepRequest, ToolChoice},
    wire::{AssistantPart, FilePart, Json, ModelMessage, ToolOutput, ToolPart, UserPart},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    models::is_reasoning,
    reasoning_details::Details,
    server::{Quirks, Thoughts, short_id},
};
use crate::{
    extras::Extras,
    files::{File, Source},
    options, unsupported,
};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(flatten)]
    options: RequestOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    messages: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    fields: &'a std::collections::BTreeMap<String, Json>,
}

/// `providerOptions.<server>` of a request.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"), default)]
struct RequestOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<String>,
    #[serde(rename(serialize = "verbosity", deserialize = "textVerbosity"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Tools<'a> {
    Client { r#type: &'static str, function: Function<'a> },
    Server(&'a Json),
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// `providerOptions.<server>` of a tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolOptions {
    pub(super) strict: Option<bool>,
}

/// `providerOptions.<server>` of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FileOptions {
    pub(super) image_detail: Option<String>,
}

/// Encodes a request for a model.
pub(super) fn encode(
    model: &str,
    quirks: &Quirks,
    extras: &Extras,
    request: &StepRequest,
) -> Result<Vec<u8>, StepError> {
    let options: RequestOptions = options::strict(request.provider_options.as_ref(), quirks.provider)?;
    let reasons = quirks.has_developer && is_reasoning(model);
    let tools = request.tools.iter().map(|tool| Tools::Client {
        r#type: "function",
        function: Function {
            name: tool.name(),
            description: tool.description(),
            parameters: tool.schema(),
            strict: options::lenient::<ToolOptions>(tool.options(), quirks.provider).strict,
        },
    });
    let body = Body {
        model,
        options,
        max_tokens: request.max_output_tokens.filter(|_| !reasons),
        max_completion_tokens: request.max_output_tokens.filter(|_| reasons),
        temperature: request.temperature.filter(|_| !reasons),
        messages: messages(quirks, reasons, request)?,
        tools: tools.chain(extras.server_tools.iter().map(Tools::Server)).collect(),
        tool_choice: (!request.tools.is_empty()).then(|| match &request.tool_choice {
            ToolChoice::Required => json!("required"),
            ToolChoice::None => json!("none"),
            ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
            _ => json!("auto"),
        }),
        stream: true,
        stream_options: quirks.is_asked_for_usage.then_some(StreamOptions { include_usage: true }),
        fields: &extras.fields,
    };
    serde_json::to_vec(&body).map_err(|error| unsupported(error.to_string()))
}

fn messages(quirks: &Quirks, reasons: bool, request: &StepRequest) -> Result<Vec<Value>, StepError> {
    let system_role = if reasons { "developer" } else { "system" };
    let mut messages: Vec<Value> =
        request.system.iter().map(|system| json!({"role": system_role, "content": system})).collect();
    for message in &request.messages {
        match message {
            ModelMessage::System(system) => {
                messages.push(json!({"role": system_role, "content": system.content}));
            }
            ModelMessage::User(user) => {
                messages.push(json!({"role": "user", "content": user_content(quirks, &user.content)?}));
            }
            ModelMessage::Assistant(assistant) => messages.extend(said(quirks, &assistant.content)),
            ModelMessage::Tool(tool) => messages.extend(tool.content.iter().filter_map(|part| match part {
                ToolPart::Result(result) => Some(json!({
                    "role": "tool",
                    "tool_call_id": call_id(quirks, &result.tool_call_id),
                    "content": output(&result.output),
                })),
                _ => None,
            })),
            ModelMessage::Other(_) => {}
        }
    }
    Ok(messages)
}

fn call_id(quirks: &Quirks, id: &str) -> String {
    if quirks.has_short_ids { short_id(id) } else { id.to_owned() }
}

fn user_content(quirks: &Quirks, parts: &[UserPart]) -> Result<Value, StepError> {
    if let [UserPart::Text(text)] = parts {
        return Ok(json!(text.text));
    }
    let parts = parts.iter().enumerate().filter_map(|(at, part)| match part {
        UserPart::Text(text) => Some(Ok(json!({"type": "text", "text": text.text}))),
        UserPart::File(part) => Some(file(quirks, at, part)),
        UserPart::Other(_) => None,
    });
    Ok(Value::Array(parts.collect::<Result<_, _>>()?))
}

fn file(quirks: &Quirks, at: usize, part: &FilePart) -> Result<Value, StepError> {
    let file = File::read(&part.data, &part.media_type, quirks.provider)?;
    match (&*file.media_type, &file.source) {
        (_, Source::Url(_)) if file.is_image() && !quirks.fetches_images => Err(file.refuse()),
        (_, Source::Inline(_) | Source::Url(_)) if file.is_image() => {
            let options: FileOptions = options::lenient(part.provider_options.as_ref(), quirks.provider);
            let mut image = json!({"url": file.into_url()?});
            if let Some(detail) = options.image_detail {
                image["detail"] = json!(detail);
            }
            Ok(json!({"type": "image_url", "image_url": image}))
        }
        ("audio/wav" | "audio/x-wav", Source::Inline(data)) => {
            Ok(json!({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}))
        }
        ("audio/mp3" | "audio/mpeg", Source::Inline(data)) => {
            Ok(json!({"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}))
        }
        ("application/pdf", Source::Uploaded(id)) if quirks.takes_pdf => {
            Ok(json!({"type": "file", "file": {"file_id": id}}))
        }
        ("application/pdf", Source::Inline(_)) if quirks.takes_pdf => {
            let name = part.filename.clone().unwrap_or_else(|| format!("part-{at}.pdf"));
            Ok(json!({"type": "file", "file": {"filename": name, "file_data": file.into_url()?}}))
        }
        _ => Err(file.refuse()),
    }
}

/// What the model said; the provider's own tools have no place in this API.
fn said(quirks: &Quirks, parts: &[AssistantPart]) -> Option<Value> {
    let (mut text, mut thoughts) = (String::new(), String::new());
    let mut content = Vec::new();
    let mut calls = Vec::new();
    for part in parts {
        match part {
            AssistantPart::Text(part) if !part.text.is_empty() => {
                text.push_str(&part.text);
                content.push(json!({"type": "text", "text": part.text}));
            }
            AssistantPart::Reasoning(part) if !part.text.is_empty() => {
                thoughts.push_str(&part.text);
                content.push(json!({"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}));
            }
            AssistantPart::ToolCall(call) if call.provider_executed != Some(true) => calls.push(json!({
                "id": call_id(quirks, &call.tool_call_id),
                "type": "function",
                "function": {"name": call.tool_name, "arguments": call.input.as_str()},
            })),
            _ => {}
        }
    }
    if text.is_empty() && calls.is_empty() {
        return None;
    }
    let mut message = json!({"role": "assistant", "content": Some(text).filter(|text| !text.is_empty())});
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    match quirks.thoughts {
        Thoughts::Field(name) if !thoughts.is_empty() => message[name] = json!(thoughts),
        Thoughts::Parts if !thoughts.is_empty() => message["content"] = json!(content),
        Thoughts::Details => {
            let details = Details::of(parts);
            if !details.is_empty() {
                message["reasoning_details"] = json!(details);
            }
        }
        Thoughts::Field(_) | Thoughts::Parts | Thoughts::Forgotten => {}
    }
    Some(message)
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
