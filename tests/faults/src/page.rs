//! The page: it posts the first message, reads as much as it likes, and resumes from the session as the stock
//! transport does.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use headstart_core::{
    sse::Decoder,
    wire::{Control, RecordBody},
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpSocket, task::JoinHandle};

use crate::model::Order;

const HYPER_BYTES: usize = 8 * 1024;
const SOCKET_BYTES: u32 = 4 * 1024;
const MAX_EVENT: usize = 1024 * 1024;

/// What a page makes of chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    parts: Vec<Part>,
    ids: Vec<String>,
    /// Results of tools.
    pub tool_outputs: usize,
    /// Results of tools whose call is not there: the stock page fails at the first.
    pub orphans: usize,
    /// The turn is complete.
    pub is_complete: bool,
    /// Where the next turn goes on reading.
    pub cursor: Option<u64>,
    /// The page was told that something went wrong.
    pub errors: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    StepStart,
    Text(String),
}

impl Shown {
    /// All texts.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::StepStart => None,
        });
        texts.collect()
    }

    /// Is there nothing to be seen?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes in one chunk.
    pub fn chunk(&mut self, chunk: &Value) {
        match chunk["type"].as_str().unwrap_or_default() {
            "start-step" => self.parts.push(Part::StepStart),
            "reset-step" => {
                let step = self.parts.iter().rposition(|part| *part == Part::StepStart);
                self.parts.truncate(step.map_or(0, |at| at + 1));
                self.ids.clear();
            }
            "text-delta" => {
                self.parts.push(Part::Text(chunk["delta"].as_str().unwrap_or_default().to_owned()));
            }
            "tool-input-available" => {
                self.ids.push(chunk["toolCallId"].as_str().unwrap_or_default().to_owned());
            }
            "tool-output-available" => {
                let id = chunk["toolCallId"].as_str().unwrap_or_default();
                self.orphans += usize::from(!self.ids.iter().any(|known| known == id));
                self.tool_outputs += 1;
            }
            "trigger:turn-complete" => self.is_complete = true,
            "trigger:session-state" => {
                self.cursor = chunk["lastEventId"].as_str().and_then(|id| id.parse().ok());
            }
            "error" => self.errors += 1,
            _ => {}
        }
    }

    /// Takes in one record of `session.out`.
    pub fn record(&mut self, body: &RecordBody) {
        match body {
            RecordBody::Data { id, data } => {
                // A writer that retried has written it twice, under one id.
                let own = format!("record {id}");
                if !self.ids.contains(&own) {
                    self.ids.push(own);
                    self.chunk(&data.to_value());
                }
            }
            RecordBody::Control(control) => self.is_complete |= control.name == Control::TURN_COMPLETE,
            _ => {}
        }
    }
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As a complete one does.
    Clean,
    /// Cut off.
    Cut,
}

/// An answer to a post.
#[derive(Debug)]
pub enum Answer {
    /// A problem: this status.
    Refused(u16),
    /// A stream.
    Stream(Response),
}

/// A streamed response. Dropping it closes the connection.
#[derive(Debug)]
pub struct Response {
    /// The session's token.
    pub token: String,
    body: Incoming,
    decoder: Decoder,
    connection: JoinHandle<()>,
}

impl Drop for Response {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Response {
    /// The next frame, or how it ended.
    ///
    /// # Errors
    /// The end.
    ///
    /// # Panics
    /// When a frame is no JSON.
    pub async fn next(&mut self) -> Result<Value, End> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Ok(serde_json::from_str(&event.data).expect("a chunk"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    self.decoder.feed(&bytes).expect("frames of a sound size");
                }
                Some(Err(_)) => return Err(End::Cut),
                None => return Err(End::Clean),
            }
        }
    }

    /// Reads on to the end.
    pub async fn read_into(&mut self, shown: &mut Shown) -> End {
        loop {
            match self.next().await {
                Ok(frame) => shown.chunk(&frame),
                Err(end) => return end,
            }
        }
    }
}

/// Posts an order as the first message of a chat.
///
/// # Panics
/// When the server is not there.
pub async fn post(server: SocketAddr, chat: &str, order: Order) -> Answer {
    try_post(server, chat, order).await.expect("an answer")
}

/// The same; `None` when the server is gone before it answers.
pub async fn try_post(server: SocketAddr, chat: &str, order: Order) -> Option<Answer> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(SOCKET_BYTES).ok()?;
    let stream = socket.connect(server).await.ok()?;
    let handshake = http1::Builder::new().max_buf_size(HYPER_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.ok()?;
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = http::Request::post("/api/chat")
        .header("host", server.to_string())
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body(chat, order))))
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        connection.abort();
        return Some(Answer::Refused(head.status.as_u16()));
    }
    let token = head.headers.get("x-trigger-chat-access-token")?.to_str().ok()?.to_owned();
    Some(Answer::Stream(Response { token, body, decoder: Decoder::new(MAX_EVENT), connection }))
}

fn body(chat: &str, order: Order) -> String {
    let text = serde_json::to_string(&order).unwrap_or_default();
    let message = json!({"id": "user-1", "role": "user", "parts": [{"type": "text", "text": text}]});
    json!({"chatId": chat, "headStartMessages": [message], "trigger": "submit-message"}).to_string()
}

/// Reads `session.out` on from behind the cursor of what is shown, until the turn is complete. Without a cursor
/// all of it is read, and what was shown before is forgotten: the page builds its message anew.
///
/// Returns what is shown in the end; complete or not.
///
/// # Panics
/// When the platform refuses.
pub async fn resume(platform: &str, token: &str, chat: &str, before: Shown, longest: Duration) -> Shown {
    let mut shown = if before.cursor.is_some() { before } else { Shown::default() };
    let mut seen = shown.cursor;
    let by = tokio::time::Instant::now() + longest;
    let client = reqwest::Client::new();
    while !shown.is_complete && tokio::time::Instant::now() < by {
        let mut request = client
            .get(format!("{platform}/realtime/v1/sessions/{chat}/out"))
            .bearer_auth(token)
            .header("timeout-seconds", 2)
            .header("x-peek-settled", "1")
            .header("accept", "text/event-stream");
        if let Some(seq) = seen {
            request = request.header("last-event-id", seq);
        }
        let mut response = request.send().await.expect("a platform").error_for_status().expect("a stream");
        // The newest record is a boundary: what comes now is all there is.
        let is_settled = response.headers().contains_key("x-session-settled");
        let mut decoder = Decoder::new(16 * MAX_EVENT);
        'response: while let Ok(Ok(Some(bytes))) = tokio::time::timeout_at(by, response.chunk()).await {
            decoder.feed(&bytes).expect("events of a sound size");
            while let Some(event) = decoder.next_event() {
                if event.name == "batch" {
                    take_batch(&event.data, &mut shown, &mut seen);
                }
                if shown.is_complete {
                    break 'response;
                }
            }
        }
        shown.is_complete |= is_settled;
    }
    shown
}

fn take_batch(data: &str, shown: &mut Shown, seen: &mut Option<u64>) {
    let batch: Value = serde_json::from_str(data).expect("a batch");
    for record in batch["records"].as_array().into_iter().flatten() {
        *seen = record["seq_num"].as_u64().or(*seen);
        let headers: Vec<(String, String)> =
            serde_json::from_value(record["headers"].clone()).unwrap_or_default();
        shown.record(&RecordBody::parse(&headers, record["body"].as_str().unwrap_or_default()));
    }
}
