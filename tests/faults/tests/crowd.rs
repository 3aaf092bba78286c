//! The same first message, posted by a hundred pages at once: to one server, to two, to two processes of which one
//! dies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use headstart_core::{sessions::Channel, wire::RecordBody};
use headstart_dev::{DevEventKind, DevPlatform};
use headstart_test_faults::{
    fate::Fate,
    hold::Hold,
    model::{ALONE, Order},
    page::{self, Answer, End, Response, Shown},
    platform::{self, happened, inputs, lengths},
    process::{Process, Quirks},
    server::{Config, Server},
    wait::{until, within},
};
use tokio::{sync::Barrier, task::JoinHandle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_headstart-test-faults");
const PAGES: usize = 100;
const IN_TIME: Duration = Duration::from_secs(60);
/// Nobody takes over from a server that is only slow.
const PATIENT: Duration = Duration::from_secs(20);
/// A dead server is noticed then.
const TAKEN_OVER_AFTER: Duration = Duration::from_secs(4);
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

/// A page's response.
async fn begin(server: SocketAddr, order: Order) -> Response {
    match page::post(server, "crowd", order).await {
        Answer::Stream(response) => response,
        Answer::Refused(status) => panic!("a page is refused: {status}"),
    }
}

/// Posts from all pages, to one server after the other; each sees the whole answer, and the agent got it once.
async fn all_see_one_answer(platform: &DevPlatform, servers: &[SocketAddr]) {
    let pages = servers.iter().cycle().take(PAGES).map(|server| async move {
        let mut shown = Shown::default();
        let end = begin(*server, ORDER).await.read_into(&mut shown).await;
        (end, shown.text(), shown.tool_outputs, shown.orphans)
    });
    let answers = within(IN_TIME, "a hundred answers", join_all(pages)).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, (End::Clean, ORDER.whole(), 1, 0), "page {number}");
    }
    assert_eq!(Fate::of(platform, "crowd", ORDER).await, Fate::Kept);
    assert_eq!(inputs(platform, "crowd").await, ["handover"]);
    assert_eq!(messages(platform, "crowd").await.len(), 1, "one writer");
}

/// Each server may begin one call; one is kept.
fn one_call_is_kept(calls: &[(usize, usize)]) {
    assert!(calls.iter().all(|(started, _)| *started <= 1), "{calls:?}");
    assert_eq!(calls.iter().map(|(_, finished)| finished).sum::<usize>(), 1, "{calls:?}");
}

