//! The table. A row is one type of part, or one state of it.

use headstart_core::{
    step::{StepEvent as E, Usage},
    wire::{FinishReason, Json},
};
use serde_json::{Value, json};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What the model says in step 1.
    pub(crate) said: Vec<E>,
    /// What the agent adds.
    pub(crate) then: Vec<Value>,
    /// The parts of the page's message.
    pub(crate) parts: Value,
    /// The model messages of it.
    pub(crate) messages: Value,
    /// What each API is sent: `[role, block]` of Anthropic and Gemini, the items of OpenAI.
    pub(crate) anthropic: Value,
    pub(crate) gemini: Value,
    pub(crate) chat: Value,
    pub(crate) responses: Value,
}

fn metadata(value: Value) -> Option<Json> {
    Some(Json::from_value(&value))
}

fn finish(mut said: Vec<E>, reason: FinishReason) -> Vec<E> {
    said.push(E::Finish { reason, paused: false, usage: Usage::default() });
    said
}

fn text(text: &str) -> Vec<E> {
    let id = || "0".to_owned();
    vec![
        E::TextStart { id: id(), provider_metadata: None },
        E::TextDelta { id: id(), delta: text.to_owned(), provider_metadata: None },
        E::TextEnd { id: id(), provider_metadata: None },
    ]
}

fn call(name: &str, input: &str, provider_executed: bool) -> Vec<E> {
    let (id, tool_name) = (|| "c1".to_owned(), || name.to_owned());
    vec![
        E::ToolInputStart { id: id(), tool_name: tool_name(), provider_executed, provider_metadata: None },
        E::ToolInputDelta { id: id(), delta: input.to_owned() },
        E::ToolCall {
            id: id(),
            tool_name: tool_name(),
            input: input.to_owned(),
            provider_executed,
            provider_metadata: None,
        },
    ]
}

