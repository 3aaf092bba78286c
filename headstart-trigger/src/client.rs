//! The client: the sessions API behind the face that turns know.

use std::sync::Arc;

use bytes::Bytes;
use headstart_core::{
    Sessions, TokenSpec,
    sessions::{
        Appended, Channel, Opened, OutWriter, RecordStream, RunState, SessionsError, SessionsErrorKind,
        SessionsFuture,
    },
    wire::{ChatId, CreateSession, Json, Record, RecordBody, Seq},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use tracing::debug;

use crate::{
    ConfigError, SecretKey, TriggerClientBuilder, deployment,
    http::{Answer, Http},
    out_writer, runs,
    s2::S2Clients,
    subscribe,
    tokens::Minter,
};

/// Talks to Trigger.dev. Cheap to clone.
#[derive(Clone)]
pub struct TriggerClient(Arc<Inner>);

struct Inner {
    http: Arc<Http>,
    s2: Arc<S2Clients>,
    minter: Minter,
    /// Of the runs of handlers that do not say it themselves.
    deployment: Option<String>,
}

impl TriggerClient {
    pub(crate) fn new(http: Http, key: SecretKey, deployment: Option<String>) -> Self {
        let (http, minter) = (Arc::new(http), Minter::new(key));
        Self(Arc::new(Inner { http, s2: Arc::default(), minter, deployment }))
    }

    /// With everything from the environment.
    ///
    /// # Errors
    /// When `TRIGGER_SECRET_KEY` is not set, or something in the environment cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// With settings of one's own; what is not set comes from the environment.
    pub fn builder() -> TriggerClientBuilder {
        TriggerClientBuilder::default()
    }

    async fn create_session(&self, mut session: CreateSession) -> Result<Opened, SessionsError> {
        let deployment = &mut session.trigger_config.external_deployment_id;
        *deployment = deployment::settle(std::mem::take(deployment), self.0.deployment.as_deref());
        let body = serde_json::to_vec(&session)
            .map_err(|error| SessionsError::new(SessionsErrorKind::Rejected, error.to_string()))?;
        self.0
            .http
            .send(Method::POST, "/api/v1/sessions", HeaderMap::new(), body.into(), |answer| {
                let status = answer.status;
                let created: Created = read(&answer)?;
                let mut opened = Opened::new(created.public_access_token);
                opened.is_existing = created.is_cached.unwrap_or(status != StatusCode::CREATED);
                opened.metadata = created.metadata.filter(|metadata| !metadata.is_null());
                opened.session_id = created.id;
                opened.run_id = created.run_id;
                opened.is_pending_version = created.pending_version == Some(true);
                Ok(opened)
            })
            .await
    }

    async fn append(&self, chat: &ChatId, input: Bytes, part_id: &str) -> Result<Appended, SessionsError> {
        let path = format!("/realtime/v1/sessions/{}/in/append", chat.path_segment());
        let mut headers = HeaderMap::new();
        let part = HeaderValue::from_str(part_id)
            .map_err(|_| SessionsError::new(SessionsErrorKind::Rejected, "the part id is no header value"))?;
        headers.insert(HeaderName::from_static("x-part-id"), part);
        let seq = self
            .0
            .http
            .send(Method::POST, &path, headers, input, |answer| Ok(read::<AppendAnswer>(&answer)?.seq))
            .await?;
        if seq.is_some() {
            return Ok(Appended { seq });
        }
        // An earlier try was first; it is on the stream under the same id.
        let records = self.read_records(chat, Channel::In, None).await.unwrap_or_else(|error| {
            debug!(%chat, %error, "the position of an input is not known");
            Vec::new()
        });
        let is_ours = |record: &&Record| matches!(&record.body, RecordBody::Data { id, .. } if id == part_id);
        Ok(Appended { seq: records.iter().find(is_ours).map(|record| record.seq) })
    }

    async fn read_records(
        &self,
        chat: &ChatId,
        channel: Channel,
        after: Option<Seq>,
    ) -> Result<Vec<Record>, SessionsError> {
        let query = after.map(|seq| format!("?afterEventId={seq}")).unwrap_or_default();
        let path =
            format!("/realtime/v1/sessions/{}/{}/records{query}", chat.path_segment(), channel.as_str());
        self.0
            .http
            .send(Method::GET, &path, HeaderMap::new(), Bytes::new(), |answer| {
                let records: StoredRecords = read(&answer)?;
                Ok(records.records.into_iter().map(StoredRecord::into_record).collect())
            })
            .await
    }
}

impl std::fmt::Debug for TriggerClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TriggerClient").field("base_url", &self.0.http.base_url).finish_non_exhaustive()
    }
}

