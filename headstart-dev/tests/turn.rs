//! Whole turns: the handler, the real client, the embedded platform, a local agent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use headstart_core::{
    AllowAnyone, Denied, FirstTurn, Grant, HeadStart,
    step::{StepModel, StepRequest, StepStream, Tool, ToolSet},
    wire::Json,
};
use headstart_dev::{Agent, DevEventKind, DevPlatform};
use headstart_providers::{Script, Scripted};
use headstart_trigger::TriggerClient;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

fn weather() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": { "city": { "type": "string" }, "unit": { "type": "string", "default": "c" } },
        "required": ["city"],
        "additionalProperties": false,
    });
    Tool::new("getWeather", "Get the weather", schema)
}

/// A model that counts its calls.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>, Scripted);

impl StepModel for Counted {
    fn stream(&self, request: StepRequest) -> StepStream {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.stream(request)
    }
}

struct World {
    platform: DevPlatform,
    head_start: HeadStart,
    model_calls: Arc<AtomicUsize>,
}

async fn world(script: Script) -> World {
    let agent = Agent::new(
        "my-agent",
        Scripted::new(|request| {
            let seen = serde_json::to_string(&request.messages).unwrap();
            Script::new().text(format!(
                "agent saw {} messages: {}",
                request.messages.len(),
                seen.contains("celsius")
            ))
        }),
    )
    .boot_delay(Duration::from_millis(50))
    .tool(weather(), |input: Json| async move {
        Ok(Json::from_value(&json!({"celsius": 21, "asked": input.to_value()})))
    });
    let platform = DevPlatform::builder().agent(agent).start().await.unwrap();
    let sessions =
        TriggerClient::builder().base_url(platform.url()).secret_key(platform.secret_key()).build().unwrap();
    let model_calls = Arc::new(AtomicUsize::new(0));
    let model = Counted(model_calls.clone(), Scripted::new(move |_| script.clone()));
    let tools = ToolSet::new([weather()]).unwrap();
    let head_start = HeadStart::builder("my-agent", sessions)
        .authorize(|request: headstart_core::AuthorizeRequest| async move {
            match request.headers().get("x-user").map(|user| user.as_bytes()) {
                Some(b"ada") => Ok(Grant::new()),
                Some(_) => Err(Denied::Forbidden),
                None => Err(Denied::Unauthenticated),
            }
        })
        .run(move |turn: FirstTurn| {
            let (model, tools) = (model.clone(), tools.clone());
            async move { turn.stream_text(&model).tools(tools).await }
        })
        .build()
        .unwrap();
    World { platform, head_start, model_calls }
}

fn request() -> http::request::Builder {
    Request::post("/api/chat").header("content-type", "application/json").header("x-user", "ada")
}

