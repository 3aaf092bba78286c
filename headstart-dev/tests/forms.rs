//! The forms other than the handler: a turn that the server begins by itself, and one whose step 1 comes from
//! outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{convert::Infallible, time::Duration};

use futures_util::stream;
use headstart_core::{
    AllowAnyone, FirstTurn, HeadStart, Mode, NewTurn, OnDisconnect, ProblemKind, Sessions, Settlement,
    TurnLost,
    sessions::Channel,
    step::{StepEvent, Tool, ToolSet},
    wire::{ChatId, Json, Record, RecordBody, UiMessage},
};
use headstart_dev::{Agent, DevEventKind, DevPlatform};
use headstart_providers::{Script, Scripted};
use headstart_trigger::TriggerClient;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const LONG: &str = "one two three four five six seven eight nine ten";

struct World {
    platform: DevPlatform,
    client: TriggerClient,
}

impl World {
    async fn new() -> Self {
        let model = Scripted::new(|request| Script::new().text(format!("agent:{}", request.messages.len())));
        let ping = || Tool::new("ping", "", json!({"type": "object"}));
        let agent = Agent::new("my-agent", model)
            .boot_delay(Duration::from_millis(50))
            .tool(ping(), |_| async { Ok(Json::string("pong")) });
        let platform = DevPlatform::builder().agent(agent).start().await.unwrap();
        let key = platform.secret_key();
        let client = TriggerClient::builder().base_url(platform.url()).secret_key(key).build().unwrap();
        Self { platform, client }
    }

    /// Answers with this script. Its browsers are impatient: what leaves is given up, if it counts as leaving.
    fn head_start(&self, script: Script) -> HeadStart {
        let model = Scripted::new(move |_| script.clone());
        HeadStart::builder("my-agent", self.client.clone())
            .authorize(AllowAnyone)
            .on_disconnect(OnDisconnect::Abort)
            .run(move |turn: FirstTurn| {
                let model = model.clone();
                async move { turn.stream_text(&model).await }
            })
            .build()
            .unwrap()
    }

    fn happened(&self, chat: &str, kind: DevEventKind) -> usize {
        self.platform.events_of(chat).iter().filter(|event| event.kind == kind).count()
    }

    async fn until(&self, chat: &str, kind: DevEventKind) {
        for _ in 0..200 {
            if self.happened(chat, kind) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{kind:?} did not happen in {chat}: {:?}", self.platform.events_of(chat));
    }

    /// The chunks on `session.out`.
    async fn out(&self, chat: &str) -> Vec<Value> {
        let records = self.client.records(&id(chat), Channel::Out, None).await.unwrap();
        records.iter().filter_map(chunk).collect()
    }

    /// The inputs on `session.in`.
    async fn inputs(&self, chat: &str) -> Vec<Value> {
        let records = self.client.records(&id(chat), Channel::In, None).await.unwrap();
        let inputs = records.iter().filter_map(chunk);
        inputs.map(|input| serde_json::from_str(input.as_str().unwrap()).unwrap()).collect()
    }
}

fn id(chat: &str) -> ChatId {
    chat.parse().unwrap()
}

fn chunk(record: &Record) -> Option<Value> {
    match &record.body {
        RecordBody::Data { data, .. } => Some(data.to_value()),
        _ => None,
    }
}

fn hello(chat: &str) -> NewTurn {
    NewTurn::new(id(chat), UiMessage::user("u1", "Hello"))
}

fn post(chat: &str) -> Request<String> {
    let body = json!({"chatId": chat, "headStartMessages": [UiMessage::user("u1", "Hello")]});
    Request::post("/api/chat").header("content-type", "application/json").body(body.to_string()).unwrap()
}

fn text(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["delta"].as_str()).collect()
}

fn kinds(inputs: &[Value]) -> Vec<&str> {
    inputs.iter().filter_map(|input| input["kind"].as_str()).collect()
}

fn says(text: &str) -> StepEvent {
    StepEvent::TextDelta { id: "0".into(), delta: text.into(), provider_metadata: None }
}

// ── detached ────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_detached_turn_is_on_the_stream_and_handed_over_when_it_is_complete() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new().pause(Duration::from_millis(10)).text(LONG));
    let started = head_start.start(hello("own")).await.unwrap();
    assert_eq!((started.chat_id.as_str(), started.pending_version), ("own", false));
    assert_eq!(world.happened("own", DevEventKind::HandoverReceived), 0, "it did not wait for step 1");
    let token = started.access_token().to_owned();
    assert!(!format!("{started:?}").contains(&token));
    assert_eq!(started.completion.await, Ok(Settlement::HandedOver));
    assert_eq!(text(&world.out("own").await), LONG);
    world.until("own", DevEventKind::TurnComplete).await;
    assert_eq!(kinds(&world.inputs("own").await), ["noop", "handover"]);
    assert_eq!(head_start.open_turns(), 0);

    // The page that opens the chat reads it with this token, from the beginning.
    let url = format!("{}/realtime/v1/sessions/own/out/records", world.platform.url());
    let read = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    assert!(read.text().await.unwrap().contains("nine"));
}