/// A step that says `Hi.`, and parts that no model is shown.
fn not_for_models(name: &'static str, then: Vec<Value>) -> Row {
    let mut parts =
        vec![json!({"type": "step-start"}), json!({"type": "text", "text": "Hi.", "state": "done"})];
    parts.extend(then.clone());
    Row {
        name,
        said: finish(text("Hi."), FinishReason::Stop),
        then,
        parts: json!(parts),
        messages: json!([{"role": "assistant", "content": [{"type": "text", "text": "Hi."}]}]),
        anthropic: json!([["assistant", {"type": "text", "text": "Hi."}]]),
        gemini: json!([["model", {"text": "Hi."}]]),
        chat: json!([{"role": "assistant", "content": "Hi."}]),
        responses: json!([{"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}]),
    }
}

/// A call of `weather`, and what became of it.
fn weather(
    name: &'static str,
    then: Value,
    part: Value,
    output: Value,
    content: &str,
    is_error: bool,
) -> Row {
    // Gemini takes values as they are.
    let value = match &output["type"] {
        kind if kind == "json" => output["value"].clone(),
        _ => json!(content),
    };
    let mut tool = json!({
        "type": "tool-weather", "toolCallId": "c1", "title": "Weather", "input": {"city": "Paris"},
    });
    tool.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    let mut result = json!({"type": "tool_result", "tool_use_id": "c1", "content": content});
    if is_error {
        result["is_error"] = true.into();
    }
    Row {
        name,
        said: finish(call("weather", r#"{"city":"Paris"}"#, false), FinishReason::ToolCalls),
        then: vec![then],
        parts: json!([{"type": "step-start"}, tool]),
        messages: json!([
            {"role": "assistant", "content": [
                {"type": "tool-call", "toolCallId": "c1", "toolName": "weather", "input": {"city": "Paris"}},
            ]},
            {"role": "tool", "content": [
                {"type": "tool-result", "toolCallId": "c1", "toolName": "weather", "output": output},
            ]},
        ]),
        anthropic: json!([
            ["assistant", {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}}],
            ["user", result],
        ]),
        gemini: json!([
            ["model", {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Paris"}}}],
            ["user", {"functionResponse": {
                "id": "c1", "name": "weather", "response": {"name": "weather", "content": value},
            }}],
        ]),
        chat: json!([
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": content},
        ]),
        responses: json!([
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Paris\"}"},
            {"type": "function_call_output", "call_id": "c1", "output": content},
        ]),
    }
}

pub(crate) fn all() -> Vec<Row> {
    let signature = json!({"anthropic": {"signature": "S=="}});
    let redacted = json!({"anthropic": {"redactedData": "RD"}});
    let thought = json!({"google": {"thoughtSignature": "T=="}});
    let item = json!({"openai": {"itemId": "rs_1", "reasoningEncryptedContent": "ENC"}});
    let id = || "r".to_owned();
    let reasoning = |delta: &str, proof: &Value| {
        let begin = E::ReasoningStart { id: id(), provider_metadata: None };
        let said = E::ReasoningDelta { id: id(), delta: delta.to_owned(), provider_metadata: None };
        let sign =
            E::ReasoningDelta { id: id(), delta: String::new(), provider_metadata: metadata(proof.clone()) };
        let end = E::ReasoningEnd { id: id(), provider_metadata: None };
        let all = [begin, said, sign, end].into_iter().chain(text("Hi."));
        finish(all.collect(), FinishReason::Stop)
    };
    let shown = |text: &str, proof: &Value| {
        json!([
            {"type": "step-start"},
            {"type": "reasoning", "text": text, "state": "done", "providerMetadata": proof},
            {"type": "text", "text": "Hi.", "state": "done"},
        ])
    };
    let kept = |text: &str, proof: &Value| {
        json!([{"role": "assistant", "content": [
            {"type": "reasoning", "text": text, "providerOptions": proof},
            {"type": "text", "text": "Hi."},
        ]}])
    };
    let chat_hi = json!([{"role": "assistant", "content": "Hi."}]);
    let hi = json!({"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]});
    let hi_part = json!(["model", {"text": "Hi."}]);
    let hi_block = json!(["assistant", {"type": "text", "text": "Hi."}]);
    let done = |metadata: Value| json!({"type": "text", "text": "Hi.", "state": "done", "providerMetadata": metadata});
    let file = json!({"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA"});
    let reasoning_file =
        json!({"type": "reasoning-file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA"});
    let url = |url: &str| json!({"type": "url", "url": url});

    vec![
        not_for_models("text", vec![]),
        Row {
            name: "text of an item that the provider keeps",
            said: finish(
                vec![
                    E::TextDelta { id: id(), delta: "Hi.".to_owned(), provider_metadata: None },
                    E::TextEnd {
                        id: id(),
                        provider_metadata: metadata(json!({"openai": {"itemId": "msg_1"}})),
                    },
                ],
                FinishReason::Stop,
            ),
            then: vec![],
            parts: json!([{"type": "step-start"}, done(json!({"openai": {"itemId": "msg_1"}}))]),
            messages: json!([{"role": "assistant", "content": [
                {"type": "text", "text": "Hi.", "providerOptions": {"openai": {"itemId": "msg_1"}}},
            ]}]),
            anthropic: json!([hi_block]),
            gemini: json!([hi_part]),
            chat: chat_hi.clone(),
            responses: json!([{"type": "item_reference", "id": "msg_1"}]),
        },
        Row {
            name: "reasoning with a signature",
            said: reasoning("Hm.", &signature),
            then: vec![],
            parts: shown("Hm.", &signature),
            messages: kept("Hm.", &signature),
            anthropic: json!([
                ["assistant", {"type": "thinking", "thinking": "Hm.", "signature": "S=="}], hi_block,
            ]),
            gemini: json!([["model", {"text": "Hm.", "thought": true}], hi_part]),
            chat: chat_hi.clone(),
            responses: json!([hi]),
        },
        Row {
            name: "redacted reasoning",
            said: reasoning("", &redacted),
            then: vec![],
            parts: shown("", &redacted),
            messages: kept("", &redacted),
            anthropic: json!([["assistant", {"type": "redacted_thinking", "data": "RD"}], hi_block]),
            gemini: json!([hi_part]),
            chat: chat_hi.clone(),
            responses: json!([hi]),
        },
        Row {
            name: "reasoning of an item that the provider keeps",
            said: reasoning("Hm.", &item),
            then: vec![],
            parts: shown("Hm.", &item),
            messages: kept("Hm.", &item),
            anthropic: json!([hi_block]),
            gemini: json!([["model", {"text": "Hm.", "thought": true}], hi_part]),
            chat: chat_hi.clone(),
            responses: json!([{"type": "item_reference", "id": "rs_1"}, hi]),
        },
        Row {
            name: "reasoning that Gemini signed",
            said: reasoning("Hm.", &thought),
            then: vec![],
            parts: shown("Hm.", &thought),
            messages: kept("Hm.", &thought),
            anthropic: json!([hi_block]),
            gemini: json!([["model", {"text": "Hm.", "thought": true, "thoughtSignature": "T=="}], hi_part]),
            chat: chat_hi.clone(),
            responses: json!([hi]),
        },
        weather(
            "a tool that gave a value",
            json!({"type": "tool-output-available", "toolCallId": "c1", "output": {"t": 1.0}}),
            json!({"state": "output-available", "output": {"t": 1.0}}),
            json!({"type": "json", "value": {"t": 1.0}}),
            "{\"t\":1.0}",
            false,
        ),
        weather(
            "a tool that gave text",
            json!({"type": "tool-output-available", "toolCallId": "c1", "output": "sunny"}),
            json!({"state": "output-available", "output": "sunny"}),
            json!({"type": "text", "value": "sunny"}),
            "sunny",
            false,
        ),
        weather(
            "a tool that failed",
            json!({"type": "tool-output-error", "toolCallId": "c1", "errorText": "down"}),
            json!({"state": "output-error", "errorText": "down"}),
            json!({"type": "error-text", "value": "down"}),
            "down",
            true,
        ),
        weather(
            "a tool that was refused",
            json!({"type": "tool-output-denied", "toolCallId": "c1"}),
            json!({"state": "output-denied"}),
            json!({"type": "error-text", "value": "Tool call execution denied."}),
            "Tool call execution denied.",
            true,
        ),
        Row {
            name: "a tool of an unknown kind of caller",
            said: finish(call("mcp", "{}", false), FinishReason::ToolCalls),
            then: vec![
                json!({"type": "tool-output-available", "toolCallId": "c1", "output": [1], "dynamic": true}),
            ],
            parts: json!([{"type": "step-start"}, {
                "type": "dynamic-tool", "toolName": "mcp", "toolCallId": "c1", "state": "output-available",
                "input": {}, "output": [1],
            }]),
            messages: json!([
                {"role": "assistant", "content": [
                    {"type": "tool-call", "toolCallId": "c1", "toolName": "mcp", "input": {}},
                ]},
                {"role": "tool", "content": [{
                    "type": "tool-result", "toolCallId": "c1", "toolName": "mcp",
                    "output": {"type": "json", "value": [1]},
                }]},
            ]),
            anthropic: json!([
                ["assistant", {"type": "tool_use", "id": "c1", "name": "mcp", "input": {}}],
                ["user", {"type": "tool_result", "tool_use_id": "c1", "content": "[1]"}],
            ]),
            gemini: json!([
                ["model", {"functionCall": {"id": "c1", "name": "mcp", "args": {}}}],
                ["user", {"functionResponse": {
                    "id": "c1", "name": "mcp", "response": {"name": "mcp", "content": [1]},
                }}],
            ]),
            chat: json!([
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "mcp", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "[1]"},
            ]),
            responses: json!([
                {"type": "function_call", "call_id": "c1", "name": "mcp", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "[1]"},
            ]),
        },
        Row {
            name: "a tool of the provider's own",
            said: finish(
                call("web_search", r#"{"query":"x"}"#, true)
                    .into_iter()
                    .chain([E::ToolResult {
                        id: "c1".to_owned(),
                        tool_name: "web_search".to_owned(),
                        result: Json::from_value(&json!([{"url": "u", "pageAge": null}])),
                        is_error: false,
                        provider_metadata: None,
                    }])
                    .chain(text("Hi."))
                    .collect(),
                FinishReason::Stop,
            ),
            then: vec![],
            parts: json!([
                {"type": "step-start"},
                {
                    "type": "tool-web_search", "toolCallId": "c1", "state": "output-available",
                    "input": {"query": "x"}, "output": [{"url": "u", "pageAge": null}], "providerExecuted": true,
                },
                {"type": "text", "text": "Hi.", "state": "done"},
            ]),
            messages: json!([{"role": "assistant", "content": [
                {
                    "type": "tool-call", "toolCallId": "c1", "toolName": "web_search", "input": {"query": "x"},
                    "providerExecuted": true,
                },
                {
                    "type": "tool-result", "toolCallId": "c1", "toolName": "web_search",
                    "output": {"type": "json", "value": [{"url": "u", "pageAge": null}]},
                },
                {"type": "text", "text": "Hi."},
            ]}]),
            anthropic: json!([
                ["assistant", {"type": "server_tool_use", "id": "c1", "name": "web_search", "input": {"query": "x"}}],
                ["assistant", {
                    "type": "web_search_tool_result", "tool_use_id": "c1",
                    "content": [{"url": "u", "page_age": null}],
                }],
                hi_block,
            ]),
            gemini: json!([hi_part]),
            chat: chat_hi.clone(),
            responses: json!([hi]),
        },
        Row {
            name: "a generated file",
            said: finish(
                vec![E::File {
                    media_type: "image/png".to_owned(),
                    data: "AAAA".to_owned(),
                    provider_metadata: None,
                }]
                .into_iter()
                .chain(text("Hi."))
                .collect(),
                FinishReason::Stop,
            ),
            then: vec![],
            parts: json!([{"type": "step-start"}, file, {"type": "text", "text": "Hi.", "state": "done"}]),
            messages: json!([{"role": "assistant", "content": [
                {"type": "file", "mediaType": "image/png", "data": url("data:image/png;base64,AAAA")},
                {"type": "text", "text": "Hi."},
            ]}]),
            // The others take no files of an assistant.
            anthropic: json!([hi_block]),
            gemini: json!([["model", {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], hi_part]),
            chat: chat_hi.clone(),
            responses: json!([hi]),
        },
        Row {
            name: "a file of the reasoning",
            said: finish(
                vec![E::ReasoningFile {
                    media_type: "image/png".to_owned(),
                    data: "AAAA".to_owned(),
                    provider_metadata: None,
                }]
                .into_iter()
                .chain(text("Hi."))
                .collect(),
                FinishReason::Stop,
            ),
            then: vec![],
            parts: json!([{"type": "step-start"}, reasoning_file, {"type": "text", "text": "Hi.", "state": "done"}]),
            messages: json!([{"role": "assistant", "content": [
                {"type": "reasoning-file", "data": url("data:image/png;base64,AAAA"), "mediaType": "image/png"},
                {"type": "text", "text": "Hi."},
            ]}]),
            anthropic: json!([hi_block]),
            gemini: json!([
                ["model", {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": true}],
                hi_part,
            ]),
            chat: chat_hi.clone(),
            responses: json!([hi]),
        },
        Row {
            name: "a provider's own kind",
            messages: json!([{"role": "assistant", "content": [
                {"type": "text", "text": "Hi."}, {"type": "custom", "kind": "openai.compaction"},
            ]}]),
            ..not_for_models("custom", vec![json!({"type": "custom", "kind": "openai.compaction"})])
        },
        not_for_models(
            "sources, data and what is yet to come",
            vec![
                json!({"type": "source-url", "sourceId": "s1", "url": "https://e.com", "title": "E"}),
                json!({"type": "source-document", "sourceId": "s2", "mediaType": "application/pdf", "title": "P"}),
                json!({"type": "data-weather", "id": "d", "data": {"text": 1, "state": []}}),
                json!({"type": "hologram", "text": 7, "url": {"a": [1, null]}, "state": {"deep": 1.0}}),
            ],
        ),
        Row {
            name: "what the user said meanwhile",
            said: finish(text("Hi."), FinishReason::Stop),
            then: vec![
                json!({"type": "steering-message", "id": "s", "parts": [{"type": "text", "text": "Stop."}]}),
                json!({"type": "text-start", "id": "9"}),
                json!({"type": "text-delta", "id": "9", "delta": "Yes."}),
                json!({"type": "text-end", "id": "9"}),
            ],
            parts: json!([
                {"type": "step-start"},
                {"type": "text", "text": "Hi.", "state": "done"},
                {"type": "steering-message", "id": "s", "parts": [{"type": "text", "text": "Stop."}]},
                {"type": "text", "text": "Yes.", "state": "done"},
            ]),
            messages: json!([
                {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]},
                {"role": "user", "content": [{"type": "text", "text": "Stop."}]},
                {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
            ]),
            anthropic: json!([
                hi_block,
                ["user", {"type": "text", "text": "Stop."}],
                ["assistant", {"type": "text", "text": "Yes."}],
            ]),
            gemini: json!([hi_part, ["user", {"text": "Stop."}], ["model", {"text": "Yes."}]]),
            chat: json!([
                {"role": "assistant", "content": "Hi."},
                {"role": "user", "content": "Stop."},
                {"role": "assistant", "content": "Yes."},
            ]),
            responses: json!([
                hi,
                {"role": "user", "content": [{"type": "input_text", "text": "Stop."}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]},
            ]),
        },
    ]
}
