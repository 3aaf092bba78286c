//! The HTTP shape of Lambda: callers on one side, the function's runtime on the other. One call at a time is
//! given to the function, as an environment of Lambda does; a caller that leaves is not mentioned to it.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

const INVOCATIONS: &str = "/2018-06-01/runtime/invocation/";
/// Between the head of a streamed response and its body.
const DELIMITER: &[u8] = &[0; 8];

type Answer = Response<BoxBody<Bytes, Cut>>;

/// The function's stream failed in the middle.
#[derive(Debug, thiserror::Error)]
#[error("the function failed in the middle of its response")]
struct Cut;

struct Call {
    event: Value,
    answer: oneshot::Sender<Answer>,
}

struct Api {
    calls: mpsc::UnboundedSender<Call>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Call>>,
    given: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    count: AtomicUsize,
}

pub(crate) async fn serve(listener: TcpListener) {
    let (calls, waiting) = mpsc::unbounded_channel();
    let api = Arc::new(Api {
        calls,
        waiting: tokio::sync::Mutex::new(waiting),
        given: Mutex::default(),
        count: AtomicUsize::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let api = api.clone();
        let service = service_fn(move |request| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.handle(request).await) }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

impl Api {
    async fn handle(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        match path.strip_prefix(INVOCATIONS) {
            None => self.call(request).await,
            Some("next") => self.next().await,
            Some(of) => match of.split_once('/') {
                Some((id, "response")) => self.response(id, request).await,
                Some((id, "error")) => {
                    let text = request.into_body().collect().await.unwrap().to_bytes();
                    self.answer(id, answer(StatusCode::BAD_GATEWAY, text));
                    answer(StatusCode::ACCEPTED, "")
                }
                _ => answer(StatusCode::NOT_FOUND, ""),
            },
        }
    }

    /// A caller's request, as a function URL makes an event of it.
    async fn call(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), Value::from(value.to_str().unwrap()))
        };
        let (method, path) = (head.method.as_str(), head.uri.path());
        let event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": head.uri.query().unwrap_or_default(),
            "headers": head.headers.iter().map(header).collect::<serde_json::Map<_, _>>(),
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "chat",
                "domainName": "chat.lambda-url.test",
                "domainPrefix": "chat",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
                "requestId": "r",
                "routeKey": "$default",
                "stage": "$default",
                "time": "01/Jan/2026:00:00:00 +0000",
                "timeEpoch": 1_767_225_600_000_u64,
            },
            "body": body,
            "isBase64Encoded": false,
        });
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { event, answer }).ok().unwrap();
        answered.await.unwrap()
    }

    /// The function asks for something to do.
    async fn next(&self) -> Answer {
        let call = self.waiting.lock().await.recv().await.unwrap();
        let id = format!("call-{}", self.count.fetch_add(1, Ordering::Relaxed));
        self.given.lock().unwrap().insert(id.clone(), call.answer);
        let mut response = answer(StatusCode::OK, call.event.to_string());
        let headers = response.headers_mut();
        headers.insert("lambda-runtime-aws-request-id", id.parse().unwrap());
        headers.insert("lambda-runtime-deadline-ms", HeaderValue::from_static("4102444800000"));
        let arn = HeaderValue::from_static("arn:aws:lambda:us-east-1:0:function:chat");
        headers.insert("lambda-runtime-invoked-function-arn", arn);
        response
    }

    /// The function answers, in a stream: head, delimiter, body.
    async fn response(&self, id: &str, request: Request<Incoming>) -> Answer {
        assert_eq!(request.headers()["lambda-runtime-function-response-mode"], "streaming");
        let mut body = request.into_body();
        let mut read = BytesMut::new();
        let at = loop {
            if let Some(at) = read.windows(DELIMITER.len()).position(|window| window == DELIMITER) {
                break at;
            }
            let frame = body.frame().await.expect("a head").unwrap();
            read.extend_from_slice(&frame.into_data().unwrap_or_default());
        };
        let head: Prelude = serde_json::from_slice(&read.split_to(at)).unwrap();
        let first = read.split_off(DELIMITER.len()).freeze();
        let (frames, mut passed_on) = mpsc::unbounded_channel();
        let frames_of = stream::poll_fn(move |cx| passed_on.poll_recv(cx));
        let mut response = Response::new(StreamBody::new(frames_of).boxed());
        *response.status_mut() = StatusCode::from_u16(head.status_code).unwrap();
        *response.headers_mut() = head.headers();
        self.answer(id, response);
        // Nobody tells the function that its caller has left: all is read, whoever still wants it.
        let pass_on = |frame| drop(frames.send(frame));
        pass_on(Ok(Frame::data(first)));
        loop {
            match body.frame().await {
                None => break,
                Some(Err(_)) => {
                    pass_on(Err(Cut));
                    break;
                }
                Some(Ok(frame)) => pass_on(Ok(frame)),
            }
        }
        answer(StatusCode::ACCEPTED, "")
    }

    fn answer(&self, id: &str, answer: Answer) {
        let caller = self.given.lock().unwrap().remove(id).expect("a call of this id");
        // The caller may have left.
        drop(caller.send(answer));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    status_code: u16,
    headers: HashMap<String, String>,
}

impl Prelude {
    fn headers(&self) -> HeaderMap {
        let header = |(name, value): (&String, &String)| -> (HeaderName, HeaderValue) {
            (name.parse().unwrap(), value.parse().unwrap())
        };
        self.headers.iter().map(header).collect()
    }
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}
