//! A step request as a body of the Messages API.

use base64::{Engine, prelude::BASE64_STANDARD};
use headstart_core::{
    step::{StepError, StepErrorKind, StepRequest, ToolChoice},
    wire::{
        AssistantPart, FileData, FilePart, Json, ModelMessage, ToolCallPart, ToolOutput, ToolPart,
        ToolResultPart, UserPart,
    },
};
use serde::Serialize;
use serde_json::json;

use super::options::{self, PartOptions, RequestOptions};

/// Cache marks that the API takes in one request.
const MAX_CACHE_MARKS: usize = 4;

pub(super) struct Encoded {
    pub(super) body: Vec<u8>,
    pub(super) betas: Vec<&'static str>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block>,
    messages: Vec<Message>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<serde_json::Value>,
    stream: bool,
}

#[derive(Serialize)]
struct Thinking {
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u32>,
}

#[derive(Serialize)]
struct OutputConfig {
    effort: String,
}

#[derive(Serialize)]
struct ToolBody<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eager_input_streaming: Option<bool>,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: Vec<Block>,
}

#[derive(Serialize)]
struct Block {
    #[serde(flatten)]
    content: Content,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Json>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    Text {
        text: String,
    },
    Image {
        source: Source,
    },
    Document {
        source: Source,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    ToolUse {
        id: String,
        name: String,
        input: Json,
    },
    ServerToolUse {
        id: String,
        name: String,
        input: Json,
    },
    WebSearchToolResult {
        tool_use_id: String,
        content: Json,
    },
    ToolResult {
        tool_use_id: String,
        content: serde_json::Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source {
    Base64 { media_type: String, data: String },
    Url { url: String },
    Text { media_type: String, data: String },
}

/// Encodes a request for a model.
pub(super) fn encode(model: &str, request: &StepRequest) -> Result<Encoded, StepError> {
    let options: RequestOptions = options::read(request.provider_options.as_ref());
    let mut encoder =
        Encoder { has_pdf: false, cache_marks: 0, send_reasoning: options.send_reasoning != Some(false) };
    let (system, messages) = encoder.conversation(request)?;
    let budget = options.thinking.as_ref().and_then(|thinking| thinking.budget_tokens);
    let is_thinking = options.thinking.as_ref().is_some_and(|thinking| thinking.r#type == "enabled");
    let has_tools = !request.tools.is_empty();
    let eager = (options.tool_streaming != Some(false)).then_some(true);
    let body = Body {
        model,
        max_tokens: max_tokens(model, request.max_output_tokens, budget.filter(|_| is_thinking)),
        // A model that thinks takes no other temperature than its own.
        temperature: request.temperature.filter(|_| !is_thinking),
        thinking: options
            .thinking
            .map(|thinking| Thinking { r#type: thinking.r#type, budget_tokens: thinking.budget_tokens }),
        output_config: options.effort.map(|effort| OutputConfig { effort }),
        cache_control: options.cache_control,
        system,
        messages,
        tools: request
            .tools
            .iter()
            .map(|tool| ToolBody {
                name: tool.name(),
                description: tool.description(),
                input_schema: tool.schema(),
                cache_control: encoder.cache_mark(tool.options()),
                eager_input_streaming: eager,
            })
            .collect(),
        tool_choice: has_tools.then(|| tool_choice(&request.tool_choice, options.disable_parallel_tool_use)),
        stream: true,
    };
    let body = serde_json::to_vec(&body).map_err(|error| unsupported(error.to_string()))?;
    let pdf = encoder.has_pdf.then_some("pdfs-2024-09-25");
    let structured = (has_tools && !model.starts_with("claude-3")).then_some("structured-outputs-2025-11-13");
    Ok(Encoded { body, betas: pdf.into_iter().chain(structured).collect() })
}

fn unsupported(message: impl Into<String>) -> StepError {
    StepError::new(StepErrorKind::Unsupported, message)
}

fn tool_choice(choice: &ToolChoice, disable_parallel: Option<bool>) -> serde_json::Value {
    let mut value = match choice {
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
        _ => json!({"type": "auto"}),
    };
    if let Some(disable) = disable_parallel {
        value["disable_parallel_tool_use"] = disable.into();
    }
    value
}

/// The API insists on a limit. Thinking comes on top of the answer; known models have a maximum.
fn max_tokens(model: &str, wanted: Option<u32>, thinking: Option<u32>) -> u32 {
    let is = |names: &[&str]| names.iter().any(|name| model.contains(name));
    let maximum = if is(&["claude-3-haiku", "claude-3-opus", "claude-3-sonnet"]) {
        4096
    } else if is(&["claude-3-5"]) {
        8192
    } else if is(&["opus-4-1", "opus-4-0", "opus-4-2"]) {
        32_000
    } else if is(&["claude-3-7", "sonnet-4-5", "opus-4-5", "haiku-4-5", "sonnet-4-0", "sonnet-4-2"]) {
        64_000
    } else {
        128_000
    };
    wanted.unwrap_or(maximum).saturating_add(thinking.unwrap_or_default()).min(maximum)
}

struct Encoder {
    has_pdf: bool,
    cache_marks: usize,
    send_reasoning: bool,
}

impl Encoder {
    fn conversation(&mut self, request: &StepRequest) -> Result<(Vec<Block>, Vec<Message>), StepError> {
        let text = |text: &str, cache_control| Block {
            content: Content::Text { text: text.to_owned() },
            cache_control,
        };
        let mut system: Vec<Block> = request.system.iter().map(|system| text(system, None)).collect();
        let mut messages: Vec<Message> = Vec::new();
        for message in &request.messages {
            match message {
                ModelMessage::System(message) if messages.is_empty() => {
                    system.push(text(&message.content, self.cache_mark(message.provider_options.as_ref())));
                }
                ModelMessage::System(_) => {
                    return Err(unsupported("a system message behind the first others"));
                }
                ModelMessage::User(user) => {
                    let content = user.content.iter().map(|part| self.user_part(part));
                    let content = content.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
                    push(&mut messages, "user", content);
                }
                ModelMessage::Tool(tool) => {
                    let results = tool.content.iter().filter_map(|part| match part {
                        ToolPart::Result(result) => Some(self.tool_result(result)),
                        _ => None,
                    });
                    let results = results.collect();
                    push(&mut messages, "user", results);
                }
                ModelMessage::Assistant(assistant) => {
                    let mut said = Vec::new();
                    let mut calls = Vec::new();
                    for part in &assistant.content {
                        match self.assistant_part(part) {
                            Some(block @ Block { content: Content::ToolUse { .. }, .. }) => calls.push(block),
                            Some(block) => said.push(block),
                            None => {}
                        }
                    }
                    // Calls come last: their results are expected right behind them.
                    said.extend(calls);
                    push(&mut messages, "assistant", said);
                }
                ModelMessage::Other(_) => {}
            }
        }
        // The API refuses an answer to go on from that ends with white space.
        if let Some(Message { role: "assistant", content }) = messages.last_mut()
            && let Some(Block { content: Content::Text { text }, .. }) = content.last_mut()
        {
            text.truncate(text.trim_end().len());
        }
        Ok((system, messages))
    }

    fn cache_mark(&mut self, part: Option<&Json>) -> Option<Json> {
        let mark = options::read::<PartOptions>(part).cache_control?;
        self.cache_marks += 1;
        (self.cache_marks <= MAX_CACHE_MARKS).then_some(mark)
    }

    fn user_part(&mut self, part: &UserPart) -> Result<Option<Block>, StepError> {
        Ok(match part {
            UserPart::Text(text) => Some(Block {
                content: Content::Text { text: text.text.clone() },
                cache_control: self.cache_mark(text.provider_options.as_ref()),
            }),
            UserPart::File(file) => Some(self.file(file)?),
            UserPart::Other(_) => None,
        })
    }

    fn file(&mut self, file: &FilePart) -> Result<Block, StepError> {
        let inline = match &file.data {
            FileData::Base64(data) => Some((file.media_type.clone(), data.clone())),
            FileData::Url(url) => data_url(url, &file.media_type)?,
            _ => return Err(unsupported("a file that another provider has")),
        };
        let media_type = inline.as_ref().map_or(&*file.media_type, |(media_type, _)| media_type).to_owned();
        let source = match (inline, &file.data) {
            (Some((media_type, data)), _) => Source::Base64 { media_type, data },
            // Passed on, never fetched here.
            (None, FileData::Url(url)) => Source::Url { url: url.clone() },
            (None, _) => return Err(unsupported("a file without data")),
        };
        let title = file.filename.clone();
        let content = match (&*media_type, source) {
            (image, source) if image.starts_with("image/") => Content::Image { source },
            ("application/pdf", source) => {
                self.has_pdf = true;
                Content::Document { source, title }
            }
            ("text/plain", Source::Base64 { media_type, data }) => {
                let bytes =
                    BASE64_STANDARD.decode(data).map_err(|_| unsupported("a file that is not base64"))?;
                let data = String::from_utf8_lossy(&bytes).into_owned();
                Content::Document { source: Source::Text { media_type, data }, title }
            }
            ("text/plain", source) => Content::Document { source, title },
            (other, _) => return Err(unsupported(format!("a file of type {other:?}"))),
        };
        Ok(Block { content, cache_control: self.cache_mark(file.provider_options.as_ref()) })
    }

    fn assistant_part(&mut self, part: &AssistantPart) -> Option<Block> {
        let (content, options) = match part {
            AssistantPart::Text(text) if text.text.is_empty() => return None,
            AssistantPart::Text(text) => {
                (Content::Text { text: text.text.clone() }, text.provider_options.as_ref())
            }
            AssistantPart::Reasoning(reasoning) => {
                let options: PartOptions = options::read(reasoning.provider_options.as_ref());
                let content = match options {
                    _ if !self.send_reasoning => return None,
                    // Byte for byte: the API checks it.
                    PartOptions { signature: Some(signature), .. } => {
                        Content::Thinking { thinking: reasoning.text.clone(), signature }
                    }
                    PartOptions { redacted_data: Some(data), .. } => Content::RedactedThinking { data },
                    _ => return None,
                };
                return Some(Block { content, cache_control: None });
            }
            AssistantPart::ToolCall(call) => (tool_use(call), call.provider_options.as_ref()),
            AssistantPart::ToolResult(ToolResultPart {
                tool_call_id,
                output: ToolOutput::Json { value },
                ..
            }) => {
                let content = Content::WebSearchToolResult {
                    tool_use_id: tool_call_id.clone(),
                    content: super::decode::snake_case(value),
                };
                (content, None)
            }
            _ => return None,
        };
        Some(Block { content, cache_control: self.cache_mark(options) })
    }

    fn tool_result(&mut self, result: &ToolResultPart) -> Block {
        let (content, is_error) = match &result.output {
            ToolOutput::Text { value } => (json!(value), None),
            ToolOutput::ErrorText { value } => (json!(value), Some(true)),
            ToolOutput::Json { value } => (json!(value.as_str()), None),
            ToolOutput::ErrorJson { value } => (json!(value.as_str()), Some(true)),
            ToolOutput::ExecutionDenied { reason } => {
                (json!(reason.as_deref().unwrap_or("Tool call execution denied.")), None)
            }
            ToolOutput::Content { value } => (value.to_value(), None),
            _ => (json!(""), None),
        };
        Block {
            content: Content::ToolResult { tool_use_id: result.tool_call_id.clone(), content, is_error },
            cache_control: self.cache_mark(result.provider_options.as_ref()),
        }
    }
}

fn tool_use(call: &ToolCallPart) -> Content {
    let (id, name, input) = (call.tool_call_id.clone(), call.tool_name.clone(), call.input.clone());
    match call.provider_executed {
        Some(true) => Content::ServerToolUse { id, name, input },
        _ => Content::ToolUse { id, name, input },
    }
}

/// Messages of one role in a row are one message; one without content is none.
fn push(messages: &mut Vec<Message>, role: &'static str, content: Vec<Block>) {
    match messages.last_mut() {
        Some(last) if last.role == role => last.content.extend(content),
        _ if content.is_empty() && role == "assistant" => {}
        _ => messages.push(Message { role, content }),
    }
}

/// The media type and base64 of a `data:` URL; `None` for another address.
fn data_url(url: &str, fallback: &str) -> Result<Option<(String, String)>, StepError> {
    let Some(rest) = url.strip_prefix("data:") else { return Ok(None) };
    let (head, data) = rest.split_once(',').ok_or_else(|| unsupported("a data URL without data"))?;
    let media_type = head.split(';').next().filter(|kind| !kind.is_empty()).unwrap_or(fallback).to_owned();
    if head.ends_with(";base64") {
        return Ok(Some((media_type, data.to_owned())));
    }
    Ok(Some((media_type, BASE64_STANDARD.encode(percent_decode(data)))))
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
