//! A server that dies at any moment of a turn: the same message posted again is answered once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use headstart_core::{
    sessions::Channel,
    wire::{Record, RecordBody},
};
use headstart_dev::{DevEventKind, DevPlatform};
use headstart_test_faults::{
    again::post_again,
    hold::Hold,
    model::{ALONE, Order},
    page::{self, Answer, Shown},
    platform::{self, inputs, lengths},
    process::{Process, Quirks},
    wait::until,
};
use tokio::task::JoinHandle;

const PROGRAM: &str = env!("CARGO_BIN_EXE_headstart-test-faults");
const IN_TIME: Duration = Duration::from_secs(20);
const AT_ONCE: usize = 6;
/// Within this time a server or an agent that is not held goes on.
const NOT_HELD: Duration = Duration::from_millis(200);
/// Records of one batch come together; what has not come within this time does not come.
const NOT_WRITTEN: Duration = Duration::from_millis(500);
/// Longer than a server waits for another before it looks what is to be taken over.
const SILENCE: Duration = Duration::from_secs(2);

/// What is there when a server dies.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// Where the server stops before that.
    hold: Option<Hold>,
    /// How many records the agent may write before that.
    agent: usize,
    /// How many records `session.in` and `session.out` have.
    lengths: (usize, usize),
}

impl Moment {
    /// Before the handover.
    fn before(hold: Hold, inputs: usize, records: usize) -> Self {
        Self { hold: Some(hold), agent: 0, lengths: (inputs, records) }
    }

    /// Every record of a turn of so many, of which so many are step 1, and every input.
    fn all(records: usize, step1: usize) -> Vec<Self> {
        let at_out = (0..step1).map(|count| Self::before(Hold::Out(count), 1, count));
        let at_in = [
            Self::before(Hold::Created, 0, 0),
            Self::before(Hold::In(0), 0, step1),
            Self::before(Hold::InUnheard(1), 1, step1),
            Self::before(Hold::In(1), 1, step1),
            Self::before(Hold::InUnheard(2), 2, step1),
        ];
        let behind =
            (0..=records - step1).map(|agent| Self { hold: None, agent, lengths: (2, step1 + agent) });
        at_out.chain(at_in).chain(behind).collect()
    }
}

/// A turn on a server of its own, in a process of its own.
struct Doomed {
    process: Process,
    page: JoinHandle<()>,
}

impl Doomed {
    async fn begin(platform: &DevPlatform, chat: &str, order: Order, quirks: Quirks) -> Self {
        let process = Process::start(PROGRAM, platform, &quirks).await;
        let (address, chat) = (process.address, chat.to_owned());
        let page = tokio::spawn(async move {
            if let Some(Answer::Stream(mut response)) = page::try_post(address, &chat, order).await {
                response.read_into(&mut Shown::default()).await;
            }
        });
        Self { process, page }
    }

    async fn die(self) {
        self.process.kill().await;
        self.page.abort();
    }

    /// The same at a moment that the server is held at.
    async fn die_at(self, platform: &DevPlatform, chat: &str, moment: (usize, usize)) {
        let is_there = || async {
            platform.conversation(chat).await.is_some() && lengths(platform, chat).await == moment
        };
        let is_reached = until(IN_TIME, is_there).await;
        assert!(is_reached, "{chat} stops at {:?}, not {moment:?}", lengths(platform, chat).await);
        tokio::time::sleep(NOT_HELD).await;
        self.die().await;
        assert_eq!(lengths(platform, chat).await, moment, "{chat} went on");
    }
}

/// How many records of a turn are of its step 1: their ids begin as that of the first.
async fn step1_length(platform: &DevPlatform, chat: &str) -> usize {
    let records = platform.records(chat, Channel::Out).await.unwrap();
    let nonce = |record: &Record| match &record.body {
        RecordBody::Data { id, .. } => id.rsplit_once('-').map(|(nonce, _)| nonce.to_owned()),
        _ => None,
    };
    let first = nonce(&records[0]).expect("a record of step 1");
    records.iter().filter(|record| nonce(record).as_ref() == Some(&first)).count()
}

