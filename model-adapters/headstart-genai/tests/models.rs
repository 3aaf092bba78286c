//! Answers of real HTTP servers, through genai and the recorder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "../../mock.rs"]
mod mock;

use futures_util::StreamExt;
use genai::{
    Client, ModelIden, ServiceTarget,
    adapter::AdapterKind,
    resolver::{AuthData, Endpoint},
};
use headstart_core::{
    step::{Recorder, StepErrorKind, StepModel, StepRequest, Tool, ToolChoice, ToolSet},
    wire::UiChunk,
};
use headstart_genai::GenAi;
use mock::{Answer, Mock};
use serde_json::{Value, json};

fn model(mock: &Mock, adapter: AdapterKind) -> GenAi {
    let target = ServiceTarget {
        endpoint: Endpoint::from_owned(mock.url.as_str()),
        auth: AuthData::from_single("key"),
        model: ModelIden::new(adapter, "some-model"),
    };
    GenAi::new(Client::new().unwrap(), target)
}

fn tools() -> ToolSet {
    let schema = json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
        "additionalProperties": false,
    });
    ToolSet::new([Tool::new("getWeather", "Gets the weather", schema)]).unwrap()
}

fn request(messages: Value) -> StepRequest {
    let mut request = StepRequest::new(serde_json::from_value(messages).unwrap());
    request.system = Some("Be brief.".to_owned());
    request.tools = tools();
    request.max_output_tokens = Some(50);
    request
}

fn hello() -> StepRequest {
    request(json!([{"role": "user", "content": "Hello"}]))
}

/// What becomes of an answer: chunks, messages, and the error it ended with.
struct Recorded {
    chunks: Vec<Value>,
    messages: Value,
    error: Option<StepErrorKind>,
}

impl Recorded {
    fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.chunks.iter().filter(|chunk| chunk["type"] == kind).collect()
    }

    fn text(&self) -> String {
        self.of_type("text-delta").iter().map(|chunk| chunk["delta"].as_str().unwrap()).collect()
    }
}

async fn record(model: &GenAi, request: StepRequest) -> Recorded {
    let mut recorder = Recorder::new("m".into());
    recorder.set_tools(request.tools.clone());
    let mut chunks: Vec<UiChunk> = Vec::new();
    let mut error = None;
    let mut events = model.stream(request);
    while let Some(event) = events.next().await {
        assert_eq!(error, None, "an error is the last item");
        match event {
            Ok(event) => recorder.event(event, &mut chunks).unwrap(),
            Err(failed) => error = Some(failed.kind()),
        }
    }
    assert_eq!(recorder.finish().is_some(), error.is_none(), "a finish, or an error");
    if let Some((reason, _)) = recorder.finish() {
        recorder.close(reason, &mut chunks);
    }
    let chunks = chunks.iter().map(|chunk| serde_json::from_str(&chunk.to_json()).unwrap()).collect();
    Recorded { chunks, messages: json!(recorder.messages()), error }
}

async fn answered(adapter: AdapterKind, answer: Answer) -> Recorded {
    let mock = Mock::start(answer).await;
    record(&model(&mock, adapter), hello()).await
}

#[tokio::test]
async fn openai_text_reasoning_and_parallel_calls_survive_as_they_were_said() {
    let recorded = answered(
        AdapterKind::OpenAI,
        Answer::events([
            r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"reasoning_content":"Hm."}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"content":"Let me "}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"content":"sée."}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"getWeather","arguments":""}}]}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\": "}}]}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"getWeather","arguments":"{\"city\":"}}]}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Paris\"}"}},{"index":1,"function":{"arguments":"\"Rome\"}"}}]}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}"#,
            "data: [DONE]",
        ]),
    )
    .await;
    assert_eq!(recorded.error, None);
    assert_eq!(
        recorded.messages,
        json!([{"role": "assistant", "content": [
            {"type": "reasoning", "text": "Hm."},
            {"type": "text", "text": "Let me sée."},
            {"type": "tool-call", "toolCallId": "c1", "toolName": "getWeather", "input": {"city": "Paris"}},
            {"type": "tool-call", "toolCallId": "c2", "toolName": "getWeather", "input": {"city": "Rome"}},
        ]}])
    );
    let deltas: Vec<_> = recorded
        .of_type("tool-input-delta")
        .iter()
        .map(|chunk| (chunk["toolCallId"].as_str().unwrap(), chunk["inputTextDelta"].as_str().unwrap()))
        .collect();
    assert_eq!(
        deltas,
        [("c1", "{\"city\": "), ("c2", "{\"city\":"), ("c1", "\"Paris\"}"), ("c2", "\"Rome\"}")]
    );
    assert_eq!(recorded.chunks.last().unwrap()["finishReason"], "tool-calls");
}

