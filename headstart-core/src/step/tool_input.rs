//! The input of a tool call, checked and brought into the form that the agent's own schema gives it.
//!
//! An agent runs a handed-over call only when the input equals what its schema makes of it
//! (`docs/protocol.md`, "Tool input"): unknown keys gone, defaults filled in. So that is done here, by the
//! JSON Schema; what comes out validates to itself.

use jsonschema::ValidatorMap;
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
    let root = tool.schema().to_value();
    Normaliser { root: &root, branches: tool.branches() }.normalise(vec![Place::root(&root)], &mut after);
    if let Some(validator) = tool.validator()
        && let Some(message) = schema_violation(tool, validator, &given, &after)
    {
        return Err((given, message));
    }
    // Unchanged, it stays as the model wrote it: key order and numbers, too.
    Ok(if after == before { given } else { Json::from_value(&after) })
}

/// What the branches of a schema's unions accept, by their pointers. Unknown keys and absent defaults are forgiven:
/// they are set right here. `None` when there are no unions.
pub(super) fn branches_of(schema: &Value) -> Option<ValidatorMap> {
    let text = schema.to_string();
    if !text.contains("\"anyOf\"") && !text.contains("\"oneOf\"") {
        return None;
    }
    let mut schema = schema.clone();
    forgive(&mut schema);
    jsonschema::draft7::options().build_map(&schema).ok()
}

/// Takes out of a schema what would refuse an input for these alone.
fn forgive(schema: &mut Value) {
    match schema {
        Value::Object(schema) => {
            if is_closed(schema) {
                schema.remove("additionalProperties");
            }
            let has_default = |key: &Value, properties: &Value| {
                key.as_str().is_some_and(|key| properties[key].get("default").is_some())
            };
            if let Some(properties) = schema.get("properties").cloned()
                && let Some(Value::Array(required)) = schema.get_mut("required")
            {
                required.retain(|key| !has_default(key, &properties));
            }
            schema.values_mut().for_each(forgive);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(forgive),
        _ => {}
    }
}

fn is_closed(schema: &Map<String, Value>) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && !schema.contains_key("patternProperties")
}

/// A schema inside another one.
#[derive(Clone)]
struct Place<'a> {
    schema: &'a Value,
    pointer: String,
}

impl<'a> Place<'a> {
    fn root(schema: &'a Value) -> Self {
        Self { schema, pointer: "#".to_owned() }
    }

    fn keyword(&self, keyword: &str) -> Option<Self> {
        let pointer = format!("{}/{}", self.pointer, keyword.replace('~', "~0").replace('/', "~1"));
        Some(Self { schema: self.schema.get(keyword)?, pointer })
    }

    /// The schema of a key: its own, or that of keys which have none. Which those are, patterns would say.
    fn of_key(&self, key: &str) -> Option<Self> {
        let others = || {
            self.keyword("additionalProperties").filter(|_| self.schema.get("patternProperties").is_none())
        };
        self.keyword("properties").and_then(|properties| properties.keyword(key)).or_else(others)
    }

    /// The schema of an item: one for all, or one for each place and one for the rest.
    fn of_item(&self, at: usize) -> Option<Self> {
        let items = self.keyword("items")?;
        if !items.schema.is_array() {
            return Some(items);
        }
        items.item(at).or_else(|| self.keyword("additionalItems"))
    }

    fn item(&self, at: usize) -> Option<Self> {
        Some(Self { schema: self.schema.get(at)?, pointer: format!("{}/{at}", self.pointer) })
    }

    fn all(&self, keyword: &str) -> impl Iterator<Item = Self> {
        let list = self.keyword(keyword);
        (0..).map_while(move |at| list.as_ref()?.item(at))
    }
}

/// Drops unknown keys where the schema forbids them and fills defaults, all the way down.
struct Normaliser<'a> {
    root: &'a Value,
    branches: Option<&'a ValidatorMap>,
}

impl<'a> Normaliser<'a> {
    /// All schemas that describe a value are looked at together: closed ones that do not know each other's keys
    /// would leave nothing of it one by one.
    fn normalise(&self, schemas: Vec<Place<'a>>, value: &mut Value) {
        let Some(parts) = self.parts(schemas, value) else { return };
        match value {
            Value::Object(object) => {
                let known = parts.iter().filter_map(|part| part.schema.get("properties")?.as_object());
                if parts.iter().any(|part| part.schema.as_object().is_some_and(is_closed))
                    && !parts.iter().any(|part| part.schema.get("patternProperties").is_some())
                {
                    object.retain(|key, _| known.clone().any(|known| known.contains_key(key)));
                }
                for (key, value) in object.iter_mut() {
                    self.normalise(parts.iter().filter_map(|part| part.of_key(key)).collect(), value);
                }
                for (key, property) in known.flatten() {
                    if let (false, Some(default)) = (object.contains_key(key), property.get("default")) {
                        object.insert(key.clone(), default.clone());
                    }
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.normalise(parts.iter().filter_map(|part| part.of_item(at)).collect(), item);
                }
            }
            _ => {}
        }
    }

    /// The schemas behind these: references followed, `allOf` opened, branches chosen. `None` where it is not certain
    /// what is meant: a reference leads nowhere or round in a circle, no branch fits, or more than one of a `oneOf`
    /// does. The value then stays as it is, and validation tells what is wrong with it.
    fn parts(&self, schemas: Vec<Place<'a>>, value: &Value) -> Option<Vec<Place<'a>>> {
        const MOST: usize = 64;
        let mut parts = schemas;
        let mut next = 0;
        for _ in 0..MOST {
            let Some(part) = parts.get(next).cloned() else { return Some(parts) };
            if let Some(reference) = part.schema.get("$ref") {
                // What stands beside a reference does not count in draft-07.
                let pointer = reference.as_str()?;
                let schema = self.root.pointer(pointer.strip_prefix('#')?)?;
                parts[next] = Place { schema, pointer: pointer.to_owned() };
                continue;
            }
            parts.extend(part.all("allOf"));
            if part.schema.get("anyOf").is_some() {
                // Agents' unions take the first that fits, too.
                parts.push(part.all("anyOf").find(|branch| self.fits(branch, value))?);
            }
            if part.schema.get("oneOf").is_some() {
                let mut fitting = part.all("oneOf").filter(|branch| self.fits(branch, value));
                parts.push(fitting.next()?);
                if fitting.next().is_some() {
                    return None;
                }
            }
            next += 1;
        }
        None
    }

    fn fits(&self, branch: &Place<'_>, value: &Value) -> bool {
        let validator = self.branches.and_then(|branches| branches.get(&branch.pointer));
        validator.is_some_and(|validator| validator.is_valid(value))
    }
}

#[cfg(test)]
mod tests;
