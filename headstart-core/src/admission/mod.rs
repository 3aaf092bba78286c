//! Who is let in now: the circuit breaker in front of the platform, the turns that are open, and where
//! requests may come from. What a request may hold is in [`http`](crate::http), whose chat it is in
//! [`Authorize`](crate::Authorize).

mod breaker;
mod open_turns;
mod origin;

pub use breaker::{Breaker, Outage};
pub(crate) use breaker::{Circuit, Passage};
pub(crate) use open_turns::{Joined, OpenTurns, Place, Role, Shed};
pub use origin::AllowList;

/// What a head start does now; see [`HeadStartBuilder::mode`](crate::HeadStartBuilder::mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Step 1 is answered here.
    #[default]
    On,
    /// No model is called here: the agent answers all of it, through the same response.
    AgentOnly,
    /// Requests are refused with 503.
    Off,
}
