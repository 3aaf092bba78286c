//! JSON Schema in Gemini's dialect: a part of OpenAPI's schema objects.
//!
//! The dialect has no references, no `const`, no `oneOf` and no type `null`; enums are strings, and a keyword
//! or string format it does not know is an error. What only limits a value is left out where the dialect has
//! no word for it: inputs are checked against the real schema anyway.

use serde_json::{Map, Value, json};

/// Schemas inside one another; a schema that refers to itself would never end.
const MAX_DEPTH: usize = 32;
/// Schemas in all, references written out.
const MAX_SCHEMAS: usize = 4096;
/// Keywords that mean the same in both.
const SHARED: [&str; 14] = [
    "title",
    "description",
    "default",
    "example",
    "required",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
];
const FORMATS: [&str; 6] = ["date-time", "enum", "float", "double", "int32", "int64"];

/// A schema in the dialect; `None` when it cannot be said there (it refers to itself, or needs all of several
/// schemas at once).
pub(super) fn to_dialect(schema: &Value) -> Option<Value> {
    let mut converter = Converter { root: schema, left: MAX_SCHEMAS };
    converter.schema(schema, MAX_DEPTH)
}

struct Converter<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Converter<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        let Value::Object(schema) = schema else {
            // `true`, anything; the dialect has no word for nothing.
            return (schema == &Value::Bool(true)).then(|| json!({}));
        };
        if let Some(reference) = schema.get("$ref") {
            let target = self.root.pointer(reference.as_str()?.strip_prefix('#')?)?;
            let mut target = self.schema(target, depth)?;
            // What is said beside a reference counts more than what is said there.
            if let (Some(target), Some(text)) = (target.as_object_mut(), schema.get("description")) {
                target.insert("description".to_owned(), text.clone());
            }
            return Some(target);
        }
        let mut out = Map::new();
        for keyword in SHARED {
            if let Some(value) = schema.get(keyword) {
                out.insert(keyword.to_owned(), value.clone());
            }
        }
        if let Some(format) =
            schema.get("format").filter(|format| FORMATS.iter().any(|known| *format == known))
        {
            out.insert("format".to_owned(), format.clone());
        }
        types(schema, &mut out);
        values(schema, &mut out)?;
        if let Some(Value::Object(properties)) = schema.get("properties") {
            let mut converted = Map::new();
            for (name, property) in properties {
                converted.insert(name.clone(), self.schema(property, depth)?);
            }
            out.insert("properties".to_owned(), Value::Object(converted));
        }
        match schema.get("items") {
            // A tuple.
            Some(Value::Array(items)) => {
                let alternatives = self.all(items, depth)?;
                out.insert("items".to_owned(), json!({ "anyOf": alternatives }));
            }
            Some(items) => {
                out.insert("items".to_owned(), self.schema(items, depth)?);
            }
            None => {}
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            self.branches(branches, depth, &mut out)?;
        }
        match schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            None | Some([]) => {}
            Some([only]) => merge(&mut out, self.schema(only, depth)?),
            Some(_) => return None,
        }
        Some(Value::Object(out))
    }

    fn all(&mut self, schemas: &'a [Value], depth: usize) -> Option<Vec<Value>> {
        schemas.iter().map(|schema| self.schema(schema, depth)).collect()
    }

    /// `null` as an alternative is a flag of the others.
    fn branches(&mut self, branches: &'a [Value], depth: usize, out: &mut Map<String, Value>) -> Option<()> {
        let mut others = self.all(branches, depth)?;
        let is_null = |schema: &Value| schema.get("type") == Some(&json!("null"));
        if others.iter().any(is_null) {
            others.retain(|schema| !is_null(schema));
            out.insert("nullable".to_owned(), json!(true));
        }
        match <[Value; 1]>::try_from(others) {
            Ok([only]) => merge(out, only),
            Err(others) => {
                out.insert("anyOf".to_owned(), Value::Array(others));
            }
        }
        Some(())
    }
}

/// What `out` says already stays.
fn merge(out: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        for (keyword, value) in more {
            out.entry(keyword).or_insert(value);
        }
    }
}

fn types(schema: &Map<String, Value>, out: &mut Map<String, Value>) {
    match schema.get("type") {
        Some(Value::Array(types)) => {
            let others: Vec<&Value> = types.iter().filter(|kind| **kind != "null").collect();
            if others.len() < types.len() {
                out.insert("nullable".to_owned(), json!(true));
            }
            match &others[..] {
                [] => {
                    out.insert("type".to_owned(), json!("null"));
                    out.remove("nullable");
                }
                [only] => {
                    out.insert("type".to_owned(), (*only).clone());
                }
                several => {
                    let several: Vec<Value> = several.iter().map(|kind| json!({ "type": kind })).collect();
                    out.insert("anyOf".to_owned(), Value::Array(several));
                }
            }
        }
        Some(kind) => {
            out.insert("type".to_owned(), kind.clone());
        }
        None if schema.contains_key("properties") => {
            out.insert("type".to_owned(), json!("object"));
        }
        None => {}
    }
}

