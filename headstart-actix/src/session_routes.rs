//! The routes beside the first turn.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Resource,
    web::{self, Payload},
};
use headstart_core::{Problem, ProblemKind, SessionRoutes};
use http::Extensions;

use crate::convert;

/// Start, access token, watch token and close, for each chat below this path: usually that of the handler.
///
/// ```
/// use actix_web::web;
/// use headstart_core::HeadStart;
///
/// fn configure(config: &mut web::ServiceConfig, head_start: HeadStart) {
///     config
///         .service(headstart_actix::session_routes("/api/chat", head_start.session_routes()))
///         .service(web::resource("/api/chat").route(headstart_actix::post(head_start)));
/// }
/// ```
pub fn session_routes(path: &str, routes: SessionRoutes) -> Resource {
    resource(path).to(move |request: HttpRequest, payload: Payload| {
        let routes = routes.clone();
        async move { answer(&routes, &request, payload, Extensions::new()).await }
    })
}

/// The same, with the value of an extractor in the extensions for `authorize`: that of
/// [`post_with`](crate::post_with), or all of these routes are refused.
pub fn session_routes_with<E>(path: &str, routes: SessionRoutes) -> Resource
where
    E: FromRequest + Clone + Send + Sync + 'static,
{
    resource(path).to(move |extracted: E, request: HttpRequest, payload: Payload| {
        let routes = routes.clone();
        let mut extensions = Extensions::new();
        extensions.insert(extracted);
        async move { answer(&routes, &request, payload, extensions).await }
    })
}

fn resource(path: &str) -> Resource {
    web::resource(format!("{path}/{{chat}}/{{action}}"))
}

async fn answer(
    routes: &SessionRoutes,
    request: &HttpRequest,
    payload: Payload,
    extensions: Extensions,
) -> HttpResponse {
    convert::response(match convert::request(request, payload, extensions) {
        Some(request) => routes.handle(request).await,
        None => Problem::new(ProblemKind::InvalidRequest).into_response(),
    })
}
