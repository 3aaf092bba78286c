//! A step request as a body of the Responses API.

use headstart_core::{
    step::{StepError, StepRequest, ToolChoice},
    wire::{
        AssistantPart, FilePart, Json, ModelMessage, ReasoningPart, TextPart, ToolOutput, ToolPart, UserPart,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    RESPONSES,
    chat_encode::{FileOptions, ToolOptions, output},
    models::is_reasoning,
};
use crate::{
    extras::Extras,
    files::{File, Source},
    options, tool_content, unsupported,
};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_response_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    stream: bool,
    #[serde(flatten)]
    fields: &'a std::collections::BTreeMap<String, Json>,
}

#[derive(Serialize)]
struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Tools<'a> {
    Client {
        r#type: &'static str,
        name: &'a str,
        description: &'a str,
        parameters: &'a Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    Server(&'a Json),
}

/// `providerOptions.openai` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestOptions {
    store: Option<bool>,
    include: Vec<String>,
    reasoning_effort: Option<String>,
    reasoning_summary: Option<String>,
    text_verbosity: Option<String>,
    parallel_tool_calls: Option<bool>,
    previous_response_id: Option<String>,
    service_tier: Option<String>,
    prompt_cache_key: Option<String>,
    safety_identifier: Option<String>,
}

/// `providerOptions.openai` of a part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartOptions {
    item_id: Option<String>,
    reasoning_encrypted_content: Option<String>,
    phase: Option<String>,
}

const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Encodes a request for a model.
pub(super) fn encode(model: &str, extras: &Extras, request: &StepRequest) -> Result<Vec<u8>, StepError> {
    let options: RequestOptions = options::strict(request.provider_options.as_ref(), RESPONSES)?;
    let reasons = is_reasoning(model);
    let is_stored = options.store != Some(false);
    let mut include = options.include;
    // What is not kept there has to come back from here.
    if reasons && !is_stored && !include.iter().any(|what| what == ENCRYPTED) {
        include.push(ENCRYPTED.to_owned());
    }
    let wants_reasoning = options.reasoning_effort.is_some() || options.reasoning_summary.is_some();
    let tools = request.tools.iter().map(|tool| Tools::Client {
        r#type: "function",
        name: tool.name(),
        description: tool.description(),
        parameters: tool.schema(),
        strict: options::lenient::<ToolOptions>(tool.options(), RESPONSES).strict,
    });
    let body = Body {
        model,
        input: Input::new(is_stored, reasons).read(request)?,
        temperature: request.temperature.filter(|_| !reasons),
        max_output_tokens: request.max_output_tokens,
        text: options.text_verbosity.map(|verbosity| json!({ "verbosity": verbosity })),
        parallel_tool_calls: options.parallel_tool_calls,
        previous_response_id: options.previous_response_id,
        store: options.store,
        service_tier: options.service_tier,
        include,
        prompt_cache_key: options.prompt_cache_key,
        safety_identifier: options.safety_identifier,
        reasoning: wants_reasoning
            .then_some(Reasoning { effort: options.reasoning_effort, summary: options.reasoning_summary }),
        tools: tools.chain(extras.server_tools.iter().map(Tools::Server)).collect(),
        tool_choice: (!request.tools.is_empty()).then(|| match &request.tool_choice {
            ToolChoice::Required => json!("required"),
            ToolChoice::None => json!("none"),
            ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
            _ => json!("auto"),
        }),
        stream: true,
        fields: &extras.fields,
    };
    serde_json::to_vec(&body).map_err(|error| unsupported(error.to_string()))
}

/// A conversation as items. Those that the provider keeps are named, once each; others are sent whole.
struct Input {
    items: Vec<Value>,
    /// Where the item of an id is.
    known: std::collections::HashMap<String, usize>,
    is_stored: bool,
    reasons: bool,
}

impl Input {
    fn new(is_stored: bool, reasons: bool) -> Self {
        Self { items: Vec::new(), known: std::collections::HashMap::new(), is_stored, reasons }
    }

    fn read(mut self, request: &StepRequest) -> Result<Vec<Value>, StepError> {
        let role = if self.reasons { "developer" } else { "system" };
        self.items.extend(request.system.iter().map(|system| json!({"role": role, "content": system})));
        for message in &request.messages {
            match message {
                ModelMessage::System(system) => {
                    self.items.push(json!({"role": role, "content": system.content}));
                }
                ModelMessage::User(user) => {
                    let parts = user.content.iter().enumerate().filter_map(|(at, part)| match part {
                        UserPart::Text(text) => Some(Ok(json!({"type": "input_text", "text": text.text}))),
                        UserPart::File(part) => Some(user_file(at, part)),
                        UserPart::Other(_) => None,
                    });
                    let content = parts.collect::<Result<Vec<_>, _>>()?;
                    self.items.push(json!({"role": "user", "content": content}));
                }
                ModelMessage::Assistant(assistant) => self.said(&assistant.content),
                ModelMessage::Tool(tool) => {
                    for part in &tool.content {
                        let ToolPart::Result(result) = part else { continue };
                        self.items.push(json!({
                            "type": "function_call_output",
                            "call_id": result.tool_call_id,
                            "output": tool_output(&result.output)?,
                        }));
                    }
                }
                ModelMessage::Other(_) => {}
            }
        }
        Ok(self.items)
    }

