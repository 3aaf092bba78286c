//! Writing to `session.out`: credentials from the platform, then straight to the stream store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headstart_core::{
    sessions::{OutWriter, SessionsError, SessionsErrorKind, SessionsFuture, Written},
    wire::{ChatId, Seq},
};
use http::{HeaderMap, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s2_sdk::{
    append_session::{AppendSession, AppendSessionConfig},
    types::{AppendInput, AppendRecord, AppendRecordBatch},
};
use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::{
    SecretKey,
    http::{Answer, Http, read_body, status_kind},
    s2::{S2Clients, S2Key},
};

const DEFAULT_LINGER: Duration = Duration::from_millis(100);
/// The largest acknowledgement that is read, in bytes.
const MAX_ACK: usize = 64 * 1024;

/// Opens `session.out` of a chat for writing.
pub(crate) async fn open(
    http: &Arc<Http>,
    clients: &Arc<S2Clients>,
    chat: &ChatId,
) -> Result<Box<dyn OutWriter>, SessionsError> {
    let path = format!("/realtime/v1/sessions/{}/out", chat.path_segment());
    let place = http.send(Method::PUT, &path, HeaderMap::new(), Bytes::new(), Place::read).await?;
    Ok(match place.sdk_key() {
        Some(key) => {
            let session = open_session(clients, &key, &place)?;
            Box::new(SdkWriter {
                session: Some(session),
                clients: clients.clone(),
                key,
                linger: place.linger,
            })
        }
        None => {
            debug!(%chat, "the stream store is behind a path; writing over plain HTTP");
            Box::new(JsonWriter { http: http.clone(), place })
        }
    })
}

/// Where a stream is.
struct Place {
    endpoint: String,
    basin: String,
    stream: String,
    token: SecretKey,
    linger: Duration,
}

impl Place {
    #[allow(clippy::needless_pass_by_value, reason = "a reader of answers takes them")]
    fn read(answer: Answer) -> Result<Self, String> {
        let header = |name: &str| {
            let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
            value.filter(|value| !value.is_empty()).map(str::to_owned).ok_or_else(|| format!("no {name}"))
        };
        let linger = header("x-s2-flush-interval-ms").ok().and_then(|ms| ms.parse().ok());
        Ok(Self {
            endpoint: header("x-s2-endpoint")?,
            basin: header("x-s2-basin")?,
            stream: header("x-s2-stream-name")?,
            token: SecretKey::new(header("x-s2-access-token")?),
            linger: linger.map_or(DEFAULT_LINGER, Duration::from_millis).min(Duration::from_secs(1)),
        })
    }

    /// For the SDK, which takes an origin and adds `/v1` by itself; `None` when there is more of a path.
    fn sdk_key(&self) -> Option<S2Key> {
        let endpoint = self.endpoint.trim_end_matches('/');
        let origin = endpoint.strip_suffix("/v1").unwrap_or(endpoint);
        let (_, authority) = origin.split_once("://")?;
        let key = S2Key { origin: origin.to_owned(), basin: self.basin.clone(), token: self.token.clone() };
        (!authority.contains('/')).then_some(key)
    }
}

fn open_session(clients: &S2Clients, key: &S2Key, place: &Place) -> Result<AppendSession, SessionsError> {
    let invalid =
        |error: String| SessionsError::new(SessionsErrorKind::Malformed, format!("stream store: {error}"));
    let client = clients.get(key.clone())?;
    let basin = place.basin.parse().map_err(|error| invalid(format!("{error}")))?;
    let stream = place.stream.parse().map_err(|error| invalid(format!("{error}")))?;
    Ok(client.basin(basin).stream(stream).append_session(AppendSessionConfig::new()))
}

/// One append session of the SDK, over a connection that all chats share.
struct SdkWriter {
    session: Option<AppendSession>,
    clients: Arc<S2Clients>,
    key: S2Key,
    linger: Duration,
}

impl OutWriter for SdkWriter {
    fn append(&mut self, batch: Vec<Bytes>, match_seq: Option<Seq>) -> SessionsFuture<'_, Written> {
        Box::pin(async move {
            let rejected = |error: String| SessionsError::new(SessionsErrorKind::Rejected, error);
            let records = batch.into_iter().map(AppendRecord::new).collect::<Result<Vec<_>, _>>();
            let records = records.map_err(|error| rejected(error.to_string()))?;
            let records =
                AppendRecordBatch::try_from_iter(records).map_err(|error| rejected(error.to_string()))?;
            let mut input = AppendInput::new(records);
            if let Some(seq) = match_seq {
                input = input.with_match_seq_num(seq);
            }
            let session = self.session.as_ref().ok_or_else(|| rejected("the writer is closed".to_owned()))?;
            let acked = match session.submit(input).await {
                Ok(ticket) => ticket.await,
                Err(error) => Err(error),
            };
            acked
                .map(|ack| Written { first: ack.start.seq_num, last: ack.end.seq_num.saturating_sub(1) })
                .map_err(|error| {
                    self.clients.forget(&self.key);
                    let kind = match &error {
                        s2_sdk::error::AppendSessionError::Append(
                            s2_sdk::error::AppendError::ConditionFailed(_),
                        ) => SessionsErrorKind::Conflict,
                        _ => SessionsErrorKind::Unavailable,
                    };
                    let failed = SessionsError::new(kind, format!("append to the stream store: {error}"));
                    if error.has_no_side_effects() { failed.without_side_effects() } else { failed }
                })
        })
    }

    fn linger(&self) -> Duration {
        self.linger
    }
}

