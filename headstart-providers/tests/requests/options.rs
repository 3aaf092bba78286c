//! Whole bodies, byte for byte where the order counts, and what options change in them.

use headstart_core::step::{StepErrorKind, StepRequest, Tool, ToolChoice, ToolSet};
use headstart_core::wire::Json;
use headstart_providers::{Anthropic, Gemini, OpenAi};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::{asking, hello, sent::Server, with_options, with_tools};

#[tokio::test]
async fn a_whole_body_for_anthropic() {
    let server = Server::start().await;
    let claude = Anthropic::new("secret").unwrap().base_url(&server.url).model("claude-sonnet-4-5");
    let mut request = with_options(
        with_tools(hello()),
        json!({"anthropic": {"thinking": {"type": "enabled", "budgetTokens": 1500}, "cacheControl": {"type": "ephemeral"}}}),
    );
    request.system = Some("sys".to_owned());
    request.temperature = Some(0.5);
    let sent = server.take(claude, request).await.unwrap();
    assert!(sent.head.starts_with("post /v1/messages http/1.1"), "{}", sent.head);
    assert_eq!(sent.header("x-api-key"), Some("secret"));
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("anthropic-beta"), Some("structured-outputs-2025-11-13"));
    assert_eq!(
        sent.body,
        concat!(
            r#"{"model":"claude-sonnet-4-5","max_tokens":64000,"thinking":{"type":"enabled","budget_tokens":1500},"#,
            r#""cache_control":{"type":"ephemeral"},"system":[{"type":"text","text":"sys"}],"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"Hello"}]}],"tools":[{"name":"getWeather","#,
            r#""description":"Get the weather","input_schema":{"$schema":"http://json-schema.org/draft-07/schema#","#,
            r#""type":"object","properties":{"city":{"type":"string","description":"City name"}},"required":["city"],"#,
            r#""additionalProperties":false},"eager_input_streaming":true},{"name":"ping","description":"Ping","#,
            r#""input_schema":{"properties":{},"type":"object"},"eager_input_streaming":true}],"#,
            r#""tool_choice":{"type":"auto"},"stream":true}"#,
        )
    );
}

#[tokio::test]
async fn limits_and_choices_of_anthropic() {
    let server = Server::start().await;
    let access = Anthropic::new("k").unwrap().base_url(&server.url);
    for (model, wanted, thinking, expected) in [
        ("claude-sonnet-4-5", None, None, 64_000),
        ("claude-opus-4-1", None, None, 32_000),
        ("claude-3-haiku-20240307", None, None, 4096),
        ("claude-new", None, None, 128_000),
        ("claude-sonnet-4-5", Some(2048), Some(1024), 3072),
        ("claude-sonnet-4-5", Some(63_900), Some(1024), 64_000),
    ] {
        let mut request = hello();
        request.max_output_tokens = wanted;
        if let Some(budget) = thinking {
            let options = json!({"anthropic": {"thinking": {"type": "enabled", "budgetTokens": budget}}});
            request = with_options(request, options);
        }
        let sent = server.take(access.model(model), request).await.unwrap().json();
        assert_eq!(sent["max_tokens"], json!(expected), "{model} {wanted:?} {thinking:?}");
    }
    let options =
        json!({"anthropic": {"disableParallelToolUse": true, "toolStreaming": false, "effort": "low"}});
    for (choice, expected) in [
        (ToolChoice::Auto, json!({"type": "auto", "disable_parallel_tool_use": true})),
        (ToolChoice::Required, json!({"type": "any", "disable_parallel_tool_use": true})),
        (
            ToolChoice::Tool("ping".into()),
            json!({"type": "tool", "name": "ping", "disable_parallel_tool_use": true}),
        ),
        (ToolChoice::None, json!({"type": "none"})),
    ] {
        let mut request = with_options(with_tools(hello()), options.clone());
        request.tool_choice = choice;
        let sent = server.take(access.model("claude-x"), request).await.unwrap().json();
        assert_eq!(sent["tool_choice"], expected);
        assert_eq!(sent["output_config"], json!({"effort": "low"}));
        assert_eq!(sent["tools"][0].get("eager_input_streaming"), None);
    }
    let sent = server.take(access.model("claude-x"), hello()).await.unwrap();
    assert_eq!((sent.json().get("tools"), sent.json().get("tool_choice")), (None, None));
    assert_eq!(sent.header("anthropic-beta"), None);
}

