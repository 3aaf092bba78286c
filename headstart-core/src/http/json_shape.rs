//! Limits on the shape of JSON, checked in one pass over its text before anything is built from it.

/// What is too much about a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// Arrays and objects inside one another.
    Depth,
    /// A number that other programs read as infinite, or whose digits they lose.
    Number,
    /// One string.
    String,
}

/// Looks for an excess; sound JSON is assumed, and any text is survived.
pub(super) fn excess(json: &[u8], depth: usize, string: usize) -> Option<Excess> {
    /// Digits that a double keeps, with room for sign, point and exponent.
    const NUMBER: usize = 40;
    let mut open = 0_usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let rest = &json[at + 1..];
        match byte {
            b'"' => {
                let length = string_length(rest);
                if length > string {
                    return Some(Excess::String);
                }
                at += length + 1;
            }
            b'[' | b'{' => {
                open += 1;
                if open > depth {
                    return Some(Excess::Depth);
                }
            }
            b']' | b'}' => open = open.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let length = rest.iter().take_while(|byte| is_part(byte)).count();
                let text = std::str::from_utf8(&json[at..=at + length]).unwrap_or_default();
                if length > NUMBER || !text.parse::<f64>().is_ok_and(f64::is_finite) {
                    return Some(Excess::Number);
                }
                at += length;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Bytes up to the closing quote.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match text.get(at) {
            None | Some(b'"') => return at.min(text.len()),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_excess_is_found_and_nothing_else() {
        for (json, found) in [
            (r#"{"a":[1,-2.5e3,"x\"]["],"b":{}}"#, None),
            ("[[[[1]]]]", None),
            ("[[[[[1]]]]]", Some(Excess::Depth)),
            (r#"["[[[[[[[["]"#, None),
            ("[1e999]", Some(Excess::Number)),
            ("[-1e-999]", None),
            ("[1234567890123456789012345678901234567890123]", Some(Excess::Number)),
            (r#"["0123456789abcdef"]"#, None),
            (r#"["0123456789abcdefg"]"#, Some(Excess::String)),
            (r#"{"0123456789abcdefg":1}"#, Some(Excess::String)),
            (r#"["\"#, None),
            ("-", Some(Excess::Number)),
        ] {
            assert_eq!(excess(json.as_bytes(), 4, 16), found, "{json}");
        }
    }
}
