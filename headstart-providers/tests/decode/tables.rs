//! The mapping tables, a row at a time: what each event and each reason to finish becomes.

use headstart_providers::Api;
use serde_json::{Value, json};

use crate::notation::decode;

/// The events of these chunks, one to a `data:` line.
fn said(api: Api, chunks: &[Value]) -> Vec<String> {
    let bytes: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    decode(api, [bytes.as_bytes()])
}

/// The last line up to the usage.
fn finish(api: Api, chunks: &[Value]) -> String {
    let lines = said(api, chunks);
    let last = lines.last().unwrap();
    last.split(" in=").next().unwrap().to_owned()
}

#[test]
fn reasons_to_finish_of_anthropic() {
    for (stop_reason, expected) in [
        (json!("end_turn"), "finish stop"),
        (json!("stop_sequence"), "finish stop"),
        (json!("pause_turn"), "finish stop paused"),
        (json!("tool_use"), "finish tool-calls"),
        (json!("max_tokens"), "finish length"),
        (json!("model_context_window_exceeded"), "finish length"),
        (json!("refusal"), "finish content-filter"),
        (json!("compaction"), "finish other"),
        (json!("something_new"), "finish other"),
        (Value::Null, "finish other"),
    ] {
        let chunks = [
            json!({"type": "message_start", "message": {"id": "m"}}),
            json!({"type": "message_delta", "delta": {"stop_reason": stop_reason}}),
            json!({"type": "message_stop"}),
        ];
        assert_eq!(finish(Api::Anthropic, &chunks), expected, "{stop_reason}");
    }
}

