//! A conversation as the Messages API takes it.

use base64::{Engine, prelude::BASE64_STANDARD};
use headstart_core::{
    step::{StepError, StepRequest},
    wire::{
        AssistantPart, FilePart, Json, ModelMessage, ProviderMetadata, ReasoningPart, TextPart, ToolCallPart,
        ToolOutput, ToolPart, ToolResultPart, UserPart,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    PROVIDER,
    blocks::{Block, Content, Enabled, Message, Source},
    options::PartOptions,
    server_tools::{call_on_wire, result_on_wire, snake_case},
};
use crate::{files, files::File, options, unsupported};

/// Cache marks that the API takes in one request; more are dropped.
const MAX_CACHE_MARKS: usize = 4;

pub(super) struct Conversation {
    pub(super) has_pdf: bool,
    pub(super) has_upload: bool,
    cache_marks: usize,
    send_reasoning: bool,
}

impl Conversation {
    pub(super) fn new(send_reasoning: bool) -> Self {
        Self { has_pdf: false, has_upload: false, cache_marks: 0, send_reasoning }
    }

    pub(super) fn spend_cache_mark(&mut self) {
        self.cache_marks += 1;
    }

    pub(super) fn cache_mark(&mut self, options: Option<&Json>) -> Option<Json> {
        let mark = part_options(options).cache_control?;
        self.spend_cache_mark();
        (self.cache_marks <= MAX_CACHE_MARKS).then_some(mark)
    }

    /// Instructions and messages.
    pub(super) fn encode(&mut self, request: &StepRequest) -> Result<(Vec<Block>, Vec<Message>), StepError> {
        let text = |text: &String, cache_control| Block {
            content: Content::Text { text: text.clone(), citations: None },
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
                    let content = user.content.iter().filter_map(|part| self.user_part(part).transpose());
                    let content = content.collect::<Result<Vec<_>, _>>()?;
                    self.push(&mut messages, "user", content, user.provider_options.as_ref());
                }
                ModelMessage::Tool(tool) => {
                    let mut results = Vec::new();
                    for part in &tool.content {
                        if let ToolPart::Result(result) = part {
                            results.push(self.tool_result(result)?);
                        }
                    }
                    self.push(&mut messages, "user", results, tool.provider_options.as_ref());
                }
                ModelMessage::Assistant(assistant) => {
                    let content: Vec<_> =
                        assistant.content.iter().filter_map(|part| self.assistant_part(part)).collect();
                    self.push(&mut messages, "assistant", content, assistant.provider_options.as_ref());
                }
                ModelMessage::Other(_) => {}
            }
        }
        for message in messages.iter_mut().filter(|message| message.role == "assistant") {
            calls_last(&mut message.content);
        }
        trim_prefill(&mut messages);
        Ok((system, messages))
    }

    /// Messages of one role in a row are one message; an assistant's without content is none.
    fn push(
        &mut self,
        messages: &mut Vec<Message>,
        role: &'static str,
        mut content: Vec<Block>,
        options: Option<&ProviderMetadata>,
    ) {
        // A mark of the message is one of its last part.
        if let Some(last) = content.last_mut()
            && last.cache_control.is_none()
            && !last.content.is_thinking()
        {
            last.cache_control = self.cache_mark(options);
        }
        match messages.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            _ if content.is_empty() && role == "assistant" => {}
            _ => messages.push(Message { role, content }),
        }
    }

    fn user_part(&mut self, part: &UserPart) -> Result<Option<Block>, StepError> {
        Ok(match part {
            UserPart::Text(text) => Some(Block {
                content: Content::Text { text: text.text.clone(), citations: None },
                cache_control: self.cache_mark(text.provider_options.as_ref()),
            }),
            UserPart::File(file) => Some(self.file(file)?),
            UserPart::Other(_) => None,
        })
    }

    fn file(&mut self, part: &FilePart) -> Result<Block, StepError> {
        let file = File::read(&part.data, &part.media_type, PROVIDER)?;
        let options = part_options(part.provider_options.as_ref());
        let content = match self.source(&file)? {
            source if file.is_image() => Content::Image { source },
            source => {
                #[derive(Default, Deserialize)]
                struct Citations {
                    #[serde(default)]
                    enabled: bool,
                }
                let citations = options.citations.and_then(|citations| citations.to::<Citations>().ok());
                Content::Document {
                    source,
                    title: options.title.or_else(|| part.filename.clone()),
                    context: options.context,
                    citations: citations
                        .filter(|citations| citations.enabled)
                        .map(|_| Enabled { enabled: true }),
                }
            }
        };
        Ok(Block { content, cache_control: self.cache_mark(part.provider_options.as_ref()) })
    }

    fn source(&mut self, file: &File) -> Result<Source, StepError> {
        let is_pdf = file.media_type == "application/pdf";
        let is_text = file.media_type == "text/plain";
        if !file.is_image() && !is_pdf && !is_text {
            return Err(file.refuse());
        }
        self.has_pdf |= is_pdf;
        Ok(match &file.source {
            files::Source::Url(url) => Source::Url { url: url.clone() },
            files::Source::Uploaded(id) => {
                self.has_upload = true;
                Source::File { file_id: id.clone() }
            }
            files::Source::Inline(data) if is_text => {
                let bytes =
                    BASE64_STANDARD.decode(data).map_err(|_| unsupported("a file that is not base64"))?;
                let data = String::from_utf8_lossy(&bytes).into_owned();
                Source::Text { media_type: file.media_type.clone(), data }
            }
            files::Source::Inline(data) => {
                Source::Base64 { media_type: file.media_type.clone(), data: data.clone() }
            }
        })
    }

    fn assistant_part(&mut self, part: &AssistantPart) -> Option<Block> {
        let (content, options) = match part {
            AssistantPart::Text(text) => (said(text)?, text.provider_options.as_ref()),
            AssistantPart::Reasoning(reasoning) => {
                let content = thought(reasoning).filter(|_| self.send_reasoning)?;
                return Some(Block { content, cache_control: None });
            }
            AssistantPart::ToolCall(call) => (tool_use(call)?, call.provider_options.as_ref()),
            AssistantPart::ToolResult(result) => {
                (server_tool_result(result)?, result.provider_options.as_ref())
            }
            _ => return None,
        };
        Some(Block { content, cache_control: self.cache_mark(options) })
    }

    fn tool_result(&mut self, result: &ToolResultPart) -> Result<Block, StepError> {
        let (content, is_error) = match &result.output {
            ToolOutput::Text { value } => (json!(value), None),
            ToolOutput::ErrorText { value } => (json!(value), Some(true)),
            ToolOutput::Json { value } => (json!(value.as_str()), None),
            ToolOutput::ErrorJson { value } => (json!(value.as_str()), Some(true)),
            ToolOutput::ExecutionDenied { reason } => {
                (json!(reason.as_deref().unwrap_or("Tool call execution denied.")), None)
            }
            ToolOutput::Content { value } => (self.tool_content(value)?, None),
            _ => (json!(""), None),
        };
        Ok(Block {
            content: Content::ToolResult { tool_use_id: result.tool_call_id.clone(), content, is_error },
            cache_control: self.cache_mark(result.provider_options.as_ref()),
        })
    }

    /// Text, images and files that a tool gave.
    fn tool_content(&mut self, value: &Json) -> Result<Value, StepError> {
        let mut blocks = Vec::new();
        for part in crate::tool_content::read(value)? {
            let block = match part.into_file()? {
                Ok(text) => Content::Text { text, citations: None },
                Err(file) => match self.source(&file)? {
                    source if file.is_image() => Content::Image { source },
                    source => Content::Document { source, title: None, context: None, citations: None },
                },
            };
            blocks.push(serde_json::to_value(block).map_err(|error| unsupported(error.to_string()))?);
        }
        Ok(Value::Array(blocks))
    }
}