#[tokio::test]
async fn cache_marks_of_anthropic_are_four_at_most() {
    let server = Server::start().await;
    let claude = Anthropic::new("k").unwrap().base_url(&server.url).model("claude-x");
    let mark = json!({"anthropic": {"cacheControl": {"type": "ephemeral"}}});
    let part = |text: &str| json!({"type": "text", "text": text, "providerOptions": mark});
    // One of the message, which its last part gets, and three of parts.
    let messages = json!([
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "providerOptions": mark},
        {"role": "assistant", "content": [part("c")]},
        {"role": "user", "content": [part("d"), part("e"), part("f")]},
    ]);
    let sent = server.take(claude.clone(), asking(&messages)).await.unwrap().json();
    let marked: Vec<&str> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|message| message["content"].as_array().unwrap())
        .filter(|part| part.get("cache_control").is_some())
        .map(|part| part["text"].as_str().unwrap())
        .collect();
    assert_eq!(marked, ["b", "c", "d", "e"]);
    // That of the request counts, too.
    let sent = server.take(claude, with_options(asking(&messages), mark.clone())).await.unwrap();
    assert_eq!(sent.body.matches("cache_control").count(), 4);
}

#[tokio::test]
async fn an_answer_to_go_on_from_ends_without_white_space() {
    let server = Server::start().await;
    let claude = Anthropic::new("k").unwrap().base_url(&server.url).model("claude-x");
    for (text, expected) in [("so  \n", json!([{"type": "text", "text": "so"}])), (" \n", Value::Null)] {
        let messages = json!([
            {"role": "user", "content": [{"type": "text", "text": "Q "}]},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ]);
        let sent = server.take(claude.clone(), asking(&messages)).await.unwrap().json();
        assert_eq!(sent["messages"][1]["content"], expected);
        assert_eq!(sent["messages"][0]["content"][0]["text"], "Q ");
    }
}

#[tokio::test]
async fn tools_and_fields_of_the_provider_come_behind_the_others() {
    let server = Server::start().await;
    let search = || json!({"type": "web_search", "name": "web_search"});
    let field = || ("top_p", json!(0.5));
    let claude = Anthropic::new("k")
        .unwrap()
        .base_url(&server.url)
        .header(HeaderName::from_static("anthropic-beta"), HeaderValue::from_static("own-beta"))
        .model("claude-x")
        .server_tool(search())
        .body_field(field().0, field().1);
    let sent = server.take(claude, with_tools(hello())).await.unwrap();
    assert_eq!((sent.json()["tools"][2].clone(), sent.json()["top_p"].clone()), (search(), json!(0.5)));
    assert_eq!(sent.header("anthropic-beta"), Some("own-beta,structured-outputs-2025-11-13"));

    let openai = OpenAi::new("k").unwrap().base_url(&server.url);
    let chat = openai.chat("gpt-4o").server_tool(search()).body_field(field().0, field().1);
    let sent = server.take(chat, with_tools(hello())).await.unwrap().json();
    assert_eq!((&sent["tools"][2], &sent["top_p"]), (&search(), &json!(0.5)));
    let responses = openai.responses("gpt-4o").server_tool(search()).body_field(field().0, field().1);
    let sent = server.take(responses, with_tools(hello())).await.unwrap().json();
    assert_eq!((&sent["tools"][2], &sent["top_p"]), (&search(), &json!(0.5)));

    let google = Gemini::new("k").unwrap().base_url(&server.url);
    let search = || json!({"google_search": {}});
    let gemini = google.model("gemini-3-pro").server_tool(search()).body_field("labels", json!({"a": "b"}));
    let sent = server.take(gemini, with_tools(hello())).await.unwrap().json();
    assert_eq!((&sent["tools"][1], &sent["labels"]), (&search(), &json!({"a": "b"})));
    let both =
        json!({"functionCallingConfig": {"mode": "VALIDATED"}, "includeServerSideToolInvocations": true});
    assert_eq!(sent["toolConfig"], both);
}

