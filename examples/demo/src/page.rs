//! The page: plain files, part of the binary.

use axum::{
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$((concat!("/", $name), include_str!(concat!("../page/", $name)))),+]
    };
}

const FILES: &[(&str, &str)] = files![
    "index.html",
    "style.css",
    "api.js",
    "compare.js",
    "dom.js",
    "firsttext.js",
    "lanes.js",
    "main.js",
    "markdown.js",
    "marks.js",
    "message.js",
    "part.js",
    "session.js",
    "storage.js",
    "theme.js",
    "timeline.js",
    "view.js",
    "wire.js",
];

/// A file of the page.
pub(crate) async fn file(uri: Uri) -> Response {
    let path = if uri.path() == "/" { "/index.html" } else { uri.path() };
    let Some((name, text)) = FILES.iter().find(|(name, _)| *name == path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], *text).into_response()
}
