//! Somebody else writes to the session during step 1: a process that took this one for dead, or the agent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::time::Duration;

use headstart_core::{sessions::Channel, wire::RecordBody};
use headstart_test_faults::{
    again::post_again,
    fate::Fate,
    model::{ALONE, Order},
    page::{self, Answer, End, Shown},
    platform::{self, inputs, out_length},
    process::{Process, Quirks},
    server::{Config, Server},
    wait::{until, within},
};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_headstart-test-faults");
const IN_TIME: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_seemed_dead_finds_the_turn_taken_and_says_no_more() {
    let platform = platform::start(Duration::from_millis(2)).await;
    let order = Order { words: 60, pause_ms: 40, ..Order::TOOL };
    let mut frozen = Process::start(PROGRAM, &platform, &Quirks::default()).await;
    let Answer::Stream(mut response) = page::post(frozen.address, "frozen", order).await else { panic!() };
    assert!(until(IN_TIME, || async { out_length(&platform, "frozen").await > 5 }).await);
    frozen.freeze().await;
    let other = Server::start(Config::new(platform.url(), platform.secret_key()));
    let shown = post_again(&platform, other.address, "frozen", order).await;
    assert_eq!(shown.text(), ALONE, "the agent answers");
    let length = out_length(&platform, "frozen").await;

    frozen.thaw().await;
    let end = within(IN_TIME, "the first response", response.read_into(&mut Shown::default())).await;
    assert_eq!(end, End::Cut, "its page is to resume from the session");
    let mut held = frozen.held().await;
    for _ in 0..100 {
        if (held.turns, held.tasks) == (0, 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        held = frozen.held().await;
    }
    assert_eq!((held.turns, held.tasks), (0, 0));
    assert_eq!(inputs(&platform, "frozen").await, ["handover"], "one, of the other server");
    let now = out_length(&platform, "frozen").await;
    assert_eq!(now, length, "written after the turn was taken over");
    assert_eq!(Fate::of(&platform, "frozen", order).await, Fate::Kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_of_the_agent_that_writes_during_step_1_does_not_stop_the_copy() {
    let platform = platform::start(Duration::from_millis(2)).await;
    let server = Server::start(Config::new(platform.url(), platform.secret_key()));
    let order = Order { words: 20, pause_ms: 40, ..Order::TOOL };
    let Answer::Stream(mut response) = page::post(server.address, "hook", order).await else { panic!() };
    assert!(until(IN_TIME, || async { out_length(&platform, "hook").await > 3 }).await);
    let hook = reqwest::Client::new()
        .post(format!("{}/realtime/v1/sessions/hook/out/append", platform.url()))
        .bearer_auth(platform.secret_key())
        .body(json!({"type": "data-hook", "data": 1}).to_string());
    assert!(hook.send().await.unwrap().status().is_success());
    let mut shown = Shown::default();
    assert_eq!(response.read_into(&mut shown).await, End::Clean);
    assert_eq!(shown.text(), order.whole());
    assert_eq!(Fate::of(&platform, "hook", order).await, Fate::Kept);
    let records = platform.records("hook", Channel::Out).await.unwrap();
    let is_hook = |body: &RecordBody| matches!(body, RecordBody::Data { data, .. } if data.as_str().contains("data-hook"));
    let hook = records.iter().position(|record| is_hook(&record.body)).unwrap();
    assert!(hook > 3 && hook < records.len() - 5, "in the middle: {hook} of {}", records.len());
}
