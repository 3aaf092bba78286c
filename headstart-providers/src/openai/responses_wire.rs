//! The events of a Responses stream, as far as they are used.

use headstart_core::wire::Json;
use serde::Deserialize;

use super::error::WireError;

#[derive(Deserialize)]
pub(super) struct Wire {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) output_index: u64,
    pub(super) item_id: Option<String>,
    pub(super) item: Option<Item>,
    pub(super) delta: Option<String>,
    #[serde(default)]
    pub(super) summary_index: u64,
    pub(super) annotation: Option<Json>,
    pub(super) response: Option<Response>,
    /// Of an `error`, in either of its two forms.
    pub(super) code: Option<Json>,
    pub(super) error: Option<WireError>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) id: String,
    pub(super) call_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) encrypted_content: Option<String>,
    pub(super) phase: Option<String>,
    // Of tools that the provider ran.
    pub(super) status: Option<String>,
    pub(super) action: Option<Json>,
    pub(super) queries: Option<Json>,
    pub(super) results: Option<Json>,
    pub(super) code: Option<String>,
    pub(super) container_id: Option<String>,
    pub(super) outputs: Option<Json>,
    pub(super) result: Option<Json>,
    pub(super) server_label: Option<String>,
    pub(super) output: Option<Json>,
    pub(super) error: Option<Json>,
}

#[derive(Deserialize)]
pub(super) struct Response {
    pub(super) usage: Option<WireUsage>,
    pub(super) incomplete_details: Option<Incomplete>,
    pub(super) error: Option<WireError>,
}

#[derive(Deserialize)]
pub(super) struct Incomplete {
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireUsage {
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) input_tokens_details: Option<InputDetails>,
}

#[derive(Deserialize)]
pub(super) struct InputDetails {
    pub(super) cached_tokens: Option<u64>,
}
