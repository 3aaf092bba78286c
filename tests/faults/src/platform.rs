//! The platform, and what a test looks at there.

use std::time::Duration;

use headstart_core::{
    sessions::Channel,
    wire::{AssistantPart, Json, ModelMessage, RecordBody},
};
use headstart_dev::{Agent, DevEventKind, DevPlatform};
use serde_json::{Value, json};

use crate::{gates::Gates, model, page::Shown};

/// Id of the agent.
pub const AGENT: &str = "fault-agent";

/// A platform whose one agent takes this pause before each word.
///
/// # Panics
/// When it does not start.
pub async fn start(pause: Duration) -> DevPlatform {
    start_agent(agent(pause)).await
}

/// The same; the agent's records pass gates, one by one.
///
/// # Panics
/// When it does not start.
pub async fn start_gated(pause: Duration) -> (DevPlatform, Gates) {
    let gates = Gates::default();
    let passed = gates.clone();
    let agent = agent(pause).pace(move |chat| {
        let gates = passed.clone();
        async move { gates.pass(&chat).await }
    });
    (start_agent(agent).await, gates)
}

fn agent(pause: Duration) -> Agent {
    Agent::new(AGENT, model::agent_model(pause))
        .boot_delay(Duration::from_millis(20))
        .tool(model::weather(), |_input: Json| async { Ok(Json::from_value(&json!({"celsius": 21}))) })
}

async fn start_agent(agent: Agent) -> DevPlatform {
    DevPlatform::builder().agent(agent).start().await.expect("a platform")
}

/// The kinds of the inputs on `session.in`, noops left out.
///
/// # Panics
/// When the platform cannot be read.
pub async fn inputs(platform: &DevPlatform, chat: &str) -> Vec<String> {
    let records = platform.records(chat, Channel::In).await.expect("session.in");
    let kind = |body: RecordBody| match body {
        RecordBody::Data { data, .. } => {
            let input: Value = serde_json::from_str(&data.to::<String>().ok()?).ok()?;
            Some(input["kind"].as_str()?.to_owned())
        }
        _ => None,
    };
    records.into_iter().filter_map(|record| kind(record.body)).filter(|kind| kind != "noop").collect()
}

/// What a page shows that reads all of `session.out`.
///
/// # Panics
/// When the platform cannot be read.
pub async fn shown(platform: &DevPlatform, chat: &str) -> Shown {
    let mut shown = Shown::default();
    for record in platform.records(chat, Channel::Out).await.expect("session.out") {
        shown.record(&record.body);
    }
    shown
}

/// How many records `session.out` holds.
///
/// # Panics
/// When the platform cannot be read.
pub async fn out_length(platform: &DevPlatform, chat: &str) -> usize {
    platform.records(chat, Channel::Out).await.expect("session.out").len()
}

/// How many records `session.in` and `session.out` hold.
///
/// # Panics
/// When the platform cannot be read.
pub async fn lengths(platform: &DevPlatform, chat: &str) -> (usize, usize) {
    let inputs = platform.records(chat, Channel::In).await.expect("session.in").len();
    (inputs, out_length(platform, chat).await)
}

/// All that the agent remembers to have been said in a chat, by it or in its place.
pub async fn remembered(platform: &DevPlatform, chat: &str) -> String {
    let conversation = platform.conversation(chat).await.unwrap_or_default();
    let parts = conversation.iter().filter_map(|message| match message {
        ModelMessage::Assistant(message) => Some(message.content.iter().filter_map(|part| match part {
            AssistantPart::Text(part) => Some(part.text.as_str()),
            _ => None,
        })),
        _ => None,
    });
    parts.flatten().collect()
}

/// How often something happened in a chat.
#[must_use]
pub fn happened(platform: &DevPlatform, chat: &str, kind: DevEventKind) -> usize {
    platform.events_of(chat).iter().filter(|event| event.kind == kind).count()
}
