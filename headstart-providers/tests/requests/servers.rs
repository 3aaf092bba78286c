//! The table of servers that are compatible with OpenAI, a row at a time.

use headstart_core::step::StepErrorKind;
use headstart_providers::{ModelConfigError, OpenAi, Server as Compatible};
use serde_json::{Value, json};

use crate::{asking, hello, sent::Server};

#[tokio::test]
async fn each_server_is_asked_only_what_it_takes() {
    let server = Server::start().await;
    let message = |file: Value| json!([{"role": "user", "content": [{"type": "text", "text": "Q"}, file]}]);
    let image = message(
        json!({"type": "file", "mediaType": "image/png", "data": {"type": "url", "url": "https://x.example/a.png"}}),
    );
    let pdf = message(json!({"type": "file", "mediaType": "application/pdf", "data": "AAAA"}));
    for (kind, key_header, asks_for_usage, fetches_images, takes_pdf) in [
        (Compatible::OpenAi, "authorization", true, true, true),
        (Compatible::Azure, "api-key", true, true, true),
        (Compatible::DeepSeek, "authorization", true, true, false),
        (Compatible::Fireworks, "authorization", true, true, false),
        (Compatible::Groq, "authorization", false, true, false),
        (Compatible::LmStudio, "authorization", true, false, false),
        (Compatible::Mistral, "authorization", false, true, false),
        (Compatible::Ollama, "authorization", true, false, false),
        (Compatible::OpenRouter, "authorization", true, true, true),
        (Compatible::Together, "authorization", true, true, false),
        (Compatible::Vllm, "authorization", true, true, false),
        (Compatible::XAi, "authorization", true, true, false),
        (Compatible::Other, "authorization", true, true, false),
    ] {
        let model = || OpenAi::compatible(kind, Some(&server.url), Some("k")).unwrap().chat("some-model");
        let sent = server.take(model(), hello()).await.unwrap();
        assert!(sent.header(key_header).is_some_and(|value| value.ends_with('k')), "{kind:?}");
        assert_eq!(sent.json().get("stream_options").is_some(), asks_for_usage, "{kind:?}");
        assert_eq!(server.take(model(), asking(&image)).await.is_ok(), fetches_images, "{kind:?}");
        let sent = server.take(model(), asking(&pdf)).await;
        assert_eq!(sent.is_ok(), takes_pdf, "{kind:?}");
        assert!(sent.is_ok() || sent.err() == Some(StepErrorKind::Unsupported), "{kind:?}");
    }
}

#[tokio::test]
async fn only_openais_own_models_are_developed() {
    let server = Server::start().await;
    let mut request = hello();
    request.system = Some("sys".to_owned());
    request.max_output_tokens = Some(9);
    for (kind, role, limit) in [
        (Compatible::OpenAi, "developer", "max_completion_tokens"),
        (Compatible::Azure, "developer", "max_completion_tokens"),
        (Compatible::OpenRouter, "system", "max_tokens"),
        (Compatible::Other, "system", "max_tokens"),
    ] {
        let model = OpenAi::compatible(kind, Some(&server.url), None).unwrap().chat("gpt-5");
        let sent = server.take(model, request.clone()).await.unwrap();
        assert_eq!(
            (&sent.json()["messages"][0]["role"], &sent.json()[limit]),
            (&json!(role), &json!(9)),
            "{kind:?}"
        );
        // A server on this machine needs no key.
        assert_eq!((sent.header("authorization"), sent.header("api-key")), (None, None));
    }
}

#[tokio::test]
async fn mistral_is_given_ids_that_it_takes() {
    let server = Server::start().await;
    let mistral = OpenAi::compatible(Compatible::Mistral, Some(&server.url), Some("k")).unwrap();
    let messages = json!([
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": [
            {"type": "tool-call", "toolCallId": "toolu_01", "toolName": "w", "input": {}},
            {"type": "tool-call", "toolCallId": "a1b2c3d4e", "toolName": "w", "input": {}},
        ]},
        {"role": "tool", "content": [
            {"type": "tool-result", "toolCallId": "toolu_01", "toolName": "w", "output": {"type": "text", "value": ""}},
            {"type": "tool-result", "toolCallId": "a1b2c3d4e", "toolName": "w", "output": {"type": "text", "value": ""}},
        ]},
    ]);
    let sent = server.take(mistral.chat("mistral-small-latest"), asking(&messages)).await.unwrap().json();
    let calls = &sent["messages"][1]["tool_calls"];
    let short = calls[0]["id"].as_str().unwrap();
    assert!(short.len() == 9 && short.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{short}");
    assert_eq!(sent["messages"][2]["tool_call_id"], short);
    assert_eq!(
        (&calls[1]["id"], &sent["messages"][3]["tool_call_id"]),
        (&json!("a1b2c3d4e"), &json!("a1b2c3d4e"))
    );
}

