//! Tokens for browsers. The root key of an environment signs them here, after one question to the platform;
//! any other key asks the platform for each.
//!
//! Forty lines over `hmac` rather than a JWT crate: one algorithm, nothing to verify, and no process-global
//! crypto provider that a user's binary would inherit.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use headstart_core::{
    TokenSpec,
    sessions::{SessionsError, SessionsErrorKind},
};
use hmac::{Hmac, Mac};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::{SecretKey, http::Http};

const HEADER: &str = r#"{"alg":"HS256"}"#;
const ISSUER: &str = "https://id.trigger.dev";
const AUDIENCE: &str = "https://api.trigger.dev";

pub(crate) struct Minter {
    key: SecretKey,
    /// The environment; the key belongs to it for ever.
    claims: OnceCell<Claims>,
}

/// What the platform says about a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    sub: String,
    r#pub: bool,
}

impl Minter {
    pub(crate) fn new(key: SecretKey) -> Self {
        Self { key, claims: OnceCell::new() }
    }

    pub(crate) async fn mint(&self, http: &Http, token: &TokenSpec) -> Result<String, SessionsError> {
        if !is_root(self.key.expose()) {
            return ask_for_token(http, token).await;
        }
        let claims = self.claims.get_or_try_init(|| ask_for_claims(http)).await?;
        sign(self.key.expose(), claims, token, now()?)
    }
}

/// Only the root key signs: an additional key is `tr_<environment>_sk_…`, and the token of a run is a JWT.
fn is_root(key: &str) -> bool {
    let environment = key.strip_prefix("tr_").and_then(|rest| rest.split_once('_'));
    let is_additional = environment.is_some_and(|(name, rest)| {
        matches!(name, "dev" | "stg" | "prod" | "preview")
            && rest
                .strip_prefix("sk_")
                .is_some_and(|id| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    let is_jwt = key.split('.').count() == 3 && key.starts_with("eyJ");
    !is_additional && !is_jwt
}

async fn ask_for_claims(http: &Http) -> Result<Claims, SessionsError> {
    let path = "/api/v1/auth/jwt/claims";
    let read = |body: Bytes| serde_json::from_slice(&body).map_err(|_| "unreadable claims".to_owned());
    http.send(Method::POST, path, HeaderMap::new(), Bytes::new(), |answer| read(answer.body)).await
}

async fn ask_for_token(http: &Http, token: &TokenSpec) -> Result<String, SessionsError> {
    #[derive(Deserialize)]
    struct Minted {
        token: String,
    }
    // A moment, not a span: a try that comes late must not make it last longer.
    let expires = now()? + token.seconds();
    let body = serde_json::json!({ "scopes": token.scopes(), "expirationTime": expires }).to_string();
    let path = "/api/v1/auth/public-tokens";
    // The text of a parse error would quote the token.
    let read = |body: Bytes| {
        let minted: Minted = serde_json::from_slice(&body).map_err(|_| "unreadable token".to_owned())?;
        Ok(minted.token)
    };
    let minted =
        http.send(Method::POST, path, HeaderMap::new(), body.into(), |answer| read(answer.body)).await;
    minted.map_err(|error| match error.kind() {
        SessionsErrorKind::NotFound => SessionsError::new(
            SessionsErrorKind::Unauthorized,
            "this key cannot sign tokens and the platform does not mint them: use the environment's root key",
        ),
        _ => error,
    })
}

/// The payload; its order is the one of the platform's own tokens.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    claims: &'a Claims,
    scopes: Vec<String>,
    iss: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
}

fn sign(key: &str, claims: &Claims, token: &TokenSpec, now: u64) -> Result<String, SessionsError> {
    let failed = |_| SessionsError::new(SessionsErrorKind::Malformed, "the token cannot be signed");
    let payload = Payload {
        claims,
        scopes: token.scopes(),
        iss: ISSUER,
        aud: AUDIENCE,
        exp: now + token.seconds(),
        iat: now,
    };
    let payload = serde_json::to_vec(&payload).map_err(|error| failed(error.to_string()))?;
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(HEADER.as_bytes()), encode(&payload));
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|error| failed(error.to_string()))?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", encode(&mac.finalize().into_bytes())))
}

fn now() -> Result<u64, SessionsError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let broken = |_| SessionsError::new(SessionsErrorKind::Malformed, "the clock is before 1970");
    Ok(since.map_err(broken)?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KEY: &str = "tr_dev_0123456789abcdefghij";

    fn claims() -> Claims {
        Claims { sub: "env_cm1".into(), r#pub: true }
    }

    /// Made by `generateJWT` of `@trigger.dev/core` 4.8.3 with the clock at 1 700 000 000.
    #[test]
    fn tokens_are_those_of_the_platforms_own_code() {
        let token = TokenSpec::read_write("c1".parse().unwrap());
        assert_eq!(
            sign(KEY, &claims(), &token, 1_700_000_000).unwrap(),
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJlbnZfY20xIiwicHViIjp0cnVlLCJzY29wZXMiOlsicmVhZDpzZXNzaW9uczpjMSIs\
             IndyaXRlOnNlc3Npb25zOmMxIl0sImlzcyI6Imh0dHBzOi8vaWQudHJpZ2dlci5kZXYiLCJhdWQiOiJodHRwczovL2FwaS50cml\
             nZ2VyLmRldiIsImV4cCI6MTcwMDAwMzYwMCwiaWF0IjoxNzAwMDAwMDAwfQ.wC3vfYFANlQIq0ZABJwqS79Ut55cH00bmZN1hJqhFRI"
        );
        let token = TokenSpec::read_only("a/b é".parse().unwrap()).lifetime(Duration::from_secs(900));
        assert_eq!(
            sign(KEY, &claims(), &token, 1_700_000_000).unwrap(),
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJlbnZfY20xIiwicHViIjp0cnVlLCJzY29wZXMiOlsicmVhZDpzZXNzaW9uczphL2Ig\
             w6kiXSwiaXNzIjoiaHR0cHM6Ly9pZC50cmlnZ2VyLmRldiIsImF1ZCI6Imh0dHBzOi8vYXBpLnRyaWdnZXIuZGV2IiwiZXhwIjo\
             xNzAwMDAwOTAwLCJpYXQiOjE3MDAwMDAwMDB9.VGgIcLYXwGXMw4RANczCKZ_kvXOQHzTK8GwdV7afX70"
        );
    }

    #[test]
    fn only_root_keys_sign() {
        for (key, root) in [
            (KEY, true),
            ("tr_prod_sk_short", true),
            ("tr_prod_sk_0123456789abcdefghijABCD", false),
            ("tr_preview_sk_0123456789abcdefghijABCD", false),
            ("tr_other_sk_0123456789abcdefghijABCD", true),
            ("eyJhbGciOiJIUzI1NiJ9.eyJ9.c2ln", false),
        ] {
            assert_eq!(is_root(key), root, "{key}");
        }
    }

    #[test]
    fn lifetimes_are_bounded() {
        let spec = || TokenSpec::read_only("c".parse().unwrap());
        assert_eq!(spec().lifetime(Duration::ZERO).seconds(), 1);
        assert_eq!(spec().lifetime(Duration::MAX).seconds(), 30 * 24 * 3600);
    }
}
