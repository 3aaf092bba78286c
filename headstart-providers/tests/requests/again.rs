//! What a model said comes back to it as it was: from its stream, through the messages that an agent or a browser
//! keeps, into the next request.

use headstart_core::{
    step::{Recorder, StepModel, Tool, ToolSet},
    wire::ModelMessage,
};
use headstart_providers::{AnswerDecoder, Anthropic, Api, Gemini, OpenAi, Server as Compatible};
use serde_json::{Value, json};

use crate::{asking, sent::Server, with_options};

/// The messages of a transcript, as they are handed over and as another program reads them.
fn said(api: Api, transcript: &str) -> Vec<Value> {
    let mut decoder = AnswerDecoder::new(api);
    let mut recorder = Recorder::new("m".to_owned());
    let tool = |name| Tool::new(name, "", json!({"type": "object"}));
    recorder.set_tools(ToolSet::new([tool("getWeather"), tool("ping")]).unwrap());
    let mut take = |decoder: &mut AnswerDecoder| {
        while let Some(event) = decoder.next_event().unwrap() {
            recorder.event(event, &mut Vec::new()).unwrap();
        }
    };
    decoder.feed(transcript.as_bytes()).unwrap();
    take(&mut decoder);
    decoder.close().unwrap();
    take(&mut decoder);
    let text = serde_json::to_string(&recorder.messages()).unwrap();
    let messages: Vec<ModelMessage> = serde_json::from_str(&text).unwrap();
    serde_json::to_value(messages).unwrap().as_array().unwrap().clone()
}

/// What stands for that answer in the next request.
async fn again(server: &Server, model: impl StepModel, key: &str, said: Vec<Value>, options: Value) -> Value {
    let ask = json!({"role": "user", "content": "Q"});
    let messages = [vec![ask.clone()], said, vec![ask]].concat();
    let request = with_options(asking(&Value::Array(messages)), options);
    let sent = server.take(model, request).await.unwrap().json();
    let all = sent[key].as_array().unwrap();
    Value::Array(all[1..all.len() - 1].to_vec())
}

#[tokio::test]
async fn blocks_of_anthropic_come_back_as_they_were() {
    let server = Server::start().await;
    let claude = Anthropic::new("k").unwrap().base_url(&server.url).model("claude-x");
    for (transcript, blocks) in [
        (
            include_str!("../fixtures/anthropic/interleaved.sse"),
            json!([
                {"type": "thinking", "thinking": "First, Paris.", "signature": "AAAAAAAAAAAA"},
                {"type": "tool_use", "id": "toolu_1", "name": "getWeather", "input": {"city": "Paris"}},
                {"type": "thinking", "thinking": "Then Rome.", "signature": "BBBBBBBBBBBB"},
                {"type": "tool_use", "id": "toolu_2", "name": "getWeather", "input": {"city": "Rome"}},
                {"type": "tool_use", "id": "toolu_3", "name": "ping", "input": {}},
            ]),
        ),
        (
            include_str!("../fixtures/anthropic/thinking-tool.sse"),
            json!([
                {"type": "thinking", "thinking": "Need weather.", "signature": "sig=="},
                {"type": "redacted_thinking", "data": "RED=="},
                {"type": "text", "text": "Grüße"},
                {"type": "tool_use", "id": "toolu_1", "name": "getWeather", "input": {"city": "Paris"}},
            ]),
        ),
        (
            include_str!("../fixtures/anthropic/web-search.sse"),
            json!([
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather paris"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
                    {"type": "web_search_result", "url": "https://weather.example/paris", "title": "Paris", "encrypted_content": "EC==", "page_age": "1 day"},
                    {"type": "web_search_result", "url": "https://other.example/", "title": "Other", "encrypted_content": "ED==", "page_age": null},
                ]},
                {"type": "text", "text": "It rains in Paris.", "citations": [{
                    "type": "web_search_result_location", "cited_text": "It rains.", "url": "https://weather.example/paris",
                    "title": "Paris", "encrypted_index": "EI==",
                }]},
                {"type": "text", "text": " Take an umbrella."},
            ]),
        ),
        (
            include_str!("../fixtures/anthropic/code-execution.sse"),
            json!([
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {"command": "ls"}},
                {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {
                    "type": "bash_code_execution_result", "stdout": "a.txt", "stderr": "", "return_code": 0, "content": [],
                }},
                {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "await getWeather()"}},
                {"type": "tool_use", "id": "toolu_1", "name": "getWeather", "input": {"city": "Rome"},
                    "caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_2"}},
            ]),
        ),
        (
            include_str!("../fixtures/anthropic/web-fetch-paused.sse"),
            json!([
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_fetch", "input": {"url": "https://x.example/"}, "caller": {"type": "direct"}},
                {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_1", "caller": {"type": "direct"}, "content": {
                    "type": "web_fetch_result", "url": "https://x.example/", "retrieved_at": "2026-01-02",
                    "content": {"type": "document", "title": "X", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}},
                }},
                {"type": "server_tool_use", "id": "srvtoolu_2", "name": "web_search", "input": {"query": "more"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_2", "content": {
                    "type": "web_search_tool_result_error", "error_code": "max_uses_exceeded",
                }},
            ]),
        ),
        (
            include_str!("../fixtures/anthropic/mcp-and-tool-search.sse"),
            json!([
                {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "input": {"a": 1}, "server_name": "acme"},
                {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": false, "content": [{"type": "text", "text": "1"}]},
                {"type": "server_tool_use", "id": "srvtoolu_2", "name": "tool_search_tool_bm25", "input": {"query": "w"}},
                {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_2", "content": {
                    "type": "tool_search_tool_search_result", "tool_references": [{"type": "tool_reference", "tool_name": "getWeather"}],
                }},
                {"type": "compaction", "content": "So far: nothing."},
            ]),
        ),
    ] {
        let again =
            again(&server, claude.clone(), "messages", said(Api::Anthropic, transcript), json!({})).await;
        assert_eq!(again, json!([{"role": "assistant", "content": blocks}]));
    }
}

