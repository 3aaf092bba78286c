//! For pages on another origin.

use std::time::Duration;

use headstart_core::http::exposed_headers;
use http::Method;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// Lets pages of these origins post, and read the headers that their transport needs.
///
/// Goes around the handler (and around authentication), so that problems carry its headers, too: without them
/// a page sees no status, only a network error. Any request header is allowed, and an answer to a preflight is
/// good for an hour; both may be changed on the layer.
///
/// ```
/// use http::HeaderValue;
///
/// let cors = headstart_tower::cors([HeaderValue::from_static("https://app.example.com")]);
/// # let _ = cors;
/// ```
///
/// The browser's transport sends no cookies to another origin: authenticate by a header.
pub fn cors(origins: impl Into<AllowOrigin>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed_headers())
        .max_age(Duration::from_secs(3600))
}
