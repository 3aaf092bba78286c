//! What is wrong with a tool call, in words for the model and the page.
//!
//! The agent checks the same calls with its own validator. The texts here have that validator's form, so
//! that a mistake reads alike wherever it is found. Nobody may parse them.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde::Serialize;
use serde_json::Value;

use super::{Tool, ToolSet};
use crate::wire::Json;

/// The model called a tool that it was not given.
pub(super) fn unknown_tool(name: &str, tools: &ToolSet) -> String {
    let known: Vec<&str> = tools.iter().map(Tool::name).collect();
    let available = match known.is_empty() {
        true => "No tools are available.".to_owned(),
        false => format!("Available tools: {}.", known.join(", ")),
    };
    format!("AI_NoSuchToolError: Model tried to call unavailable tool '{name}'. {available}")
}

/// The input is not JSON.
pub(super) fn invalid_json(tool: &str, text: &str, error: &serde_json::Error) -> String {
    let why = syntax_error(text, error);
    format!(
        "AI_InvalidToolInputError: Invalid input for tool {tool}: AI_JSONParseError: JSON parsing failed: Text: \
         {text}.\nError message: SyntaxError: {why}"
    )
}

/// What the schema has against the input, if anything. `given` is shown, `value` is checked.
pub(super) fn schema_violation(
    tool: &Tool,
    validator: &jsonschema::Validator,
    given: &Json,
    value: &Value,
) -> Option<String> {
    let schema = tool.schema().to_value();
    let issues: Vec<Issue> = validator.iter_errors(value).map(|error| Issue::new(&schema, &error)).collect();
    if issues.is_empty() {
        return None;
    }
    let issues = serde_json::to_string_pretty(&issues).unwrap_or_default();
    Some(format!(
        "AI_InvalidToolInputError: Invalid input for tool {}: AI_TypeValidationError: Type validation failed: \
         Value: {}.\nError message: {issues}",
        tool.name(),
        given.as_str(),
    ))
}

#[derive(Serialize)]
struct Issue {
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    path: Vec<Value>,
    message: String,
}

impl Issue {
    fn new(schema: &Value, error: &jsonschema::ValidationError<'_>) -> Self {
        let pointer = error.instance_path().to_string();
        let mut path = read_path(&pointer);
        let found = error.instance();
        let plain = |code, path, message| Self {
            expected: None,
            format: None,
            code,
            values: None,
            keys: None,
            path,
            message,
        };
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                path.push(property.clone());
                let expected = type_at(schema, &path);
                let message = format!("Invalid input: expected {expected}, received undefined");
                Self { expected: Some(expected), ..plain("invalid_type", path, message) }
            }
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(kind) => kind.to_string(),
                    TypeKind::Multiple(_) => type_at(schema, &path),
                };
                let is_float = expected == "integer" && found.is_number();
                let expected = match &*expected {
                    "integer" if is_float => "int".to_owned(),
                    "integer" => "number".to_owned(),
                    _ => expected,
                };
                let message = format!("Invalid input: expected {expected}, received {}", type_of(found));
                let format = is_float.then_some("safeint");
                Self { expected: Some(expected), format, ..plain("invalid_type", path, message) }
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let quoted: Vec<String> = unexpected.iter().map(|key| format!("{key:?}")).collect();
                let plural = if quoted.len() == 1 { "" } else { "s" };
                let message = format!("Unrecognized key{plural}: {}", quoted.join(", "));
                Self { keys: Some(unexpected.clone()), ..plain("unrecognized_keys", path, message) }
            }
            ValidationErrorKind::Enum { options } => {
                let shown =
                    options.as_array().into_iter().flatten().map(Value::to_string).collect::<Vec<_>>();
                let message = format!("Invalid option: expected one of {}", shown.join("|"));
                Self { values: Some((**options).clone()), ..plain("invalid_value", path, message) }
            }
            _ => plain("custom", path, format!("Invalid input: {error}")),
        }
    }
}

/// `/items/0/name` as `["items", 0, "name"]`.
fn read_path(pointer: &str) -> Vec<Value> {
    let segment = |text: &str| match text.parse::<u64>() {
        Ok(index) => Value::from(index),
        Err(_) => Value::from(text.replace("~1", "/").replace("~0", "~")),
    };
    pointer.split('/').skip(1).map(segment).collect()
}

/// The type that the schema wants at a path.
fn type_at(schema: &Value, path: &[Value]) -> String {
    let mut at = Some(schema);
    for segment in path {
        at = at.and_then(|schema| match segment {
            Value::String(key) => schema.get("properties")?.get(key),
            _ => schema.get("items"),
        });
    }
    match at.and_then(|schema| schema.get("type")).and_then(Value::as_str) {
        Some("integer") => "number".to_owned(),
        Some(name) => name.to_owned(),
        None => "nonoptional".to_owned(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A parser's complaint in the words of JavaScript engines.
fn syntax_error(text: &str, error: &serde_json::Error) -> String {
    let before = byte_offset(text, error);
    let utf16 = |text: &str| text.encode_utf16().count();
    let at = format!("in JSON at position {}", utf16(&text[..before]));
    let message = error.to_string();
    let is = |words: &str| message.starts_with(words);
    if is("EOF while parsing a string") {
        format!("Unterminated string in JSON at position {}", utf16(text))
    } else if error.is_eof() {
        "Unexpected end of JSON input".to_owned()
    } else if is("control character") {
        format!("Bad control character in string literal {at}")
    } else if is("invalid escape") || is("lone leading surrogate") || is("unexpected end of hex escape") {
        format!("Bad escaped character {at}")
    } else if is("expected `:`") {
        format!("Expected ':' after property name {at}")
    } else if is("expected `,` or `}`") {
        format!("Expected ',' or '}}' after property value {at}")
    } else if is("expected `,` or `]`") {
        format!("Expected ',' or ']' after array element {at}")
    } else if is("key must be a string") {
        format!("Expected property name or '}}' {at}")
    } else if is("trailing comma") {
        format!("Expected double-quoted property name {at}")
    } else if is("trailing characters") {
        format!("Unexpected non-whitespace character after JSON at position {}", utf16(&text[..before]))
    } else {
        let token = text[before..].chars().next().unwrap_or(' ');
        format!("Unexpected token '{token}', {} is not valid JSON", excerpt(text))
    }
}

/// Where the parser stopped: it counts lines and columns from 1, in bytes.
fn byte_offset(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("\"{}\"...", &text[..end]),
        None => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsers_complaints_are_in_the_words_of_javascript() {
        for (text, words) in [
            (r#"{"a": "b"#, "Unterminated string in JSON at position 8"),
            (r#"{"a": 1"#, "Unexpected end of JSON input"),
            ("{bad", "Expected property name or '}' in JSON at position 1"),
            (r#"{"a" 1}"#, "Expected ':' after property name in JSON at position 5"),
            (r#"{"a":1 "b"}"#, "Expected ',' or '}' after property value in JSON at position 7"),
            ("[1 2]", "Expected ',' or ']' after array element in JSON at position 3"),
            ("{} x", "Unexpected non-whitespace character after JSON at position 3"),
            ("nope", "Unexpected token 'o', \"nope\" is not valid JSON"),
            ("{\"é\": \"x", "Unterminated string in JSON at position 8"),
        ] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(syntax_error(text, &error), words, "{text}");
        }
    }
}
