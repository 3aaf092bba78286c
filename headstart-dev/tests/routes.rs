//! The sessions API as clients see it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use headstart_core::{sessions::Channel, wire::RecordBody};
use headstart_dev::{Agent, DevPlatform};
use headstart_providers::{Script, Scripted};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

async fn platform() -> DevPlatform {
    let agent = Agent::new("my-agent", Scripted::new(|_| Script::new().text("Hi.")));
    DevPlatform::builder().agent(agent).start().await.unwrap()
}

fn create(platform: &DevPlatform, chat: &str) -> RequestBuilder {
    let body = json!({
        "type": "chat.agent",
        "externalId": chat,
        "taskIdentifier": "my-agent",
        "triggerConfig": {"basePayload": {"chatId": chat, "trigger": "preload"}, "tags": []},
        "metadata": {"first": true},
    });
    Client::new()
        .post(format!("{}/api/v1/sessions", platform.url()))
        .bearer_auth(platform.secret_key())
        .json(&body)
}

fn stream(platform: &DevPlatform, rest: &str) -> String {
    format!("{}/realtime/v1/sessions/{rest}", platform.url())
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

fn say(platform: &DevPlatform, chat: &str, token: &str, part: &str) -> RequestBuilder {
    let message = json!({"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]});
    let input = json!({"kind": "message", "payload": {"message": message, "chatId": chat}});
    let url = stream(platform, &format!("{chat}/in/append"));
    Client::new().post(url).bearer_auth(token).header("x-part-id", part).json(&input)
}

#[tokio::test]
async fn a_session_is_created_once_and_keeps_its_metadata_and_is_closed_for_good() {
    let platform = platform().await;
    let first = create(&platform, " c1 ").send().await.unwrap();
    assert_eq!(first.status(), 201);
    let first: Value = first.json().await.unwrap();
    assert_eq!((&first["externalId"], &first["isCached"]), (&json!("c1"), &json!(false)));
    let second = create(&platform, "c1").send().await.unwrap();
    assert_eq!(second.status(), 200);
    let second: Value = second.json().await.unwrap();
    assert_eq!(
        (&second["isCached"], &second["id"], &second["metadata"]),
        (&json!(true), &first["id"], &json!({"first": true}))
    );

    let close = format!("{}/api/v1/sessions/c1/close", platform.url());
    assert_eq!(
        status(Client::new().post(close).bearer_auth(platform.secret_key()).json(&json!({}))).await,
        200
    );
    assert_eq!(status(create(&platform, "c1")).await, 409);
    assert_eq!(status(say(&platform, "c1", &platform.mint_token("c1"), "p")).await, 409);
}

#[tokio::test]
async fn keys_and_tokens_open_only_what_is_theirs() {
    let platform = platform().await;
    create(&platform, "mine").send().await.unwrap();
    let (mine, other) = (platform.mint_token("mine"), platform.mint_token("other"));
    let out = stream(&platform, "mine/out");
    let records = format!("{out}/records");
    assert_eq!(status(Client::new().get(&records)).await, 401);
    assert_eq!(status(Client::new().get(&records).bearer_auth("tr_dev_wrong")).await, 401);
    assert_eq!(status(Client::new().get(&records).bearer_auth(&other)).await, 403);
    assert_eq!(status(Client::new().get(&records).bearer_auth(&mine)).await, 200);
    assert_eq!(status(Client::new().put(&out).bearer_auth(&mine)).await, 403, "only servers write to out");
    assert_eq!(status(say(&platform, "mine", &other, "p")).await, 403);
    assert_eq!(status(say(&platform, "nobody", &platform.mint_token("nobody"), "p")).await, 404);
    let put = Client::new().put(&out).bearer_auth(platform.secret_key()).send().await.unwrap();
    assert_eq!(
        (put.status().as_u16(), &put.headers()["x-s2-stream-name"]),
        (202, &"/sessions/mine/out".parse().unwrap())
    );
}

#[tokio::test]
async fn bodies_have_a_stated_and_bounded_size() {
    let platform = platform().await;
    let url = format!("{}/api/v1/sessions", platform.url());
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("{}")]));
    let chunked = Client::new().post(&url).bearer_auth(platform.secret_key()).body(body);
    assert_eq!(status(chunked).await, 413);
    let large = Client::new().post(&url).bearer_auth(platform.secret_key()).body("x".repeat(32 * 1024 + 1));
    assert_eq!(status(large).await, 413);
    create(&platform, "c").send().await.unwrap();
    let append = Client::new().post(stream(&platform, "c/in/append")).bearer_auth(platform.secret_key());
    assert_eq!(status(append.body("x".repeat(1024 * 1024 + 1))).await, 413);
}

