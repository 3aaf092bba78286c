//! A turn is its own: what happens to a request or to the server is not what happens to it.

use std::time::Duration;

use headstart_core::OnDisconnect;
use http::StatusCode;

use crate::{
    client::{frames, full, message, post, send, send_message, text},
    mount::Mount,
    world::{FIRST, World, answer},
};

pub(crate) async fn a_browser_that_leaves_changes_nothing(mount: Mount) {
    let world = World::with(|builder| builder.keep_alive(Duration::from_millis(50)));
    world.close_gate();
    let server = mount.serve(world.site()).await;
    let mut response = send_message(server.addr, "left").await;
    response.read_until(FIRST).await;
    drop(response);
    // Long enough for any server to notice.
    tokio::time::sleep(Duration::from_millis(400)).await;
    world.open_gate();
    let handover = world.sessions.handover("left").await;
    assert_eq!(handover["isFinal"], true);
    assert_eq!(world.sessions.text("left"), answer());
}

pub(crate) async fn a_browser_that_leaves_before_the_first_word_changes_nothing(mount: Mount) {
    let world = World::new();
    world.close_gate();
    let server = mount.serve(world.site()).await;
    drop(send_message(server.addr, "gone").await);
    world.open_gate();
    assert_eq!(world.sessions.handover("gone").await["isFinal"], true);
    assert_eq!(world.sessions.text("gone"), answer());
}

pub(crate) async fn a_browser_that_leaves_is_noticed(mount: Mount) {
    let world = World::with(|builder| {
        builder.keep_alive(Duration::from_millis(50)).on_disconnect(OnDisconnect::Abort)
    });
    world.close_gate();
    let server = mount.serve(world.site()).await;
    let mut response = send_message(server.addr, "noticed").await;
    response.read_until(FIRST).await;
    drop(response);
    // The model still waits: only the disconnect can have ended this turn.
    assert_eq!(world.sessions.handover("noticed").await["isFinal"], true);
    assert_eq!(world.sessions.text("noticed"), FIRST);
}

pub(crate) async fn a_draining_server_answers_503_with_retry_after(mount: Mount) {
    let world = World::new();
    let server = mount.serve(world.site()).await;
    assert_eq!(world.head_start.drain(Duration::from_secs(5)).await, 0);
    let response = send_message(server.addr, "late").await;
    assert_eq!(response.header("retry-after"), Some("2"));
    response.problem(StatusCode::SERVICE_UNAVAILABLE, "busy").await;
    assert_eq!(world.sessions.count(), 0);
}

pub(crate) async fn open_turns_finish_while_it_drains(mount: Mount) {
    let world = World::new();
    world.close_gate();
    let server = mount.serve(world.site()).await;
    let mut open = send_message(server.addr, "open").await;
    open.read_until(FIRST).await;
    let head_start = world.head_start.clone();
    let drained = tokio::spawn(async move { head_start.drain(Duration::from_secs(20)).await });
    let refused = async {
        loop {
            let response = send_message(server.addr, "late").await;
            if response.status == StatusCode::SERVICE_UNAVAILABLE {
                return response;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(10), refused).await.expect("a refusal");
    refused.problem(StatusCode::SERVICE_UNAVAILABLE, "busy").await;
    world.open_gate();
    let rest = open.bytes().await;
    assert_eq!(FIRST.to_owned() + &text(&frames(&rest)), answer());
    assert_eq!(drained.await.unwrap(), 0);
}

pub(crate) async fn a_panic_in_run_leaves_the_turn_to_the_agent(mount: Mount) {
    let world = World::new();
    let server = mount.serve(world.site()).await;
    let request = post().header("x-panic", "run").body(full(message("panic"))).unwrap();
    let mut response = send(server.addr, request).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(text(&frames(&response.bytes().await)), "the agent answers");
    assert_eq!(world.sessions.handover("panic").await["isFinal"], false);
    let mut next = send_message(server.addr, "next").await;
    assert_eq!(text(&frames(&next.bytes().await)), answer(), "the server goes on");
}

pub(crate) async fn a_panic_in_authorize_is_a_500_and_no_more(mount: Mount) {
    let world = World::new();
    let server = mount.serve(world.site()).await;
    let request = post().header("x-user", "panic").body(full(message("panic"))).unwrap();
    send(server.addr, request).await.problem(StatusCode::INTERNAL_SERVER_ERROR, "internal").await;
    assert_eq!(world.sessions.count(), 0);
    let mut next = send_message(server.addr, "next").await;
    assert_eq!(text(&frames(&next.bytes().await)), answer(), "the server goes on");
}
