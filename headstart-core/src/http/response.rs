//! The head of the streamed response (`docs/protocol.md`, "Response").

use http::{HeaderName, HeaderValue, header};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::{Body, request_id::REQUEST_ID};
use crate::wire::ChatId;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-trigger-chat-access-token");
const CHAT_ID: HeaderName = HeaderName::from_static("x-trigger-chat-id");
const PENDING_VERSION: HeaderName = HeaderName::from_static("x-trigger-chat-pending-version");

/// Response headers that a page on another origin has to be allowed to read
/// (`Access-Control-Expose-Headers`); without the first one the browser's transport fails.
#[must_use]
pub const fn exposed_headers() -> [HeaderName; 4] {
    [ACCESS_TOKEN, CHAT_ID, PENDING_VERSION, REQUEST_ID]
}

/// 200 with the session's token; `None` when the token is none that a header can carry.
pub(crate) fn stream_response(
    chat: &ChatId,
    token: &str,
    is_pending_version: bool,
    body: Body,
) -> Option<http::Response<Body>> {
    let mut token = HeaderValue::from_str(token).ok()?;
    token.set_sensitive(true);
    let mut response = http::Response::new(body);
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // Says to compressing layers: leave it.
        (header::CONTENT_ENCODING, "identity"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (HeaderName::from_static("x-vercel-ai-ui-message-stream"), "v1"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(ACCESS_TOKEN, token);
    // Outside ASCII, headers carry nothing that all clients read alike.
    let id = utf8_percent_encode(chat.as_str(), CONTROLS).to_string();
    headers.extend(HeaderValue::from_str(&id).ok().map(|id| (CHAT_ID, id)));
    if is_pending_version {
        headers.insert(PENDING_VERSION, HeaderValue::from_static("1"));
    }
    Some(response)
}
