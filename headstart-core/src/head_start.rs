//! [`HeadStart`]: the handler, and how it is built.

use std::{fmt, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use http::request::Parts;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info_span, warn};

use crate::{
    Sessions, TriggerConfig,
    authorize::{Authorize, AuthorizeRequest, Grant},
    first_turn::FirstTurn,
    history::HistoryPolicy,
    http::{
        Body, BodyFields, FirstTurnRequest, Limits, Problem, ProblemKind, read_request, sse_body,
        stream_response,
    },
    rt::{Runtime, TokioRuntime},
    step::{IntoStepRun, StepError, StepErrorKind},
    turn::{
        BrokenAnswer, Deadlines, Machine,
        driver::{Driver, RunFuture},
    },
    turn_plan,
};

type Run = Arc<dyn Fn(FirstTurn) -> RunFuture + Send + Sync>;

/// Answers the first message of chats, and hands them over to their agents. Cheap to clone.
///
/// ```
/// use headstart_core::{AuthorizeRequest, Denied, FirstTurn, Grant, HeadStart, Sessions, step::StepModel};
///
/// fn head_start(sessions: impl Sessions, model: impl StepModel + Clone) -> HeadStart {
///     HeadStart::builder("my-agent", sessions)
///         .authorize(|request: AuthorizeRequest| async move {
///             match request.headers().get("x-user") {
///                 Some(user) if request.chat_id().as_str().starts_with(user.to_str().unwrap_or("?")) => {
///                     Ok(Grant::new())
///                 }
///                 Some(_) => Err(Denied::Forbidden),
///                 None => Err(Denied::Unauthenticated),
///             }
///         })
///         .run(move |turn: FirstTurn| {
///             let model = model.clone();
///             async move { turn.stream_text(&model).system("You are a helpful assistant.").await }
///         })
///         .build()
///         .expect("a sound configuration")
/// }
/// ```
#[derive(Clone)]
pub struct HeadStart(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    sessions: Arc<dyn Sessions>,
    runtime: Arc<dyn Runtime>,
    authorize: Box<dyn Authorize>,
    run: Run,
}

/// What may be set, and mostly is not.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) agent_id: String,
    pub(crate) trigger: TriggerConfig,
    pub(crate) session_tags: Vec<String>,
    pub(crate) history: HistoryPolicy,
    pub(crate) body_fields: BodyFields,
    pub(crate) limits: Limits,
    pub(crate) deadlines: Deadlines,
    pub(crate) broken_answer: BrokenAnswer,
    pub(crate) keep_alive: Duration,
}

impl HeadStart {
    /// Begins with what cannot be left out: the agent's id, and where its sessions are.
    pub fn builder(
        agent_id: impl Into<String>,
        sessions: impl Sessions,
    ) -> HeadStartBuilder<Missing, Missing> {
        HeadStartBuilder {
            settings: Settings {
                agent_id: agent_id.into(),
                trigger: TriggerConfig::new(),
                session_tags: Vec::new(),
                history: HistoryPolicy::default(),
                body_fields: BodyFields::default(),
                limits: Limits::default(),
                deadlines: Deadlines::default(),
                broken_answer: BrokenAnswer::default(),
                keep_alive: Duration::from_secs(10),
            },
            sessions: Arc::new(sessions),
            runtime: None,
            authorize: Missing,
            run: Missing,
        }
    }

    /// Answers one request. Errors become JSON problems; this never fails.
    ///
    /// Dropping the future (the browser went away early) changes nothing for a turn that has begun.
    pub async fn handle<B>(&self, request: http::Request<B>) -> http::Response<Body>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        self.answer(head, body).await.unwrap_or_else(Problem::into_response)
    }

    async fn answer<B>(&self, head: Parts, body: B) -> Result<http::Response<Body>, Problem>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = read_request(&head, body, &self.0.settings.limits).await?;
        let head = Arc::new(head);
        let grant = self.authorize(&head, &request).await?;
        self.begin(head, request, grant).await
    }

    async fn authorize(&self, head: &Arc<Parts>, request: &FirstTurnRequest) -> Result<Grant, Problem> {
        let asked = AuthorizeRequest::new(head.clone(), request);
        // A panic in the application's code must not look like a permission, nor end a worker.
        match AssertUnwindSafe(async { self.0.authorize.authorize(asked).await }).catch_unwind().await {
            Ok(decision) => decision.map_err(Problem::from),
            Err(_) => {
                error!(chat = %request.chat_id, "authorize panicked");
                Err(Problem::new(ProblemKind::Internal))
            }
        }
    }

    async fn begin(
        &self,
        head: Arc<Parts>,
        request: FirstTurnRequest,
        grant: Grant,
    ) -> Result<http::Response<Body>, Problem> {
        let inner = &self.0;
        let chat = request.chat_id.clone();
        let prepared = turn_plan::prepare(&inner.settings, request, grant)?;
        let cancellation = CancellationToken::new();
        let run = prepared.conversation.map(|messages| {
            let turn = FirstTurn {
                chat_id: chat.clone(),
                head,
                ui_messages: prepared.ui_messages.into(),
                messages,
                metadata: prepared.metadata,
                cancellation: cancellation.clone(),
            };
            let run = inner.run.clone();
            // Called in the turn's own task: a panic here is caught there.
            Box::pin(async move { run(turn).await }) as RunFuture
        });
        let (answer, answered) = oneshot::channel();
        let (frames, view) = mpsc::channel(inner.settings.limits.view_frames);
        let driver = Driver {
            machine: Machine::new(prepared.spec),
            chat: chat.clone(),
            sessions: inner.sessions.clone(),
            runtime: inner.runtime.clone(),
            cancellation,
            head: Some(answer),
            view: Some(frames),
        };
        let span = info_span!("headstart.turn", %chat);
        inner.runtime.spawn(Box::pin(driver.drive(Some(prepared.session), run).instrument(span)));
        let session = match answered.await {
            Ok(answer) => answer.map_err(Problem::from)?,
            Err(_) => {
                error!(%chat, "the turn ended without an answer");
                return Err(Problem::new(ProblemKind::Internal));
            }
        };
        let body = sse_body(view, inner.runtime.clone(), inner.settings.keep_alive);
        stream_response(&chat, &session, body).ok_or_else(|| {
            warn!(%chat, "the platform's token cannot travel in a header");
            Problem::new(ProblemKind::PlatformRejected)
        })
    }

    /// Opens connections to the platform ahead of traffic. Failing is no harm: the first turn will try
    /// again.
    pub async fn warm(&self) {
        if let Err(error) = self.0.sessions.warm().await {
            warn!(%error, "could not warm up");
        }
    }

    /// Where the sessions are.
    #[must_use]
    pub fn sessions(&self) -> &dyn Sessions {
        &*self.0.sessions
    }
}

