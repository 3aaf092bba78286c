//! Hours of trouble in minutes: random turns, browsers and faults against a server in a process of its own, which
//! at the end holds no more than at the beginning.
//!
//! ```sh
//! HEADSTART_SOAK_SECONDS=600 cargo nextest run -p headstart-test-faults --test soak --run-ignored only --no-capture
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stderr, reason = "a test tells what it saw")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures_util::future::join_all;
use headstart_dev::{DevPlatform, Endpoint, Fault, FaultRule, Injected};
use headstart_test_faults::{
    fate::Fate,
    model::Order,
    page::{self, Answer, End, Response, Shown},
    platform,
    process::{Held, Process, Quirks},
    wait::within,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_headstart-test-faults");
/// Turns at a time.
const AT_ONCE: usize = 12;
/// Turns that take longer are told.
const SLOW: Duration = Duration::from_secs(20);
const IN_TIME: Duration = Duration::from_secs(60);
/// Turns before the first measurement: pools fill, allocators settle.
const WARM_UP: usize = 3;
/// What a run may end with above its beginning: connections that are kept, and what allocators keep.
const SPARE_FILES: usize = 16;
const SPARE_TASKS: usize = 16;
const SPARE_KIB: usize = 24 * 1024;

/// Outcomes by name.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<&'static str, usize>>);

impl Tally {
    fn count(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }
}

fn fault(random: &mut Rng, chat: &str) -> FaultRule {
    let endpoint = *random.choice(Endpoint::ALL.iter()).unwrap();
    let faults = [
        Fault::Status(503),
        Fault::Status(400),
        Fault::Reset,
        Fault::Hang,
        Fault::Malformed,
        Fault::Lost,
        Fault::Slow(Duration::from_millis(300)),
    ];
    let rule = FaultRule::new(endpoint, *random.choice(faults.iter()).unwrap()).chat(chat);
    match random.u8(..3) {
        0 => rule,
        _ => rule.after(random.u64(..3)).times(random.u64(1..4)),
    }
}

/// Posts until it is not refused: a busy machine may miss a deadline, but not for ever.
async fn post_again(server: SocketAddr, chat: &str, order: Order) -> Response {
    for _ in 0..5 {
        if let Answer::Stream(response) = within(IN_TIME, "the head", page::post(server, chat, order)).await {
            return response;
        }
    }
    panic!("{chat}: refused without a fault")
}

/// One turn from its first post to its whole answer.
async fn turn(platform: &DevPlatform, server: SocketAddr, chat: &str, random: &mut Rng, tally: &Tally) {
    let mut order = if random.bool() { Order::TEXT } else { Order::TOOL };
    let browser = random.u8(..20);
    if browser == 0 {
        order = order.long();
    }
    let rules: Vec<FaultRule> = (0..random.usize(..3)).map(|_| fault(random, chat)).collect();
    let begun = Instant::now();
    let faults: Vec<Injected> = rules.iter().map(|rule| platform.faults().inject(rule.clone())).collect();
    let mut shown = Shown::default();
    let mut was_clean = false;
    match within(IN_TIME, "the head", page::post(server, chat, order)).await {
        Answer::Refused(_) => tally.count("refused"),
        // Stalls for a while, then reads what there is.
        Answer::Stream(mut response) if browser == 0 => {
            tokio::time::sleep(Duration::from_secs(3)).await;
            within(IN_TIME, "the response", response.read_into(&mut shown)).await;
            tally.count("stalled");
        }
        Answer::Stream(mut response) if browser < 8 => {
            for _ in 0..random.usize(..20) {
                match within(IN_TIME, "a frame", response.next()).await {
                    Ok(frame) => shown.chunk(&frame),
                    Err(_) => break,
                }
            }
            tally.count("left");
        }
        Answer::Stream(mut response) => {
            was_clean = within(IN_TIME, "the response", response.read_into(&mut shown)).await == End::Clean;
            if was_clean {
                assert!(shown.is_complete && order.is_whole(&shown.text()), "{chat}: {:?}", shown.text());
            }
            tally.count(if was_clean { "clean" } else { "cut" });
        }
    }
    // A turn that nobody looks at any more goes on; its fate is mostly clear in a moment. If not, who posts again
    // may well follow it.
    let by = Instant::now() + Duration::from_secs(8);
    let mut fate = Fate::of(platform, chat, order).await;
    while fate == Fate::Waiting && Instant::now() < by {
        tokio::time::sleep(Duration::from_millis(200)).await;
        fate = Fate::of(platform, chat, order).await;
    }
    assert!(!was_clean || matches!(fate, Fate::Kept | Fate::Remembered), "{chat}: clean, and {fate:?}");
    drop(faults);
    if matches!(fate, Fate::Waiting | Fate::NoSession) {
        let mut response = post_again(server, chat, order).await;
        let mut again = Shown::default();
        within(IN_TIME, "the second response", response.read_into(&mut again)).await;
        if !again.is_complete {
            again = page::resume(platform.url(), &response.token, chat, Shown::default(), IN_TIME).await;
        }
        // The turn may have gone on meanwhile, without a whole copy.
        let is_whole = again.is_complete && order.is_whole(&again.text());
        let is_sound = is_whole || Fate::of(platform, chat, order).await == Fate::Remembered;
        assert!(is_sound, "{chat}, again: {:?}", again.text());
        tally.count("posted again");
    }
    if begun.elapsed() > SLOW {
        eprintln!("{chat} took {:?}: browser {browser}, {order:?}, {rules:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs for as long as HEADSTART_SOAK_SECONDS says"]
async fn after_a_long_time_of_trouble_a_server_holds_no_more_than_at_the_beginning() {
    let seconds =
        std::env::var("HEADSTART_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let seed = std::env::var("HEADSTART_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("HEADSTART_SEED={seed} HEADSTART_SOAK_SECONDS={seconds}");
    let platform = Arc::new(platform::start(Duration::from_millis(2)).await);
    let mut process = Process::start(PROGRAM, &platform, &Quirks::default()).await;
    let address = process.address;
    let tally = Arc::new(Tally::default());

    let work = async |name: &'static str, turns: Option<usize>, until: Instant| {
        let workers = (0..AT_ONCE).map(|worker| {
            let (platform, tally) = (platform.clone(), tally.clone());
            tokio::spawn(async move {
                let mut random = Rng::with_seed(seed ^ (worker as u64) << 32 ^ name.len() as u64);
                let mut done = 0;
                while turns.is_none_or(|turns| done < turns) && Instant::now() < until {
                    let chat = format!("{name}-{worker}-{done}");
                    turn(&platform, address, &chat, &mut random, &tally).await;
                    done += 1;
                }
                done
            })
        });
        let done = join_all(workers).await.into_iter().map(|done| done.expect("a worker that did not fail"));
        done.sum::<usize>()
    };

    let far = Instant::now() + Duration::from_secs(600);
    work("warm-up", Some(WARM_UP), far).await;
    let before = settle(&mut process).await;
    eprintln!("before: {before:?} {:?}", platform.live());
    let turns = work("soak", None, Instant::now() + Duration::from_secs(seconds)).await;
    let after = settle(&mut process).await;
    eprintln!("after:  {after:?} {:?}", platform.live());
    eprintln!("{turns} turns; {:?}", tally.0.lock().unwrap());
    for endpoint in Endpoint::ALL {
        eprintln!("{endpoint:?}: {} requests", platform.faults().requests(endpoint));
    }

    assert_eq!((after.turns, after.tasks, after.bodies), (0, 0, 0));
    assert!(after.files <= before.files + SPARE_FILES, "files: {} -> {}", before.files, after.files);
    assert!(after.alive <= before.alive + SPARE_TASKS, "tasks: {} -> {}", before.alive, after.alive);
    assert!(after.rss_kib <= before.rss_kib + SPARE_KIB, "KiB: {} -> {}", before.rss_kib, after.rss_kib);
    assert_eq!(platform.live().runs, 0, "runs that nobody hands a turn over to");
    process.kill().await;
}

/// What the process holds once nothing is under way. Connections that idle go away by themselves.
async fn settle(process: &mut Process) -> Held {
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let held = process.held().await;
        if (held.turns, held.tasks, held.bodies) == (0, 0, 0) {
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    process.held().await
}