#[test]
fn blocks_of_anthropic() {
    let block = |start: Value, deltas: &[Value]| {
        let mut chunks = vec![json!({"type": "content_block_start", "index": 3, "content_block": start})];
        chunks.extend(
            deltas.iter().map(|delta| json!({"type": "content_block_delta", "index": 3, "delta": delta})),
        );
        chunks.push(json!({"type": "content_block_stop", "index": 3}));
        let mut lines = said(Api::Anthropic, &chunks);
        // Without `message_stop` the answer is cut off.
        assert!(lines.pop().unwrap().starts_with("error Truncated"));
        lines
    };
    let text = |text: &str| json!({"type": "text_delta", "text": text});
    for (start, deltas, expected) in [
        (
            json!({"type": "text", "text": ""}),
            vec![text("a")],
            vec!["text-start 3", r#"text 3 "a""#, "text-end 3"],
        ),
        (json!({"type": "text", "text": "b"}), vec![], vec!["text-start 3", r#"text 3 "b""#, "text-end 3"]),
        (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            vec![
                json!({"type": "thinking_delta", "thinking": "t"}),
                json!({"type": "signature_delta", "signature": "S"}),
            ],
            vec![
                "reasoning-start 3",
                r#"reasoning 3 "t""#,
                r#"reasoning 3 "" {"anthropic":{"signature":"S"}}"#,
                "reasoning-end 3",
            ],
        ),
        (
            json!({"type": "redacted_thinking", "data": "D"}),
            vec![],
            vec![r#"reasoning-start 3 {"anthropic":{"redactedData":"D"}}"#, "reasoning-end 3"],
        ),
        (
            json!({"type": "tool_use", "id": "t", "name": "w", "input": {}}),
            vec![json!({"type": "input_json_delta", "partial_json": ""})],
            vec!["input-start t w", "call t w "],
        ),
        (
            json!({"type": "tool_use", "id": "t", "name": "w", "input": {"a": 1}, "caller": {"type": "direct"}}),
            vec![],
            vec!["input-start t w", r#"call t w {"a":1} {"anthropic":{"caller":{"type":"direct"}}}"#],
        ),
        (
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
            vec![json!({"type": "input_json_delta", "partial_json": "{}"})],
            vec!["input-start s web_search by-provider", "input s {}", "call s web_search {} by-provider"],
        ),
        // A signature outside a thought, an input outside a call, and kinds that are yet to come.
        (
            json!({"type": "text", "text": ""}),
            vec![
                json!({"type": "signature_delta", "signature": "S"}),
                json!({"type": "input_json_delta", "partial_json": "{}"}),
                json!({"type": "something_new"}),
            ],
            vec!["text-start 3", "text-end 3"],
        ),
        (json!({"type": "something_new"}), vec![], vec![]),
    ] {
        assert_eq!(block(start.clone(), &deltas), expected, "{start}");
    }
    assert_eq!(said(Api::Anthropic, &[json!({"type": "ping"}), json!({"type": "something_new"})]).len(), 1);
}

#[test]
fn error_events_of_anthropic_say_whether_to_ask_again() {
    for (kind, expected) in [("overloaded_error", "Unavailable"), ("invalid_request_error", "Rejected")] {
        let lines =
            said(Api::Anthropic, &[json!({"type": "error", "error": {"type": kind, "message": "x"}})]);
        assert!(lines[0].starts_with(&format!("error {expected}")), "{lines:?}");
    }
}

#[test]
fn reasons_to_finish_of_gemini() {
    let call = json!({"functionCall": {"name": "w", "args": {}}});
    let text = json!({"text": "a"});
    for (part, reason, expected) in [
        (&text, "STOP", "finish stop"),
        (&call, "STOP", "finish tool-calls"),
        (&text, "MAX_TOKENS", "finish length"),
        (&text, "SAFETY", "finish content-filter"),
        (&text, "RECITATION", "finish content-filter"),
        (&text, "BLOCKLIST", "finish content-filter"),
        (&text, "PROHIBITED_CONTENT", "finish content-filter"),
        (&text, "SPII", "finish content-filter"),
        (&text, "IMAGE_SAFETY", "finish content-filter"),
        (&text, "MALFORMED_FUNCTION_CALL", "finish error"),
        (&text, "FINISH_REASON_UNSPECIFIED", "finish other"),
        (&text, "OTHER", "finish other"),
        (&text, "SOMETHING_NEW", "finish other"),
    ] {
        let chunk = json!({"candidates": [{"content": {"parts": [part]}, "finishReason": reason}]});
        assert_eq!(finish(Api::Gemini, &[chunk]), expected, "{reason}");
    }
    for (reason, expected) in [("SAFETY", "finish content-filter"), ("OTHER", "finish content-filter")] {
        let chunk = json!({"promptFeedback": {"blockReason": reason}});
        assert_eq!(finish(Api::Gemini, &[chunk]), expected, "{reason}");
    }
}

#[test]
fn error_chunks_of_gemini_say_whether_and_when_to_ask_again() {
    for (error, expected) in [
        (json!({"status": "RESOURCE_EXHAUSTED"}), "error Unavailable"),
        (json!({"status": "UNAVAILABLE"}), "error Unavailable"),
        (json!({"code": 500}), "error Unavailable"),
        (json!({"status": "INVALID_ARGUMENT", "code": 400}), "error Rejected"),
        (json!({"status": "PERMISSION_DENIED"}), "error Rejected"),
    ] {
        let lines = said(Api::Gemini, &[json!({"error": error})]);
        assert!(lines[0].starts_with(expected), "{lines:?}");
    }
    let busy = json!({"status": "RESOURCE_EXHAUSTED", "details": [{"reason": "x"}, {"retryDelay": "2s"}]});
    assert!(said(Api::Gemini, &[json!({"error": busy})])[0].ends_with(" after 2s"));
}

#[test]
fn reasons_to_finish_of_chat() {
    let text = json!({"content": "a"});
    let refusal = json!({"refusal": "a"});
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "w", "arguments": "{}"}}]});
    for (delta, reason, expected) in [
        (&text, json!("stop"), "finish stop"),
        (&refusal, json!("stop"), "finish content-filter"),
        (&call, json!("stop"), "finish tool-calls"),
        (&text, json!("length"), "finish length"),
        (&call, json!("length"), "finish length"),
        (&text, json!("content_filter"), "finish content-filter"),
        (&call, json!("content_filter"), "finish content-filter"),
        (&call, json!("tool_calls"), "finish tool-calls"),
        (&call, json!("function_call"), "finish tool-calls"),
        (&text, json!("error"), "finish error"),
        (&text, json!("eos"), "finish stop"),
        (&text, json!("something_new"), "finish other"),
    ] {
        let chunks = [
            json!({"choices": [{"delta": delta, "finish_reason": null}]}),
            json!({"choices": [{"delta": {}, "finish_reason": reason}]}),
        ];
        assert_eq!(finish(Api::OpenAiChat, &chunks), expected, "{delta} {reason}");
    }
    for reason in [json!(""), Value::Null] {
        let chunks = [json!({"choices": [{"delta": text, "finish_reason": reason}]})];
        assert!(finish(Api::OpenAiChat, &chunks).starts_with("error Truncated"), "{reason}");
    }
}

