//! The browser's POST, read with limits into a typed request. Nothing has happened yet when this fails.

use std::fmt;

use bytes::Bytes;
use http::{Method, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::{
    Problem, ProblemKind,
    json_shape::{self, Excess},
};
use crate::wire::{ChatId, Json, PartKind, UiMessage};

/// Fields of the body. More serves nobody, and each is compared with the others.
const MAX_FIELDS: usize = 256;

/// How much one request may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the body. Defaults to 4 MiB.
    pub body_bytes: usize,
    /// Messages of the history. Defaults to 1000.
    pub messages: usize,
    /// Parts of one message. Defaults to 500.
    pub parts: usize,
    /// Bytes of one text (or any other string of the body; for `data:` addresses
    /// [`FileUrls`](crate::history::FileUrls) has a smaller limit). Defaults to 2 MiB.
    pub string_bytes: usize,
    /// Arrays and objects of the body inside one another. Defaults to 64.
    pub depth: usize,
    /// Frames that wait for a slow browser before its view is given up. Defaults to 4096.
    pub view_frames: usize,
    /// Bytes of those frames. Defaults to 4 MiB.
    pub view_bytes: usize,
    /// Turns that are open at a time in this process; beyond, requests get a 503. Defaults to 10 000.
    pub turns: usize,
    /// The same for one [`key`](crate::Grant::key); beyond, requests get a 429. Defaults to no limit.
    pub turns_of_key: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 * 1024 * 1024,
            messages: 1000,
            parts: 500,
            string_bytes: 2 * 1024 * 1024,
            depth: 64,
            view_frames: 4096,
            view_bytes: 4 * 1024 * 1024,
            turns: 10_000,
            turns_of_key: usize::MAX,
        }
    }
}

/// Which of the browser's own body fields the agent gets to see, besides those of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BodyFields {
    /// None.
    #[default]
    None,
    /// Those of these names.
    Named(Vec<String>),
    /// All of them. What a browser sends is a claim: an agent must not trust it.
    All,
}

impl BodyFields {
    pub(crate) fn allows(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.iter().any(|allowed| allowed == name),
            Self::All => true,
        }
    }
}

/// Why the browser asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MessageTrigger {
    /// The user sent a message.
    #[default]
    SubmitMessage,
    /// The user wants another answer to the last message.
    RegenerateMessage,
    /// Something from the future.
    #[serde(other)]
    Other,
}

impl MessageTrigger {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RegenerateMessage => "regenerate-message",
            _ => "submit-message",
        }
    }
}

/// What the browser posted (`docs/protocol.md`, "Request").
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FirstTurnRequest {
    /// The chat.
    pub chat_id: ChatId,
    /// The history as the browser claims it; the newest message is last.
    pub messages: Vec<UiMessage>,
    /// Why it asks.
    pub trigger: MessageTrigger,
    /// The message to regenerate.
    pub message_id: Option<String>,
    /// The application's own data about this turn (the agent's `clientData`).
    pub metadata: Option<Json>,
    /// All other fields.
    pub extra: Vec<(String, Json)>,
}

impl FirstTurnRequest {
    /// A request that nobody posted.
    pub(crate) fn of(chat_id: ChatId, messages: Vec<UiMessage>, metadata: Option<Json>) -> Self {
        let trigger = MessageTrigger::SubmitMessage;
        Self { chat_id, messages, trigger, message_id: None, metadata, extra: Vec::new() }
    }
}

/// Reads a request: method, content type, size, JSON, fields.
pub(crate) async fn read_request<B>(
    head: &Parts,
    body: B,
    limits: &Limits,
) -> Result<FirstTurnRequest, Problem>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let bytes = read_json(head, body, limits.body_bytes, limits).await?;
    let raw: RawRequest = parse(&bytes, "the body is not a chat request")?;
    raw.check(limits)
}

