//! The session routes as actix mounts them: below a path, with the values of extractors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::future::{Ready, ready};

use actix_web::{App, FromRequest, HttpRequest, dev::Payload, http::StatusCode, test};
use headstart_core::{AuthorizeRequest, Denied, FirstTurn, Grant, HeadStart, SessionRoutes};
use headstart_providers::{Script, Scripted};
use headstart_trigger::TriggerClient;

/// Who asks, as an extractor finds out.
#[derive(Clone)]
struct User(String);

impl FromRequest for User {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
        ready(user.map(|user| Self(user.to_owned())).ok_or_else(|| actix_web::error::ErrorUnauthorized("")))
    }
}

/// Routes that need no platform: nobody is let in, and who asked for what is in the status.
fn routes() -> SessionRoutes {
    let sessions =
        TriggerClient::builder().base_url("http://127.0.0.1:9").secret_key("tr_dev_x").build().unwrap();
    let model = Scripted::new(|_| Script::new().text("hi"));
    HeadStart::builder("agent", sessions)
        .authorize(|request: AuthorizeRequest| async move {
            let user = request.extensions().get::<User>().map(|User(name)| name.as_str());
            match (user, request.chat_id().as_str()) {
                (Some("ada"), "a/b é") => Err::<Grant, _>(Denied::TooManyRequests),
                (Some(_), _) => Err(Denied::Forbidden),
                (None, _) => Err(Denied::Unauthenticated),
            }
        })
        .run(move |turn: FirstTurn| {
            let model = model.clone();
            async move { turn.stream_text(&model).await }
        })
        .build()
        .unwrap()
        .session_routes()
}

#[actix_web::test]
async fn chats_and_extracted_values_reach_authorize() {
    let plain = headstart_actix::session_routes("/plain", routes());
    let with = headstart_actix::session_routes_with::<User>("/with", routes());
    let app = test::init_service(App::new().service(plain).service(with)).await;
    for (path, user, status) in [
        ("/plain/c1/start", "ada", StatusCode::UNAUTHORIZED),
        ("/with/c1/start", "ada", StatusCode::FORBIDDEN),
        ("/with/a%2Fb%20%C3%A9/access-token", "ada", StatusCode::TOO_MANY_REQUESTS),
        ("/with/c1/else", "ada", StatusCode::NOT_FOUND),
        ("/with/c1", "ada", StatusCode::NOT_FOUND),
    ] {
        let request = test::TestRequest::post().uri(path).insert_header(("x-user", user));
        let request = request.insert_header(("content-type", "application/json"));
        assert_eq!(test::call_service(&app, request.to_request()).await.status(), status, "{path}");
    }
    let nobody = test::TestRequest::post().uri("/with/c1/start").to_request();
    assert_eq!(test::call_service(&app, nobody).await.status(), StatusCode::UNAUTHORIZED);
}
