//! Requests while the platform counts as down.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "trust/world.rs"]
#[allow(dead_code, reason = "it is that of other tests, too")]
mod world;

use std::time::Duration;

use headstart_core::{Breaker, Outage};
use http::StatusCode;
use world::{body, hello, post, text, world};

#[tokio::test]
async fn who_comes_to_a_chat_that_is_answered_without_the_platform_is_told_that_it_is_down() {
    let breaker = Breaker::new(1, Duration::from_secs(60));
    let world = world(|builder| builder.breaker(breaker).outage(Outage::StreamOnly));
    let failed = world.send(post("anyone", &hello("down"))).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    let slow = body("c1", &[text("u1", "user", "slowly")]);
    let (alone, second) = tokio::join!(
        world.send(post("anyone", &slow)),
        world.send(post("anyone", &body("c1", &[text("u2", "user", "Hello")]))),
    );
    assert_eq!(alone.status, StatusCode::OK);
    assert!(alone.body.contains("Hello."), "{}", alone.body);
    assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE, "{}", second.body);
}
