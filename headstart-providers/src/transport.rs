//! One streaming request to a model's API: retried until it is answered, never after.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use headstart_core::step::{StepError, StepErrorKind, StepEvent, StepStream};
use http::{HeaderMap, HeaderValue};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::answer::{AnswerDecoder, Api};

/// Tries of one call, the first included.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A provider that wants a longer wait than this has refused.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// An error answer tells its type within this, in bytes.
const MAX_ERROR: usize = 64 * 1024;
/// How long the end of an answer that is over may take.
const LINGER: Duration = Duration::from_secs(2);

/// Why a model cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelConfigError {
    /// No API key was given, and the environment has none.
    #[error("no API key: set {0}")]
    MissingKey(&'static str),
    /// A server of one's own needs an address.
    #[error("no base URL: set {0}")]
    MissingUrl(&'static str),
    /// A key or header cannot travel in a request.
    #[error("{0} cannot be sent in a header")]
    Header(&'static str),
    /// The HTTP client could not be made.
    #[error("no HTTP client: {0}")]
    Http(String),
}

/// The connection to a model's API, and how long it may be silent. There is no limit for a whole answer:
/// a long one is not a broken one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Transport {
    client: reqwest::Client,
    /// Until the head of the answer. Defaults to 60 s.
    pub first_byte: Duration,
    /// Between two pieces of the answer. Defaults to 60 s.
    pub idle: Duration,
}

impl Transport {
    /// With a client of its own.
    ///
    /// # Errors
    /// When the HTTP client cannot be made: no certificate store, say.
    pub fn new() -> Result<Self, ModelConfigError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ModelConfigError::Http(error.to_string()))?;
        Ok(Self::with_client(client))
    }

    /// With this client, which must not have a total timeout.
    #[must_use]
    pub fn with_client(client: reqwest::Client) -> Self {
        Self { client, first_byte: Duration::from_secs(60), idle: Duration::from_secs(60) }
    }

    /// Posts a request and decodes its stream. Dropping the stream closes the connection.
    pub(crate) fn stream(&self, api: Api, request: Request) -> StepStream {
        let call = Call {
            transport: self.clone(),
            api,
            request,
            answer: AnswerDecoder::new(api),
            response: None,
            tries: 0,
            has_begun: false,
        };
        let events = stream::unfold(Some(call), |call| async move {
            let mut call = call?;
            match call.next().await {
                Some(Ok(event)) => Some((Ok(event), Some(call))),
                Some(Err(error)) => Some((Err(error), None)),
                None => None,
            }
        });
        Box::pin(events)
    }

    async fn connect(&self, api: Api, request: Request) -> Result<reqwest::Response, StepError> {
        let Request { url, headers, body } = request;
        let sent = self.client.post(url).headers(headers).body(body).send();
        let response = match timeout(self.first_byte, sent).await {
            Ok(sent) => sent.map_err(|error| transport_error(&error))?,
            Err(_) => return Err(StepError::new(StepErrorKind::Timeout, "no answer")),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let kind = match status.as_u16() {
            408 | 409 | 429 | 500.. => StepErrorKind::Unavailable,
            _ => StepErrorKind::Rejected,
        };
        let wait = retry_after(response.headers());
        let refusal = api.refusal(&error_body(response).await);
        Err(StepError::new(kind, format!("status {status} {}", refusal.kind))
            .with_retry_after(wait.or(refusal.retry_after)))
    }
}

/// A request to a model's API.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The stream of a request that could not even be written.
pub(crate) fn failed(error: StepError) -> StepStream {
    Box::pin(stream::once(async { Err(error) }))
}

struct Call {
    transport: Transport,
    api: Api,
    request: Request,
    answer: AnswerDecoder,
    response: Option<reqwest::Response>,
    tries: u32,
    has_begun: bool,
}

impl Call {
    async fn next(&mut self) -> Option<Result<StepEvent, StepError>> {
        loop {
            let failed = match self.answer.next_event() {
                Ok(Some(event)) => {
                    self.has_begun |= !matches!(event, StepEvent::Start);
                    return Some(Ok(event));
                }
                Ok(None) if self.answer.is_done() => {
                    self.release();
                    return None;
                }
                Ok(None) => self.advance().await.err(),
                Err(error) => Some(error),
            };
            let Some(error) = failed else { continue };
            // What was said cannot be unsaid: only a call that said nothing may be made again.
            let may_retry = !self.has_begun && self.tries < TRIES && error.is_retryable();
            let wait = error.retry_after().unwrap_or(FIRST_WAIT * 2_u32.pow(self.tries.saturating_sub(1)));
            if !may_retry || wait > MAX_WAIT {
                return Some(Err(error));
            }
            debug!(%error, "calling the model again");
            self.response = None;
            self.answer = AnswerDecoder::new(self.api);
            sleep(wait).await;
        }
    }

    /// Reads an answer that is over to its last byte, beside everything else: only then can its connection
    /// be used again, and the provider does not take us for gone.
    fn release(&mut self) {
        if let (Some(mut response), Ok(runtime)) =
            (self.response.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
                // One that does not end is dropped.
                let _ = timeout(LINGER, rest).await;
            });
        }
    }

    /// Reads on until there is something new.
    async fn advance(&mut self) -> Result<(), StepError> {
        let Some(response) = &mut self.response else {
            self.tries += 1;
            let connected = self.transport.connect(self.api, self.request.clone()).await;
            self.response = Some(connected?);
            return Ok(());
        };
        let is_ending = self.answer.is_ending();
        let idle = if is_ending { self.transport.idle.min(LINGER) } else { self.transport.idle };
        let failed = match timeout(idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) => return self.answer.feed(&bytes),
            Ok(Ok(None)) => return self.answer.close(),
            Ok(Err(error)) => transport_error(&error),
            Err(_) => StepError::new(StepErrorKind::Timeout, "it fell silent"),
        };
        // All was said; that the connection did not close in good order changes nothing.
        if is_ending { self.answer.close() } else { Err(failed) }
    }
}

/// The body of an error answer, or its beginning.
async fn error_body(mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(bytes)) = response.chunk().await {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_ERROR {
                break;
            }
        }
    };
    // What has come by then has to do.
    let _ = timeout(Duration::from_secs(2), read).await;
    body
}

fn transport_error(error: &reqwest::Error) -> StepError {
    // Keys are in headers, so the URL is no secret; what really happened is in the causes.
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    StepError::new(StepErrorKind::Transport, message)
}

/// The wait that the provider asks for, in one of the three forms in use.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let date = || {
        let at = httpdate::parse_http_date(text("retry-after")?).ok()?;
        Some(at.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64())
    };
    let ms = number("retry-after-ms").map(|ms| ms / 1000.0);
    let seconds = ms.or_else(|| number("retry-after")).or_else(date)?;
    (0.0..=60.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// A header that holds a key and hides it.
pub(crate) fn secret(value: &str) -> Result<HeaderValue, ModelConfigError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| ModelConfigError::Header("the API key"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A variable of the environment that is set to something.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_in_each_form_and_an_absurd_one_is_ignored() {
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        for (name, value, expected) in [
            ("retry-after-ms", "1500", Some(1500)),
            ("retry-after", "2", Some(2000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", "3600", None),
            ("retry-after", "-1", None),
            ("retry-after", "soon", None),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), expected.map(Duration::from_millis), "{name}: {value}");
        }
        let headers = HeaderMap::from_iter([("retry-after".parse().unwrap(), later.parse().unwrap())]);
        let wait = retry_after(&headers).unwrap();
        assert!((28..=30).contains(&wait.as_secs()), "{wait:?}");
    }
}
