//! Tools that Anthropic runs: their calls and results on the wire, and in messages.
//!
//! Messages follow the AI SDK, whose agents have to replay them: keys in camel case for some tools and not
//! for others, and one tool `code_execution` for three on the wire, told apart by a `type` in the input.

use headstart_core::wire::Json;
use serde_json::{Map, Value, json};

/// The one name that three tools share.
const CODE: &str = "code_execution";
/// What messages call code that may call tools.
const PROGRAM: &str = "programmatic-tool-call";
const ADVISOR: &str = "advisor";

/// The tool's name in messages.
pub(super) fn name_in_messages(wire: &str) -> &str {
    if is_sub_tool(wire) { CODE } else { wire }
}

/// The first piece of an input as messages have it.
pub(super) fn first_delta(wire: &str, delta: String) -> String {
    match delta.strip_prefix('{') {
        Some(rest) if is_sub_tool(wire) => format!("{{\"type\":\"{wire}\",{rest}"),
        _ => delta,
    }
}

/// A whole input as messages have it.
pub(super) fn input_in_messages(wire: &str, input: String) -> String {
    if wire != CODE && !is_sub_tool(wire) {
        return input;
    }
    let Ok(Value::Object(mut object)) = serde_json::from_str(&input) else { return input };
    if is_sub_tool(wire) {
        object.insert("type".to_owned(), json!(wire));
    } else if object.contains_key("code") && !object.contains_key("type") {
        object.insert("type".to_owned(), json!(PROGRAM));
    } else {
        return input;
    }
    Value::Object(object).to_string()
}

/// Name and input on the wire.
pub(super) fn call_on_wire(name: &str, input: &Json) -> (String, Json) {
    if name == CODE
        && let Value::Object(mut object) = input.to_value()
        && let Some(Value::String(kind)) = object.get("type").cloned()
        && (is_sub_tool(&kind) || kind == PROGRAM)
    {
        object.remove("type");
        let wire = if kind == PROGRAM { CODE } else { &kind };
        return (wire.to_owned(), Json::from_value(&Value::Object(object)));
    }
    match name {
        ADVISOR => (name.to_owned(), Json::empty_object()),
        _ => (name.to_owned(), input.clone()),
    }
}

fn is_sub_tool(wire: &str) -> bool {
    matches!(wire, "bash_code_execution" | "text_editor_code_execution")
}

/// A result as messages have it.
pub(super) struct ToolResult {
    pub(super) tool_name: String,
    pub(super) value: Json,
    pub(super) is_error: bool,
}

impl ToolResult {
    /// Reads a block of type `<tool>_tool_result`; `called` is the name of the call that it answers.
    pub(super) fn read(tool: &str, content: &Json, called: Option<&str>) -> Self {
        // These two report failure as a result like any other.
        if is_sub_tool(tool) {
            return Self { tool_name: CODE.to_owned(), value: content.clone(), is_error: false };
        }
        let tree = content.to_value();
        let kind = tree.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_error = kind.ends_with("_error") || tree.get("error_code").is_some();
        let (tool_name, value) = match (tool, tree.get("tool_references")) {
            _ if is_error => (tool, camel_case(&tree)),
            (CODE, _) => (tool, tree),
            ("tool_search_tool" | "tool_search", Some(references)) => (tool, camel_case(references)),
            ("web_search", _) => {
                let mut results = camel_case(&tree);
                for result in results.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                    result.entry("pageAge").or_insert(Value::Null);
                }
                (tool, results)
            }
            _ => (tool, camel_case(&tree)),
        };
        // The search for tools has two variants; results do not say which.
        let tool_name = if tool_name.starts_with("tool_search") {
            called.unwrap_or("tool_search_tool_regex").to_owned()
        } else {
            tool_name.to_owned()
        };
        Self { tool_name, value: Json::from_value(&value), is_error }
    }
}