async fn all_see_one_answer_of(servers: usize) {
    let platform = platform::start(Duration::from_millis(5)).await;
    let config = Config::new(platform.url(), platform.secret_key()).patient(PATIENT);
    let servers: Vec<Server> = (0..servers).map(|_| Server::start(config.clone())).collect();
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    all_see_one_answer(&platform, &addresses).await;
    let calls = servers.iter().map(|server| (server.calls.started(), server.calls.finished()));
    one_call_is_kept(&calls.collect::<Vec<_>>());
    for server in &servers {
        assert!(until(IN_TIME, || async { server.open() == (0, 0, 0) }).await, "{:?}", server.open());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_posts_to_one_server_are_one_call_one_handover_and_a_hundred_equal_answers() {
    all_see_one_answer_of(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_posts_spread_over_two_servers_are_so_too() {
    all_see_one_answer_of(2).await;
}

/// Waits until nothing is under way in a process; says which calls its model had.
async fn settle(process: &mut Process) -> (usize, usize) {
    for _ in 0..100 {
        let held = process.held().await;
        if (held.turns, held.tasks, held.bodies) == (0, 0, 0) {
            return (held.started, held.finished);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", process.held().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_posts_spread_over_two_processes_are_so_too() {
    let platform = platform::start(Duration::from_millis(5)).await;
    let quirks = Quirks { patient: Some(PATIENT), ..Quirks::default() };
    let mut one = Process::start(PROGRAM, &platform, &quirks).await;
    let mut other = Process::start(PROGRAM, &platform, &quirks).await;
    all_see_one_answer(&platform, &[one.address, other.address]).await;
    one_call_is_kept(&[settle(&mut one).await, settle(&mut other).await]);
}

/// A page that has seen some of the answer before `is_under_way`, and then reads on to the end.
fn follow(server: SocketAddr, is_under_way: &Arc<Barrier>) -> JoinHandle<(End, Shown, String)> {
    let is_under_way = is_under_way.clone();
    tokio::spawn(async move {
        let mut response = begin(server, Order::TOOL).await;
        let mut shown = Shown::default();
        while shown.text().is_empty() {
            shown.chunk(&response.next().await.expect("a turn under way"));
        }
        is_under_way.wait().await;
        let end = response.read_into(&mut shown).await;
        (end, shown, response.token.clone())
    })
}

/// The process that leads dies when all pages follow the turn, half of them in the other process.
async fn the_leader_dies(
    hold: Option<Hold>,
    agent: usize,
    is_there: impl AsyncFn(&DevPlatform) -> bool,
    answer: &str,
) {
    let (platform, gates) = platform::start_gated(Duration::from_millis(5)).await;
    gates.shut_after("crowd", agent);
    let quirks = Quirks { patient: Some(TAKEN_OVER_AFTER), ..Quirks::default() };
    let leader = Process::start(PROGRAM, &platform, &Quirks { hold, ..quirks.clone() }).await;
    let mut survivor = Process::start(PROGRAM, &platform, &quirks).await;
    let is_under_way = Arc::new(Barrier::new(PAGES + 1));
    let first = follow(leader.address, &is_under_way);
    assert!(until(IN_TIME, || async { lengths(&platform, "crowd").await.1 > 0 }).await, "who leads is known");
    let rest = (1..PAGES / 2).map(|_| follow(leader.address, &is_under_way));
    let cut_off: Vec<_> = std::iter::once(first).chain(rest).collect();
    let followers: Vec<_> = (0..PAGES / 2).map(|_| follow(survivor.address, &is_under_way)).collect();
    within(IN_TIME, "the beginning", is_under_way.wait()).await;
    assert!(until(IN_TIME, || is_there(&platform)).await, "at {:?}", lengths(&platform, "crowd").await);
    leader.kill().await;
    gates.open("crowd");

    for page in followers {
        let (end, shown, _) = within(IN_TIME, "an answer", page).await.unwrap();
        assert_eq!((end, shown.is_complete, shown.orphans), (End::Clean, true, 0));
        assert_eq!(shown.text(), answer);
    }
    for page in cut_off {
        let (end, _, token) = within(IN_TIME, "the end of a response", page).await.unwrap();
        assert_eq!(end, End::Cut);
        let resumed = page::resume(platform.url(), &token, "crowd", Shown::default(), IN_TIME).await;
        assert_eq!((resumed.text(), resumed.is_complete, resumed.orphans), (answer.to_owned(), true, 0));
    }
    assert_eq!(Fate::of(&platform, "crowd", Order::TOOL).await, Fate::Kept);
    assert_eq!(inputs(&platform, "crowd").await, ["handover"]);
    let (started, finished) = settle(&mut survivor).await;
    assert!(started <= 1 && finished == 0, "{started} calls, {finished} to the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_a_process_that_follows_one_that_dies_in_step_1_see_one_answer_of_the_agent() {
    let is_there = async |platform: &DevPlatform| lengths(platform, "crowd").await == (1, 8);
    the_leader_dies(Some(Hold::Out(8)), 0, is_there, ALONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_a_process_that_follows_one_that_dies_behind_the_handover_see_the_whole_answer() {
    let is_there = async |platform: &DevPlatform| happened(platform, "crowd", DevEventKind::ToolEnded) == 1;
    the_leader_dies(None, 1, is_there, &Order::TOOL.whole()).await;
}
