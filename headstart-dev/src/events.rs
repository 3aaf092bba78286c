//! What happens on the platform, for time lines and tests.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::broadcast;

/// Events of one chat that are kept for whoever asks later.
const KEPT_EVENTS: usize = 200;

/// Something happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DevEvent {
    /// When.
    pub at: Instant,
    /// In which chat.
    pub chat: String,
    /// What.
    pub kind: DevEventKind,
    /// More about it, in words.
    pub detail: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum DevEventKind {
    SessionCreated,
    RunTriggered,
    RunBooted,
    HandoverReceived,
    MessageReceived,
    ToolStarted,
    ToolEnded,
    /// The agent's first chunk behind tool results: of step 2, or of an answer of its own.
    AgentStep,
    TurnComplete,
    RunEnded,
}

pub(crate) struct Events {
    feed: broadcast::Sender<DevEvent>,
    kept: Mutex<HashMap<String, Vec<DevEvent>>>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { feed: broadcast::channel(1024).0, kept: Mutex::default() }
    }

    pub(crate) fn tell(&self, chat: &str, kind: DevEventKind, detail: impl Into<String>) {
        let event = DevEvent { at: Instant::now(), chat: chat.to_owned(), kind, detail: detail.into() };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let events = kept.entry(chat.to_owned()).or_default();
        if events.len() < KEPT_EVENTS {
            events.push(event.clone());
        }
        // Nobody may be listening.
        drop(self.feed.send(event));
    }

    pub(crate) fn of(&self, chat: &str) -> Vec<DevEvent> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(chat).cloned().unwrap_or_default()
    }

    pub(crate) fn follow(&self) -> broadcast::Receiver<DevEvent> {
        self.feed.subscribe()
    }
}
