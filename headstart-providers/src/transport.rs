//! One streaming request to a model's API: retried until it is answered, never after.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use headstart_core::{
    sse::{Decoder, Event},
    step::{StepError, StepErrorKind, StepEvent, StepStream},
};
use http::HeaderMap;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// Tries of one call, the first included.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A provider that wants a longer wait than this has refused.
const MAX_WAIT: Duration = Duration::from_secs(20);
const MAX_EVENT: usize = 8 * 1024 * 1024;

/// Why a model cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelConfigError {
    /// No API key was given, and the environment has none.
    #[error("no API key: set {0}")]
    MissingKey(&'static str),
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
    pub(crate) fn stream<D: Decode>(&self, request: Request) -> StepStream {
        let call = Call {
            transport: self.clone(),
            request,
            decoder: D::default(),
            response: None,
            sse: Decoder::new(MAX_EVENT),
            ready: VecDeque::new(),
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
}

/// A request to a model's API.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Turns the events of one API into ours.
pub(crate) trait Decode: Default + Send + 'static {
    /// Takes in one event.
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError>;

    /// Has the model said that it is done?
    fn is_done(&self) -> bool;

    /// What an error answer says about itself: its type, if it has one.
    fn error_type(body: &[u8]) -> Option<String>;
}

struct Call<D> {
    transport: Transport,
    request: Request,
    decoder: D,
    response: Option<reqwest::Response>,
    sse: Decoder,
    ready: VecDeque<StepEvent>,
    tries: u32,
    has_begun: bool,
}

impl<D: Decode> Call<D> {
    async fn next(&mut self) -> Option<Result<StepEvent, StepError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.has_begun |= !matches!(event, StepEvent::Start);
                return Some(Ok(event));
            }
            if self.decoder.is_done() {
                self.release();
                return None;
            }
            if let Err(error) = self.advance().await {
                // What was said cannot be unsaid: only a call that said nothing may be made again.
                let may_retry = !self.has_begun && self.tries < TRIES && error.is_retryable();
                let wait =
                    error.retry_after().unwrap_or(FIRST_WAIT * 2_u32.pow(self.tries.saturating_sub(1)));
                if !may_retry || wait > MAX_WAIT {
                    return Some(Err(error));
                }
                debug!(%error, "calling the model again");
                self.response = None;
                self.decoder = D::default();
                self.sse = Decoder::new(MAX_EVENT);
                sleep(wait).await;
            }
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
                let _ = timeout(Duration::from_secs(2), rest).await;
            });
        }
    }

    /// Reads on until there is something new.
    async fn advance(&mut self) -> Result<(), StepError> {
        if let Some(event) = self.sse.next_event() {
            return self.decoder.event(&event, &mut self.ready);
        }
        let Some(response) = &mut self.response else {
            self.tries += 1;
            let connected = self.transport.clone().connect(self.request.clone(), D::error_type).await;
            self.response = Some(connected?);
            return Ok(());
        };
        match timeout(self.transport.idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) => self
                .sse
                .feed(&bytes)
                .map_err(|error| StepError::new(StepErrorKind::Malformed, error.to_string())),
            Ok(Ok(None)) => Err(StepError::new(StepErrorKind::Truncated, "it ended without its last event")),
            Ok(Err(error)) => Err(transport_error(&error)),
            Err(_) => Err(StepError::new(StepErrorKind::Timeout, "it fell silent")),
        }
    }
}

impl Transport {
    async fn connect(
        self,
        Request { url, headers, body }: Request,
        error_type: fn(&[u8]) -> Option<String>,
    ) -> Result<reqwest::Response, StepError> {
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
        let body = timeout(Duration::from_secs(2), response.bytes()).await;
        // The type of an error is a constant of the API; its message may quote the request.
        let what = body.ok().and_then(Result::ok).and_then(|body| error_type(&body)).unwrap_or_default();
        Err(StepError::new(kind, format!("status {status} {what}")).with_retry_after(wait))
    }
}

fn transport_error(error: &reqwest::Error) -> StepError {
    StepError::new(StepErrorKind::Transport, error.to_string())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let ms = number("retry-after-ms").or_else(|| number("retry-after").map(|seconds| seconds * 1000.0))?;
    (0.0..=60_000.0).contains(&ms).then(|| Duration::from_secs_f64(ms / 1000.0))
}
