//! Head start mounted in each framework as its users would, behind one face: for the suite in `tests/suite`, and
//! for the test server.

mod actix;
mod axum;
pub mod hyper;
pub mod poem;
mod salvo;

use std::{error::Error, net::TcpListener};

use clap::ValueEnum;
use headstart_core::HeadStart;
use http::HeaderValue;

/// A framework that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framework {
    /// axum, with `headstart-axum`.
    Axum,
    /// actix-web, with `headstart-actix`.
    Actix,
    /// hyper 1, with `headstart-tower` and hyper-util.
    Hyper,
    /// poem, with `headstart-tower` and poem's tower compatibility, on hyper.
    Poem,
    /// salvo, with `headstart-tower` and salvo's tower compatibility.
    Salvo,
}

/// What is served.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// A handler for each path. `/health` answers `ok` besides.
    pub routes: Vec<(String, HeadStart)>,
    /// The page on another origin that is let in by the framework's own CORS layer.
    pub cors: Option<HeaderValue>,
}

impl Site {
    /// One handler.
    #[must_use]
    pub fn of(path: &str, head_start: HeadStart) -> Self {
        Self { routes: vec![(path.to_owned(), head_start)], cors: None }
    }
}

/// Serves until the future is dropped.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    framework: Framework,
    listener: TcpListener,
    site: Site,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    listener.set_nonblocking(true)?;
    match framework {
        Framework::Axum => axum::serve(listener, site).await,
        Framework::Actix => actix::serve(listener, site).await,
        Framework::Hyper => hyper::serve(listener, site).await,
        Framework::Poem => poem::serve(listener, site).await,
        Framework::Salvo => salvo::serve(listener, site).await,
    }
}

/// What a server returns that does not stop by itself.
pub type Served = Result<(), Box<dyn Error + Send + Sync>>;