/// `enum` and `const`, as strings. Fails for values of several types.
fn values(schema: &Map<String, Value>, out: &mut Map<String, Value>) -> Option<()> {
    let constant = schema.get("const").map(std::slice::from_ref);
    let Some(values) = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).or(constant) else {
        return Some(());
    };
    let type_of = |value: &Value| match value {
        Value::String(_) => Some("string"),
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        _ => None,
    };
    let some: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
    let Some(first) = some.first() else {
        out.insert("type".to_owned(), json!("null"));
        return Some(());
    };
    let kind = type_of(first)?;
    if some.iter().any(|value| type_of(value) != Some(kind)) {
        return None;
    }
    if some.len() < values.len() {
        out.insert("nullable".to_owned(), json!(true));
    }
    if matches!(out.get("type"), None | Some(Value::Array(_))) || out.contains_key("anyOf") {
        out.remove("anyOf");
        out.insert("type".to_owned(), json!(kind));
    }
    let text = |value: &&Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    out.insert("enum".to_owned(), some.iter().map(text).collect());
    if kind != "string" {
        out.insert("format".to_owned(), json!("enum"));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_said_in_the_dialect() {
        for (schema, expected) in [
            (
                json!({
                    "$schema": "http://json-schema.org/draft-07/schema#",
                    "type": "object",
                    "properties": { "city": { "type": "string", "description": "City", "format": "uri" } },
                    "required": ["city"],
                    "additionalProperties": false,
                }),
                json!({
                    "type": "object",
                    "properties": { "city": { "type": "string", "description": "City" } },
                    "required": ["city"],
                }),
            ),
            (
                json!({"type": ["string", "null"], "format": "date-time"}),
                json!({"type": "string", "nullable": true, "format": "date-time"}),
            ),
            (
                json!({"type": ["string", "integer"]}),
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            ),
            (json!({"type": ["null"]}), json!({"type": "null"})),
            (
                json!({"enum": ["a", "b", null]}),
                json!({"type": "string", "enum": ["a", "b"], "nullable": true}),
            ),
            (json!({"const": "a"}), json!({"type": "string", "enum": ["a"]})),
            (
                json!({"type": "integer", "enum": [1, 2]}),
                json!({"type": "integer", "format": "enum", "enum": ["1", "2"]}),
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"}),
                json!({"type": "string", "nullable": true, "description": "d"}),
            ),
            (
                json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
                json!({"anyOf": [{"type": "string"}, {"type": "number"}]}),
            ),
            (
                json!({"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}, "maxItems": 3}),
                json!({"type": "array", "items": {"type": "integer"}, "maxItems": 3}),
            ),
            (
                json!({"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}),
                json!({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}),
            ),
            (
                json!({
                    "properties": { "a": { "$ref": "#/definitions/b", "description": "here" } },
                    "definitions": { "b": { "type": "boolean", "description": "there" } },
                }),
                json!({"type": "object", "properties": {"a": {"type": "boolean", "description": "here"}}}),
            ),
            (json!({"allOf": [{"type": "string"}]}), json!({"type": "string"})),
            (json!({"properties": {"any": true}}), json!({"type": "object", "properties": {"any": {}}})),
        ] {
            assert_eq!(to_dialect(&schema), Some(expected), "{schema}");
        }
    }

    #[test]
    fn what_the_dialect_cannot_say_is_told_apart() {
        for schema in [
            json!({"properties": {"next": {"$ref": "#"}}}),
            json!({"$ref": "https://example.org/schema"}),
            json!({"$ref": "#/definitions/gone"}),
            json!({"allOf": [{"type": "string"}, {"minLength": 1}]}),
            json!({"enum": ["a", 1]}),
            json!({"properties": {"never": false}}),
        ] {
            assert_eq!(to_dialect(&schema), None, "{schema}");
        }
    }

    #[test]
    fn references_that_double_at_each_step_are_given_up() {
        let definitions: Map<String, Value> = (0..30)
            .map(|at| {
                let next = json!({ "$ref": format!("#/definitions/d{}", at + 1) });
                (format!("d{at}"), json!({"properties": {"a": next, "b": next}}))
            })
            .chain([("d30".to_owned(), json!({"type": "string"}))])
            .collect();
        assert_eq!(to_dialect(&json!({"definitions": definitions, "$ref": "#/definitions/d0"})), None);
    }
}
