//! What a model is really sent: a server that takes one request after the other and refuses each.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use headstart_core::step::{StepErrorKind, StepModel, StepRequest};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// One request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    /// Request line and headers, in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Sent {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) struct Server {
    pub(crate) url: String,
    last: Arc<Mutex<Option<Sent>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let last = Arc::new(Mutex::new(None));
        let seen = last.clone();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let sent = read(&mut socket).await;
                *seen.lock().unwrap() = Some(sent);
                let answer = b"HTTP/1.1 400 no\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                socket.write_all(answer).await.unwrap();
            }
        });
        Self { url, last }
    }

    /// What this model is sent, or why it cannot be.
    pub(crate) async fn take(
        &self,
        model: impl StepModel,
        request: StepRequest,
    ) -> Result<Sent, StepErrorKind> {
        let failed = model.stream(request).next().await.unwrap().unwrap_err();
        match self.last.lock().unwrap().take() {
            Some(sent) => Ok(sent),
            None => Err(failed.kind()),
        }
    }
}

async fn read(socket: &mut TcpStream) -> Sent {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 16 * 1024];
        let count = socket.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "a request was cut off");
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.trim().parse().unwrap() {
            return Sent { body: body.to_owned(), head };
        }
    }
}
