//! The embedded platform: sessions over an in-process S2 server, and local agents.
//!
//! For demos that start with one command, for tests, and for work without a network. It speaks the sessions
//! API that browsers, agents and head start use, over a real [S2](https://s2.dev) server that runs as a
//! library in this process. Nothing here is made for production.
//!
//! ```no_run
//! use headstart_dev::{Agent, DevPlatform};
//! use headstart_providers::{Script, Scripted};
//!
//! # #[tokio::main] async fn main() -> Result<(), headstart_dev::StartError> {
//! let agent = Agent::new("my-agent", Scripted::new(|_| Script::new().text("Hello from the agent.")));
//! let platform = DevPlatform::builder().agent(agent).start().await?;
//! println!("TRIGGER_API_URL={} TRIGGER_SECRET_KEY={}", platform.url(), platform.secret_key());
//! # Ok(()) }
//! ```
//!
//! In a test of your own the handler's sessions are `TriggerClient::builder().base_url(platform.url())
//! .secret_key(platform.secret_key()).build()?`; the platform stops when it is dropped.
//!
//! An agent may also live in another process, written with the platform's own SDK: see [`RemoteAgent`].

mod agent;
mod events;
mod faults;
mod manage;
mod meddle;
mod platform;
mod remote;
mod routes;
mod run;
mod snapshots;
mod store;
mod token;
mod waitpoints;
mod wire;

pub use agent::{Agent, ToolError};
pub use events::{DevEvent, DevEventKind};
pub use faults::{Endpoint, Fault, FaultRule, Faults, Injected};
pub use platform::{DevPlatform, DevPlatformBuilder, Live, StartError};
pub use remote::RemoteAgent;
