//! The routes beside the first turn.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Resource,
    http::StatusCode,
    web::{self, Payload},
};
use futures_util::StreamExt;
use headstart_core::{Problem, ProblemKind, SessionRoutes};
use http::Extensions;
use http_body::Frame;
use http_body_util::StreamBody;

use crate::{body::ActixBody, head};

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

/// The same, with the value of an extractor in the extensions for `authorize`.
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
    let response = match head(request) {
        Some(mut head) => {
            head.extensions = extensions;
            let chunks = payload.map(|chunk| chunk.map(Frame::data).map_err(|error| error.to_string()));
            routes.handle(http::Request::from_parts(head, StreamBody::new(chunks))).await
        }
        None => Problem::new(ProblemKind::InvalidRequest).into_response(),
    };
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    for (name, value) in &head.headers {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    builder.body(ActixBody::new(body))
}
