//! The prompt mapping, a row at a time: each kind of part in each API.

use headstart_core::step::StepErrorKind;
use headstart_providers::{Anthropic, Gemini, OpenAi};
use serde_json::{Value, json};

use crate::{asking, sent::Server};

/// A model message in each API; `None` where it does not fit.
struct Row {
    name: &'static str,
    message: Value,
    anthropic: Option<Value>,
    gemini: Option<Value>,
    chat: Option<Value>,
    responses: Option<Value>,
}

async fn check(rows: Vec<Row>) {
    let server = Server::start().await;
    let claude = Anthropic::new("k").unwrap().base_url(&server.url).model("claude-sonnet-4-5");
    let gemini = Gemini::new("k").unwrap().base_url(&server.url).model("gemini-2.5-flash");
    let openai = OpenAi::new("k").unwrap().base_url(&server.url);
    for row in rows {
        // Behind a question and before another one, so that nothing is first or last.
        let ask = |text: &str| json!({"role": "user", "content": [{"type": "text", "text": text}]});
        let last = row.message["role"].as_str().unwrap() != "user";
        let mut messages = vec![ask("Q")];
        if !last {
            let said = json!({"role": "assistant", "content": [{"type": "text", "text": "A"}]});
            messages.push(said);
        }
        messages.push(row.message.clone());
        if last {
            messages.push(ask("R"));
        }
        let request = asking(&Value::Array(messages));
        let of = |sent: Result<crate::sent::Sent, StepErrorKind>, key: &str| match sent {
            // What stands between the question before and the question behind.
            Ok(sent) => {
                let all = sent.json()[key].as_array().unwrap().clone();
                let begin = if last { 1 } else { 2 };
                // Where nothing is said in between, the questions are one message.
                Some(all.get(begin..all.len() - usize::from(last)).unwrap_or_default().to_vec())
            }
            Err(StepErrorKind::Unsupported) => None,
            Err(other) => panic!("{}: {other:?}", row.name),
        };
        let one = |expected: &Option<Value>| match expected {
            Some(Value::Array(all)) => Some(all.clone()),
            Some(one) => Some(vec![one.clone()]),
            None => None,
        };
        let sent = server.take(claude.clone(), request.clone()).await;
        assert_eq!(of(sent, "messages"), one(&row.anthropic), "{} for Anthropic", row.name);
        let sent = server.take(gemini.clone(), request.clone()).await;
        assert_eq!(of(sent, "contents"), one(&row.gemini), "{} for Gemini", row.name);
        let sent = server.take(openai.chat("gpt-4o"), request.clone()).await;
        assert_eq!(of(sent, "messages"), one(&row.chat), "{} for Chat Completions", row.name);
        let sent = server.take(openai.responses("gpt-4o"), request).await;
        assert_eq!(of(sent, "input"), one(&row.responses), "{} for Responses", row.name);
    }
}

/// A row whose message is a user's with one file.
fn file(
    name: &'static str,
    file: Value,
    anthropic: Option<Value>,
    gemini: Option<Value>,
    chat: Option<Value>,
    responses: Option<Value>,
) -> Row {
    let in_content = |part: Value| json!({"role": "user", "content": [part]});
    Row {
        name,
        message: in_content(file),
        anthropic: anthropic.map(in_content),
        gemini: gemini.map(|part| json!({"role": "user", "parts": [part]})),
        chat: chat.map(in_content),
        responses: responses.map(in_content),
    }
}

