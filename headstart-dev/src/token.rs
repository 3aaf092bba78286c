//! Session tokens: HS256 JWTs, as the platform signs them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;

pub(crate) const ENVIRONMENT: &str = "env_headstart_dev";
const HEADER: &str = r#"{"alg":"HS256"}"#;
const ISSUER: &str = "https://id.trigger.dev";
const AUDIENCE: &str = "https://api.trigger.dev";

/// Signs a token for these scopes that lives this long.
pub(crate) fn sign(secret: &str, scopes: &[String], lifetime_seconds: u64) -> String {
    let now = now();
    let payload = serde_json::json!({
        "sub": ENVIRONMENT,
        "pub": true,
        "scopes": scopes,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + lifetime_seconds,
        "iat": now,
    });
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(HEADER), encode(&payload.to_string()));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac(secret, &signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// The scopes of a token, if it is one of ours and not too old.
pub(crate) fn scopes(secret: &str, token: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Payload {
        sub: String,
        r#pub: bool,
        iss: String,
        aud: String,
        exp: u64,
        #[serde(default)]
        scopes: Vec<String>,
    }
    let (signed, signature) = token.rsplit_once('.')?;
    if !is_hs256(signed.split_once('.')?.0) {
        return None;
    }
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    mac(secret, signed).verify_slice(&signature).ok()?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
    let payload: Payload = serde_json::from_slice(&payload).ok()?;
    let is_ours =
        payload.sub == ENVIRONMENT && payload.r#pub && payload.iss == ISSUER && payload.aud == AUDIENCE;
    (is_ours && payload.exp > now()).then_some(payload.scopes)
}

/// Any other algorithm, `none` above all, is somebody else's.
fn is_hs256(header: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    serde_json::from_slice::<Header>(&header).is_ok_and(|header| header.alg == "HS256")
}

fn mac(secret: &str, signed: &str) -> Hmac<Sha256> {
    // Keys of any length are fine for HMAC.
    #[allow(clippy::expect_used, reason = "cannot fail")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(signed.as_bytes());
    mac
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_its_scopes_to_who_has_the_key_and_not_for_ever() {
        let all = vec!["read:sessions:c".to_owned()];
        let token = sign("key", &all, 60);
        assert_eq!(scopes("key", &token), Some(all.clone()));
        assert_eq!(scopes("other", &token), None);
        assert_eq!(scopes("key", &sign("key", &all, 0)), None);
        let (head, _) = token.rsplit_once('.').unwrap();
        assert_eq!(scopes("key", &format!("{head}.AAAA")), None);
    }
}
