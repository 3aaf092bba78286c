//! Every type of part a message can have, all the way: what the model said → chunks → the page's message →
//! model messages → the request to a provider.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![cfg(all(feature = "anthropic", feature = "gemini", feature = "openai"))]

mod page;
mod rows;

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use headstart_core::{
    history::to_model_messages,
    step::{Recorder, StepEvent, StepModel, StepRequest, Tool, ToolSet, Usage},
    wire::{FinishReason, Json, ModelMessage, UiMessage},
};
use headstart_providers::{Anthropic, Gemini, OpenAi, Server};
use rows::Row;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A provider that refuses everything, and keeps what it was asked.
struct Provider {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let body = refuse(socket).await;
                seen.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
        });
        Self { url, asked }
    }

    /// What the model's API is sent for these messages.
    async fn request(&self, model: impl StepModel, messages: &[ModelMessage]) -> Value {
        let events: Vec<_> = model.stream(StepRequest::new(messages.to_vec())).collect().await;
        assert!(matches!(events[..], [Err(_)]), "refused, once: {events:?}");
        self.asked.lock().unwrap().pop().expect("the provider was asked")
    }
}

async fn refuse(mut socket: TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        socket.read_buf(&mut read).await.unwrap();
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if read.len() >= end + 4 + length.unwrap_or(0) {
            let answer = "HTTP/1.1 400 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            socket.write_all(answer.as_bytes()).await.unwrap();
            return read.split_off(end + 4);
        }
    }
}

fn tools() -> ToolSet {
    let schema = || json!({"type": "object"});
    ToolSet::new([
        Tool::new("weather", "", schema()).title("Weather"),
        Tool::new("pay", "", schema()).needs_approval(),
        Tool::new("mcp", "", schema()).dynamic(),
    ])
    .unwrap()
}

/// The chunks of what a model said.
fn recorded(events: Vec<StepEvent>) -> Vec<Value> {
    let mut recorder = Recorder::new("a1".into());
    recorder.set_tools(tools());
    let mut chunks = Vec::new();
    recorder.start(&mut chunks);
    for event in events {
        recorder.event(event, &mut chunks).unwrap();
    }
    let (reason, _) = recorder.finish().expect("it says that it is done");
    recorder.close(reason, &mut chunks);
    chunks.iter().map(|chunk| serde_json::from_str(&chunk.to_json()).unwrap()).collect()
}

fn user(id: &str, text: &str) -> Value {
    json!({"id": id, "role": "user", "parts": [{"type": "text", "text": text}]})
}

/// All blocks of these messages behind the question and before the next one, each with its role.
fn blocks(messages: &Value, content: &str) -> Value {
    let blocks = messages.as_array().unwrap().iter().flat_map(|message| {
        let content = message[content].as_array().unwrap();
        content.iter().map(|block| json!([message["role"], block]))
    });
    let blocks: Vec<Value> = blocks.collect();
    json!(blocks[1..blocks.len() - 1])
}

fn between(items: &Value) -> Value {
    let items = items.as_array().unwrap();
    json!(items[1..items.len() - 1])
}

async fn check(provider: &Provider, row: Row) {
    let Row { name, said, then, parts, messages, anthropic, gemini, chat, responses } = row;
    let chunks: Vec<Value> = recorded(said).into_iter().chain(then).collect();
    let found = json!(page::parts(&chunks));
    assert_eq!(found, parts, "{name}: the page's parts");

    let history =
        json!([user("u1", "q"), {"id": "a1", "role": "assistant", "parts": found}, user("u2", "and?")]);
    let text = history.to_string();
    let ui: Vec<UiMessage> = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&ui).unwrap(), text, "{name}: the page's message survives as it came");

    let conversation = to_model_messages(&ui).unwrap().messages;
    assert_eq!(between(&json!(conversation)), messages, "{name}: model messages");

    let claude = Anthropic::new("key").unwrap().base_url(&provider.url).model("claude-sonnet-4-5");
    let asked = provider.request(claude, &conversation).await;
    assert_eq!(blocks(&asked["messages"], "content"), anthropic, "{name}: Anthropic Messages");

    let flash = Gemini::new("key").unwrap().base_url(&provider.url).model("gemini-2.5-flash");
    let asked = provider.request(flash, &conversation).await;
    assert_eq!(blocks(&asked["contents"], "parts"), gemini, "{name}: Gemini");

    let openai = OpenAi::new("key").unwrap().base_url(&provider.url);
    let asked = provider.request(openai.chat("gpt-4o-mini"), &conversation).await;
    assert_eq!(between(&asked["messages"]), chat, "{name}: Chat Completions");
    let asked = provider.request(openai.responses("gpt-4o-mini"), &conversation).await;
    assert_eq!(between(&asked["input"]), responses, "{name}: Responses");
}

