//! What travels: serde types, one file for each family of messages.
//!
//! Nothing here decides anything. Unknown fields and unknown types survive a round trip, because a newer
//! browser or agent must be able to talk past this crate.

mod chat_id;
mod json;
mod model_message;
mod model_part;
mod record;
mod session;
mod tagged;
mod ui_chunk;
mod ui_message;

pub use chat_id::{ChatId, ChatIdError};
pub use json::Json;
pub use model_message::*;
pub use model_part::*;
pub use record::*;
pub use session::*;
pub use ui_chunk::*;
pub use ui_message::*;
