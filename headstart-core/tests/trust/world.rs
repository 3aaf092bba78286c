//! A platform in memory that counts what it is asked, and a handler in front of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headstart_core::{
    AuthorizeRequest, Denied, FirstTurn, Grant, HeadStart, HeadStartBuilder, Sessions,
    sessions::{
        Appended, Channel, Opened, OutWriter, RecordStream, SessionsError, SessionsErrorKind, SessionsFuture,
        Written,
    },
    step::{StepEvent, StepModel, StepRequest, StepStream, Tool, ToolSet, Usage},
    wire::{ChatId, CreateSession, FinishReason, Json, Record, RecordBody, Seq},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Never to be seen in a log or a body; in one header it has to be.
pub(crate) const ACCESS_TOKEN: &str = "pat-5d41402abc4b2a76b9719d911017c592";

/// What happened to the platform.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) calls: AtomicUsize,
    pub(crate) creates: Mutex<Vec<Value>>,
    pub(crate) inputs: Mutex<Vec<Value>>,
    handed_over: watch::Sender<bool>,
}

#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Log>);

impl Memory {
    fn called(&self) {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
    }
}

impl Sessions for Memory {
    fn create(&self, session: CreateSession) -> SessionsFuture<'_, Opened> {
        self.called();
        let session = serde_json::to_value(&session).unwrap();
        let fails = session["externalId"] == "down";
        self.0.creates.lock().unwrap().push(session);
        Box::pin(async move {
            if fails {
                return Err(SessionsError::new(
                    SessionsErrorKind::Unavailable,
                    "connection refused to 10.0.0.1",
                ));
            }
            Ok(Opened::new(ACCESS_TOKEN))
        })
    }

    fn open_out(&self, _chat: &ChatId) -> SessionsFuture<'_, Box<dyn OutWriter>> {
        self.called();
        Box::pin(async { Ok(Box::new(Writer(0)) as Box<dyn OutWriter>) })
    }

    fn append_in(&self, _chat: &ChatId, input: Bytes, _part_id: &str) -> SessionsFuture<'_, Appended> {
        self.called();
        let input: Value = serde_json::from_slice(&input).unwrap();
        if input["kind"] != "noop" {
            self.0.inputs.lock().unwrap().push(input);
            self.0.handed_over.send_replace(true);
        }
        Box::pin(async { Ok(Appended { seq: None }) })
    }

    /// An agent that has nothing to add.
    fn subscribe(&self, _chat: &ChatId, _channel: Channel, _after: Option<Seq>) -> RecordStream {
        self.called();
        let mut handed_over = self.0.handed_over.subscribe();
        let boundary = async move {
            handed_over.wait_for(|done| *done).await.unwrap();
            let headers = [("trigger-control".to_owned(), "turn-complete".to_owned())];
            Ok(Record { seq: 100, body: RecordBody::parse(&headers, "") })
        };
        stream::once(boundary).chain(stream::pending()).boxed()
    }

    fn records(&self, _: &ChatId, _: Channel, _: Option<Seq>) -> SessionsFuture<'_, Vec<Record>> {
        self.called();
        Box::pin(async { Ok(Vec::new()) })
    }
}

struct Writer(Seq);

impl OutWriter for Writer {
    fn append(&mut self, batch: Vec<Bytes>, _match_seq: Option<Seq>) -> SessionsFuture<'_, Written> {
        let first = self.0;
        self.0 += batch.len() as Seq;
        let last = self.0 - 1;
        Box::pin(async move { Ok(Written { first, last }) })
    }

    fn linger(&self) -> Duration {
        Duration::ZERO
    }
}

/// Says hello, or calls the tool that the newest message names; at once, or `slowly`.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) seen: Arc<Mutex<Vec<Value>>>,
}

