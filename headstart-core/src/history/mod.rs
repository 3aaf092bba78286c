//! The browser's history: what of it is trusted, and how a model is shown it.
//!
//! A history that a browser posts is a claim. [`HistoryPolicy`] says how much of it is believed;
//! [`to_model_messages`] puts the rest into the form that models take (`docs/protocol.md`, "UI messages" and
//! "Model messages").

mod convert;
mod file_urls;
mod policy;
mod repair;

pub use file_urls::FileUrls;
pub use policy::{HistoryHook, HistoryPolicy, last_user_message};

use crate::wire::{ModelMessage, ToolOutput, ToolPart, ToolResultPart, UiMessage};

/// A conversation as models take it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Conversation {
    /// The messages. None is a system message; every call of a tool has its result.
    pub messages: Vec<ModelMessage>,
    /// Ids of the calls that a human has just refused: the page is told before the answer begins.
    pub denied: Vec<String>,
}

/// Why a history cannot be put to a model. `Display` is for clients: it says what is wrong where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// There is no message.
    #[error("there is no message to answer")]
    Empty,
    /// Instructions are the server's business.
    #[error("message {message} is a system message; instructions are set on the server")]
    System {
        /// Its place in the history.
        message: usize,
    },
    /// A part is not what it says.
    #[error("part {part} of message {message} is not valid: {reason}")]
    Part {
        /// The message's place in the history.
        message: usize,
        /// The part's place in the message.
        part: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The history ends with a tool that was approved and has to run now: only the agent can do that.
    #[error("the history ends with an approved tool, which only the agent can run")]
    NeedsAgent,
}

/// UI messages as a model takes them.
///
/// Calls that nobody answered before the user went on are left out, with what belongs to them.
///
/// # Errors
/// See [`HistoryError`].
///
/// ```
/// use headstart_core::{history::to_model_messages, wire::{ModelMessage, UiMessage}};
///
/// let conversation = to_model_messages(&[UiMessage::user("u1", "Hello")])?;
/// assert_eq!(conversation.messages, [ModelMessage::user("Hello")]);
/// # Ok::<(), headstart_core::history::HistoryError>(())
/// ```
pub fn to_model_messages(messages: &[UiMessage]) -> Result<Conversation, HistoryError> {
    let messages = repair::repair(convert::convert(messages)?)?;
    if messages.is_empty() {
        return Err(HistoryError::Empty);
    }
    let denied = denied_calls(&messages);
    Ok(Conversation { messages, denied })
}

/// Calls whose refusal is the last that happened.
fn denied_calls(messages: &[ModelMessage]) -> Vec<String> {
    let Some(ModelMessage::Tool(tool)) = messages.last() else { return Vec::new() };
    let denied = tool.content.iter().filter_map(|part| match part {
        ToolPart::Result(ToolResultPart {
            output: ToolOutput::ExecutionDenied { .. }, tool_call_id, ..
        }) => Some(tool_call_id.clone()),
        _ => None,
    });
    denied.collect()
}

#[cfg(test)]
mod tests;
