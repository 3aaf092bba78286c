//! The head-start protocol: a fast, durable first turn for AI chats, without any web framework.
//!
//! An AI chat often runs its agent in a remote, durable run that takes a second or more to boot. *Head
//! start* hides that: a warm web server answers the first message itself. It makes the first model call
//! (step 1) while the run boots, streams it to the browser, copies every chunk to the session's durable
//! stream, and then hands the turn over; what the agent writes is spliced into the same response.
//!
//! [`HeadStart`] is the handler; the crates `headstart-axum`, `headstart-actix` and `headstart-tower` mount
//! it. [`Sessions`] is the platform (`headstart-trigger` implements it), [`step::StepModel`] a model
//! (`headstart-providers` has some). The rules are in [`turn::Machine`].
//!
//! | Room | Holds |
//! |---|---|
//! | [`wire`] | what travels: serde types |
//! | [`history`] | the browser's history, and what of it is trusted |
//! | [`step`] | one model call, and what becomes of it |
//! | [`turn`] | the rules of a turn, sans-IO, and their driver |
//! | [`sessions`] | the platform, as a turn needs it |
//! | [`http`] | request, response, problems |
//! | [`sse`] | a decoder of Server-Sent Events |
//! | [`rt`] | the runtime a turn needs |

mod admission;
mod authorize;
mod builder;
mod detached;
mod first_turn;
mod head_start;
pub mod history;
mod hooks;
pub mod http;
mod launch;
mod open;
pub mod rt;
mod secrets;
mod session_routes;
pub mod sessions;
pub mod sse;
pub mod step;
mod tokens;
mod trigger_config;
pub mod turn;
mod turn_plan;
mod turn_view;
pub mod wire;

pub use admission::{AllowList, Breaker, Mode, Outage};
pub use authorize::{Action, AllowAnyone, Authorize, AuthorizeRequest, Denied, Grant};
pub use builder::{Authorized, ConfigError, HasAuthorize, HasRun, HeadStartBuilder, Missing, Runs};
pub use detached::{Detached, NewTurn};
pub use first_turn::{FirstTurn, StreamText};
pub use head_start::HeadStart;
pub use history::{FileUrls, HistoryPolicy};
pub use hooks::{
    HistoryRefused, HistoryRequest, Hook, QuotaRequest, RequestContext, TokenError, TokenRequest,
};
pub use http::{Body, BodyFields, Limits, Problem, ProblemKind};
pub use launch::{Completion, TurnLost};
pub use open::{OpenTurn, StepOver};
pub use session_routes::SessionRoutes;
pub use sessions::Sessions;
pub use tokens::TokenSpec;
pub use trigger_config::{MachinePreset, TriggerConfig};
pub use turn::{BrokenAnswer, Deadlines, EmptyAnswer, OnDisconnect, Settlement};
pub use turn_view::{OpenedView, TurnView};
