//! What a browser is shown of a turn: the session's token, then the frames.

use std::fmt;

use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::{
    Body, HeadStart,
    hooks::RequestContext,
    http::{Problem, ProblemKind, sse_body, stream_response, view::ViewReceiver},
    sessions::Opened,
    turn::Refusal,
    wire::ChatId,
};

/// The browser's side of a turn, before it is known whether there is a session. Dropping it is a browser that
/// left: see [`OnDisconnect`](crate::OnDisconnect).
#[must_use = "dropped, it is a browser that left"]
pub struct TurnView {
    pub(crate) head_start: HeadStart,
    pub(crate) context: RequestContext,
    pub(crate) session: oneshot::Receiver<Result<Opened, Refusal>>,
    pub(crate) frames: ViewReceiver,
}

/// The browser's side of a turn that has its session.
#[must_use = "dropped, it is a browser that left"]
#[non_exhaustive]
pub struct OpenedView {
    /// The chat.
    pub chat_id: ChatId,
    /// What the browser reads and writes the session with: the session's own token, or what
    /// [`browser_token`](crate::HeadStartBuilder::browser_token) made of it.
    pub access_token: String,
    /// The run waits for a deployment.
    pub pending_version: bool,
    /// The turn as Server-Sent Events, with comments into silence.
    pub body: Body,
}

impl TurnView {
    /// Waits for the session.
    ///
    /// # Errors
    /// A [`Problem`] when there is none; then there is no turn. Only a `browser_token` that fails comes too
    /// late to end it.
    pub async fn opened(self) -> Result<OpenedView, Problem> {
        let Self { head_start, context, session, frames } = self;
        let chat_id = context.chat_id.clone();
        let Ok(session) = session.await else {
            error!(chat = %chat_id, "the turn ended without an answer");
            return Err(Problem::new(ProblemKind::Internal));
        };
        let session = session.map_err(Problem::from)?;
        let access_token = head_start.token(&context, session.access_token).await?;
        let body = sse_body(frames, head_start.0.runtime.clone(), head_start.0.settings.keep_alive);
        Ok(OpenedView { chat_id, access_token, pending_version: session.is_pending_version, body })
    }

    /// The response as [`HeadStart::handle`] gives it.
    ///
    /// # Errors
    /// As of [`opened`](Self::opened).
    pub async fn response(self) -> Result<http::Response<Body>, Problem> {
        let OpenedView { chat_id, access_token, pending_version, body } = self.opened().await?;
        stream_response(&chat_id, &access_token, pending_version, body).ok_or_else(|| {
            warn!(chat = %chat_id, "the token cannot travel in a header");
            Problem::new(ProblemKind::PlatformRejected)
        })
    }
}

impl fmt::Debug for TurnView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnView").field("chat_id", &self.context.chat_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut view = f.debug_struct("OpenedView");
        view.field("chat_id", &self.chat_id).field("pending_version", &self.pending_version);
        view.finish_non_exhaustive()
    }
}
