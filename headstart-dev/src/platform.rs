//! The platform: sessions and runs, and what keeps them together.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use headstart_core::{
    sessions::Channel,
    wire::{ModelMessage, Record, RecordBody},
};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    Agent, DevEvent, DevEventKind, Faults, RemoteAgent,
    events::Events,
    meddle::Meddler,
    remote::RemoteRun,
    routes,
    run::{self, RunInput},
    snapshots::Snapshots,
    store::{Store, StoredRecord},
    token,
    waitpoints::Waitpoints,
    wire::{Wire, WireListener},
};

/// Why the platform did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port or folder cannot be used.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
    /// The stream store does not come up.
    #[error("the stream store does not start: {0}")]
    Store(String),
    /// No HTTP client.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// An agent's tools are not sound.
    #[error("agent {0:?}: {1}")]
    Agent(String, headstart_core::step::ToolSetError),
}

/// A running platform. It stops when this is dropped.
#[derive(Debug)]
pub struct DevPlatform {
    state: Arc<State>,
    faults: Faults,
    api_sockets: Arc<AtomicUsize>,
    store_sockets: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// What is alive on a platform. Sessions stay; runs and connections must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Live {
    /// Sessions, closed ones too.
    pub sessions: usize,
    /// Runs that boot, wait or answer.
    pub runs: usize,
    /// Connections to the sessions API.
    pub api_sockets: usize,
    /// Connections to the stream store, the platform's own among them.
    pub store_sockets: usize,
}

/// Builds a [`DevPlatform`].
#[derive(Debug, Clone)]
#[must_use]
pub struct DevPlatformBuilder {
    port: u16,
    secret_key: String,
    additional_key: Option<String>,
    deployment: Option<String>,
    data_dir: Option<PathBuf>,
    agents: Vec<Agent>,
    remote_agents: Vec<RemoteAgent>,
}

impl DevPlatform {
    /// With defaults: any port, in memory, no agent.
    pub fn builder() -> DevPlatformBuilder {
        DevPlatformBuilder {
            port: 0,
            secret_key: "tr_dev_headstart0embedded0platform".to_owned(),
            additional_key: None,
            deployment: None,
            data_dir: None,
            agents: Vec::new(),
            remote_agents: Vec::new(),
        }
    }

    /// Its address: the `TRIGGER_API_URL` of its clients.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// The `TRIGGER_SECRET_KEY` of its clients.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.state.secret_key
    }

    /// A token that reads and writes a chat's session for an hour, as a browser gets it.
    #[must_use]
    pub fn mint_token(&self, chat: &str) -> String {
        self.state.mint_token(chat)
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<DevEvent> {
        self.state.events.follow()
    }

    /// What has happened in a chat.
    #[must_use]
    pub fn events_of(&self, chat: &str) -> Vec<DevEvent> {
        self.state.events.of(chat)
    }

    /// What it does wrong; nothing, unless a test says so.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// All that one of a session's streams holds now, from its first record that is not trimmed away. Empty for
    /// a session that nobody has created.
    ///
    /// # Errors
    /// When the stream store cannot be read.
    pub async fn records(&self, chat: &str, channel: Channel) -> io::Result<Vec<Record>> {
        let stored = self.state.store.read(&stream_name(chat, channel.as_str()), 0).await;
        let record = |stored: StoredRecord| Record {
            seq: stored.seq_num,
            body: RecordBody::parse(&stored.headers, &stored.body),
        };
        Ok(stored.map_err(io::Error::other)?.into_iter().map(record).collect())
    }

    /// The conversation as the agent of a chat knows it, if there is such a session.
    pub async fn conversation(&self, chat: &str) -> Option<Vec<ModelMessage>> {
        let memory = self.state.sessions().get(chat)?.memory.clone();
        let messages = memory.lock().await.clone();
        Some(messages)
    }

    /// What is alive on it.
    #[must_use]
    pub fn live(&self) -> Live {
        let sessions = self.state.sessions();
        let runs = sessions.by_key.values().filter(|session| session.run.as_ref().is_some_and(Run::is_alive));
        Live {
            sessions: sessions.by_key.len(),
            runs: runs.count(),
            api_sockets: self.api_sockets.load(Ordering::Relaxed),
            store_sockets: self.store_sockets.load(Ordering::Relaxed),
        }
    }

    /// Stops it, its runs and its streams.
    pub fn shutdown(&self) {
        self.stop.cancel();
    }
}