#[test]
fn error_chunks_of_chat_say_whether_to_ask_again() {
    for (error, expected) in [
        (json!({"type": "server_error"}), "Unavailable"),
        (json!({"code": "rate_limit_exceeded"}), "Unavailable"),
        (json!({"code": 503, "message": "x"}), "Unavailable"),
        (json!({"message": "nothing else"}), "Unavailable"),
        (json!({"type": "invalid_request_error", "code": null}), "Rejected"),
        (json!({"code": 400}), "Rejected"),
        (json!({"code": "insufficient_quota", "type": "insufficient_quota"}), "Rejected"),
    ] {
        let lines = said(Api::OpenAiChat, &[json!({"error": error})]);
        assert!(lines[0].starts_with(&format!("error {expected}")), "{error}: {lines:?}");
    }
}

#[test]
fn more_calls_than_anybody_makes_are_refused() {
    let calls: Vec<Value> =
        (0..300).map(|at| json!({"index": at, "id": format!("c{at}"), "function": {"name": "w"}})).collect();
    let lines = said(Api::OpenAiChat, &[json!({"choices": [{"delta": {"tool_calls": calls}}]})]);
    assert!(lines.last().unwrap().starts_with("error Malformed"), "{:?}", lines.last());
}

#[test]
fn pieces_of_reasoning_details_are_joined_where_they_belong_together() {
    let summary = |text: &str, more: Value| {
        let mut detail = json!({"type": "reasoning.summary", "summary": text});
        detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        detail
    };
    let text = |text: &str, more: Value| {
        let mut detail = json!({"type": "reasoning.text", "text": text});
        detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        detail
    };
    let encrypted = |data: &str| json!({"type": "reasoning.encrypted", "data": data, "index": 0});
    for (pieces, expected) in [
        // By index, whatever comes in between.
        (
            vec![
                text("a", json!({"index": 0})),
                text("b", json!({"index": 1})),
                text("c", json!({"index": 0})),
            ],
            vec![text("ac", json!({"index": 0})), text("b", json!({"index": 1}))],
        ),
        // Without one, to what came last.
        (
            vec![text("a", json!({})), text("b", json!({})), summary("c", json!({})), text("d", json!({}))],
            vec![text("ab", json!({})), summary("c", json!({})), text("d", json!({}))],
        ),
        // Ids tell apart what one index does not.
        (
            vec![
                summary("a", json!({"index": 0, "id": "1"})),
                summary("b", json!({"index": 0, "id": "2"})),
                summary("c", json!({"index": 0, "id": null})),
            ],
            vec![summary("a", json!({"index": 0, "id": "1"})), summary("bc", json!({"index": 0, "id": "2"}))],
        ),
        // A field that comes later, or was empty; of others the first word counts.
        (
            vec![
                text("a", json!({"index": 0, "signature": null, "format": "x", "id": ""})),
                text("", json!({"index": 0, "signature": "", "format": "y"})),
                text("", json!({"index": 0, "signature": "S", "more": [1]})),
            ],
            vec![text("a", json!({"index": 0, "signature": "S", "format": "x", "id": "", "more": [1]}))],
        ),
        // A text that is signed is over, even if the next one has its index.
        (
            vec![
                text("a", json!({"index": 0})),
                text("", json!({"index": 0, "signature": "S"})),
                text("b", json!({"index": 0})),
                text("", json!({"index": 0, "signature": "T"})),
            ],
            vec![
                text("a", json!({"index": 0, "signature": "S"})),
                text("b", json!({"index": 0, "signature": "T"})),
            ],
        ),
        // What is encrypted comes whole, and so does what is yet to come.
        (vec![encrypted("a"), encrypted("b")], vec![encrypted("a"), encrypted("b")]),
        (
            vec![json!({"type": "new"}), json!({"type": "new"})],
            vec![json!({"type": "new"}), json!({"type": "new"})],
        ),
        (vec![json!({"text": 7})], vec![json!({"text": 7})]),
    ] {
        let delta = |piece: &Value| json!({"choices": [{"delta": {"reasoning_details": [piece]}}]});
        let mut chunks: Vec<Value> = pieces.iter().map(delta).collect();
        chunks.push(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}));
        let lines = said(Api::OpenAiChat, &chunks);
        let end = lines.iter().find_map(|line| line.strip_prefix("reasoning-end reasoning-0 ")).unwrap();
        let kept: Value = serde_json::from_str(end).unwrap();
        assert_eq!(kept, json!({"openrouter": {"reasoning_details": expected}}));
    }
}

