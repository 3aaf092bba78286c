//! The same first message, posted by a hundred pages at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use headstart_core::{sessions::Channel, wire::RecordBody};
use headstart_dev::DevPlatform;
use headstart_test_faults::{
    fate::Fate,
    model::Order,
    page::{self, Answer, End, Shown},
    platform::{self, inputs},
    server::{Config, Server},
    wait::{until, within},
};

const PAGES: usize = 100;
const IN_TIME: Duration = Duration::from_secs(60);
/// Slow enough that a call that is not wanted is cancelled before it is over.
const ORDER: Order = Order { words: 20, word_bytes: 0, pause_ms: 100, tool: true };

/// Ids of the messages that begin on `session.out`.
async fn messages(platform: &DevPlatform, chat: &str) -> BTreeSet<String> {
    let records = platform.records(chat, Channel::Out).await.unwrap();
    let start = |body: RecordBody| match body {
        RecordBody::Data { data, .. } => {
            let chunk = data.to_value();
            (chunk["type"] == "start").then(|| chunk["messageId"].as_str().unwrap().to_owned())
        }
        _ => None,
    };
    records.into_iter().filter_map(|record| start(record.body)).collect()
}

async fn all_see_one_answer(servers: usize) {
    let platform = platform::start(Duration::from_millis(5)).await;
    let mut config = Config::new(platform.url(), platform.secret_key());
    // A hundred connections at once on a busy machine: patience is not what is tested here.
    config.timeouts.attempt = Duration::from_secs(10);
    config.timeouts.budget = Duration::from_secs(20);
    config.deadlines.create = Duration::from_secs(20);
    config.deadlines.follow_idle = Duration::from_secs(20);
    let servers: Vec<Server> = (0..servers).map(|_| Server::start(config.clone())).collect();
    let pages = (0..PAGES).map(|number| {
        let address = servers[number % servers.len()].address;
        async move {
            let Answer::Stream(mut response) = page::post(address, "crowd", ORDER).await else {
                panic!("page {number} is refused")
            };
            let mut shown = Shown::default();
            let end = response.read_into(&mut shown).await;
            (end, shown.text(), shown.tool_outputs, shown.orphans)
        }
    });
    let answers = within(IN_TIME, "a hundred answers", join_all(pages)).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, (End::Clean, ORDER.whole(), 1, 0), "page {number}");
    }
    assert_eq!(Fate::of(&platform, "crowd", ORDER).await, Fate::Kept);
    assert_eq!(inputs(&platform, "crowd").await, ["handover"]);
    assert_eq!(messages(&platform, "crowd").await.len(), 1, "one writer");
    let kept: usize = servers.iter().map(|server| server.calls.finished()).sum();
    let started: usize = servers.iter().map(|server| server.calls.started()).sum();
    assert_eq!(kept, 1, "of {started} calls");
    assert!(started <= servers.len(), "{started} calls: each server may begin one");
    for server in &servers {
        assert!(until(IN_TIME, || async { server.open() == (0, 0, 0) }).await, "{:?}", server.open());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_posts_to_one_server_are_one_call_one_handover_and_a_hundred_equal_answers() {
    all_see_one_answer(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_posts_spread_over_two_servers_are_so_too() {
    all_see_one_answer(2).await;
}
