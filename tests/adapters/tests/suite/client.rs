//! A browser: one request on one connection, which closes when the response is dropped.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, request::Builder};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::world::PATH;

/// No answer of these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The beginning of a good request.
pub(crate) fn post() -> Builder {
    request(Method::POST, PATH).header("content-type", "application/json")
}

pub(crate) fn request(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", "localhost")
}

/// The first message of a chat.
pub(crate) fn message(chat: &str) -> String {
    let message = json!({"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]});
    json!({"chatId": chat, "headStartMessages": [message], "trigger": "submit-message"}).to_string()
}

pub(crate) fn full(body: impl Into<Bytes>) -> BoxBody<Bytes, std::convert::Infallible> {
    Full::new(body.into()).boxed()
}

pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    connection: JoinHandle<()>,
}

impl Drop for Response {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Where a server is, and how it is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    socket: SocketAddr,
    is_http2: bool,
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Self {
        Self { socket, is_http2: false }
    }
}

impl Address {
    pub(crate) fn http2(socket: SocketAddr) -> Self {
        Self { socket, is_http2: true }
    }
}

/// Sends a request and waits for the head of its response.
pub(crate) async fn send<B>(addr: impl Into<Address>, request: Request<B>) -> Response
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let Address { socket, is_http2 } = addr.into();
    let stream = TokioIo::new(TcpStream::connect(socket).await.unwrap());
    let (response, connection) = if is_http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        (timeout(PATIENCE, sender.send_request(absolute(request))).await, connection)
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        (timeout(PATIENCE, sender.send_request(request)).await, connection)
    };
    let response = response.expect("a head").unwrap();
    let (head, body) = response.into_parts();
    Response { status: head.status, headers: head.headers, body, connection }
}

/// The request as HTTP/2 has it.
fn absolute<B>(mut request: Request<B>) -> Request<B> {
    request.headers_mut().remove("host");
    *request.uri_mut() = format!("http://localhost{}", request.uri()).parse().unwrap();
    request
}

/// Sends a good first message.
pub(crate) async fn send_message(addr: impl Into<Address>, chat: &str) -> Response {
    send(addr, post().body(full(message(chat))).unwrap()).await
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// What comes next, `None` at the end, `Err` when it is cut off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        loop {
            match timeout(PATIENCE, self.body.frame()).await.expect("something of the body") {
                None => return Ok(None),
                Some(frame) => match frame?.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// Reads until this was said.
    pub(crate) async fn read_until(&mut self, words: &str) -> String {
        let mut read = String::new();
        while !read.contains(words) {
            let data = self.next().await.unwrap().unwrap_or_else(|| panic!("{words} did not come: {read}"));
            read += std::str::from_utf8(&data).unwrap();
        }
        read
    }

    /// Reads to a clean end, or to where it was cut off.
    pub(crate) async fn rest(&mut self) -> (Bytes, bool) {
        let mut read = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(data)) => read.extend_from_slice(&data),
                Ok(None) => return (read.into(), true),
                Err(_) => return (read.into(), false),
            }
        }
    }

    /// All of it, which has to end cleanly.
    pub(crate) async fn bytes(&mut self) -> Bytes {
        let (bytes, is_clean) = self.rest().await;
        assert!(is_clean, "cut off after {}", String::from_utf8_lossy(&bytes));
        bytes
    }

    /// The problem that this response has to be.
    pub(crate) async fn problem(mut self, status: StatusCode, kind: &str) -> Value {
        let bytes = self.bytes().await;
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{text}");
        let problem: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(problem["type"], format!("urn:headstart:problem:{kind}"), "{text}");
        assert_eq!(problem["status"], status.as_u16(), "{text}");
        assert_eq!(problem["requestId"].as_str(), self.header("x-request-id"), "{text}");
        problem
    }
}

/// The frames of a whole response.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    frames.map(|frame| serde_json::from_str(frame).unwrap()).collect()
}

/// The text of these frames.
pub(crate) fn text(frames: &[Value]) -> String {
    frames.iter().filter_map(|frame| frame["delta"].as_str()).collect()
}