/// One POST for each batch, for places where the SDK does not reach: behind a path, or without HTTP/2.
struct JsonWriter {
    http: Arc<Http>,
    place: Place,
}

impl OutWriter for JsonWriter {
    fn append(&mut self, batch: Vec<Bytes>, match_seq: Option<Seq>) -> SessionsFuture<'_, Written> {
        Box::pin(async move {
            #[derive(Serialize)]
            struct Body<'a> {
                records: Vec<Record<'a>>,
                #[serde(skip_serializing_if = "Option::is_none")]
                match_seq_num: Option<Seq>,
            }
            #[derive(Serialize)]
            struct Record<'a> {
                body: &'a str,
            }
            #[derive(Deserialize)]
            struct Ack {
                start: Position,
                end: Position,
            }
            #[derive(Deserialize)]
            struct Position {
                seq_num: Seq,
            }
            let unavailable = |error: &reqwest::Error| {
                SessionsError::new(
                    SessionsErrorKind::Unavailable,
                    format!("append to the stream store: {error}"),
                )
            };
            let records =
                batch.iter().map(|body| Record { body: std::str::from_utf8(body).unwrap_or_default() });
            let body = Body { records: records.collect(), match_seq_num: match_seq };
            let body = serde_json::to_vec(&body)
                .map_err(|error| SessionsError::new(SessionsErrorKind::Rejected, error.to_string()))?;
            let stream = utf8_percent_encode(&self.place.stream, NON_ALPHANUMERIC);
            let url = format!("{}/streams/{stream}/records", self.place.endpoint.trim_end_matches('/'));
            let response = self
                .http
                .client
                .post(url)
                .bearer_auth(self.place.token.expose())
                .header("content-type", "application/json")
                .header("s2-format", "raw")
                .header("s2-basin", &self.place.basin)
                .timeout(self.http.timeouts.attempt)
                .body(body)
                .send()
                .await
                .map_err(|error| unavailable(&error))?;
            let status = response.status();
            if status == http::StatusCode::PRECONDITION_FAILED {
                return Err(SessionsError::new(SessionsErrorKind::Conflict, "the stream has moved on")
                    .without_side_effects());
            }
            if !status.is_success() {
                return Err(SessionsError::new(
                    status_kind(status),
                    format!("stream store: status {status}"),
                ));
            }
            let body = read_body(response, MAX_ACK).await.map_err(|error| unavailable(&error))?;
            let ack = body.and_then(|body| serde_json::from_slice::<Ack>(&body).ok()).ok_or_else(|| {
                SessionsError::new(SessionsErrorKind::Malformed, "stream store: unreadable ack")
            })?;
            Ok(Written { first: ack.start.seq_num, last: ack.end.seq_num.saturating_sub(1) })
        })
    }

    fn linger(&self) -> Duration {
        self.place.linger
    }
}
