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
    let loose = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let (mut patterns, mut others) = (loose.clone(), loose.clone());
    patterns["patternProperties"] = json!({"^b": {}});
    patterns["additionalProperties"] = json!(false);
    // Keys of a pattern are no others.
    others["patternProperties"] = json!({"^b": {}});
    others["additionalProperties"] = weather();
    for (schema, input) in
        [(loose, r#"{"a":"x","b":1}"#), (patterns, r#"{"a":"x","b":1}"#), (others, r#"{"b":{"x":1}}"#)]
    {
        assert_eq!(check(schema, input).unwrap().as_str(), input);
    }
}

/// A closed object with these properties, all of them required that have no default.
fn closed(properties: Value) -> Value {
    let required: Vec<&String> = properties
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, property)| property.get("default").is_none())
        .map(|(key, _)| key)
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn in_x(schema: Value) -> Value {
    closed(json!({"x": schema}))
}

#[test]
fn the_branch_of_a_union_that_fits_decides() {
    let (text, number) = (|| json!({"type": "string"}), || json!({"type": "number"}));
    let nothing = || json!({"type": "null"});
    let circle = closed(json!({"kind": {"const": "circle"}, "r": number(), "fill": {"default": "none"}}));
    let square = closed(json!({"kind": {"const": "square"}, "side": number(), "at": in_x(number())}));
    let shapes = json!({
        "type": "object",
        "properties": {"all": {"type": "array", "items": {"oneOf": [
            {"$ref": "#/definitions/circle"}, {"$ref": "#/definitions/square"},
        ]}}},
        "definitions": {"circle": circle, "square": square},
    });
    let needs_default = json!({
        "type": "object", "properties": {"a": {"default": 1}}, "required": ["a"], "additionalProperties": false,
    });
    for (schema, given, expected) in [
        (in_x(json!({"anyOf": [in_x(text()), nothing()]})), r#"{"x":{"x":"a","y":1}}"#, r#"{"x":{"x":"a"}}"#),
        (in_x(json!({"anyOf": [in_x(text()), nothing()]})), r#"{"x":null,"y":1}"#, r#"{"x":null}"#),
        (in_x(json!({"anyOf": [text(), in_x(text())]})), r#"{"x":{"x":"a","y":1}}"#, r#"{"x":{"x":"a"}}"#),
        // The first that fits, even if a later one knows more of the keys.
        (
            in_x(json!({"anyOf": [closed(json!({"a": text()})), closed(json!({"a": text(), "b": text()}))]})),
            r#"{"x":{"a":"1","b":"2"}}"#,
            r#"{"x":{"a":"1"}}"#,
        ),
        (
            in_x(
                json!({"anyOf": [closed(json!({"a": number()})), closed(json!({"a": text(), "b": text()}))]}),
            ),
            r#"{"x":{"a":"1","b":"2","c":3}}"#,
            r#"{"x":{"a":"1","b":"2"}}"#,
        ),
        (in_x(json!({"anyOf": [needs_default, text()]})), r#"{"x":{"b":1}}"#, r#"{"x":{"a":1}}"#),
        // Behind references, in items, one in the other.
        (
            shapes,
            r#"{"all":[{"kind":"circle","r":1,"z":0},{"kind":"square","side":2,"at":{"x":1,"z":0},"z":0}]}"#,
            r#"{"all":[{"fill":"none","kind":"circle","r":1},{"at":{"x":1},"kind":"square","side":2}]}"#,
        ),
        (
            in_x(
                json!({"anyOf": [nothing(), {"anyOf": [text(), {"type": "array", "items": in_x(text())}]}]}),
            ),
            r#"{"x":[{"x":"a","y":1}]}"#,
            r#"{"x":[{"x":"a"}]}"#,
        ),
        (
            in_x(json!({"type": "object", "additionalProperties": {"anyOf": [in_x(text()), nothing()]}})),
            r#"{"x":{"k/~":{"x":"a","y":1}}}"#,
            r#"{"x":{"k/~":{"x":"a"}}}"#,
        ),
        (
            closed(json!({"k/~": {"anyOf": [in_x(text()), nothing()]}})),
            r#"{"k/~":{"x":"a","y":1}}"#,
            r#"{"k/~":{"x":"a"}}"#,
        ),
        // Beside properties: what either knows is known.
        (
            json!({
                "type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": false,
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
            }),
            r#"{"b":1,"c":2}"#,
            r#"{"b":1}"#,
        ),
        (
            json!({
                "type": "object", "properties": {"kind": {"type": "string"}, "n": {}}, "additionalProperties": false,
                "oneOf": [
                    {"properties": {"kind": {"const": "a"}, "n": {"default": 1}}},
                    {"properties": {"kind": {"const": "b"}}, "required": ["n"]},
                ],
            }),
            r#"{"kind":"a","c":2}"#,
            r#"{"kind":"a","n":1}"#,
        ),
    ] {
        assert_eq!(check(schema.clone(), given).unwrap().as_str(), expected, "{schema}");
    }
}

#[test]
fn where_no_single_branch_fits_the_input_stays_as_it_is() {
    let one_of = |all: Value| in_x(json!({"oneOf": all}));
    let beside = json!({
        "type": "object", "properties": {"a": {}}, "additionalProperties": false,
        "anyOf": [{"properties": {"b": {"type": "string"}}}],
    });
    let (a, ab) = (closed(json!({"a": {}})), closed(json!({"a": {}, "b": {}})));
    for (schema, given, is_valid) in [
        (in_x(json!({"anyOf": [a, {"type": "null"}]})), r#"{"x":{"b":1}}"#, false),
        (beside, r#"{"a":1,"b":5}"#, false),
        // Both fit, but for the keys that they do not know; which one is meant?
        (one_of(json!([a, ab])), r#"{"x":{"a":1,"b":2}}"#, true),
        (one_of(json!([a, ab])), r#"{"x":{"a":1,"b":2,"c":3}}"#, false),
        (one_of(json!([a, a])), r#"{"x":{"a":1}}"#, false),
    ] {
        match check(schema.clone(), given) {
            Ok(input) => assert_eq!((input.as_str(), is_valid), (given, true), "{schema}"),
            Err((input, _)) => assert_eq!((input.as_str(), is_valid), (given, false), "{schema}"),
        }
    }
}

#[test]
fn schemas_that_hold_together_are_taken_together() {
    let open = |properties: Value| json!({"type": "object", "properties": properties});
    let place = |key: &str| closed(json!({key: {"type": "number"}}));
    for (schema, given, expected) in [
        (
            json!({"allOf": [open(json!({"at": place("lat")})), open(json!({"days": {"default": 3}}))]}),
            r#"{"at":{"lat":1,"y":0},"z":0}"#,
            Some(r#"{"at":{"lat":1},"days":3,"z":0}"#),
        ),
        (
            json!({
                "type": "object", "properties": {"a": {"default": 1}},
                "allOf": [{"$ref": "#/definitions/b"}], "definitions": {"b": open(json!({"b": {"default": 2}}))},
            }),
            "{}",
            Some(r#"{"a":1,"b":2}"#),
        ),
        // Closed ones forbid each other's keys. That is a fault to be told, not a reason to drop them.
        (
            json!({"allOf": [
                {"type": "object", "properties": {"a": {}}, "additionalProperties": false},
                {"type": "object", "properties": {"b": {}}, "additionalProperties": false},
            ]}),
            r#"{"a":1,"b":2}"#,
            None,
        ),
        (json!({"allOf": [place("lat"), place("lon")]}), r#"{"lat":1,"lon":2}"#, None),
        (
            json!({"allOf": [closed(json!({"a": {"default": 1}})), closed(json!({"b": {"default": 2}}))]}),
            r#"{"a":3,"b":4}"#,
            None,
        ),
        (
            json!({"allOf": [open(json!({"at": place("lat")})), open(json!({"at": place("lon")}))]}),
            r#"{"at":{"lat":1,"lon":2}}"#,
            None,
        ),
    ] {
        let input = check(schema.clone(), given).ok();
        assert_eq!(input.as_ref().map(Json::as_str), expected, "{schema}");
    }
}

#[test]
fn items_may_have_a_schema_each() {
    let tuple = json!({"type": "array", "items": [weather(), {"type": "null"}]});
    let mut with_rest = tuple.clone();
    with_rest["additionalItems"] = closed(json!({"y": {}}));
    let given = r#"{"x":[{"city":"a","y":1},null,{"y":1,"z":2}]}"#;
    for (schema, expected) in [
        (tuple, r#"{"x":[{"city":"a","days":3},null,{"y":1,"z":2}]}"#),
        (with_rest, r#"{"x":[{"city":"a","days":3},null,{"y":1}]}"#),
    ] {
        assert_eq!(check(in_x(schema), given).unwrap().as_str(), expected);
    }
}

#[test]
fn unions_that_hold_themselves_end() {
    let schema = json!({
        "type": "object",
        "properties": {"e": {"$ref": "#/definitions/e"}},
        "definitions": {"e": {"oneOf": [
            closed(json!({"op": {"const": "not"}, "of": {"$ref": "#/definitions/e"}})),
            closed(json!({"op": {"const": "neg"}, "of": {"$ref": "#/definitions/e"}})),
            closed(json!({"op": {"const": "end"}})),
        ]}},
    });
    let nested = |depth: usize, more: &str| {
        let (begin, end) = (r#"{"of":"#.repeat(depth), format!(r#","op":"neg"{more}}}"#).repeat(depth));
        format!(r#"{{"e":{begin}{{"op":"end"{more}}}{end}}}"#)
    };
    assert_eq!(check(schema, &nested(8, r#","z":0"#)).unwrap().as_str(), nested(8, ""));
    for circle in [
        json!({"properties": {"b": {"$ref": "#/properties/b"}}}),
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"anyOf": [{"$ref": "#"}]}),
    ] {
        let mut value = json!({"b": 1});
        let before = value.clone();
        Normaliser { root: &circle, branches: None }.normalise(vec![Place::root(&circle)], &mut value);
        assert_eq!(value, before);
    }
}

#[test]
fn references_are_followed() {
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
