//! Head start for axum: the first turn of an AI chat as a route.
//!
//! ```
//! use axum::Router;
//! use headstart_core::HeadStart;
//!
//! fn app(head_start: HeadStart) -> Router {
//!     Router::new().route("/api/chat", headstart_axum::post(head_start))
//! }
//! ```
//!
//! The route works under [`nest`](axum::Router::nest), with any state, and behind any layer. What a layer
//! puts into the request's extensions (the signed-in user, say) is at hand in `authorize` and in `run`.
//!
//! # Order of layers
//!
//! | Layer | Where, and why |
//! |---|---|
//! | authentication | outside: it fills the extensions that `authorize` reads |
//! | CORS | outside, so that problems carry its headers too; expose [`exposed_headers`] |
//! | body limit | not needed: the handler has its own, [`Limits`](headstart_core::Limits) |
//! | compression | fine: responses say `Content-Encoding: identity`, which tower-http leaves alone |
//! | timeout | one for the response *head* only; a turn may well stream for a minute |

mod session_routes;

use axum::{extract::Request, routing::MethodRouter};
use headstart_core::HeadStart;

pub use headstart_core::http::exposed_headers;
pub use session_routes::{session_routes, session_routes_with};

/// A route that answers the first message of chats. Other methods than POST get a 405 problem.
pub fn post<S>(head_start: HeadStart) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    axum::routing::any(move |request: Request| async move {
        head_start.handle(request).await.map(axum::body::Body::new)
    })
}
