//! Models for step 1 of a head-started turn, a feature each.
//!
//! | Feature | Model | Default |
//! |---|---|---|
//! | `anthropic` | [`Anthropic`]: Claude, over the Messages API | yes |
//! | `openai` | [`OpenAi`]: Responses, and Chat Completions of OpenAI and of servers compatible with it | no |
//! | `scripted` | [`Scripted`]: says what it is told, for demos and tests | yes |
//!
//! A model of one's own needs no crate: implement
//! [`StepModel`](headstart_core::step::StepModel), or give any stream of events to `run`.

#[cfg(feature = "anthropic")]
mod anthropic;
#[cfg(feature = "openai")]
mod openai;
#[cfg(feature = "scripted")]
mod scripted;
#[cfg(feature = "http-transport")]
mod transport;

#[cfg(feature = "anthropic")]
pub use anthropic::{Anthropic, AnthropicModel};
#[cfg(feature = "openai")]
pub use openai::{OpenAi, OpenAiChat, OpenAiResponses};
#[cfg(feature = "scripted")]
pub use scripted::{Line, Script, Scripted};
#[cfg(feature = "http-transport")]
pub use transport::{ModelConfigError, Transport};
