//! Tools that OpenAI runs, as messages have them: names and shapes are those of the AI SDK, whose agents replay
//! them.

use headstart_core::wire::Json;
use serde_json::{Map, Value, json};

use super::responses_wire::Item;

/// A call and its result; both are in one item.
pub(super) struct ServerTool {
    pub(super) name: String,
    /// JSON text.
    pub(super) input: String,
    pub(super) result: Json,
    pub(super) is_error: bool,
}

/// Reads an item that is done; `None` when it is none of these tools.
pub(super) fn read(item: &Item) -> Option<ServerTool> {
    let value = |json: &Option<Json>| json.as_ref().map_or(Value::Null, Json::to_value);
    let plain = |name: &str, result: Value| ServerTool {
        name: name.to_owned(),
        input: "{}".to_owned(),
        result: Json::from_value(&result),
        is_error: false,
    };
    Some(match &*item.r#type {
        "web_search_call" => {
            let status = item.status.as_deref().unwrap_or("completed");
            match status == "completed" {
                true => plain("web_search", searched(&value(&item.action))),
                false => ServerTool { is_error: true, ..plain("web_search", json!({ "status": status })) },
            }
        }
        "file_search_call" => {
            let results = value(&item.results).as_array().map(|results| {
                results
                    .iter()
                    .map(|found| {
                        json!({
                            "attributes": found["attributes"],
                            "fileId": found["file_id"],
                            "filename": found["filename"],
                            "score": found["score"],
                            "text": found["text"],
                        })
                    })
                    .collect::<Vec<_>>()
            });
            plain("file_search", json!({ "queries": value(&item.queries), "results": results }))
        }
        "code_interpreter_call" => ServerTool {
            input: json!({ "code": item.code, "containerId": item.container_id }).to_string(),
            ..plain("code_interpreter", json!({ "outputs": value(&item.outputs) }))
        },
        "image_generation_call" => plain("image_generation", json!({ "result": value(&item.result) })),
        "mcp_call" => {
            let name = item.name.as_deref().unwrap_or_default();
            let mut result = Map::new();
            result.insert("type".to_owned(), json!("call"));
            result.insert("serverLabel".to_owned(), json!(item.server_label));
            result.insert("name".to_owned(), json!(name));
            result.insert("arguments".to_owned(), json!(item.arguments));
            for (key, value) in [("output", value(&item.output)), ("error", value(&item.error))] {
                if !value.is_null() {
                    result.insert(key.to_owned(), value);
                }
            }
            ServerTool {
                input: item.arguments.clone().unwrap_or_default(),
                ..plain(&format!("mcp.{name}"), Value::Object(result))
            }
        }
        _ => return None,
    })
}

fn searched(action: &Value) -> Value {
    match action["type"].as_str() {
        Some("search") => {
            let mut search = Map::from_iter([("type".to_owned(), json!("search"))]);
            for key in ["query", "queries"] {
                if !action[key].is_null() {
                    search.insert(key.to_owned(), action[key].clone());
                }
            }
            match &action["sources"] {
                Value::Null => json!({ "action": search }),
                sources => json!({ "action": search, "sources": sources }),
            }
        }
        Some("open_page") => json!({ "action": { "type": "openPage", "url": action["url"] } }),
        Some("find_in_page") => json!({
            "action": { "type": "findInPage", "url": action["url"], "pattern": action["pattern"] },
        }),
        _ => json!({}),
    }
}
