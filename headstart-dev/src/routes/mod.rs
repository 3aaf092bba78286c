//! The sessions API (`docs/protocol.md`, "Sessions API").

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State as Shared},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::json;

use crate::{
    manage,
    meddle::{Meddler, meddle},
    platform::State,
    snapshots, token, waitpoints,
};

mod sessions;
mod streams;

pub(crate) use sessions::item;
pub(crate) use streams::session_key;

const MAX_APPEND_BYTES: usize = 1024 * 1024;

type Platform = Shared<Arc<State>>;
pub(crate) type Answer = Result<Response, Problem>;

/// An error answer.
pub(crate) struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        tracing::warn!(%error, "stream store");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong, please try again.".to_owned())
    }
}

pub(crate) fn problem(status: u16, text: impl Into<String>) -> Problem {
    Problem(StatusCode::from_u16(status).unwrap_or_default(), text.into())
}

pub(crate) fn router(state: Arc<State>, meddler: Meddler) -> Router {
    Router::new()
        .route("/api/v1/sessions", post(sessions::create).get(manage::list))
        .route("/api/v1/sessions/{id}", get(sessions::retrieve).patch(manage::update))
        .route("/api/v1/sessions/{id}/close", post(sessions::close))
        .route("/api/v1/sessions/{id}/snapshot-url", get(snapshots::presign).put(snapshots::presign))
        .route("/snapshots/{key}", get(snapshots::download).put(snapshots::upload))
        .route("/api/v3/runs/{id}", get(sessions::retrieve_run))
        .route("/api/v2/runs/{id}/cancel", post(sessions::cancel_run))
        .route("/api/v1/runs/{id}/session-streams/wait", post(waitpoints::create))
        .route("/engine/v1/runs/{run}/waitpoints/tokens/{id}/wait", post(waitpoints::block))
        .route("/api/v1/waitpoints/tokens/{id}", get(waitpoints::retrieve))
        .route("/api/v1/auth/jwt/claims", post(manage::claims))
        .route("/api/v1/auth/public-tokens", post(manage::public_token))
        .route("/realtime/v1/sessions/{id}/{io}", put(streams::open).get(streams::subscribe))
        .route("/realtime/v1/sessions/{id}/{io}/append", post(streams::append))
        .route("/realtime/v1/sessions/{id}/{io}/records", get(streams::records))
        .layer(DefaultBodyLimit::max(4 * MAX_APPEND_BYTES))
        .layer(from_fn_with_state(meddler, meddle))
        .layer(from_fn(cors))
        .with_state(state)
}

/// Every origin may call with any header, and read every header; also of errors.
async fn cors(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page's transport sends the application's own headers here, too.
    headers.extend(asked.map(|asked| (header::ACCESS_CONTROL_ALLOW_HEADERS, asked)));
    response
}

/// Who calls.
pub(crate) enum Caller {
    /// With the root key, or with one that may do all but sign.
    Server {
        is_root: bool,
    },
    Token(Vec<String>),
}

impl Caller {
    pub(crate) fn of(state: &State, headers: &HeaderMap) -> Result<Self, Problem> {
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bearer = bearer.strip_prefix("Bearer ").unwrap_or(bearer).trim();
        if bearer.is_empty() {
            return Err(problem(401, "Invalid or Missing API key"));
        }
        if bearer == state.secret_key {
            return Ok(Self::Server { is_root: true });
        }
        if state.additional_key.as_deref() == Some(bearer) {
            return Ok(Self::Server { is_root: false });
        }
        token::scopes(&state.secret_key, bearer)
            .map(Self::Token)
            .ok_or_else(|| problem(401, "Invalid API key"))
    }

    pub(crate) fn server_only(&self) -> Result<(), Problem> {
        match self {
            Self::Server { .. } => Ok(()),
            Self::Token(_) => Err(problem(403, "Unauthorized")),
        }
    }

    /// Only who has the environment's own key.
    pub(crate) fn root_only(&self) -> Result<(), Problem> {
        match self {
            Self::Server { is_root: true } => Ok(()),
            _ => Err(problem(403, "Unauthorized")),
        }
    }

    /// Who may read all sessions.
    pub(crate) fn may_list(&self) -> Result<(), Problem> {
        match self {
            Self::Server { .. } => Ok(()),
            Self::Token(scopes) if scopes.iter().any(|scope| scope == "read:sessions") => Ok(()),
            Self::Token(_) => Err(problem(403, "Unauthorized")),
        }
    }

    pub(crate) fn may(&self, action: &str, key: &str) -> Result<(), Problem> {
        let all = format!("{action}:sessions");
        match self {
            Self::Server { .. } => Ok(()),
            Self::Token(scopes)
                if scopes.iter().any(|scope| *scope == all || *scope == format!("{all}:{key}")) =>
            {
                Ok(())
            }
            Self::Token(_) => Err(problem(403, "Unauthorized")),
        }
    }
}

/// A size that is stated and small enough; the body of a request without one is not even read.
pub(crate) fn check_length(headers: &HeaderMap, most: usize) -> Result<(), Problem> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match length {
        Some(length) if length <= most => Ok(()),
        _ => Err(problem(413, "Request body too large")),
    }
}