#[tokio::test]
async fn files_of_users() {
    let url = |url: &str| json!({"type": "url", "url": url});
    check(vec![
        file(
            "an image inline",
            json!({"type": "file", "mediaType": "image/*", "data": url("data:image/png;base64,AAAA")}),
            Some(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}})),
            Some(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
            Some(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})),
            Some(json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA"})),
        ),
        file(
            "an image by address, with OpenAI's own option",
            json!({
                "type": "file", "mediaType": "image/png", "data": url("https://x.example/a.png"),
                "providerOptions": {"openai": {"imageDetail": "low"}},
            }),
            Some(json!({"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}})),
            Some(json!({"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a.png"}})),
            Some(json!({"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}})),
            Some(json!({"type": "input_image", "image_url": "https://x.example/a.png", "detail": "low"})),
        ),
        file(
            "a PDF inline, cited",
            json!({
                "type": "file", "mediaType": "application/pdf", "filename": "a.pdf",
                "data": url("data:application/pdf;base64,AAAA"),
                "providerOptions": {"anthropic": {"citations": {"enabled": true}, "context": "ctx", "cacheControl": {"type": "ephemeral"}}},
            }),
            Some(json!({
                "type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "title": "a.pdf", "context": "ctx", "citations": {"enabled": true}, "cache_control": {"type": "ephemeral"},
            })),
            Some(json!({"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}})),
            Some(json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}})),
            Some(json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"})),
        ),
        file(
            "a PDF by address",
            json!({"type": "file", "mediaType": "application/pdf", "data": url("https://x.example/a.pdf")}),
            Some(json!({"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}})),
            Some(json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}})),
            None,
            Some(json!({"type": "input_file", "file_url": "https://x.example/a.pdf"})),
        ),
        file(
            "a PDF without a name",
            json!({"type": "file", "mediaType": "application/pdf", "data": "AAAA"}),
            Some(json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}})),
            Some(json!({"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}})),
            Some(json!({"type": "file", "file": {"filename": "part-0.pdf", "file_data": "data:application/pdf;base64,AAAA"}})),
            Some(json!({"type": "input_file", "filename": "part-0.pdf", "file_data": "data:application/pdf;base64,AAAA"})),
        ),
        file(
            "an uploaded PDF",
            json!({
                "type": "file", "mediaType": "application/pdf",
                "data": {"type": "reference", "reference": {"anthropic": "file_a", "openai": "file-o", "google": "https://g.example/files/g"}},
            }),
            Some(json!({"type": "document", "source": {"type": "file", "file_id": "file_a"}})),
            Some(json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://g.example/files/g"}})),
            Some(json!({"type": "file", "file": {"file_id": "file-o"}})),
            Some(json!({"type": "input_file", "file_id": "file-o"})),
        ),
        file(
            "a file that another provider has",
            json!({"type": "file", "mediaType": "image/png", "data": {"type": "reference", "reference": {"acme": "1"}}}),
            None,
            None,
            None,
            None,
        ),
        file(
            "plain text",
            json!({"type": "file", "mediaType": "text/plain", "filename": "a.txt", "data": url("data:text/plain,Gr%C3%BC%C3%9Fe")}),
            Some(json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}, "title": "a.txt"})),
            Some(json!({"inlineData": {"mimeType": "text/plain", "data": "R3LDvMOfZQ=="}})),
            None,
            None,
        ),
        file(
            "sound",
            json!({"type": "file", "mediaType": "audio/wav", "data": "AAAA"}),
            None,
            Some(json!({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}})),
            Some(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})),
            None,
        ),
        file(
            "a film, of which a part is to be seen",
            json!({
                "type": "file", "mediaType": "video/mp4", "data": url("https://youtu.be/x"),
                "providerOptions": {"google": {"videoMetadata": {"startOffset": "3.5s"}}},
            }),
            None,
            Some(json!({
                "fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"},
                "videoMetadata": {"startOffset": "3.5s"},
            })),
            None,
            None,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_the_model_said() {
    let assistant = |parts: Value| json!({"role": "assistant", "content": parts});
    let model = |parts: Value| json!({"role": "model", "parts": parts});
    let nothing = || Some(json!([]));
    check(vec![
        Row {
            name: "texts",
            message: assistant(json!([{"type": "text", "text": "a "}, {"type": "text", "text": "b "}])),
            anthropic: Some(assistant(json!([{"type": "text", "text": "a "}, {"type": "text", "text": "b "}]))),
            gemini: Some(model(json!([{"text": "a "}, {"text": "b "}]))),
            chat: Some(json!({"role": "assistant", "content": "a b "})),
            responses: Some(json!([
                {"role": "assistant", "content": [{"type": "output_text", "text": "a "}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "b "}]},
            ])),
        },
        Row {
            name: "a thought that Anthropic signed, and a call",
            message: assistant(json!([
                {"type": "reasoning", "text": "t", "providerOptions": {"anthropic": {"signature": "S"}}},
                {"type": "tool-call", "toolCallId": "c", "toolName": "w", "input": {"a": 1.0, "z": 1}},
                {"type": "text", "text": "b"},
            ])),
            anthropic: Some(assistant(json!([
                {"type": "thinking", "thinking": "t", "signature": "S"},
                {"type": "text", "text": "b"},
                {"type": "tool_use", "id": "c", "name": "w", "input": {"a": 1.0, "z": 1}},
            ]))),
            gemini: Some(model(json!([
                {"text": "t", "thought": true},
                {"functionCall": {"id": "c", "name": "w", "args": {"a": 1.0, "z": 1}}},
                {"text": "b"},
            ]))),
            chat: Some(json!({
                "role": "assistant", "content": "b",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "w", "arguments": r#"{"a":1.0,"z":1}"#}}],
            })),
            responses: Some(json!([
                {"type": "function_call", "call_id": "c", "name": "w", "arguments": r#"{"a":1.0,"z":1}"#},
                {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            ])),
        },
        Row {
            name: "calls between thoughts stay there",
            message: assistant(json!([
                {"type": "reasoning", "text": "1", "providerOptions": {"anthropic": {"signature": "A"}}},
                {"type": "tool-call", "toolCallId": "c", "toolName": "w", "input": {}},
                {"type": "text", "text": "x"},
                {"type": "reasoning", "text": "2", "providerOptions": {"anthropic": {"signature": "B"}}},
                {"type": "tool-call", "toolCallId": "d", "toolName": "w", "input": {}},
            ])),
            anthropic: Some(assistant(json!([
                {"type": "thinking", "thinking": "1", "signature": "A"},
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "c", "name": "w", "input": {}},
                {"type": "thinking", "thinking": "2", "signature": "B"},
                {"type": "tool_use", "id": "d", "name": "w", "input": {}},
            ]))),
            gemini: Some(model(json!([
                {"text": "1", "thought": true},
                {"functionCall": {"id": "c", "name": "w", "args": {}}},
                {"text": "x"},
                {"text": "2", "thought": true},
                {"functionCall": {"id": "d", "name": "w", "args": {}}},
            ]))),
            chat: Some(json!({
                "role": "assistant", "content": "x",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "w", "arguments": "{}"}},
                    {"id": "d", "type": "function", "function": {"name": "w", "arguments": "{}"}},
                ],
            })),
            responses: Some(json!([
                {"type": "function_call", "call_id": "c", "name": "w", "arguments": "{}"},
                {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
                {"type": "function_call", "call_id": "d", "name": "w", "arguments": "{}"},
            ])),
        },
        Row {
            name: "redacted and unsigned thoughts",
            message: assistant(json!([
                {"type": "reasoning", "text": "", "providerOptions": {"anthropic": {"redactedData": "D"}}},
                {"type": "reasoning", "text": "u"},
            ])),
            anthropic: Some(assistant(json!([{"type": "redacted_thinking", "data": "D"}]))),
            gemini: Some(model(json!([{"text": "u", "thought": true}]))),
            chat: nothing(),
            responses: nothing(),
        },
        Row {
            name: "what Gemini signed",
            message: assistant(json!([
                {"type": "text", "text": "x", "providerOptions": {"google": {"thoughtSignature": "S1"}}},
                {"type": "tool-call", "toolCallId": "c", "toolName": "w", "input": {}, "providerOptions": {"google": {"thoughtSignature": "S2"}}},
                {"type": "file", "mediaType": "image/png", "data": "AAAA", "providerOptions": {"google": {"thought": true}}},
                {"type": "text", "text": "", "providerOptions": {"google": {"thoughtSignature": "S3"}}},
            ])),
            anthropic: Some(assistant(json!([
                {"type": "text", "text": "x"}, {"type": "tool_use", "id": "c", "name": "w", "input": {}},
            ]))),
            gemini: Some(model(json!([
                {"text": "x", "thoughtSignature": "S1"},
                {"functionCall": {"id": "c", "name": "w", "args": {}}, "thoughtSignature": "S2"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": true},
                {"text": "", "thoughtSignature": "S3"},
            ]))),
            chat: Some(json!({
                "role": "assistant", "content": "x",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "w", "arguments": "{}"}}],
            })),
            responses: Some(json!([
                {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
                {"type": "function_call", "call_id": "c", "name": "w", "arguments": "{}"},
            ])),
        },
        Row {
            name: "items that OpenAI keeps, each once",
            message: assistant(json!([
                {"type": "reasoning", "text": "1", "providerOptions": {"openai": {"itemId": "rs_1"}}},
                {"type": "reasoning", "text": "2", "providerOptions": {"openai": {"itemId": "rs_1", "reasoningEncryptedContent": "E"}}},
                {"type": "tool-call", "toolCallId": "ws_1", "toolName": "web_search", "input": {}, "providerExecuted": true, "providerOptions": {"openai": {"itemId": "ws_1"}}},
                {"type": "tool-result", "toolCallId": "ws_1", "toolName": "web_search", "output": {"type": "text", "value": ""}, "providerOptions": {"openai": {"itemId": "ws_1"}}},
                {"type": "text", "text": "x", "providerOptions": {"openai": {"itemId": "msg_1"}}},
            ])),
            anthropic: Some(assistant(json!([
                {"type": "server_tool_use", "id": "ws_1", "name": "web_search", "input": {}}, {"type": "text", "text": "x"},
            ]))),
            gemini: Some(model(json!([{"text": "1", "thought": true}, {"text": "2", "thought": true}, {"text": "x"}]))),
            chat: Some(json!({"role": "assistant", "content": "x"})),
            responses: Some(json!([
                {"type": "item_reference", "id": "rs_1"},
                {"type": "item_reference", "id": "ws_1"},
                {"type": "item_reference", "id": "msg_1"},
            ])),
        },
        Row {
            name: "a search by Anthropic, and what it cites",
            message: assistant(json!([
                {"type": "tool-call", "toolCallId": "s", "toolName": "web_search", "input": {"query": "q"}, "providerExecuted": true},
                {"type": "tool-result", "toolCallId": "s", "toolName": "web_search", "output": {"type": "json", "value": [{"url": "u", "pageAge": null, "encryptedContent": "E", "type": "web_search_result"}]}},
                {"type": "text", "text": "x", "providerOptions": {"anthropic": {"citations": [{"type": "web_search_result_location", "encrypted_index": "I"}]}}},
            ])),
            anthropic: Some(assistant(json!([
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "u", "page_age": null, "encrypted_content": "E", "type": "web_search_result"}]},
                {"type": "text", "text": "x", "citations": [{"type": "web_search_result_location", "encrypted_index": "I"}]},
            ]))),
            gemini: Some(model(json!([{"text": "x"}]))),
            chat: Some(json!({"role": "assistant", "content": "x"})),
            responses: Some(json!({"role": "assistant", "content": [{"type": "output_text", "text": "x"}]})),
        },
        Row {
            name: "kinds of parts from the future",
            message: assistant(json!([{"type": "hologram", "z": 1}, {"type": "custom", "kind": "acme.x"}])),
            anthropic: nothing(),
            gemini: nothing(),
            chat: nothing(),
            responses: nothing(),
        },
    ])
    .await;
}

