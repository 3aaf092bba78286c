//! The route answers as every adapter does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use actix_web::{App, http::StatusCode, test, web};
use headstart_core::{AllowAnyone, FirstTurn, HeadStart};
use headstart_providers::{Script, Scripted};
use headstart_trigger::TriggerClient;

fn head_start() -> HeadStart {
    let sessions =
        TriggerClient::builder().base_url("http://127.0.0.1:9").secret_key("tr_dev_x").build().unwrap();
    let model = Scripted::new(|_| Script::new().text("hi"));
    HeadStart::builder("agent", sessions)
        .authorize(AllowAnyone)
        .run(move |turn: FirstTurn| {
            let model = model.clone();
            async move { turn.stream_text(&model).await }
        })
        .build()
        .unwrap()
}

#[actix_web::test]
async fn bad_requests_are_problems() {
    let route = headstart_actix::post(head_start());
    let app = test::init_service(App::new().service(web::resource("/api/chat").route(route))).await;
    for (request, status) in [
        (test::TestRequest::get(), StatusCode::METHOD_NOT_ALLOWED),
        (test::TestRequest::post().set_payload("{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            test::TestRequest::post().insert_header(("content-type", "application/json")).set_payload("{}"),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let response = test::call_service(&app, request.uri("/api/chat").to_request()).await;
        assert_eq!(response.status(), status);
        let kind = response.headers().get("content-type").unwrap();
        assert_eq!(kind, "application/problem+json");
    }
}