#[tokio::test]
async fn a_whole_body_for_gemini() {
    let server = Server::start().await;
    let gemini = Gemini::new("secret").unwrap().base_url(&server.url).model("gemini-2.5-flash");
    let mut request = with_options(
        with_tools(hello()),
        json!({"google": {
            "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true},
            "safetySettings": [{"category": "C", "threshold": "T"}],
            "cachedContent": "cachedContents/1",
        }}),
    );
    request.system = Some("sys".to_owned());
    request.max_output_tokens = Some(100);
    request.temperature = Some(0.5);
    let sent = server.take(gemini, request).await.unwrap();
    let path = "post /v1/models/gemini-2.5-flash:streamgeneratecontent?alt=sse http/1.1";
    assert!(sent.head.starts_with(path), "{}", sent.head);
    assert_eq!(sent.header("x-goog-api-key"), Some("secret"));
    assert_eq!(
        sent.body,
        concat!(
            r#"{"generationConfig":{"maxOutputTokens":100,"temperature":0.5,"#,
            r#""thinkingConfig":{"thinkingBudget":1024,"includeThoughts":true}},"#,
            r#""contents":[{"role":"user","parts":[{"text":"Hello"}]}],"#,
            r#""systemInstruction":{"parts":[{"text":"sys"}]},"#,
            r#""safetySettings":[{"category":"C","threshold":"T"}],"#,
            r#""tools":[{"functionDeclarations":[{"name":"getWeather","description":"Get the weather","#,
            r#""parameters":{"properties":{"city":{"description":"City name","type":"string"}},"#,
            r#""required":["city"],"type":"object"}},{"name":"ping","description":"Ping"}]}],"#,
            r#""toolConfig":{"functionCallingConfig":{"mode":"AUTO"}},"cachedContent":"cachedContents/1"}"#,
        )
        // The order in which the options were written is not kept by this test's own JSON.
        .replace(
            r#"{"thinkingBudget":1024,"includeThoughts":true}"#,
            r#"{"includeThoughts":true,"thinkingBudget":1024}"#
        )
    );
}

#[tokio::test]
async fn models_and_choices_of_gemini() {
    let server = Server::start().await;
    let google = Gemini::new("k").unwrap().base_url(&server.url);
    for (choice, expected) in [
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Tool("ping".into()), json!({"mode": "ANY", "allowedFunctionNames": ["ping"]})),
    ] {
        let mut request = with_tools(hello());
        request.tool_choice = choice;
        let sent = server.take(google.model("gemini-2.5-pro"), request).await.unwrap().json();
        assert_eq!(sent["toolConfig"]["functionCallingConfig"], expected);
    }
    // A schema that refers to itself is sent as it is.
    let tree = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
    let mut request = hello();
    request.tools = ToolSet::new([Tool::new("walk", "", tree.clone())]).unwrap();
    let sent = server.take(google.model("gemini-2.5-pro"), request).await.unwrap().json();
    let function = json!({"name": "walk", "description": "", "parametersJsonSchema": tree});
    assert_eq!(sent["tools"][0]["functionDeclarations"][0], function);
    // Gemma knows no instructions, and a tuned model is a whole path.
    let mut request = hello();
    request.system = Some("sys".to_owned());
    let sent = server.take(google.model("gemma-3-27b-it"), request).await.unwrap().json();
    assert_eq!(sent["contents"][0]["parts"], json!([{"text": "sys"}, {"text": "Hello"}]));
    assert_eq!(sent.get("systemInstruction"), None);
    let sent = server.take(google.model("tunedModels/mine"), hello()).await.unwrap();
    assert!(sent.head.starts_with("post /v1/tunedmodels/mine:streamgeneratecontent"), "{}", sent.head);
}

