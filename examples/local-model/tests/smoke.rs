//! The program as a user starts it, and the request it proposes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
    time::timeout,
};

/// Posts the body, and reads until the response ends.
async fn post(address: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /api/chat HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn the_proposed_request_gets_a_whole_turn() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_headstart-local-model"))
        .env("PORT", "0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let proposal = timeout(Duration::from_secs(60), async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the program goes on");
            if line.starts_with("curl") {
                return line;
            }
        }
    })
    .await
    .expect("it starts");
    let (_, address) = proposal.split_once("http://").unwrap();
    let (address, _) = address.split_once('/').unwrap();
    let (_, body) = proposal.split_once("-d '").unwrap();

    let response =
        timeout(Duration::from_secs(60), post(address, body.trim_end_matches('\''))).await.expect("it ends");
    assert!(response.starts_with("HTTP/1.0 200"), "{response}");
    let frames: Vec<Value> = response
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|frame| serde_json::from_str(frame).unwrap())
        .collect();
    let text: String = frames.iter().filter_map(|frame| frame["delta"].as_str()).collect();
    assert!(text.split_whitespace().count() > 4 && text.trim_end().ends_with('.'), "{text:?}");
    assert!(frames.iter().any(|frame| frame["type"] == "finish" && frame["finishReason"] == "stop"));
    assert!(frames.iter().any(|frame| frame["type"] == "trigger:turn-complete"), "the agent took it over");
}