#[tokio::test]
async fn each_server_is_told_what_its_model_thought_as_it_wants_to_be() {
    let server = Server::start().await;
    let thought =
        |text: &str, options: Value| json!({"type": "reasoning", "text": text, "providerOptions": options});
    let details = json!({"openrouter": {"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "new": 1.0}]}});
    let messages = json!([
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": [
            thought("a", json!({"anthropic": {"signature": "S"}})),
            {"type": "text", "text": "x"},
            thought("", details.clone()),
            thought("b", json!({})),
            {"type": "tool-call", "toolCallId": "call00001", "toolName": "w", "input": {}},
        ]},
    ]);
    let plain = json!({
        "role": "assistant", "content": "x",
        "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "w", "arguments": "{}"}}],
    });
    let field = |name: &str, value: Value| {
        let mut message = plain.clone();
        message[name] = value;
        message
    };
    let thinking = |text: &str| json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]});
    for (kind, expected) in [
        (Compatible::OpenAi, plain.clone()),
        (Compatible::Azure, plain.clone()),
        (Compatible::DeepSeek, field("reasoning_content", json!("ab"))),
        (Compatible::Fireworks, field("reasoning_content", json!("ab"))),
        (Compatible::Groq, plain.clone()),
        (Compatible::LmStudio, plain.clone()),
        (
            Compatible::Mistral,
            field("content", json!([thinking("a"), {"type": "text", "text": "x"}, thinking("b")])),
        ),
        (Compatible::Ollama, plain.clone()),
        (
            Compatible::OpenRouter,
            field("reasoning_details", details["openrouter"]["reasoning_details"].clone()),
        ),
        (Compatible::Together, plain.clone()),
        (Compatible::Vllm, field("reasoning", json!("ab"))),
        (Compatible::XAi, plain.clone()),
        (Compatible::Other, plain.clone()),
    ] {
        let model = OpenAi::compatible(kind, Some(&server.url), Some("k")).unwrap().chat("some-model");
        let sent = server.take(model.clone(), asking(&messages)).await.unwrap().json();
        assert_eq!(sent["messages"][1], expected, "{kind:?}");
        // Thoughts alone are no message.
        let alone = json!([{"role": "assistant", "content": [thought("a", details.clone())]}, {"role": "user", "content": "Q"}]);
        let sent = server.take(model, asking(&alone)).await.unwrap().json();
        assert_eq!(sent["messages"], json!([{"role": "user", "content": "Q"}]), "{kind:?}");
    }
}

#[tokio::test]
async fn details_that_would_be_refused_or_are_none_stay_here() {
    let server = Server::start().await;
    let text = |more: Value| {
        let mut detail = json!({"type": "reasoning.text", "text": "t"});
        detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        detail
    };
    let call = |options: Value| json!({"type": "tool-call", "toolCallId": "c", "toolName": "w", "input": {}, "providerOptions": options});
    let thought = |options: Value| json!({"type": "reasoning", "text": "t", "providerOptions": options});
    let details = |details: Value| json!({"openrouter": {"reasoning_details": details}});
    let one = |detail: Value| details(json!([detail]));
    let unknown = text(json!({"format": "unknown"}));
    let signed = text(json!({"signature": "S"}));
    for (parts, expected) in [
        // A thought that was cut off.
        (json!([thought(one(text(json!({}))))]), Value::Null),
        (
            json!([thought(one(text(json!({"format": "anthropic-claude-v1", "signature": null}))))]),
            Value::Null,
        ),
        (json!([thought(one(text(json!({"format": "google-gemini-v1", "signature": ""}))))]), Value::Null),
        // Formats that have no signature.
        (json!([thought(one(unknown.clone()))]), json!([unknown])),
        (json!([thought(one(signed.clone()))]), json!([signed])),
        // A call has all of them.
        (json!([thought(one(unknown.clone())), call(one(signed.clone()))]), json!([signed])),
        (json!([thought(one(unknown.clone())), call(details(json!([])))]), json!([unknown])),
        // Two thoughts: no index, one kind, one detail.
        (
            json!([
                thought(one(json!({"type": "reasoning.summary", "summary": "a"}))),
                thought(one(json!({"type": "reasoning.summary", "summary": "b"})))
            ]),
            json!([{"type": "reasoning.summary", "summary": "ab"}]),
        ),
        // Agents say all that there was up to then.
        (
            json!([thought(one(signed.clone())), thought(details(json!([signed, unknown])))]),
            json!([signed, unknown]),
        ),
        // From a browser: anything.
        (json!([thought(details(json!("x")))]), Value::Null),
        (json!([thought(details(json!(["x", 1])))]), Value::Null),
        (json!([thought(json!({"openrouter": 7}))]), Value::Null),
    ] {
        let said = [parts.as_array().unwrap().clone(), vec![json!({"type": "text", "text": "x"})]].concat();
        let messages = json!([{"role": "assistant", "content": said}, {"role": "user", "content": "Q"}]);
        let model = OpenAi::compatible(Compatible::OpenRouter, Some(&server.url), Some("k"))
            .unwrap()
            .chat("some/model");
        let sent = server.take(model, asking(&messages)).await.unwrap().json();
        assert_eq!(sent["messages"][0]["reasoning_details"], expected, "{parts}");
    }
}

#[test]
fn a_server_without_a_usual_address_must_be_given_one() {
    for kind in [Compatible::Azure, Compatible::Other] {
        let refused = OpenAi::compatible(kind, None, Some("k"));
        assert!(matches!(refused, Err(ModelConfigError::MissingUrl(_))), "{kind:?}");
    }
    assert!(OpenAi::compatible(Compatible::Ollama, None, None).is_ok());
    assert!(matches!(
        OpenAi::compatible(Compatible::Groq, None, Some("\n")),
        Err(ModelConfigError::Header(_))
    ));
}
