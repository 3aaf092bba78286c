//! The sessions API's bodies (`docs/protocol.md`, "Sessions API").

use serde::{Deserialize, Serialize};

use super::{ChatId, Json, ModelMessage};

/// Body of `POST /api/v1/sessions`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateSession {
    /// Always `chat.agent`.
    pub r#type: SessionType,
    /// The chat.
    pub external_id: ChatId,
    /// The agent.
    pub task_identifier: String,
    /// How the agent's run is started.
    pub trigger_config: TriggerConfigBody,
    /// Metadata of the session; never overwritten once it exists, so our nonce in it tells *ours* from
    /// *existing*.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// Tags of the session (not of the run).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The type of every chat session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SessionType {
    /// `chat.agent`
    #[default]
    #[serde(rename = "chat.agent")]
    ChatAgent,
}

/// `triggerConfig` as it is sent; [`TriggerConfig`](crate::TriggerConfig) is what a user sets.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerConfigBody {
    /// The payload the run is triggered with.
    pub base_payload: Json,
    /// Machine preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Names of concurrency limits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub concurrency: Vec<String>,
    /// Concurrency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// Tags of the run, `chat:<id>` first.
    pub tags: Vec<String>,
    /// 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<u32>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Version of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_to_version: Option<String>,
    /// A span (`10m`) or seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Json>,
    /// Seconds the run waits warm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_in_seconds: Option<u32>,
    /// The deployment the run belongs to. Never sent as null.
    #[serde(skip_serializing_if = "Deployment::is_unnamed")]
    pub external_deployment_id: Deployment,
}

/// Which deployment a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(untagged)]
pub enum Deployment {
    /// The one this server belongs to, as far as the platform's client knows.
    #[default]
    Discovered,
    /// Whichever is current.
    Any,
    /// This one. The run waits for it if it is not there yet.
    Id(String),
}

impl Deployment {
    fn is_unnamed(&self) -> bool {
        !matches!(self, Self::Id(_))
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

/// An input on `session.in` that a server writes.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InChunk {
    /// Gives the turn to the agent's run.
    #[serde(rename_all = "camelCase")]
    Handover {
        /// What step 1 said; see [`handover`](crate::turn::handover).
        partial_assistant_message: Vec<ModelMessage>,
        /// Id of the assistant message, the same for the whole turn.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
        /// Step 1 was the whole answer.
        is_final: bool,
    },
    /// An ordinary message of the user.
    Message {
        /// `{chatId, trigger, message, messageId?, metadata?, …}`.
        payload: Json,
    },
    /// Nothing: agents drop it. It moves the stream's first position (`docs/protocol.md`, "Noop").
    Noop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handover_has_the_keys_in_the_order_agents_know() {
        let chunk = InChunk::Handover {
            partial_assistant_message: vec![],
            message_id: Some("m".into()),
            is_final: true,
        };
        assert_eq!(
            serde_json::to_string(&chunk).unwrap(),
            r#"{"kind":"handover","partialAssistantMessage":[],"messageId":"m","isFinal":true}"#
        );
        assert_eq!(serde_json::to_string(&InChunk::Noop).unwrap(), r#"{"kind":"noop"}"#);
    }
}
