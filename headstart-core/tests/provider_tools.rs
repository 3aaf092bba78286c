//! Tools that the model's provider runs itself need no declaration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use headstart_core::{
    step::{Recorder, StepEvent},
    wire::Json,
};
use serde_json::{Value, json};

#[test]
fn all_chunks_of_a_providers_call_make_one_part_on_the_page() {
    let mut recorder = Recorder::new("m".to_owned());
    let mut chunks = Vec::new();
    let (id, tool_name, provider_metadata) = ("s".to_owned(), "web_search".to_owned(), None);
    for event in [
        StepEvent::ToolInputStart {
            id: id.clone(),
            tool_name: tool_name.clone(),
            provider_executed: true,
            provider_metadata: None,
        },
        StepEvent::ToolCall {
            id: id.clone(),
            tool_name: tool_name.clone(),
            input: r#"{"query":"x"}"#.to_owned(),
            provider_executed: true,
            provider_metadata: None,
        },
        StepEvent::ToolResult {
            id,
            tool_name,
            result: Json::parse("[]").unwrap(),
            is_error: false,
            provider_metadata,
        },
    ] {
        recorder.event(event, &mut chunks).unwrap();
    }
    let chunks = json!(chunks);
    let kinds: Vec<&Value> = chunks.as_array().unwrap().iter().map(|chunk| &chunk["type"]).collect();
    assert_eq!(kinds, ["start-step", "tool-input-start", "tool-input-available", "tool-output-available"]);
    assert!(!chunks.to_string().contains("dynamic"), "{chunks}");
}
