//! A step request as a body of the Messages API.

use headstart_core::{
    step::{StepError, StepRequest, Tool, ToolChoice},
    wire::Json,
};
use serde::Serialize;
use serde_json::json;

use super::{
    PROVIDER,
    blocks::{Block, Message},
    conversation::Conversation,
    options::{RequestOptions, Thinking},
};
use crate::{extras::Extras, options, unsupported};

const FILES: &str = "files-api-2025-04-14";
const PDFS: &str = "pdfs-2024-09-25";
const STRUCTURED: &str = "structured-outputs-2025-11-13";

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
    #[serde(flatten)]
    fields: &'a std::collections::BTreeMap<String, Json>,
}

#[derive(Serialize)]
struct OutputConfig {
    effort: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ToolBody<'a> {
    Client {
        name: &'a str,
        description: &'a str,
        input_schema: &'a Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Json>,
        #[serde(skip_serializing_if = "Option::is_none")]
        eager_input_streaming: Option<bool>,
    },
    Server(&'a Json),
}

/// Encodes a request for a model.
pub(super) fn encode(model: &str, extras: &Extras, request: &StepRequest) -> Result<Encoded, StepError> {
    let options: RequestOptions = options::strict(request.provider_options.as_ref(), PROVIDER)?;
    let mut conversation = Conversation::new(options.send_reasoning != Some(false));
    if options.cache_control.is_some() {
        conversation.spend_cache_mark();
    }
    let (system, messages) = conversation.encode(request)?;
    let budget = options.thinking.as_ref().and_then(|thinking| thinking.budget_tokens);
    let is_thinking = options.thinking.as_ref().is_some_and(|thinking| thinking.r#type != "disabled");
    let has_tools = !request.tools.is_empty();
    let eager = (options.tool_streaming != Some(false)).then_some(true);
    let mut client_tool = |tool: &'_ Tool| conversation.cache_mark(tool.options());
    let marks: Vec<_> = request.tools.iter().map(&mut client_tool).collect();
    let client_tools = request.tools.iter().zip(marks).map(|(tool, cache_control)| ToolBody::Client {
        name: tool.name(),
        description: tool.description(),
        input_schema: tool.schema(),
        cache_control,
        eager_input_streaming: eager,
    });
    let body = Body {
        model,
        max_tokens: max_tokens(model, request.max_output_tokens, budget.filter(|_| is_thinking)),
        // A model that thinks takes no other temperature than its own.
        temperature: request.temperature.filter(|_| !is_thinking),
        thinking: options.thinking,
        output_config: options.effort.map(|effort| OutputConfig { effort }),
        cache_control: options.cache_control,
        system,
        messages,
        tools: client_tools.chain(extras.server_tools.iter().map(ToolBody::Server)).collect(),
        tool_choice: has_tools.then(|| tool_choice(&request.tool_choice, options.disable_parallel_tool_use)),
        stream: true,
        fields: &extras.fields,
    };
    let body = serde_json::to_vec(&body).map_err(|error| unsupported(error.to_string()))?;
    let betas = [
        (conversation.has_pdf, PDFS),
        (conversation.has_upload, FILES),
        (has_tools && !model.starts_with("claude-3"), STRUCTURED),
    ];
    Ok(Encoded {
        body,
        betas: betas.into_iter().filter_map(|(is_needed, beta)| is_needed.then_some(beta)).collect(),
    })
}

fn tool_choice(choice: &ToolChoice, disable_parallel: Option<bool>) -> serde_json::Value {
    let mut value = match choice {
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
        _ => json!({"type": "auto"}),
    };
    // Where nothing may be called the API knows no such field.
    if let (Some(disable), false) = (disable_parallel, matches!(choice, ToolChoice::None)) {
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