    fn said(&mut self, parts: &[AssistantPart]) {
        // A model that thinks takes a message by its id only behind the thoughts that led to it.
        let mut has_thoughts = false;
        for part in parts {
            match part {
                AssistantPart::Text(text) => self.text(text, !self.reasons || has_thoughts),
                AssistantPart::Reasoning(reasoning) => has_thoughts |= self.reasoning(reasoning),
                AssistantPart::ToolCall(call) if call.provider_executed == Some(true) => {
                    let options: PartOptions = options::lenient(call.provider_options.as_ref(), RESPONSES);
                    // Call and result are one item, which only the provider can give again.
                    if let (Some(id), true) = (options.item_id, self.is_stored) {
                        self.name(id);
                    }
                }
                AssistantPart::ToolCall(call) => self.items.push(json!({
                    "type": "function_call",
                    "call_id": call.tool_call_id,
                    "name": call.tool_name,
                    "arguments": call.input.as_str(),
                })),
                _ => {}
            }
        }
    }

    fn name(&mut self, id: String) {
        if !self.known.contains_key(&id) {
            self.known.insert(id.clone(), self.items.len());
            self.items.push(json!({"type": "item_reference", "id": id}));
        }
    }

    fn text(&mut self, text: &TextPart, may_have_id: bool) {
        let options: PartOptions = options::lenient(text.provider_options.as_ref(), RESPONSES);
        let id = options.item_id.filter(|_| may_have_id);
        if let (Some(id), true) = (&id, self.is_stored) {
            return self.name(id.clone());
        }
        if text.text.is_empty() {
            return;
        }
        let mut item = json!({"role": "assistant", "content": [{"type": "output_text", "text": text.text}]});
        for (key, value) in [("id", id), ("phase", options.phase)] {
            if let Some(value) = value {
                item[key] = json!(value);
            }
        }
        self.items.push(item);
    }

    /// One summary part; parts of one item come one behind the other.
    fn reasoning(&mut self, reasoning: &ReasoningPart) -> bool {
        let options: PartOptions = options::lenient(reasoning.provider_options.as_ref(), RESPONSES);
        let Some(id) = options.item_id else { return false };
        if self.is_stored {
            self.name(id);
            return true;
        }
        let at = *self.known.entry(id.clone()).or_insert_with(|| {
            let item = json!({"type": "reasoning", "id": id, "encrypted_content": null, "summary": []});
            self.items.push(item);
            self.items.len() - 1
        });
        let item = &mut self.items[at];
        if let (Some(summaries), false) = (item["summary"].as_array_mut(), reasoning.text.is_empty()) {
            summaries.push(json!({"type": "summary_text", "text": reasoning.text}));
        }
        if let Some(encrypted) = options.reasoning_encrypted_content {
            item["encrypted_content"] = json!(encrypted);
        }
        true
    }
}

fn user_file(at: usize, part: &FilePart) -> Result<Value, StepError> {
    let options: FileOptions = options::lenient(part.provider_options.as_ref(), RESPONSES);
    let mut item = file(at, part.filename.as_deref(), File::read(&part.data, &part.media_type, RESPONSES)?)?;
    if let (Some(detail), "input_image") = (options.image_detail, item["type"].as_str().unwrap_or_default()) {
        item["detail"] = json!(detail);
    }
    Ok(item)
}

fn file(at: usize, name: Option<&str>, file: File) -> Result<Value, StepError> {
    let is_pdf = file.media_type == "application/pdf";
    Ok(match &file.source {
        Source::Uploaded(id) if file.is_image() => json!({"type": "input_image", "file_id": id}),
        Source::Uploaded(id) => json!({"type": "input_file", "file_id": id}),
        _ if file.is_image() => json!({"type": "input_image", "image_url": file.into_url()?}),
        Source::Inline(_) if is_pdf => {
            let name = name.map_or_else(|| format!("part-{at}.pdf"), str::to_owned);
            json!({"type": "input_file", "filename": name, "file_data": file.into_url()?})
        }
        Source::Url(url) if is_pdf => json!({"type": "input_file", "file_url": url}),
        _ => return Err(file.refuse()),
    })
}

fn tool_output(given: &ToolOutput) -> Result<Value, StepError> {
    let ToolOutput::Content { value } = given else { return Ok(json!(output(given))) };
    let parts = tool_content::read(value)?.into_iter().enumerate().map(|(at, part)| {
        Ok(match part.into_file()? {
            Ok(text) => json!({"type": "input_text", "text": text}),
            Err(part) => file(at, None, part)?,
        })
    });
    Ok(Value::Array(parts.collect::<Result<_, StepError>>()?))
}
