//! Signed approval requests: the agent's proof that a tool call a user approves is the one that was asked
//! about (`docs/protocol.md`, "Approvals").

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::wire::Json;

/// What the agent signs and checks approval requests with, its `experimental_toolApprovalSecret`.
///
/// ```
/// use headstart_core::step::ApprovalSecret;
///
/// let secret = ApprovalSecret::new("a long random text");
/// assert_eq!(format!("{secret:?}"), "ApprovalSecret(…)");
/// ```
#[derive(Clone)]
pub struct ApprovalSecret(Zeroizing<Vec<u8>>);

impl ApprovalSecret {
    /// The same bytes as the agent's.
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self(Zeroizing::new(secret.as_ref().to_vec()))
    }

    /// The signature of a request; `None` when the input holds what is no JSON to an agent (a number beyond
    /// all doubles, half a surrogate pair). Without one the agent refuses to run the call.
    pub(crate) fn sign(&self, approval_id: &str, call_id: &str, tool: &str, input: &Json) -> Option<String> {
        let input: serde_json::Value = input.to().ok()?;
        let canonical = serde_json_canonicalizer::to_vec(&input).ok()?;
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
        let payload = serde_json::to_vec(&[VERSION, approval_id, call_id, tool, &digest]).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(&payload);
        Some(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

const VERSION: &str = "ai-sdk-tool-approval-v1";

impl fmt::Debug for ApprovalSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApprovalSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signatures were made by the agents' own code, `ai` 7.
    #[test]
    fn a_signature_is_the_one_that_the_agent_would_make() {
        let secret = ApprovalSecret::new("s3cret-é");
        for (id, call, tool, input, signature) in VECTORS {
            let input = Json::parse(input).unwrap();
            assert_eq!(secret.sign(id, call, tool, &input).as_deref(), Some(signature), "{input:?}");
        }
        assert_eq!(secret.sign("a", "c", "t", &Json::parse("1e400").unwrap()), None);
    }

    const VECTORS: [(&str, &str, &str, &str, &str); 3] = [
        (
            "handover-approval-1",
            "call_1",
            "deleteFile",
            r#"{"path":"/tmp/é","n":1.0,"a":[1e21,-0.0,12345678901234567890]}"#,
            "HGY8JC5m4k3uvUHk3uGFHy3P0o5NguQY11irjQnm9R8",
        ),
        ("x\"y", "c\n2", "t", r#"{}"#, "RemD71PXNlJ9wgtgSqx8dk1tbnleQVador7_1vdPtXc"),
        (
            "ü",
            "😀",
            "t",
            r#"{"\ud83d\ude00":1,"\ufb33":[null,true,"\u2028\u0001"],"10":0.1,"9":5e-324}"#,
            "m0NNHNcLQ5tfyYfuIFgP4uhnmTIVDjU_Sdw98eYbg4E",
        ),
    ];
}
