//! A server in a process of its own, to be stopped in its tracks.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use headstart_dev::DevPlatform;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{hold::Hold, server::Config};

/// How a server in a process differs from others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Quirks {
    /// Its model says no more after so many events.
    pub falls_silent_after: Option<usize>,
    /// Where it stops in its tracks.
    pub hold: Option<Hold>,
    /// It is [patient](Config::patient), and takes a turn over after this time.
    pub patient: Option<Duration>,
}

impl Quirks {
    /// The server's configuration.
    #[must_use]
    pub fn config(&self, url: String, key: String) -> Config {
        let config = Config::new(url, key);
        let config = if let Some(follow_idle) = self.patient { config.patient(follow_idle) } else { config };
        Config { falls_silent_after: self.falls_silent_after, hold: self.hold, ..config }
    }
}

/// A running process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Open turns.
    pub turns: usize,
    /// Tasks of turns.
    pub tasks: usize,
    /// Responses that are being sent or wait to be.
    pub bodies: usize,
    /// All tasks of its runtime.
    pub alive: usize,
    /// Calls of its model that began.
    pub started: usize,
    /// Calls that were not cancelled on the way.
    pub finished: usize,
    /// Open files, sockets among them.
    pub files: usize,
    /// Resident memory, in KiB.
    pub rss_kib: usize,
}

impl Process {
    /// Starts `program` for a platform.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(program: &str, platform: &DevPlatform, quirks: &Quirks) -> Self {
        let quirks = serde_json::to_string(quirks).expect("JSON");
        let mut command = Command::new(program);
        command.args(["--url", platform.url(), "--key", platform.secret_key(), "--quirks", &quirks]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = piped.spawn().expect("a process");
        let orders = child.stdin.take().expect("its input");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines.next_line().await.expect("a pipe").expect("its address");
        Self { address: address.parse().expect("an address"), child, orders, lines }
    }

    /// Ends it at once: `SIGKILL`.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a process that can be killed");
    }

    /// Holds it up: `SIGSTOP`. Its connections stay.
    pub async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    /// Lets it go on: `SIGCONT`.
    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("a running process").to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.expect("the program `kill`").success());
    }

    /// What it holds now.
    ///
    /// # Panics
    /// When it is gone.
    pub async fn held(&mut self) -> Held {
        self.orders.write_all(b"\n").await.expect("a pipe");
        let line = self.lines.next_line().await.expect("a pipe").expect("an answer");
        let numbers: Vec<usize> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
        let &[turns, tasks, bodies, alive, started, finished] = &*numbers else { panic!("{line:?}") };
        let proc = format!("/proc/{}", self.child.id().expect("a running process"));
        let files = std::fs::read_dir(format!("{proc}/fd")).expect("procfs").count();
        let status = std::fs::read_to_string(format!("{proc}/status")).expect("procfs");
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let rss_kib = rss.trim().trim_end_matches(" kB").parse().expect("a number");
        Held { turns, tasks, bodies, alive, started, finished, files, rss_kib }
    }
}
