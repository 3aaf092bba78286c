//! Redacted thinking, which genai gives only when all is over: read off the frames it passes on.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use genai::{
    Error,
    chat::{ChatFrameSink, FrameCtx, RawFrameRef, StreamEnd},
};

/// Blocks that came since the last look. genai tells of a frame before it gives what it made of it.
#[derive(Clone)]
pub(crate) struct Redacted {
    waiting: Arc<Mutex<VecDeque<String>>>,
    /// The application's own sink: there is room for one.
    next: Option<Arc<dyn ChatFrameSink>>,
}

impl Redacted {
    pub(crate) fn before(next: Option<Arc<dyn ChatFrameSink>>) -> Self {
        Self { waiting: Arc::default(), next }
    }

    pub(crate) fn drain(&self, mut take: impl FnMut(String)) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(&mut take);
    }
}

impl ChatFrameSink for Redacted {
    fn on_frame(&self, context: &FrameCtx, frame: RawFrameRef<'_>) {
        if let Some(next) = &self.next {
            next.on_frame(context, frame);
        }
        if frame.event != Some("content_block_start") || !frame.data.contains("redacted_thinking") {
            return;
        }
        let Some(frame) = frame.json() else { return };
        let block = &frame["content_block"];
        if block["type"] == "redacted_thinking"
            && let Some(data) = block["data"].as_str()
        {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(data.to_owned());
        }
    }

    fn on_end(&self, context: &FrameCtx, end: &StreamEnd) {
        if let Some(next) = &self.next {
            next.on_end(context, end);
        }
    }

    fn on_error(&self, context: &FrameCtx, error: &Error) {
        if let Some(next) = &self.next {
            next.on_error(context, error);
        }
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redacted").finish_non_exhaustive()
    }
}
