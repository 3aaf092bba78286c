//! What a page makes of chunks: the parts of its message.

use serde_json::{Map, Value, json};

/// The parts that these chunks add up to.
pub(crate) fn parts(chunks: &[Value]) -> Vec<Value> {
    let mut parts: Vec<Value> = Vec::new();
    // Blocks know their part by the id of their chunks, which the part does not keep.
    let mut blocks: Vec<(Value, usize)> = Vec::new();
    for chunk in chunks {
        let kind = chunk["type"].as_str().unwrap();
        match kind {
            "start" | "finish" | "finish-step" => {}
            "start-step" => parts.push(json!({"type": "step-start"})),
            "text-start" | "reasoning-start" => {
                blocks.push((chunk["id"].clone(), parts.len()));
                let part = json!({"type": kind.trim_end_matches("-start"), "text": "", "state": "streaming"});
                parts.push(part);
                keep(&mut parts, &blocks, chunk);
            }
            "text-delta" | "reasoning-delta" => {
                let part = keep(&mut parts, &blocks, chunk);
                let text = format!("{}{}", part["text"].as_str().unwrap(), chunk["delta"].as_str().unwrap());
                part["text"] = text.into();
            }
            "text-end" | "reasoning-end" => {
                keep(&mut parts, &blocks, chunk)["state"] = "done".into();
                blocks.retain(|(id, _)| *id != chunk["id"]);
            }
            _ if kind.starts_with("tool-") => tool(&mut parts, kind, chunk),
            // Files, sources, data and what is yet to come are parts as they are.
            _ => parts.push(chunk.clone()),
        }
    }
    parts
}

/// The part of a block's chunk, with the chunk's metadata.
fn keep<'a>(parts: &'a mut [Value], blocks: &[(Value, usize)], chunk: &Value) -> &'a mut Value {
    let (_, at) = blocks.iter().rev().find(|(id, _)| *id == chunk["id"]).expect("the block was started");
    let part = &mut parts[*at];
    if let Some(metadata) = chunk.get("providerMetadata") {
        part["providerMetadata"] = metadata.clone();
    }
    part
}

fn tool(parts: &mut Vec<Value>, kind: &str, chunk: &Value) {
    let known = parts.iter().position(|part| part["toolCallId"] == chunk["toolCallId"]);
    let at = known.unwrap_or_else(|| {
        let name = chunk["toolName"].as_str().expect("an input comes before what becomes of it");
        let mut part = match chunk["dynamic"].as_bool() {
            Some(true) => json!({"type": "dynamic-tool", "toolName": name}),
            _ => json!({"type": format!("tool-{name}")}),
        };
        part["toolCallId"] = chunk["toolCallId"].clone();
        parts.push(part);
        parts.len() - 1
    });
    let part = parts[at].as_object_mut().unwrap();
    let mut set = |name: &str, value: Option<&Value>| {
        part.extend(value.map(|value| (name.to_owned(), value.clone())).into_iter().collect::<Map<_, _>>());
    };
    let metadata = chunk.get("providerMetadata");
    let is_dynamic = chunk["dynamic"] == true;
    set("title", chunk.get("title"));
    set("providerExecuted", chunk.get("providerExecuted"));
    let state = match kind {
        "tool-input-start" => "input-streaming",
        "tool-input-delta" => return,
        "tool-input-available" => {
            set("input", chunk.get("input"));
            set("callProviderMetadata", metadata);
            "input-available"
        }
        "tool-input-error" => {
            set(if is_dynamic { "input" } else { "rawInput" }, chunk.get("input"));
            set("errorText", chunk.get("errorText"));
            set("callProviderMetadata", metadata);
            "output-error"
        }
        "tool-approval-request" => {
            set("approval", Some(&json!({"id": chunk["approvalId"]})));
            "approval-requested"
        }
        "tool-output-available" => {
            set("output", chunk.get("output"));
            set("resultProviderMetadata", metadata);
            "output-available"
        }
        "tool-output-error" => {
            set("errorText", chunk.get("errorText"));
            set("resultProviderMetadata", metadata);
            "output-error"
        }
        "tool-output-denied" => "output-denied",
        other => panic!("{other}"),
    };
    set("state", Some(&state.into()));
}