#[tokio::test]
async fn what_tools_gave() {
    let result = |output: Value| {
        json!([
            {"role": "assistant", "content": [{"type": "tool-call", "toolCallId": "c", "toolName": "w", "input": {}}]},
            {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c", "toolName": "w", "output": output}]},
        ])
    };
    let server = Server::start().await;
    let claude = Anthropic::new("k").unwrap().base_url(&server.url).model("claude-sonnet-4-5");
    let gemini = Gemini::new("k").unwrap().base_url(&server.url).model("gemini-2.5-flash");
    let openai = OpenAi::new("k").unwrap().base_url(&server.url);
    for (output, anthropic, google, chat) in [
        (json!({"type": "text", "value": "t"}), json!({"content": "t"}), json!("t"), "t"),
        (
            json!({"type": "json", "value": {"a": 2.0, "b": 1}}),
            json!({"content": r#"{"a":2.0,"b":1}"#}),
            json!({"a": 2.0, "b": 1}),
            r#"{"a":2.0,"b":1}"#,
        ),
        (
            json!({"type": "error-text", "value": "e"}),
            json!({"content": "e", "is_error": true}),
            json!("e"),
            "e",
        ),
        (
            json!({"type": "error-json", "value": [1]}),
            json!({"content": "[1]", "is_error": true}),
            json!([1]),
            "[1]",
        ),
        (json!({"type": "execution-denied", "reason": "no"}), json!({"content": "no"}), json!("no"), "no"),
        (
            json!({"type": "execution-denied"}),
            json!({"content": "Tool call execution denied."}),
            json!("Tool call execution denied."),
            "Tool call execution denied.",
        ),
    ] {
        let request = asking(&result(output));
        let sent = server.take(claude.clone(), request.clone()).await.unwrap().json();
        let mut expected = json!({"type": "tool_result", "tool_use_id": "c"});
        expected.as_object_mut().unwrap().extend(anthropic.as_object().unwrap().clone());
        assert_eq!(sent["messages"][1], json!({"role": "user", "content": [expected]}));
        let sent = server.take(gemini.clone(), request.clone()).await.unwrap().json();
        let response = json!({"id": "c", "name": "w", "response": {"name": "w", "content": google}});
        assert_eq!(sent["contents"][1], json!({"role": "user", "parts": [{"functionResponse": response}]}));
        let sent = server.take(openai.chat("gpt-4o"), request.clone()).await.unwrap().json();
        assert_eq!(sent["messages"][1], json!({"role": "tool", "tool_call_id": "c", "content": chat}));
        let sent = server.take(openai.responses("gpt-4o"), request).await.unwrap().json();
        assert_eq!(sent["input"][1], json!({"type": "function_call_output", "call_id": "c", "output": chat}));
    }

    let content = json!({"type": "content", "value": [
        {"type": "text", "text": "t"},
        {"type": "image-data", "mediaType": "image/png", "data": "AAAA"},
        {"type": "file-data", "mediaType": "application/pdf", "data": "BBBB"},
        {"type": "image-url", "url": "https://x.example/a.png"},
    ]});
    let request = asking(&result(content));
    let sent = server.take(claude, request.clone()).await.unwrap();
    assert_eq!(
        sent.json()["messages"][1]["content"][0]["content"],
        json!([
            {"type": "text", "text": "t"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}},
            {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        ])
    );
    assert_eq!(sent.header("anthropic-beta"), Some("pdfs-2024-09-25"));
    let sent = server.take(gemini, request.clone()).await.unwrap().json();
    assert_eq!(
        sent["contents"][1]["parts"][0]["functionResponse"],
        json!({
            "id": "c", "name": "w", "response": {"name": "w", "content": "t"},
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                {"inlineData": {"mimeType": "application/pdf", "data": "BBBB"}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.example/a.png"}},
            ],
        })
    );
    let sent = server.take(openai.responses("gpt-4o"), request).await.unwrap().json();
    assert_eq!(
        sent["input"][1]["output"],
        json!([
            {"type": "input_text", "text": "t"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
            {"type": "input_file", "filename": "part-2.pdf", "file_data": "data:application/pdf;base64,BBBB"},
            {"type": "input_image", "image_url": "https://x.example/a.png"},
        ])
    );
}