#[tokio::test]
async fn calls_that_nobody_signed_are_excused_to_gemini_3() {
    let server = Server::start().await;
    let google = Gemini::new("k").unwrap().base_url(&server.url);
    let call = |id: &str, options: Value| json!({"type": "tool-call", "toolCallId": id, "toolName": "w", "input": {}, "providerOptions": options});
    let signed = || json!({"google": {"thoughtSignature": "S"}});
    for (model, calls, expected) in [
        ("gemini-2.5-pro", vec![call("a", json!({}))], vec![Value::Null]),
        ("gemini-3-pro", vec![call("a", json!({}))], vec![json!("skip_thought_signature_validator")]),
        // Of calls made at once the first is signed for all.
        ("gemini-3-pro", vec![call("a", signed()), call("b", json!({}))], vec![json!("S"), Value::Null]),
    ] {
        let messages = json!([{"role": "user", "content": "Q"}, {"role": "assistant", "content": calls}]);
        let sent = server.take(google.model(model), asking(&messages)).await.unwrap().json();
        let parts = sent["contents"][1]["parts"].as_array().unwrap();
        let signatures: Vec<Value> = parts.iter().map(|part| part["thoughtSignature"].clone()).collect();
        assert_eq!(signatures, expected, "{model}");
    }
}

#[tokio::test]
async fn whole_bodies_for_openai() {
    let server = Server::start().await;
    let openai = OpenAi::new("secret").unwrap().base_url(&server.url);
    let mut request = with_options(
        with_tools(hello()),
        json!({"openai": {"parallelToolCalls": false, "textVerbosity": "low", "promptCacheKey": "k"}}),
    );
    request.system = Some("sys".to_owned());
    request.max_output_tokens = Some(100);
    request.temperature = Some(0.5);
    let schema = concat!(
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"city":{"type":"string","#,
        r#""description":"City name"}},"required":["city"],"additionalProperties":false}"#
    );
    let sent = server.take(openai.chat("gpt-4o-mini"), request.clone()).await.unwrap();
    assert!(sent.head.starts_with("post /v1/chat/completions http/1.1"), "{}", sent.head);
    assert_eq!(sent.header("authorization"), Some("bearer secret"));
    assert_eq!(
        sent.body,
        [
            r#"{"model":"gpt-4o-mini","parallel_tool_calls":false,"verbosity":"low","prompt_cache_key":"k","#,
            r#""max_tokens":100,"temperature":0.5,"messages":[{"content":"sys","role":"system"},"#,
            r#"{"content":"Hello","role":"user"}],"tools":[{"type":"function","function":{"name":"getWeather","#,
            r#""description":"Get the weather","parameters":"#,
            schema,
            r#"}},{"type":"function","function":{"name":"ping","description":"Ping","parameters":{"properties":{},"#,
            r#""type":"object"}}}],"tool_choice":"auto","stream":true,"stream_options":{"include_usage":true}}"#,
        ]
        .concat()
    );
    let sent = server.take(openai.responses("gpt-4o-mini"), request).await.unwrap();
    assert!(sent.head.starts_with("post /v1/responses http/1.1"), "{}", sent.head);
    assert_eq!(
        sent.body,
        [
            r#"{"model":"gpt-4o-mini","input":[{"content":"sys","role":"system"},{"content":[{"text":"Hello","#,
            r#""type":"input_text"}],"role":"user"}],"temperature":0.5,"max_output_tokens":100,"#,
            r#""text":{"verbosity":"low"},"parallel_tool_calls":false,"prompt_cache_key":"k","#,
            r#""tools":[{"type":"function","name":"getWeather","description":"Get the weather","parameters":"#,
            schema,
            r#"},{"type":"function","name":"ping","description":"Ping","parameters":{"properties":{},"#,
            r#""type":"object"}}],"tool_choice":"auto","stream":true}"#,
        ]
        .concat()
    );
}

#[tokio::test]
async fn models_that_think_are_asked_in_their_own_way() {
    let server = Server::start().await;
    let openai = OpenAi::new("k").unwrap().base_url(&server.url);
    let request = || {
        let mut request = hello();
        request.system = Some("sys".to_owned());
        request.max_output_tokens = Some(100);
        request.temperature = Some(0.5);
        request
    };
    let sent = server.take(openai.chat("o4-mini"), request()).await.unwrap().json();
    assert_eq!(sent["messages"][0]["role"], "developer");
    assert_eq!((sent.get("max_tokens"), sent.get("temperature")), (None, None));
    assert_eq!(sent["max_completion_tokens"], 100);

    let options = json!({"openai": {"store": false, "reasoningEffort": "high", "reasoningSummary": "auto"}});
    let mut messages: Vec<Value> = vec![json!({"role": "user", "content": "Q"})];
    let thought = |text: &str, encrypted: Value| {
        let openai = json!({"itemId": "rs_1", "reasoningEncryptedContent": encrypted});
        json!({"type": "reasoning", "text": text, "providerOptions": {"openai": openai}})
    };
    let text = |text: &str| json!({"type": "text", "text": text, "providerOptions": {"openai": {"itemId": "msg_1", "phase": "final_answer"}}});
    messages.push(json!({"role": "assistant", "content": [thought("1", Value::Null), thought("2", json!("E")), text("x")]}));
    let kept = with_options(asking(&Value::Array(messages.clone())), options);
    let sent = server.take(openai.responses("gpt-5"), kept).await.unwrap().json();
    assert_eq!(sent["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(
        (&sent["store"], &sent["reasoning"]),
        (&json!(false), &json!({"effort": "high", "summary": "auto"}))
    );
    let summary = json!([{"type": "summary_text", "text": "1"}, {"type": "summary_text", "text": "2"}]);
    assert_eq!(
        sent["input"].as_array().unwrap()[1..],
        [
            json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "E", "summary": summary}),
            json!({"role": "assistant", "content": [{"type": "output_text", "text": "x"}], "id": "msg_1", "phase": "final_answer"}),
        ]
    );
    // Without the thoughts that led to it a message has no id there.
    messages[1] = json!({"role": "assistant", "content": [text("x")]});
    let sent = server.take(openai.responses("gpt-5"), asking(&Value::Array(messages))).await.unwrap().json();
    let expected = json!({"role": "assistant", "content": [{"type": "output_text", "text": "x"}], "phase": "final_answer"});
    assert_eq!(sent["input"][1], expected);
    assert_eq!(sent.get("include"), None);
}

