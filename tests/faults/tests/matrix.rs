//! Every endpoint, every fault, with a text and with a tool call, for a page that stays, leaves or stalls. What
//! the test sees is `docs/guarantees.md`; it fails when the two differ. `HEADSTART_BLESS=1` writes the file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stderr, reason = "a test tells what it saw")]

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use headstart_dev::{DevPlatform, Endpoint, Fault, FaultRule, Injected};
use headstart_test_faults::{
    fate::Fate,
    model::Order,
    page::{self, Answer, End, Shown},
    platform::{self, inputs},
    server::{Config, Server},
    wait::{until, within},
};

/// Cells that run at a time.
const AT_ONCE: usize = 16;
/// No response and no turn may take longer, whatever happens.
const IN_TIME: Duration = Duration::from_secs(60);
const SLOW: Duration = Duration::from_millis(400);
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guarantees.md");

/// Which requests are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    name: &'static str,
    endpoint: Endpoint,
    /// Faults that happen once pass over so many requests first.
    after: u64,
    /// An acknowledgement of the store is lost before: else nobody reads records.
    write_lost: bool,
    only_once: bool,
}

const PLACES: [Place; 7] = [
    Place { name: "create", endpoint: Endpoint::Create, after: 0, write_lost: false, only_once: false },
    Place { name: "claim", endpoint: Endpoint::Claim, after: 0, write_lost: false, only_once: false },
    Place { name: "write", endpoint: Endpoint::Write, after: 0, write_lost: false, only_once: false },
    Place { name: "records", endpoint: Endpoint::Records, after: 0, write_lost: true, only_once: false },
    Place { name: "append (noop)", endpoint: Endpoint::Append, after: 0, write_lost: false, only_once: true },
    Place { name: "append", endpoint: Endpoint::Append, after: 1, write_lost: false, only_once: false },
    Place { name: "subscribe", endpoint: Endpoint::Subscribe, after: 0, write_lost: false, only_once: false },
];

