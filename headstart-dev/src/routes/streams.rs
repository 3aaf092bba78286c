//! The two streams of a session.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Caller, MAX_APPEND_BYTES, Platform, Problem, check_length, problem};
use crate::{
    platform::{State, random_id, stream_name},
    run::RunInput,
    store::{BASIN, NewRecord, StoredRecord},
};

/// A subscription's wait when the client names none, in seconds.
const DEFAULT_WAIT: u64 = 60;

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

pub(super) async fn open(
    Shared(state): Platform,
    Path((id, io)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
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

pub(super) async fn append(
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

pub(super) async fn subscribe(
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
pub(super) struct RecordsQuery {
    after_event_id: Option<u64>,
}

pub(super) async fn records(
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
