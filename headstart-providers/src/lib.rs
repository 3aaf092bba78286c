//! Models for step 1 of a head-started turn, a feature each.
//!
//! | Feature | Model | Default |
//! |---|---|---|
//! | `anthropic` | [`Anthropic`]: Claude, over the Messages API | yes |
//! | `gemini` | [`Gemini`]: Google's models, over `streamGenerateContent` | no |
//! | `openai` | [`OpenAi`]: Responses, and Chat Completions of OpenAI and of servers compatible with it | no |
//! | `scripted` | [`Scripted`]: says what it is told, for demos and tests | yes |
//!
//! What each of them can do, and how it is set, is in `docs/providers.md`. Their decoders need no connection:
//! [`AnswerDecoder`].
//!
//! A model of one's own needs no crate: implement
//! [`StepModel`](headstart_core::step::StepModel), or give any stream of events to `run`.

#[cfg(feature = "http-transport")]
mod answer;
#[cfg(feature = "anthropic")]
mod anthropic;
#[cfg(feature = "http-transport")]
mod connection;
#[cfg(feature = "http-transport")]
mod extras;
#[cfg(feature = "http-transport")]
mod files;
#[cfg(feature = "gemini")]
mod gemini;
#[cfg(any(feature = "gemini", feature = "openai"))]
mod ids;
#[cfg(feature = "http-transport")]
mod metadata;
#[cfg(feature = "openai")]
mod openai;
#[cfg(feature = "http-transport")]
mod options;
#[cfg(feature = "scripted")]
mod scripted;
#[cfg(feature = "http-transport")]
mod tool_content;
#[cfg(feature = "http-transport")]
mod transport;

#[cfg(feature = "http-transport")]
pub use answer::{AnswerDecoder, Api};
#[cfg(feature = "anthropic")]
pub use anthropic::{Anthropic, AnthropicModel};
#[cfg(feature = "gemini")]
pub use gemini::{Gemini, GeminiModel};
#[cfg(feature = "openai")]
pub use openai::{OpenAi, OpenAiChat, OpenAiResponses, Server};
#[cfg(feature = "scripted")]
pub use scripted::{Line, Script, Scripted};
#[cfg(feature = "http-transport")]
pub use transport::{ModelConfigError, Transport};

/// The request cannot be put to this model.
#[cfg(feature = "http-transport")]
fn unsupported(message: impl Into<String>) -> headstart_core::step::StepError {
    headstart_core::step::StepError::new(headstart_core::step::StepErrorKind::Unsupported, message)
}
