//! What both APIs, and the servers that imitate them, say about errors.

use headstart_core::{
    step::{StepError, StepErrorKind},
    wire::Json,
};
use serde::Deserialize;

use crate::answer::Refusal;

#[derive(Debug, Default, Deserialize)]
pub(super) struct WireError {
    r#type: Option<String>,
    /// A name, or a status as a number.
    code: Option<Json>,
}

impl WireError {
    pub(super) fn from_code(code: Option<Json>) -> Self {
        Self { r#type: None, code }
    }

    /// The most telling constant in it.
    pub(super) fn name(&self) -> String {
        let code = self.code.as_ref().filter(|code| !code.is_null());
        let code = code.map(|code| code.to::<String>().unwrap_or_else(|_| code.as_str().to_owned()));
        let name = code.or_else(|| self.r#type.clone()).unwrap_or_default();
        // A constant is short; whatever else stands there stays out of the logs.
        if name.len() <= 64 { name } else { String::new() }
    }

    /// As the end of a stream that began well.
    pub(super) fn into_step_error(self, event: &str) -> StepError {
        let names = [self.name(), self.r#type.unwrap_or_default()];
        let passing =
            ["server_error", "internal", "rate_limit", "overloaded", "timeout", "unavailable", "capacity"];
        let is_passing = names.iter().all(String::is_empty)
            || names.iter().any(|name| {
                passing.iter().any(|word| name.to_ascii_lowercase().contains(word))
                    || matches!(name.parse::<u16>(), Ok(408 | 409 | 429 | 500..=599))
            });
        let kind = if is_passing { StepErrorKind::Unavailable } else { StepErrorKind::Rejected };
        StepError::new(kind, format!("{event} {}", names[0]))
    }
}

pub(crate) fn refusal(body: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Body {
        error: WireError,
    }
    let error = serde_json::from_slice::<Body>(body).map(|body| body.error).unwrap_or_default();
    Refusal { kind: error.name(), retry_after: None }
}