impl Sessions for TriggerClient {
    fn create(&self, session: CreateSession) -> SessionsFuture<'_, Opened> {
        Box::pin(self.create_session(session))
    }

    fn open_out(&self, chat: &ChatId) -> SessionsFuture<'_, Box<dyn OutWriter>> {
        let chat = chat.clone();
        Box::pin(async move { out_writer::open(&self.0.http, &self.0.s2, &chat).await })
    }

    fn append_in(&self, chat: &ChatId, input: Bytes, part_id: &str) -> SessionsFuture<'_, Appended> {
        let (chat, part_id) = (chat.clone(), part_id.to_owned());
        Box::pin(async move { self.append(&chat, input, &part_id).await })
    }

    fn subscribe(&self, chat: &ChatId, channel: Channel, after: Option<Seq>) -> RecordStream {
        subscribe::subscribe(self.0.http.clone(), chat.clone(), channel, after)
    }

    fn records(
        &self,
        chat: &ChatId,
        channel: Channel,
        after: Option<Seq>,
    ) -> SessionsFuture<'_, Vec<Record>> {
        let chat = chat.clone();
        Box::pin(async move { self.read_records(&chat, channel, after).await })
    }

    fn run_state(&self, run_id: &str) -> SessionsFuture<'_, RunState> {
        let run_id = run_id.to_owned();
        Box::pin(async move { runs::state(&self.0.http, &run_id).await })
    }

    fn mint_token(&self, token: TokenSpec) -> SessionsFuture<'_, String> {
        Box::pin(async move { self.0.minter.mint(&self.0.http, &token).await })
    }

    fn close(&self, chat: &ChatId, reason: Option<String>) -> SessionsFuture<'_, ()> {
        let path = format!("/api/v1/sessions/{}/close", chat.path_segment());
        Box::pin(async move {
            let body = match reason {
                Some(reason) => serde_json::json!({ "reason": reason }).to_string(),
                None => "{}".to_owned(),
            };
            self.0.http.send(Method::POST, &path, HeaderMap::new(), body.into(), |_| Ok(())).await
        })
    }

    fn warm(&self) -> SessionsFuture<'_, ()> {
        Box::pin(async move {
            // Any answer will do: what counts is the connection.
            let path = "/api/v1/sessions?page%5Bsize%5D=1";
            self.0.http.send(Method::GET, path, HeaderMap::new(), Bytes::new(), |_| Ok(())).await
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    id: Option<String>,
    public_access_token: String,
    is_cached: Option<bool>,
    run_id: Option<String>,
    pending_version: Option<bool>,
    metadata: Option<Json>,
}

#[derive(Deserialize)]
struct AppendAnswer {
    seq: Option<Seq>,
}

#[derive(Deserialize)]
struct StoredRecords {
    records: Vec<StoredRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredRecord {
    #[serde(default)]
    data: Json,
    #[serde(default)]
    id: String,
    seq_num: Seq,
    #[serde(default)]
    headers: Option<Vec<(String, String)>>,
}

impl StoredRecord {
    fn into_record(self) -> Record {
        let headers = self.headers.unwrap_or_default();
        let body = match RecordBody::parse(&headers, "") {
            RecordBody::Command if headers.is_empty() => RecordBody::Data { id: self.id, data: self.data },
            other => other,
        };
        Record { seq: self.seq_num, body }
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    // The text of a parse error may quote the answer, which holds a token.
    serde_json::from_slice(&answer.body)
        .map_err(|error| format!("unreadable answer at column {}", error.column()))
}
