//! When what happened in a chat, for the page's time line.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use headstart_dev::{DevEvent, DevEventKind};
use serde::Deserialize;
use tokio::sync::broadcast;

use crate::Demo;

/// How long the page may follow a time line.
const LONGEST: Duration = Duration::from_secs(120);

/// When, what, and more about it.
type Mark = (Instant, &'static str, String);

/// All chats' time lines.
#[derive(Default)]
pub(crate) struct Timelines {
    marks: Mutex<HashMap<String, Vec<Mark>>>,
    /// The newest request; a chat's time line begins with the one before its first mark.
    newest_post: Mutex<Option<Instant>>,
}

impl Timelines {
    /// A request for a first turn came in.
    pub(crate) fn arrived(&self) {
        *self.newest_post.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Something happened in a chat.
    pub(crate) fn mark(&self, chat: &str, at: Instant, kind: &'static str, detail: impl Into<String>) {
        let arrived = *self.newest_post.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = all.entry(chat.to_owned()).or_default();
        if marks.is_empty() {
            marks.push((arrived.unwrap_or(at).min(at), "create-start", String::new()));
        }
        marks.push((at, kind, detail.into()));
    }

    /// Takes over what the embedded platform tells.
    pub(crate) fn follow(self: &Arc<Self>, mut events: broadcast::Receiver<DevEvent>) {
        let timelines = self.clone();
        tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => timelines.mark(&event.chat, event.at, name(event.kind), event.detail),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        });
    }

    fn from(&self, chat: &str, seen: usize) -> Vec<String> {
        let all = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(marks) = all.get(chat) else { return Vec::new() };
        let begun = marks.first().map(|(at, ..)| *at);
        let event = |(at, kind, detail): &Mark| {
            let at = begun.map_or(0.0, |begun| at.duration_since(begun).as_secs_f64() * 1000.0);
            serde_json::json!({ "at": (at * 10.0).round() / 10.0, "kind": kind, "detail": detail })
                .to_string()
        };
        marks.iter().skip(seen).map(event).collect()
    }
}

fn name(kind: DevEventKind) -> &'static str {
    match kind {
        DevEventKind::SessionCreated => "create-end",
        DevEventKind::RunTriggered => "run-triggered",
        DevEventKind::RunBooted => "run-booted",
        DevEventKind::HandoverReceived => "handover-received",
        DevEventKind::MessageReceived => "message-received",
        DevEventKind::ToolStarted => "tool-start",
        DevEventKind::ToolEnded => "tool-end",
        DevEventKind::AgentStep => "step2-first",
        DevEventKind::TurnComplete => "turn-complete",
        _ => "run-ended",
    }
}

#[derive(Deserialize)]
pub(crate) struct Chat {
    chat: String,
}

/// A chat's time line so far, and then as it grows.
pub(crate) async fn stream(State(demo): State<Arc<Demo>>, Query(Chat { chat }): Query<Chat>) -> Response {
    let until = Instant::now() + LONGEST;
    let events = stream::unfold((demo, chat, 0), move |(demo, chat, seen)| async move {
        while Instant::now() < until {
            let new = demo.timelines.from(&chat, seen);
            if !new.is_empty() {
                let seen = seen + new.len();
                let text: String = new.iter().map(|event| format!("data: {event}\n\n")).collect();
                return Some((Ok::<_, Infallible>(Bytes::from(text)), (demo, chat, seen)));
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        None
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")],
        Body::from_stream(events),
    )
        .into_response()
}
