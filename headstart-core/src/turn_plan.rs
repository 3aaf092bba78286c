//! From a request that was granted to a turn that can begin: what is trusted, what the session is created
//! with, and what is done when that is too much.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::{
    Grant,
    builder::Settings,
    history::{self, HistoryError},
    http::{BodyFields, FirstTurnRequest, MessageTrigger, Problem, ProblemKind},
    secrets,
    turn::{Plan, TurnSpec},
    wire::{CreateSession, InChunk, Json, ModelMessage, SessionType, UiMessage},
};

/// The most that `POST /api/v1/sessions` takes, in bytes.
const MAX_CREATE_BYTES: usize = 32 * 1024;
/// The most that an input on `session.in` takes, with room for its envelope.
const MAX_MESSAGE_BYTES: usize = 1000 * 1024;

/// A turn that can begin.
pub(crate) struct Prepared {
    pub(crate) spec: TurnSpec,
    pub(crate) session: CreateSession,
    /// For the model; `None` when the agent answers alone.
    pub(crate) conversation: Option<Vec<ModelMessage>>,
    pub(crate) ui_messages: Vec<UiMessage>,
    pub(crate) metadata: Option<Json>,
}

impl Prepared {
    /// No model is called here.
    pub(crate) fn leave_to_agent(&mut self) {
        self.conversation = None;
        if self.spec.plan == Plan::HeadStart {
            self.spec.plan = Plan::Agent;
        }
    }
}

pub(crate) fn prepare(
    settings: &Settings,
    request: &FirstTurnRequest,
    grant: &Grant,
    messages: Vec<UiMessage>,
) -> Result<Prepared, Problem> {
    let (conversation, denied) = match history::to_model_messages(&messages) {
        Ok(conversation) => (Some(conversation.messages), conversation.denied),
        // An answer to an approval, say: only the agent can act on it.
        Err(HistoryError::NeedsAgent) => (None, Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let metadata = grant.metadata.clone().or_else(|| request.metadata.clone());
    if metadata.as_ref().is_some_and(|metadata| secrets::looks_secret(metadata.as_str())) {
        warn!(chat = %request.chat_id, "metadata looks as if it held a key: agent, logs and dashboard will show it");
    }
    let nonce = random_id(16);
    let message_id = random_id(16);
    let newest = messages.last().ok_or_else(|| Problem::invalid("headStartMessages is empty"))?;
    let user_message_id = newest.id.clone();
    let body_fields = grant.body_fields.as_ref().unwrap_or(&settings.body_fields);
    let payload = Payload { settings, request, body_fields, granted: grant.metadata.as_ref() };
    let message = payload.ordinary_message(newest);
    let mut spec = TurnSpec::new(message_id, nonce, user_message_id, message);
    spec.denied = denied;
    spec.deadlines = settings.deadlines.clone();
    spec.broken_answer = settings.broken_answer;
    spec.empty_answer = settings.empty_answer;
    spec.on_disconnect = settings.on_disconnect;
    spec.approval_secret.clone_from(&settings.approval_secret);
    if request.trigger != MessageTrigger::RegenerateMessage {
        spec.message_part_id = message_part_id(newest);
    }

    let mut session = create_session(settings, request, &spec, payload.head_start(&messages));
    if size(&session) > MAX_CREATE_BYTES {
        // Only a single message has another way to the agent: an ordinary input, which may be larger.
        if messages.len() != 1 || size(&spec.message) > MAX_MESSAGE_BYTES {
            return Err(too_large());
        }
        session = create_session(settings, request, &spec, payload.preload());
        if size(&session) > MAX_CREATE_BYTES {
            return Err(too_large());
        }
        spec.plan = Plan::Message;
    }
    let mut prepared = Prepared { spec, session, conversation, ui_messages: messages, metadata };
    if prepared.spec.plan == Plan::Message || prepared.conversation.is_none() {
        prepared.leave_to_agent();
    }
    Ok(prepared)
}

/// The session of a chat that begins without a message: its run waits for one.
pub(crate) fn preload(
    settings: &Settings,
    request: &FirstTurnRequest,
    grant: &Grant,
) -> Result<CreateSession, Problem> {
    let body_fields = &BodyFields::None;
    let payload = Payload { settings, request, body_fields, granted: grant.metadata.as_ref() };
    let session = CreateSession {
        r#type: SessionType::ChatAgent,
        external_id: request.chat_id.clone(),
        task_identifier: settings.agent_id.clone(),
        trigger_config: settings.trigger.preload_body_for(&request.chat_id, payload.preload()),
        // No mark: a first turn that finds this session has to continue it.
        metadata: None,
        tags: settings.session_tags.clone(),
    };
    if size(&session) > MAX_CREATE_BYTES { Err(too_large()) } else { Ok(session) }
}

/// The same for each post of the same message, so that the platform writes it once. Of all of it: pages may
/// use an id again.
fn message_part_id(message: &UiMessage) -> String {
    let digest = Sha256::digest(message.raw().as_str());
    let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{id}-message")
}

fn too_large() -> Problem {
    Problem::new(ProblemKind::TooLarge)
        .detail("history and metadata are too large to start this chat; upload files and send links to them")
}

fn size<T: serde::Serialize>(value: &T) -> usize {
    Json::from_serialize(value).map_or(usize::MAX, |json| json.as_str().len())
}

/// What the run is triggered with.
struct Payload<'a> {
    settings: &'a Settings,
    request: &'a FirstTurnRequest,
    body_fields: &'a BodyFields,
    /// The server's metadata about this user.
    granted: Option<&'a Json>,
}

impl Payload<'_> {
    /// The fields of the browser, of the configuration and of the grant, each name once; later ones win.
    fn common(&self) -> Object {
        let mut fields = Object::default();
        for (name, value) in &self.request.extra {
            if self.body_fields.allows(name) {
                fields.set(name, value.clone());
            }
        }
        if let Some(id) = &self.request.message_id {
            fields.set("messageId", Json::string(id));
        }
        if let Some(metadata) = &self.request.metadata {
            fields.set("metadata", metadata.clone());
        }
        for (name, value) in &self.settings.trigger.base_payload {
            fields.set(name, value.clone());
        }
        if let Some(metadata) = self.granted {
            fields.set("metadata", metadata.clone());
        }
        fields
    }

    fn head_start(&self, messages: &[UiMessage]) -> Json {
        let mut fields = self.common();
        fields.set("headStartMessages", Json::from_serialize(messages).unwrap_or_default());
        fields.set("chatId", Json::string(self.request.chat_id.as_str()));
        fields.set("trigger", Json::string("handover-prepare"));
        fields.set("idleTimeoutInSeconds", Json::from_value(&self.settings.trigger.idle_seconds().into()));
        fields.into_json()
    }

    fn preload(&self) -> Json {
        let mut fields = self.common();
        fields.set("messages", Json::from_value(&serde_json::json!([])));
        fields.set("chatId", Json::string(self.request.chat_id.as_str()));
        fields.set("trigger", Json::string("preload"));
        fields.into_json()
    }

    fn ordinary_message(&self, newest: &UiMessage) -> InChunk {
        let mut fields = self.common();
        if self.request.trigger != MessageTrigger::RegenerateMessage {
            fields.set("message", newest.raw().clone());
        }
        fields.set("chatId", Json::string(self.request.chat_id.as_str()));
        fields.set("trigger", Json::string(self.request.trigger.as_str()));
        InChunk::Message { payload: fields.into_json() }
    }
}

