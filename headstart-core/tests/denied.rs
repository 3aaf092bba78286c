//! A history that ends with a refusal: the page is told before the answer begins.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::time::Duration;

use headstart_core::{
    sessions::Opened,
    step::{StepEvent, ToolSet},
    turn::{Input, Machine, Output, TurnSpec},
    wire::{InChunk, Json},
};
use serde_json::Value;

#[test]
fn the_refusal_comes_behind_the_start_and_before_the_step_in_the_view_and_in_the_copy() {
    let message = InChunk::Message { payload: Json::empty_object() };
    let mut spec = TurnSpec::new("m".into(), "n".into(), "u".into(), message);
    spec.denied = vec!["c1".into(), "c2".into()];
    let mut machine = Machine::new(spec);
    let delta = StepEvent::TextDelta { id: "0".into(), delta: "Fine.".into(), provider_metadata: None };
    for input in
        [Input::Opened(Opened::new("token")), Input::StepStarted(ToolSet::default()), Input::Step(Ok(delta))]
    {
        machine.handle(Duration::ZERO, input);
    }
    let (mut shown, mut copied) = (Vec::new(), Vec::new());
    while let Some(output) = machine.poll() {
        match output {
            Output::Frame(frame) => {
                let text = String::from_utf8(frame.to_vec()).unwrap();
                let chunk: Value = serde_json::from_str(text.trim().strip_prefix("data: ").unwrap()).unwrap();
                shown.push(chunk);
            }
            Output::Record(record) => {
                let record: Value = serde_json::from_slice(&record).unwrap();
                copied.push(record["data"].clone());
            }
            _ => {}
        }
    }
    let types: Vec<&str> = shown.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect();
    let expected =
        ["start", "tool-output-denied", "tool-output-denied", "start-step", "text-start", "text-delta"];
    assert_eq!(types, expected);
    assert_eq!(shown[1].to_string(), r#"{"toolCallId":"c1","type":"tool-output-denied"}"#);
    assert_eq!(copied, shown);
}
