//! What is too large to be handed over or copied costs no more than itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::time::Duration;

use headstart_core::{
    sessions::{MAX_RECORD_BYTES, Opened},
    step::{Recorder, StepErrorKind, StepEvent, ToolSet, Usage},
    turn::{Input, Machine, Output, TurnSpec},
    wire::{FinishReason, InChunk, Json, UiChunk},
};
use serde_json::{Value, json};

fn text(delta: &str) -> StepEvent {
    StepEvent::TextDelta { id: "0".into(), delta: delta.into(), provider_metadata: None }
}

fn file(bytes: usize) -> StepEvent {
    StepEvent::File { media_type: "image/png".into(), data: "A".repeat(bytes), provider_metadata: None }
}

fn search(bytes: usize) -> [StepEvent; 2] {
    let (id, tool_name) = (|| "s1".to_owned(), || "web_search".to_owned());
    let call = StepEvent::ToolCall {
        id: id(),
        tool_name: tool_name(),
        input: "{}".into(),
        provider_executed: true,
        provider_metadata: None,
    };
    let result = StepEvent::ToolResult {
        id: id(),
        tool_name: tool_name(),
        result: Json::string(&"A".repeat(bytes)),
        is_error: false,
        provider_metadata: None,
    };
    [call, result]
}

/// The chunks and the messages of these events, or why it failed.
fn recorded(events: Vec<StepEvent>, limit: usize) -> Result<(Vec<UiChunk>, Value), StepErrorKind> {
    let mut recorder = Recorder::new("m".into()).with_limit(limit);
    let mut chunks = Vec::new();
    for event in events {
        recorder.event(event, &mut chunks).map_err(|error| error.kind())?;
    }
    Ok((chunks, json!(recorder.messages())))
}

#[test]
fn a_file_that_does_not_fit_is_shown_whole_and_the_answer_goes_on() {
    let (chunks, messages) = recorded(vec![text("a"), file(2000), text("b")], 1000).unwrap();
    let shown = chunks.iter().find_map(|chunk| match chunk {
        UiChunk::File { url, .. } => Some(url.len()),
        _ => None,
    });
    assert_eq!(shown, Some(2000 + "data:image/png;base64,".len()));
    assert_eq!(messages, json!([{"role": "assistant", "content": [{"type": "text", "text": "ab"}]}]));
    let (_, messages) = recorded(vec![file(500)], 1000).unwrap();
    assert_eq!(messages[0]["content"][0]["type"], "file", "one that fits is kept");
}

#[test]
fn a_result_that_does_not_fit_is_left_out_with_its_call() {
    let events = [text("a")].into_iter().chain(search(2000)).chain([text("b")]);
    let (chunks, messages) = recorded(events.collect(), 1000).unwrap();
    assert!(chunks.iter().any(|chunk| matches!(chunk, UiChunk::ToolOutputAvailable { .. })));
    assert_eq!(messages, json!([{"role": "assistant", "content": [{"type": "text", "text": "ab"}]}]));
    let (_, messages) = recorded(search(500).into(), 1000).unwrap();
    assert_eq!(messages[0]["content"].as_array().unwrap().len(), 2, "one that fits is kept");
}

#[test]
fn text_has_a_limit_and_files_have_another() {
    assert_eq!(recorded(vec![text(&"a".repeat(1001))], 1000).unwrap_err(), StepErrorKind::Malformed);
    let files = |count: usize| (0..count).map(|_| file(5 * 1024 * 1024)).collect();
    assert!(recorded(files(3), 1000).is_ok());
    assert_eq!(recorded(files(4), 1000).unwrap_err(), StepErrorKind::Malformed);
}

#[test]
fn a_chunk_that_the_store_does_not_take_is_missing_in_the_copy_alone() {
    let message = InChunk::Message { payload: Json::empty_object() };
    let mut machine = Machine::new(TurnSpec::new("m".into(), "n".into(), "u".into(), message));
    let (mut shown, mut copied, mut flushed) = (Vec::new(), Vec::new(), false);
    let finish = StepEvent::Finish { reason: FinishReason::Stop, paused: false, usage: Usage::default() };
    for input in [
        Input::Opened(Opened::new("token")),
        Input::StepStarted(ToolSet::default()),
        Input::Step(Ok(text("a"))),
        Input::Step(Ok(file(MAX_RECORD_BYTES))),
        Input::Step(Ok(text("b"))),
        Input::Step(Ok(finish)),
    ] {
        machine.handle(Duration::ZERO, input);
        while let Some(output) = machine.poll() {
            match output {
                Output::Frame(frame) => {
                    let frame = String::from_utf8(frame.to_vec()).unwrap();
                    let chunk: Value =
                        serde_json::from_str(frame.trim().trim_start_matches("data: ")).unwrap();
                    shown.push(chunk["type"].as_str().unwrap().to_owned());
                }
                Output::Record(record) => {
                    assert!(record.len() <= MAX_RECORD_BYTES);
                    copied.push(serde_json::from_slice::<Value>(&record).unwrap());
                }
                Output::FlushTee => flushed = true,
                _ => {}
            }
        }
    }
    assert!(flushed, "the copy goes on to its end");
    let types: Vec<_> = copied.iter().map(|record| record["data"]["type"].as_str().unwrap()).collect();
    let without_file: Vec<_> = shown.iter().map(String::as_str).filter(|kind| *kind != "file").collect();
    assert_eq!((types, shown.len()), (without_file, copied.len() + 1));
    let ids: Vec<_> = copied.iter().map(|record| record["id"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..copied.len()).map(|number| format!("n-{number}")).collect();
    assert_eq!(ids, expected, "ids have no gap");
}