#[test]
fn a_thought_that_comes_under_three_names_is_said_once() {
    let details = json!([{"type": "reasoning.text", "text": "t"}]);
    let silent = json!([{"type": "reasoning.encrypted", "data": "E"}]);
    for (delta, expected) in [
        (json!({"reasoning": "t", "reasoning_content": "t", "reasoning_details": details}), "t"),
        (json!({"reasoning_details": details}), "t"),
        (json!({"reasoning": "t", "reasoning_details": silent}), "t"),
        (json!({"reasoning": "t", "reasoning_details": []}), "t"),
        (json!({"reasoning": "t", "reasoning_details": "?"}), "t"),
        (json!({"reasoning_details": silent}), ""),
    ] {
        let lines = said(Api::OpenAiChat, &[json!({"choices": [{"delta": delta, "finish_reason": "stop"}]})]);
        let said: Vec<&String> =
            lines.iter().filter(|line| line.starts_with("reasoning reasoning-0 ")).collect();
        let expected =
            if expected.is_empty() { vec![] } else { vec![format!("reasoning reasoning-0 {expected:?}")] };
        assert_eq!(said, expected.iter().collect::<Vec<_>>(), "{delta}");
    }
}

#[test]
fn more_details_than_any_answer_has_are_refused() {
    let details: Vec<Value> =
        (0..300).map(|at| json!({"type": "reasoning.encrypted", "index": at})).collect();
    let lines = said(Api::OpenAiChat, &[json!({"choices": [{"delta": {"reasoning_details": details}}]})]);
    assert!(lines.last().unwrap().starts_with("error Malformed"), "{:?}", lines.last());
}

#[test]
fn ends_of_responses() {
    let message = json!({"type": "message", "id": "m"});
    let call = json!({"type": "function_call", "id": "f", "call_id": "c", "name": "w", "arguments": "{}"});
    let search = json!({"type": "web_search_call", "id": "w", "status": "completed"});
    let completed = json!({"type": "response.completed", "response": {}});
    let incomplete = |reason: &str| json!({"type": "response.incomplete", "response": {"incomplete_details": {"reason": reason}}});
    for (item, end, expected) in [
        (&message, completed.clone(), "finish stop"),
        (&search, completed.clone(), "finish stop"),
        (&call, completed.clone(), "finish tool-calls"),
        (&message, incomplete("max_output_tokens"), "finish length"),
        (&message, incomplete("content_filter"), "finish content-filter"),
        (&message, incomplete("something_new"), "finish other"),
        (&call, incomplete("something_new"), "finish tool-calls"),
        (&call, incomplete("max_output_tokens"), "finish length"),
    ] {
        let chunks = [
            json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
            end.clone(),
        ];
        assert_eq!(finish(Api::OpenAiResponses, &chunks), expected, "{item} {end}");
    }
}
