//! A server that dies at any moment of a turn, or only seems dead: the same message posted again is answered
//! once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stderr, reason = "a test tells what it saw")]

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream};
use headstart_core::{sessions::Channel, wire::RecordBody};
use headstart_dev::DevPlatform;
use headstart_test_faults::{
    fate::Fate,
    model::{ALONE, Order},
    page::{self, Answer, End, Shown},
    platform::{self, inputs, out_length},
    process::Process,
    server::{Config, Server},
    wait::{until, within},
};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_headstart-test-faults");
const IN_TIME: Duration = Duration::from_secs(20);
const AT_ONCE: usize = 4;
/// Records of one batch come together; then there is a pause.
const QUIET: Duration = Duration::from_millis(500);

/// When a server dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After the model has said so much, and all of it is written.
    Event(usize),
    /// As soon as so many records are there.
    Record(usize),
}

/// Kills a server in the middle of a turn; says how many records there were.
async fn die(platform: &DevPlatform, chat: &str, order: Order, moment: Moment) -> usize {
    let silent_after = if let Moment::Event(events) = moment { Some(events) } else { None };
    let process = Process::start(PROGRAM, platform, silent_after).await;
    let address = process.address;
    let chat_id = chat.to_owned();
    let page = tokio::spawn(async move {
        if let Some(Answer::Stream(mut response)) = page::try_post(address, &chat_id, order).await {
            response.read_into(&mut Shown::default()).await;
        }
    });
    match moment {
        Moment::Record(count) => {
            assert!(until(IN_TIME, || async { out_length(platform, chat).await >= count }).await);
        }
        Moment::Event(_) => {
            assert!(until(IN_TIME, || async { platform.conversation(chat).await.is_some() }).await);
            let mut before = usize::MAX;
            while before != out_length(platform, chat).await {
                before = out_length(platform, chat).await;
                tokio::time::sleep(QUIET).await;
            }
        }
    }
    process.kill().await;
    page.abort();
    out_length(platform, chat).await
}

/// Posts the message again, and checks that it is answered once, for this page and for one that comes later.
async fn post_again(platform: &DevPlatform, server: SocketAddr, chat: &str, order: Order) -> Shown {
    let Answer::Stream(mut response) = page::post(server, chat, order).await else { panic!("refused") };
    let mut shown = Shown::default();
    let end = within(IN_TIME, "the second response", response.read_into(&mut shown)).await;
    assert_eq!((end, shown.is_complete, shown.orphans), (End::Clean, true, 0), "{chat}");
    assert!(order.is_whole(&shown.text()), "{chat}: {:?}", shown.text());
    assert_eq!(Fate::of(platform, chat, order).await, Fate::Kept, "{chat}");
    let later = page::resume(platform.url(), &response.token, chat, Shown::default(), IN_TIME).await;
    assert_eq!((later.text(), later.orphans), (shown.text(), 0), "{chat}");
    shown
}

async fn die_at_every_record(order: Order) {
    let platform = &platform::start(Duration::from_millis(60)).await;
    let again = &Process::start(PROGRAM, platform, None).await;
    // What an undisturbed turn writes, and how much of that is step 1.
    post_again(platform, again.address, "whole", order).await;
    let all = out_length(platform, "whole").await;
    let events = 1 + order.words + 2 + if order.tool { 3 } else { 0 };
    let moments = (0..=events).map(Moment::Event);
    let moments = moments.chain((order.words + 2..all).map(Moment::Record));
    let reached: BTreeSet<usize> = stream::iter(moments.enumerate())
        .map(|(number, moment)| async move {
            let chat = format!("killed-{number}");
            let records = die(platform, &chat, order, moment).await;
            post_again(platform, again.address, &chat, order).await;
            records
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    eprintln!("killed at records {reached:?} of {all}");
    // `start`, `start-step` and `text-start` come at once with the first word.
    assert!(reached.contains(&1) && reached.len() >= order.words, "too few moments: {reached:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_die_at_any_record_of_a_text_and_the_message_posted_again_is_answered_once() {
    die_at_every_record(Order::TEXT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_die_at_any_record_of_a_tool_turn_and_the_message_posted_again_is_answered_once() {
    die_at_every_record(Order::TOOL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_seemed_dead_finds_the_turn_taken_and_says_no_more() {
    let platform = platform::start(Duration::from_millis(2)).await;
    let order = Order { words: 60, pause_ms: 40, ..Order::TOOL };
    let mut frozen = Process::start(PROGRAM, &platform, None).await;
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
