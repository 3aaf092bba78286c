//! Recorded forms of each API's stream, over a real connection: what becomes of them, however they are cut.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![cfg(all(feature = "anthropic", feature = "gemini", feature = "openai"))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use headstart_core::{
    step::{Recorder, StepErrorKind, StepModel, StepRequest, Tool, ToolSet},
    wire::ModelMessage,
};
use headstart_providers::{Anthropic, Gemini, OpenAi, Transport};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A server that answers each request with the next of these, in pieces of `cut` bytes.
async fn server(answers: Vec<(u16, String)>, cut: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answers[number.min(answers.len() - 1)].clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                let _ = socket.read(&mut buffer).await;
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
                );
                socket.write_all(head.as_bytes()).await.unwrap();
                for piece in body.as_bytes().chunks(cut) {
                    socket.write_all(piece).await.unwrap();
                    socket.flush().await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
        }
    });
    (url, count)
}

/// A server that answers with these bytes, one answer after the other, and never closes a connection.
async fn raw_server(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let mut buffer = vec![0; 64 * 1024];
            let _ = socket.read(&mut buffer).await;
            socket.write_all(answers[number.min(answers.len() - 1)].as_bytes()).await.unwrap();
            open.push(socket);
        }
    });
    (url, count)
}

fn streaming(body: &str) -> String {
    format!("HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\n\r\n{body}")
}

fn refusing(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} x\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A transport that waits this long for anything.
fn patience(wait: Duration) -> Transport {
    let mut transport = Transport::new().unwrap();
    transport.first_byte = wait;
    transport.idle = wait;
    transport
}

fn tools() -> ToolSet {
    let schema = || json!({"type": "object"});
    ToolSet::new([Tool::new("getWeather", "", schema()), Tool::new("ping", "", schema())]).unwrap()
}

fn request() -> StepRequest {
    let mut request = StepRequest::new(vec![ModelMessage::user("Hello")]);
    request.tools = tools();
    request
}

/// The chunks and the messages that the recorder makes of a model's answer, and how it ended.
async fn record(model: impl StepModel) -> (Vec<Value>, Value, Option<StepErrorKind>) {
    let mut recorder = Recorder::new("m".into());
    recorder.set_tools(tools());
    let mut chunks = Vec::new();
    let mut error = None;
    let mut events = model.stream(request());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => recorder.event(event, &mut chunks).unwrap(),
            Err(failed) => error = Some(failed.kind()),
        }
    }
    if let Some((reason, _)) = recorder.finish() {
        recorder.close(reason, &mut chunks);
    }
    let chunks = chunks.iter().map(|chunk| serde_json::from_str(&chunk.to_json()).unwrap()).collect();
    (chunks, serde_json::to_value(recorder.messages()).unwrap(), error)
}