fn part_options(options: Option<&Json>) -> PartOptions {
    options::lenient(options, PROVIDER)
}

fn said(text: &TextPart) -> Option<Content> {
    let options = part_options(text.provider_options.as_ref());
    let text = text.text.clone();
    match options.r#type.as_deref() {
        Some("compaction") => Some(Content::Compaction { content: text }),
        // The API takes no empty text.
        _ if text.is_empty() => None,
        _ => Some(Content::Text { text, citations: options.citations }),
    }
}

/// Byte for byte: the API checks it. What it did not sign it does not take.
fn thought(reasoning: &ReasoningPart) -> Option<Content> {
    match part_options(reasoning.provider_options.as_ref()) {
        PartOptions { signature: Some(signature), .. } => {
            Some(Content::Thinking { thinking: reasoning.text.clone(), signature })
        }
        PartOptions { redacted_data: Some(data), .. } => Some(Content::RedactedThinking { data }),
        _ => None,
    }
}

fn tool_use(call: &ToolCallPart) -> Option<Content> {
    let options = part_options(call.provider_options.as_ref());
    let caller = options.caller.as_ref().map(|caller| snake_case(&caller.to_value()));
    let (id, name, input) = (call.tool_call_id.clone(), call.tool_name.clone(), call.input.clone());
    if call.provider_executed != Some(true) {
        return Some(Content::ToolUse { id, name, input, caller });
    }
    if options.r#type.as_deref() == Some("mcp-tool-use") {
        return Some(Content::McpToolUse { id, name, input, server_name: options.server_name? });
    }
    let (name, input) = call_on_wire(&name, &input);
    Some(Content::ServerToolUse { id, name, input, caller })
}

fn server_tool_result(result: &ToolResultPart) -> Option<Content> {
    let (value, is_error) = match &result.output {
        ToolOutput::Json { value } => (value, false),
        ToolOutput::ErrorJson { value } => (value, true),
        _ => return None,
    };
    let options = part_options(result.provider_options.as_ref());
    let tool_use_id = result.tool_call_id.clone();
    if options.r#type.as_deref() == Some("mcp-tool-use") {
        return Some(Content::McpToolResult { tool_use_id, is_error, content: value.clone() });
    }
    let (r#type, content) = result_on_wire(&result.tool_name, value, is_error)?;
    let caller = options.caller.as_ref().map(|caller| snake_case(&caller.to_value()));
    Some(Content::ServerToolResult { r#type, tool_use_id, content, caller })
}

/// Calls come last between two thoughts: their results are expected right behind them.
fn calls_last(content: &mut [Block]) {
    for segment in content.split_mut(|block| block.content.is_thinking()) {
        segment.sort_by_key(|block| block.content.is_call());
    }
}

/// The API refuses an answer to go on from that ends with white space.
fn trim_prefill(messages: &mut Vec<Message>) {
    let Some(Message { role: "assistant", content }) = messages.last_mut() else { return };
    if let Some(Block { content: Content::Text { text, .. }, .. }) = content.last_mut() {
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            content.pop();
        }
    }
    if content.is_empty() {
        messages.pop();
    }
}
