//! Redacted thinking, which genai gives only when all is over: read off the frames it passes on.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};

/// Blocks that came since the last look. genai tells of a frame before it gives what it made of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redacted(Arc<Mutex<VecDeque<String>>>);

impl Redacted {
    pub(crate) fn drain(&self, mut take: impl FnMut(String)) {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(&mut take);
    }
}

impl ChatFrameSink for Redacted {
    fn on_frame(&self, _context: &FrameCtx, frame: RawFrameRef<'_>) {
        if frame.event != Some("content_block_start") || !frame.data.contains("redacted_thinking") {
            return;
        }
        let Some(frame) = frame.json() else { return };
        let block = &frame["content_block"];
        if block["type"] == "redacted_thinking"
            && let Some(data) = block["data"].as_str()
        {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(data.to_owned());
        }
    }
}