fn types(chunks: &[Value]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn anthropic_thinking_keeps_its_signature_and_unknown_events_are_passed_over() {
    let text = include_str!("fixtures/anthropic/thinking-tool.sse");
    let mut seen: Option<(Vec<Value>, Value)> = None;
    for cut in [1, 7, 100_000] {
        let (url, _) = server(vec![(200, text.to_owned())], cut).await;
        let (chunks, messages, error) =
            record(Anthropic::new("k").unwrap().base_url(&url).model("claude-x")).await;
        assert_eq!(error, None);
        assert_eq!(
            seen.get_or_insert_with(|| (chunks.clone(), messages.clone())),
            &(chunks, messages),
            "cut at {cut}"
        );
    }
    let (chunks, messages) = seen.unwrap();
    assert_eq!(
        types(&chunks),
        [
            "start-step",
            "reasoning-start",
            "reasoning-delta",
            "reasoning-delta",
            "reasoning-end",
            "reasoning-start",
            "reasoning-end",
            "text-start",
            "text-delta",
            "text-end",
            "tool-input-start",
            "tool-input-delta",
            "tool-input-delta",
            "tool-input-available",
            "finish-step",
            "finish",
        ]
    );
    assert_eq!(
        messages[0]["content"],
        json!([
            {"type": "reasoning", "text": "Need weather.", "providerOptions": {"anthropic": {"signature": "sig=="}}},
            {"type": "reasoning", "text": "", "providerOptions": {"anthropic": {"redactedData": "RED=="}}},
            {"type": "text", "text": "Grüße"},
            {"type": "tool-call", "toolCallId": "toolu_1", "toolName": "getWeather", "input": {"city": "Paris"}},
        ])
    );
}

#[tokio::test]
async fn chat_completions_interleave_calls_and_close_them_at_the_end() {
    let (url, _) = server(vec![(200, include_str!("fixtures/openai-chat/parallel.sse").to_owned())], 5).await;
    let (chunks, messages, error) = record(OpenAi::new("k").unwrap().base_url(&url).chat("gpt-x")).await;
    assert_eq!(error, None);
    assert_eq!(
        types(&chunks),
        [
            "start-step",
            "text-start",
            "text-delta",
            "tool-input-start",
            "tool-input-start",
            "tool-input-delta",
            "text-end",
            "tool-input-available",
            "tool-input-available",
            "finish-step",
            "finish",
        ]
    );
    let content = messages[0]["content"].as_array().unwrap();
    assert_eq!(content[1]["input"], json!({"city": "Rome"}));
    assert_eq!(content[2]["input"], json!({}), "a call without any input text");
}

#[tokio::test]
async fn responses_reasoning_keeps_its_item_and_what_is_encrypted() {
    let (url, _) =
        server(vec![(200, include_str!("fixtures/openai-responses/reasoning.sse").to_owned())], 9).await;
    let (_, messages, error) = record(OpenAi::new("k").unwrap().base_url(&url).responses("gpt-x")).await;
    assert_eq!(error, None);
    let item = json!({"openai": {"itemId": "rs_1", "reasoningEncryptedContent": "ENC"}});
    assert_eq!(
        messages[0]["content"],
        json!([
            {"type": "reasoning", "text": "Hm.", "providerOptions": item},
            {"type": "text", "text": "Hi", "providerOptions": {"openai": {"itemId": "msg_1"}}},
        ])
    );
}

#[tokio::test]
async fn a_stream_without_its_last_event_is_cut_off_and_not_tried_again() {
    let whole = include_str!("fixtures/anthropic/thinking-tool.sse");
    let cut = whole[..whole.find("event: message_stop").unwrap()].to_owned();
    let (url, count) = server(vec![(200, cut)], 100).await;
    let (_, _, error) = record(Anthropic::new("k").unwrap().base_url(&url).model("claude-x")).await;
    assert_eq!(error, Some(StepErrorKind::Truncated));
    assert_eq!(count.load(Ordering::SeqCst), 1, "what was said cannot be unsaid");
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_and_a_refusal_is_final() {
    let whole = include_str!("fixtures/anthropic/thinking-tool.sse").to_owned();
    let busy = r#"{"type":"error","error":{"type":"overloaded_error"}}"#.to_owned();
    let (url, count) = server(vec![(529, busy), (200, whole)], 100_000).await;
    let begun = std::time::Instant::now();
    let (chunks, _, error) = record(Anthropic::new("k").unwrap().base_url(&url).model("claude-x")).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (None, 2));
    assert!(!chunks.is_empty() && begun.elapsed() < Duration::from_secs(2));

    let (url, count) = server(vec![(401, "{}".to_owned())], 100).await;
    let (_, _, error) = record(Anthropic::new("k").unwrap().base_url(&url).model("claude-x")).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (Some(StepErrorKind::Rejected), 1));
}

#[tokio::test]
async fn gemini_ends_with_its_connection_and_keeps_signatures() {
    let text = include_str!("fixtures/gemini/thoughts-and-calls.sse").to_owned();
    let (url, _) = server(vec![(200, text)], 3).await;
    let (chunks, messages, error) = record(Gemini::new("k").unwrap().base_url(&url).model("gemini-x")).await;
    assert_eq!(error, None);
    assert_eq!(chunks.last().unwrap()["finishReason"], "tool-calls");
    let content = messages[0]["content"].as_array().unwrap();
    assert_eq!(content[0], json!({"type": "reasoning", "text": "Let me see."}));
    assert_eq!(content[2]["providerOptions"], json!({"google": {"thoughtSignature": "SIG1=="}}));
    assert_eq!(content[3]["toolCallId"], "fc_2");
}

