//! The routes beside the first turn, on the embedded platform.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use headstart_core::{
    Action, AllowList, AuthorizeRequest, Authorized, Breaker, Denied, FirstTurn, Grant, HeadStart,
    HeadStartBuilder, Missing, NewTurn, SessionRoutes, Sessions, TokenError, TokenRequest, TokenSpec,
    TriggerConfig, wire::Json,
};
use headstart_dev::{Agent, DevEventKind, DevPlatform};
use headstart_providers::{Script, Scripted};
use headstart_trigger::{Timeouts, TriggerClient};
use http::{Request, StatusCode, header::HeaderMap};
use http_body_util::BodyExt;
use reqwest::Client;
use serde_json::{Value, json};

struct World {
    platform: DevPlatform,
    client: TriggerClient,
    asked: Arc<Mutex<Vec<Action>>>,
}

impl World {
    async fn new() -> Self {
        let agent = Agent::new("my-agent", Scripted::new(|_| Script::new().text("Hi.")));
        let platform = DevPlatform::builder().agent(agent).start().await.unwrap();
        let key = platform.secret_key();
        let client = TriggerClient::builder().base_url(platform.url()).secret_key(key).build().unwrap();
        Self { platform, client, asked: Arc::default() }
    }

    /// Ada owns all chats, Bob may watch them.
    fn builder(&self) -> HeadStartBuilder<Authorized, Missing> {
        let asked = self.asked.clone();
        HeadStart::builder("my-agent", self.client.clone()).authorize(move |request: AuthorizeRequest| {
            asked.lock().unwrap().push(request.action());
            async move {
                match (request.headers().get("x-user").map(|user| user.as_bytes()), request.action()) {
                    (Some(b"ada"), _) => Ok(Grant::new()),
                    (Some(b"bob"), Action::WatchToken) => Ok(Grant::new()),
                    (Some(_), _) => Err(Denied::Forbidden),
                    (None, _) => Err(Denied::Unauthenticated),
                }
            }
        })
    }

    fn routes(&self) -> SessionRoutes {
        build(self.builder()).session_routes()
    }

    async fn session(&self, chat: &str) -> Value {
        let url = format!("{}/api/v1/sessions/{chat}", self.platform.url());
        let session = Client::new().get(url).bearer_auth(self.platform.secret_key()).send().await.unwrap();
        session.json().await.unwrap()
    }

