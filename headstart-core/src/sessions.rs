//! Durable sessions, as the turn needs them.
//!
//! [`Sessions`] is the boundary between the rules of the protocol, which are here, and a platform, which is
//! not: `headstart-trigger` implements it over HTTP and S2. An implementation retries, times out and
//! authenticates; it decides nothing about a turn.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use futures_core::Stream;

use crate::{
    TokenSpec,
    wire::{ChatId, CreateSession, Json, Record, Seq},
};

/// A future of an implementation.
pub type SessionsFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionsError>> + Send + 'a>>;

/// Records as they come. Ends with an error, or when the platform ended the connection; either way a new
/// subscription may go on behind the last record.
pub type RecordStream = Pin<Box<dyn Stream<Item = Result<Record, SessionsError>> + Send>>;

/// A platform that keeps sessions.
pub trait Sessions: Send + Sync + 'static {
    /// Creates the session of a chat and starts its agent's run, or finds the session that exists.
    ///
    /// Retried by the implementation within its budget: the same session comes back, and
    /// [`Opened::metadata`] tells whose it is.
    fn create(&self, session: CreateSession) -> SessionsFuture<'_, Opened>;

    /// Opens `session.out` for writing. May run before or beside [`create`](Self::create).
    fn open_out(&self, chat: &ChatId) -> SessionsFuture<'_, Box<dyn OutWriter>>;

    /// Appends one input to `session.in`.
    ///
    /// `part_id` makes it idempotent: the same one is written once, however often it is sent.
    fn append_in(&self, chat: &ChatId, input: Bytes, part_id: &str) -> SessionsFuture<'_, Appended>;

    /// Reads a stream from behind `after` (from its first stored record when `None`) and waits for more.
    fn subscribe(&self, chat: &ChatId, channel: Channel, after: Option<Seq>) -> RecordStream;

    /// What a stream holds now behind `after`, without waiting.
    fn records(&self, chat: &ChatId, channel: Channel, after: Option<Seq>)
    -> SessionsFuture<'_, Vec<Record>>;

    /// What a run does, as far as a turn wants to know. Asked only where another process fell silent. The
    /// default does not know: not every platform tells.
    fn run_state(&self, run_id: &str) -> SessionsFuture<'_, RunState> {
        let _ = run_id;
        Box::pin(async { Ok(RunState::Unknown) })
    }

    /// Makes a token for a browser. The default refuses: not every platform has tokens.
    fn mint_token(&self, token: TokenSpec) -> SessionsFuture<'_, String> {
        let _ = token;
        Box::pin(async { Err(unsupported("tokens")) })
    }

    /// Closes a session for good; closing one that is closed changes nothing. The default refuses.
    fn close(&self, chat: &ChatId, reason: Option<String>) -> SessionsFuture<'_, ()> {
        let _ = (chat, reason);
        Box::pin(async { Err(unsupported("closing")) })
    }

    /// Makes connections ahead of traffic. The default does nothing.
    fn warm(&self) -> SessionsFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn unsupported(what: &str) -> SessionsError {
    SessionsError::new(SessionsErrorKind::Rejected, format!("this platform has no {what}"))
}

/// One of a session's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Clients to agent.
    In,
    /// Agent (and, in step 1, the warm server) to clients.
    Out,
}

