//! What went wrong, as far as it may be told.

use headstart_core::step::{StepError, StepErrorKind};
use rig_core::{ErrorKind, ErrorReport, ProviderError};

/// Texts of the provider stay out of it: they may quote the conversation.
pub(crate) fn read(error: &ProviderError) -> StepError {
    let report = ErrorReport::from(error);
    if let Some(status) = report.http_status.filter(|status| *status >= 400) {
        let kind = match status {
            408 | 409 | 429 | 500.. => StepErrorKind::Unavailable,
            _ => StepErrorKind::Rejected,
        };
        return StepError::new(kind, format!("status {status}"));
    }
    let (kind, what) = match (error, report.kind) {
        (ProviderError::Truncated, _) => (StepErrorKind::Truncated, "it ended without its last event"),
        (ProviderError::UnsupportedOption(_), _) | (_, ErrorKind::Request | ErrorKind::Url) => {
            (StepErrorKind::Unsupported, "rig cannot send the request")
        }
        (_, ErrorKind::Http) => (StepErrorKind::Transport, "the connection broke"),
        (_, ErrorKind::Timeout) => (StepErrorKind::Timeout, "no answer"),
        (_, ErrorKind::Json | ErrorKind::Response) => (StepErrorKind::Malformed, "an event is unreadable"),
        // An error event in mid-stream has no status.
        _ if report.retryable => (StepErrorKind::Unavailable, "the provider failed"),
        _ => (StepErrorKind::Rejected, "the provider failed"),
    };
    StepError::new(kind, what)
}
