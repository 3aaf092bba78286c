//! Agents in other processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use headstart_dev::{DevEventKind, DevPlatform, RemoteAgent};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, oneshot};

/// A run as a worker has it: what it was told, and how it ends. Dropped `answer`s leave the request open.
struct Run {
    authorization: String,
    told: Value,
    answer: oneshot::Sender<StatusCode>,
    /// Fires when the platform breaks the request off.
    cancelled: oneshot::Receiver<()>,
}

struct Worker {
    url: String,
    runs: mpsc::UnboundedReceiver<Run>,
}

async fn worker() -> Worker {
    async fn serve(
        State(runs): State<Arc<Mutex<mpsc::UnboundedSender<Run>>>>,
        headers: HeaderMap,
        Json(told): Json<Value>,
    ) -> StatusCode {
        let authorization = headers["authorization"].to_str().unwrap().to_owned();
        let (answer, answered) = oneshot::channel();
        // Held as long as the request is.
        let (_open, cancelled) = oneshot::channel();
        runs.lock().await.send(Run { authorization, told, answer, cancelled }).ok().unwrap();
        match answered.await {
            Ok(status) => status,
            Err(_) => std::future::pending().await,
        }
    }
    let (sender, runs) = mpsc::unbounded_channel();
    let app = Router::new().route("/runs", post(serve)).with_state(Arc::new(Mutex::new(sender)));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/runs", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Worker { url, runs }
}

impl Worker {
    async fn next(&mut self) -> Run {
        tokio::time::timeout(Duration::from_secs(10), self.runs.recv()).await.expect("a run").unwrap()
    }
}

async fn create(platform: &DevPlatform) -> Value {
    let body = json!({
        "type": "chat.agent",
        "externalId": "c1",
        "taskIdentifier": "far-away",
        "triggerConfig": {"basePayload": {"chatId": "c1", "trigger": "handover-prepare"}, "tags": []},
    });
    call(platform, "/api/v1/sessions", &body).await
}

async fn call(platform: &DevPlatform, path: &str, body: &Value) -> Value {
    let request = Client::new().post(format!("{}{path}", platform.url())).bearer_auth(platform.secret_key());
    request.json(body).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

async fn say(platform: &DevPlatform) {
    call(platform, "/realtime/v1/sessions/c1/in/append", &json!({"kind": "message", "payload": {}})).await;
}

async fn until_run_ended(platform: &DevPlatform) -> String {
    for _ in 0..500 {
        let events = platform.events_of("c1");
        if let Some(event) = events.iter().rev().find(|event| event.kind == DevEventKind::RunEnded) {
            return event.detail.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the run did not end: {:?}", platform.events_of("c1"));
}

#[tokio::test]
async fn a_run_is_posted_with_all_that_it_needs_and_lives_as_long_as_the_request() {
    let mut worker = worker().await;
    let agent = RemoteAgent::new("far-away", &worker.url);
    let platform = DevPlatform::builder().remote_agent(agent).start().await.unwrap();
    let created = create(&platform).await;
    let run = worker.next().await;
    assert_eq!(run.authorization, format!("Bearer {}", platform.secret_key()));
    assert_eq!(run.told["apiUrl"], platform.url());
    assert_eq!(run.told["run"]["id"], created["runId"]);
    assert_eq!(run.told["run"]["taskIdentifier"], "far-away");
    assert_eq!(run.told["run"]["payload"]["trigger"], "handover-prepare");

    // An input is for the run that is there.
    say(&platform).await;
    assert!(worker.runs.try_recv().is_err());
    run.answer.send(StatusCode::OK).unwrap();
    assert_eq!(until_run_ended(&platform).await, "");

    // The next one starts another run, which goes on where the first one ended.
    say(&platform).await;
    let next = worker.next().await.told["run"].clone();
    assert_eq!(next["payload"]["previousRunId"], created["runId"]);
    assert_eq!((&next["payload"]["continuation"], &next["payload"]["trigger"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn a_worker_that_fails_ends_the_run_and_says_so() {
    let mut worker = worker().await;
    let agent = RemoteAgent::new("far-away", &worker.url);
    let platform = DevPlatform::builder().remote_agent(agent).start().await.unwrap();
    create(&platform).await;
    worker.next().await.answer.send(StatusCode::INTERNAL_SERVER_ERROR).unwrap();
    assert!(until_run_ended(&platform).await.contains("500"));
}

#[tokio::test]
async fn a_run_that_is_cancelled_is_a_request_that_breaks_off() {
    let mut worker = worker().await;
    let agent = RemoteAgent::new("far-away", &worker.url);
    let platform = DevPlatform::builder().remote_agent(agent).start().await.unwrap();
    let created = create(&platform).await;
    let run = worker.next().await;
    let path = format!("/api/v2/runs/{}/cancel", created["runId"].as_str().unwrap());
    call(&platform, &path, &json!({})).await;
    let broken_off = tokio::time::timeout(Duration::from_secs(10), run.cancelled).await;
    assert!(broken_off.expect("the request breaks off").is_err(), "its end was dropped");
    say(&platform).await;
    assert_ne!(worker.next().await.told["run"]["id"], created["runId"]);
}

#[tokio::test]
async fn a_snapshot_is_written_and_read_with_signed_addresses_only() {
    let platform = DevPlatform::builder().start().await.unwrap();
    create(&platform).await;
    let presign = |method: reqwest::Method| {
        let url = format!("{}/api/v1/sessions/c1/snapshot-url", platform.url());
        Client::new().request(method, url).bearer_auth(platform.secret_key()).send()
    };
    let url = |answer: Value| answer["presignedUrl"].as_str().unwrap().to_owned();
    let written = url(presign(reqwest::Method::PUT).await.unwrap().json().await.unwrap());
    let read = url(presign(reqwest::Method::GET).await.unwrap().json().await.unwrap());
    assert_eq!(reqwest::get(&read).await.unwrap().status(), 404, "nothing is there yet");
    assert!(Client::new().put(&written).body("{\"a\":1}").send().await.unwrap().status().is_success());
    assert_eq!(reqwest::get(&read).await.unwrap().text().await.unwrap(), "{\"a\":1}");

    let forged = read.replace("/snapshots/c1", "/snapshots/c2");
    assert_eq!(reqwest::get(forged).await.unwrap().status(), 403);
    let token = platform.mint_token("c1");
    let (address, _) = read.split_once("token=").unwrap();
    assert_eq!(reqwest::get(format!("{address}token={token}")).await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_suspended_run_is_woken_by_the_next_input() {
    let platform = DevPlatform::builder().start().await.unwrap();
    create(&platform).await;
    say(&platform).await;
    let body = json!({"session": "c1", "io": "in", "lastSeqNum": 0});
    let waitpoint = call(&platform, "/api/v1/runs/run_1/session-streams/wait", &body).await;
    let id = waitpoint["waitpointId"].as_str().unwrap();
    let blocked =
        call(&platform, &format!("/engine/v1/runs/run_1/waitpoints/tokens/{id}/wait"), &json!({})).await;
    assert_eq!(blocked, json!({"success": true}));
    let status = async || {
        let url = format!("{}/api/v1/waitpoints/tokens/{id}", platform.url());
        let request = Client::new().get(url).bearer_auth(platform.secret_key());
        request.send().await.unwrap().json::<Value>().await.unwrap()["status"].clone()
    };
    assert_eq!(status().await, "WAITING", "the run knows the first input");
    say(&platform).await;
    assert_eq!(status().await, "COMPLETED");
}