fn create_session(
    settings: &Settings,
    request: &FirstTurnRequest,
    spec: &TurnSpec,
    base_payload: Json,
) -> CreateSession {
    let mark = serde_json::json!({ "headStart": {
        "nonce": spec.nonce,
        "messageId": spec.message_id,
        "userMessageId": spec.user_message_id,
    } });
    CreateSession {
        r#type: SessionType::ChatAgent,
        external_id: request.chat_id.clone(),
        task_identifier: settings.agent_id.clone(),
        trigger_config: settings.trigger.body_for(&request.chat_id, base_payload),
        metadata: Some(Json::from_value(&mark)),
        tags: settings.session_tags.clone(),
    }
}

/// A JSON object in the making whose keys keep their order.
#[derive(Default)]
struct Object(Vec<(String, Json)>);

impl Object {
    /// The last value given for a name counts.
    fn set(&mut self, name: &str, value: Json) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some(field) => field.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn into_json(self) -> Json {
        let fields: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{}:{}", Json::string(name).as_str(), value.as_str()))
            .collect();
        let text = format!("{{{}}}", fields.join(","));
        RawValue::from_string(text).map(Json::from).unwrap_or_default()
    }
}

/// Letters and digits that nobody can guess.
pub(crate) fn random_id(length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzXY";
    let mut bytes = vec![0; length];
    if getrandom::fill(&mut bytes).is_err() {
        // Without a source of randomness ids would repeat: of all evils the one that is seen.
        warn!("the system gives no random bytes");
    }
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}
