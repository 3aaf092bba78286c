//! Errors as the browser sees them: RFC 9457 problems. They say what happened and what to do, and nothing of
//! what is inside.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::Body;
use crate::turn::Refusal;

/// What went wrong with a request; each kind is one status and one `type` URI, both stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// 400: the body is not what the protocol says.
    InvalidRequest,
    /// 401: nobody is signed in.
    Unauthenticated,
    /// 403: this chat belongs to somebody else.
    Forbidden,
    /// 403: the page or the host is none of those that are served.
    OriginNotAllowed,
    /// 404: there is no such address, or no such chat.
    NotFound,
    /// 405: only POST.
    MethodNotAllowed,
    /// 409: the session is closed or expired; use another chat id.
    SessionClosed,
    /// 413: too much for one request.
    TooLarge,
    /// 415: only JSON.
    UnsupportedMediaType,
    /// 429: too many requests of this user.
    TooManyRequests,
    /// 500: the application's own code failed.
    Internal,
    /// 502: the platform did not accept the request.
    PlatformRejected,
    /// 503: the platform cannot be reached.
    Unavailable,
    /// 503: this server is about to stop, or has as much to do as it can.
    Busy,
    /// 503: head start is switched off.
    SwitchedOff,
    /// 504: the platform did not answer in time.
    PlatformTimeout,
}

impl ProblemKind {
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "This chat is not yours"),
            Self::OriginNotAllowed => {
                (StatusCode::FORBIDDEN, "origin-not-allowed", "This page may not use this server")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing here"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Only POST is answered here")
            }
            Self::SessionClosed => {
                (StatusCode::CONFLICT, "session-closed", "This chat is closed; begin a new one")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Send application/json")
            }
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests; wait a moment")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side")
            }
            Self::PlatformRejected => {
                (StatusCode::BAD_GATEWAY, "platform-rejected", "The chat could not be started")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The chat cannot be started now; try again")
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much to do right now; try again"),
            Self::SwitchedOff => {
                (StatusCode::SERVICE_UNAVAILABLE, "switched-off", "This is switched off for now")
            }
            Self::PlatformTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "platform-timeout",
                "The chat could not be started in time; try again",
            ),
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().0
    }
}

/// A problem: its kind, and what to tell the client about this case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .detail.as_deref().unwrap_or(.kind.facts().2))]
pub struct Problem {
    kind: ProblemKind,
    detail: Option<String>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem without details.
    #[must_use]
    pub const fn new(kind: ProblemKind) -> Self {
        Self { kind, detail: None, retry_after: None }
    }

    /// The same with a sentence for the client; it must hold nothing internal.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with the time after which it may be tried again. Without it, 429 and 503 say 2 s.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A 400 with this sentence.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::InvalidRequest).detail(detail)
    }

    /// Which kind.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// As a response: `application/problem+json`.
    #[must_use]
    pub fn into_response(self) -> http::Response<Body> {
        self.respond(None)
    }

    /// The same, naming the request it is about.
    pub(crate) fn respond(self, request_id: Option<&str>) -> http::Response<Body> {
        #[derive(Serialize)]
        struct Json<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'a str>,
            #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        let (status, name, title) = self.kind.facts();
        let json = Json {
            r#type: format!("urn:headstart:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail.as_deref(),
            request_id,
        };
        let mut response = http::Response::new(Body::full(serde_json::to_vec(&json).unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == ProblemKind::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            // Whole seconds, rounded up.
            let wait = self.retry_after.unwrap_or(Duration::from_secs(2));
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(match refusal {
            Refusal::SessionClosed => ProblemKind::SessionClosed,
            Refusal::TooLarge => ProblemKind::TooLarge,
            Refusal::PlatformRejected => ProblemKind::PlatformRejected,
            Refusal::PlatformUnavailable => ProblemKind::Unavailable,
            Refusal::PlatformTimeout => ProblemKind::PlatformTimeout,
        })
    }
}
