//! The order of layers that `docs/deployment.md` gives, with those of tower-http around axum.

use std::time::Duration;

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use headstart_core::HeadStart;
use http::{HeaderValue, StatusCode};
use tower::ServiceBuilder;
use tower_http::{
    compression::CompressionLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer, trace::TraceLayer,
};

use crate::{
    client::{frames, full, message, post, send, text},
    mount::Server,
    user::{self, User},
    world::{FIRST, PATH, World, answer},
};

const ORIGIN: &str = "https://app.example.com";
const TIMEOUT: Duration = Duration::from_millis(500);

async fn sign_in(mut request: Request, next: Next) -> Response {
    match user::name(request.headers().get("x-user").map(|name| name.as_bytes())) {
        Some(name) => {
            request.extensions_mut().insert(User(name));
            next.run(request).await
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// All of them at once; the first is the outermost.
async fn serve(head_start: HeadStart) -> Server {
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(headstart_axum::cors(HeaderValue::from_static(ORIGIN)))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT))
        .layer(RequestBodyLimitLayer::new(8 << 20));
    let app =
        Router::new().route(PATH, headstart_axum::post(head_start)).layer(from_fn(sign_in)).layer(layers);
    Server::of(app).await
}

fn ada() -> http::request::Builder {
    post().header("x-user", "ada").header("origin", ORIGIN).header("accept-encoding", "gzip, br, deflate")
}

#[tokio::test]
async fn authentication_is_inside_of_cors_and_outside_of_the_handler() {
    let server = serve(user::head_start(|extensions| extensions.get::<User>().cloned())).await;
    let mut greeted = send(server.addr, ada().body(full(message("ada:1"))).unwrap()).await;
    assert_eq!(text(&frames(&greeted.bytes().await)), "Hello ada");

    let stranger = post().header("origin", ORIGIN).body(full(message("ada:2"))).unwrap();
    let refused = send(server.addr, stranger).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.header("access-control-allow-origin"), Some(ORIGIN), "the page can read the status");
}

#[tokio::test]
async fn compression_and_trace_hold_nothing_back_and_the_timeout_is_one_for_the_head() {
    let world = World::new();
    world.close_gate();
    let server = serve(world.head_start.clone()).await;
    let mut response = send(server.addr, ada().body(full(message("ada:1"))).unwrap()).await;
    assert_eq!(response.header("content-encoding"), Some("identity"));
    response.read_until(FIRST).await;
    tokio::time::sleep(2 * TIMEOUT).await;
    world.open_gate();
    let rest = response.bytes().await;
    assert_eq!(FIRST.to_owned() + &text(&frames(&rest)), answer());
}

#[tokio::test]
async fn a_body_limit_outside_is_only_seen_when_it_is_smaller_than_the_handlers() {
    let server = serve(World::new().head_start).await;
    let mebibytes =
        |count: usize| post().header("x-user", "ada").body(full("x".repeat(count << 20))).unwrap();
    let large = send(server.addr, mebibytes(5)).await;
    large.problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;
    let huge = send(server.addr, mebibytes(9)).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_ne!(huge.header("content-type"), Some("application/problem+json"), "the layer's own words");
}

#[tokio::test]
async fn problems_may_be_compressed() {
    let server = serve(World::new().head_start).await;
    let request = ada().body(full("{}")).unwrap();
    let problem = send(server.addr, request).await;
    assert_eq!(problem.header("content-encoding"), Some("gzip"));
    assert_eq!(problem.status, StatusCode::BAD_REQUEST);
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
}
