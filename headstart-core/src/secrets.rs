//! What looks like a key, where none should be.

/// Beginnings of keys that are never meant for an agent's payload, with the length of a whole one.
const KEYS: [(&str, usize); 8] = [
    ("tr_dev_", 20),
    ("tr_stg_", 20),
    ("tr_prod_", 20),
    ("tr_preview_", 20),
    ("sk-", 24),
    ("sk_live_", 20),
    ("AKIA", 20),
    ("ghp_", 30),
];

pub(crate) fn looks_secret(text: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    KEYS.iter().any(|(prefix, length)| {
        text.match_indices(prefix).any(|(at, _)| {
            let begins = at == 0 || !is_part(&text.as_bytes()[at - 1]);
            begins && text.as_bytes()[at..].iter().take_while(|byte| is_part(byte)).count() >= *length
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_recognised_and_words_are_not() {
        assert!(looks_secret(r#"{"key":"tr_prod_abcdefghijklmnopqrst"}"#));
        assert!(looks_secret("sk-ant-api03-abcdefghijklmnop"));
        for text in [r#"{"plan":"sk-8"}"#, r#"{"note":"risk-assessment-of-a-long-kind"}"#, "tr_dev_", ""] {
            assert!(!looks_secret(text), "{text}");
        }
    }
}
