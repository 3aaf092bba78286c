//! [`HeadStart`]: the handler.

use std::{fmt, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use http::{header, request::Parts};
use tracing::{Instrument, debug, error, warn};

use crate::{
    Sessions,
    admission::{Circuit, Mode, OpenTurns},
    authorize::{Action, Authorize, AuthorizeRequest, Grant},
    builder::{HeadStartBuilder, Missing, Run, Settings},
    hooks::{HistoryRequest, QuotaRequest, RequestContext, TokenRequest},
    http::{Body, FirstTurnRequest, Problem, ProblemKind, RequestId, read_request},
    launch::Admitted,
    rt::Runtime,
    turn_plan::{self, Prepared},
    wire::{ChatId, UiMessage},
};

/// Answers the first message of chats, and hands them over to their agents. Cheap to clone.
///
/// ```
/// use headstart_core::{AuthorizeRequest, Denied, FirstTurn, Grant, HeadStart, Sessions, step::StepModel};
///
/// fn head_start(sessions: impl Sessions, model: impl StepModel + Clone) -> HeadStart {
///     HeadStart::builder("my-agent", sessions)
///         .authorize(|request: AuthorizeRequest| async move {
///             match request.headers().get("x-user").and_then(|user| user.to_str().ok()) {
///                 Some(user) => Ok(Grant::new().owner_prefix(format!("{user}:")).key(user)),
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
pub struct HeadStart(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) authorize: Box<dyn Authorize>,
    pub(crate) run: Run,
    pub(crate) turns: Arc<OpenTurns>,
    pub(crate) circuit: Arc<Circuit>,
}

impl HeadStart {
    /// Begins with what cannot be left out: the agent's id, and where its sessions are.
    pub fn builder(
        agent_id: impl Into<String>,
        sessions: impl Sessions,
    ) -> HeadStartBuilder<Missing, Missing> {
        HeadStartBuilder::new(agent_id.into(), Arc::new(sessions))
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
        let request_id = RequestId::of(&head.headers);
        respond(request_id, async { self.answer(self.admit(head, body).await?).await }).await
    }