#[tokio::test]
async fn every_type_of_part_gets_from_the_model_to_the_next_request() {
    let provider = Provider::start().await;
    for row in rows::all() {
        check(&provider, row).await;
    }
}

#[tokio::test]
async fn details_of_thoughts_get_back_to_openrouter() {
    let provider = Provider::start().await;
    let detail =
        json!({"type": "reasoning.encrypted", "data": "E==", "id": "rs_1", "index": 0, "new": {"deep": 1.0}});
    let metadata = Json::from_value(&json!({"openrouter": {"reasoning_details": [detail]}}));
    let id = || "r".to_owned();
    let (usage, tool_name) = (Usage::default(), "weather".to_owned());
    let said = vec![
        StepEvent::ReasoningStart { id: id(), provider_metadata: None },
        StepEvent::ReasoningDelta { id: id(), delta: "Hm.".to_owned(), provider_metadata: None },
        StepEvent::ReasoningEnd { id: id(), provider_metadata: Some(metadata) },
        StepEvent::ToolCall {
            id: "c1".to_owned(),
            tool_name,
            input: "{}".to_owned(),
            provider_executed: false,
            provider_metadata: None,
        },
        StepEvent::Finish { reason: FinishReason::ToolCalls, paused: false, usage },
    ];
    let mut chunks = recorded(said);
    chunks.push(json!({"type": "tool-output-available", "toolCallId": "c1", "output": "sunny"}));
    let history = json!([user("u1", "q"), {"id": "a1", "role": "assistant", "parts": page::parts(&chunks)}]);
    let ui: Vec<UiMessage> = serde_json::from_value(history).unwrap();
    let conversation = to_model_messages(&ui).unwrap().messages;
    let model =
        OpenAi::compatible(Server::OpenRouter, Some(&provider.url), Some("key")).unwrap().chat("some/model");
    let asked = provider.request(model, &conversation).await;
    assert_eq!(asked["messages"][1]["reasoning_details"], json!([detail]));
    assert_eq!(asked["messages"][2]["content"], "sunny");
}

#[tokio::test]
async fn files_of_a_user_get_to_the_next_request() {
    let provider = Provider::start().await;
    let part = |more: Value| {
        let mut part = json!({"type": "file", "mediaType": "image/png"});
        part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        part
    };
    for (file, data, source, google, chat) in [
        (
            part(json!({"url": "data:image/png;base64,AAAA", "filename": "a.png"})),
            json!({"type": "url", "url": "data:image/png;base64,AAAA"}),
            json!({"type": "base64", "media_type": "image/png", "data": "AAAA"}),
            json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
            "data:image/png;base64,AAAA",
        ),
        (
            part(json!({"url": "https://e.com/a.png"})),
            json!({"type": "url", "url": "https://e.com/a.png"}),
            json!({"type": "url", "url": "https://e.com/a.png"}),
            json!({"fileData": {"mimeType": "image/png", "fileUri": "https://e.com/a.png"}}),
            "https://e.com/a.png",
        ),
    ] {
        let message = json!({"id": "u1", "role": "user", "parts": [
            {"type": "text", "text": "What is this?"}, {"type": "hologram", "text": 7}, file,
        ]});
        let ui: UiMessage = serde_json::from_value(message).unwrap();
        let conversation = to_model_messages(&[ui]).unwrap().messages;
        let content = &json!(conversation)[0]["content"];
        assert_eq!(content.as_array().unwrap().len(), 2, "what nobody knows is not for models");
        assert_eq!(content[1]["data"], data);
        let claude = Anthropic::new("key").unwrap().base_url(&provider.url).model("claude-sonnet-4-5");
        let asked = provider.request(claude, &conversation).await;
        assert_eq!(asked["messages"][0]["content"][1], json!({"type": "image", "source": source}));
        let flash = Gemini::new("key").unwrap().base_url(&provider.url).model("gemini-2.5-flash");
        let asked = provider.request(flash, &conversation).await;
        assert_eq!(asked["contents"][0]["parts"][1], google);
        let openai = OpenAi::new("key").unwrap().base_url(&provider.url);
        let asked = provider.request(openai.chat("gpt-4o-mini"), &conversation).await;
        assert_eq!(asked["messages"][0]["content"][1]["image_url"]["url"], chat);
        let asked = provider.request(openai.responses("gpt-4o-mini"), &conversation).await;
        assert_eq!(asked["input"][0]["content"][1]["image_url"], chat);
    }
}
