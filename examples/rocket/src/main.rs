//! rocket, which takes no tower services: a request guard gives the head, a responder sends the stream.

use std::io;

use futures_util::TryStreamExt;
use headstart_core::{AllowAnyone, Body, HeadStart};
use headstart_example_common::{Error, builder};
use http_body_util::BodyDataStream;
use rocket::{
    Data, Request, Response, State,
    data::ToByteUnit,
    fairing::AdHoc,
    http::Status,
    request::{FromRequest, Outcome},
    response::{self, Responder},
};
use tokio_util::io::{ReaderStream, StreamReader};

/// More than the handler's own limit, which is the one that answers.
const MOST: u64 = 64;

#[rocket::main]
async fn main() -> Result<(), Error> {
    // Who may use which chat; the examples of axum and actix-web ask for a user.
    let head_start = builder()?.authorize(AllowAnyone).build()?;
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000_u16);
    let figment = rocket::Config::figment()
        .merge(("port", port))
        .merge(("address", "127.0.0.1"))
        .merge(("log_level", "critical"));
    let liftoff =
        AdHoc::on_liftoff("address", |rocket| Box::pin(async { say_address(rocket.config().port) }));
    let rocket = rocket::custom(figment).manage(head_start).attach(liftoff);
    rocket.mount("/", rocket::routes![chat]).launch().await?;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "it is a program")]
fn say_address(port: u16) {
    println!("listening on http://127.0.0.1:{port}");
}

#[rocket::post("/api/chat", data = "<data>")]
async fn chat(head_start: &State<HeadStart>, head: Head, data: Data<'_>) -> Answer {
    let chunks = ReaderStream::new(data.open(MOST.mebibytes())).map_ok(http_body::Frame::data);
    // The reader is not `Unpin`, and need not be.
    let body = http_body_util::StreamBody::new(Box::pin(chunks));
    Answer(head_start.handle(head.0.map(|()| body)).await)
}

/// The request's head in the types of `http`, which rocket does not use.
struct Head(http::Request<()>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Head {
    type Error = http::Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, http::Error> {
        let mut head =
            http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
        for header in request.headers().iter() {
            head = head.header(header.name().as_str(), header.value());
        }
        match head.body(()) {
            Ok(head) => Outcome::Success(Self(head)),
            Err(error) => Outcome::Error((Status::BadRequest, error)),
        }
    }
}

struct Answer(http::Response<Body>);

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        let (head, body) = self.0.into_parts();
        let mut response = Response::build();
        response.status(Status::new(head.status.as_u16()));
        for (name, value) in &head.headers {
            if let Ok(value) = value.to_str() {
                response.raw_header_adjoin(name.to_string(), value.to_owned());
            }
        }
        let chunks = BodyDataStream::new(body).map_err(io::Error::other);
        response.streamed_body(StreamReader::new(chunks)).ok()
    }
}
