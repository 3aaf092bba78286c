//! The routes that manage: lists and changes of sessions, tokens for browsers.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State as Shared},
    http::HeaderMap,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    platform::{Session, State},
    routes::{Answer, Caller, Problem, check_length, item, problem},
    token,
};

const MAX_PATCH_BYTES: usize = 32 * 1024;
const MAX_PAGE: usize = 100;
/// Seconds.
const DEFAULT_LIFETIME: u64 = 15 * 60;
const LONGEST_LIFETIME: u64 = 30 * 24 * 60 * 60;

type Platform = Shared<Arc<State>>;

// ── sessions ────────────────────────────────────────────────────────────────────────────────────────

/// What a list may be asked for. Names in brackets are part of the name.
#[derive(Deserialize)]
pub(crate) struct ListQuery {
    #[serde(rename = "filter[type]")]
    r#type: Option<String>,
    #[serde(rename = "filter[tags]")]
    tags: Option<String>,
    #[serde(rename = "filter[taskIdentifier]")]
    task: Option<String>,
    #[serde(rename = "filter[externalId]")]
    external_id: Option<String>,
    #[serde(rename = "filter[status]")]
    status: Option<String>,
    #[serde(rename = "page[size]")]
    size: Option<usize>,
    #[serde(rename = "page[after]")]
    after: Option<String>,
}

impl ListQuery {
    fn takes(&self, session: &Session) -> bool {
        let is_one_of = |wanted: &Option<String>, value: Option<&str>| {
            let Some(wanted) = wanted else { return true };
            wanted.split(',').any(|one| Some(one.trim()) == value)
        };
        let status = if session.closed.is_some() { "CLOSED" } else { "ACTIVE" };
        let has_tag = |wanted: &String| {
            let tags = session.tags.as_array().into_iter().flatten().filter_map(Value::as_str);
            tags.into_iter().any(|tag| wanted.split(',').any(|one| one.trim() == tag))
        };
        is_one_of(&self.r#type, Some("chat.agent"))
            && is_one_of(&self.task, Some(&session.task))
            && is_one_of(&self.external_id, session.external_id.as_deref())
            && is_one_of(&self.status, Some(status))
            && self.tags.as_ref().is_none_or(has_tag)
    }
}

/// The newest first.
pub(crate) async fn list(
    Shared(state): Platform,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Answer {
    Caller::of(&state, &headers)?.may_list()?;
    let mut found = state.sessions().all();
    found.retain(|session| query.takes(session));
    found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
    let after = |id: &String| found.iter().position(|session| session.id == *id).map_or(0, |at| at + 1);
    let from = query.after.as_ref().map_or(0, after);
    let size = query.size.unwrap_or(20).clamp(1, MAX_PAGE);
    let page: Vec<&Session> = found.iter().skip(from).take(size).collect();
    let has_more = from + page.len() < found.len();
    let next = page.last().filter(|_| has_more).map(|session| session.id.clone());
    let data: Vec<Value> = page.into_iter().map(item).collect();
    Ok(Json(json!({ "data": data, "pagination": { "next": next } })).into_response())
}

/// What may be changed of a session.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Patch {
    tags: Option<Value>,
    metadata: Option<Value>,
    external_id: Option<Value>,
}

pub(crate) async fn update(
    Shared(state): Platform,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    check_length(&headers, MAX_PATCH_BYTES)?;
    Caller::of(&state, &headers)?.server_only()?;
    let patch: Patch =
        serde_json::from_slice(&body).map_err(|_| problem(400, "Validation error: unreadable body"))?;
    let mut sessions = state.sessions();
    let session = sessions.get(&id).ok_or_else(|| problem(404, "Session not found"))?;
    if patch.external_id.is_some_and(|id| id.as_str() != session.external_id.as_deref()) {
        return Err(problem(422, "externalId cannot be changed"));
    }
    if let Some(tags) = patch.tags {
        session.tags = tags;
    }
    if let Some(metadata) = patch.metadata {
        session.metadata = metadata;
    }
    Ok(Json(item(session)).into_response())
}

// ── tokens ──────────────────────────────────────────────────────────────────────────────────────────

/// What the root key signs tokens with.
pub(crate) async fn claims(Shared(state): Platform, headers: HeaderMap) -> Answer {
    Caller::of(&state, &headers)?.root_only()?;
    Ok(Json(json!({ "sub": token::ENVIRONMENT, "pub": true })).into_response())
}

/// A token for whoever cannot sign one.
pub(crate) async fn public_token(
    Shared(state): Platform,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let scopes: Vec<String> = serde_json::from_value(body["scopes"].clone()).unwrap_or_default();
    if scopes.is_empty() {
        return Err(problem(400, "At least one scope is required"));
    }
    let lifetime = lifetime(&body["expirationTime"])?;
    Ok(Json(json!({ "token": token::sign(&state.secret_key, &scopes, lifetime) })).into_response())
}

/// Seconds from now: of a moment in seconds, or of a span such as `1h`.
fn lifetime(expiration: &Value) -> Result<u64, Problem> {
    let seconds = match expiration {
        Value::Null => Some(DEFAULT_LIFETIME),
        Value::String(span) => span_seconds(span),
        other => other.as_u64().and_then(|moment| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
            moment.checked_sub(now)
        }),
    };
    seconds
        .filter(|seconds| (1..=LONGEST_LIFETIME).contains(seconds))
        .ok_or_else(|| problem(400, "Invalid expirationTime"))
}

fn span_seconds(span: &str) -> Option<u64> {
    let digits = span.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = span.split_at(digits);
    let unit = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(unit)
}
