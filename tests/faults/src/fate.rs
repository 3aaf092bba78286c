//! What became of a chat's first turn, as its session and its agent know it.

use std::time::Duration;

use headstart_dev::{DevEventKind, DevPlatform};

use crate::{
    model::Order,
    platform::{happened, inputs, remembered, shown},
    wait::until,
};

/// How long an agent that has its input may take.
const ANSWER: Duration = Duration::from_secs(15);

/// Where the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nowhere; nor is there a session.
    NoSession,
    /// On the session's stream, whole, and in the agent's memory.
    Kept,
    /// In the agent's memory; on the stream something is missing.
    Remembered,
    /// Nowhere yet: the agent waits for its input.
    Waiting,
}

/// Are these words of the whole, each at most once and in their order?
fn is_part(text: &str, whole: &str) -> bool {
    let mut rest = whole.split_whitespace();
    text.split_whitespace().all(|word| rest.any(|next| next == word))
}

impl Fate {
    /// Looks it up once no server works on the turn any more.
    ///
    /// # Panics
    /// When the agent got more than one input, leaves it unanswered, or runs a tool twice; and when anything is on
    /// the stream twice.
    pub async fn of(platform: &DevPlatform, chat: &str, order: Order) -> Self {
        let given = inputs(platform, chat).await;
        assert!(given.len() <= 1, "inputs: {given:?}");
        if platform.conversation(chat).await.is_none() {
            assert!(given.is_empty(), "inputs without a session: {given:?}");
            return Self::NoSession;
        }
        let turns = || happened(platform, chat, DevEventKind::TurnComplete);
        if !given.is_empty() {
            assert!(until(ANSWER, || async { turns() > 0 }).await, "the agent does not answer");
        }
        assert!(turns() <= 1, "{} turns", turns());
        let tools = happened(platform, chat, DevEventKind::ToolStarted);
        assert!(tools <= 1, "the tool ran {tools} times");
        let kept = shown(platform, chat).await;
        let text = kept.text();
        if kept.is_complete && kept.orphans == 0 && order.is_whole(&text) {
            assert!(order.is_whole(&remembered(platform, chat).await), "the agent knows another answer");
            return Self::Kept;
        }
        assert!(is_part(&text, &order.whole()), "on the stream: {text:?}");
        if order.is_whole(&remembered(platform, chat).await) { Self::Remembered } else { Self::Waiting }
    }
}
