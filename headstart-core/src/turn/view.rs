//! The browser's response, as the machine sees it: a subscriber that may be late, slow or gone.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Output;
use crate::{
    sessions::{Opened, SessionsError, SessionsErrorKind},
    wire::{Json, Seq, UiChunk},
};

/// How a response body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The turn is complete.
    Clean,
    /// It is not: the connection is aborted, so that the browser keeps the turn as unfinished and resumes
    /// it from the session. After a clean end it would never look again.
    Reset,
}

/// Why the browser's view is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewLoss {
    /// The connection is gone. Leaving is not stopping.
    Left,
    /// It reads slower than the answer comes, and its buffer is full.
    Slow,
}

/// Why no turn was started; becomes an HTTP status and a JSON problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 409: the session is closed or expired.
    SessionClosed,
    /// 413: history and metadata do not fit.
    TooLarge,
    /// 502: the platform does not accept what we send.
    PlatformRejected,
    /// 503: the platform is not there, or has too much to do.
    PlatformUnavailable,
    /// 504: the platform did not answer in time.
    PlatformTimeout,
}

impl From<&SessionsError> for Refusal {
    fn from(error: &SessionsError) -> Self {
        match error.kind() {
            SessionsErrorKind::Closed => Self::SessionClosed,
            SessionsErrorKind::TooLarge => Self::TooLarge,
            SessionsErrorKind::Unavailable | SessionsErrorKind::RateLimited => Self::PlatformUnavailable,
            SessionsErrorKind::Timeout => Self::PlatformTimeout,
            _ => Self::PlatformRejected,
        }
    }
}

/// Frames wait here until the session's token is known: it travels in a response header.
#[derive(Debug)]
pub(super) enum View {
    Waiting(VecDeque<Bytes>),
    Open,
    Closed,
}

impl View {
    pub(super) fn new() -> Self {
        Self::Waiting(VecDeque::new())
    }

    pub(super) fn open(&mut self, session: Opened, out: &mut VecDeque<Output>) {
        let Self::Waiting(frames) = self else { return };
        let frames = std::mem::take(frames);
        *self = Self::Open;
        out.push_back(Output::Respond(Ok(session)));
        out.extend(frames.into_iter().map(Output::Frame));
    }

    /// No turn: as the answer, or, when that has begun, by cutting it off.
    pub(super) fn refuse(&mut self, refusal: Refusal, out: &mut VecDeque<Output>) {
        match std::mem::replace(self, Self::Closed) {
            Self::Waiting(_) => out.push_back(Output::Respond(Err(refusal))),
            Self::Open => out.push_back(Output::Close(Ending::Reset)),
            Self::Closed => {}
        }
    }

    /// What waits was never seen, and is now not to be.
    pub(super) fn forget_waiting(&mut self) {
        if let Self::Waiting(frames) = self {
            frames.clear();
        }
    }

    pub(super) fn chunk(&mut self, chunk: &str, out: &mut VecDeque<Output>) {
        let frame = || Bytes::from(["data: ", chunk, "\n\n"].concat());
        match self {
            Self::Waiting(frames) => frames.push_back(frame()),
            Self::Open => out.push_back(Output::Frame(frame())),
            Self::Closed => {}
        }
    }

    /// Where the next turn goes on reading; only for when this one's parts are all whole.
    pub(super) fn cursor(&mut self, cursor: Option<Seq>, out: &mut VecDeque<Output>) {
        if let Some(seq) = cursor {
            self.chunk(&UiChunk::SessionState { last_event_id: seq.to_string() }.to_json(), out);
        }
    }

    /// The frames that end a complete turn, in the only order that leaves the next turn healthy: an `error`
    /// comes last, because the browser stops reading there.
    pub(super) fn complete(&mut self, cursor: Option<Seq>, error: Option<&Json>, out: &mut VecDeque<Output>) {
        // Before and behind: whichever is read last before a page closes must not be too old.
        self.cursor(cursor, out);
        self.chunk(&UiChunk::TurnComplete.to_json(), out);
        self.cursor(cursor, out);
        if let Some(error) = error {
            self.chunk(error.as_str(), out);
        }
        self.close(Ending::Clean, out);
    }

    pub(super) fn close(&mut self, ending: Ending, out: &mut VecDeque<Output>) {
        if matches!(std::mem::replace(self, Self::Closed), Self::Open) {
            out.push_back(Output::Close(ending));
        }
    }

    pub(super) fn lose(&mut self, out: &mut VecDeque<Output>) {
        self.close(Ending::Reset, out);
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}
