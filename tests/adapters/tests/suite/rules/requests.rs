//! Bad requests are the handler's to refuse, in its own words.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headstart_core::Limits;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::{
    client::{full, message, post, request, send},
    mount::Mount,
    world::{PATH, World},
};

pub(crate) async fn methods_other_than_post_are_405(mount: Mount) {
    let server = mount.serve(World::new().site()).await;
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = request(method, PATH)
            .header("content-type", "application/json")
            .body(full(message("c")))
            .unwrap();
        let response = send(server.addr, request).await;
        assert_eq!(response.header("allow"), Some("POST"));
        response.problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed").await;
    }
}

pub(crate) async fn content_types_other_than_json_are_415(mount: Mount) {
    let world = World::new();
    let server = mount.serve(world.site()).await;
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")]
    {
        let mut request = request(Method::POST, PATH);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let response = send(server.addr, request.body(full(message("c"))).unwrap()).await;
        response.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type").await;
    }
    assert_eq!(world.sessions.count(), 0);
}

pub(crate) async fn what_is_no_chat_request_is_a_400_problem(mount: Mount) {
    let world = World::new();
    let server = mount.serve(world.site()).await;
    for body in ["", "hello", "null", "[]", "{}", "{\"chatId\":\"c\"}", "\u{feff}{}"] {
        let response = send(server.addr, post().body(full(body)).unwrap()).await;
        response.problem(StatusCode::BAD_REQUEST, "invalid-request").await;
    }
    assert_eq!(world.sessions.count(), 0);
}

const LIMIT: usize = 64 * 1024;

fn limited() -> World {
    let mut limits = Limits::default();
    limits.body_bytes = LIMIT;
    World::with(|builder| builder.limits(limits))
}

pub(crate) async fn a_body_over_the_limit_is_413(mount: Mount) {
    let server = mount.serve(limited().site()).await;
    let body = format!("{{\"x\":\"{}\"}}", "x".repeat(2 * LIMIT));
    let response = send(server.addr, post().body(full(body)).unwrap()).await;
    response.problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;
}

pub(crate) async fn a_body_without_an_end_is_413_at_the_limit(mount: Mount) {
    let server = mount.serve(limited().site()).await;
    let chunks = (0..=LIMIT / 1024).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from("x".repeat(1024)))));
    let body = StreamBody::new(stream::iter(chunks).chain(stream::pending()));
    let response = send(server.addr, post().body(body).unwrap()).await;
    response.problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;
}

pub(crate) async fn the_framework_has_no_smaller_limit(mount: Mount) {
    let server = mount.serve(World::new().site()).await;
    // Three megabytes, read to their end and found to be no request: the last brace is missing.
    let text = "x".repeat(3 << 19);
    let body = format!("{{\"x\":\"{text}\",\"y\":\"{text}\"");
    let response = send(server.addr, post().body(full(body)).unwrap()).await;
    response.problem(StatusCode::BAD_REQUEST, "invalid-request").await;
}

pub(crate) async fn a_request_keeps_its_id(mount: Mount) {
    let server = mount.serve(World::new().site()).await;
    let with_id = |body: &'static str| post().header("x-request-id", "given-7").body(full(body)).unwrap();
    let response = send(server.addr, with_id("{}")).await;
    let problem = response.problem(StatusCode::BAD_REQUEST, "invalid-request").await;
    assert_eq!(problem["requestId"], "given-7");

    let request = post().header("x-request-id", "given-8").body(full(message("id"))).unwrap();
    let mut response = send(server.addr, request).await;
    assert_eq!(response.header("x-request-id"), Some("given-8"));
    response.bytes().await;

    let response = send(server.addr, post().body(full("{}")).unwrap()).await;
    assert_eq!(response.header("x-request-id").map(str::len), Some(16), "one of the handler's own");
}

pub(crate) async fn other_paths_are_not_the_handlers(mount: Mount) {
    let world = World::new();
    let server = mount.serve(world.site()).await;
    for path in ["/api/chat/more", "/api", "/"] {
        let request = request(Method::POST, path).header("content-type", "application/json");
        let response = send(server.addr, request.body(full(message("elsewhere"))).unwrap()).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}");
    }
    let health = send(server.addr, request(Method::GET, "/health").body(full("")).unwrap()).await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(world.sessions.count(), 0);
}