#[tokio::test]
async fn a_broken_input_stays_broken_and_is_told() {
    let recorded = answered(
        AdapterKind::OpenAI,
        Answer::events([
            r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"getWeather","arguments":"{\"city\": \"Par"}}]}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
            "data: [DONE]",
        ]),
    )
    .await;
    assert_eq!(recorded.of_type("tool-input-error")[0]["input"], "{\"city\": \"Par");
    assert_eq!(recorded.chunks.last().unwrap()["finishReason"], "length");
}

#[tokio::test]
async fn anthropic_thinking_keeps_signatures_order_and_redacted_blocks() {
    let recorded = answered(
        AdapterKind::Anthropic,
        Answer::events([
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"One.\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"SI\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"G==\"}}",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"redacted_thinking\",\"data\":\"RD\"}}",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Two.\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"T2\"}}",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_delta\",\"text\":\"Cited\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"type\":\"char_location\"}}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_delta\",\"text\":\" text.\"}}",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":3}",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":4,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"getWeather\",\"input\":{}}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\": \\\"Paris\\\"}\"}}",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":4}",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":9}}",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}",
        ]),
    )
    .await;
    assert_eq!(recorded.error, None);
    let signed = |key: &str, value: &str| json!({"anthropic": {key: value}});
    assert_eq!(
        recorded.messages,
        json!([{"role": "assistant", "content": [
            {"type": "reasoning", "text": "One.", "providerOptions": signed("signature", "SIG==")},
            {"type": "reasoning", "text": "", "providerOptions": signed("redactedData", "RD")},
            {"type": "reasoning", "text": "Two.", "providerOptions": signed("signature", "T2")},
            {"type": "text", "text": "Cited text."},
            {"type": "tool-call", "toolCallId": "t1", "toolName": "getWeather", "input": {"city": "Paris"}},
        ]}])
    );
}

#[tokio::test]
async fn gemini_keeps_signatures_of_text_and_of_each_parallel_call() {
    let chunk = |parts: Value| {
        format!("data: {}", json!({"candidates": [{"content": {"role": "model", "parts": parts}}]}))
    };
    let call = |city: &str, signature: Value| {
        let mut part = json!({"functionCall": {"name": "getWeather", "args": {"city": city}}});
        part.as_object_mut().unwrap().extend(signature.as_object().unwrap().clone());
        part
    };
    let events = [
        chunk(json!([{"text": "Hm.", "thought": true}])),
        chunk(json!([{"text": "Let me see.", "thoughtSignature": "TS"}])),
        chunk(json!([call("Paris", json!({"thoughtSignature": "CS"}))])),
        chunk(json!([call("Rome", json!({}))])),
        r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}"#.to_owned(),
    ];
    let recorded = answered(AdapterKind::Gemini, Answer::events(events.iter().map(String::as_str))).await;
    assert_eq!(recorded.error, None);
    let content = &recorded.messages[0]["content"];
    let signed = |signature: &str| json!({"google": {"thoughtSignature": signature}});
    assert_eq!(content[0], json!({"type": "reasoning", "text": "Hm."}));
    assert_eq!(content[1], json!({"type": "text", "text": "Let me see.", "providerOptions": signed("TS")}));
    assert_eq!(
        (&content[2]["input"], &content[2]["providerOptions"]),
        (&json!({"city": "Paris"}), &signed("CS"))
    );
    assert_eq!(content[3]["input"], json!({"city": "Rome"}));
    assert_ne!(content[2]["toolCallId"], content[3]["toolCallId"]);

    let mock = Mock::start(Answer::events([])).await;
    let history =
        json!([{"role": "user", "content": "q"}, recorded.messages[0], {"role": "user", "content": "And?"}]);
    record(&model(&mock, AdapterKind::Gemini), request(history)).await;
    let parts = mock.asked().remove(0)["contents"][1]["parts"].clone();
    assert_eq!((&parts[0]["text"], &parts[0]["thoughtSignature"]), (&json!("Let me see."), &json!("TS")));
    assert_eq!(
        (&parts[1]["functionCall"]["args"], &parts[1]["thoughtSignature"]),
        (&json!({"city": "Paris"}), &json!("CS"))
    );
    assert_eq!(parts[2]["functionCall"]["args"], json!({"city": "Rome"}));
}

