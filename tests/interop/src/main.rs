//! Platform and warm server in one process, for tests that bring the agents and the page.
//!
//! Every agent is a remote one behind the same address; `POST /api/{agent}` is the head start in front of it.

mod script;
mod tools;

use std::time::Duration;

use clap::Parser;
use headstart_core::{AllowAnyone, Deadlines, EmptyAnswer, FirstTurn, HeadStart, step::ApprovalSecret};
use headstart_dev::{DevPlatform, RemoteAgent};
use headstart_trigger::TriggerClient;
use serde_json::json;
use tracing_subscriber::EnvFilter;

/// Serves head start in front of agents in another process.
#[derive(Debug, Parser)]
struct Args {
    /// Where runs are posted to.
    #[arg(long)]
    worker: String,
    /// Id of an agent; may come several times.
    #[arg(long, required = true)]
    agent: Vec<String>,
    /// The secret of the agents whose id ends in `-signed`.
    #[arg(long)]
    approval_secret: String,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("headstart=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();

    let mut platform = DevPlatform::builder();
    for id in &args.agent {
        platform = platform.remote_agent(RemoteAgent::new(id, &args.worker));
    }
    let platform = platform.start().await?;

    let mut app = axum::Router::new();
    for id in &args.agent {
        let secret = id.ends_with("-signed").then(|| ApprovalSecret::new(&args.approval_secret));
        let head_start = head_start(&platform, id, secret)?;
        app = app.route(&format!("/api/{id}"), headstart_axum::post(head_start));
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let server = format!("http://{}", listener.local_addr()?);
    let ready = json!({ "server": server, "platform": platform.url(), "secretKey": platform.secret_key() });
    println!("{ready}");
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        stop = tokio::signal::ctrl_c() => stop?,
    }
    Ok(())
}

fn head_start(
    platform: &DevPlatform,
    agent: &str,
    approval_secret: Option<ApprovalSecret>,
) -> Result<HeadStart, Box<dyn std::error::Error>> {
    let sessions =
        TriggerClient::builder().base_url(platform.url()).secret_key(platform.secret_key()).build()?;
    let tools = tools::all()?;
    let mut deadlines = Deadlines::default();
    // Tests wait for it.
    deadlines.follow_idle = Duration::from_secs(1);
    let mut builder = HeadStart::builder(agent, sessions).deadlines(deadlines);
    // They keep the conversation themselves, and want one.
    if agent == "hydrated" || agent.ends_with("-loop") {
        builder = builder.empty_answer(EmptyAnswer::Agent);
    }
    if let Some(secret) = approval_secret {
        builder = builder.approval_secret(secret);
    }
    let head_start = builder
        .authorize(AllowAnyone)
        .run(move |turn: FirstTurn| {
            let (script, tools) = (script::of(&turn), tools.clone());
            async move { turn.stream_text(&script?).tools(tools).await }
        })
        .build()?;
    Ok(head_start)
}
