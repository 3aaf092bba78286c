//! `headstart-dev`: the embedded platform for front ends and servers in other processes.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use headstart_dev::{Agent, DevPlatform, RemoteAgent};
use headstart_providers::{Script, Scripted};
use tracing_subscriber::EnvFilter;

/// Serves the sessions API with one scripted agent, and with those of other processes.
#[derive(Debug, Parser)]
struct Args {
    /// Port on 127.0.0.1.
    #[arg(long, default_value_t = 4500)]
    port: u16,
    /// Id of the agent.
    #[arg(long, default_value = "my-agent")]
    agent: String,
    /// An agent in another process, as ID=URL; each of its runs is posted there. May come several times.
    #[arg(long, value_parser = remote_agent)]
    remote_agent: Vec<(String, String)>,
    /// How long runs take to boot, in milliseconds.
    #[arg(long, default_value_t = 900)]
    boot_ms: u64,
    /// Keeps streams in this folder instead of in memory.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

fn remote_agent(text: &str) -> Result<(String, String), &'static str> {
    let (id, url) = text.split_once('=').ok_or("this is not ID=URL")?;
    Ok((id.to_owned(), url.to_owned()))
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("headstart_dev=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();
    let model = Scripted::new(|_| {
        Script::new()
            .pause(Duration::from_millis(30))
            .text("Hello from the agent: this is a scripted answer.")
    });
    let boot = Duration::from_millis(args.boot_ms);
    let mut platform =
        DevPlatform::builder().port(args.port).agent(Agent::new(args.agent, model).boot_delay(boot));
    for (id, url) in args.remote_agent {
        platform = platform.remote_agent(RemoteAgent::new(id, url).boot_delay(boot));
    }
    if let Some(dir) = args.data_dir {
        platform = platform.data_dir(dir);
    }
    let platform = platform.start().await?;
    println!("export TRIGGER_API_URL={}", platform.url());
    println!("export TRIGGER_SECRET_KEY={}", platform.secret_key());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