#[tokio::test]
async fn a_refusal_before_the_first_part_is_an_error_and_nothing_else() {
    for (status, kind) in [
        (400, StepErrorKind::Rejected),
        (401, StepErrorKind::Rejected),
        (429, StepErrorKind::Unavailable),
        (503, StepErrorKind::Unavailable),
    ] {
        let answer = Answer::status(status, r#"{"error":{"message":"you said: SECRET"}}"#);
        let mock = Mock::start(answer).await;
        let mut events = model(&mock, AdapterKind::OpenAI).stream(hello());
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
        assert!(events.next().await.is_none());
        assert_eq!(mock.asked().len(), 1, "a call is not made again");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_of_the_connection() {
    let mock = Mock::nobody();
    let recorded = record(&model(&mock, AdapterKind::OpenAI), hello()).await;
    assert_eq!((recorded.error, recorded.chunks.len()), (Some(StepErrorKind::Transport), 0));
}

#[tokio::test]
async fn an_error_event_ends_the_answer_where_it_stands() {
    let recorded = answered(
        AdapterKind::OpenAI,
        Answer::events([
            r#"data: {"choices":[{"index":0,"delta":{"content":"Half"}}]}"#,
            r#"data: {"error":{"type":"server_error","message":"boom"}}"#,
            r#"data: {"choices":[{"index":0,"delta":{"content":" never"}}]}"#,
            "data: [DONE]",
        ]),
    )
    .await;
    assert_eq!((recorded.error, &*recorded.text()), (Some(StepErrorKind::Unavailable), "Half"));
}

#[tokio::test]
async fn a_cut_stream_is_an_error_however_it_is_cut() {
    let half = || Answer::events([r#"data: {"choices":[{"index":0,"delta":{"content":"Half"}}]}"#]);
    let clean = answered(AdapterKind::OpenAI, half()).await;
    assert_eq!((clean.error, &*clean.text()), (Some(StepErrorKind::Truncated), "Half"));
    let broken = answered(AdapterKind::OpenAI, half().cut()).await;
    assert_eq!((broken.error, &*broken.text()), (Some(StepErrorKind::Transport), "Half"));
}

/// A history with all that these libraries can be told.
fn history() -> Value {
    json!([
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "file", "mediaType": "image/png", "data": {"type": "url", "url": "data:image/png;base64,AAAA"}},
            {"type": "file", "mediaType": "image/png", "data": {"type": "url", "url": "https://e.com/a.png"}},
            {"type": "hologram"},
        ]},
        {"role": "assistant", "content": [
            {"type": "reasoning", "text": "Hm.", "providerOptions": {"anthropic": {"signature": "SIG"}}},
            {"type": "reasoning", "text": "", "providerOptions": {"anthropic": {"redactedData": "RD"}}},
            {"type": "text", "text": "Let me see."},
            {"type": "tool-call", "toolCallId": "c1", "toolName": "getWeather", "input": {"city": "Paris"}},
        ]},
        {"role": "tool", "content": [
            {"type": "tool-result", "toolCallId": "c1", "toolName": "getWeather",
             "output": {"type": "json", "value": {"t": 1}}},
        ]},
        {"role": "user", "content": "And?"},
    ])
}

#[tokio::test]
async fn a_history_reaches_an_openai_server_whole() {
    let mock = Mock::start(Answer::events(["data: [DONE]"])).await;
    let mut request = request(history());
    request.tool_choice = ToolChoice::Required;
    record(&model(&mock, AdapterKind::OpenAI), request).await;
    let body = mock.asked().remove(0);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}},
            ]},
            {"role": "assistant", "content": "Let me see.", "reasoning_content": "Hm.\n", "tool_calls": [
                {"type": "function", "id": "c1",
                 "function": {"name": "getWeather", "arguments": "{\"city\":\"Paris\"}"}},
            ]},
            {"role": "tool", "content": "{\"t\":1}", "tool_call_id": "c1"},
            {"role": "user", "content": "And?"},
        ])
    );
    assert_eq!(body["tools"][0]["function"]["name"], "getWeather");
    assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["city"]));
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(body["max_tokens"], 50);
}

#[tokio::test]
async fn a_history_reaches_anthropic_with_its_signatures() {
    let mock = Mock::start(Answer::events(["event: message_stop\ndata: {\"type\":\"message_stop\"}"])).await;
    record(&model(&mock, AdapterKind::Anthropic), request(history())).await;
    let body = mock.asked().remove(0);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "SIG"},
                {"type": "redacted_thinking", "data": "RD"},
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "c1", "name": "getWeather", "input": {"city": "Paris"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "content": "{\"t\":1}", "tool_use_id": "c1"},
            ]},
            {"role": "user", "content": "And?"},
        ])
    );
}

#[tokio::test]
async fn what_a_model_would_not_be_shown_is_refused_before_it_is_asked() {
    let mock = Mock::start(Answer::events(["data: [DONE]"])).await;
    for data in [
        json!({"type": "url", "url": "https://e.com/a.pdf"}),
        json!({"type": "reference", "reference": {"openai": "file-1"}}),
        json!({"type": "url", "url": "data:application/pdf,plain"}),
    ] {
        let file = json!({"type": "file", "mediaType": "application/pdf", "data": data});
        let asked = request(json!([{"role": "user", "content": [file]}]));
        let recorded = record(&model(&mock, AdapterKind::Groq), asked).await;
        assert_eq!(recorded.error, Some(StepErrorKind::Unsupported));
    }
    assert!(mock.asked().is_empty());
}
