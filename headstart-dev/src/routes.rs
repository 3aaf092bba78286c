//! The sessions API (`docs/protocol.md`, "Sessions API").

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, Request, State as Shared},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    DevEventKind, manage,
    meddle::{Meddler, meddle},
    platform::{Session, State, random_id, stream_name},
    run::RunInput,
    snapshots,
    store::{BASIN, NewRecord, StoredRecord},
    token, waitpoints,
};

const MAX_CREATE_BYTES: usize = 32 * 1024;
const MAX_APPEND_BYTES: usize = 1024 * 1024;
/// A subscription's wait when the client names none, in seconds.
const DEFAULT_WAIT: u64 = 60;

type Platform = Shared<Arc<State>>;
pub(crate) type Answer = Result<Response, Problem>;

/// An error answer.
pub(crate) struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        tracing::warn!(%error, "stream store");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong, please try again.".to_owned())
    }
}

pub(crate) fn problem(status: u16, text: impl Into<String>) -> Problem {
    Problem(StatusCode::from_u16(status).unwrap_or_default(), text.into())
}

pub(crate) fn router(state: Arc<State>, meddler: Meddler) -> Router {
    Router::new()
        .route("/api/v1/sessions", post(create).get(manage::list))
        .route("/api/v1/sessions/{id}", get(retrieve).patch(manage::update))
        .route("/api/v1/sessions/{id}/close", post(close))
        .route("/api/v1/sessions/{id}/snapshot-url", get(snapshots::presign).put(snapshots::presign))
        .route("/snapshots/{key}", get(snapshots::download).put(snapshots::upload))
        .route("/api/v3/runs/{id}", get(retrieve_run))
        .route("/api/v2/runs/{id}/cancel", post(cancel_run))
        .route("/api/v1/runs/{id}/session-streams/wait", post(waitpoints::create))
        .route("/engine/v1/runs/{run}/waitpoints/tokens/{id}/wait", post(waitpoints::block))
        .route("/api/v1/waitpoints/tokens/{id}", get(waitpoints::retrieve))
        .route("/api/v1/auth/jwt/claims", post(manage::claims))
        .route("/api/v1/auth/public-tokens", post(manage::public_token))
        .route("/realtime/v1/sessions/{id}/{io}", put(open).get(subscribe))
        .route("/realtime/v1/sessions/{id}/{io}/append", post(append))
        .route("/realtime/v1/sessions/{id}/{io}/records", get(records))
        .layer(DefaultBodyLimit::max(4 * MAX_APPEND_BYTES))
        .layer(from_fn_with_state(meddler, meddle))
        .layer(from_fn(cors))
        .with_state(state)
}

/// Every origin may call with any header, and read every header; also of errors.
async fn cors(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page's transport sends the application's own headers here, too.
    headers.extend(asked.map(|asked| (header::ACCESS_CONTROL_ALLOW_HEADERS, asked)));
    response
}

/// Who calls.
pub(crate) enum Caller {
    /// With the root key, or with one that may do all but sign.
    Server {
        is_root: bool,
    },
    Token(Vec<String>),
}

impl Caller {
    pub(crate) fn of(state: &State, headers: &HeaderMap) -> Result<Self, Problem> {
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bearer = bearer.strip_prefix("Bearer ").unwrap_or(bearer).trim();
        if bearer.is_empty() {
            return Err(problem(401, "Invalid or Missing API key"));
        }
        if bearer == state.secret_key {
            return Ok(Self::Server { is_root: true });
        }
        if state.additional_key.as_deref() == Some(bearer) {
            return Ok(Self::Server { is_root: false });
        }
        token::scopes(&state.secret_key, bearer)
            .map(Self::Token)
            .ok_or_else(|| problem(401, "Invalid API key"))
    }

    pub(crate) fn server_only(&self) -> Result<(), Problem> {
        match self {
            Self::Server { .. } => Ok(()),
            Self::Token(_) => Err(problem(403, "Unauthorized")),
        }
    }

    /// Only who has the environment's own key.
    pub(crate) fn root_only(&self) -> Result<(), Problem> {
        match self {
            Self::Server { is_root: true } => Ok(()),
            _ => Err(problem(403, "Unauthorized")),
        }
    }

    /// Who may read all sessions.
    pub(crate) fn may_list(&self) -> Result<(), Problem> {
        match self {
            Self::Server { .. } => Ok(()),
            Self::Token(scopes) if scopes.iter().any(|scope| scope == "read:sessions") => Ok(()),
            Self::Token(_) => Err(problem(403, "Unauthorized")),
        }
    }

