//! What each API is sent, read off the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![cfg(all(feature = "anthropic", feature = "gemini", feature = "openai"))]

mod options;
mod parts;
mod sent;
mod servers;

use headstart_core::{
    step::{StepRequest, Tool, ToolSet},
    wire::{Json, ModelMessage},
};
use serde_json::{Value, json};

/// A request about these messages.
fn asking(messages: &Value) -> StepRequest {
    let messages: Vec<ModelMessage> = serde_json::from_str(&messages.to_string()).unwrap();
    StepRequest::new(messages)
}

fn hello() -> StepRequest {
    StepRequest::new(vec![ModelMessage::user("Hello")])
}

fn with_options(mut request: StepRequest, options: Value) -> StepRequest {
    request.provider_options = Some(Json::from_value(&options));
    request
}

fn with_tools(mut request: StepRequest) -> StepRequest {
    let schema = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"city":{"type":"string","description":"City name"}},"required":["city"],"additionalProperties":false}"#;
    let weather = Tool::with_raw_schema("getWeather", "Get the weather", Json::parse(schema).unwrap());
    let ping = Tool::new("ping", "Ping", json!({"type": "object", "properties": {}}));
    request.tools = ToolSet::new([weather, ping]).unwrap();
    request
}
