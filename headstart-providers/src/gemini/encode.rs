//! A step request as a body of `streamGenerateContent`.

use headstart_core::{
    step::{StepError, StepRequest, Tool, ToolChoice},
    wire::Json,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    PROVIDER,
    conversation::{self, Contents, Part},
    schema::to_dialect,
};
use crate::{extras::Extras, options, unsupported};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    generation_config: GenerationConfig,
    contents: Vec<Contents>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<SystemInstruction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_settings: Option<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
    #[serde(flatten)]
    fields: &'a std::collections::BTreeMap<String, Json>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_modalities: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_config: Option<Json>,
}

#[derive(Serialize)]
struct SystemInstruction {
    parts: Vec<Part>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Tools<'a> {
    #[serde(rename_all = "camelCase")]
    Client {
        function_declarations: Vec<Function<'a>>,
    },
    Server(&'a Json),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a Json>,
}

impl<'a> Function<'a> {
    fn new(tool: &'a Tool) -> Self {
        let schema = tool.schema().to_value();
        let has_input =
            schema.get("properties").and_then(Value::as_object).is_some_and(|all| !all.is_empty())
                || ["$ref", "anyOf", "oneOf", "allOf"].iter().any(|keyword| schema.get(keyword).is_some());
        let parameters = to_dialect(&schema).filter(|_| has_input);
        // The API takes JSON Schema, too; the dialect is what all its models were made for.
        let parameters_json_schema = (has_input && parameters.is_none()).then(|| tool.schema());
        let (name, description) = (tool.name(), tool.description());
        Self { name, description, parameters, parameters_json_schema }
    }
}

/// `providerOptions.google` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestOptions {
    thinking_config: Option<Json>,
    safety_settings: Option<Json>,
    cached_content: Option<String>,
    response_modalities: Option<Json>,
    media_resolution: Option<String>,
    image_config: Option<Json>,
    service_tier: Option<String>,
}

/// Encodes a request for a model.
pub(super) fn encode(model: &str, extras: &Extras, request: &StepRequest) -> Result<Vec<u8>, StepError> {
    let options: RequestOptions = options::strict(request.provider_options.as_ref(), PROVIDER)?;
    let is_third = is_third_generation(model);
    let mut conversation = conversation::encode(request, is_third)?;
    let is_gemma = model.to_ascii_lowercase().starts_with("gemma-");
    // Gemma knows no instructions; they come before everything else that is said.
    if let (true, Some(first)) = (is_gemma, conversation.contents.first_mut()) {
        first.parts.splice(0..0, std::mem::take(&mut conversation.system));
    }
    let functions: Vec<Function<'_>> = request.tools.iter().map(Function::new).collect();
    let has_functions = !functions.is_empty();
    let client = has_functions.then_some(Tools::Client { function_declarations: functions });
    let has_both = has_functions && !extras.server_tools.is_empty();
    let body = Body {
        generation_config: GenerationConfig {
            max_output_tokens: request.max_output_tokens,
            temperature: request.temperature,
            response_modalities: options.response_modalities,
            thinking_config: options.thinking_config,
            media_resolution: options.media_resolution,
            image_config: options.image_config,
        },
        contents: conversation.contents,
        system_instruction: (!conversation.system.is_empty())
            .then_some(SystemInstruction { parts: conversation.system }),
        safety_settings: options.safety_settings,
        tools: client.into_iter().chain(extras.server_tools.iter().map(Tools::Server)).collect(),
        tool_config: has_functions.then(|| tool_config(&request.tool_choice, has_both && is_third)),
        cached_content: options.cached_content,
        service_tier: options.service_tier,
        fields: &extras.fields,
    };
    serde_json::to_vec(&body).map_err(|error| unsupported(error.to_string()))
}

fn tool_config(choice: &ToolChoice, shows_server_tools: bool) -> Value {
    let calling = match choice {
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Tool(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        // What Google's own tools need beside functions.
        _ if shows_server_tools => json!({"mode": "VALIDATED"}),
        _ => json!({"mode": "AUTO"}),
    };
    match shows_server_tools {
        true => json!({"functionCallingConfig": calling, "includeServerSideToolInvocations": true}),
        false => json!({"functionCallingConfig": calling}),
    }
}

/// Gemini 3 and whatever follows: known older models are the exception.
fn is_third_generation(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    let name = model.rsplit('/').next().unwrap_or_default();
    let is_older = ["gemini-1", "gemini-2", "gemini-pro"].iter().any(|old| name.starts_with(old));
    name.starts_with("gemini-") && !is_older
}
