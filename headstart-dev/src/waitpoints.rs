//! What a suspended run waits for: the next record of `session.in`.
//!
//! A remote run that has been idle for a while lets its machine go and is woken by a waitpoint. Here nothing
//! is let go; a worker asks whether its waitpoint is complete.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    extract::{Path, State as Shared},
    http::HeaderMap,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    platform::{State, random_id, stream_name},
    routes::{Answer, Caller, problem, session_key},
};

/// The waitpoints, by their id.
#[derive(Default)]
pub(crate) struct Waitpoints(Mutex<HashMap<String, Waitpoint>>);

/// A record of this stream, at this position or behind it, completes the waitpoint.
#[derive(Clone)]
struct Waitpoint {
    stream: String,
    seq: u64,
}

impl Waitpoints {
    fn add(&self, waitpoint: Waitpoint) -> String {
        let id = random_id("waitpoint_", 24);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), waitpoint);
        id
    }

    fn get(&self, id: &str) -> Option<Waitpoint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateBody {
    session: String,
    io: String,
    /// The newest record that the run knows.
    last_seq_num: Option<u64>,
}

pub(crate) async fn create(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(body): Json<CreateBody>,
) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let key = session_key(&state, &body.session)?;
    let seq = body.last_seq_num.map_or(0, |seq| seq + 1);
    let id = state.waitpoints.add(Waitpoint { stream: stream_name(&key, &body.io), seq });
    Ok(Json(json!({ "waitpointId": id, "isCached": false })).into_response())
}

/// The run suspends. Nothing changes for the platform.
pub(crate) async fn block(
    Shared(state): Shared<Arc<State>>,
    Path((_run, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    Ok(Json(json!({ "success": state.waitpoints.get(&id).is_some() })).into_response())
}

pub(crate) async fn retrieve(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let waitpoint = state.waitpoints.get(&id).ok_or_else(|| problem(404, "Waitpoint not found"))?;
    let is_complete = !state.store.read(&waitpoint.stream, waitpoint.seq).await?.is_empty();
    let status = if is_complete { "COMPLETED" } else { "WAITING" };
    Ok(Json(json!({ "id": id, "status": status })).into_response())
}