fn body(chat: &str) -> String {
    let message = json!({"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]});
    json!({"chatId": chat, "headStartMessages": [message], "trigger": "submit-message"}).to_string()
}

impl World {
    async fn post(&self, body: String) -> (StatusCode, Vec<Value>) {
        self.send(request().body(body).unwrap()).await
    }

    async fn send(&self, request: Request<String>) -> (StatusCode, Vec<Value>) {
        let response = self.head_start.handle(request).await;
        let status = response.status();
        let is_stream = response.headers()["content-type"] == "text/event-stream";
        let text = response.into_body().collect().await.expect("a clean end").to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        if !is_stream {
            return (status, vec![serde_json::from_str(&text).unwrap()]);
        }
        let frames = text.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
        (status, frames.map(|frame| serde_json::from_str(frame).unwrap()).collect())
    }

    fn happened(&self, chat: &str, kind: DevEventKind) -> usize {
        self.platform.events_of(chat).iter().filter(|event| event.kind == kind).count()
    }
}

fn text(frames: &[Value]) -> String {
    frames.iter().filter_map(|frame| frame["delta"].as_str()).collect()
}

fn types(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["type"].as_str()).collect()
}

#[tokio::test]
async fn a_text_turn_is_streamed_copied_and_handed_over_as_final() {
    let world = world(Script::new().text("Hello there, friend.")).await;
    let (status, frames) = world.post(body("text")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text(&frames), "Hello there, friend.");
    assert_eq!(world.happened("text", DevEventKind::HandoverReceived), 1);
    assert_eq!(world.happened("text", DevEventKind::AgentStep), 0, "the agent makes no model call");
    let ends = ["trigger:session-state", "trigger:turn-complete", "trigger:session-state"];
    assert_eq!(types(&frames)[frames.len() - 3..], ends);
}

#[tokio::test]
async fn a_tool_turn_is_one_message_from_two_processes() {
    let script = Script::new().text("Let me see.").tool_call("c1", "getWeather", r#"{"city":"Paris","x":1}"#);
    let world = world(script).await;
    let (_, frames) = world.post(body("tool")).await;
    let output = frames.iter().find(|frame| frame["type"] == "tool-output-available").unwrap();
    assert_eq!(
        output["output"]["asked"],
        json!({"city": "Paris", "unit": "c"}),
        "the input is the schema's own"
    );
    assert_eq!(text(&frames).split("agent saw 3 messages: true").count(), 2, "{frames:?}");
    let ids: Vec<&Value> =
        frames.iter().filter(|frame| frame["type"] == "start").map(|f| &f["messageId"]).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "one id for the whole turn: {ids:?}");
}

#[tokio::test]
async fn a_step_that_fails_unseen_is_answered_by_the_agent() {
    let broken = world(Script::new()).await;
    let head_start = HeadStart::builder(
        "my-agent",
        TriggerClient::builder()
            .base_url(broken.platform.url())
            .secret_key(broken.platform.secret_key())
            .build()
            .unwrap(),
    )
    .authorize(AllowAnyone)
    .run(|_turn: FirstTurn| async {
        if true {
            panic!("a bug in the application");
        }
        Ok::<_, std::fmt::Error>(futures_util::stream::empty::<Result<_, std::fmt::Error>>())
    })
    .build()
    .unwrap();
    let response = head_start.handle(request().body(body("broken")).unwrap()).await;
    let bytes = response.into_body().collect().await.expect("a clean end").to_bytes();
    let all = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(all.contains("agent saw") || all.contains("agent "), "{all}");
    assert!(all.contains("trigger:turn-complete"), "{all}");
    assert_eq!(broken.happened("broken", DevEventKind::HandoverReceived), 1);
}

#[tokio::test]
async fn a_browser_that_leaves_changes_nothing_for_the_turn() {
    let script =
        Script::new().pause(Duration::from_millis(20)).text("one two three four five six seven eight");
    let world = world(script).await;
    let response = world.head_start.handle(request().body(body("left")).unwrap()).await;
    drop(response);
    for _ in 0..100 {
        if world.happened("left", DevEventKind::TurnComplete) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the turn was not completed: {:?}", world.platform.events_of("left"));
}

#[tokio::test]
async fn a_second_first_message_is_an_ordinary_one() {
    let world = world(Script::new().text("step one")).await;
    world.post(body("twice")).await;
    let again = body("twice").replace("u1", "u2");
    let (status, frames) = world.post(again).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text(&frames).starts_with("agent saw 3 messages"), "{frames:?}");
    assert_eq!(world.happened("twice", DevEventKind::HandoverReceived), 1);
    assert_eq!(world.happened("twice", DevEventKind::MessageReceived), 1);
}

#[tokio::test]
async fn the_same_first_message_twice_is_one_turn_with_two_viewers() {
    let script = Script::new().first_byte(Duration::from_millis(100)).text("only once");
    let world = world(script).await;
    let (first, second) = tokio::join!(world.post(body("double")), world.post(body("double")));
    assert_eq!(text(&first.1), "only once");
    assert_eq!(text(&second.1), "only once");
    assert_eq!(world.happened("double", DevEventKind::HandoverReceived), 1);
}

#[tokio::test]
async fn bad_input_and_strangers_cause_no_request_to_platform_or_model() {
    let world = world(Script::new().text("never")).await;
    let message = json!({"id": "u", "role": "user", "parts": [{"type": "text", "text": "x"}]});
    let with = |chat: Value| json!({"chatId": chat, "headStartMessages": [message]}).to_string();
    for (body, expected) in [
        ("hello".to_owned(), StatusCode::BAD_REQUEST),
        ("null".to_owned(), StatusCode::BAD_REQUEST),
        ("[]".to_owned(), StatusCode::BAD_REQUEST),
        (json!({"headStartMessages": [message]}).to_string(), StatusCode::BAD_REQUEST),
        (with(json!("session_abc")), StatusCode::BAD_REQUEST),
        (with(json!("c".repeat(300))), StatusCode::BAD_REQUEST),
        (with(json!("a\r\nb")), StatusCode::BAD_REQUEST),
        (with(json!(12345)), StatusCode::BAD_REQUEST),
        (with(json!("")), StatusCode::BAD_REQUEST),
        (json!({"chatId": "c", "headStartMessages": []}).to_string(), StatusCode::BAD_REQUEST),
        (json!({"chatId": "c", "headStartMessages": "x"}).to_string(), StatusCode::BAD_REQUEST),
        (
            json!({"chatId": "c", "headStartMessages": [{"role": "wizard", "parts": []}]}).to_string(),
            StatusCode::BAD_REQUEST,
        ),
        (format!("{{\"chatId\":\"c\",\"x\":\"{}\"}}", "x".repeat(5 << 20)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let shown: String = body.chars().take(60).collect();
        let (status, problem) = world.post(body).await;
        assert_eq!(status, expected, "{shown}");
        assert!(problem[0]["type"].as_str().unwrap().starts_with("urn:headstart:problem:"), "{shown}");
    }
    let stranger = |user: Option<&str>| {
        let mut request = Request::post("/").header("content-type", "application/json");
        if let Some(user) = user {
            request = request.header("x-user", user);
        }
        request.body(body("theirs")).unwrap()
    };
    assert_eq!(world.send(stranger(None)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.send(stranger(Some("eve"))).await.0, StatusCode::FORBIDDEN);
    let text = Request::post("/").header("content-type", "text/plain").body(body("t")).unwrap();
    assert_eq!(world.send(text).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let get = Request::get("/").body(String::new()).unwrap();
    assert_eq!(world.send(get).await.0, StatusCode::METHOD_NOT_ALLOWED);

    assert_eq!(world.model_calls.load(Ordering::SeqCst), 0);
    for chat in ["c", "theirs", "t", "12345", "session_abc"] {
        assert!(world.platform.events_of(chat).is_empty(), "{chat}");
    }
}

#[tokio::test]
async fn a_message_too_large_to_create_with_goes_the_ordinary_way() {
    let world = world(Script::new().text("never")).await;
    let large = body("large").replace("Hello", &"x".repeat(40 * 1024));
    let (status, frames) = world.post(large).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text(&frames).starts_with("agent saw 1 messages"), "{frames:?}");
    assert_eq!(world.model_calls.load(Ordering::SeqCst), 0);
}
