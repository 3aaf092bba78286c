//! Sessions and their runs.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Caller, Platform, Problem, check_length, problem};
use crate::{
    DevEventKind,
    platform::{Session, random_id},
};

const MAX_CREATE_BYTES: usize = 32 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    r#type: String,
    external_id: Option<String>,
    task_identifier: String,
    trigger_config: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    tags: Value,
    expires_at: Option<String>,
}

impl CreateBody {
    fn check(&self) -> Result<(), Problem> {
        let bad = |what: &str| Err(problem(400, format!("Validation error: {what}")));
        if !(1..=64).contains(&self.r#type.len()) || !(1..=128).contains(&self.task_identifier.len()) {
            return bad("type or taskIdentifier is empty or too long");
        }
        if !self.trigger_config["basePayload"].is_object() {
            return bad("triggerConfig.basePayload is required");
        }
        let tags = self.trigger_config["tags"].as_array().cloned().unwrap_or_default();
        let is_long = |tag: &Value| tag.as_str().is_none_or(|tag| tag.encode_utf16().count() > 128);
        if tags.len() > 10 || tags.iter().any(is_long) {
            return bad("too many tags, or one that is too long");
        }
        match self.external_id.as_deref().map(str::trim) {
            Some("") => bad("externalId is empty"),
            Some(id) if id.encode_utf16().count() > 256 => bad("externalId is too long"),
            Some(id) if id.starts_with("session_") => bad("externalId must not begin with session_"),
            _ => Ok(()),
        }
    }
}

pub(super) async fn create(Shared(state): Platform, headers: HeaderMap, body: Bytes) -> Answer {
    check_length(&headers, MAX_CREATE_BYTES)?;
    Caller::of(&state, &headers)?.server_only()?;
    let body: CreateBody =
        serde_json::from_slice(&body).map_err(|_| problem(400, "Validation error: unreadable body"))?;
    body.check()?;
    let external_id = body.external_id.as_deref().map(|id| id.trim().to_owned());
    let mut sessions = state.sessions();
    let existing = external_id.as_deref().and_then(|id| sessions.get(id));
    let is_cached = existing.is_some();
    let session = match existing {
        Some(session) => {
            if session.closed.is_some() {
                let text = "Session is closed; use a different externalId to create a new session";
                return Err(problem(409, text));
            }
            // Metadata and tags stay as they were created.
            session.trigger_config = body.trigger_config;
            session
        }
        None => {
            let id = random_id("session_", 24);
            let session = Session {
                key: external_id.clone().unwrap_or_else(|| id.clone()),
                id,
                external_id,
                task: body.task_identifier,
                trigger_config: body.trigger_config,
                metadata: body.metadata,
                tags: body.tags,
                closed: None,
                expires_at: body.expires_at,
                created_at: SystemTime::now(),
                run: None,
                claimed_parts: std::collections::HashSet::new(),
                memory: Arc::default(),
            };
            state.events.tell(&session.key, DevEventKind::SessionCreated, session.id.clone());
            sessions.insert(session)
        }
    };
    let run = state.ensure_run(session);
    let mut item = item(session);
    item["runId"] = run.id.into();
    item["isCached"] = is_cached.into();
    if run.is_parked {
        item["pendingVersion"] = true.into();
    }
    item["publicAccessToken"] = state.mint_token(&session.key).into();
    let status = if is_cached { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(item)).into_response())
}

pub(crate) fn item(session: &Session) -> Value {
    let created =
        session.created_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    json!({
        "id": session.id,
        "externalId": session.external_id,
        "type": "chat.agent",
        "taskIdentifier": session.task,
        "triggerConfig": session.trigger_config,
        "currentRunId": session.run.as_ref().map(|run| &run.id),
        "tags": session.tags,
        "metadata": session.metadata,
        "closedAt": session.closed.as_ref().map(|_| created),
        "closedReason": session.closed.as_deref().filter(|reason| !reason.is_empty()),
        "expiresAt": session.expires_at,
        "createdAt": created,
    })
}

pub(super) async fn retrieve(Shared(state): Platform, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let caller = Caller::of(&state, &headers)?;
    let mut sessions = state.sessions();
    let session = sessions.get(&id).ok_or_else(|| problem(404, "Session not found"))?;
    caller.may("read", &session.key)?;
    Ok(Json(item(session)).into_response())
}

pub(super) async fn close(
    Shared(state): Platform,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    check_length(&headers, 1024)?;
    Caller::of(&state, &headers)?.server_only()?;
    let reason = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|body| Some(body["reason"].as_str()?.to_owned()));
    let mut sessions = state.sessions();
    let session = sessions.get(&id).ok_or_else(|| problem(404, "Session not found"))?;
    session.closed.get_or_insert_with(|| reason.unwrap_or_default());
    Ok(Json(item(session)).into_response())
}

pub(super) async fn retrieve_run(
    Shared(state): Platform,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let run = state.sessions().find_run(&id).ok_or_else(|| problem(404, "Run not found"))?;
    let is_completed = !run.is_alive();
    let status = if is_completed { "COMPLETED" } else { "EXECUTING" };
    let run = json!({ "id": run.id, "status": status, "isCompleted": is_completed, "payload": run.payload });
    Ok(Json(run).into_response())
}

pub(super) async fn cancel_run(
    Shared(state): Platform,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let run = state.sessions().find_run(&id).ok_or_else(|| problem(404, "Run not found"))?;
    run.cancel();
    Ok(Json(json!({ "id": run.id })).into_response())
}