#[tokio::test]
async fn parts_of_gemini_come_back_as_they_were() {
    let server = Server::start().await;
    let gemini = Gemini::new("k").unwrap().base_url(&server.url).model("gemini-3-pro");
    for (transcript, parts) in [
        (
            include_str!("../fixtures/gemini/thoughts-and-calls.sse"),
            json!([
                {"text": "Let me see.", "thought": true},
                {"text": "I look."},
                {"functionCall": {"id": "call-resp_1-1", "name": "getWeather", "args": {"city": "Paris", "days": 1.0}}, "thoughtSignature": "SIG1=="},
                {"functionCall": {"id": "fc_2", "name": "ping", "args": {}}},
                {"text": "", "thoughtSignature": "SIG2=="},
            ]),
        ),
        (
            include_str!("../fixtures/gemini/signed-text.sse"),
            json!([{"text": "One two three", "thoughtSignature": "S1"}, {"text": "four", "thoughtSignature": "S2"}]),
        ),
        (
            include_str!("../fixtures/gemini/image.sse"),
            json!([
                {"text": "Here:"},
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}, "thoughtSignature": "S=="},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": true},
            ]),
        ),
        (
            include_str!("../fixtures/gemini/code-execution.sse"),
            json!([
                {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
                {"text": "It is 1."},
            ]),
        ),
        (
            include_str!("../fixtures/gemini/server-tools.sse"),
            json!([
                {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["q"]}, "id": "st_1"}, "thoughtSignature": "S=="},
                {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"ok": true}, "id": "st_1"}},
                {"functionCall": {"id": "call-resp_1-1", "name": "ping", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"},
            ]),
        ),
    ] {
        let again =
            again(&server, gemini.clone(), "contents", said(Api::Gemini, transcript), json!({})).await;
        assert_eq!(again, json!([{"role": "model", "parts": parts}]));
    }
}

