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
//! The route works under [`nest`](axum::Router::nest), with any state, and behind any layer.
//!
//! # The user
//!
//! What a layer puts into the request's extensions (the signed-in user, say) is at hand in `authorize` and in
//! `run`. An extractor needs no layer: [`post_with`] runs it first, answers with its rejection if there is one,
//! and puts what it gave beside the layers' values, under its own type. The session routes ask the same
//! `authorize`: with an extractor here, mount them by [`session_routes_with`].
//!
//! ```
//! use axum::{Router, extract::{FromRef, FromRequestParts}, http::{StatusCode, request::Parts}};
//! use headstart_core::{AuthorizeRequest, Denied, Grant, HeadStart};
//!
//! #[derive(Clone)]
//! struct User {
//!     name: String,
//! }
//!
//! impl<S: Sync> FromRequestParts<S> for User {
//!     type Rejection = StatusCode;
//!
//!     async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
//!         let name = parts.headers.get("x-user").and_then(|name| name.to_str().ok());
//!         Ok(User { name: name.ok_or(StatusCode::UNAUTHORIZED)?.to_owned() })
//!     }
//! }
//!
//! // For `HeadStart::builder(…).authorize(own_chats)`.
//! async fn own_chats(request: AuthorizeRequest) -> Result<Grant, Denied> {
//!     let user = request.extensions().get::<User>().ok_or(Denied::Unauthenticated)?;
//!     Ok(Grant::new().owner_prefix(format!("{}:", user.name)))
//! }
//!
//! fn app(head_start: HeadStart) -> Router {
//!     Router::new().route("/api/chat", headstart_axum::post_with::<User, _>(head_start))
//! }
//! ```
//!
//! # Shutdown
//!
//! axum waits for open responses, and a turn may last for minutes. Let it drain beside the server, and wait for
//! both:
//!
//! ```no_run
//! use std::time::Duration;
//! use headstart_core::HeadStart;
//!
//! # async fn serve(listener: tokio::net::TcpListener, app: axum::Router, head_start: HeadStart) -> std::io::Result<()> {
//! let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
//! let drained = tokio::spawn(async move {
//!     drop(tokio::signal::ctrl_c().await);
//!     drop(stopping);
//!     head_start.drain(Duration::from_secs(25)).await
//! });
//! axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) }).await?;
//! drop(drained.await);
//! # Ok(())
//! # }
//! ```
//!
//! The order of layers is in `docs/deployment.md`.
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `cors` | no | `cors`: a `tower_http` layer for pages on another origin |

mod session_routes;

use axum::{
    Router,
    extract::{FromRequestParts, Request},
    response::Response,
    routing::{MethodRouter, any},
};
use headstart_core::HeadStart;

pub use headstart_core::http::exposed_headers;
#[cfg(feature = "cors")]
pub use headstart_tower::cors;
pub use headstart_tower::{HeadStartLayer, HeadStartService};
pub use session_routes::{session_routes, session_routes_with};

/// A route that answers the first message of chats. Other methods than POST get a 405 problem.
pub fn post<S>(head_start: HeadStart) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    any(move |request: Request| answer(head_start, request))
}

/// The same, with the value of an extractor in the request's extensions for `authorize` and `run`. Several come
/// as a tuple: `post_with::<(State<App>, User), _>(head_start)`.
///
/// The extractor runs first, for every method; its rejection is the response.
pub fn post_with<E, S>(head_start: HeadStart) -> MethodRouter<S>
where
    E: FromRequestParts<S> + Clone + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    any(move |extracted: E, mut request: Request| {
        request.extensions_mut().insert(extracted);
        answer(head_start, request)
    })
}

async fn answer(head_start: HeadStart, request: Request) -> Response {
    head_start.handle(request).await.map(axum::body::Body::new)
}

/// Mounts head start on a [`Router`].
pub trait RouterExt {
    /// The handler at this path; short for [`route`](Router::route) with [`post`].
    ///
    /// ```
    /// use axum::Router;
    /// use headstart_axum::RouterExt;
    /// use headstart_core::HeadStart;
    ///
    /// fn app(head_start: HeadStart) -> Router {
    ///     Router::new().head_start("/api/chat", head_start)
    /// }
    /// ```
    #[must_use]
    fn head_start(self, path: &str, head_start: HeadStart) -> Self;
}

impl<S> RouterExt for Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    fn head_start(self, path: &str, head_start: HeadStart) -> Self {
        self.route(path, post(head_start))
    }
}
