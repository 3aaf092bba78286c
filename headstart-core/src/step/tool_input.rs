//! The input of a tool call, checked and brought into the form that the agent's own schema gives it.
//!
//! An agent runs a handed-over call only when the input equals what its schema makes of it
//! (`docs/protocol.md`, "Tool input"): unknown keys gone, defaults filled in. So that is done here, by the
//! JSON Schema; what comes out validates to itself.

use serde_json::{Map, Value};

use super::{
    Tool,
    tool_error::{invalid_json, schema_violation},
};
use crate::wire::Json;

/// Checks the JSON text of an input; empty text means `{}`.
///
/// # Errors
/// The value as far as it could be read, and what is wrong with it in words for the model.
pub fn check_tool_input(tool: &Tool, text: &str) -> Result<Json, (Json, String)> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let given =
        Json::parse(text).map_err(|error| (Json::string(text), invalid_json(tool.name(), text, &error)))?;
    let before = given.to_value();
    let mut after = before.clone();
    let schema = tool.schema().to_value();
    normalise(&schema, &schema, &mut after);
    if let Some(validator) = tool.validator()
        && let Some(message) = schema_violation(tool, validator, &given, &after)
    {
        return Err((given, message));
    }
    // Unchanged, it stays as the model wrote it: key order and numbers, too.
    Ok(if after == before { given } else { Json::from_value(&after) })
}

/// Drops unknown keys where the schema forbids them and fills defaults, all the way down. Branches
/// (`anyOf`, `oneOf`) are left alone: which one is meant, only the agent's schema knows.
fn normalise(root: &Value, schema: &Value, value: &mut Value) {
    let Some(schema) = resolve(root, schema) else { return };
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    match value {
        Value::Object(object) => {
            let others = schema.get("additionalProperties");
            if others == Some(&Value::Bool(false)) && schema.get("patternProperties").is_none() {
                object.retain(|key, _| properties.contains_key(key));
            }
            for (key, property) in properties {
                match object.get_mut(key) {
                    Some(value) => normalise(root, property, value),
                    None => {
                        if let Some(default) = property.get("default") {
                            object.insert(key.clone(), default.clone());
                        }
                    }
                }
            }
            if let Some(schema @ Value::Object(_)) = others {
                let unknown = object.iter_mut().filter(|(key, _)| !properties.contains_key(*key));
                unknown.for_each(|(_, value)| normalise(root, schema, value));
            }
        }
        Value::Array(items) => {
            if let Some(schema @ Value::Object(_)) = schema.get("items") {
                items.iter_mut().for_each(|item| normalise(root, schema, item));
            }
        }
        _ => {}
    }
}

/// The schema behind references into `root`: types that hold themselves have them. One beside others may be
/// wrapped in an `allOf` of its own. `None` when it leads nowhere, or round in a circle.
fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> Option<&'a Value> {
    const LONGEST: usize = 16;
    for _ in 0..LONGEST {
        schema = match (schema.get("$ref"), schema.get("allOf").and_then(Value::as_array)) {
            (Some(reference), _) => root.pointer(reference.as_str()?.strip_prefix('#')?)?,
            (None, Some(all)) if all.len() == 1 && schema.get("properties").is_none() => &all[0],
            _ => return Some(schema),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::ToolSet;
    use serde_json::json;

    fn check(schema: Value, text: &str) -> Result<Json, (Json, String)> {
        let tools = ToolSet::new([Tool::new("getWeather", "", schema)]).unwrap();
        check_tool_input(tools.get("getWeather").unwrap(), text)
    }

    fn weather() -> Value {
        json!({
            "type": "object",
            "properties": { "city": { "type": "string" }, "days": { "type": "integer", "default": 3 } },
            "required": ["city"],
            "additionalProperties": false,
        })
    }

    #[test]
    fn an_input_that_the_schema_leaves_alone_stays_as_the_model_wrote_it() {
        let input = check(weather(), r#"{ "days": 1, "city": "Paris" }"#).unwrap();
        assert_eq!(input.as_str(), r#"{"days":1,"city":"Paris"}"#);
    }

    #[test]
    fn unknown_keys_go_and_defaults_come() {
        for (schema, given, expected) in [
            (weather(), r#"{"city":"Paris","unit":"c","days":1}"#, r#"{"city":"Paris","days":1}"#),
            (weather(), r#"{"city":"Paris"}"#, r#"{"city":"Paris","days":3}"#),
            (
                json!({"type": "object", "properties": {"all": {"type": "array", "items": weather()}}}),
                r#"{"all":[{"city":"a","x":1,"days":2}]}"#,
                r#"{"all":[{"city":"a","days":2}]}"#,
            ),
            (
                json!({"type": "object", "additionalProperties": weather()}),
                r#"{"k":{"city":"a","x":1,"days":2}}"#,
                r#"{"k":{"city":"a","days":2}}"#,
            ),
        ] {
            assert_eq!(check(schema, given).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn loose_objects_keep_their_keys() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        assert_eq!(check(schema, r#"{"a":"x","b":1}"#).unwrap().as_str(), r#"{"a":"x","b":1}"#);
    }

    #[test]
    fn references_are_followed_and_circles_are_not() {
        let tree = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "default": "leaf" },
                "children": { "type": "array", "items": { "$ref": "#" } },
                "next": { "allOf": [{ "$ref": "#/definitions/next" }], "description": "One more." },
            },
            "additionalProperties": false,
            "definitions": {
                "next": {
                    "type": "object",
                    "properties": { "n": { "type": "integer", "default": 1 } },
                    "additionalProperties": false,
                },
            },
        });
        let given = r#"{"name":"a","children":[{"name":"b","x":1,"children":[{"y":2}]}],"next":{"z":3}}"#;
        let kept = r#"{"children":[{"children":[{"name":"leaf"}],"name":"b"}],"name":"a","next":{"n":1}}"#;
        assert_eq!(check(tree, given).unwrap().as_str(), kept);
        let schema = json!({"properties": {"a": {"$ref": "#/properties/a"}}});
        let mut value = json!({"a": {"b": 1}});
        normalise(&schema, &schema, &mut value);
        assert_eq!(value, json!({"a": {"b": 1}}));
    }

    #[test]
    fn empty_text_is_an_empty_object() {
        assert_eq!(check(json!({"type": "object"}), " ").unwrap(), Json::empty_object());
    }

    #[test]
    fn mistakes_are_told_in_the_agents_own_words() {
        let (input, text) = check(weather(), r#"{"town":"Paris"}"#).unwrap_err();
        assert_eq!(input.as_str(), r#"{"town":"Paris"}"#);
        assert_eq!(
            text,
            "AI_InvalidToolInputError: Invalid input for tool getWeather: AI_TypeValidationError: Type validation \
             failed: Value: {\"town\":\"Paris\"}.\nError message: [\n  {\n    \"expected\": \"string\",\n    \
             \"code\": \"invalid_type\",\n    \"path\": [\n      \"city\"\n    ],\n    \"message\": \"Invalid input: \
             expected string, received undefined\"\n  }\n]"
        );
        let (input, text) = check(weather(), "{\"city\": \"Par").unwrap_err();
        assert_eq!(input.as_str(), r#""{\"city\": \"Par""#);
        assert_eq!(
            text,
            "AI_InvalidToolInputError: Invalid input for tool getWeather: AI_JSONParseError: JSON parsing failed: \
             Text: {\"city\": \"Par.\nError message: SyntaxError: Unterminated string in JSON at position 13"
        );
    }
}