#[tokio::test]
async fn items_of_openai_come_back_by_name_or_whole() {
    let server = Server::start().await;
    let gpt = OpenAi::new("k").unwrap().base_url(&server.url).responses("gpt-5");
    let summaries = include_str!("../fixtures/openai-responses/two-summaries.sse");
    let call = |id: &str, name: &str, input: &str| json!({"type": "function_call", "call_id": id, "name": name, "arguments": input});
    let calls = [call("call_1", "getWeather", r#"{"city":"Paris"}"#), call("call_2", "ping", "{}")];
    let reference = |id: &str| json!({"type": "item_reference", "id": id});
    let whole = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "E1", "summary": [
        {"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."},
    ]});
    for (transcript, options, items) in [
        (summaries, json!({}), json!([reference("rs_1"), calls[0], calls[1]])),
        (summaries, json!({"openai": {"store": false}}), json!([whole, calls[0], calls[1]])),
        (
            include_str!("../fixtures/openai-responses/web-search.sse"),
            json!({}),
            json!([
                reference("ws_1"),
                {"role": "assistant", "content": [{"type": "output_text", "text": "It rains."}], "phase": "final_answer"},
            ]),
        ),
        (
            include_str!("../fixtures/openai-responses/web-search.sse"),
            json!({"openai": {"store": false}}),
            json!([
                {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {
                    "type": "search", "query": "weather", "sources": [{"type": "url", "url": "https://a.example/"}],
                }},
                {"role": "assistant", "content": [{"type": "output_text", "text": "It rains."}], "phase": "final_answer"},
            ]),
        ),
        (
            include_str!("../fixtures/openai-responses/server-tools.sse"),
            json!({}),
            json!([
                reference("ci_1"),
                reference("fs_1"),
                reference("mcp_1"),
                reference("ig_1"),
                reference("ws_1")
            ]),
        ),
    ] {
        let again =
            again(&server, gpt.clone(), "input", said(Api::OpenAiResponses, transcript), options).await;
        assert_eq!(again, items);
    }
}

#[tokio::test]
async fn calls_of_chat_come_back_and_thoughts_where_they_are_wanted() {
    let server = Server::start().await;
    let call = |id: &str, name: &str, input: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": input}});
    let mistral = include_str!("../fixtures/openai-chat/mistral.sse");
    let calls = [call("a1b2c3d4e", "getWeather", r#"{"city":"Paris"}"#), call("f5g6h7i8j", "ping", "{}")];
    let encrypted = |id: &str, data: &str| json!({"type": "reasoning.encrypted", "data": data, "id": id, "format": "google-gemini-v1", "index": 0});
    for (kind, transcript, message) in [
        (
            Compatible::OpenAi,
            mistral,
            json!({"role": "assistant", "content": "I look.", "tool_calls": calls}),
        ),
        (
            Compatible::Mistral,
            mistral,
            json!({
                "role": "assistant", "tool_calls": calls,
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    {"type": "text", "text": "I look."},
                ],
            }),
        ),
        (
            Compatible::DeepSeek,
            include_str!("../fixtures/openai-chat/deepseek.sse"),
            json!({"role": "assistant", "content": "Hi", "reasoning_content": "Hm."}),
        ),
        (
            Compatible::OpenRouter,
            include_str!("../fixtures/openai-chat/openrouter-anthropic.sse"),
            json!({
                "role": "assistant", "content": "I look.",
                "tool_calls": [call("toolu_1", "getWeather", r#"{"city":"Paris"}"#)],
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "Need weather.", "signature": "SIG==", "format": "anthropic-claude-v1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "RED==", "format": "anthropic-claude-v1", "index": 1},
                ],
            }),
        ),
        (
            Compatible::OpenRouter,
            include_str!("../fixtures/openai-chat/openrouter-openai.sse"),
            json!({
                "role": "assistant", "content": "It is 2.",
                "reasoning_details": [
                    {"type": "reasoning.summary", "summary": "**Adding** up.", "format": "openai-responses-v1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "ENC==", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
                ],
            }),
        ),
        (
            Compatible::OpenRouter,
            include_str!("../fixtures/openai-chat/openrouter-gemini.sse"),
            json!({
                "role": "assistant", "content": "I look.",
                "tool_calls": [
                    call("tool_0_getWeather", "getWeather", r#"{"city":"Paris"}"#),
                    call("tool_1_ping", "ping", "{}"),
                ],
                // The thought itself has no signature.
                "reasoning_details": [encrypted("tool_0_getWeather", "E0=="), encrypted("tool_1_ping", "E1==")],
            }),
        ),
    ] {
        let chat = OpenAi::compatible(kind, Some(&server.url), Some("k")).unwrap().chat("some-model");
        let again = again(&server, chat, "messages", said(Api::OpenAiChat, transcript), json!({})).await;
        assert_eq!(again, json!([message]), "{kind:?}");
    }
}
