//! One turn, from the browser's POST to the end of its response.
//!
//! [`Machine`] holds every rule and touches nothing: no clock, no socket. The driver carries out what it
//! says and tells it what happened. [`handover`] decides what the agent gets, `splice` what the browser sees
//! of the agent's part.

pub(crate) mod driver;
mod existing;
mod followed;
mod giving;
pub mod handover;
mod ledger;
mod machine;
mod mark;
pub(crate) mod opening;
mod reading;
mod settings;
mod settlement;
mod signals;
mod splice;
mod step_one;
mod streams;
mod tee;
mod timing;
mod view;

pub use machine::Machine;
pub use settings::{BrokenAnswer, Deadlines, EmptyAnswer, OnDisconnect};
pub use settlement::Settlement;
pub use signals::{Input, Output, Plan, Purpose, TurnSpec};
pub use view::{Ending, Refusal, ViewLoss};