/// Reads the body of a POST of JSON, and checks what can be checked without knowing what it is about.
pub(crate) async fn read_json<B>(
    head: &Parts,
    body: B,
    most: usize,
    limits: &Limits,
) -> Result<Bytes, Problem>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if head.method != Method::POST {
        return Err(Problem::new(ProblemKind::MethodNotAllowed));
    }
    if !is_json(head) {
        return Err(Problem::new(ProblemKind::UnsupportedMediaType));
    }
    let bytes = read_body(body, most).await?;
    match json_shape::excess(&bytes, limits.depth, limits.string_bytes) {
        None => Ok(bytes),
        Some(Excess::Depth) => Err(Problem::invalid("the body is nested too deeply")),
        Some(Excess::Number) => Err(Problem::invalid("the body has a number that is no double")),
        Some(Excess::String) => {
            Err(Problem::new(ProblemKind::TooLarge).detail("the body has a text that is too long"))
        }
    }
}

/// Parses a body; `otherwise` says what it is when it is JSON and yet not what was asked for.
pub(crate) fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8], otherwise: &str) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::invalid(otherwise),
        _ => Problem::invalid("the body is not JSON"),
    })
}

fn is_json(head: &Parts) -> bool {
    let Some(value) = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = std::pin::pin!(Limited::new(body, limit));
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::new(ProblemKind::TooLarge).detail(format!("the body is larger than {limit} bytes")))
        }
        Err(_) => Err(Problem::invalid("the body could not be read")),
    }
}

/// The body's fields, each still unread. Of a field that comes twice the last one counts, as in browsers.
#[derive(Default)]
struct RawRequest(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for RawRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawRequest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawRequest, A::Error> {
                let mut fields: Vec<(String, Json)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Json>()? {
                    if fields.len() == MAX_FIELDS {
                        return Err(serde::de::Error::custom("too many fields"));
                    }
                    fields.retain(|(other, _)| *other != name);
                    fields.push((name, value));
                }
                Ok(RawRequest(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl RawRequest {
    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.remove(at).1).filter(|value| !value.is_null())
    }

    fn check(mut self, limits: &Limits) -> Result<FirstTurnRequest, Problem> {
        let chat_id = self.take("chatId").ok_or_else(|| Problem::invalid("chatId is missing"))?;
        let chat_id: String = chat_id.to().map_err(|_| Problem::invalid("chatId is not a string"))?;
        let chat_id: ChatId = chat_id.parse().map_err(|error| Problem::invalid(format!("{error}")))?;
        let messages = self.take("headStartMessages").unwrap_or_default();
        let messages = read_messages(&messages, limits)?;
        let message_id = match self.take("messageId").map(|id| id.to::<String>()) {
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Err(Problem::invalid("messageId is not a string")),
            None => None,
        };
        let trigger = self.take("trigger").and_then(|trigger| trigger.to().ok()).unwrap_or_default();
        let metadata = self.take("metadata");
        Ok(FirstTurnRequest { chat_id, messages, trigger, message_id, metadata, extra: self.0 })
    }
}

fn read_messages(messages: &Json, limits: &Limits) -> Result<Vec<UiMessage>, Problem> {
    let raw: Vec<Json> =
        messages.to().map_err(|_| Problem::invalid("headStartMessages is not an array of messages"))?;
    if raw.is_empty() {
        return Err(Problem::invalid("headStartMessages is empty"));
    }
    if raw.len() > limits.messages {
        return Err(Problem::new(ProblemKind::TooLarge).detail("headStartMessages has too many messages"));
    }
    raw.iter()
        .enumerate()
        .map(|(at, raw)| {
            let message: UiMessage = raw.to().map_err(|_| {
                Problem::invalid(format!(
                    "headStartMessages[{at}] is not a message: it needs a role (system, user, assistant) and parts"
                ))
            })?;
            if message.parts.len() > limits.parts {
                let detail = format!("headStartMessages[{at}] has too many parts");
                return Err(Problem::new(ProblemKind::TooLarge).detail(detail));
            }
            let is_nameless = |part: &crate::wire::UiPart| part.kind() == PartKind::Tool("");
            if let Some(part) = message.parts.iter().position(is_nameless) {
                let detail = format!("headStartMessages[{at}].parts[{part}] is a tool without a name");
                return Err(Problem::invalid(detail));
            }
            Ok(message)
        })
        .collect()
}
