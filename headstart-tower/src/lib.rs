//! Head start as a tower `Service` and `Layer`, for everything that mounts one: hyper, poem, salvo, and any
//! stack of tower middleware.
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

mod layer;
mod service;
mod session_routes;

pub use layer::{EitherBody, HeadStartLayer, NotFound, PathService};
pub use service::HeadStartService;
pub use session_routes::SessionRoutesService;
