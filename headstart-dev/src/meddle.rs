//! The layer in front of both servers that carries faults out.

use std::io;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, future::pending, stream};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    faults::{Endpoint, Fault, Faults},
    store::OWN_TOKEN,
    wire::Wire,
};

/// The largest body that is looked into for its chat; larger ones the platform refuses anyway.
const MAX_CREATE_BYTES: usize = 64 * 1024;

/// What the layer has to know.
#[derive(Debug, Clone)]
pub(crate) struct Meddler {
    pub(crate) faults: Faults,
    pub(crate) secret_key: String,
}

pub(crate) async fn meddle(
    State(meddler): State<Meddler>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let Some((endpoint, chat)) = meddler.target(&request) else { return next.run(request).await };
    meddler.faults.count(endpoint);
    if !meddler.faults.are_any() {
        return next.run(request).await;
    }
    let (chat, request) = match chat {
        Some(chat) => (chat, request),
        None => match look_into(request).await {
            Ok(looked) => looked,
            Err(status) => return status.into_response(),
        },
    };
    match meddler.faults.meet(endpoint, &chat) {
        None => next.run(request).await,
        Some(Fault::Status(status)) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        Some(Fault::Reset) => {
            wire.cut();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        // Until the client has had enough and closes, which is not seen before its body is read.
        Some(Fault::Hang) => {
            let mut body = request.into_body().into_data_stream();
            while let Some(Ok(_)) = body.next().await {}
            pending().await
        }
        Some(Fault::Malformed) => malformed(endpoint),
        Some(Fault::Lost) => {
            let response = next.run(request).await;
            if matches!(endpoint, Endpoint::Subscribe | Endpoint::Write) {
                return response.map(|body| swallow(body, wire));
            }
            wire.cut();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Some(Fault::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            next.run(request).await
        }
    }
}

impl Meddler {
    /// What a server asks for, and for which chat if the address says so; `None` when it is not a server's.
    fn target(&self, request: &Request) -> Option<(Endpoint, Option<String>)> {
        let bearer = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let segments: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        let (endpoint, chat) = match (request.method(), &*segments) {
            (&Method::POST, ["api", "v1", "sessions"]) => (Endpoint::Create, None),
            (&Method::PUT, ["realtime", "v1", "sessions", chat, _]) => (Endpoint::Claim, Some(decoded(chat))),
            (&Method::GET, ["realtime", "v1", "sessions", chat, _]) => {
                (Endpoint::Subscribe, Some(decoded(chat)))
            }
            (&Method::POST, ["realtime", "v1", "sessions", chat, _, "append"]) => {
                (Endpoint::Append, Some(decoded(chat)))
            }
            (&Method::GET, ["realtime", "v1", "sessions", chat, _, "records"]) => {
                (Endpoint::Records, Some(decoded(chat)))
            }
            (&Method::POST, ["v1", "streams", stream, "records"]) if bearer != OWN_TOKEN => {
                let stream = decoded(stream);
                let chat = stream.strip_prefix("/sessions/")?.strip_suffix("/out")?;
                return Some((Endpoint::Write, Some(chat.to_owned())));
            }
            _ => return None,
        };
        (bearer == self.secret_key).then_some((endpoint, chat))
    }
}

/// The chat of a create is in its body.
async fn look_into(request: Request) -> Result<(String, Request), StatusCode> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MAX_CREATE_BYTES).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let chat = json["externalId"].as_str().unwrap_or_default().trim().to_owned();
    Ok((chat, Request::from_parts(head, Body::from(body))))
}

/// The body of an answer that comes in pieces, cut where its first one was to come: it would say that something
/// is done.
fn swallow(body: Body, wire: Wire) -> Body {
    Body::from_stream(stream::once(async move {
        drop(body.into_data_stream().next().await);
        wire.cut();
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    }))
}

fn malformed(endpoint: Endpoint) -> Response {
    let (kind, text) = match endpoint {
        Endpoint::Subscribe => ("text/event-stream", "event: batch\ndata: {\"records\":[{\n\n"),
        _ => ("application/json", "{\"records\":[{"),
    };
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
