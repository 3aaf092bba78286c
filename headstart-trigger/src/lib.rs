//! Trigger.dev sessions for head start.
//!
//! [`TriggerClient`] implements [`Sessions`](headstart_core::Sessions) over the platform's HTTP API and its
//! S2 streams. It retries, times out and authenticates; it knows nothing of turns. A client is a value:
//! two of them, with two keys, live side by side in one process.
//!
//! ```no_run
//! use headstart_trigger::TriggerClient;
//!
//! // TRIGGER_SECRET_KEY, and TRIGGER_API_URL for a server of one's own.
//! let client = TriggerClient::from_env()?;
//! # Ok::<(), headstart_trigger::ConfigError>(())
//! ```

mod client;
mod config;
mod deployment;
mod http;
mod out_writer;
mod runs;
mod s2;
mod secret;
mod subscribe;
mod tokens;

pub use client::TriggerClient;
pub use config::{ConfigError, Timeouts, TriggerClientBuilder};
pub use secret::SecretKey;
