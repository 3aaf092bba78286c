//! Requests and responses in the types of `http` 1, which actix does not use.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use bytes::Bytes;
use futures_util::StreamExt;
use headstart_core::Body;
use http::{Extensions, Request, Version};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::body::ActixBody;

/// `None` when the head has something that the newer types do not take.
pub(crate) fn request(
    request: &HttpRequest,
    payload: Payload,
    extensions: Extensions,
) -> Option<Request<impl http_body::Body<Data = Bytes, Error = String>>> {
    let version = match request.version() {
        actix_web::http::Version::HTTP_10 => Version::HTTP_10,
        actix_web::http::Version::HTTP_2 => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    let mut builder =
        Request::builder().method(request.method().as_str()).uri(request.uri().to_string()).version(version);
    for (name, value) in request.headers() {
        builder = builder.header(name.as_str(), value.as_bytes());
    }
    let chunks = payload.map(|chunk| chunk.map(Frame::data).map_err(|error| error.to_string()));
    let mut request = builder.body(StreamBody::new(chunks)).ok()?;
    *request.extensions_mut() = extensions;
    Some(request)
}

pub(crate) fn response(response: http::Response<Body>) -> HttpResponse {
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    for (name, value) in &head.headers {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    builder.body(ActixBody::new(body))
}
