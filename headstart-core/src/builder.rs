//! How a [`HeadStart`] is built.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use crate::{
    HeadStart, Sessions, TriggerConfig,
    admission::{AllowList, Breaker, Circuit, Mode, OpenTurns, Outage},
    authorize::{Authorize, Denied},
    first_turn::FirstTurn,
    head_start::Inner,
    history::{FileUrls, HistoryPolicy},
    hooks::{Hook, QuotaRequest, TokenError, TokenRequest},
    http::{BodyFields, Limits},
    rt::{Runtime, TokioRuntime},
    step::{ApprovalSecret, IntoStepRun, StepError, StepErrorKind},
    turn::{BrokenAnswer, Deadlines, EmptyAnswer, OnDisconnect, driver::RunFuture},
    wire::ChatId,
};

type ChatIdPattern = Box<dyn Fn(&ChatId) -> bool + Send + Sync>;
pub(crate) type Run = Arc<dyn Fn(FirstTurn) -> RunFuture + Send + Sync>;

/// What may be set, and mostly is not.
pub(crate) struct Settings {
    pub(crate) agent_id: String,
    pub(crate) trigger: TriggerConfig,
    pub(crate) session_tags: Vec<String>,
    pub(crate) history: HistoryPolicy,
    pub(crate) file_urls: FileUrls,
    pub(crate) body_fields: BodyFields,
    pub(crate) chat_ids: Option<ChatIdPattern>,
    pub(crate) origins: AllowList,
    pub(crate) hosts: AllowList,
    pub(crate) limits: Limits,
    pub(crate) deadlines: Deadlines,
    pub(crate) broken_answer: BrokenAnswer,
    pub(crate) empty_answer: EmptyAnswer,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) approval_secret: Option<ApprovalSecret>,
    pub(crate) keep_alive: Duration,
    pub(crate) mode: Option<Box<dyn Fn() -> Mode + Send + Sync>>,
    pub(crate) breaker: Breaker,
    pub(crate) outage: Outage,
    pub(crate) quota: Option<Hook<QuotaRequest, Result<(), Denied>>>,
    pub(crate) token: Option<Hook<TokenRequest, Result<String, TokenError>>>,
}

impl Settings {
    pub(crate) fn mode(&self) -> Mode {
        self.mode.as_ref().map_or(Mode::On, |mode| mode())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("agent_id", &self.agent_id)
            .field("trigger", &self.trigger)
            .field("history", &self.history)
            .field("limits", &self.limits)
            .field("deadlines", &self.deadlines)
            .field("on_disconnect", &self.on_disconnect)
            .finish_non_exhaustive()
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
/// [`build`](Self::build) does not compile.
#[must_use]
pub struct HeadStartBuilder<A, R> {
    settings: Settings,
    sessions: Arc<dyn Sessions>,
    runtime: Option<Arc<dyn Runtime>>,
    authorize: A,
    run: R,
}

impl HeadStartBuilder<Missing, Missing> {
    pub(crate) fn new(agent_id: String, sessions: Arc<dyn Sessions>) -> Self {
        Self {
            settings: Settings {
                agent_id,
                trigger: TriggerConfig::new(),
                session_tags: Vec::new(),
                history: HistoryPolicy::default(),
                file_urls: FileUrls::default(),
                body_fields: BodyFields::default(),
                chat_ids: None,
                origins: AllowList::any(),
                hosts: AllowList::any(),
                limits: Limits::default(),
                deadlines: Deadlines::default(),
                broken_answer: BrokenAnswer::default(),
                empty_answer: EmptyAnswer::default(),
                on_disconnect: OnDisconnect::default(),
                approval_secret: None,
                keep_alive: Duration::from_secs(10),
                mode: None,
                breaker: Breaker::default(),
                outage: Outage::default(),
                quota: None,
                token: None,
            },
            sessions,
            runtime: None,
            authorize: Missing,
            run: Missing,
        }
    }
}

impl<R> HeadStartBuilder<Missing, R> {
    /// Who may use which chat id. Runs before anything else happens; see
    /// [`AuthorizeRequest`](crate::AuthorizeRequest). Who really wants to let everybody in says so with
    /// [`AllowAnyone`](crate::AllowAnyone).
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

    /// Which addresses files may have.
    pub fn file_urls(mut self, urls: FileUrls) -> Self {
        self.settings.file_urls = urls;
        self
    }

    /// Which of the browser's own body fields reach the agent. Defaults to none.
    pub fn body_fields(mut self, fields: BodyFields) -> Self {
        self.settings.body_fields = fields;
        self
    }

    /// Which chat ids are taken at all, of those that the platform can carry. Any other is a 400.
    pub fn chat_ids(mut self, accepts: impl Fn(&ChatId) -> bool + Send + Sync + 'static) -> Self {
        self.settings.chat_ids = Some(Box::new(accepts));
        self
    }

    /// The pages that may post, as browsers name them in `Origin` (`https://app.example.com`).
    pub fn origins(mut self, origins: AllowList) -> Self {
        self.settings.origins = origins;
        self
    }

    /// The names this server answers to, as in `Host` (`api.example.com`, with the port if it is unusual).
    pub fn hosts(mut self, hosts: AllowList) -> Self {
        self.settings.hosts = hosts;
        self
    }

    /// How much one request may hold, and how many there may be.
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

    /// What becomes of a step 1 in which the model says nothing at all.
    pub fn empty_answer(mut self, policy: EmptyAnswer) -> Self {
        self.settings.empty_answer = policy;
        self
    }

    /// What becomes of step 1 when the browser goes away.
    pub fn on_disconnect(mut self, policy: OnDisconnect) -> Self {
        self.settings.on_disconnect = policy;
        self
    }

    /// Signs the requests for approval, for an agent with an `experimental_toolApprovalSecret`; the two must
    /// be the same. Without it such an agent runs no tool of step 1.
    pub fn approval_secret(mut self, secret: ApprovalSecret) -> Self {
        self.settings.approval_secret = Some(secret);
        self
    }

    /// After how much silence a comment is sent, so that no proxy cuts the response. Defaults to 10 s.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.settings.keep_alive = interval;
        self
    }

    /// A switch, asked at each request: whether step 1 is answered here, by the agent, or not at all.
    pub fn mode(mut self, mode: impl Fn() -> Mode + Send + Sync + 'static) -> Self {
        self.settings.mode = Some(Box::new(mode));
        self
    }

    /// When the platform counts as down.
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.settings.breaker = breaker;
        self
    }