impl Channel {
    /// `in` or `out`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// A session that was created or found.
#[derive(Clone)]
#[non_exhaustive]
pub struct Opened {
    /// Lets the browser read and write this session. Never logged.
    pub access_token: String,
    /// The session was there before this call (or before an earlier try of it).
    pub is_existing: bool,
    /// Metadata of the session, as it was first created.
    pub metadata: Option<Json>,
    /// The platform's own id of the session.
    pub session_id: Option<String>,
    /// The run that serves the session.
    pub run_id: Option<String>,
    /// The run waits for a deployment.
    pub is_pending_version: bool,
}

impl Opened {
    /// A new session with this token.
    #[must_use]
    pub fn new(access_token: impl Into<String>) -> Self {
        Self {
            access_token: access_token.into(),
            is_existing: false,
            metadata: None,
            session_id: None,
            run_id: None,
            is_pending_version: false,
        }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("is_existing", &self.is_existing)
            .field("run_id", &self.run_id)
            .field("is_pending_version", &self.is_pending_version)
            .finish_non_exhaustive()
    }
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RunState {
    /// The platform does not tell.
    #[default]
    Unknown,
    /// It was started for a handover and is up: it waits for one, or works on what it was handed over.
    TakesHandover,
    /// It is over, or took the place of one that is: only an ordinary message is heard.
    TakesMessages,
}

/// An input is on `session.in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Where; `None` when the platform does not say (an earlier try of the same part was first).
    pub seq: Option<Seq>,
}

/// Writes records to one `session.out`, one batch at a time.
pub trait OutWriter: Send {
    /// Writes a batch and waits until it is durable. Bodies are whole record bodies, and at most
    /// [`MAX_BATCH_RECORDS`] of them and [`MAX_BATCH_BYTES`] together.
    ///
    /// When `match_seq` is given, the batch is written only if it would begin there.
    fn append(&mut self, batch: Vec<Bytes>, match_seq: Option<Seq>) -> SessionsFuture<'_, Written>;

    /// How long the platform wants records to be gathered before a batch is sent.
    fn linger(&self) -> Duration;
}

/// The most records of one batch.
pub const MAX_BATCH_RECORDS: usize = 1000;
/// The most bytes of one batch: the store's limit of 1 MiB less what it counts for each record.
pub const MAX_BATCH_BYTES: usize = 900 * 1024;
/// The most bytes of one record's body.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024 - 1024;

/// A batch is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Position of its first record.
    pub first: Seq,
    /// Position of its last record.
    pub last: Seq,
}

/// Why the platform did not do it. `Display` is for logs only.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct SessionsError {
    kind: SessionsErrorKind,
    message: String,
    has_no_side_effects: bool,
}

/// The kinds of [`SessionsError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SessionsErrorKind {
    /// The session is closed or expired.
    #[error("the session is closed")]
    Closed,
    /// Key or token is wrong, or may not do this (401, 403).
    #[error("not authorised")]
    Unauthorized,
    /// There is no such session or stream (404).
    #[error("not found")]
    NotFound,
    /// The platform does not take the request (400, 422).
    #[error("rejected")]
    Rejected,
    /// Too much for one request or record (413).
    #[error("too large")]
    TooLarge,
    /// Too many requests (429).
    #[error("rate limited")]
    RateLimited,
    /// The stream does not end where the writer thought.
    #[error("another writer was first")]
    Conflict,
    /// The platform or the way to it is broken (5xx, connection).
    #[error("unavailable")]
    Unavailable,
    /// No answer in time.
    #[error("timed out")]
    Timeout,
    /// The answer makes no sense.
    #[error("malformed answer")]
    Malformed,
}

impl SessionsError {
    /// An error; `message` is for logs only and must hold no secret.
    #[must_use]
    pub fn new(kind: SessionsErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), has_no_side_effects: false }
    }

    /// The same, for a request that certainly changed nothing.
    #[must_use]
    pub fn without_side_effects(mut self) -> Self {
        self.has_no_side_effects = true;
        self
    }

    /// Which kind.
    #[must_use]
    pub fn kind(&self) -> SessionsErrorKind {
        self.kind
    }

    /// May the same request succeed later?
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        use SessionsErrorKind::{Malformed, RateLimited, Timeout, Unavailable};
        matches!(self.kind, Unavailable | Timeout | RateLimited | Malformed)
    }

    /// Did the request certainly change nothing?
    #[must_use]
    pub fn has_no_side_effects(&self) -> bool {
        self.has_no_side_effects
    }
}
