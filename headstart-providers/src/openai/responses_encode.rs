//! A step request as a body of the Responses API.

use headstart_core::{
    step::{StepError, StepRequest, ToolChoice},
    wire::{AssistantPart, FileData, FilePart, Json, ModelMessage, ToolPart, UserPart},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::chat_encode::{is_reasoning, output, unsupported};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    stream: bool,
}

#[derive(Serialize)]
struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    name: &'a str,
    description: &'a str,
    parameters: &'a Json,
}

/// `providerOptions.openai` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestOptions {
    store: Option<bool>,
    reasoning_effort: Option<String>,
    reasoning_summary: Option<String>,
}

/// `providerOptions.openai` of a part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartOptions {
    item_id: Option<String>,
    reasoning_encrypted_content: Option<String>,
}

fn read<T: serde::de::DeserializeOwned + Default>(options: Option<&Json>) -> T {
    #[derive(Deserialize)]
    struct Providers<T> {
        openai: Option<T>,
    }
    options.and_then(|options| options.to::<Providers<T>>().ok()?.openai).unwrap_or_default()
}

/// Encodes a request for a model.
pub(super) fn encode(model: &str, request: &StepRequest) -> Result<Vec<u8>, StepError> {
    let options: RequestOptions = read(request.provider_options.as_ref());
    let reasons = is_reasoning(model);
    let is_stored = options.store != Some(false);
    let role = if reasons { "developer" } else { "system" };
    let mut input: Vec<Value> =
        request.system.iter().map(|system| json!({"role": role, "content": system})).collect();
    for message in &request.messages {
        match message {
            ModelMessage::System(system) => input.push(json!({"role": role, "content": system.content})),
            ModelMessage::User(user) => {
                let parts = user.content.iter().enumerate().filter_map(|(at, part)| match part {
                    UserPart::Text(text) => Some(Ok(json!({"type": "input_text", "text": text.text}))),
                    UserPart::File(part) => Some(file(at, part)),
                    UserPart::Other(_) => None,
                });
                input.push(json!({"role": "user", "content": parts.collect::<Result<Vec<_>, _>>()?}));
            }
            ModelMessage::Assistant(assistant) => said(&assistant.content, is_stored, &mut input),
            ModelMessage::Tool(tool) => input.extend(tool.content.iter().filter_map(|part| match part {
                ToolPart::Result(result) => Some(json!({
                    "type": "function_call_output",
                    "call_id": result.tool_call_id,
                    "output": output(&result.output),
                })),
                _ => None,
            })),
            ModelMessage::Other(_) => {}
        }
    }
    let wants_reasoning = options.reasoning_effort.is_some() || options.reasoning_summary.is_some();
    let body = Body {
        model,
        input,
        temperature: request.temperature.filter(|_| !reasons),
        max_output_tokens: request.max_output_tokens,
        store: options.store,
        // What is not kept there has to come back from here.
        include: if reasons && !is_stored { vec!["reasoning.encrypted_content"] } else { Vec::new() },
        reasoning: wants_reasoning
            .then_some(Reasoning { effort: options.reasoning_effort, summary: options.reasoning_summary }),
        tools: request
            .tools
            .iter()
            .map(|tool| Tool {
                r#type: "function",
                name: tool.name(),
                description: tool.description(),
                parameters: tool.schema(),
            })
            .collect(),
        tool_choice: (!request.tools.is_empty()).then(|| match &request.tool_choice {
            ToolChoice::Required => json!("required"),
            ToolChoice::None => json!("none"),
            ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
            _ => json!("auto"),
        }),
        stream: true,
    };
    serde_json::to_vec(&body).map_err(|error| unsupported(error.to_string()))
}

fn file(at: usize, file: &FilePart) -> Result<Value, StepError> {
    let url = match &file.data {
        FileData::Url(url) => url.clone(),
        FileData::Base64(data) => format!("data:{};base64,{data}", file.media_type),
        _ => return Err(unsupported("a file that another provider has")),
    };
    match &*file.media_type {
        image if image.starts_with("image/") => Ok(json!({"type": "input_image", "image_url": url})),
        "application/pdf" if url.starts_with("data:") => {
            let name = file.filename.clone().unwrap_or_else(|| format!("part-{at}.pdf"));
            Ok(json!({"type": "input_file", "filename": name, "file_data": url}))
        }
        "application/pdf" => Ok(json!({"type": "input_file", "file_url": url})),
        other => Err(unsupported(format!("a file of type {other:?}"))),
    }
}

/// What the model said. Items that the provider keeps are named, once each; others are sent whole.
fn said(parts: &[AssistantPart], is_stored: bool, input: &mut Vec<Value>) {
    for part in parts {
        match part {
            AssistantPart::Text(text) => {
                let item = read::<PartOptions>(text.provider_options.as_ref()).item_id;
                let content = json!([{"type": "output_text", "text": text.text}]);
                input.push(match item {
                    Some(id) if is_stored => json!({"type": "item_reference", "id": id}),
                    Some(id) => json!({"role": "assistant", "content": content, "id": id}),
                    None => json!({"role": "assistant", "content": content}),
                });
            }
            AssistantPart::Reasoning(reasoning) => {
                let options: PartOptions = read(reasoning.provider_options.as_ref());
                let Some(id) = options.item_id else { continue };
                let known = input.iter_mut().find(|item| item["id"] == *id);
                match (known, is_stored) {
                    (Some(_), true) => {}
                    (None, true) => input.push(json!({"type": "item_reference", "id": id})),
                    (known, false) => {
                        let summary = json!({"type": "summary_text", "text": reasoning.text});
                        let encrypted = options.reasoning_encrypted_content;
                        if let Some(item) = known {
                            if let (Some(summaries), false) =
                                (item["summary"].as_array_mut(), reasoning.text.is_empty())
                            {
                                summaries.push(summary);
                            }
                            if encrypted.is_some() {
                                item["encrypted_content"] = json!(encrypted);
                            }
                        } else {
                            let summaries = if reasoning.text.is_empty() { vec![] } else { vec![summary] };
                            input.push(json!({
                                "type": "reasoning",
                                "id": id,
                                "encrypted_content": encrypted,
                                "summary": summaries,
                            }));
                        }
                    }
                }
            }
            AssistantPart::ToolCall(call) if call.provider_executed != Some(true) => input.push(json!({
                "type": "function_call",
                "call_id": call.tool_call_id,
                "name": call.tool_name,
                "arguments": call.input.as_str(),
            })),
            _ => {}
        }
    }
}
