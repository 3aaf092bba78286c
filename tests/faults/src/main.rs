//! A server in a process of its own, to be killed.
//!
//! Prints its address, then what it holds whenever a line comes in.

use clap::Parser;
use headstart_test_faults::{process::Quirks, server::Server};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(Debug, Parser)]
struct Args {
    /// Address of the platform.
    #[arg(long)]
    url: String,
    /// Its key.
    #[arg(long)]
    key: String,
    /// `Quirks` as JSON.
    #[arg(long)]
    quirks: String,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let quirks: Quirks = serde_json::from_str(&args.quirks)?;
    let server = Server::start(quirks.config(args.url, args.key));
    println!("{}", server.address);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    // The end of stdin is the end of whoever started this.
    while lines.next_line().await?.is_some() {
        let (turns, tasks, bodies) = server.open();
        let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let (started, finished) = (server.calls.started(), server.calls.finished());
        println!("{turns} {tasks} {bodies} {alive} {started} {finished}");
    }
    Ok(())
}
