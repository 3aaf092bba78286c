//! UI messages of any kind become model messages or an error, and those a request to each provider or an error.
#![no_main]

use std::sync::LazyLock;

use headstart_core::{
    history::to_model_messages,
    step::{StepModel, StepRequest},
    wire::{ModelMessage, UiMessage},
};
use headstart_providers::{Anthropic, Gemini, OpenAi, Server};
use libfuzzer_sys::fuzz_target;

/// A request is written when the stream is made, and sent when it is polled, which it never is.
static MODELS: LazyLock<Vec<Box<dyn StepModel>>> = LazyLock::new(|| {
    let openai = OpenAi::new("key").expect("an HTTP client");
    let mistral = OpenAi::compatible(Server::Mistral, None, Some("key")).expect("an HTTP client");
    vec![
        Box::new(Anthropic::new("key").expect("an HTTP client").model("claude-sonnet-4-5")),
        Box::new(Gemini::new("key").expect("an HTTP client").model("gemini-3-pro")),
        Box::new(openai.chat("gpt-4o")),
        Box::new(openai.responses("gpt-5")),
        Box::new(mistral.chat("mistral-small-latest")),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(messages) = serde_json::from_slice::<Vec<UiMessage>>(bytes) else { return };
    let text = serde_json::to_string(&messages).expect("messages are JSON");
    let again: Vec<UiMessage> = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(text, serde_json::to_string(&again).expect("messages are JSON"));
    let Ok(conversation) = to_model_messages(&messages) else { return };
    let text = serde_json::to_string(&conversation.messages).expect("messages are JSON");
    let again: Vec<ModelMessage> = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(conversation.messages, again);
    for model in MODELS.iter() {
        drop(model.stream(StepRequest::new(conversation.messages.clone())));
    }
});
