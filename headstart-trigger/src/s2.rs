//! Clients of the stream store, kept: a new one for each chat would mean a new TLS connection for each chat.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use headstart_core::sessions::{SessionsError, SessionsErrorKind};
use s2_sdk::{
    S2,
    types::{AppendRetryPolicy, RetryConfig, S2Config, S2Endpoints},
};

use crate::SecretKey;

/// Clients kept at once; tokens are shared by all chats of an environment, so few are needed.
const MAX_CLIENTS: usize = 32;
/// The platform renews tokens twice a day.
const MAX_AGE: Duration = Duration::from_secs(6 * 60 * 60);

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct S2Key {
    /// Scheme and authority.
    pub(crate) origin: String,
    pub(crate) basin: String,
    pub(crate) token: SecretKey,
}

#[derive(Default)]
pub(crate) struct S2Clients(Mutex<VecDeque<(S2Key, Instant, S2)>>);

impl S2Clients {
    /// The client for a key; made when there is none, the least used one is dropped for it.
    pub(crate) fn get(&self, key: S2Key) -> Result<S2, SessionsError> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|(_, since, _)| since.elapsed() < MAX_AGE);
        let known = clients.iter().position(|(other, ..)| *other == key);
        if let Some(found) = known.and_then(|at| clients.remove(at)) {
            let client = found.2.clone();
            clients.push_back(found);
            return Ok(client);
        }
        let client = connect(&key)?;
        if clients.len() == MAX_CLIENTS {
            clients.pop_front();
        }
        clients.push_back((key, Instant::now(), client.clone()));
        Ok(client)
    }

    /// Forgets a client whose token or connection does not work.
    pub(crate) fn forget(&self, key: &S2Key) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|(other, ..)| other != key);
    }
}

fn connect(key: &S2Key) -> Result<S2, SessionsError> {
    let invalid =
        |error: String| SessionsError::new(SessionsErrorKind::Malformed, format!("stream store: {error}"));
    let endpoints = S2Endpoints::for_endpoint(&key.origin).map_err(|error| invalid(error.to_string()))?;
    // A copy of a record is harmless: readers know it by its id. A lost one is not.
    let retry = RetryConfig::new().with_append_retry_policy(AppendRetryPolicy::All);
    let config = S2Config::new(key.token.expose())
        .with_endpoints(endpoints)
        .with_connection_timeout(Duration::from_secs(2))
        .with_request_timeout(Duration::from_secs(4))
        .with_retry(retry);
    S2::new(config).map_err(|error| invalid(error.to_string()))
}