    fn may(&self, action: &str, key: &str) -> Result<(), Problem> {
        let all = format!("{action}:sessions");
        match self {
            Self::Server { .. } => Ok(()),
            Self::Token(scopes)
                if scopes.iter().any(|scope| *scope == all || *scope == format!("{all}:{key}")) =>
            {
                Ok(())
            }
            Self::Token(_) => Err(problem(403, "Unauthorized")),
        }
    }
}

/// A size that is stated and small enough; the body of a request without one is not even read.
pub(crate) fn check_length(headers: &HeaderMap, most: usize) -> Result<(), Problem> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match length {
        Some(length) if length <= most => Ok(()),
        _ => Err(problem(413, "Request body too large")),
    }
}

// ── sessions ────────────────────────────────────────────────────────────────────────────────────────

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

async fn create(Shared(state): Platform, headers: HeaderMap, body: Bytes) -> Answer {
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

async fn retrieve(Shared(state): Platform, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let caller = Caller::of(&state, &headers)?;
    let mut sessions = state.sessions();
    let session = sessions.get(&id).ok_or_else(|| problem(404, "Session not found"))?;
    caller.may("read", &session.key)?;
    Ok(Json(item(session)).into_response())
}

async fn close(Shared(state): Platform, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
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

async fn retrieve_run(Shared(state): Platform, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let run = state.sessions().find_run(&id).ok_or_else(|| problem(404, "Run not found"))?;
    let is_completed = !run.is_alive();
    let status = if is_completed { "COMPLETED" } else { "EXECUTING" };
    let run = json!({ "id": run.id, "status": status, "isCompleted": is_completed, "payload": run.payload });
    Ok(Json(run).into_response())
}

async fn cancel_run(Shared(state): Platform, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    Caller::of(&state, &headers)?.server_only()?;
    let run = state.sessions().find_run(&id).ok_or_else(|| problem(404, "Run not found"))?;
    run.cancel();
    Ok(Json(json!({ "id": run.id })).into_response())
}

// ── streams ─────────────────────────────────────────────────────────────────────────────────────────

/// The key of a session that exists.
pub(crate) fn session_key(state: &State, id: &str) -> Result<String, Problem> {
    let mut sessions = state.sessions();
    sessions.get(id).map(|session| session.key.clone()).ok_or_else(|| problem(404, "Session not found"))
}

/// The key of a session's streams; of an external id also before there is a row.
fn stream_key(state: &State, id: &str) -> Result<String, Problem> {
    match state.sessions().get(id) {
        Some(session) => Ok(session.key.clone()),
        None if id.starts_with("session_") => Err(problem(404, "Session not found")),
        None => Ok(id.to_owned()),
    }
}

fn check_io(io: &str) -> Result<(), Problem> {
    if matches!(io, "in" | "out") { Ok(()) } else { Err(problem(404, "Not found")) }
}

async fn open(Shared(state): Platform, Path((id, io)): Path<(String, String)>, headers: HeaderMap) -> Answer {
    check_io(&io)?;
    let caller = Caller::of(&state, &headers)?;
    let key = stream_key(&state, &id)?;
    if io == "out" {
        caller.server_only()?
    } else {
        caller.may("write", &key)?
    }
    if state.sessions().get(&id).is_some_and(|session| session.closed.is_some()) {
        return Err(problem(400, "Cannot initialize a channel on a closed session"));
    }
    let mut response = (StatusCode::ACCEPTED, Json(json!({ "version": "v2" }))).into_response();
    for (name, value) in [
        ("x-s2-access-token", "s2-skip-access-tokens".to_owned()),
        ("x-s2-basin", BASIN.to_owned()),
        ("x-s2-stream-name", stream_name(&key, &io)),
        ("x-s2-endpoint", format!("{}/v1", state.store.origin)),
        ("x-s2-flush-interval-ms", "100".to_owned()),
        ("x-s2-max-retries", "10".to_owned()),
    ] {
        let value =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| problem(500, "Internal Server Error"))?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

async fn append(
    Shared(state): Platform,
    Path((id, io)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    check_io(&io)?;
    check_length(&headers, MAX_APPEND_BYTES)?;
    let caller = Caller::of(&state, &headers)?;
    let part = headers.get("x-part-id").and_then(|part| part.to_str().ok()).map(str::to_owned);
    let text = String::from_utf8(body.to_vec()).map_err(|_| problem(400, "Invalid body"))?;
    let claim = part.as_ref().map(|part| format!("{io}/{part}"));
    let (key, run) = {
        let mut sessions = state.sessions();
        let session = sessions.get(&id).ok_or_else(|| problem(404, "Resource not found"))?;
        if io == "out" {
            caller.server_only()?
        } else {
            caller.may("write", &session.key)?
        }
        if session.closed.is_some() {
            let closed = json!({"ok": false, "error": "The session is closed", "code": "session_closed"});
            return Ok((StatusCode::CONFLICT, Json(closed)).into_response());
        }
        let run = state.ensure_run(session);
        if let Some(claim) = &claim
            && !session.claimed_parts.insert(claim.clone())
        {
            return Ok(Json(json!({ "ok": true })).into_response());
        }
        (session.key.clone(), run)
    };
    let data = if io == "in" { Value::from(&*text) } else { serde_json::from_str(&text).unwrap_or_default() };
    let body = json!({ "data": data, "id": part.unwrap_or_else(|| random_id("", 7)) }).to_string();
    if body.len() + 8 > MAX_APPEND_BYTES {
        return Err(problem(413, "The record is too large"));
    }
    let record = NewRecord { body, headers: Vec::new() };
    // In a task of its own: a client that hangs up must not leave a part that is claimed and not written, nor one
    // that is written and not told.
    let written = tokio::spawn(async move {
        let written = state.store.append(&stream_name(&key, &io), &[record]).await;
        match &written {
            // A run that is just ending misses it, as a remote one may; the next append starts another.
            Ok(seq) if io == "in" => drop(run.inputs.send(RunInput { seq: *seq, text })),
            Ok(_) => {}
            Err(_) => {
                if let (Some(session), Some(claim)) = (state.sessions().get(&key), &claim) {
                    session.claimed_parts.remove(claim);
                }
            }
        }
        written
    });
    let seq = written.await.map_err(|_| problem(500, "Internal Server Error"))??;
    Ok(Json(json!({ "ok": true, "seq": seq })).into_response())
}

async fn subscribe(
    Shared(state): Platform,
    Path((id, io)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    check_io(&io)?;
    let caller = Caller::of(&state, &headers)?;
    let key = stream_key(&state, &id)?;
    caller.may("read", &key)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut wait = match text("timeout-seconds").map(str::parse::<u64>) {
        None => DEFAULT_WAIT,
        Some(Ok(wait @ 1..=600)) => wait,
        Some(_) => return Err(problem(400, "Invalid timeout seconds")),
    };
    let stream = stream_name(&key, &io);
    let is_settled =
        io == "out" && text("x-peek-settled") == Some("1") && is_settled(&state, &stream).await?;
    if is_settled {
        wait = 0;
    }
    let digits =
        |id: &str| id.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().ok();
    let seq = text("last-event-id").and_then(digits).map_or(0, |seq| seq + 1);
    let events = state.store.follow(&stream, seq, wait).await?;
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-stream-version", HeaderValue::from_static("v2"));
    if is_settled {
        headers.insert("x-session-settled", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Is the newest record that counts the end of a turn?
async fn is_settled(state: &State, stream: &str) -> Result<bool, Problem> {
    let records = state.store.read(stream, 0).await?;
    let newest = records.iter().rev().find(|record| !is_command(record));
    let is_end = |record: &StoredRecord| record.headers.iter().any(|(_, value)| value == "turn-complete");
    Ok(newest.is_some_and(is_end))
}

fn is_command(record: &StoredRecord) -> bool {
    record.headers.first().is_some_and(|(name, _)| name.is_empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordsQuery {
    after_event_id: Option<u64>,
}

async fn records(
    Shared(state): Platform,
    Path((id, io)): Path<(String, String)>,
    Query(query): Query<RecordsQuery>,
    headers: HeaderMap,
) -> Answer {
    check_io(&io)?;
    let key = stream_key(&state, &id)?;
    Caller::of(&state, &headers)?.may("read", &key)?;
    let from = query.after_event_id.map_or(0, |seq| seq + 1);
    let records = state.store.read(&stream_name(&key, &io), from).await?;
    let shown = |record: &StoredRecord| {
        let body: Value = serde_json::from_str(&record.body).unwrap_or_default();
        let or_empty = |value: &Value| if value.is_null() { Value::from("") } else { value.clone() };
        let mut shown =
            json!({"data": or_empty(&body["data"]), "id": or_empty(&body["id"]), "seqNum": record.seq_num});
        if !record.headers.is_empty() {
            shown["headers"] = json!(record.headers);
        }
        shown
    };
    let records: Vec<Value> = records.iter().filter(|record| !is_command(record)).map(shown).collect();
    Ok(Json(json!({ "records": records })).into_response())
}
