//! What a page needs beside the first turn: to begin a chat without a message, to renew a token, to let
//! somebody watch, to close a chat.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    Action, Grant, HeadStart, TokenSpec,
    admission::Passage,
    head_start::respond,
    hooks::RequestContext,
    http::{Body, FirstTurnRequest, Problem, ProblemKind, RequestId, parse, read_json},
    sessions::{SessionsError, SessionsErrorKind},
    turn::Refusal,
    turn_plan,
    wire::{ChatId, Json},
};

/// Bytes of a body: the application's data about the user, no history.
const MAX_BODY: usize = 64 * 1024;
/// Characters of the reason for closing that the platform keeps.
const MAX_REASON: usize = 256;

/// The routes beside the first turn, behind the same `authorize`, origins and chat ids. Cheap to clone.
///
/// | `POST` to | Body | Answer |
/// |---|---|---|
/// | `…/{chat}/start` | `{clientData?, taskId?}` | `{publicAccessToken, runId, sessionId, pendingVersion?}` |
/// | `…/{chat}/access-token` | `{clientData?}` | `{publicAccessToken}` |
/// | `…/{chat}/watch-token` | `{clientData?}` | `{publicAccessToken}`, for reading only |
/// | `…/{chat}/close` | `{reason?}` | 204 |
///
/// `{chat}` is the chat's id as one percent-encoded segment; what is in front of it does not matter. Bodies are
/// `application/json` and may be empty. Errors are the [`Problem`]s of the handler. Each of these is an
/// [`Action`] for `authorize`.
#[derive(Clone)]
pub struct SessionRoutes {
    head_start: HeadStart,
    lifetime: Option<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    chat_id: Option<String>,
    task_id: Option<String>,
    client_data: Option<Json>,
    reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    public_access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pending_version: bool,
}

impl HeadStart {
    /// The routes that a page needs beside this handler.
    #[must_use]
    pub fn session_routes(&self) -> SessionRoutes {
        SessionRoutes { head_start: self.clone(), lifetime: None }
    }
}

impl SessionRoutes {
    /// How long tokens are good: those of `start`, too, which otherwise gives the session's own. Defaults to
    /// an hour.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Answers one request. Errors become JSON problems; this never fails.
    pub async fn handle<B>(&self, request: http::Request<B>) -> http::Response<Body>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let request_id = RequestId::of(&head.headers);
        respond(request_id, self.answer(head, body)).await
    }

    async fn answer<B>(&self, head: Parts, body: B) -> Result<http::Response<Body>, Problem>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (chat, action) = target(head.uri.path())?;
        self.head_start.check_origin(&head)?;
        let settings = &self.head_start.0.settings;
        let bytes =
            read_json(&head, body, MAX_BODY.min(settings.limits.body_bytes), &settings.limits).await?;
        let fields: Fields = match &*bytes {
            [] => Fields::default(),
            bytes => parse(bytes, "the body is not an object of the known fields")?,
        };
        self.head_start.check_chat_id(&chat)?;
        fields.check(&chat, &settings.agent_id)?;
        let request = FirstTurnRequest::of(chat, Vec::new(), fields.client_data);
        let context = RequestContext::new(Arc::new(head), &request);
        let grant = self.head_start.authorize(&context, action, Vec::new()).await?;
        match action {
            Action::Start => self.start(&context, &request, &grant).await,
            Action::WatchToken => {
                let token = self.mint(TokenSpec::read_only(context.chat_id.clone())).await?;
                Ok(access(token))
            }
            Action::Close => {
                let close = self.head_start.0.sessions.close(&context.chat_id, fields.reason);
                self.within(close).await?;
                let mut response = http::Response::new(Body::full(""));
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            Action::AccessToken | Action::FirstTurn => {
                let token = self.mint(TokenSpec::read_write(context.chat_id.clone())).await?;
                Ok(access(self.head_start.token(&context, token).await?))
            }
        }
    }

    /// Creates the session with a run that waits for the first message, or finds the one there is.
    async fn start(
        &self,
        context: &RequestContext,
        request: &FirstTurnRequest,
        grant: &Grant,
    ) -> Result<http::Response<Body>, Problem> {
        self.head_start.ask_quota(context, grant, &[]).await?;
        let session = turn_plan::preload(&self.head_start.0.settings, request, grant)?;
        let inner = &self.head_start.0;
        if let Passage::Barred(wait) = inner.circuit.admit(inner.runtime.now()) {
            return Err(Problem::new(ProblemKind::Unavailable).retry_after(wait));
        }
        let asked = inner.circuit.ask(inner.runtime.clone());
        let create = async {
            let created = inner.sessions.create(session).await;
            asked.answered(&created);
            created
        };
        let opened = self.within(create).await?;
        let token = match self.lifetime {
            Some(_) => self.mint(TokenSpec::read_write(context.chat_id.clone())).await?,
            None => opened.access_token,
        };
        Ok(json(&Access {
            public_access_token: self.head_start.token(context, token).await?,
            run_id: opened.run_id,
            session_id: opened.session_id,
            pending_version: opened.is_pending_version,
        }))
    }

    async fn mint(&self, token: TokenSpec) -> Result<String, Problem> {
        let token = match self.lifetime {
            Some(lifetime) => token.lifetime(lifetime),
            None => token,
        };
        self.within(self.head_start.0.sessions.mint_token(token)).await
    }

    /// A call of the platform, which has the time that `create` has in a turn.
    async fn within<T>(&self, call: impl Future<Output = Result<T, SessionsError>>) -> Result<T, Problem> {
        let inner = &self.head_start.0;
        let result = tokio::select! {
            result = call => result,
            () = inner.runtime.sleep(inner.settings.deadlines.create) => {
                Err(SessionsError::new(SessionsErrorKind::Timeout, "no answer in time"))
            }
        };
        result.map_err(|error| {
            warn!(%error, "the platform refuses");
            match error.kind() {
                SessionsErrorKind::NotFound => Problem::new(ProblemKind::NotFound),
                _ => Refusal::from(&error).into(),
            }
        })
    }
}