#[tokio::test]
async fn a_detached_turn_that_is_dropped_at_once_is_whole_whatever_happens_to_browsers() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new().pause(Duration::from_millis(10)).text(LONG));
    drop(head_start.start(hello("dropped")).await.unwrap());
    world.until("dropped", DevEventKind::TurnComplete).await;
    assert_eq!(text(&world.out("dropped").await), LONG);

    // Also when nobody waits for the session.
    let mut start = Box::pin(head_start.start(hello("unawaited")));
    assert!(futures_util::poll!(&mut start).is_pending());
    drop(start);
    world.until("unawaited", DevEventKind::TurnComplete).await;
    assert_eq!(text(&world.out("unawaited").await), LONG);
}

#[tokio::test]
async fn a_stop_on_the_session_ends_a_detached_step() {
    let world = World::new().await;
    let script = Script::new().pause(Duration::from_millis(400)).text(LONG);
    let started = world.head_start(script).start(hello("stopped")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    let stop = r#"{"kind":"stop"}"#.into();
    world.client.append_in(&id("stopped"), stop, "stop").await.unwrap();
    assert_eq!(started.completion.await, Ok(Settlement::HandedOver));
    let said = text(&world.out("stopped").await);
    assert!(LONG.starts_with(&said) && said.len() < LONG.len(), "{said:?}");
    let inputs = world.inputs("stopped").await;
    assert_eq!(kinds(&inputs), ["noop", "stop", "handover"]);
    assert_eq!(inputs[2]["isFinal"], true);
}

#[tokio::test]
async fn a_detached_turn_in_a_chat_that_exists_is_an_ordinary_message() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new().text("Hi."));
    head_start.start(hello("twice")).await.unwrap().completion.await.unwrap();
    world.until("twice", DevEventKind::TurnComplete).await;
    let again = NewTurn::new(id("twice"), UiMessage::user("u2", "And now?"));
    let again = head_start.start(again).await.unwrap();
    assert_eq!(again.completion.await, Ok(Settlement::SentAsMessage));
    assert_eq!(kinds(&world.inputs("twice").await), ["noop", "handover", "message"]);
}

#[tokio::test]
async fn a_turn_that_nobody_takes_is_reported_as_lost() {
    let world = World::new().await;
    let script = Script::new().pause(Duration::from_millis(100)).text(LONG);
    let started = world.head_start(script).start(hello("lost")).await.unwrap();
    world.client.close(&id("lost"), Some("in mid-turn".into())).await.unwrap();
    assert_eq!(started.completion.await, Err(TurnLost));
}

#[tokio::test]
async fn what_cannot_begin_says_so() {
    let world = World::new().await;
    let off = HeadStart::builder("my-agent", world.client.clone())
        .authorize(AllowAnyone)
        .mode(|| Mode::Off)
        .run(|_turn: FirstTurn| async { Ok::<_, Infallible>(stream::empty::<Result<_, Infallible>>()) })
        .build()
        .unwrap();
    assert_eq!(off.start(hello("off")).await.unwrap_err().kind(), ProblemKind::SwitchedOff);
    let head_start = world.head_start(Script::new().text("Hi."));
    let system = serde_json::from_value(json!({"role": "system", "parts": []})).unwrap();
    let bad = head_start.start(NewTurn::new(id("bad"), system)).await.unwrap_err();
    assert_eq!(bad.kind(), ProblemKind::InvalidRequest);
    assert!(world.platform.events_of("bad").is_empty() && world.platform.events_of("off").is_empty());
}

// ── by hand ─────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_step_by_hand_is_shown_copied_and_handed_over() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new());
    let (mut open, view) = head_start.open(post("hand")).await.unwrap();
    assert_eq!(open.turn().unwrap().messages().len(), 1);
    for word in ["Hello ", "there."] {
        open.send(Ok(says(word))).await.unwrap();
    }
    let response = view.response().await.unwrap();
    assert!(response.headers().contains_key("x-trigger-chat-access-token"));
    assert_eq!(open.hand_over().await, Ok(Settlement::HandedOver));
    let body = response.into_body().collect().await.expect("a clean end").to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("there.") && body.contains("trigger:turn-complete"), "{body}");
    assert_eq!(text(&world.out("hand").await), "Hello there.");
    let inputs = world.inputs("hand").await;
    assert_eq!((kinds(&inputs), &inputs[1]["isFinal"]), (vec!["noop", "handover"], &json!(true)));
}