impl Drop for DevPlatform {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl DevPlatformBuilder {
    /// The port on 127.0.0.1; 0 for any.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The key that servers use.
    pub fn secret_key(mut self, key: impl Into<String>) -> Self {
        self.secret_key = key.into();
        self
    }

    /// Another key that servers may use, `tr_dev_sk_` and 24 letters or digits: it signs no tokens, the
    /// platform mints them for it.
    pub fn additional_key(mut self, key: impl Into<String>) -> Self {
        self.additional_key = Some(key.into());
        self
    }

    /// The name that the agents are deployed under. Runs that ask for another one
    /// (`externalDeploymentId`) wait, as for a deployment that is on its way. Unless this is set, every name
    /// will do.
    pub fn deployed_as(mut self, deployment: impl Into<String>) -> Self {
        self.deployment = Some(deployment.into());
        self
    }

    /// Keeps streams in this folder instead of in memory. Sessions themselves are always in memory.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// An agent that serves the sessions of its id.
    pub fn agent(mut self, agent: Agent) -> Self {
        self.agents.push(agent);
        self
    }

    /// An agent in another process that serves the sessions of its id.
    pub fn remote_agent(mut self, agent: RemoteAgent) -> Self {
        self.remote_agents.push(agent);
        self
    }

    /// Starts the platform.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<DevPlatform, StartError> {
        let mut agents = HashMap::new();
        for agent in self.agents {
            agent.tool_set().map_err(|error| StartError::Agent(agent.id.clone(), error))?;
            agents.insert(agent.id.clone(), AnyAgent::Local(agent));
        }
        for agent in self.remote_agents {
            agents.insert(agent.id.clone(), AnyAgent::Remote(agent));
        }
        let stop = CancellationToken::new();
        let faults = Faults::default();
        let meddler = Meddler { faults: faults.clone(), secret_key: self.secret_key.clone() };
        let (api_sockets, store_sockets) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let store = Store::start(self.data_dir, meddler.clone(), store_sockets.clone(), stop.clone()).await?;
        let listener = WireListener::bind(self.port, api_sockets.clone()).await?;
        let state = Arc::new(State {
            url: listener.origin()?,
            secret_key: self.secret_key,
            additional_key: self.additional_key,
            deployment: self.deployment,
            store,
            // A run is one request, however long it takes.
            http: reqwest::Client::builder().tcp_nodelay(true).build()?,
            snapshots: Snapshots::default(),
            waitpoints: Waitpoints::default(),
            events: Events::new(),
            agents,
            sessions: Mutex::default(),
            stop: stop.clone(),
        });
        let app = routes::router(state.clone(), meddler);
        let serve = axum::serve(listener, app.into_make_service_with_connect_info::<Wire>());
        let until = stop.clone();
        tokio::spawn(async move {
            // Open subscriptions would hold a graceful end up for a minute.
            tokio::select! {
                served = serve => drop(served),
                () = until.cancelled() => {}
            }
        });
        Ok(DevPlatform { state, faults, api_sockets, store_sockets, stop })
    }
}

/// What routes and runs share.
pub(crate) struct State {
    pub(crate) url: String,
    pub(crate) secret_key: String,
    pub(crate) http: reqwest::Client,
    pub(crate) additional_key: Option<String>,
    deployment: Option<String>,
    pub(crate) store: Store,
    pub(crate) snapshots: Snapshots,
    pub(crate) waitpoints: Waitpoints,
    pub(crate) events: Events,
    agents: HashMap<String, AnyAgent>,
    sessions: Mutex<Sessions>,
    pub(crate) stop: CancellationToken,
}

/// Who serves a session.
enum AnyAgent {
    Local(Agent),
    Remote(RemoteAgent),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(crate) struct Sessions {
    by_key: HashMap<String, Session>,
    /// Friendly id to key.
    keys: HashMap<String, String>,
}

/// One session. Its key is its external id, else its friendly id.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) external_id: Option<String>,
    pub(crate) task: String,
    pub(crate) trigger_config: Value,
    pub(crate) metadata: Value,
    pub(crate) tags: Value,
    pub(crate) closed: Option<String>,
    pub(crate) expires_at: Option<String>,
    pub(crate) created_at: SystemTime,
    pub(crate) run: Option<Run>,
    pub(crate) claimed_parts: HashSet<String>,
    /// What the agent remembers between its runs.
    pub(crate) memory: Arc<tokio::sync::Mutex<Vec<ModelMessage>>>,
}