/// The server dies behind each record of a turn, of step 1 or of the agent, and around each input.
async fn die_at_every_record(order: Order) {
    let (platform, gates) = &platform::start_gated(Duration::from_millis(20)).await;
    let again = &Process::start(PROGRAM, platform, &Quirks::default()).await;
    post_again(platform, again.address, "whole", order).await;
    let (inputs, records) = lengths(platform, "whole").await;
    let moments = Moment::all(records, step1_length(platform, "whole").await);
    let reached: BTreeSet<(usize, usize)> = stream::iter(moments)
        .map(|moment| async move {
            let chat = &format!("killed-at-{}-{:?}", moment.lengths.1, moment.hold);
            gates.shut_after(chat, moment.agent);
            let quirks = Quirks { hold: moment.hold, ..Quirks::default() };
            Doomed::begin(platform, chat, order, quirks).await.die_at(platform, chat, moment.lengths).await;
            // Who has the handover keeps the turn, however long it says nothing; without one the agent gets the
            // turn from its beginning.
            let is_given = moment.lengths.0 == inputs;
            let silence = if is_given { SILENCE } else { Duration::ZERO };
            let open = async {
                tokio::time::sleep(silence).await;
                gates.open(chat);
            };
            let (shown, ()) = tokio::join!(post_again(platform, again.address, chat, order), open);
            assert_eq!(shown.text(), if is_given { order.whole() } else { ALONE.to_owned() }, "{chat}");
            moment.lengths
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let (ins, outs): (BTreeSet<_>, BTreeSet<_>) = reached.into_iter().unzip();
    assert_eq!((ins, outs), ((0..=inputs).collect(), (0..=records).collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_die_at_any_record_of_a_text_and_the_message_posted_again_is_answered_once() {
    die_at_every_record(Order::TEXT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_die_at_any_record_of_a_tool_turn_and_the_message_posted_again_is_answered_once() {
    die_at_every_record(Order::TOOL).await;
}

/// Records are written as they are gathered, some at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_die_after_any_word_of_its_model_and_the_message_posted_again_is_answered_once() {
    let order = Order::TOOL;
    let platform = &platform::start(Duration::from_millis(2)).await;
    let again = &Process::start(PROGRAM, platform, &Quirks::default()).await;
    let reached: BTreeSet<usize> = stream::iter(0..=order.words + 3)
        .map(|events| async move {
            let chat = &format!("killed-after-{events}");
            let quirks = Quirks { falls_silent_after: Some(events), ..Quirks::default() };
            let doomed = Doomed::begin(platform, chat, order, quirks).await;
            assert!(until(IN_TIME, || async { lengths(platform, chat).await.1 > 0 }).await);
            let mut before = 0;
            while before != lengths(platform, chat).await.1 {
                before = lengths(platform, chat).await.1;
                tokio::time::sleep(NOT_WRITTEN).await;
            }
            doomed.die().await;
            post_again(platform, again.address, chat, order).await;
            before
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert!(reached.contains(&1) && reached.len() > order.words, "too few moments: {reached:?}");
}

/// Who takes over writes one record and one input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_die_as_it_takes_a_turn_over_and_the_message_posted_again_is_answered_once() {
    let order = Order::TOOL;
    let (platform, gates) = &platform::start_gated(Duration::from_millis(2)).await;
    let again = &Process::start(PROGRAM, platform, &Quirks::default()).await;
    let first = Moment::before(Hold::Out(6), 1, 6);
    let second = [
        Moment::before(Hold::In(0), 1, 7),
        Moment::before(Hold::InUnheard(1), 2, 7),
        Moment { hold: None, agent: 4, lengths: (2, 11) },
    ];
    let turns = second.into_iter().enumerate().map(|(number, second)| async move {
        let chat = &format!("killed-twice-{number}");
        gates.shut_after(chat, second.agent);
        for moment in [first, second] {
            let quirks = Quirks { hold: moment.hold, ..Quirks::default() };
            Doomed::begin(platform, chat, order, quirks).await.die_at(platform, chat, moment.lengths).await;
        }
        gates.open(chat);
        let shown = post_again(platform, again.address, chat, order).await;
        assert_eq!(shown.text(), ALONE, "{chat}");
    });
    join_all(turns).await;
}

/// Ends the run of a chat, which has not got the turn yet.
async fn end_run(platform: &DevPlatform, chat: &str) {
    let events = platform.events_of(chat);
    let run = events.iter().find(|event| event.kind == DevEventKind::RunTriggered).expect("a run");
    let cancel = format!("{}/api/v2/runs/{}/cancel", platform.url(), run.detail);
    let cancel = reqwest::Client::new().post(cancel).bearer_auth(platform.secret_key());
    assert!(cancel.send().await.unwrap().status().is_success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_the_run_that_waits_for_it_may_both_die_and_the_message_posted_again_is_answered_once() {
    let platform = &platform::start(Duration::from_millis(2)).await;
    let again = &Process::start(PROGRAM, platform, &Quirks::default()).await;
    let moments = [
        Moment::before(Hold::Created, 0, 0),
        Moment::before(Hold::Out(0), 1, 0),
        Moment::before(Hold::Out(6), 1, 6),
        Moment::before(Hold::In(1), 1, 12),
    ];
    let turns = moments.map(|Moment { hold, lengths, .. }| async move {
        let chat = &format!("both-at-{}-{}", lengths.0, lengths.1);
        let quirks = Quirks { hold, ..Quirks::default() };
        Doomed::begin(platform, chat, Order::TEXT, quirks).await.die_at(platform, chat, lengths).await;
        end_run(platform, chat).await;
        assert_eq!(post_again(platform, again.address, chat, Order::TEXT).await.text(), ALONE, "{chat}");
        assert_eq!(inputs(platform, chat).await, ["message"], "{chat}");
    });
    join_all(turns).await;
}
