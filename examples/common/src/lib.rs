//! What the examples share, so that each shows its framework and nothing else: a model and the platform, a
//! listener, the signal to stop.
//!
//! `TRIGGER_SECRET_KEY` (and `TRIGGER_API_URL`) say where sessions are; `cargo run -p headstart-dev` starts an
//! embedded platform and prints both. With `ANTHROPIC_API_KEY` the model is real, without it scripted.

use std::{net::TcpListener, sync::Arc};

use headstart_core::{FirstTurn, HeadStart, HeadStartBuilder, Missing, Runs, step::StepModel};
use headstart_providers::{Anthropic, Script, Scripted};
use headstart_trigger::TriggerClient;
use tracing_subscriber::EnvFilter;

/// What `main` returns.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A handler that only lacks an answer to the question who may use which chat.
///
/// # Errors
/// When the environment does not say where sessions are.
pub fn builder() -> Result<HeadStartBuilder<Missing, Runs>, Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,headstart=info"));
    // Another one may be there already; that is as good.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
    let model: Arc<dyn StepModel> = match Anthropic::from_env() {
        Ok(anthropic) => Arc::new(anthropic.model("claude-sonnet-4-5")),
        Err(_) => Arc::new(Scripted::new(|_| Script::new().text("Hello from a script."))),
    };
    let sessions = TriggerClient::from_env().map_err(|error| {
        format!("{error} (`cargo run -p headstart-dev` starts a platform and prints its key)")
    })?;
    Ok(HeadStart::builder("my-agent", sessions).run(move |turn: FirstTurn| {
        let model = model.clone();
        async move { turn.stream_text(&model).system("You are a helpful assistant.").await }
    }))
}

/// Listens on 127.0.0.1, on the port of the environment's `PORT` (3000 without), and says so.
///
/// # Errors
/// When the port is none, or taken.
#[allow(clippy::print_stdout, reason = "for programs")]
pub fn listen() -> Result<TcpListener, Error> {
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse()?,
        Err(_) => 3000,
    };
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}

/// Waits for Ctrl+C, or for the SIGTERM that platforms send.
pub async fn stop_signal() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    drop(tokio::signal::ctrl_c().await);
}
