//! One step of a turn: a call of a model, what it says, and what becomes of it.
//!
//! [`StepModel`] is what a provider implements, [`StepEvent`] what it yields, [`ToolSet`] what it may call,
//! and [`Recorder`] turns its events into chunks for the browser **and** messages for the agent in one pass.
//! Nothing here knows about sessions or turns.

mod approval;
mod event;
mod model;
mod recorder;
mod tool_error;
mod tool_input;
#[cfg(feature = "schemars")]
mod tool_schema;
mod tools;

pub use approval::ApprovalSecret;
pub use event::{StepError, StepErrorKind, StepEvent, Usage};
pub use model::{IntoStepRun, StepModel, StepRequest, StepRun, StepStream, ToolChoice};
pub use recorder::{PendingCall, Recorder};
pub use tool_input::check_tool_input;
pub use tools::{Tool, ToolSet, ToolSetError};
