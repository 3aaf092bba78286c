//! How the client behaves towards a platform that fails: what is tried again, for how long, and with what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use headstart_core::{
    Sessions, TokenSpec,
    sessions::{RunState, SessionsErrorKind},
    wire::{ChatId, CreateSession, Json, SessionType, TriggerConfigBody},
};
use headstart_trigger::{Timeouts, TriggerClient, TriggerClientBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const CREATED: &str = r#"{"publicAccessToken":"t","isCached":false,"metadata":{"a":1}}"#;

/// What the platform does with a request.
#[derive(Clone, Copy)]
enum Does {
    Answer(u16, &'static str),
    Hang,
    Reset,
    /// Creates, behind so many MiB of nothing and without a stated length.
    CreateBehind(usize),
}

struct Platform {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// A platform that does the next of these with each request, and the last one for ever.
async fn platform(script: Vec<Does>) -> Platform {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    tokio::spawn(async move {
        let mut number = 0;
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let does = script[number.min(script.len() - 1)];
            number += 1;
            let mut buffer = vec![0; 64 * 1024];
            let length = socket.read(&mut buffer).await.unwrap_or_default();
            seen.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).to_lowercase());
            tokio::spawn(async move {
                match does {
                    Does::Answer(status, body) => {
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                        );
                        let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
                    }
                    Does::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
                    Does::Reset => drop(socket),
                    Does::CreateBehind(mib) => {
                        let _ = socket.write_all(b"HTTP/1.1 201 x\r\nconnection: close\r\n\r\n").await;
                        let nothing = vec![b' '; 1024 * 1024];
                        for _ in 0..mib {
                            let _ = socket.write_all(&nothing).await;
                        }
                        let _ = socket.write_all(CREATED.as_bytes()).await;
                    }
                }
            });
        }
    });
    Platform { url, requests }
}

impl Platform {
    fn builder(&self) -> TriggerClientBuilder {
        let timeouts = Timeouts::default().at_most(Duration::from_millis(1500));
        TriggerClient::builder().base_url(&self.url).timeouts(timeouts)
    }

    fn client(&self) -> TriggerClient {
        self.builder().secret_key("tr_dev_secret").build().unwrap()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    fn header(&self, name: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let prefix = format!("{name}: ");
        requests
            .iter()
            .filter_map(|text| text.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned)))
            .collect()
    }
}

fn session() -> CreateSession {
    CreateSession {
        r#type: SessionType::ChatAgent,
        external_id: "c/1".parse().unwrap(),
        task_identifier: "agent".into(),
        trigger_config: TriggerConfigBody {
            base_payload: Json::empty_object(),
            ..TriggerConfigBody::default()
        },
        metadata: None,
        tags: vec![],
    }
}

