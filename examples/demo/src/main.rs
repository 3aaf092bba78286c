//! The demo: a chat page, the head-start route behind it, and, unless keys say otherwise, a platform and a
//! model that need no network.
//!
//! `TRIGGER_SECRET_KEY` makes the platform the real one, `ANTHROPIC_API_KEY` the model.

mod model;
mod page;
mod timeline;

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use clap::Parser;
use headstart_core::{AllowAnyone, FirstTurn, HeadStart};
use headstart_dev::{Agent, DevPlatform};
use headstart_trigger::TriggerClient;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::{model::DemoModel, timeline::Timelines};

const BOOT: Duration = Duration::from_millis(900);
const SYSTEM: &str = "You are a friendly assistant. Use the tools for questions about weather and time.";

/// Serves the demo on 127.0.0.1.
#[derive(Debug, Parser)]
struct Args {
    /// Port of the page.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Id of the agent on a real platform.
    #[arg(long, default_value = "demo-agent")]
    agent: String,
}

struct Demo {
    timelines: Arc<Timelines>,
    config: serde_json::Value,
    /// Stops with the demo.
    _platform: Option<DevPlatform>,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a program")]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,headstart=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Args { port, agent } = Args::parse();
    let model = DemoModel::from_env()?;
    let timelines = Arc::new(Timelines::default());

    let is_real = std::env::var("TRIGGER_SECRET_KEY").is_ok_and(|key| !key.is_empty());
    let (platform, sessions, api) = if is_real {
        let api = std::env::var("TRIGGER_API_URL").unwrap_or_else(|_| "https://api.trigger.dev".to_owned());
        (None, TriggerClient::from_env()?, api)
    } else {
        let platform = start_platform(&agent, &model).await?;
        let sessions =
            TriggerClient::builder().base_url(platform.url()).secret_key(platform.secret_key()).build()?;
        timelines.follow(platform.events());
        let api = platform.url().to_owned();
        (Some(platform), sessions, api)
    };
    let config = json!({
        "api": api,
        "model": model.name(),
        "platform": if is_real { "trigger.dev" } else { "embedded" },
        "agent": agent,
        "bootMs": if is_real { None } else { Some(BOOT.as_millis()) },
    });

    let head_start = head_start(&agent, sessions, model, timelines.clone())?;
    head_start.warm().await;
    let demo = Arc::new(Demo { timelines, config, _platform: platform });
    let app = Router::new()
        // The way without head start: the session is made, and the page sends its message there.
        .nest("/api/chat", headstart_axum::session_routes(head_start.session_routes()))
        .route("/api/chat", headstart_axum::post(head_start))
        .layer(from_fn_with_state(demo.clone(), note_post))
        .route("/demo/config", get(|State(demo): State<Arc<Demo>>| async move { Json(demo.config.clone()) }))
        .route("/demo/timeline", get(timeline::stream))
        .fallback(page::file)
        .with_state(demo);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("The demo is at http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            // Without signals it is ended the hard way.
            drop(tokio::signal::ctrl_c().await);
            std::process::exit(0);
        })
        .await?;
    Ok(())
}

async fn start_platform(agent: &str, model: &DemoModel) -> Result<DevPlatform, Box<dyn Error>> {
    let [weather, time] = model::tools();
    let agent = Agent::new(agent, model.clone())
        .system(SYSTEM)
        .boot_delay(BOOT)
        .tool(weather, model::get_weather)
        .tool(time, model::get_time);
    Ok(DevPlatform::builder().agent(agent).start().await?)
}

/// What this demo is about: the first turn, answered here.
fn head_start(
    agent: &str,
    sessions: TriggerClient,
    model: DemoModel,
    timelines: Arc<Timelines>,
) -> Result<HeadStart, Box<dyn Error>> {
    let tools = headstart_core::step::ToolSet::new(model::tools())?;
    let head_start = HeadStart::builder(agent, sessions)
        // The demo has no users. An application looks up who asks, and whose chat it is.
        .authorize(AllowAnyone)
        .run(move |turn: FirstTurn| {
            let model = model.timed(timelines.clone(), turn.chat_id().to_string());
            let tools = tools.clone();
            async move { turn.stream_text(&model).system(SYSTEM).tools(tools).await }
        })
        .build()?;
    Ok(head_start)
}

/// The time line of a chat begins with its first POST.
async fn note_post(State(demo): State<Arc<Demo>>, request: Request, next: Next) -> Response {
    demo.timelines.arrived();
    next.run(request).await
}
