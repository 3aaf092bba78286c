//! The layer takes its own path and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use headstart_core::{AllowAnyone, FirstTurn, HeadStart};
use headstart_providers::{Script, Scripted};
use headstart_tower::{HeadStartLayer, HeadStartService, NotFound, PathBody, PathService};
use headstart_trigger::TriggerClient;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower_layer::Layer;
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

/// Answers with the request's own body, and says what it got in a header.
#[derive(Clone)]
struct Echo;

impl Service<Request<String>> for Echo {
    type Response = Response<String>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let got = format!("{} {}", request.method(), request.uri());
        let response = Response::builder().status(StatusCode::IM_A_TEAPOT).header("x-got", got);
        std::future::ready(Ok(response.body(request.into_body()).unwrap()))
    }
}

#[tokio::test]
async fn the_inner_service_gets_requests_and_gives_responses_untouched() {
    let request = Request::put("/other?x=1").body("as it was".to_owned()).unwrap();
    let response = layer().layer(Echo).call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers()["x-got"], "PUT /other?x=1");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "as it was");
}

#[test]
fn any_framework_takes_service_and_body() {
    fn takes_service<T: Clone + Send + Sync + 'static>() {}
    fn takes_body<T: http_body::Body + Default + Send + Sync + Unpin + 'static>() {}
    takes_service::<HeadStartService>();
    takes_service::<PathService<NotFound>>();
    takes_body::<headstart_core::Body>();
    takes_body::<PathBody<headstart_core::Body>>();
}