    /// Every check of a request, in the order of what they cost. Nothing has happened yet when one fails.
    pub(crate) async fn admit<B>(&self, head: Parts, body: B) -> Result<Admitted, Problem>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mode = self.mode()?;
        self.check_origin(&head)?;
        let mut request = read_request(&head, body, &self.0.settings.limits).await?;
        self.check_chat_id(&request.chat_id)?;
        let context = RequestContext::new(Arc::new(head), &request);
        let message_ids = request.messages.iter().map(|message| message.id.clone()).collect();
        let grant = self.authorize(&context, Action::FirstTurn, message_ids).await?;
        let messages = self.history(&context, &mut request).await?;
        let prepared = self.prepare(mode, &request, &grant, messages)?;
        self.ask_quota(&context, &grant, &prepared.ui_messages).await?;
        Ok(Admitted { context, prepared, key: grant.key, has_browser: true })
    }

    pub(crate) fn mode(&self) -> Result<Mode, Problem> {
        match self.0.settings.mode() {
            Mode::Off => Err(Problem::new(ProblemKind::SwitchedOff)),
            mode => Ok(mode),
        }
    }

    /// A turn about messages that are believed.
    pub(crate) fn prepare(
        &self,
        mode: Mode,
        request: &FirstTurnRequest,
        grant: &Grant,
        messages: Vec<UiMessage>,
    ) -> Result<Prepared, Problem> {
        let settings = &self.0.settings;
        settings.file_urls.check(&messages)?;
        let mut prepared = turn_plan::prepare(settings, request, grant, messages)?;
        if mode == Mode::AgentOnly {
            prepared.leave_to_agent();
        }
        Ok(prepared)
    }

    pub(crate) fn check_origin(&self, head: &Parts) -> Result<(), Problem> {
        let settings = &self.0.settings;
        let host = head.uri.authority().is_none_or(|host| settings.hosts.allows(host.as_str()));
        let is_allowed = settings.origins.allows_header(&head.headers, header::ORIGIN)
            && settings.hosts.allows_header(&head.headers, header::HOST)
            && host;
        if is_allowed { Ok(()) } else { Err(Problem::new(ProblemKind::OriginNotAllowed)) }
    }

    pub(crate) fn check_chat_id(&self, chat: &ChatId) -> Result<(), Problem> {
        match &self.0.settings.chat_ids {
            Some(accepts) if !accepts(chat) => Err(Problem::invalid("chatId is not one of this application")),
            _ => Ok(()),
        }
    }

    pub(crate) async fn authorize(
        &self,
        context: &RequestContext,
        action: Action,
        message_ids: Vec<String>,
    ) -> Result<Grant, Problem> {
        let asked = AuthorizeRequest::new(context.clone(), action, message_ids);
        // Called inside of the future: its own body may panic, too.
        let decided = self.decide("authorize", async { self.0.authorize.authorize(asked).await }).await?;
        let grant = decided.inspect_err(|denied| debug!(?action, ?denied, "not authorised"))?;
        let prefix = grant.owner_prefix.as_deref().unwrap_or_default();
        if !context.chat_id.as_str().starts_with(prefix) {
            debug!(?action, "the chat is somebody else's");
            return Err(Problem::new(ProblemKind::Forbidden));
        }
        Ok(grant)
    }

    async fn history(
        &self,
        context: &RequestContext,
        request: &mut FirstTurnRequest,
    ) -> Result<Vec<UiMessage>, Problem> {
        let asked = HistoryRequest {
            context: context.clone(),
            messages: std::mem::take(&mut request.messages),
            trigger: request.trigger,
            message_id: request.message_id.clone(),
        };
        self.decide("history", self.0.settings.history.select(asked)).await?
    }

    pub(crate) async fn ask_quota(
        &self,
        context: &RequestContext,
        grant: &Grant,
        messages: &[UiMessage],
    ) -> Result<(), Problem> {
        let Some(quota) = &self.0.settings.quota else { return Ok(()) };
        let asked = QuotaRequest {
            context: context.clone(),
            key: grant.key.clone(),
            history_bytes: messages.iter().map(|message| message.raw().as_str().len()).sum(),
        };
        Ok(self.decide("quota", async { quota.call(asked).await }).await??)
    }

    /// One of the application's decisions. A panic must not look like a permission, nor end a worker; nor may
    /// one that never comes hold the request.
    async fn decide<T>(&self, what: &str, decision: impl Future<Output = T>) -> Result<T, Problem> {
        tokio::select! {
            decided = AssertUnwindSafe(decision).catch_unwind() => decided.map_err(|_| {
                error!("{what} panicked");
                Problem::new(ProblemKind::Internal)
            }),
            () = self.0.runtime.sleep(self.0.settings.deadlines.hook) => {
                error!("{what} took too long");
                Err(Problem::new(ProblemKind::Unavailable))
            }
        }
    }

    async fn answer(&self, admitted: Admitted) -> Result<http::Response<Body>, Problem> {
        let run = self.0.run.clone();
        // Called in the turn's own task: a panic here is caught there.
        let launched = self.launch(admitted, |turn| Box::pin(async move { run(turn).await }))?;
        launched.view.response().await
    }

    /// The token for the browser: the session's own, or what the application makes of it.
    pub(crate) async fn token(
        &self,
        context: &RequestContext,
        session_token: String,
    ) -> Result<String, Problem> {
        let Some(hook) = &self.0.settings.token else { return Ok(session_token) };
        let asked = TokenRequest { context: context.clone(), session_token };
        self.decide("token", async { hook.call(asked).await }).await?.map_err(|error| {
            error!(chat = %context.chat_id, %error, "no token for the browser");
            Problem::new(ProblemKind::Internal)
        })
    }

    /// Opens connections to the platform ahead of traffic. Failing is no harm: the first turn will try
    /// again.
    pub async fn warm(&self) {
        if let Err(error) = self.0.sessions.warm().await {
            warn!(%error, "could not warm up");
        }
    }

    /// How many turns are open.
    #[must_use]
    pub fn open_turns(&self) -> usize {
        self.0.turns.count()
    }

    /// For a graceful shutdown: from now on requests get a 503, and the open turns may finish. Those that
    /// have not when a quarter of the time is left (at most 5 s) are handed over to their agents as they
    /// are, and their responses cut off, so that pages resume them from the session. Returns how many are
    /// still open at the `deadline`: 0 when nothing is lost by stopping now.
    ///
    /// Servers that wait for their connections (axum, hyper, actix-web) stop as soon as the bodies end, so run
    /// this beside them, and wait for it before the process ends: a handover may outlive its response.
    pub async fn drain(&self, deadline: Duration) -> usize {
        let reserve = (deadline / 4).min(Duration::from_secs(5));
        let left = self.0.turns.drain(&*self.0.runtime, deadline - reserve, deadline).await;
        if left > 0 {
            warn!(left, "turns are still open");
        }
        left
    }

    /// Where the sessions are.
    #[must_use]
    pub fn sessions(&self) -> &dyn Sessions {
        &*self.0.sessions
    }
}

/// Answers a request, whatever becomes of it. A panic costs this request and no more.
pub(crate) async fn respond(
    request_id: RequestId,
    answer: impl Future<Output = Result<http::Response<Body>, Problem>>,
) -> http::Response<Body> {
    let answer = AssertUnwindSafe(answer).catch_unwind().instrument(request_id.span()).await;
    let answer = answer.unwrap_or_else(|_| {
        error!("answering a request panicked");
        Err(Problem::new(ProblemKind::Internal))
    });
    let mut response = answer.unwrap_or_else(|problem| problem.respond(Some(request_id.as_str())));
    request_id.put_into(response.headers_mut());
    response
}

impl fmt::Debug for HeadStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadStart").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
