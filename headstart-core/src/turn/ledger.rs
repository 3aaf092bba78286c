//! What of step 1 has been recorded for `session.out`, and what of that is acknowledged.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    sessions::{MAX_RECORD_BYTES, Written},
    wire::Seq,
};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Records wait here until the session is known to be ours.
    held: Vec<Bytes>,
    recorded: u64,
    written: u64,
    last: Option<Seq>,
    has_failed: bool,
    /// Until when the rest may be acknowledged.
    pub(super) settle_by: Option<Duration>,
}

impl Ledger {
    /// The record of one chunk under the next id of this turn; `None` when the store takes none so large: the
    /// others still make a whole answer.
    pub(super) fn record(&self, chunk: &str, prefix: &str) -> Option<Bytes> {
        let number = self.recorded + self.held.len() as u64;
        let fits = chunk.len() + prefix.len() + 64 <= MAX_RECORD_BYTES;
        fits.then(|| Bytes::from(format!(r#"{{"data":{chunk},"id":"{prefix}{number}"}}"#)))
    }

    pub(super) fn hold(&mut self, record: Bytes) {
        self.held.push(record);
    }

    pub(super) fn release(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.held)
    }

    /// Counts a record that is to be written; `false` when nothing can be written any more.
    pub(super) fn count(&mut self) -> bool {
        self.recorded += u64::from(!self.has_failed);
        !self.has_failed
    }

    pub(super) fn written(&mut self, Written { first, last }: Written) {
        self.written = (self.written + (last + 1).saturating_sub(first)).min(self.recorded);
        self.last = self.last.max(Some(last));
    }

    pub(super) fn fail(&mut self) {
        self.has_failed = true;
        self.held.clear();
    }

    /// Nothing is outstanding: all is acknowledged, or known to be broken.
    pub(super) fn is_settled(&self) -> bool {
        self.has_failed || (self.held.is_empty() && self.recorded == self.written)
    }

    /// Position of the last record that was acknowledged.
    pub(super) fn last(&self) -> Option<Seq> {
        self.last
    }
}