const FAULTS: [(&str, Fault, bool); 12] = [
    ("400", Fault::Status(400), false),
    ("503 once", Fault::Status(503), true),
    ("503", Fault::Status(503), false),
    ("reset once", Fault::Reset, true),
    ("reset", Fault::Reset, false),
    ("hang once", Fault::Hang, true),
    ("hang", Fault::Hang, false),
    ("malformed once", Fault::Malformed, true),
    ("malformed", Fault::Malformed, false),
    ("lost once", Fault::Lost, true),
    ("lost", Fault::Lost, false),
    ("slow", Fault::Slow(SLOW), false),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Browser {
    Stays,
    Leaves,
    Stalls,
}

const COLUMNS: [(bool, Browser); 6] = [
    (false, Browser::Stays),
    (false, Browser::Leaves),
    (false, Browser::Stalls),
    (true, Browser::Stays),
    (true, Browser::Leaves),
    (true, Browser::Stalls),
];

#[derive(Debug, Clone, Copy)]
struct Cell {
    place: Place,
    fault: (&'static str, Fault, bool),
    tool: bool,
    browser: Browser,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_no_message_is_lost_and_nothing_is_said_twice() {
    let only = std::env::var("HEADSTART_CELL").unwrap_or_default();
    let platform = Arc::new(platform::start(Duration::from_millis(2)).await);
    let number = Arc::new(AtomicUsize::new(0));
    let mut cells = Vec::new();
    for (row, (place, fault)) in rows().enumerate() {
        for (column, (tool, browser)) in COLUMNS.into_iter().enumerate() {
            let cell = Cell { place, fault, tool, browser };
            if cell.name().contains(&only) {
                cells.push(((row, column), cell));
            }
        }
    }
    let verdicts: BTreeMap<(usize, usize), Result<String, String>> = stream::iter(cells)
        .map(|(at, cell)| {
            let (platform, number) = (platform.clone(), number.fetch_add(1, Ordering::SeqCst));
            async move {
                // In a task of its own: a cell that fails is told with the others.
                let verdict = tokio::spawn(async move { cell.run(&platform, number).await }).await;
                let verdict = verdict.map_err(|panic| {
                    let panic = panic.into_panic();
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                    format!("{}: {}", cell.name(), text.unwrap_or("panicked"))
                });
                (at, verdict)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failures: Vec<&String> = verdicts.values().filter_map(|verdict| verdict.as_ref().err()).collect();
    for failure in &failures {
        // Long words are mostly dots.
        eprintln!("{}", failure.replace("....", ""));
    }
    assert!(failures.is_empty(), "{} cells fail", failures.len());

    // Runs that nobody hands a turn over to would wait for ever; all servers and pages are gone.
    let is_quiet = until(Duration::from_secs(10), || async {
        let live = platform.live();
        live.runs == 0 && live.api_sockets == 0
    });
    assert!(is_quiet.await, "left behind: {:?}", platform.live());
    if !only.is_empty() {
        return verdicts.values().for_each(|verdict| eprintln!("{verdict:?}"));
    }
    let printed = print(&verdicts);
    if std::env::var_os("HEADSTART_BLESS").is_some() {
        std::fs::write(FILE, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert_eq!(printed, kept, "docs/guarantees.md is not what was seen; HEADSTART_BLESS=1 writes it");
}

fn rows() -> impl Iterator<Item = (Place, (&'static str, Fault, bool))> {
    PLACES.into_iter().flat_map(|place| {
        FAULTS
            .into_iter()
            .filter(move |(_, _, is_once)| *is_once || !place.only_once)
            .map(move |fault| (place, fault))
    })
}

/// What became of a turn, in the words of the table.
#[derive(Debug)]
enum Verdict {
    Whole { is_kept: bool },
    Resumed,
    Remembered,
    Refused,
    Again { was_refused: bool },
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole { is_kept: true } => write!(f, "whole"),
            Self::Whole { is_kept: false } => write!(f, "whole, not kept"),
            Self::Resumed => write!(f, "resumed"),
            Self::Remembered => write!(f, "remembered"),
            Self::Refused => write!(f, "refused"),
            Self::Again { was_refused: false } => write!(f, "again"),
            Self::Again { was_refused: true } => write!(f, "refused, again"),
        }
    }
}

/// What the page saw.
enum Seen {
    Refused,
    Response(Shown, End),
    /// It did not wait for the end.
    Part,
}

impl Cell {
    fn name(&self) -> String {
        let kind = if self.tool { "tool" } else { "text" };
        format!("{} / {} / {kind} / {:?}", self.place.name, self.fault.0, self.browser)
    }

    /// Who has no page to show the agent's part to does not read it.
    fn may_pass(&self) -> bool {
        self.place.endpoint == Endpoint::Subscribe && self.browser != Browser::Stays
    }

    fn order(&self) -> Order {
        let order = if self.tool { Order::TOOL } else { Order::TEXT };
        if self.browser == Browser::Stalls { order.long() } else { order }
    }

    fn inject(&self, platform: &DevPlatform, chat: &str) -> (Injected, Option<Injected>) {
        let (_, fault, is_once) = self.fault;
        let mut rule = FaultRule::new(self.place.endpoint, fault).chat(chat);
        if is_once {
            rule = rule.after(self.place.after).times(1);
        }
        let lost = FaultRule::new(Endpoint::Write, Fault::Lost).chat(chat).times(1);
        let lost = self.place.write_lost.then(|| platform.faults().inject(lost));
        (platform.faults().inject(rule), lost)
    }

    async fn run(self, platform: &DevPlatform, number: usize) -> String {
        let chat = format!("cell-{number}");
        let server = Server::start(Config::new(platform.url(), platform.secret_key()));
        let (fault, lost) = self.inject(platform, &chat);
        let seen = within(IN_TIME, "the response", self.browse(&server, &chat)).await;
        is_over(&server).await;
        let hits = fault.hits();
        let verdict = self.judge(platform, &server, &chat, seen, (fault, lost)).await;
        is_over(&server).await;
        assert!(hits > 0 || self.may_pass(), "the fault met nothing");
        verdict.to_string()
    }

    async fn browse(&self, server: &Server, chat: &str) -> Seen {
        let order = self.order();
        let mut response = match page::post(server.address, chat, order).await {
            Answer::Refused(status) => {
                assert!((502..=504).contains(&status), "refused with {status}");
                return Seen::Refused;
            }
            Answer::Stream(response) => response,
        };
        let mut shown = Shown::default();
        match self.browser {
            Browser::Stays => {
                let end = response.read_into(&mut shown).await;
                assert_eq!(end == End::Clean, shown.is_complete, "a clean end of what is not complete");
                if shown.is_complete {
                    assert!(order.is_whole(&shown.text()), "complete, but not whole: {:?}", shown.text());
                }
                Seen::Response(shown, end)
            }
            Browser::Leaves => {
                while shown.text().is_empty() {
                    match response.next().await {
                        Ok(frame) => shown.chunk(&frame),
                        Err(_) => break,
                    }
                }
                Seen::Part
            }
            Browser::Stalls => {
                shown.chunk(&response.next().await.expect("a first frame"));
                let is_over = until(IN_TIME, || async { server.head_start.open_turns() == 0 }).await;
                assert!(is_over, "a page that does not read holds the turn up");
                assert_eq!(response.read_into(&mut shown).await, End::Cut);
                let whole = order.whole();
                assert!(whole.starts_with(&shown.text()) && shown.text().len() < whole.len());
                Seen::Part
            }
        }
    }

    async fn judge(
        &self,
        platform: &DevPlatform,
        server: &Server,
        chat: &str,
        seen: Seen,
        faults: (Injected, Option<Injected>),
    ) -> Verdict {
        let order = self.order();
        assert!(server.calls.finished() <= 1);
        match (Fate::of(platform, chat, order).await, &seen) {
            (Fate::NoSession, Seen::Refused) => return Verdict::Refused,
            (fate @ (Fate::Kept | Fate::Remembered), Seen::Response(shown, End::Clean)) => {
                assert_eq!((shown.errors, shown.orphans), (0, 0));
                return Verdict::Whole { is_kept: fate == Fate::Kept };
            }
            (Fate::Kept, _) => return Verdict::Resumed,
            (Fate::Remembered, _) => return Verdict::Remembered,
            (Fate::Waiting, Seen::Refused | Seen::Part | Seen::Response(_, End::Cut)) => {}
            (fate, _) => panic!("{fate:?}, and the page was told otherwise"),
        }
        // The page has seen an error or a cut, and the agent waits: the same message again must do.
        drop(faults);
        let Answer::Stream(mut response) = page::post(server.address, chat, order).await else {
            panic!("the second post is refused")
        };
        let mut again = Shown::default();
        let read = async {
            match self.browser {
                // What the page does not read in time it reads from the session.
                Browser::Stalls => {
                    response.read_into(&mut again).await;
                    let token = response.token.clone();
                    again = page::resume(platform.url(), &token, chat, Shown::default(), IN_TIME).await;
                }
                _ => assert_eq!(response.read_into(&mut again).await, End::Clean),
            }
        };
        within(IN_TIME, "the second response", read).await;
        assert!(again.is_complete && again.orphans == 0);
        assert!(order.is_whole(&again.text()), "again: {:?}", again.text());
        assert_eq!(inputs(platform, chat).await.len(), 1);
        Verdict::Again { was_refused: matches!(seen, Seen::Refused) }
    }
}

/// All that a turn held is free again.
async fn is_over(server: &Server) {
    let is_over = until(IN_TIME, || async { server.open() == (0, 0, 0) }).await;
    assert!(is_over, "left behind: (turns, tasks, responses) = {:?}", server.open());
}

fn print(verdicts: &BTreeMap<(usize, usize), Result<String, String>>) -> String {
    let mut text = include_str!("guarantees.head.md").to_owned();
    let mut last = "";
    for (row, (place, fault)) in rows().enumerate() {
        let shown = if last == place.name { "" } else { place.name };
        last = place.name;
        write!(text, "| {shown} | {} |", fault.0).unwrap();
        for column in 0..COLUMNS.len() {
            let verdict = verdicts.get(&(row, column)).and_then(|verdict| verdict.as_deref().ok());
            write!(text, " {} |", verdict.unwrap_or_default()).unwrap();
        }
        text.push('\n');
    }
    text
}
