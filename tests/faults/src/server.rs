//! The warm server: head start behind hyper, with small buffers and with everything counted that a turn holds.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use headstart_core::{
    AllowAnyone, Breaker, Deadlines, FirstTurn, HeadStart, Limits, TriggerConfig,
    rt::{Runtime, Sleep, Task, TokioRuntime},
    sessions::Sessions,
};
use headstart_trigger::{Timeouts, TriggerClient};
use http_body_util::BodyExt;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpSocket, task::JoinSet};

use crate::{
    hold::{HeldSessions, Hold},
    model::{self, Calls, StepOne},
    platform::AGENT,
};

/// Small enough that a page that does not read is noticed after some kilobytes.
const SOCKET_BYTES: u32 = 4 * 1024;
const HYPER_BYTES: usize = 8 * 1024;
const VIEW_FRAMES: usize = 24;

/// Where the platform is, and how the server behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the platform.
    pub url: String,
    /// Its key.
    pub secret_key: String,
    /// Port on 127.0.0.1; 0 for any.
    pub port: u16,
    /// The model says no more after so many events.
    pub falls_silent_after: Option<usize>,
    /// Where it stops in its tracks.
    pub hold: Option<Hold>,
    /// How long a turn waits for what.
    pub deadlines: Deadlines,
    /// How long requests to the platform may take.
    pub timeouts: Timeouts,
}

impl Config {
    /// For this platform, with deadlines that tests can wait for, on a busy machine too.
    #[must_use]
    pub fn new(url: impl Into<String>, secret_key: impl Into<String>) -> Self {
        let millis = Duration::from_millis;
        let mut deadlines = Deadlines::default();
        deadlines.create = millis(6000);
        deadlines.tee = millis(10_000);
        deadlines.handover = millis(6000);
        deadlines.handover_retry = millis(8000);
        deadlines.model_first = millis(8000);
        deadlines.model_idle = millis(8000);
        deadlines.agent_first = millis(8000);
        deadlines.agent_idle = millis(8000);
        deadlines.final_grace = millis(300);
        deadlines.follow_idle = millis(1500);
        let mut timeouts = Timeouts::default();
        timeouts.attempt = millis(1800);
        timeouts.budget = millis(4500);
        timeouts.subscription_idle = millis(8000);
        Self {
            url: url.into(),
            secret_key: secret_key.into(),
            port: 0,
            falls_silent_after: None,
            hold: None,
            deadlines,
            timeouts,
        }
    }

    /// The same for a hundred connections at once on a busy machine. A turn is taken over after `follow_idle`.
    #[must_use]
    pub fn patient(mut self, follow_idle: Duration) -> Self {
        self.timeouts.attempt = Duration::from_secs(10);
        self.timeouts.budget = Duration::from_secs(20);
        self.deadlines.create = Duration::from_secs(20);
        self.deadlines.follow_idle = follow_idle;
        self
    }
}

/// A running server. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// The handler.
    pub head_start: HeadStart,
    /// Where it listens.
    pub address: SocketAddr,
    /// Calls of its model.
    pub calls: Arc<Calls>,
    tasks: Arc<AtomicUsize>,
    bodies: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Server {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(config: Config) -> Self {
        let calls = Arc::new(Calls::default());
        let tasks = Arc::new(AtomicUsize::new(0));
        let client = TriggerClient::builder()
            .base_url(&config.url)
            .secret_key(config.secret_key.clone())
            .timeouts(config.timeouts.clone())
            .build()
            .expect("a client");
        let head_start = match config.hold {
            None => head_start(&config, client, calls.clone(), tasks.clone()),
            Some(hold) => head_start(&config, HeldSessions::new(client, hold), calls.clone(), tasks.clone()),
        };
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        // What is accepted inherits it.
        socket.set_send_buffer_size(SOCKET_BYTES).expect("an option");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], config.port))).expect("a port");
        let listener = socket.listen(1024).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let bodies = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        let (handler, counted) = (head_start.clone(), bodies.clone());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (handler, counted) = (handler.clone(), counted.clone());
                let service = service_fn(move |request| {
                    let (handler, held) = (handler.clone(), Held::new(&counted));
                    async move {
                        let response = handler.handle(request).await;
                        Ok::<_, std::convert::Infallible>(response.map(|body| {
                            body.map_err(move |error| {
                                let _until_dropped = &held;
                                error
                            })
                        }))
                    }
                });
                let connection = http1::Builder::new()
                    .max_buf_size(HYPER_BYTES)
                    .serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    // An unfinished turn is cut off, which is an error here.
                    drop(connection.await);
                });
            }
        });
        Self { head_start, address, calls, tasks, bodies, _serving: serving }
    }

    /// Turns, tasks of turns, and responses that are being sent or wait to be.
    #[must_use]
    pub fn open(&self) -> (usize, usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        (self.head_start.open_turns(), count(&self.tasks), count(&self.bodies))
    }
}

fn head_start(
    config: &Config,
    sessions: impl Sessions,
    calls: Arc<Calls>,
    tasks: Arc<AtomicUsize>,
) -> HeadStart {
    let model = StepOne::new(calls, config.falls_silent_after);
    let mut limits = Limits::default();
    limits.view_frames = VIEW_FRAMES;
    HeadStart::builder(AGENT, sessions)
        .authorize(AllowAnyone)
        .trigger(TriggerConfig::new().idle_timeout(1))
        .deadlines(config.deadlines.clone())
        .limits(limits)
        .breaker(Breaker::never())
        .runtime(CountedRuntime { inner: TokioRuntime::current(), tasks })
        .run(move |turn: FirstTurn| {
            let model = model.clone();
            async move { turn.stream_text(&model).tools(model::tools()).await }
        })
        .build()
        .expect("a sound configuration")
}

/// Counts for as long as it lives.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Tokio, with the tasks counted that turns spawn.
struct CountedRuntime {
    inner: TokioRuntime,
    tasks: Arc<AtomicUsize>,
}

impl Runtime for CountedRuntime {
    fn spawn(&self, task: Task) {
        let held = Held::new(&self.tasks);
        self.inner.spawn(Box::pin(async move {
            let _until_done = held;
            task.await;
        }));
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.inner.sleep(span)
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }
}
