//! The routes beside the first turn.

use axum::{
    Router,
    extract::{FromRequestParts, Request},
    response::Response,
    routing::any,
};
use headstart_core::SessionRoutes;

/// One segment for the chat, one for what to do with it.
const PATH: &str = "/{chat}/{action}";

/// Start, access token, watch token and close, for each chat. Nest it where the handler is; layers go as in
/// front of the handler.
///
/// ```
/// use axum::Router;
/// use headstart_core::HeadStart;
///
/// fn app(head_start: HeadStart) -> Router {
///     let routes = headstart_axum::session_routes(head_start.session_routes());
///     Router::new().route("/api/chat", headstart_axum::post(head_start)).nest("/api/chat", routes)
/// }
/// ```
pub fn session_routes<S>(routes: SessionRoutes) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route(PATH, any(move |request: Request| answer(routes, request)))
}

/// The same, with the value of an extractor in the request's extensions for `authorize`: that of
/// [`post_with`](crate::post_with), or all of these routes are refused.
pub fn session_routes_with<E, S>(routes: SessionRoutes) -> Router<S>
where
    E: FromRequestParts<S> + Clone + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    let answer = move |extracted: E, mut request: Request| {
        request.extensions_mut().insert(extracted);
        answer(routes, request)
    };
    Router::new().route(PATH, any(answer))
}

async fn answer(routes: SessionRoutes, request: Request) -> Response {
    routes.handle(request).await.map(axum::body::Body::new)
}
