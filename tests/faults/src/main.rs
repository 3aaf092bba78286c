//! A server in a process of its own, to be killed.
//!
//! Prints its address, then what it holds whenever a line comes in.

use std::sync::Arc;

use clap::Parser;
use headstart_test_faults::server::{Config, Server};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(Debug, Parser)]
struct Args {
    /// Address of the platform.
    #[arg(long)]
    url: String,
    /// Its key.
    #[arg(long)]
    key: String,
    /// The model says no more after so many events.
    #[arg(long)]
    silent_after: Option<usize>,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let server = Arc::new(Server::start(Config {
        falls_silent_after: args.silent_after,
        ..Config::new(args.url, args.key)
    }));
    println!("{}", server.address);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    // The end of stdin is the end of whoever started this.
    while lines.next_line().await?.is_some() {
        let (turns, tasks, bodies) = server.open();
        let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        println!("{turns} {tasks} {bodies} {alive}");
    }
    Ok(())
}