impl Fields {
    fn check(&self, chat: &ChatId, agent: &str) -> Result<(), Problem> {
        if self.chat_id.as_ref().is_some_and(|id| id.trim() != chat.as_str()) {
            return Err(Problem::invalid("chatId is another one than the address says"));
        }
        if self.task_id.as_ref().is_some_and(|task| task != agent) {
            return Err(Problem::invalid("taskId is not the agent of this application"));
        }
        if self.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
            return Err(Problem::invalid(format!("reason is longer than {MAX_REASON} characters")));
        }
        Ok(())
    }
}

/// Whose chat, and what with it: the last two segments of a path.
fn target(path: &str) -> Result<(ChatId, Action), Problem> {
    let not_found = || Problem::new(ProblemKind::NotFound);
    let (rest, action) = path.rsplit_once('/').ok_or_else(not_found)?;
    let action = match action {
        "start" => Action::Start,
        "access-token" => Action::AccessToken,
        "watch-token" => Action::WatchToken,
        "close" => Action::Close,
        _ => return Err(not_found()),
    };
    let (_, chat) = rest.rsplit_once('/').ok_or_else(not_found)?;
    let chat =
        percent_decode_str(chat).decode_utf8().map_err(|_| Problem::invalid("the chat id is not UTF-8"))?;
    Ok((chat.parse().map_err(|error| Problem::invalid(format!("{error}")))?, action))
}

fn access(public_access_token: String) -> http::Response<Body> {
    json(&Access { public_access_token, run_id: None, session_id: None, pending_version: false })
}

fn json<T: Serialize>(value: &T) -> http::Response<Body> {
    let mut response = http::Response::new(Body::full(serde_json::to_vec(value).unwrap_or_default()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // It holds a token.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl fmt::Debug for SessionRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRoutes").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_segments_say_which_chat_and_what_with_it() {
        let found = |path: &str| target(path).map(|(chat, action)| (chat.to_string(), action));
        assert_eq!(found("/c1/start"), Ok(("c1".into(), Action::Start)));
        assert_eq!(found("/api/chat/a%2Fb%20%C3%A9/close"), Ok(("a/b é".into(), Action::Close)));
        for (path, kind) in [
            ("/start", ProblemKind::NotFound),
            ("start", ProblemKind::NotFound),
            ("/c1/open", ProblemKind::NotFound),
            ("/c1/start/", ProblemKind::NotFound),
            ("//start", ProblemKind::InvalidRequest),
            ("/%FF/start", ProblemKind::InvalidRequest),
            ("/session_1/start", ProblemKind::InvalidRequest),
        ] {
            assert_eq!(found(path).map_err(|problem| problem.kind()), Err(kind), "{path}");
        }
    }
}