#[tokio::test]
async fn a_teed_step_brings_its_tools_and_the_agent_runs_them() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new());
    let (mut open, view) = head_start.open(post("tee")).await.unwrap();
    let tools = ToolSet::new([Tool::new("ping", "", json!({"type": "object"}))]).unwrap();
    let model = Scripted::new(|_| Script::new().text("Let me see.").tool_call("c1", "ping", "{}"));
    let step = open.turn().unwrap().stream_text(&model).tools(tools).await.unwrap();
    open.tee(step).await.unwrap();
    assert_eq!(open.send(Ok(says("too late"))).await, Err(headstart_core::StepOver));
    let view = view.opened().await.unwrap();
    assert_eq!(open.hand_over().await, Ok(Settlement::HandedOver));
    let body = view.body.collect().await.expect("a clean end").to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("pong") && body.contains("agent:3"), "{body}");
}

#[tokio::test]
async fn a_dropped_handle_loses_no_turn_and_sends_no_skip() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new());
    // Nothing said: the agent answers, all of it.
    let (open, view) = head_start.open(post("silent")).await.unwrap();
    drop(open);
    let body = view.response().await.unwrap().into_body().collect().await.expect("a clean end").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("agent:1"), "{body:?}");
    assert_eq!(kinds(&world.inputs("silent").await), ["noop", "handover"]);

    // Something said: it is kept, and the turn is closed. The browser goes first, or last, or at once.
    for (chat, order) in [("view-first", 0), ("open-first", 1), ("together", 2)] {
        let (mut open, view) = head_start.open(post(chat)).await.unwrap();
        open.send(Ok(says("Half an"))).await.unwrap();
        match order {
            0 => {
                drop(view);
                tokio::time::sleep(Duration::from_millis(100)).await;
                drop(open);
            }
            1 => {
                drop(open);
                tokio::time::sleep(Duration::from_millis(100)).await;
                drop(view);
            }
            _ => drop((open, view)),
        }
        world.until(chat, DevEventKind::TurnComplete).await;
        let inputs = world.inputs(chat).await;
        assert_eq!((kinds(&inputs), &inputs[1]["isFinal"]), (vec!["noop", "handover"], &json!(true)));
        assert!(inputs[1]["partialAssistantMessage"].to_string().contains("Half an"), "{inputs:?}");
        assert_eq!(text(&world.out(chat).await), "Half an");
    }
}

#[tokio::test]
async fn a_turn_left_to_the_agent_is_answered_by_it() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new());
    let (open, view) = head_start.open(post("left")).await.unwrap();
    let (settled, response) = tokio::join!(open.leave_to_agent(), view.response());
    assert_eq!(settled, Ok(Settlement::HandedOver));
    let body = response.unwrap().into_body().collect().await.expect("a clean end").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("agent:1"), "{body:?}");
    assert_eq!(
        world.inputs("left").await[1]["partialAssistantMessage"],
        json!([{"role": "tool", "content": []}])
    );
}

#[tokio::test]
async fn a_step_that_says_nothing_leaves_the_turn_to_the_agent() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new());
    for (chat, begins) in [("mute", true), ("absent", false)] {
        let (mut open, view) = head_start.open(post(chat)).await.unwrap();
        if begins {
            open.begin(ToolSet::default()).unwrap();
        }
        let (settled, response) = tokio::join!(open.hand_over(), view.response());
        assert_eq!(settled, Ok(Settlement::HandedOver));
        let body = response.unwrap().into_body().collect().await.expect("a clean end").to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("agent:1"), "{chat} {body:?}");
    }
}

#[tokio::test]
async fn a_step_nobody_wants_is_refused() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new().text("Hi."));
    head_start.start(hello("there")).await.unwrap().completion.await.unwrap();
    world.until("there", DevEventKind::TurnComplete).await;
    let mut request = post("there");
    *request.body_mut() = request.body().replace("u1", "u2");
    let (mut open, view) = head_start.open(request).await.unwrap();
    let response = view.response().await.unwrap();
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(says("again "))).then_pause();
    assert_eq!(open.tee(endless).await, Err(headstart_core::StepOver));
    assert_eq!(open.hand_over().await, Ok(Settlement::SentAsMessage));
    let body = response.into_body().collect().await.expect("a clean end").to_bytes();
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("agent:3") && !body.contains("again"), "{body}");
}

#[tokio::test]
async fn a_request_that_the_handler_would_refuse_opens_nothing() {
    let world = World::new().await;
    let head_start = world.head_start(Script::new());
    let refused = head_start.open(Request::get("/").body(String::new()).unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), ProblemKind::MethodNotAllowed);
    let refused = head_start.open(post("session_x")).await.unwrap_err();
    assert_eq!(refused.kind(), ProblemKind::InvalidRequest);
}

/// A stream that takes its time.
trait ThenPause: futures_util::Stream + Sized {
    fn then_pause(self) -> impl futures_util::Stream<Item = Self::Item> + Send + 'static;
}

impl<S: futures_util::Stream<Item: Send> + Send + 'static> ThenPause for S {
    fn then_pause(self) -> impl futures_util::Stream<Item = S::Item> + Send + 'static {
        futures_util::StreamExt::then(self, |item| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            item
        })
    }
}