#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) payload: Value,
    pub(crate) inputs: mpsc::UnboundedSender<RunInput>,
    /// It waits for a deployment.
    pub(crate) is_parked: bool,
    cancellation: CancellationToken,
}

impl Run {
    pub(crate) fn is_alive(&self) -> bool {
        !self.inputs.is_closed() && !self.cancellation.is_cancelled()
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn cancel(&self) {
        self.cancellation.cancel();
    }
}

impl Sessions {
    pub(crate) fn get(&mut self, id: &str) -> Option<&mut Session> {
        let key = self.keys.get(id).cloned().unwrap_or_else(|| id.to_owned());
        self.by_key.get_mut(&key)
    }

    pub(crate) fn all(&self) -> Vec<Session> {
        self.by_key.values().cloned().collect()
    }

    pub(crate) fn find_run(&self, id: &str) -> Option<Run> {
        self.by_key.values().filter_map(|session| session.run.clone()).find(|run| run.id == id)
    }

    pub(crate) fn insert(&mut self, session: Session) -> &mut Session {
        self.keys.insert(session.id.clone(), session.key.clone());
        self.by_key.entry(session.key.clone()).or_insert(session)
    }
}

impl State {
    /// The sessions; never held over an await.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mint_token(&self, key: &str) -> String {
        let scopes = [format!("read:sessions:{key}"), format!("write:sessions:{key}")];
        token::sign(&self.secret_key, &scopes, 3600)
    }

    /// Makes sure that somebody serves the session.
    pub(crate) fn ensure_run(self: &Arc<Self>, session: &mut Session) -> Run {
        if let Some(run) = session.run.as_ref().filter(|run| run.is_alive()) {
            return run.clone();
        }
        let mut payload = session.trigger_config["basePayload"].clone();
        if let Some(fields) = payload.as_object_mut() {
            fields.insert("sessionId".into(), session.id.clone().into());
            if let Some(previous) = &session.run {
                // What the first run was told is not for the next one.
                for field in ["message", "messages", "trigger"] {
                    fields.remove(field);
                }
                fields.insert("continuation".into(), true.into());
                fields.insert("previousRunId".into(), previous.id.clone().into());
            }
        }
        let (inputs, received) = mpsc::unbounded_channel();
        let cancellation = self.stop.child_token();
        let wanted = session.trigger_config["externalDeploymentId"].as_str();
        let is_parked = self.deployment.as_deref().is_some_and(|here| wanted.is_some_and(|id| id != here));
        let run = Run { id: random_id("run_", 24), payload, inputs, is_parked, cancellation };
        session.run = Some(run.clone());
        self.events.tell(&session.key, DevEventKind::RunTriggered, run.id.clone());
        let agent = self.agents.get(&session.task).filter(|_| !is_parked);
        let serve: Pin<Box<dyn Future<Output = ()> + Send>> = match agent {
            Some(AnyAgent::Local(agent)) => Box::pin(
                run::AgentRun::new(self.clone(), agent.clone(), session, run.payload.clone(), received).run(),
            ),
            Some(AnyAgent::Remote(agent)) => {
                let run = RemoteRun {
                    state: self.clone(),
                    agent: agent.clone(),
                    key: session.key.clone(),
                    id: run.id.clone(),
                    payload: run.payload.clone(),
                    inputs: received,
                };
                Box::pin(run.run())
            }
            // Nobody serves it: it is as a run that waits for a deployment.
            None => {
                if !is_parked {
                    let known: Vec<_> = self.agents.keys().collect();
                    tracing::warn!(agent = %session.task, ?known, "no agent has this id: its run waits for ever");
                }
                Box::pin(async move {
                    let _received = received;
                    std::future::pending::<()>().await;
                })
            }
        };
        let cancelled = run.cancellation.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = serve => {}
                () = cancelled.cancelled() => {}
            }
        });
        run
    }
}

/// The name of a session's stream.
pub(crate) fn stream_name(key: &str, io: &str) -> String {
    format!("/sessions/{key}/{io}")
}

/// An id that nobody can guess.
pub(crate) fn random_id(prefix: &str, length: usize) -> String {
    let mut bytes = vec![0_u8; length];
    let _ = getrandom::fill(&mut bytes);
    let letters =
        bytes.iter().map(|byte| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::from(byte % 36)]));
    prefix.chars().chain(letters).collect()
}

/// Seconds, as a duration; what is missing is a minute.
pub(crate) fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or(60))
}
