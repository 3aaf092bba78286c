//! Head start for actix-web: the first turn of an AI chat as a route.
//!
//! ```
//! use actix_web::{App, HttpServer};
//! use headstart_core::HeadStart;
//!
//! async fn serve(head_start: HeadStart) -> std::io::Result<()> {
//!     HttpServer::new(move || {
//!         App::new().service(headstart_actix::resource("/api/chat", head_start.clone()))
//!     })
//!     .h1_allow_half_closed(false)
//!     .bind(("127.0.0.1", 8080))?
//!     .run()
//!     .await
//! }
//! ```
//!
//! [`resource`] goes into an app or a [`scope`](actix_web::web::scope), [`post`] into a resource of your own, and
//! [`handle`] into a handler of your own, with the [`HeadStart`] in
//! [`web::Data`].
//!
//! # The user
//!
//! [`post_with`] runs an extractor first, answers with its error if there is one, and puts what it gave into the
//! extensions that `authorize` and `run` see, under its own type. What a middleware left for handlers comes as
//! [`web::ReqData`], state as `web::Data`, several as a tuple. The session routes ask the same `authorize`: with
//! an extractor here, mount them by [`session_routes_with`].
//!
//! ```
//! use std::future::{Ready, ready};
//! use actix_web::{FromRequest, HttpRequest, Resource, dev::Payload, error::ErrorUnauthorized, web};
//! use headstart_core::{AuthorizeRequest, Denied, Grant, HeadStart};
//!
//! #[derive(Clone)]
//! struct User {
//!     name: String,
//! }
//!
//! impl FromRequest for User {
//!     type Error = actix_web::Error;
//!     type Future = Ready<Result<Self, Self::Error>>;
//!
//!     fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
//!         let name = request.headers().get("x-user").and_then(|name| name.to_str().ok());
//!         let user = name.map(|name| User { name: name.to_owned() });
//!         ready(user.ok_or_else(|| ErrorUnauthorized("sign in first")))
//!     }
//! }
//!
//! // For `HeadStart::builder(…).authorize(own_chats)`.
//! async fn own_chats(request: AuthorizeRequest) -> Result<Grant, Denied> {
//!     let user = request.extensions().get::<User>().ok_or(Denied::Unauthenticated)?;
//!     Ok(Grant::new().owner_prefix(format!("{}:", user.name)))
//! }
//!
//! fn chat(head_start: HeadStart) -> Resource {
//!     web::resource("/api/chat").route(headstart_actix::post_with::<User>(head_start))
//! }
//! ```
//!
//! # Workers
//!
//! Each worker of actix is a runtime of its own and ends with the server, while a turn outlives its request.
//! Build the [`HeadStart`] outside of the factory, in `#[actix_web::main]` or `#[tokio::main]`: turns then run
//! on the main runtime, there is one handler to drain, and its limits count for all workers together.
//!
//! # Disconnects
//!
//! actix notices that a browser is gone when it writes: the comments that head start sends into silence
//! ([`keep_alive`](headstart_core::HeadStartBuilder::keep_alive)) are also its probes, and it takes two of them.
//! `HttpServer::h1_allow_half_closed(false)` makes it notice at once over HTTP/1. Nothing is lost either way
//! unless [`OnDisconnect`](headstart_core::OnDisconnect) says so.
//!
//! # Compression
//!
//! `middleware::Compress` leaves responses alone that say what their encoding is, as those of head start do: no
//! chunk is held back.
//!
//! # Shutdown
//!
//! The server waits for open responses, for `shutdown_timeout` at most (30 s by default), and a turn may last
//! for minutes. Let it drain beside the server, and wait for both:
//!
//! ```no_run
//! use std::time::Duration;
//! use headstart_core::HeadStart;
//!
//! # async fn serve(server: actix_web::dev::Server, head_start: HeadStart) -> std::io::Result<()> {
//! let drained = actix_web::rt::spawn(async move {
//!     drop(actix_web::rt::signal::ctrl_c().await);
//!     head_start.drain(Duration::from_secs(25)).await
//! });
//! server.await?;
//! drop(drained.await);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `cors` | no | `cors`: an `actix_cors` middleware for pages on another origin |

mod body;
mod convert;
#[cfg(feature = "cors")]
mod cors;
mod session_routes;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Resource, Route,
    web::{self, Payload},
};
use headstart_core::{HeadStart, Problem, http::ProblemKind};
use http::Extensions;

#[cfg(feature = "cors")]
pub use cors::cors;
pub use headstart_core::http::exposed_headers;
pub use session_routes::{session_routes, session_routes_with};

/// The handler as a resource at this path.
pub fn resource(path: &str, head_start: HeadStart) -> Resource {
    web::resource(path).route(post(head_start))
}

/// A route that answers the first message of chats. Other methods than POST get a 405 problem.
pub fn post(head_start: HeadStart) -> Route {
    web::route().to(move |request: HttpRequest, payload: Payload| {
        let head_start = head_start.clone();
        async move { handle(&head_start, &request, payload).await }
    })
}

/// The same, with the value of an extractor in the extensions for `authorize` and `run`. Several come as a
/// tuple: `post_with::<(web::Data<App>, User)>(head_start)`.
///
/// The extractor runs first, for every method, and must leave the payload; its error is the response.
pub fn post_with<E>(head_start: HeadStart) -> Route
where
    E: FromRequest + Clone + Send + Sync + 'static,
{
    web::route().to(move |extracted: E, request: HttpRequest, payload: Payload| {
        let head_start = head_start.clone();
        let mut extensions = Extensions::new();
        extensions.insert(extracted);
        async move { answer(&head_start, &request, payload, extensions).await }
    })
}

/// Answers one request, for handlers of your own.
///
/// ```
/// use actix_web::{HttpRequest, HttpResponse, post, web};
/// use headstart_core::HeadStart;
///
/// #[post("/api/chat")]
/// async fn chat(head_start: web::Data<HeadStart>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
///     headstart_actix::handle(&head_start, &request, payload).await
/// }
/// ```
pub async fn handle(head_start: &HeadStart, request: &HttpRequest, payload: Payload) -> HttpResponse {
    answer(head_start, request, payload, Extensions::new()).await
}

async fn answer(
    head_start: &HeadStart,
    request: &HttpRequest,
    payload: Payload,
    extensions: Extensions,
) -> HttpResponse {
    convert::response(match convert::request(request, payload, extensions) {
        Some(request) => head_start.handle(request).await,
        None => Problem::new(ProblemKind::InvalidRequest).into_response(),
    })
}
