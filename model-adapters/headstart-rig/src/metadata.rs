//! The proofs of providers (signatures, item ids, encrypted reasoning), under the names agents keep them by.

use headstart_core::wire::Json;
use serde_json::{Map, Value, json};

/// What of a provider's item has to come back with the next request. The item says itself whose it is.
pub(crate) fn of_item(item: Option<&Value>) -> Option<Json> {
    let item = item?;
    let text = |key: &str| item.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut kept = Map::new();
    let mut keep = |name: &str, value: Option<&str>| {
        kept.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    };
    let provider = match text("type") {
        Some("thinking") => {
            keep("signature", text("signature"));
            "anthropic"
        }
        Some("redacted_thinking") => {
            keep("redactedData", text("data"));
            "anthropic"
        }
        Some("reasoning") => {
            keep("itemId", text("id"));
            keep("reasoningEncryptedContent", text("encrypted_content"));
            "openai"
        }
        Some("message" | "function_call") => {
            keep("itemId", text("id"));
            "openai"
        }
        _ => {
            keep("thoughtSignature", text("thoughtSignature"));
            "google"
        }
    };
    (!kept.is_empty()).then(|| Json::from_value(&json!({ provider: kept })))
}

/// Anthropic's block of thinking, from what an agent kept of it.
pub(crate) fn anthropic_thinking(text: &str, metadata: Option<&Json>) -> Option<Value> {
    let kept = metadata?.to_value();
    let kept = kept.get("anthropic")?;
    let value = |key: &str| kept.get(key).and_then(Value::as_str);
    match (value("signature"), value("redactedData")) {
        (Some(signature), _) => Some(json!({"type": "thinking", "thinking": text, "signature": signature})),
        (None, Some(data)) => Some(json!({"type": "redacted_thinking", "data": data})),
        (None, None) => None,
    }
}
