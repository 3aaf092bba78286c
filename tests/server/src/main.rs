//! The test server: ten routes, one configuration each, for any judge of the protocol to drive, in any framework.

mod routes;

use clap::Parser;
use headstart_test_adapters::{Framework, Site};
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("headstart=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Args { port, framework } = Args::parse();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    let routes = routes::routes().map_err(|error| error.to_string())?;
    let routes = routes.into_iter().map(|(path, head_start)| (path.to_owned(), head_start)).collect();
    headstart_test_adapters::serve(framework, listener, Site { routes, cors: None }).await
}
