//! One request to the platform: with a timeout for each attempt, and a budget for all of them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use headstart_core::sessions::{SessionsError, SessionsErrorKind};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Response;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::Timeouts;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const MAX_WAIT: Duration = Duration::from_secs(1);
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

pub(crate) struct Http {
    pub(crate) client: reqwest::Client,
    pub(crate) base_url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) timeouts: Timeouts,
}

/// An answer whose status is 2xx.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    /// Sends a request until it is answered, refused for good, or the budget is spent. `accept` reads the
    /// answer; one that makes no sense is worth another try. Cancel-safe: dropping it drops the attempt.
    pub(crate) async fn send<T>(
        &self,
        method: Method,
        path: &str,
        extra: HeaderMap,
        body: Bytes,
        accept: impl Fn(Answer) -> Result<T, String>,
    ) -> Result<T, SessionsError> {
        let until = Instant::now() + self.timeouts.budget;
        let mut headers = self.headers.clone();
        headers.extend(extra);
        // The same for each attempt: the platform can tell a retry.
        if let Ok(key) = HeaderValue::from_str(&uuid()) {
            headers.insert("x-trigger-request-idempotency-key", key);
        }
        let mut wait = FIRST_WAIT;
        loop {
            let by = until.min(Instant::now() + self.timeouts.attempt);
            let attempt = self.attempt(method.clone(), path, &headers, &body);
            let failure = match timeout_at(by, attempt).await {
                Ok(Ok(answer)) => match accept(answer) {
                    Ok(value) => return Ok(value),
                    Err(why) => Failure::new(SessionsErrorKind::Malformed, why),
                },
                Ok(Err(failure)) => failure,
                Err(_) => Failure::new(SessionsErrorKind::Timeout, "no answer in time"),
            };
            let pause = failure.wait.unwrap_or(wait).max(Duration::from_millis(10));
            if !failure.may_retry || Instant::now() + pause >= until {
                return Err(SessionsError::new(
                    failure.kind,
                    format!("{method} {path}: {}", failure.message),
                ));
            }
            debug!(%method, path, why = failure.message, "trying again");
            sleep(pause).await;
            wait = (wait * 2).min(MAX_WAIT);
        }
    }

    async fn attempt(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.base_url);
        let mut request = self.client.request(method.clone(), url).headers(headers.clone());
        if method != Method::GET {
            // A whole body: it is sent with its length, which the platform insists on.
            request = request.header(http::header::CONTENT_LENGTH, body.len()).body(body.clone());
        }
        let response = request.send().await.map_err(|error| Failure::network(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::status(response).await);
        }
        let headers = response.headers().clone();
        let body = read_body(response, MAX_ANSWER).await.map_err(|error| Failure::network(&error))?;
        // It would be no smaller the next time.
        let too_large = || Failure {
            may_retry: false,
            ..Failure::new(SessionsErrorKind::Malformed, "the answer is too large")
        };
        Ok(Answer { status, headers, body: body.ok_or_else(too_large)? })
    }
}

/// The body of an answer, whatever length it states; `None` when it is larger than `most`.
pub(crate) async fn read_body(mut response: Response, most: usize) -> reqwest::Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// Why an attempt failed.
struct Failure {
    kind: SessionsErrorKind,
    message: String,
    may_retry: bool,
    wait: Option<Duration>,
}

impl Failure {
    fn new(kind: SessionsErrorKind, message: impl Into<String>) -> Self {
        use SessionsErrorKind::{Malformed, RateLimited, Timeout, Unavailable};
        let may_retry = matches!(kind, Unavailable | Timeout | Malformed | RateLimited);
        Self { kind, message: message.into(), may_retry, wait: None }
    }

    fn network(error: &reqwest::Error) -> Self {
        // Its URL holds nothing secret, but its causes say what really happened.
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::new(SessionsErrorKind::Unavailable, message)
    }

    async fn status(response: Response) -> Self {
        let status = response.status();
        let headers = response.headers().clone();
        let mut failure = Self::new(status_kind(status), format!("status {status}"));
        failure.wait = retry_after(&headers);
        match headers.get("x-should-retry").and_then(|value| value.to_str().ok()) {
            Some("true") => failure.may_retry = true,
            Some("false") => failure.may_retry = false,
            _ => {}
        }
        failure
    }
}

pub(crate) fn status_kind(status: StatusCode) -> SessionsErrorKind {
    match status.as_u16() {
        401 | 403 => SessionsErrorKind::Unauthorized,
        404 => SessionsErrorKind::NotFound,
        408 => SessionsErrorKind::Timeout,
        409 | 410 => SessionsErrorKind::Closed,
        413 => SessionsErrorKind::TooLarge,
        429 => SessionsErrorKind::RateLimited,
        400..=499 => SessionsErrorKind::Rejected,
        _ => SessionsErrorKind::Unavailable,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(ms) = number("retry-after-ms") {
        return Some(Duration::from_millis(ms));
    }
    if let Some(reset) = number("x-ratelimit-reset") {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        return Some(Duration::from_millis(reset).saturating_sub(now));
    }
    number("retry-after").map(Duration::from_secs)
}

/// A random UUID, version 4.
fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness all requests would share a key; an all-zero one is at least seen.
    let _ = getrandom::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