    /// What the platform says to a reader, and to a writer, with this token.
    async fn tried(&self, chat: &str, token: &str) -> (u16, u16) {
        let url = format!("{}/realtime/v1/sessions/{chat}", self.platform.url());
        let read = Client::new().get(format!("{url}/out/records")).bearer_auth(token);
        let write =
            Client::new().post(format!("{url}/in/append")).bearer_auth(token).body(r#"{"kind":"noop"}"#);
        let (read, write) = (read.send().await.unwrap(), write.send().await.unwrap());
        (read.status().as_u16(), write.status().as_u16())
    }
}

fn build(builder: HeadStartBuilder<Authorized, Missing>) -> HeadStart {
    let model = Scripted::new(|_| Script::new().text("Hi."));
    let run = move |turn: FirstTurn| {
        let model = model.clone();
        async move { turn.stream_text(&model).await }
    };
    builder.run(run).build().unwrap()
}

fn request(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/json").header("x-user", "ada")
}

async fn answer(routes: &SessionRoutes, request: Request<String>) -> (StatusCode, HeaderMap, Value) {
    let (head, body) = routes.handle(request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(routes: &SessionRoutes, path: &str, body: &str) -> (StatusCode, Value) {
    let (status, _, body) = answer(routes, request(path).body(body.to_owned()).unwrap()).await;
    (status, body)
}

fn token(answer: &Value) -> &str {
    answer["publicAccessToken"].as_str().unwrap_or_else(|| panic!("no token in {answer}"))
}

/// A token's payload, whoever signed it.
fn claims(token: &str) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn lifetime(token: &str) -> u64 {
    let claims = claims(token);
    claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap()
}

#[tokio::test]
async fn start_makes_a_session_whose_run_waits_for_the_first_message() {
    let world = World::new().await;
    let config = TriggerConfig::new().payload("plan", Json::string("pro")).tag("t1");
    let routes = build(world.builder().trigger(config).session_tag("web")).session_routes();
    let body = r#"{"taskId":"my-agent","chatId":"c1","clientData":{"theme":"dark"}}"#;
    let (status, started) = post(&routes, "/api/chat/c1/start", body).await;
    assert_eq!(status, StatusCode::OK, "{started}");
    let session = world.session("c1").await;
    assert_eq!((&started["sessionId"], &started["runId"]), (&session["id"], &session["currentRunId"]));
    assert_eq!(started.get("pendingVersion"), None);
    assert_eq!(world.tried("c1", token(&started)).await, (200, 200));
    let config = &session["triggerConfig"];
    assert_eq!(
        config["basePayload"],
        json!({"metadata": {"theme": "dark"}, "plan": "pro", "messages": [], "chatId": "c1", "trigger": "preload"})
    );
    assert_eq!(config["tags"], json!(["chat:c1", "t1"]));
    assert_eq!(config.get("idleTimeoutInSeconds"), None, "how long it waits is the agent's business");
    assert_eq!((&session["tags"], &session["metadata"]), (&json!(["web"]), &json!(null)));
    let (status, again) = post(&routes, "/c1/start", "").await;
    assert_eq!((status, &again["sessionId"]), (StatusCode::OK, &session["id"]), "the same session");
    let runs = world.platform.events_of("c1");
    assert_eq!(runs.iter().filter(|event| event.kind == DevEventKind::RunTriggered).count(), 1);
}

#[tokio::test]
async fn the_servers_metadata_wins_over_the_pages() {
    let world = World::new().await;
    let granting =
        HeadStart::builder("my-agent", world.client.clone()).authorize(|request: AuthorizeRequest| {
            assert_eq!(
                request.metadata().unwrap().as_str(),
                r#"{"role":"admin"}"#,
                "it sees the page's claim"
            );
            async { Ok(Grant::new().metadata(Json::parse(r#"{"role":"guest"}"#).unwrap())) }
        });
    let config = TriggerConfig::new().payload("metadata", Json::string("of everybody"));
    let routes = build(granting.trigger(config)).session_routes();
    post(&routes, "/c/start", r#"{"clientData":{"role":"admin"}}"#).await;
    let session = world.session("c").await;
    assert_eq!(session["triggerConfig"]["basePayload"]["metadata"], json!({"role": "guest"}));
}

#[tokio::test]
async fn tokens_do_what_they_say_and_no_more() {
    let world = World::new().await;
    let routes = world.routes();
    for chat in ["c1", "other", "a%2Fb%20%C3%A9"] {
        assert_eq!(post(&routes, &format!("/{chat}/start"), "").await.0, StatusCode::OK);
    }
    let (status, access) = post(&routes, "/c1/access-token", "").await;
    assert_eq!(status, StatusCode::OK, "{access}");
    assert_eq!(lifetime(token(&access)), 3600);
    assert_eq!(world.tried("c1", token(&access)).await, (200, 200));
    assert_eq!(world.tried("other", token(&access)).await, (403, 403));
    let (_, watch) = post(&routes, "/c1/watch-token", "").await;
    assert_eq!(world.tried("c1", token(&watch)).await, (200, 403));
    let (_, odd) = post(&routes, "/a%2Fb%20%C3%A9/access-token", "").await;
    assert_eq!(claims(token(&odd))["scopes"], json!(["read:sessions:a/b é", "write:sessions:a/b é"]));
    assert_eq!(world.tried("a%2Fb%20%C3%A9", token(&odd)).await, (200, 200));
}

#[tokio::test]
async fn lifetimes_hold_for_every_token_and_the_token_hook_for_all_that_write() {
    let world = World::new().await;
    let routes = world.routes().token_lifetime(Duration::from_secs(90));
    for action in ["start", "access-token", "watch-token"] {
        let (_, answer) = post(&routes, &format!("/c1/{action}"), "").await;
        assert_eq!(lifetime(token(&answer)), 90, "{action}");
    }
    let client = world.client.clone();
    let narrow = world.builder().browser_token(move |request: TokenRequest| {
        let client = client.clone();
        async move {
            let spec =
                TokenSpec::read_only(request.context.chat_id().clone()).lifetime(Duration::from_secs(30));
            client.mint_token(spec).await.map_err(|error| TokenError(error.to_string()))
        }
    });
    let head_start = build(narrow);
    let routes = head_start.session_routes();
    for action in ["start", "access-token"] {
        let (_, answer) = post(&routes, &format!("/c1/{action}"), "").await;
        assert_eq!(lifetime(token(&answer)), 30, "{action}");
        assert_eq!(world.tried("c1", token(&answer)).await, (200, 403), "{action}");
    }
    let message = json!({"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]});
    let body = json!({"chatId": "c2", "headStartMessages": [message]}).to_string();
    let response = head_start.handle(request("/").body(body).unwrap()).await;
    let given = response.headers()["x-trigger-chat-access-token"].to_str().unwrap();
    assert_eq!(claims(given)["scopes"], json!(["read:sessions:c2"]));
}

#[tokio::test]
async fn a_closed_chat_stays_closed() {
    let world = World::new().await;
    let routes = world.routes();
    assert_eq!(post(&routes, "/c1/close", "").await.0, StatusCode::NOT_FOUND);
    post(&routes, "/c1/start", "").await;
    for _ in 0..2 {
        assert_eq!(post(&routes, "/c1/close", r#"{"reason":"done"}"#).await.0, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.session("c1").await["closedReason"], "done");
    let (status, problem) = post(&routes, "/c1/start", "").await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:headstart:problem:session-closed"))
    );
}

#[tokio::test]
async fn who_may_not_gets_nothing_and_nothing_happens() {
    let world = World::new().await;
    let routes = world.routes();
    for (user, statuses) in [
        (None, [401, 401, 401, 401]),
        (Some("eve"), [403, 403, 403, 403]),
        (Some("bob"), [403, 403, 200, 403]),
    ] {
        for (action, status) in ["start", "access-token", "watch-token", "close"].into_iter().zip(statuses) {
            let mut request = request(&format!("/c1/{action}")).body(String::new()).unwrap();
            request.headers_mut().remove("x-user");
            if let Some(user) = user {
                request.headers_mut().insert("x-user", user.parse().unwrap());
            }
            let (got, headers, body) = answer(&routes, request).await;
            assert_eq!(got.as_u16(), status, "{user:?} {action} {body}");
            assert_eq!(headers["cache-control"], "no-store");
            assert!(headers.contains_key("x-request-id"));
        }
    }
    let actions = [Action::Start, Action::AccessToken, Action::WatchToken, Action::Close];
    assert_eq!(world.asked.lock().unwrap()[..4], actions);
    assert!(world.platform.events_of("c1").is_empty());
}

#[tokio::test]
async fn bad_requests_are_problems_before_anybody_is_asked() {
    let world = World::new().await;
    let origins = AllowList::only(["https://app.example.com"]);
    let routes = build(world.builder().origins(origins).chat_ids(|chat| !chat.as_str().starts_with('x')))
        .session_routes();
    let good = || request("/c1/start");
    let long = "r".repeat(257);
    for (request, status) in [
        (good().method("GET").body(String::new()), 405),
        (good().header("origin", "https://evil.example.com").body(String::new()), 403),
        (good().body("{".into()), 400),
        (good().body("[1]".into()), 400),
        (good().body(r#"{"chatId":"c2"}"#.into()), 400),
        (good().body(r#"{"taskId":"other"}"#.into()), 400),
        (good().body(format!("{{\"clientData\":\"{}\"}}", "x".repeat(70_000))), 413),
        (request("/x1/start").body(String::new()), 400),
        (request("/c1/close").body(format!("{{\"reason\":\"{long}\"}}")), 400),
        (request("/c1/else").body(String::new()), 404),
        (Request::post("/c1/start").header("x-user", "ada").body("{}".into()), 415),
    ] {
        let request = request.unwrap();
        let what = format!("{} {} {:.40}", request.method(), request.uri(), request.body());
        let asked = world.asked.lock().unwrap().len();
        let (got, _, body) = answer(&routes, request).await;
        assert_eq!(got.as_u16(), status, "{what} {body}");
        assert_eq!(world.asked.lock().unwrap().len(), asked, "{what}");
    }
    assert!(world.platform.events_of("c1").is_empty());
    // What the page may send, and the platform does not take.
    let large = format!("{{\"clientData\":\"{}\"}}", "x".repeat(40_000));
    assert_eq!(post(&routes, "/c1/start", &large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(world.platform.events_of("c1").is_empty());
}

#[tokio::test]
async fn a_key_that_cannot_sign_has_its_tokens_minted() {
    const KEY: &str = "tr_dev_sk_0123456789abcdefghijABCD";
    let mut world = World::new().await;
    world.platform = DevPlatform::builder().additional_key(KEY).start().await.unwrap();
    world.client = TriggerClient::builder().base_url(world.platform.url()).secret_key(KEY).build().unwrap();
    let routes = world.routes().token_lifetime(Duration::from_secs(90));
    let (_, started) = post(&routes, "/c1/start", "").await;
    assert_eq!(world.tried("c1", token(&started)).await, (200, 200));
    let (_, watch) = post(&routes, "/c1/watch-token", "").await;
    assert_eq!(world.tried("c1", token(&watch)).await, (200, 403));
    assert!((88..=90).contains(&lifetime(token(&watch))), "{}", lifetime(token(&watch)));
}

#[tokio::test]
async fn a_page_is_told_that_the_run_waits_for_a_deployment_and_step_1_is_answered_all_the_same() {
    let mut world = World::new().await;
    let agent = Agent::new("my-agent", Scripted::new(|_| Script::new().text("Hi.")));
    world.platform = DevPlatform::builder().agent(agent).deployed_as("sha-2").start().await.unwrap();
    let client = TriggerClient::builder()
        .base_url(world.platform.url())
        .secret_key(world.platform.secret_key())
        .external_deployment_id("sha-1");
    world.client = client.build().unwrap();
    let message = json!({"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]});
    let first_turn = async |head_start: HeadStart, chat: &str| {
        let body = json!({"chatId": chat, "headStartMessages": [message.clone()]}).to_string();
        head_start.handle(request("/").body(body).unwrap()).await
    };
    let pending = "x-trigger-chat-pending-version";
    let own = || TriggerConfig::new().external_deployment_id("sha-2");

    let response = first_turn(build(world.builder()), "c1").await;
    assert_eq!(response.headers().get(pending).unwrap(), "1");
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("Hi.") {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        text.push_str(std::str::from_utf8(&frame).unwrap());
    }
    let (_, started) = post(&build(world.builder()).session_routes(), "/c2/start", "").await;
    assert_eq!(started["pendingVersion"], true);
    let turn = NewTurn::new("c3".parse().unwrap(), serde_json::from_value(message.clone()).unwrap());
    assert!(build(world.builder()).start(turn).await.unwrap().pending_version);

    for (chat, config) in [("c4", own()), ("c5", TriggerConfig::new().any_deployment())] {
        let response = first_turn(build(world.builder().trigger(config)), chat).await;
        assert_eq!(response.headers().get(pending), None, "{chat}");
    }
}

#[tokio::test]
async fn a_platform_that_is_down_is_not_asked_to_start_a_chat_either() {
    let world = World::new().await;
    // Nobody listens there.
    let timeouts = Timeouts::default().at_most(Duration::from_millis(300));
    let client = TriggerClient::builder().base_url("http://127.0.0.1:1").secret_key("tr_dev_x");
    let down = World { client: client.timeouts(timeouts).build().unwrap(), ..world };
    let routes = build(down.builder().breaker(Breaker::new(2, Duration::from_secs(60)))).session_routes();
    let start = || request("/c1/start").body(String::new()).unwrap();
    for is_barred in [false, false, true] {
        let (status, headers, _) = answer(&routes, start()).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(headers.get("retry-after").is_some_and(|wait| wait == "60"), is_barred);
    }
}
