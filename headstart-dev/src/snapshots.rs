//! What agents store between their runs: one blob for each session, behind signed addresses.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State as Shared},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use crate::{
    platform::State,
    routes::{Answer, Caller, problem, session_key},
    token,
};

/// How long an address works, in seconds.
const LIFETIME: u64 = 300;

/// The blobs, by the key of their session.
#[derive(Default)]
pub(crate) struct Snapshots(Mutex<HashMap<String, Bytes>>);

impl Snapshots {
    fn get(&self, key: &str) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: String, blob: Bytes) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, blob);
    }
}

/// Gives the address of a session's blob; the same for reading and writing.
pub(crate) async fn presign(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let key = session_key(&state, &id)?;
    let token = token::sign(&state.secret_key, &[scope(&key)], LIFETIME);
    let key = utf8_percent_encode(&key, NON_ALPHANUMERIC);
    let url = format!("{}/snapshots/{key}?token={token}", state.url);
    Ok(Json(json!({ "presignedUrl": url })).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Signature {
    token: String,
}

impl Signature {
    fn check(&self, state: &State, key: &str) -> Result<(), crate::routes::Problem> {
        let scopes = token::scopes(&state.secret_key, &self.token).unwrap_or_default();
        if scopes.contains(&scope(key)) { Ok(()) } else { Err(problem(403, "the signature does not match")) }
    }
}

pub(crate) async fn download(
    Shared(state): Shared<Arc<State>>,
    Path(key): Path<String>,
    Query(signature): Query<Signature>,
) -> Answer {
    signature.check(&state, &key)?;
    state.snapshots.get(&key).map(IntoResponse::into_response).ok_or_else(|| problem(404, "no such object"))
}

pub(crate) async fn upload(
    Shared(state): Shared<Arc<State>>,
    Path(key): Path<String>,
    Query(signature): Query<Signature>,
    blob: Bytes,
) -> Answer {
    signature.check(&state, &key)?;
    state.snapshots.put(key, blob);
    Ok(StatusCode::OK.into_response())
}

fn scope(key: &str) -> String {
    format!("snapshot:{key}")
}