#[tokio::test]
async fn the_wait_that_a_provider_asks_for_is_kept_and_a_long_one_is_a_refusal() {
    let whole = include_str!("fixtures/gemini/text.sse");
    let begun = std::time::Instant::now();
    let in_header = refusing(429, "retry-after-ms: 700\r\n", "{}");
    let (url, count) = raw_server(vec![in_header, streaming(whole)]).await;
    let (_, _, error) = record(Gemini::new("k").unwrap().base_url(&url).model("gemini-x")).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (None, 2));
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());

    let begun = std::time::Instant::now();
    let busy = r#"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"0.8s"}]}}"#;
    let (url, count) = raw_server(vec![refusing(429, "", busy), streaming(whole)]).await;
    let (_, _, error) = record(Gemini::new("k").unwrap().base_url(&url).model("gemini-x")).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (None, 2));
    assert!(begun.elapsed() >= Duration::from_millis(800), "{:?}", begun.elapsed());

    let (url, count) = raw_server(vec![refusing(429, "retry-after: 50\r\n", "{}")]).await;
    let (_, _, error) = record(OpenAi::new("k").unwrap().base_url(&url).chat("gpt-x")).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (Some(StepErrorKind::Unavailable), 1));
}

#[tokio::test]
async fn an_error_before_the_first_part_is_tried_again_and_one_behind_it_is_not() {
    let overloaded = include_str!("fixtures/anthropic/error-first.sse").to_owned();
    let whole = include_str!("fixtures/anthropic/thinking-tool.sse").to_owned();
    let (url, count) = server(vec![(200, overloaded), (200, whole)], 50).await;
    let (_, _, error) = record(Anthropic::new("k").unwrap().base_url(&url).model("claude-x")).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (None, 2));

    let later = include_str!("fixtures/gemini/error-later.sse").to_owned();
    let (url, count) = server(vec![(200, later)], 50).await;
    let (_, _, error) = record(Gemini::new("k").unwrap().base_url(&url).model("gemini-x")).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (Some(StepErrorKind::Unavailable), 1));
}

#[tokio::test]
async fn a_server_that_neither_says_done_nor_closes_is_not_waited_for() {
    let body = include_str!("fixtures/openai-chat/without-done.sse");
    let (url, _) = raw_server(vec![streaming(body)]).await;
    let begun = std::time::Instant::now();
    let (chunks, _, error) = record(OpenAi::new("k").unwrap().base_url(&url).chat("gpt-x")).await;
    assert_eq!((error, &chunks.last().unwrap()["finishReason"]), (None, &json!("stop")));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_model_that_falls_silent_is_given_up() {
    let wait = Duration::from_millis(300);
    let body = include_str!("fixtures/gemini/cut-off.sse");
    let (url, count) = raw_server(vec![streaming(body)]).await;
    let model = Gemini::new("k").unwrap().base_url(&url).transport(patience(wait)).model("gemini-x");
    let (_, _, error) = record(model).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (Some(StepErrorKind::Timeout), 1));

    // Before anything was said it is asked three times.
    let (url, count) = raw_server(vec![String::new()]).await;
    let model = Gemini::new("k").unwrap().base_url(&url).transport(patience(wait)).model("gemini-x");
    let (_, _, error) = record(model).await;
    assert_eq!((error, count.load(Ordering::SeqCst)), (Some(StepErrorKind::Timeout), 3));
}

#[test]
fn no_key_shows_in_debug() {
    let shown = format!(
        "{:?} {:?} {:?}",
        Anthropic::new("sk-secret").unwrap(),
        OpenAi::new("sk-secret").unwrap(),
        Gemini::new("sk-secret").unwrap()
    );
    assert!(!shown.contains("sk-secret"), "{shown}");
}

/// What a developer with a wrong address reads in the log: the cause, not "builder error".
#[tokio::test]
async fn a_broken_connection_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    for (url, cause) in [(closed.as_str(), "refused"), ("localhost/v1", "relative URL")] {
        let model = Anthropic::new("k").unwrap().base_url(url).model("claude-x");
        let error = model.stream(request()).next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), StepErrorKind::Transport);
        assert!(error.to_string().contains(cause), "{error}");
    }
}
