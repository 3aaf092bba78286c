//! The test server: ten routes, one configuration each, for any judge of the protocol to drive.

mod routes;

use clap::{Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

/// Serves head start with the platform, models and keys of the environment.
#[derive(Debug, Parser)]
struct Args {
    /// Port on 127.0.0.1.
    #[arg(long, default_value_t = 4777)]
    port: u16,
    /// What mounts the handler.
    #[arg(long, value_enum, default_value_t = Framework::Axum)]
    framework: Framework,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Framework {
    Axum,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("headstart=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", args.port)).await?;
    match args.framework {
        Framework::Axum => {
            let mut app = axum::Router::new().route("/health", axum::routing::get(|| async { "ok" }));
            for (path, head_start) in routes::routes()? {
                app = app.route(path, headstart_axum::post(head_start));
            }
            axum::serve(listener, app).await?;
        }
    }
    Ok(())
}
