//! Agents in other processes: a run is one HTTP request.
//!
//! The platform posts each run of a [`RemoteAgent`] to the agent's address and leaves the request open for
//! as long as the run is wanted; the answer says that the run is over. Whoever serves the address reads the
//! session's inputs and writes its output through the sessions API, with the key it finds in `Authorization`:
//!
//! ```text
//! POST <url>
//! Authorization: Bearer <secret key of the platform>
//! {"apiUrl":"http://127.0.0.1:4500","run":{"id":"run_…","taskIdentifier":"my-agent","payload":{…}}}
//! ```
//!
//! A request that breaks off is a run that was cancelled. A run that suspends asks for a waitpoint, and then
//! whether it is complete (`GET /api/v1/waitpoints/tokens/{id}`). So a worker can stay warm and take run
//! after run, and needs nothing but an HTTP server.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::warn;

use crate::{DevEventKind, platform::State, run::RunInput};

/// An agent that runs in another process, behind an address.
#[derive(Debug, Clone)]
pub struct RemoteAgent {
    pub(crate) id: String,
    url: String,
    boot_delay: Duration,
}

impl RemoteAgent {
    /// An agent of this id (the `taskIdentifier` of its sessions), whose runs are posted to `url`.
    pub fn new(id: impl Into<String>, url: impl Into<String>) -> Self {
        Self { id: id.into(), url: url.into(), boot_delay: Duration::ZERO }
    }

    /// How long a run takes to boot, on top of what the process itself needs.
    #[must_use]
    pub fn boot_delay(mut self, delay: Duration) -> Self {
        self.boot_delay = delay;
        self
    }
}

/// One run of a [`RemoteAgent`].
pub(crate) struct RemoteRun {
    pub(crate) state: Arc<State>,
    pub(crate) agent: RemoteAgent,
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) payload: Value,
    pub(crate) inputs: UnboundedReceiver<RunInput>,
}

impl RemoteRun {
    pub(crate) async fn run(mut self) {
        tokio::time::sleep(self.agent.boot_delay).await;
        self.state.events.tell(&self.key, DevEventKind::RunBooted, self.agent.url.clone());
        let run = json!({ "id": self.id, "taskIdentifier": self.agent.id, "payload": self.payload });
        let request = self
            .state
            .http
            .post(&self.agent.url)
            .bearer_auth(&self.state.secret_key)
            .json(&json!({ "apiUrl": self.state.url, "run": run }))
            .send();
        tokio::pin!(request);
        let answer = loop {
            tokio::select! {
                answer = &mut request => break answer,
                // The process reads the stream itself. When the sender is gone, so is the session.
                input = self.inputs.recv() => if input.is_none() { return },
            }
        };
        let ended = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => String::new(),
            Err(error) => {
                warn!(chat = self.key, %error, "the remote agent failed");
                error.to_string()
            }
        };
        self.state.events.tell(&self.key, DevEventKind::RunEnded, ended);
    }
}
