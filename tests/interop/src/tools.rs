//! The tools of step 1. The agents have the same ones, with code.

use headstart_core::step::{Tool, ToolSet, ToolSetError};
use serde_json::json;

/// One tool for each way in which a call may be settled.
pub(crate) fn all() -> Result<ToolSet, ToolSetError> {
    let weather = json!({
        "type": "object",
        "properties": {
            "city": { "type": "string" },
            "unit": { "type": "string", "enum": ["c", "f"], "default": "c" },
        },
        "required": ["city"],
        "additionalProperties": false,
    });
    let search = json!({
        "type": "object",
        "properties": { "query": { "type": "string" } },
        "required": ["query"],
    });
    let path = json!({
        "type": "object",
        "properties": { "path": { "type": "string" } },
        "required": ["path"],
        "additionalProperties": false,
    });
    let nothing = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    ToolSet::new([
        Tool::new("getWeather", "Get the weather of a city", weather),
        Tool::new("search", "Search the notes", search),
        Tool::new("deleteFile", "Delete a file", path).needs_approval(),
        Tool::new("pickColor", "Let the user pick a color", nothing).client_side(),
    ])
}
