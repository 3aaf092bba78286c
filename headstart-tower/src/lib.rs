//! Head start as a tower `Service` and `Layer`, for everything that mounts one: hyper, poem, salvo, Lambda, and
//! any stack of tower middleware.
//!
//! ```
//! use headstart_core::HeadStart;
//! use headstart_tower::{HeadStartLayer, HeadStartService};
//!
//! fn mount(head_start: HeadStart) -> (HeadStartService, HeadStartLayer) {
//!     // Answers every request it gets; or: in front of a service, for one path.
//!     (HeadStartService::new(head_start.clone()), HeadStartLayer::new("/api/chat", head_start))
//! }
//! ```
//!
//! What a layer in front puts into the request's extensions is at hand in `authorize` and in `run`. The order
//! of layers is in `docs/deployment.md`.
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `cors` | no | [`cors`](fn@cors): a `tower_http` layer for pages on another origin |

mod body;
#[cfg(feature = "cors")]
mod cors;
mod layer;
mod service;

pub use body::PathBody;
#[cfg(feature = "cors")]
pub use cors::cors;
pub use layer::{HeadStartLayer, NotFound, PathService};
pub use service::{HeadStartService, SessionRoutesService};
