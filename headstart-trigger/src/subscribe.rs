//! Reading a session's stream as it grows. One subscription is one connection: who wants to go on behind its
//! end subscribes again.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt, stream};
use headstart_core::{
    sessions::{Channel, RecordStream, SessionsError, SessionsErrorKind},
    sse::{Decoder, Event},
    wire::{ChatId, Record, RecordBody, Seq},
};
use http::HeaderValue;
use serde::Deserialize;
use tokio::time::timeout;

use crate::http::{Http, status_kind};

/// A batch of records, at most: they are 1 MiB each, and escaped.
const MAX_EVENT: usize = 16 * 1024 * 1024;

pub(crate) fn subscribe(http: Arc<Http>, chat: ChatId, channel: Channel, after: Option<Seq>) -> RecordStream {
    let subscription = Subscription {
        http,
        chat,
        channel,
        after,
        response: None,
        decoder: Decoder::new(MAX_EVENT),
        ready: VecDeque::new(),
    };
    stream::unfold(Some(subscription), |subscription| async move {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(Some(record)) => Some((Ok(record), Some(subscription))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

struct Subscription {
    http: Arc<Http>,
    chat: ChatId,
    channel: Channel,
    after: Option<Seq>,
    response: Option<reqwest::Response>,
    decoder: Decoder,
    ready: VecDeque<Record>,
}

impl Subscription {
    /// The next record; `None` when the platform ended the connection.
    async fn next(&mut self) -> Result<Option<Record>, SessionsError> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            if let Some(event) = self.decoder.next_event() {
                if self.event(&event)? {
                    return Ok(None);
                }
                continue;
            }
            let idle = self.http.timeouts.subscription_idle;
            let chunk = match &mut self.response {
                Some(response) => timeout(idle, response.chunk()).await,
                None => {
                    self.response = Some(self.connect().await?);
                    continue;
                }
            };
            match chunk {
                Ok(Ok(Some(bytes))) => {
                    self.decoder.feed(&bytes).map_err(|_| malformed("an event is too large"))?
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => {
                    return Err(SessionsError::new(SessionsErrorKind::Unavailable, error.to_string()));
                }
                Err(_) => {
                    return Err(SessionsError::new(
                        SessionsErrorKind::Timeout,
                        "the subscription fell silent",
                    ));
                }
            }
        }
    }

    async fn connect(&self) -> Result<reqwest::Response, SessionsError> {
        let (chat, channel) = (self.chat.path_segment(), self.channel.as_str());
        let url = format!("{}/realtime/v1/sessions/{chat}/{channel}", self.http.base_url);
        let mut request = self.http.client.get(url).headers(self.http.headers.clone());
        request = request.header(http::header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(seq) = self.after {
            request = request.header("last-event-id", seq.to_string());
        }
        let connected = timeout(self.http.timeouts.attempt, request.send()).await;
        let response = match connected {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(SessionsError::new(SessionsErrorKind::Unavailable, error.to_string()));
            }
            Err(_) => return Err(SessionsError::new(SessionsErrorKind::Timeout, "no answer in time")),
        };
        let status = response.status();
        if !status.is_success() {
            return Err(SessionsError::new(status_kind(status), format!("subscription: status {status}")));
        }
        Ok(response)
    }

    /// Takes in one event; `true` when it is the last.
    fn event(&mut self, event: &Event) -> Result<bool, SessionsError> {
        #[derive(Deserialize)]
        struct Batch {
            records: Vec<Stored>,
        }
        #[derive(Deserialize)]
        struct Stored {
            seq_num: Seq,
            #[serde(default)]
            body: String,
            #[serde(default)]
            headers: Vec<(String, String)>,
        }
        match &*event.name {
            "batch" => {
                let batch: Batch =
                    serde_json::from_str(&event.data).map_err(|_| malformed("a batch is unreadable"))?;
                self.ready.extend(batch.records.into_iter().map(|stored| Record {
                    seq: stored.seq_num,
                    body: RecordBody::parse(&stored.headers, &stored.body),
                }));
                Ok(false)
            }
            "error" => {
                Err(SessionsError::new(SessionsErrorKind::Unavailable, "the stream store reports an error"))
            }
            _ => Ok(event.data == "[DONE]"),
        }
    }
}

fn malformed(why: &str) -> SessionsError {
    SessionsError::new(SessionsErrorKind::Malformed, why)
}
