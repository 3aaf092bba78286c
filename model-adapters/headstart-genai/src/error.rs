//! What went wrong, as far as it may be told.

use std::time::Duration;

use genai::{Error, webc};
use headstart_core::step::{StepError, StepErrorKind};

/// Texts of the provider stay out of it: they may quote the conversation.
pub(crate) fn read(error: &Error) -> StepError {
    if let Some(status) = error.status() {
        let kind = match status.as_u16() {
            408 | 409 | 429 | 500.. => StepErrorKind::Unavailable,
            _ => StepErrorKind::Rejected,
        };
        let wait = error.headers().and_then(|headers| {
            let seconds: u64 = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
            (seconds <= 60).then(|| Duration::from_secs(seconds))
        });
        return StepError::new(kind, format!("status {status}")).with_retry_after(wait);
    }
    let (kind, what) = match error {
        // The stream's own errors hide the HTTP error inside.
        Error::WebStream { error, .. } => match error.downcast_ref::<Error>() {
            Some(inner) => return read(inner),
            None => (StepErrorKind::Transport, "the stream broke"),
        },
        Error::WebModelCall { webc_error: webc::Error::Reqwest(_), .. }
        | Error::WebAdapterCall { webc_error: webc::Error::Reqwest(_), .. } => {
            (StepErrorKind::Transport, "the request could not be sent")
        }
        Error::ChatResponse { body, .. } => return error_event(body),
        Error::StreamParse { .. } | Error::SerdeJson(_) | Error::JsonValueExt(_) => {
            (StepErrorKind::Malformed, "an event is unreadable")
        }
        Error::MessageRoleNotSupported { .. }
        | Error::MessageContentTypeNotSupported { .. }
        | Error::AdapterNotSupported { .. }
        | Error::ChatReqHasNoMessages { .. } => (StepErrorKind::Unsupported, "genai cannot send the request"),
        Error::RequiresApiKey { .. } | Error::NoAuthData { .. } | Error::NoAuthResolver { .. } => {
            (StepErrorKind::Rejected, "there is no API key")
        }
        Error::Resolver { .. } | Error::ModelMapperFailed { .. } | Error::AdapterKindMismatch { .. } => {
            (StepErrorKind::Rejected, "genai does not know where the model is, or has no key for it")
        }
        _ => (StepErrorKind::Rejected, "genai failed"),
    };
    StepError::new(kind, what)
}

/// The provider broke off in mid-stream. The type of its error is a constant of its API.
fn error_event(body: &serde_json::Value) -> StepError {
    let error = body.get("error").unwrap_or(body);
    let name = error.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
    let kind = match name {
        "overloaded_error" | "rate_limit_error" | "api_error" | "server_error" => StepErrorKind::Unavailable,
        _ => StepErrorKind::Rejected,
    };
    let is_plain = name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') && name.len() < 64;
    StepError::new(kind, format!("error event {}", if is_plain { name } else { "" }))
}
