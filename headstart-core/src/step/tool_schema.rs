//! The JSON Schema of a tool's input, from the Rust type that reads it.

use schemars::{
    JsonSchema,
    generate::SchemaSettings,
    transform::{RestrictFormats, Transform},
};
use serde_json::{Map, Value, json};

use crate::wire::Json;

/// Draft-07 with everything inline where that is possible (a type that holds itself is not), closed objects,
/// and nothing in it that only takes up room in a prompt.
pub(super) fn schema_of<T: JsonSchema + ?Sized>() -> Json {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // Formats of Rust (`uint32`, `double`) mean nothing to a model.
    RestrictFormats::default().transform(&mut schema);
    let mut schema = schema.to_value();
    if let Value::Object(root) = &mut schema {
        root.remove("$schema");
        // The tool has one of its own.
        root.remove("description");
        // An enum of objects; providers insist on the word.
        let kind = root.entry("type").or_insert_with(|| "object".into());
        if kind == "object" && !is_composed(root) {
            root.entry("properties").or_insert_with(|| json!({}));
        }
    }
    tidy(&mut schema, false);
    Json::from_value(&schema)
}

/// Takes out titles and `null` for a default, and closes objects, all the way down. A schema that is a part
/// of a larger one must stay open: the parts do not know each other's keys.
fn tidy(schema: &mut Value, is_part: bool) {
    let Value::Object(schema) = schema else { return };
    schema.remove("title");
    // An absent `Option` stays absent: `null` is another value to the agent's schema.
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    let has_properties = schema.contains_key("properties");
    if has_properties && !is_part && !is_composed(schema) {
        schema.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (key, value) in schema.iter_mut() {
        match (&**key, value) {
            ("properties" | "patternProperties" | "definitions", Value::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| tidy(schema, false));
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                let are_parts = is_part || has_properties || key == "allOf";
                schemas.iter_mut().for_each(|schema| tidy(schema, are_parts));
            }
            ("items", Value::Array(schemas)) => schemas.iter_mut().for_each(|schema| tidy(schema, false)),
            ("items" | "additionalItems" | "additionalProperties" | "contains" | "not", schema) => {
                tidy(schema, false);
            }
            _ => {}
        }
    }
}

/// Is it put together of others?
fn is_composed(schema: &Map<String, Value>) -> bool {
    ["allOf", "anyOf", "oneOf", "patternProperties", "$ref"].iter().any(|key| schema.contains_key(*key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::step::{Tool, ToolSet, ToolSetError, check_tool_input};

    #[derive(JsonSchema, Deserialize)]
    #[allow(dead_code, reason = "only its schema is read")]
    #[serde(rename_all = "camelCase")]
    /// Not for models.
    struct Weather {
        /// City, in English.
        city_name: String,
        days: Option<u32>,
        #[serde(default)]
        unit: Unit,
        #[serde(default)]
        note: Option<String>,
        places: Vec<Place>,
        labels: BTreeMap<String, Place>,
    }

    #[derive(JsonSchema, Deserialize, serde::Serialize, Default)]
    #[serde(rename_all = "lowercase")]
    enum Unit {
        #[default]
        Celsius,
        Fahrenheit,
    }

    #[derive(JsonSchema, Deserialize)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Place {
        lat: f64,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Tree {
        children: Vec<Tree>,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Shape {
        Circle { radius: f64 },
        Square { side: f64 },
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Mixed {
        name: String,
        #[serde(flatten)]
        shape: Shape,
    }

    #[derive(JsonSchema)]
    struct Nothing {}

    fn set<T: JsonSchema>() -> Result<ToolSet, ToolSetError> {
        ToolSet::new([Tool::of::<T>("tool", "")])
    }

    /// What becomes of an input, or its fault.
    fn check<T: JsonSchema>(input: &str) -> Result<String, String> {
        let set = set::<T>().unwrap();
        let checked = check_tool_input(set.get("tool").unwrap(), input);
        checked.map(|input| input.as_str().to_owned()).map_err(|(_, fault)| fault)
    }

    #[test]
    fn a_struct_becomes_a_closed_inlined_draft_07_schema() {
        let place = json!({
            "type": "object",
            "properties": { "lat": { "type": "number" } },
            "required": ["lat"],
            "additionalProperties": false,
        });
        assert_eq!(
            schema_of::<Weather>().to_value(),
            json!({
                "type": "object",
                "properties": {
                    "cityName": { "type": "string", "description": "City, in English." },
                    "days": { "type": ["integer", "null"], "minimum": 0 },
                    "unit": { "type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius" },
                    "note": { "type": ["string", "null"] },
                    "places": { "type": "array", "items": place },
                    "labels": { "type": "object", "additionalProperties": place },
                },
                "required": ["cityName", "places", "labels"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn the_text_of_a_schema_is_always_the_same() {
        assert_eq!(schema_of::<Weather>().as_str(), schema_of::<Weather>().as_str());
    }

    #[test]
    fn inputs_are_normalised_by_the_schema_of_a_type() {
        assert_eq!(
            check::<Weather>(r#"{"cityName":"Paris","places":[{"lat":1.5,"x":0}],"labels":{},"y":1}"#),
            Ok(r#"{"cityName":"Paris","labels":{},"places":[{"lat":1.5}],"unit":"celsius"}"#.to_owned())
        );
        assert!(check::<Weather>(r#"{"places":[],"labels":{}}"#).is_err());
    }

    #[test]
    fn enums_of_objects_recursion_and_flattening_accept_what_serde_accepts() {
        assert!(check::<Shape>(r#"{"kind":"circle","radius":1}"#).is_ok());
        assert!(check::<Shape>(r#"{"kind":"circle","side":1}"#).is_err());
        assert!(check::<Tree>(r#"{"children":[{"children":[]}]}"#).is_ok());
        assert!(check::<Tree>(r#"{"children":[{"children":[{}]}]}"#).is_err());
        assert_eq!(
            check::<Tree>(r#"{"children":[{"children":[],"x":1}]}"#),
            Ok(r#"{"children":[{"children":[]}]}"#.to_owned())
        );
        assert!(check::<Mixed>(r#"{"name":"a","kind":"square","side":2}"#).is_ok());
        assert!(check::<Mixed>(r#"{"name":"a","kind":"square"}"#).is_err());
        assert_eq!(check::<Nothing>(""), Ok("{}".to_owned()));
        assert_eq!(schema_of::<Nothing>().to_value()["properties"], json!({}));
    }

    #[test]
    fn an_input_must_be_an_object() {
        assert!(matches!(set::<String>(), Err(ToolSetError::Schema { .. })));
        assert!(matches!(set::<Vec<Place>>(), Err(ToolSetError::Schema { .. })));
    }
}
