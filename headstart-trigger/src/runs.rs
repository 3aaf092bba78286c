//! What a run does, read from the management API
//! (<https://trigger.dev/docs/management/runs/retrieve>).

use headstart_core::{
    sessions::{RunState, SessionsError},
    wire::Json,
};
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::http::Http;

/// Ids are `run_…`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    is_completed: bool,
    /// Missing when it is large.
    payload: Option<Json>,
}

#[derive(Deserialize)]
struct Payload {
    trigger: Option<String>,
}

impl Run {
    fn state(self) -> RunState {
        match self.payload.map(|payload| payload.to::<Payload>()) {
            _ if self.is_completed => RunState::TakesMessages,
            Some(Ok(Payload { trigger: Some(trigger) })) if trigger == "handover-prepare" => {
                RunState::TakesHandover
            }
            Some(Ok(_)) => RunState::TakesMessages,
            Some(Err(_)) | None => RunState::Unknown,
        }
    }
}

pub(crate) async fn state(http: &Http, run_id: &str) -> Result<RunState, SessionsError> {
    let path = format!("/api/v3/runs/{}", utf8_percent_encode(run_id, SEGMENT));
    let read = |answer: crate::http::Answer| {
        serde_json::from_slice::<Run>(&answer.body).map_err(|_| "unreadable run".to_owned())
    };
    Ok(http.send(Method::GET, &path, HeaderMap::new(), bytes::Bytes::new(), read).await?.state())
}
