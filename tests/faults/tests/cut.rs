//! A page that goes away at any moment of a turn finds the whole of it when it comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::time::Duration;

use futures_util::{StreamExt, stream};
use headstart_dev::{DevPlatform, Endpoint, Fault, FaultRule};
use headstart_test_faults::{
    fate::Fate,
    model::Order,
    page::{self, Answer, Shown},
    platform,
    server::{Config, Server},
    wait::{until, within},
};

const IN_TIME: Duration = Duration::from_secs(20);
const AT_ONCE: usize = 8;

/// How many frames an undisturbed turn has.
async fn frames(server: &Server, order: Order) -> usize {
    let Answer::Stream(mut response) = page::post(server.address, "whole", order).await else { panic!() };
    let mut count = 0;
    while response.next().await.is_ok() {
        count += 1;
    }
    count
}

/// Reads so many frames, goes away, comes back at once.
async fn leave_after(server: &Server, platform: &DevPlatform, chat: &str, order: Order, count: usize) {
    let Answer::Stream(mut response) = page::post(server.address, chat, order).await else { panic!() };
    let mut shown = Shown::default();
    for _ in 0..count {
        shown.chunk(&response.next().await.unwrap());
    }
    let token = response.token.clone();
    drop(response);
    let was_complete = shown.is_complete;
    let shown = within(IN_TIME, "resuming", page::resume(platform.url(), &token, chat, shown, IN_TIME)).await;
    assert!(shown.is_complete, "after {count} frames");
    assert_eq!(shown.text(), order.whole(), "after {count} frames");
    assert_eq!((shown.orphans, shown.tool_outputs), (0, usize::from(order.tool)), "after {count} frames");
    assert!(!was_complete || shown.cursor.is_some(), "a complete turn without a position to go on from");
    assert_eq!(Fate::of(platform, chat, order).await, Fate::Kept, "after {count} frames");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_may_leave_at_any_frame_of_a_turn_and_sees_all_of_it_once_when_it_is_back() {
    let platform = &platform::start(Duration::from_millis(10)).await;
    let server = &Server::start(Config::new(platform.url(), platform.secret_key()));
    let (text, tool) = (Order::TEXT, Order::TOOL);
    let all = frames(server, tool).await;
    assert!(all > 20, "{all} frames");
    let cuts = (0..=all).map(|count| (tool, count)).chain((0..10).map(|count| (text, count)));
    let cuts = stream::iter(cuts).map(|(order, count)| async move {
        let chat = format!("cut-{}-{count}", order.tool);
        leave_after(server, platform, &chat, order, count).await;
    });
    cuts.buffer_unordered(AT_ONCE).collect::<()>().await;
    assert!(until(IN_TIME, || async { server.open() == (0, 0, 0) }).await, "{:?}", server.open());
    assert_eq!(server.calls.finished(), server.calls.started(), "leaving cancels no model");
}

#[tokio::test]
async fn a_page_that_leaves_before_the_response_begins_finds_the_turn_all_the_same() {
    let platform = platform::start(Duration::from_millis(2)).await;
    let server = Server::start(Config::new(platform.url(), platform.secret_key()));
    let slow = Fault::Slow(Duration::from_millis(500));
    let slow = platform.faults().inject(FaultRule::new(Endpoint::Create, slow));
    let address = server.address;
    let posted = tokio::spawn(async move { page::post(address, "early", Order::TOOL).await });
    assert!(until(IN_TIME, || async { slow.hits() == 1 }).await);
    posted.abort();
    assert!(posted.await.unwrap_err().is_cancelled(), "the response has begun");
    assert!(until(IN_TIME, || async { server.open() == (0, 0, 0) }).await, "{:?}", server.open());
    assert_eq!(Fate::of(&platform, "early", Order::TOOL).await, Fate::Kept);
    let token = platform.mint_token("early");
    let shown = page::resume(platform.url(), &token, "early", Shown::default(), IN_TIME).await;
    assert_eq!((shown.text(), shown.orphans), (Order::TOOL.whole(), 0));
}
