use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(messages: Value) -> Vec<UiMessage> {
    serde_json::from_value(messages).unwrap()
}

/// The JSON text of one assistant message's parts, between two user messages.
fn shown(parts: Value) -> String {
    let messages = read(json!([
        {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "q"}]},
        {"id": "a1", "role": "assistant", "parts": parts},
        {"id": "u2", "role": "user", "parts": [{"type": "text", "text": "and?"}]},
    ]));
    let all = to_model_messages(&messages).unwrap().messages;
    serde_json::to_string(&all[1..all.len() - 1]).unwrap()
}

fn tool(state: &str, more: Value) -> Value {
    let mut part = json!({"type": "tool-w", "toolCallId": "c", "state": state, "input": {"a": 1}});
    part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    part
}

const CALL: &str = r#"{"type":"tool-call","toolCallId":"c","toolName":"w","input":{"a":1}}"#;

fn with_result(result: &str) -> String {
    format!(
        r#"[{{"role":"assistant","content":[{CALL}]}},{{"role":"tool","content":[{{"type":"tool-result","toolCallId":"c","toolName":"w","output":{result}}}]}}]"#
    )
}

#[test]
fn each_state_of_a_tool_becomes_what_a_model_can_be_shown() {
    for (part, expected) in [
        (
            tool("output-available", json!({"output": {"t": 1}})),
            with_result(r#"{"type":"json","value":{"t":1}}"#),
        ),
        (
            tool("output-available", json!({"output": "sunny"})),
            with_result(r#"{"type":"text","value":"sunny"}"#),
        ),
        (tool("output-available", json!({})), with_result(r#"{"type":"json","value":null}"#)),
        (
            tool("output-error", json!({"errorText": "down"})),
            with_result(r#"{"type":"error-text","value":"down"}"#),
        ),
        (
            tool("output-denied", json!({"approval": {"id": "p", "approved": false, "reason": "no"}})),
            with_result(r#"{"type":"error-text","value":"no"}"#),
        ),
        (
            tool("approval-responded", json!({"approval": {"id": "p", "approved": false}})),
            with_result(r#"{"type":"execution-denied"}"#),
        ),
    ] {
        assert_eq!(shown(json!([part])), expected, "{part}");
    }
}

#[test]
fn calls_that_nobody_answered_are_left_out() {
    for state in ["input-streaming", "input-available", "approval-requested"] {
        let part = tool(state, json!({"approval": {"id": "p"}}));
        assert_eq!(
            shown(json!([{"type": "text", "text": "hm"}, part])),
            r#"[{"role":"assistant","content":[{"type":"text","text":"hm"}]}]"#
        );
    }
}

#[test]
fn steps_become_messages_of_their_own() {
    let parts = json!([
        {"type": "step-start"}, {"type": "text", "text": "a"}, tool("output-available", json!({"output": 1})),
        {"type": "step-start"}, {"type": "text", "text": "b"},
    ]);
    let step = with_result(r#"{"type":"json","value":1}"#)
        .replace(CALL, &format!(r#"{{"type":"text","text":"a"}},{CALL}"#));
    let expected = format!(
        r#"{},{{"role":"assistant","content":[{{"type":"text","text":"b"}}]}}]"#,
        step.strip_suffix(']').unwrap()
    );
    assert_eq!(shown(parts), expected);
}

#[test]
fn reasoning_keeps_its_signature_and_what_is_not_for_models_goes() {
    let parts = json!([
        {"type": "reasoning", "text": "t", "providerMetadata": {"anthropic": {"signature": "S=="}}},
        {"type": "source-url", "sourceId": "s", "url": "https://e.com"},
        {"type": "data-x", "data": {"text": 1}},
        {"type": "hologram", "text": 7},
        {"type": "text", "text": "x"},
    ]);
    assert_eq!(
        shown(parts),
        r#"[{"role":"assistant","content":[{"type":"reasoning","text":"t","providerOptions":{"anthropic":{"signature":"S=="}}},{"type":"text","text":"x"}]}]"#
    );
}

#[test]
fn a_providers_own_tool_keeps_its_result_beside_the_call() {
    let part = tool("output-available", json!({"output": [1], "providerExecuted": true}));
    assert_eq!(
        shown(json!([part])),
        r#"[{"role":"assistant","content":[{"type":"tool-call","toolCallId":"c","toolName":"w","input":{"a":1},"providerExecuted":true},{"type":"tool-result","toolCallId":"c","toolName":"w","output":{"type":"json","value":[1]}}]}]"#
    );
}

#[test]
fn files_keep_their_address() {
    let messages = read(json!([{"id": "u", "role": "user", "parts": [
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA", "filename": "a.png"},
        {"type": "file", "mediaType": "image/png", "url": "", "providerReference": {"openai": "f"}},
    ]}]));
    assert_eq!(
        serde_json::to_string(&to_model_messages(&messages).unwrap().messages).unwrap(),
        r#"[{"role":"user","content":[{"type":"file","mediaType":"image/png","filename":"a.png","data":{"type":"url","url":"data:image/png;base64,AAAA"}},{"type":"file","mediaType":"image/png","data":{"type":"reference","reference":{"openai":"f"}}}]}]"#
    );
}

#[test]
fn what_cannot_be_sent_says_where_and_why() {
    let error = |parts: Value, role: &str| {
        to_model_messages(&read(json!([{"id": "m", "role": role, "parts": parts}]))).unwrap_err().to_string()
    };
    let file =
        |url: &str| json!([{"type": "text", "text": "x"}, {"type": "file", "mediaType": "a/b", "url": url}]);
    for url in ["nope", "file:///etc/passwd", "https://", "javascript:1", "data:x"] {
        let expected = "part 1 of message 0 is not valid: its url is no data: or https: address";
        assert_eq!(error(file(url), "user"), expected, "{url}");
    }
    assert!(
        error(json!([{"type": "tool-w", "state": "input-available"}]), "assistant").contains("toolCallId")
    );
    assert!(error(json!([]), "system").contains("system message"));
}

#[test]
fn an_approved_tool_at_the_end_is_for_the_agent() {
    let part = tool("approval-responded", json!({"approval": {"id": "p", "approved": true}}));
    let messages = read(json!([{"id": "a", "role": "assistant", "parts": [part]}]));
    assert_eq!(to_model_messages(&messages), Err(HistoryError::NeedsAgent));
}

#[test]
fn a_refusal_is_news_only_while_it_is_the_last_that_happened() {
    let refused = || tool("approval-responded", json!({"approval": {"id": "p", "approved": false}}));
    let denied = |parts: Value, more: Option<Value>| {
        let message = json!({"id": "a", "role": "assistant", "parts": parts});
        let messages = json!([message].into_iter().chain(more).collect::<Vec<_>>());
        to_model_messages(&read(messages)).unwrap().denied
    };
    let question = json!({"id": "u", "role": "user", "parts": [{"type": "text", "text": "q"}]});
    assert_eq!(denied(json!([refused()]), None), ["c"]);
    assert!(denied(json!([refused()]), Some(question)).is_empty());
    assert!(
        denied(json!([refused(), {"type": "step-start"}, {"type": "text", "text": "x"}]), None).is_empty()
    );
    let known = tool("output-denied", json!({"approval": {"id": "p", "approved": false}}));
    assert!(denied(json!([known]), None).is_empty());
}

fn part() -> impl Strategy<Value = Value> {
    let state = prop::sample::select(vec![
        "input-streaming",
        "input-available",
        "approval-requested",
        "approval-responded",
        "output-available",
        "output-error",
        "output-denied",
    ]);
    prop_oneof![
        "[a-z]{0,3}".prop_map(|text| json!({"type": "text", "text": text})),
        Just(json!({"type": "step-start"})),
        Just(json!({"type": "reasoning", "text": ""})),
        (state, 0..4_u8, any::<Option<bool>>(), any::<bool>()).prop_map(
            |(state, id, approved, by_provider)| {
                json!({"type": "tool-w", "toolCallId": format!("c{id}"), "state": state, "input": {},
                "approval": {"id": format!("p{id}"), "approved": approved}, "providerExecuted": by_provider})
            }
        ),
    ]
}

proptest! {
    #[test]
    fn an_accepted_conversation_is_one_that_providers_take(
        soup in prop::collection::vec((any::<bool>(), prop::collection::vec(part(), 0..5)), 0..5),
    ) {
        let messages: Vec<Value> = soup
            .into_iter()
            .map(|(is_user, parts)| json!({"id": "m", "role": if is_user { "user" } else { "assistant" }, "parts": parts}))
            .collect();
        let Ok(conversation) = to_model_messages(&read(json!(messages))) else { return Ok(()) };
        prop_assert!(!conversation.messages.is_empty());
        let all = serde_json::to_value(&conversation.messages).unwrap();
        let all = all.as_array().unwrap();
        for (at, message) in all.iter().enumerate() {
            for part in message["content"].as_array().unwrap() {
                prop_assert!(message["role"] != "user" || part["text"] != "");
                if part["type"] == "tool-call" && part["providerExecuted"] != true {
                    let has_result = all[at + 1..].iter().take_while(|next| next["role"] != "user").any(|next| {
                        let content = next["content"].as_array().unwrap();
                        content.iter().any(|other| other["type"] == "tool-result" && other["toolCallId"] == part["toolCallId"])
                    });
                    prop_assert!(has_result, "{} in {:?}", part, all);
                }
            }
        }
        prop_assert!(!all.windows(2).any(|pair| pair[0]["role"] == "tool" && pair[1]["role"] == "tool"));
    }
}
