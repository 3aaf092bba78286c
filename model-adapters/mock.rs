//! A model's API on 127.0.0.1. Shared by the tests of both crates.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What is answered to a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    body: String,
    is_cut: bool,
}

impl Answer {
    /// A stream of these events, which ends as it should.
    pub(crate) fn events<'a>(events: impl IntoIterator<Item = &'a str>) -> Self {
        let body = events.into_iter().map(|event| format!("{}\n\n", event.trim())).collect();
        Self { status: 200, body, is_cut: false }
    }

    /// A refusal.
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), is_cut: false }
    }

    /// The connection breaks behind what there is.
    pub(crate) fn cut(mut self) -> Self {
        self.is_cut = true;
        self
    }
}

/// The API: answers each request in the same way, and keeps what it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Mock {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Mock {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, answer.clone(), seen.clone()));
            }
        });
        Self { url, asked }
    }

    /// An address where nobody answers.
    pub(crate) fn nobody() -> Self {
        Self { url: "http://127.0.0.1:1/v1/".to_owned(), asked: Arc::default() }
    }

    /// The bodies of all requests so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, answer: Answer, asked: Arc<Mutex<Vec<Value>>>) {
    let Some(body) = read_body(&mut socket).await else { return };
    asked.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    let Answer { status, body, is_cut } = answer;
    let kind = if status == 200 { "text/event-stream" } else { "application/json" };
    // More is promised than comes.
    let length = body.len() + if is_cut { 100 } else { 0 };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // In small pieces, as a network may.
    for piece in body.as_bytes().chunks(7) {
        if socket.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn read_body(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        let head_end = read.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(at) = head_end {
            let head = String::from_utf8_lossy(&read[..at]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let body = at + 4;
            if read.len() >= body + length.unwrap_or(0) {
                return Some(read[body..].to_vec());
            }
        }
        if socket.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}