impl fmt::Debug for HeadStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadStart").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// A required setting that was not made yet.
#[derive(Debug, Clone, Copy)]
pub struct Missing;

/// The `authorize` of a builder that has one.
pub struct Authorized(Box<dyn Authorize>);

/// The `run` of a builder that has one.
pub struct Runs(Run);

/// Builds a [`HeadStart`]. [`authorize`](Self::authorize) and [`run`](Self::run) are required; without them
/// there is no `build`.
#[must_use]
pub struct HeadStartBuilder<A, R> {
    settings: Settings,
    sessions: Arc<dyn Sessions>,
    runtime: Option<Arc<dyn Runtime>>,
    authorize: A,
    run: R,
}

impl<R> HeadStartBuilder<Missing, R> {
    /// Who may use which chat id. Runs before anything else happens; see [`AuthorizeRequest`]. Who really
    /// wants to let everybody in says so with [`AllowAnyone`](crate::AllowAnyone).
    pub fn authorize(self, authorize: impl Authorize) -> HeadStartBuilder<Authorized, R> {
        let Self { settings, sessions, runtime, run, .. } = self;
        HeadStartBuilder { settings, sessions, runtime, authorize: Authorized(Box::new(authorize)), run }
    }
}

impl<A> HeadStartBuilder<A, Missing> {
    /// How step 1 is answered: usually `turn.stream_text(&model)…await`, or any stream of
    /// [`StepEvent`](crate::step::StepEvent)s. An error or a panic leaves the turn to the agent.
    pub fn run<F, Fut, S, E>(self, run: F) -> HeadStartBuilder<A, Runs>
    where
        F: Fn(FirstTurn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, E>> + Send + 'static,
        S: IntoStepRun,
        E: fmt::Display,
    {
        let Self { settings, sessions, runtime, authorize, .. } = self;
        let run: Run = Arc::new(move |turn| {
            let step = run(turn);
            Box::pin(async move {
                let step =
                    step.await.map_err(|error| StepError::new(StepErrorKind::Run, error.to_string()))?;
                Ok(step.into_step_run())
            })
        });
        HeadStartBuilder { settings, sessions, runtime, authorize, run: Runs(run) }
    }
}

impl<A, R> HeadStartBuilder<A, R> {
    /// How the agent's run is started.
    pub fn trigger(mut self, config: TriggerConfig) -> Self {
        self.settings.trigger = config;
        self
    }

    /// A tag of the session (not of the run).
    pub fn session_tag(mut self, tag: impl Into<String>) -> Self {
        self.settings.session_tags.push(tag.into());
        self
    }

    /// What of the browser's history is trusted. Defaults to the newest user message alone.
    pub fn history(mut self, policy: HistoryPolicy) -> Self {
        self.settings.history = policy;
        self
    }

    /// Which of the browser's own body fields reach the agent. Defaults to none.
    pub fn body_fields(mut self, fields: BodyFields) -> Self {
        self.settings.body_fields = fields;
        self
    }

    /// How much one request may hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How long a turn waits for what.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.settings.deadlines = deadlines;
        self
    }

    /// What becomes of a text that breaks off after the browser saw some of it.
    pub fn broken_answer(mut self, policy: BrokenAnswer) -> Self {
        self.settings.broken_answer = policy;
        self
    }

    /// After how much silence a comment is sent, so that no proxy cuts the response. Defaults to 10 s.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.settings.keep_alive = interval;
        self
    }

    /// Where turns run. Defaults to the tokio runtime that a request comes in on.
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.runtime = Some(Arc::new(runtime));
        self
    }
}

impl HeadStartBuilder<Authorized, Runs> {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is one that the platform would refuse.
    pub fn build(self) -> Result<HeadStart, ConfigError> {
        let Self { settings, sessions, runtime, authorize, run } = self;
        let problem = match settings.agent_id.chars().count() {
            1..=128 => settings.trigger.problem(),
            _ => Some("the agent's id is not 1 to 128 characters long".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(ConfigError(problem));
        }
        let runtime = runtime.unwrap_or_else(|| Arc::new(TokioRuntime::current()));
        Ok(HeadStart(Arc::new(Inner { settings, sessions, runtime, authorize: authorize.0, run: run.0 })))
    }
}

impl<A, R> fmt::Debug for HeadStartBuilder<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadStartBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorized")
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runs")
    }
}

/// A setting that the platform would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);
