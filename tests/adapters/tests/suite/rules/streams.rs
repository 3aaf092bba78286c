//! The response reaches the browser as the handler made it, when it made it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;

use crate::{
    client::{frames, full, message, post, send, send_message, text},
    mount::Mount,
    world::{FIRST, World, answer},
};

pub(crate) async fn the_first_word_comes_before_the_model_is_done(mount: Mount) {
    let world = World::new();
    world.close_gate();
    let server = mount.serve(world.site()).await;
    let mut response = send_message(server.addr, "early").await;
    assert_eq!(response.status, StatusCode::OK);
    let begun = response.read_until("\"delta\":\"Hello \"").await;
    assert!(!begun.contains("text-end"), "the model waits: {begun}");
    world.open_gate();
    let rest = response.bytes().await;
    assert_eq!(FIRST.to_owned() + &text(&frames(&rest)), answer());
}

pub(crate) async fn head_and_bytes_are_those_of_core(mount: Mount) {
    let (ours, theirs) = (World::new(), World::new());
    let server = mount.serve(theirs.site()).await;

    let request: Request<String> = post().header("x-request-id", "same").body(message("same")).unwrap();
    let expected = ours.head_start.handle(request).await;
    let (expected_head, body) = expected.into_parts();
    let expected_bytes = body.collect().await.unwrap().to_bytes();

    let request = post().header("x-request-id", "same").body(full(message("same"))).unwrap();
    let mut response = send(server.addr, request).await;
    let bytes = response.bytes().await;

    assert_eq!(response.status, expected_head.status);
    assert_eq!(headers(&response.headers), headers(&expected_head.headers));
    assert_eq!(text(&frames(&bytes)), answer());
    assert_eq!(without_id(&bytes), without_id(&expected_bytes));
}

/// All but what a server says about itself and the connection.
fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let own = |name: &str| matches!(name, "date" | "server" | "connection" | "transfer-encoding");
    let mut headers: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !own(name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    headers
}

/// A message's id is chance, and the only chance there is.
fn without_id(bytes: &Bytes) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let id = frames(bytes).iter().find_map(|frame| frame["messageId"].as_str().map(str::to_owned)).unwrap();
    text.replace(&id, "ID")
}

pub(crate) async fn silence_is_filled_with_comments(mount: Mount) {
    let world = World::with(|builder| builder.keep_alive(Duration::from_millis(50)));
    world.close_gate();
    let server = mount.serve(world.site()).await;
    let mut response = send_message(server.addr, "silent").await;
    response.read_until(FIRST).await;
    for _ in 0..3 {
        assert!(response.read_until("\n\n").await.contains(": keep-alive"));
    }
    world.open_gate();
    let rest = response.bytes().await;
    assert_eq!(FIRST.to_owned() + &text(&frames(&rest)), answer());
}

pub(crate) async fn an_unfinished_turn_is_cut_off_and_not_ended(mount: Mount) {
    let world = World::new();
    world.close_gate();
    let server = mount.serve(world.site()).await;
    let mut response = send_message(server.addr, "cut").await;
    response.read_until(FIRST).await;
    // The model never goes on: the turn is given to the agent before its time.
    assert_eq!(world.head_start.drain(Duration::from_millis(400)).await, 0);
    let (read, is_clean) = response.rest().await;
    let read = String::from_utf8_lossy(&read);
    assert!(!read.contains("trigger:turn-complete"), "{read}");
    assert!(!is_clean, "a clean end would tell the page that the turn is over: {read}");
}
