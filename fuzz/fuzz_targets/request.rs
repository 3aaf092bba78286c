//! A request body of any kind is answered with a problem, and never reaches the platform.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use headstart_core::{
    AllowAnyone, Denied, FirstTurn, HeadStart, Sessions,
    sessions::{
        Appended, Channel, Opened, OutWriter, RecordStream, SessionsError, SessionsErrorKind, SessionsFuture,
    },
    wire::{ChatId, CreateSession, Record, Seq},
};
use headstart_providers::{Script, Scripted};
use http::Request;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;

/// A platform that nobody may ask.
struct Untouched;

fn refuse<T>() -> Result<T, SessionsError> {
    Err(SessionsError::new(SessionsErrorKind::Unavailable, "nobody may ask"))
}

impl Sessions for Untouched {
    fn create(&self, _session: CreateSession) -> SessionsFuture<'_, Opened> {
        panic!("a session was created");
    }

    fn open_out(&self, _chat: &ChatId) -> SessionsFuture<'_, Box<dyn OutWriter>> {
        panic!("a stream was opened");
    }

    fn append_in(&self, _chat: &ChatId, _input: Bytes, _part_id: &str) -> SessionsFuture<'_, Appended> {
        panic!("an input was sent");
    }

    fn subscribe(&self, _chat: &ChatId, _channel: Channel, _after: Option<Seq>) -> RecordStream {
        Box::pin(futures_util::stream::once(async { refuse() }))
    }

    fn records(
        &self,
        _chat: &ChatId,
        _channel: Channel,
        _after: Option<Seq>,
    ) -> SessionsFuture<'_, Vec<Record>> {
        Box::pin(async { refuse() })
    }
}

static HEAD_START: LazyLock<HeadStart> = LazyLock::new(|| {
    let model = Scripted::new(|_| Script::new().text("hi"));
    HeadStart::builder("agent", Untouched)
        .authorize(AllowAnyone)
        // Asked last: everything before it runs.
        .quota(|_| async { Err(Denied::TooManyRequests) })
        .run(move |turn: FirstTurn| {
            let model = model.clone();
            async move { turn.stream_text(&model).await }
        })
        .build()
        .expect("a sound configuration")
});

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let body = Full::new(Bytes::copy_from_slice(bytes));
    let request = Request::post("/api/chat").header("content-type", "application/json").body(body);
    let response = runtime.block_on(HEAD_START.handle(request.expect("a request")));
    assert!(response.status().is_client_error(), "{}", response.status());
});
