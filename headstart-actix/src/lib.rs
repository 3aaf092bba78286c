//! Head start for actix-web: the first turn of an AI chat as a route.
//!
//! ```
//! use actix_web::{App, web};
//! use headstart_core::HeadStart;
//!
//! fn configure(head_start: HeadStart) -> impl Fn(&mut web::ServiceConfig) + Clone {
//!     move |config| {
//!         config.service(web::resource("/api/chat").route(headstart_actix::post(head_start.clone())));
//!     }
//! }
//! ```
//!
//! # Workers
//!
//! Each actix worker is a runtime of its own and ends with the server, while a turn outlives its request.
//! Under `#[actix_web::main]` or `#[tokio::main]` give the builder the main runtime, so that turns run
//! there: `.runtime(TokioRuntime::with_handle(tokio::runtime::Handle::current()))`.
//!
//! # Disconnects
//!
//! actix notices that a browser is gone when it writes: the comments that head start sends into silence are
//! also its probes. `HttpServer::h1_allow_half_closed(false)` makes it notice at once.

mod body;
mod session_routes;

use actix_web::{HttpRequest, HttpResponse, Route, http::StatusCode, web};
use futures_util::StreamExt;
use headstart_core::HeadStart;
use http_body::Frame;
use http_body_util::StreamBody;

pub use session_routes::{session_routes, session_routes_with};

/// A route that answers the first message of chats. Other methods than POST get a 405 problem.
pub fn post(head_start: HeadStart) -> Route {
    web::route().to(move |request: HttpRequest, payload: web::Payload| {
        let head_start = head_start.clone();
        async move { answer(head_start, &request, payload).await }
    })
}

async fn answer(head_start: HeadStart, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(parts) = head(request) else {
        return HttpResponse::new(StatusCode::BAD_REQUEST);
    };
    let body =
        StreamBody::new(payload.map(|chunk| chunk.map(Frame::data).map_err(|error| error.to_string())));
    let response = head_start.handle(http::Request::from_parts(parts, body)).await;
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    for (name, value) in &head.headers {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    builder.body(body::ActixBody::new(body))
}

/// The request's head in the types of `http` 1, which actix does not use.
fn head(request: &HttpRequest) -> Option<http::request::Parts> {
    let mut builder =
        http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        builder = builder.header(name.as_str(), value.as_bytes());
    }
    Some(builder.body(()).ok()?.into_parts().0)
}
