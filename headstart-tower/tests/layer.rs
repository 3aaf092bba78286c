//! The layer takes its own path and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use headstart_core::{AllowAnyone, FirstTurn, HeadStart};
use headstart_providers::{Script, Scripted};
use headstart_tower::HeadStartLayer;
use headstart_trigger::TriggerClient;
use http::{Request, StatusCode};
use tower_service::Service;

fn layer() -> HeadStartLayer {
    let sessions =
        TriggerClient::builder().base_url("http://127.0.0.1:9").secret_key("tr_dev_x").build().unwrap();
    let model = Scripted::new(|_| Script::new().text("hi"));
    let head_start = HeadStart::builder("agent", sessions)
        .authorize(AllowAnyone)
        .run(move |turn: FirstTurn| {
            let model = model.clone();
            async move { turn.stream_text(&model).await }
        })
        .build()
        .unwrap();
    HeadStartLayer::new("/api/chat", head_start)
}

async fn status(method: &str, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).body(String::from("{}")).unwrap();
    layer().into_service().call(request).await.unwrap().status()
}

#[tokio::test]
async fn its_own_path_is_answered_and_others_go_to_the_inner_service() {
    assert_eq!(status("GET", "/api/chat").await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(status("POST", "/api/chat").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(status("POST", "/api/chat/more").await, StatusCode::NOT_FOUND);
    assert_eq!(status("POST", "/").await, StatusCode::NOT_FOUND);
}