impl StepModel for Model {
    fn stream(&self, request: StepRequest) -> StepStream {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let messages = serde_json::to_value(&request.messages).unwrap();
        let asked = messages.to_string();
        self.seen.lock().unwrap().push(messages);
        let mut events =
            vec![StepEvent::TextDelta { id: "0".into(), delta: "Hello.".into(), provider_metadata: None }];
        let tool = ["deleteAll", "askUser", "search"].into_iter().find(|tool| asked.contains(tool));
        events.extend(tool.map(|tool| StepEvent::ToolCall {
            id: "c1".into(),
            tool_name: tool.into(),
            input: "{}".into(),
            provider_executed: tool == "search",
            provider_metadata: None,
        }));
        let reason = if tool.is_some() { FinishReason::ToolCalls } else { FinishReason::Stop };
        events.push(StepEvent::Finish { reason, paused: false, usage: Usage::default() });
        let wait = Duration::from_millis(if asked.contains("slowly") { 300 } else { 0 });
        let begun = stream::once(async move {
            tokio::time::sleep(wait).await;
            Ok(StepEvent::Start)
        });
        begun.chain(stream::iter(events.into_iter().map(Ok))).boxed()
    }
}

pub(crate) struct World {
    pub(crate) log: Arc<Log>,
    pub(crate) model: Model,
    pub(crate) head_start: HeadStart,
}

pub(crate) type Ready = HeadStartBuilder<headstart_core::Authorized, headstart_core::Runs>;

/// A handler for users `ada` and `eve`; ada's chats begin with `ada:`, and `down` is nobody's.
pub(crate) fn world(configure: impl FnOnce(Ready) -> Ready) -> World {
    let memory = Memory::default();
    let model = Model::default();
    let asked = model.clone();
    let tools = [
        Tool::new("deleteAll", "", json!({"type": "object"})).needs_approval(),
        Tool::new("askUser", "", json!({"type": "object"})).client_side(),
    ];
    let tools = ToolSet::new(tools).unwrap();
    let builder = HeadStart::builder("agent", memory.clone())
        .authorize(|request: AuthorizeRequest| async move {
            let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
            match user {
                Some("panics") => panic!("a hook that panics"),
                Some("hangs") => std::future::pending().await,
                Some("busy") => Err(Denied::TooManyRequests),
                Some("anyone") => Ok(Grant::new()),
                Some("known") => Ok(Grant::new().metadata(Json::from_value(&json!({"userId": "ada"})))),
                Some(user) => Ok(Grant::new().owner_prefix(format!("{user}:")).key(user)),
                None => Err(Denied::Unauthenticated),
            }
        })
        .run(move |turn: FirstTurn| {
            let (model, tools) = (asked.clone(), tools.clone());
            async move { turn.stream_text(&model).tools(tools).await }
        });
    let head_start = configure(builder).build().unwrap();
    World { log: memory.0, model, head_start }
}

pub(crate) fn text(id: &str, role: &str, text: &str) -> Value {
    json!({"id": id, "role": role, "parts": [{"type": "text", "text": text}]})
}

pub(crate) fn body(chat: &str, messages: &[Value]) -> Value {
    json!({"chatId": chat, "headStartMessages": messages, "trigger": "submit-message"})
}

pub(crate) fn post(user: &str, body: &Value) -> Request<String> {
    let request = Request::post("/api/chat").header("content-type", "application/json");
    request.header("x-user", user).body(body.to_string()).unwrap()
}

pub(crate) fn hello(chat: &str) -> Value {
    body(chat, &[text("u1", "user", "Hello")])
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

impl World {
    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        let response = self.head_start.handle(request).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a clean end").to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Requests to platform and model so far.
    pub(crate) fn side_effects(&self) -> usize {
        self.log.calls.load(Ordering::SeqCst) + self.model.calls.load(Ordering::SeqCst)
    }

    /// The payload that the one session was created with.
    pub(crate) fn payload(&self) -> Value {
        let creates = self.log.creates.lock().unwrap();
        assert_eq!(creates.len(), 1);
        creates[0]["triggerConfig"]["basePayload"].clone()
    }
}
