//! The events of a Messages stream, as far as they are used.

use headstart_core::wire::Json;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Wire {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) index: u64,
    pub(super) message: Option<WireMessage>,
    pub(super) content_block: Option<WireBlock>,
    pub(super) delta: Option<WireDelta>,
    pub(super) usage: Option<WireUsage>,
    pub(super) error: Option<WireError>,
}

#[derive(Default, Deserialize)]
pub(super) struct WireMessage {
    pub(super) id: Option<String>,
    pub(super) usage: Option<WireUsage>,
    pub(super) content: Option<Vec<WireBlock>>,
}

#[derive(Default, Deserialize)]
pub(super) struct WireUsage {
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) cache_read_input_tokens: Option<u64>,
    pub(super) cache_creation_input_tokens: Option<u64>,
}

impl WireUsage {
    /// Each event tells the sum so far, of what it tells at all.
    pub(super) fn update(&mut self, new: Option<Self>) {
        let Some(new) = new else { return };
        self.input_tokens = new.input_tokens.or(self.input_tokens);
        self.output_tokens = new.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = new.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            new.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
    }
}

#[derive(Deserialize)]
pub(super) struct WireError {
    pub(super) r#type: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireBlock {
    pub(super) r#type: String,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) input: Option<Json>,
    pub(super) data: Option<String>,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) tool_use_id: Option<String>,
    pub(super) content: Option<Json>,
    pub(super) caller: Option<Json>,
    pub(super) server_name: Option<String>,
    pub(super) is_error: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct WireDelta {
    #[serde(default)]
    pub(super) r#type: String,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) partial_json: Option<String>,
    pub(super) citation: Option<Json>,
    pub(super) content: Option<String>,
    pub(super) stop_reason: Option<String>,
}
