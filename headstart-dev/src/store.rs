//! The stream store: a real S2 server in this process, on a port of its own.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use axum::{Router, body::Bytes, middleware::from_fn_with_state};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s2_lite::{backend::Backend, handlers, init};
use serde::{Deserialize, Serialize};
use slatedb::object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};
use tokio_util::sync::CancellationToken;

use crate::{
    StartError,
    meddle::{Meddler, meddle},
    wire::{Wire, WireListener},
};

pub(crate) const BASIN: &str = "headstart-dev";
/// What this platform itself shows the store; the store does not check, but faults leave it alone.
pub(crate) const OWN_TOKEN: &str = "headstart-dev";
/// What streams hold of appends that are on their way, in bytes.
const INFLIGHT: u64 = 64 * 1024 * 1024;
/// An append and a read that create the same stream at once: one of them has to come again.
const CREATE_RACE_TRIES: u32 = 6;

/// Reads and writes streams.
pub(crate) struct Store {
    http: reqwest::Client,
    pub(crate) origin: String,
}

/// A record as the store gives it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StoredRecord {
    pub(crate) seq_num: u64,
    #[serde(default)]
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
}

/// A record to write.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct NewRecord {
    pub(crate) body: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
#[error("stream store: {0}")]
pub(crate) struct StoreError(String);

impl From<reqwest::Error> for StoreError {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

impl Store {
    /// Starts the server, in memory or on disk. It ends with `stop`.
    pub(crate) async fn start(
        data_dir: Option<PathBuf>,
        meddler: Meddler,
        sockets: Arc<AtomicUsize>,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let failed = |error: &dyn std::fmt::Display| StartError::Store(error.to_string());
        let objects: Arc<dyn ObjectStore> = match data_dir {
            Some(dir) => {
                std::fs::create_dir_all(&dir)?;
                Arc::new(LocalFileSystem::new_with_prefix(dir).map_err(|error| failed(&error))?)
            }
            None => Arc::new(InMemory::new()),
        };
        let settings = slatedb::Settings {
            flush_interval: Some(Duration::from_millis(5)),
            ..slatedb::Settings::default()
        };
        let db = slatedb::Db::builder("", objects).with_settings(settings).build().await;
        let db = db.map_err(|error| failed(&error))?;
        let backend = Backend::new(db, bytesize::ByteSize::b(INFLIGHT));
        s2_lite::backend::bgtasks::spawn(&backend);
        let config = serde_json::json!({"create_stream_on_append": true, "create_stream_on_read": true});
        let spec = serde_json::json!({"basins": [{"name": BASIN, "config": config}]});
        let spec = serde_json::from_value(spec).map_err(|error| failed(&error))?;
        init::apply(&backend, spec).await.map_err(|error| failed(&error))?;

        let listener = WireListener::bind(0, sockets).await?;
        let origin = listener.origin()?;
        let app: Router = handlers::router().with_state(backend);
        let app = app.layer(from_fn_with_state(meddler, meddle));
        let serve = axum::serve(listener, app.into_make_service_with_connect_info::<Wire>())
            .with_graceful_shutdown(stop.cancelled_owned());
        tokio::spawn(async move { serve.await });
        let http = reqwest::Client::builder().tcp_nodelay(true).build()?;
        Ok(Self { http, origin })
    }

    fn request(
        &self,
        method: reqwest::Method,
        stream: &str,
        query: &str,
        format: &str,
    ) -> reqwest::RequestBuilder {
        let stream = utf8_percent_encode(stream, NON_ALPHANUMERIC);
        let url = format!("{}/v1/streams/{stream}/records{query}", self.origin);
        self.http
            .request(method, url)
            .bearer_auth(OWN_TOKEN)
            .header("s2-basin", BASIN)
            .header("s2-format", format)
    }

    /// Writes records; gives the position of the first.
    pub(crate) async fn append(&self, stream: &str, records: &[NewRecord]) -> Result<u64, StoreError> {
        self.post(stream, "raw", &serde_json::json!({ "records": records })).await
    }

    /// Marks everything before `seq` as done with.
    pub(crate) async fn trim(&self, stream: &str, seq: u64) -> Result<(), StoreError> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let body = BASE64_STANDARD.encode(seq.to_be_bytes());
        let record = serde_json::json!({"headers": [["", BASE64_STANDARD.encode("trim")]], "body": body});
        self.post(stream, "base64", &serde_json::json!({ "records": [record] })).await.map(|_| ())
    }

    async fn post(&self, stream: &str, format: &str, body: &serde_json::Value) -> Result<u64, StoreError> {
        #[derive(Deserialize)]
        struct Ack {
            start: Position,
        }
        #[derive(Deserialize)]
        struct Position {
            seq_num: u64,
        }
        for attempt in 0..CREATE_RACE_TRIES {
            let response = self.request(reqwest::Method::POST, stream, "", format).json(body).send().await?;
            if response.status().is_success() {
                return Ok(response.json::<Ack>().await?.start.seq_num);
            }
            tokio::time::sleep(Duration::from_millis(5) * 2_u32.pow(attempt)).await;
        }
        Err(StoreError("an append was refused".to_owned()))
    }

    /// What a stream holds from `seq` on.
    pub(crate) async fn read(&self, stream: &str, mut seq: u64) -> Result<Vec<StoredRecord>, StoreError> {
        #[derive(Deserialize)]
        struct Batch {
            #[serde(default)]
            records: Vec<StoredRecord>,
        }
        let mut all = Vec::new();
        loop {
            let query = format!("?seq_num={seq}&clamp=true&wait=0&count=1000");
            let request = self.request(reqwest::Method::GET, stream, &query, "raw");
            let response = request.header("accept", "application/json").send().await?;
            // Nothing is there yet, or nothing behind that position.
            if matches!(response.status().as_u16(), 404 | 409 | 416) {
                return Ok(all);
            }
            let Batch { records } = response.error_for_status()?.json().await?;
            let Some(last) = records.last() else { return Ok(all) };
            seq = last.seq_num + 1;
            all.extend(records);
        }
    }

    /// Follows a stream from `seq` on, as the store's own Server-Sent Events, until nothing came for `wait`
    /// seconds.
    pub(crate) async fn follow(
        &self,
        stream: &str,
        seq: u64,
        wait: u64,
    ) -> Result<impl futures_util::Stream<Item = Result<Bytes, reqwest::Error>> + use<>, StoreError> {
        let query = format!("?seq_num={seq}&clamp=true&wait={wait}");
        for attempt in 0..CREATE_RACE_TRIES {
            let request = self.request(reqwest::Method::GET, stream, &query, "raw");
            let response = request.header("accept", "text/event-stream").send().await?;
            if response.status().is_success() {
                return Ok(response.bytes_stream());
            }
            tokio::time::sleep(Duration::from_millis(5) * 2_u32.pow(attempt)).await;
        }
        Err(StoreError("a read was refused".to_owned()))
    }
}
