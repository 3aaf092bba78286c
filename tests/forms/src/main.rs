//! Every form of head start in one server, on the embedded platform, for pages that the tests make.
//!
//! | Address | What |
//! |---|---|
//! | `POST /api/chat` | the handler |
//! | `POST /api/chat/{chat}/{action}` | the session routes |
//! | `POST /welcome` | a detached turn: `{chatId, text}` → `{chatId, publicAccessToken}` |
//! | `POST /by-hand` | the handler's work, over the low-level handle |
//! | `GET /events/{chat}` | what happened on the platform |
//!
//! Users say who they are in `x-user`. Tokens of chats whose id begins with `short-` are good for two seconds.
//! It stops when its standard input ends.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use headstart_core::{
    Action, AuthorizeRequest, Body, Denied, FirstTurn, Grant, HeadStart, NewTurn, Problem, Sessions,
    TokenError, TokenRequest, TokenSpec,
    step::StepRequest,
    wire::{ChatId, ModelMessage, UiMessage, UserPart},
};
use headstart_dev::{Agent, DevPlatform};
use headstart_providers::{Script, Scripted};
use headstart_trigger::TriggerClient;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::cors::Any;
use tracing_subscriber::EnvFilter;

const AGENT: &str = "my-agent";

struct App {
    head_start: HeadStart,
    model: Scripted,
    platform: DevPlatform,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a program")]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let agent = Agent::new(AGENT, Scripted::new(|request| script("Agent", request)))
        .boot_delay(Duration::from_millis(150));
    let platform = DevPlatform::builder().agent(agent).start().await?;
    let client =
        TriggerClient::builder().base_url(platform.url()).secret_key(platform.secret_key()).build()?;
    let model = Scripted::new(|request| script("Warm", request));
    let head_start = head_start(client, model.clone())?;
    let api = platform.url().to_owned();
    let secret = platform.secret_key().to_owned();
    let routes = headstart_axum::session_routes(head_start.session_routes());
    let app = Arc::new(App { head_start: head_start.clone(), model, platform });
    let router = Router::new()
        .route("/api/chat", headstart_axum::post(head_start))
        .nest("/api/chat", routes)
        .route("/welcome", post(welcome))
        .route("/by-hand", post(by_hand))
        .route("/events/{chat}", get(events))
        .layer(headstart_axum::cors(Any))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!(
        "{}",
        json!({ "url": format!("http://{}", listener.local_addr()?), "api": api, "secret": secret })
    );
    let (gone, parent_is_gone) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        // An error is an end, too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(gone);
    });
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        _ = parent_is_gone => {}
    }
    Ok(())
}

fn head_start(client: TriggerClient, model: Scripted) -> Result<HeadStart, Box<dyn Error>> {
    let minter = client.clone();
    let head_start = HeadStart::builder(AGENT, client)
        .authorize(|request: AuthorizeRequest| async move {
            let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
            match (user, request.action()) {
                (Some("ada"), _) | (Some("watcher"), Action::WatchToken) => Ok(Grant::new()),
                (Some(_), _) => Err(Denied::Forbidden),
                (None, _) => Err(Denied::Unauthenticated),
            }
        })
        .browser_token(move |request: TokenRequest| {
            let minter = minter.clone();
            async move {
                let chat = request.context.chat_id();
                // Renewed, it is good for longer: one renewal is what the tests are about.
                let is_first = request.context.uri().path() == "/api/chat";
                if !(chat.as_str().starts_with("short-") && is_first) {
                    return Ok(request.session_token);
                }
                let spec = TokenSpec::read_write(chat.clone()).lifetime(Duration::from_secs(2));
                minter.mint_token(spec).await.map_err(|error| TokenError(error.to_string()))
            }
        })
        .run(move |turn: FirstTurn| {
            let model = model.clone();
            async move { turn.stream_text(&model).await }
        })
        .build()?;
    Ok(head_start)
}

/// Says who speaks, how much of the conversation it saw, and what it was asked. Long questions get long
/// answers.
fn script(who: &str, request: &StepRequest) -> Script {
    let asked = request.messages.iter().rev().find_map(|message| match message {
        ModelMessage::User(user) => user.content.iter().find_map(|part| match part {
            UserPart::Text(text) => Some(text.text.clone()),
            _ => None,
        }),
        _ => None,
    });
    let asked = asked.unwrap_or_default();
    let script = Script::new().first_byte(Duration::from_millis(50));
    if asked.starts_with("Count") {
        let numbers: Vec<String> = (1..=60).map(|number| number.to_string()).collect();
        return script
            .pause(Duration::from_millis(50))
            .text(format!("{who} counts {} end", numbers.join(" ")));
    }
    let seen = request.messages.len();
    script.pause(Duration::from_millis(5)).text(format!("{who} saw {seen}: {asked}"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Welcome {
    chat_id: String,
    text: String,
}

/// The server's own idea of a first turn.
async fn welcome(State(app): State<Arc<App>>, Json(welcome): Json<Welcome>) -> Response {
    let Ok(chat) = welcome.chat_id.parse::<ChatId>() else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    let message = UiMessage::user("u1", &welcome.text);
    match app.head_start.start(NewTurn::new(chat, message)).await {
        Ok(started) => Json(json!({
            "chatId": started.chat_id,
            "publicAccessToken": started.access_token(),
            "pendingVersion": started.pending_version,
        }))
        .into_response(),
        Err(problem) => problem.into_response().map(axum::body::Body::new),
    }
}

async fn by_hand(State(app): State<Arc<App>>, request: Request) -> Response {
    let answer = try_by_hand(&app, request).await;
    answer.unwrap_or_else(Problem::into_response).map(axum::body::Body::new)
}

async fn try_by_hand(app: &App, request: Request) -> Result<axum::http::Response<Body>, Problem> {
    let (mut open, view) = app.head_start.open(request).await?;
    let model = app.model.clone();
    tokio::spawn(async move {
        if let Some(turn) = open.turn()
            && let Ok(step) = turn.stream_text(&model).await
        {
            // One that is not wanted any more needs nothing else.
            let _ = open.tee(step).await;
        }
        let _ = open.hand_over().await;
    });
    view.response().await
}

async fn events(State(app): State<Arc<App>>, Path(chat): Path<String>) -> Json<Value> {
    let events = app.platform.events_of(&chat);
    Json(events.iter().map(|event| format!("{:?}", event.kind)).collect())
}