    /// What new chats get while it is.
    pub fn outage(mut self, outage: Outage) -> Self {
        self.settings.outage = outage;
        self
    }

    /// Whether this user has anything left to spend; asked last, when everything else was found good, and
    /// before a session is created or a model called.
    pub fn quota<F, Fut>(mut self, quota: F) -> Self
    where
        F: Fn(QuotaRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Denied>> + Send + 'static,
    {
        self.settings.quota = Some(Hook::new(quota));
        self
    }

    /// Gives the browser a token of your own making in place of the session's: shorter, or for reading only.
    pub fn browser_token<F, Fut>(mut self, token: F) -> Self
    where
        F: Fn(TokenRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        self.settings.token = Some(Hook::new(token));
        self
    }

    /// Where turns run. Defaults to the tokio runtime that [`build`](Self::build) is called in; outside of any,
    /// to the one that a request comes in on.
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is one that the platform would refuse.
    pub fn build(self) -> Result<HeadStart, ConfigError>
    where
        A: HasAuthorize,
        R: HasRun,
    {
        let Self { settings, sessions, runtime, authorize, run } = self;
        let problem = match settings.agent_id.chars().count() {
            1..=128 => settings.trigger.problem(),
            _ => Some("the agent's id is not 1 to 128 characters long".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(ConfigError(problem));
        }
        Ok(HeadStart(Arc::new(Inner {
            sessions,
            runtime: runtime.unwrap_or_else(|| Arc::new(TokioRuntime::of_builder())),
            authorize: authorize.into_authorize(),
            run: run.into_run(),
            turns: OpenTurns::new(),
            circuit: Arc::new(Circuit::new(settings.breaker)),
            settings,
        })))
    }
}

mod sealed {
    use super::{Authorize, Authorized, Run, Runs};

    pub trait IntoAuthorize {
        fn into_authorize(self) -> Box<dyn Authorize>;
    }

    pub trait IntoRun {
        fn into_run(self) -> Run;
    }

    impl IntoAuthorize for Authorized {
        fn into_authorize(self) -> Box<dyn Authorize> {
            self.0
        }
    }

    impl IntoRun for Runs {
        fn into_run(self) -> Run {
            self.0
        }
    }
}

/// A builder that knows who may use which chat.
#[diagnostic::on_unimplemented(
    message = "this head start does not say who may use which chat",
    label = "`authorize` was not called",
    note = "call `.authorize(…)` with the check of your sessions or cookies, or `.authorize(AllowAnyone)` if everybody may use every chat"
)]
pub trait HasAuthorize: sealed::IntoAuthorize {}

/// A builder that knows how step 1 is answered.
#[diagnostic::on_unimplemented(
    message = "this head start does not say how step 1 is answered",
    label = "`run` was not called",
    note = "call `.run(…)`, for instance with `turn.stream_text(&model).await`"
)]
pub trait HasRun: sealed::IntoRun {}

impl HasAuthorize for Authorized {}
impl HasRun for Runs {}

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
