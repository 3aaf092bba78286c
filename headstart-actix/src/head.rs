//! The request's head in the types of `http` 1, which actix does not use.

use actix_web::HttpRequest;
use http::{Request, Version, request::Parts};

/// `None` when it has something that the newer types do not take.
pub(crate) fn of(request: &HttpRequest) -> Option<Parts> {
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
    Some(builder.body(()).ok()?.into_parts().0)
}