#[tokio::test]
async fn passing_failures_are_tried_again_with_the_same_key_and_a_stated_length() {
    for failure in
        [Does::Answer(500, "{}"), Does::Answer(429, "{}"), Does::Reset, Does::Answer(201, "{\"half")]
    {
        let platform = platform(vec![failure, failure, Does::Answer(201, CREATED)]).await;
        let opened = platform.client().create(session()).await.unwrap();
        assert!(!opened.is_existing && opened.metadata.unwrap().as_str() == r#"{"a":1}"#);
        let keys = platform.header("x-trigger-request-idempotency-key");
        assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(platform.header("content-length").len(), 3);
    }
}

#[tokio::test]
async fn an_answer_without_a_stated_length_is_bounded_too() {
    for (mib, expected) in [(1, None), (65, Some(SessionsErrorKind::Malformed))] {
        let platform = platform(vec![Does::CreateBehind(mib)]).await;
        let client = platform.builder().timeouts(Timeouts::default()).secret_key("tr_dev_secret");
        let created = client.build().unwrap().create(session()).await;
        assert_eq!(created.err().map(|error| error.kind()), expected);
        assert_eq!(platform.count(), 1);
    }
}

#[tokio::test]
async fn a_run_says_what_it_hears() {
    for (run, expected) in [
        (r#"{"isCompleted":false,"payload":{"trigger":"handover-prepare"}}"#, RunState::TakesHandover),
        (r#"{"isCompleted":true,"payload":{"trigger":"handover-prepare"}}"#, RunState::TakesMessages),
        (r#"{"isCompleted":false,"payload":{"continuation":true}}"#, RunState::TakesMessages),
        // It is too large to be sent along.
        (r#"{"isCompleted":false,"payloadPresignedUrl":"https://files"}"#, RunState::Unknown),
        (r#"{"isCompleted":false,"payload":"text"}"#, RunState::Unknown),
    ] {
        let platform = platform(vec![Does::Answer(200, run)]).await;
        assert_eq!(platform.client().run_state("run_1/2").await.unwrap(), expected, "{run}");
        assert!(platform.requests.lock().unwrap()[0].starts_with("get /api/v3/runs/run_1%2f2 "));
    }
}

#[tokio::test]
async fn refusals_are_final() {
    for (status, kind) in [
        (409, SessionsErrorKind::Closed),
        (401, SessionsErrorKind::Unauthorized),
        (413, SessionsErrorKind::TooLarge),
        (422, SessionsErrorKind::Rejected),
    ] {
        let platform = platform(vec![Does::Answer(status, "{}")]).await;
        assert_eq!(platform.client().create(session()).await.unwrap_err().kind(), kind);
        assert_eq!(platform.count(), 1, "{status}");
    }
}

#[tokio::test]
async fn nothing_takes_longer_than_the_budget() {
    for does in [Does::Hang, Does::Answer(503, "{}")] {
        let platform = platform(vec![does]).await;
        let begun = Instant::now();
        let error = platform.client().create(session()).await.unwrap_err();
        assert!(
            error.is_retryable() && begun.elapsed() < Duration::from_millis(2500),
            "{error} {:?}",
            begun.elapsed()
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_chat_id_is_one_segment_of_the_path_and_a_part_id_is_sent() {
    let platform = platform(vec![Does::Answer(200, r#"{"ok":true,"seq":7}"#)]).await;
    let chat: ChatId = "a/b %é".parse().unwrap();
    let appended = platform.client().append_in(&chat, "{}".into(), "part-1").await.unwrap();
    assert_eq!(appended.seq, Some(7));
    assert_eq!(platform.header("x-part-id"), ["part-1"]);
    let request = platform.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("post /realtime/v1/sessions/a%2fb%20%25%c3%a9/in/append "), "{request}");
}

#[tokio::test]
async fn the_platform_is_asked_once_what_tokens_it_wants() {
    let claims = Does::Answer(200, r#"{"sub":"env_1","pub":true}"#);
    let platform = platform(vec![Does::Answer(500, "{}"), claims, Does::Answer(500, "{}")]).await;
    let client = platform.client();
    let mint = |chat: &str| client.mint_token(TokenSpec::read_only(chat.parse().unwrap()));
    let (first, second) = (mint("c1").await.unwrap(), mint("c2").await.unwrap());
    assert_ne!(first, second);
    assert!(first.starts_with("eyJhbGciOiJIUzI1NiJ9.") && first.split('.').count() == 3, "{first}");
    assert_eq!(platform.count(), 2, "one question, tried again once");
    let request = platform.requests.lock().unwrap()[1].clone();
    assert!(request.starts_with("post /api/v1/auth/jwt/claims ") && request.contains("content-length: 0"));
}

#[tokio::test]
async fn a_key_that_cannot_sign_asks_for_each_token() {
    let platform = platform(vec![Does::Answer(200, r#"{"token":"minted"}"#), Does::Answer(404, "{}")]).await;
    let client = platform.builder().secret_key("tr_dev_sk_0123456789abcdefghijABCD").build().unwrap();
    let spec = || TokenSpec::read_write("c1".parse().unwrap());
    assert_eq!(client.mint_token(spec()).await.unwrap(), "minted");
    let request = platform.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("post /api/v1/auth/public-tokens "), "{request}");
    assert!(request.contains(r#""scopes":["read:sessions:c1","write:sessions:c1"]"#), "{request}");
    let error = client.mint_token(spec()).await.unwrap_err();
    assert!(error.to_string().contains("root key"), "{error}");
    assert_eq!(platform.count(), 2);
}

#[tokio::test]
async fn a_client_is_a_value_with_its_own_key_branch_and_deployment() {
    let platform = platform(vec![Does::Answer(201, CREATED)]).await;
    let acme = platform.builder().secret_key("tr_dev_acme").preview_branch("acme-branch");
    let acme = acme.external_deployment_id("sha-acme").build().unwrap();
    let other = platform.builder().secret_key("tr_dev_other").preview_branch("other-branch").build().unwrap();
    for client in [&acme, &other, &acme] {
        client.create(session()).await.unwrap();
    }
    assert_eq!(
        platform.header("authorization"),
        ["bearer tr_dev_acme", "bearer tr_dev_other", "bearer tr_dev_acme"]
    );
    assert_eq!(platform.header("x-trigger-branch"), ["acme-branch", "other-branch", "acme-branch"]);
    let requests = platform.requests.lock().unwrap().clone();
    let named = |request: &String| request.contains(r#""externaldeploymentid":"sha-acme""#);
    assert_eq!(requests.iter().map(named).collect::<Vec<_>>(), [true, false, true]);
    assert!(requests.iter().all(|request| !request.contains("null")));
}

#[tokio::test]
async fn closing_is_one_request_about_one_session() {
    let platform = platform(vec![Does::Answer(200, "{}")]).await;
    platform.client().close(&"a/b".parse().unwrap(), Some("done".into())).await.unwrap();
    let request = platform.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("post /api/v1/sessions/a%2fb/close "), "{request}");
    assert!(request.ends_with(r#"{"reason":"done"}"#), "{request}");
}