/// Type and content of a result's block on the wire; `None` when it cannot be put there.
pub(super) fn result_on_wire(tool_name: &str, value: &Json, is_error: bool) -> Option<(String, Json)> {
    let mut tree = value.to_value();
    // An error that went through a browser is the text of its JSON.
    if let Value::String(text) = &tree
        && let Ok(inner) = serde_json::from_str::<Value>(text)
    {
        tree = inner;
    }
    let tool = match tool_name {
        CODE => match tree.get("type").and_then(Value::as_str)? {
            kind if kind.starts_with("bash_code_execution") => "bash_code_execution",
            kind if kind.starts_with("text_editor_code_execution") => "text_editor_code_execution",
            _ => CODE,
        },
        name if name.starts_with("tool_search") => "tool_search",
        name => name,
    };
    let content = if is_error && !is_sub_tool(tool) {
        let code = tree.get("errorCode").and_then(Value::as_str).unwrap_or("unavailable");
        json!({ "type": format!("{tool}_tool_result_error"), "error_code": code })
    } else {
        match tool {
            CODE | "bash_code_execution" | "text_editor_code_execution" => tree,
            "tool_search" => {
                json!({ "type": "tool_search_tool_search_result", "tool_references": snake_case(&tree) })
            }
            _ => snake_case(&tree),
        }
    };
    Some((format!("{tool}_tool_result"), Json::from_value(&content)))
}

/// With keys such as `pageAge`.
pub(super) fn camel_case(value: &Value) -> Value {
    rename(value, &|key| {
        let mut words = key.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |mut camel, word| {
            let mut letters = word.chars();
            camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
            camel.push_str(letters.as_str());
            camel
        })
    })
}

/// With keys such as `page_age`.
pub(super) fn snake_case(value: &Value) -> Value {
    rename(value, &|key| {
        key.chars().fold(String::new(), |mut snake, letter| {
            if letter.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_lowercase());
            snake
        })
    })
}

fn rename(value: &Value, key: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(object) => {
            let renamed = object.iter().map(|(name, value)| (key(name), rename(value, key)));
            Value::Object(renamed.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| rename(item, key)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn results_come_back_on_the_wire_as_they_were() {
        for (tool, called, wire, name) in [
            (
                "web_search",
                "web_search",
                r#"[{"encrypted_content":"E","page_age":"1d","title":"T","type":"web_search_result","url":"u"}]"#,
                "web_search",
            ),
            (
                "web_fetch",
                "web_fetch",
                r#"{"content":{"source":{"data":"d","media_type":"text/plain","type":"text"},"type":"document"},"retrieved_at":"t","type":"web_fetch_result","url":"u"}"#,
                "web_fetch",
            ),
            (
                "code_execution",
                "code_execution",
                r#"{"content":[],"return_code":0,"stderr":"","stdout":"1","type":"code_execution_result"}"#,
                "code_execution",
            ),
            (
                "bash_code_execution",
                "bash_code_execution",
                r#"{"content":[],"return_code":0,"stderr":"","stdout":"1","type":"bash_code_execution_result"}"#,
                "code_execution",
            ),
            (
                "text_editor_code_execution",
                "text_editor_code_execution",
                r#"{"is_file_update":true,"type":"text_editor_code_execution_create_result"}"#,
                "code_execution",
            ),
            (
                "tool_search",
                "tool_search_tool_bm25",
                r#"{"tool_references":[{"tool_name":"w","type":"tool_reference"}],"type":"tool_search_tool_search_result"}"#,
                "tool_search_tool_bm25",
            ),
            (
                "web_search",
                "web_search",
                r#"{"error_code":"max_uses_exceeded","type":"web_search_tool_result_error"}"#,
                "web_search",
            ),
            (
                "advisor",
                "advisor",
                r#"{"encrypted_content":"E","type":"advisor_redacted_result"}"#,
                "advisor",
            ),
        ] {
            let read = ToolResult::read(tool, &parse(wire), Some(called));
            assert_eq!(read.tool_name, name);
            let (kind, content) = result_on_wire(&read.tool_name, &read.value, read.is_error).unwrap();
            assert_eq!((kind, content.as_str()), (format!("{tool}_tool_result"), wire));
        }
    }

    #[test]
    fn code_execution_has_one_name_in_messages_and_three_on_the_wire() {
        for (wire, input, in_messages) in [
            (
                "bash_code_execution",
                r#"{"command":"ls"}"#,
                r#"{"command":"ls","type":"bash_code_execution"}"#,
            ),
            ("code_execution", r#"{"code":"1"}"#, r#"{"code":"1","type":"programmatic-tool-call"}"#),
        ] {
            assert_eq!(name_in_messages(wire), "code_execution");
            assert_eq!(input_in_messages(wire, input.to_owned()), in_messages);
            let (name, back) = call_on_wire("code_execution", &parse(in_messages));
            assert_eq!((&*name, back.as_str()), (wire, input));
        }
        assert_eq!(
            first_delta("bash_code_execution", "{\"comm".into()),
            r#"{"type":"bash_code_execution","comm"#
        );
    }
}