#[tokio::test]
async fn a_turn_is_read_once_from_any_position_and_a_settled_stream_says_so() {
    let platform = platform().await;
    create(&platform, "c").send().await.unwrap();
    let token = platform.mint_token("c");
    let first: Value = say(&platform, "c", &token, "p1").send().await.unwrap().json().await.unwrap();
    assert_eq!(first, json!({"ok": true, "seq": 0}));
    let again: Value = say(&platform, "c", &token, "p1").send().await.unwrap().json().await.unwrap();
    assert_eq!(again, json!({"ok": true}), "the same part is written once");

    let read = |after: Option<u64>, wait: u64| {
        let mut request = Client::new()
            .get(stream(&platform, "c/out"))
            .bearer_auth(&token)
            .header("timeout-seconds", wait)
            .header("x-peek-settled", "1");
        if let Some(seq) = after {
            request = request.header("last-event-id", seq);
        }
        async move { request.send().await.unwrap() }
    };
    let whole = read(None, 2).await.text().await.unwrap();
    assert!(whole.contains("event: batch") && whole.contains("[DONE]"), "{whole}");
    assert!(whole.contains("turn-complete") && whole.contains(r#"["session-in-event-id","0"]"#), "{whole}");

    let records: Value = Client::new()
        .get(stream(&platform, "c/out/records"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let records = records["records"].as_array().unwrap();
    let text: String = records.iter().filter_map(|record| record["data"]["delta"].as_str()).collect();
    assert_eq!(text, "Hi.");
    let last = records.last().unwrap()["seqNum"].as_u64().unwrap();
    let begun = std::time::Instant::now();
    let settled = read(Some(last), 30).await;
    assert_eq!(settled.headers()["x-session-settled"], "true");
    assert!(!settled.text().await.unwrap().contains("event: batch"));
    assert!(begun.elapsed().as_secs() < 5);
    assert_eq!(read(None, 601).await.status(), 400);
}

#[tokio::test]
async fn sessions_are_listed_newest_first_by_what_they_are() {
    let platform = platform().await;
    for chat in ["a", "b", "c"] {
        create(&platform, chat).send().await.unwrap();
    }
    let sessions = format!("{}/api/v1/sessions", platform.url());
    let list = async |query: &str| {
        let url = format!("{sessions}?{query}");
        let list = Client::new().get(url).bearer_auth(platform.secret_key()).send().await.unwrap();
        list.json::<Value>().await.unwrap()
    };
    let names = |list: &Value| {
        let data = list["data"].as_array().unwrap();
        data.iter().map(|item| item["externalId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = list("page%5Bsize%5D=2").await;
    assert_eq!(names(&first), ["c", "b"]);
    let next = first["pagination"]["next"].as_str().unwrap();
    let second = list(&format!("page%5Bsize%5D=2&page%5Bafter%5D={next}")).await;
    assert_eq!((names(&second), &second["pagination"]["next"]), (vec!["a".to_owned()], &json!(null)));
    assert_eq!(names(&list("filter%5BexternalId%5D=b,x").await), ["b"]);
    assert!(names(&list("filter%5BtaskIdentifier%5D=other").await).is_empty());
    let close = Client::new().post(format!("{sessions}/a/close")).bearer_auth(platform.secret_key());
    assert_eq!(status(close.body("{}")).await, 200);
    assert_eq!(names(&list("filter%5Bstatus%5D=CLOSED").await), ["a"]);
    assert_eq!(status(Client::new().get(&sessions).bearer_auth(platform.mint_token("a"))).await, 403);
}

#[tokio::test]
async fn tags_and_metadata_can_be_changed_and_the_external_id_cannot() {
    let platform = platform().await;
    create(&platform, "c").send().await.unwrap();
    let url = format!("{}/api/v1/sessions/c", platform.url());
    let patch = |body: Value| Client::new().patch(&url).bearer_auth(platform.secret_key()).json(&body);
    let changed =
        patch(json!({"tags": ["t"], "metadata": {"x": 1}, "externalId": "c"})).send().await.unwrap();
    let changed: Value = changed.json().await.unwrap();
    assert_eq!((&changed["tags"], &changed["metadata"]), (&json!(["t"]), &json!({"x": 1})));
    assert_eq!(status(patch(json!({"externalId": "d"}))).await, 422);
    let token = platform.mint_token("c");
    assert_eq!(status(Client::new().patch(&url).bearer_auth(token).json(&json!({}))).await, 403);
}

#[tokio::test]
async fn the_root_key_gets_claims_and_any_server_key_tokens_that_end() {
    const KEY: &str = "tr_dev_sk_0123456789abcdefghijABCD";
    let platform = DevPlatform::builder().additional_key(KEY).start().await.unwrap();
    create(&platform, "c").send().await.unwrap();
    let auth = format!("{}/api/v1/auth", platform.url());
    let claims = |key: &str| Client::new().post(format!("{auth}/jwt/claims")).bearer_auth(key);
    let answer: Value = claims(platform.secret_key()).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["pub"], true);
    assert_eq!(status(claims(KEY)).await, 403);
    let mint = |body: Value| Client::new().post(format!("{auth}/public-tokens")).bearer_auth(KEY).json(&body);
    let scopes = json!(["read:sessions:c"]);
    for bad in [json!({}), json!({"scopes": []}), json!({"scopes": scopes, "expirationTime": "31d"})] {
        assert_eq!(status(mint(bad)).await, 400);
    }
    let minted = mint(json!({"scopes": scopes, "expirationTime": "2s"})).send().await.unwrap();
    let minted: Value = minted.json().await.unwrap();
    let read = || {
        Client::new().get(stream(&platform, "c/out/records")).bearer_auth(minted["token"].as_str().unwrap())
    };
    assert_eq!(status(read()).await, 200);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(status(read()).await, 401);
}

#[tokio::test]
async fn a_paced_agent_writes_one_record_each_time_it_is_let_and_the_boundary_last() {
    let allowed = Arc::new(Semaphore::new(0));
    let pace = allowed.clone();
    let agent = Agent::new("my-agent", Scripted::new(|_| Script::new().text("Hi."))).pace(move |chat| {
        assert_eq!(chat, "paced");
        let pace = pace.clone();
        async move { pace.acquire().await.unwrap().forget() }
    });
    let platform = DevPlatform::builder().agent(agent).start().await.unwrap();
    create(&platform, "paced").send().await.unwrap();
    assert_eq!(status(say(&platform, "paced", &platform.mint_token("paced"), "p")).await, 200);
    let records = || async { platform.records("paced", Channel::Out).await.unwrap() };
    // `start`, `start-step`, a text of three, `finish-step`, `finish`, and the boundary.
    for count in 0..=8 {
        for _ in 0..200 {
            if records().await.len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What is not let would be there soon.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let records = records().await;
        assert_eq!(records.len(), count);
        let is_over = records.last().is_some_and(|record| matches!(record.body, RecordBody::Control(_)));
        assert_eq!(is_over, count == 8);
        allowed.add_permits(1);
    }
}