#[tokio::test]
async fn options_that_make_no_sense_are_an_error_and_those_of_parts_are_not() {
    let server = Server::start().await;
    let claude = || Anthropic::new("k").unwrap().base_url(&server.url).model("claude-x");
    let google = Gemini::new("k").unwrap().base_url(&server.url);
    let openai = OpenAi::new("k").unwrap().base_url(&server.url);
    let wrong = |provider: &str, option: Value| with_options(hello(), json!({ provider: option }));
    let refused = Some(StepErrorKind::Unsupported);
    let request = wrong("anthropic", json!({"thinking": "much"}));
    assert_eq!(server.take(claude(), request).await.err(), refused);
    let request = wrong("google", json!({"cachedContent": 1}));
    assert_eq!(server.take(google.model("gemini-3-pro"), request).await.err(), refused);
    let request = wrong("openai", json!({"store": "no"}));
    assert_eq!(server.take(openai.chat("gpt-4o"), request.clone()).await.err(), refused);
    assert_eq!(server.take(openai.responses("gpt-4o"), request).await.err(), refused);
    // Those of others are none of our business.
    assert!(server.take(claude(), wrong("acme", json!(1))).await.is_ok());
    let odd = json!([{"role": "user", "content": [{"type": "text", "text": "Q", "providerOptions": {"anthropic": {"signature": 1}}}]}]);
    assert!(server.take(claude(), asking(&odd)).await.is_ok());
    let mut request: StepRequest = hello();
    request.provider_options = Some(Json::null());
    assert!(server.take(claude(), request).await.is_ok());
}
