//! Answers of real HTTP servers, through rig and the recorder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "../../mock.rs"]
mod mock;

use futures_util::StreamExt;
use headstart_core::{
    step::{Recorder, StepErrorKind, StepModel, StepRequest, Tool, ToolChoice, ToolSet},
    wire::UiChunk,
};
use headstart_rig::Rig;
use mock::{Answer, Mock};
use rig_core::{
    completion::CompletionRequest,
    providers::{anthropic::AnthropicConfig, gemini::GeminiConfig, openai::OpenAIConfig},
};
use serde_json::{Value, json};

fn chat(mock: &Mock) -> Rig {
    Rig::new(
        OpenAIConfig::new("key").with_base_url(mock.url.trim_end_matches('/')).client().chat("some-model"),
    )
}

fn responses(mock: &Mock) -> Rig {
    let openai = OpenAIConfig::new("key").with_base_url(mock.url.trim_end_matches('/')).client();
    Rig::new(openai.responses("some-model"))
}

fn anthropic(mock: &Mock) -> Rig {
    let base = mock.url.trim_end_matches("/v1/");
    Rig::new(AnthropicConfig::new("key").with_base_url(base).client().completion("some-model"))
}

fn gemini(mock: &Mock) -> Rig {
    let base = mock.url.trim_end_matches("/v1/");
    Rig::new(GeminiConfig::new("key").with_base_url(base).client().completion("some-model"))
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

async fn record(model: &Rig, request: StepRequest) -> Recorded {
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

#[tokio::test]
async fn openai_text_and_parallel_calls_survive_as_they_were_said() {
    let mock = Mock::start(Answer::events([
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"Let me "}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"sée."}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"getWeather","arguments":""}}]}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\": "}}]}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Paris\"}"}}]}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"getWeather","arguments":"{\"city\":\"Rome\"}"}}]}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"data: {"id":"x","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}"#,
        "data: [DONE]",
    ]))
    .await;
    let recorded = record(&chat(&mock), hello()).await;
    assert_eq!(recorded.error, None);
    assert_eq!(
        recorded.messages,
        json!([{"role": "assistant", "content": [
            {"type": "text", "text": "Let me sée."},
            {"type": "tool-call", "toolCallId": "c1", "toolName": "getWeather", "input": {"city": "Paris"}},
            {"type": "tool-call", "toolCallId": "c2", "toolName": "getWeather", "input": {"city": "Rome"}},
        ]}])
    );
    assert_eq!(recorded.of_type("text-delta").len(), 2, "text comes as it is said");
    assert_eq!(recorded.chunks.last().unwrap()["finishReason"], "tool-calls");
}

#[tokio::test]
async fn a_broken_input_stays_broken_and_is_told() {
    let mock = Mock::start(Answer::events([
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"getWeather","arguments":"{\"city\": \"Par"}}]}}]}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
        "data: [DONE]",
    ]))
    .await;
    let recorded = record(&chat(&mock), hello()).await;
    assert_eq!(recorded.of_type("tool-input-error")[0]["input"], "{\"city\": \"Par");
    assert_eq!(recorded.chunks.last().unwrap()["finishReason"], "length");
}

#[tokio::test]
async fn anthropic_thinking_keeps_signatures_order_and_redacted_blocks() {
    let mock = Mock::start(Answer::events([
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"some-model\",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"One.\"}}",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"SI\"}}",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"G==\"}}",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"redacted_thinking\",\"data\":\"RD\"}}",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\",\"text\":\"Let me see.\"}}",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"getWeather\",\"input\":{}}}",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\": \\\"Paris\\\"}\"}}",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":3}",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9}}",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}",
    ]))
    .await;
    let recorded = record(&anthropic(&mock), hello()).await;
    assert_eq!(recorded.error, None);
    let signed = |key: &str, value: &str| json!({"anthropic": {key: value}});
    assert_eq!(
        recorded.messages,
        json!([{"role": "assistant", "content": [
            {"type": "reasoning", "text": "One.", "providerOptions": signed("signature", "SIG==")},
            {"type": "reasoning", "text": "", "providerOptions": signed("redactedData", "RD")},
            {"type": "text", "text": "Let me see."},
            {"type": "tool-call", "toolCallId": "t1", "toolName": "getWeather", "input": {"city": "Paris"}},
        ]}])
    );
}

#[tokio::test]
async fn openai_reasoning_keeps_what_has_to_come_back() {
    let item = r#"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"ENC"}"#;
    let message = r#"{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi.","annotations":[]}]}"#;
    let response = |status: &str, output: &str| {
        format!(
            r#"{{"id":"resp_1","object":"response","created_at":1,"status":"{status}","model":"some-model","output":[{output}],"tools":[],"usage":{{"input_tokens":5,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":7,"output_tokens_details":{{"reasoning_tokens":3}},"total_tokens":12}}}}"#
        )
    };
    let events = [
        format!(r#"data: {{"type":"response.created","sequence_number":0,"response":{}}}"#, response("in_progress", "")),
        r#"data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}"#.to_owned(),
        r#"data: {"type":"response.reasoning_summary_part.added","sequence_number":2,"item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}"#.to_owned(),
        r#"data: {"type":"response.reasoning_summary_text.delta","sequence_number":3,"item_id":"rs_1","output_index":0,"summary_index":0,"delta":"Hm."}"#.to_owned(),
        format!(r#"data: {{"type":"response.output_item.done","sequence_number":4,"output_index":0,"item":{item}}}"#),
        r#"data: {"type":"response.output_item.added","sequence_number":5,"output_index":1,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}"#.to_owned(),
        r#"data: {"type":"response.output_text.delta","sequence_number":6,"item_id":"msg_1","output_index":1,"content_index":0,"delta":"Hi."}"#.to_owned(),
        format!(r#"data: {{"type":"response.output_item.done","sequence_number":7,"output_index":1,"item":{message}}}"#),
        format!(
            r#"data: {{"type":"response.completed","sequence_number":8,"response":{}}}"#,
            response("completed", &format!("{item},{message}"))
        ),
    ];
    let mock = Mock::start(Answer::events(events.iter().map(String::as_str))).await;
    let recorded = record(&responses(&mock), hello()).await;
    assert_eq!(recorded.error, None);
    assert_eq!(
        recorded.messages,
        json!([{"role": "assistant", "content": [
            {"type": "reasoning", "text": "Hm.",
             "providerOptions": {"openai": {"itemId": "rs_1", "reasoningEncryptedContent": "ENC"}}},
            {"type": "text", "text": "Hi.", "providerOptions": {"openai": {"itemId": "msg_1"}}},
        ]}])
    );
}

#[tokio::test]
async fn gemini_keeps_the_signatures_of_its_calls() {
    let chunk = |parts: Value| {
        format!("data: {}", json!({"candidates": [{"content": {"role": "model", "parts": parts}}]}))
    };
    let call = |city: &str| json!({"functionCall": {"name": "getWeather", "args": {"city": city}}, "thoughtSignature": "CS"});
    let events = [
        chunk(json!([{"text": "Hm.", "thought": true}])),
        chunk(json!([{"text": "Let me see."}])),
        chunk(json!([call("Paris")])),
        r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}"#.to_owned(),
    ];
    let mock = Mock::start(Answer::events(events.iter().map(String::as_str))).await;
    let recorded = record(&gemini(&mock), hello()).await;
    assert_eq!(recorded.error, None);
    let content = &recorded.messages[0]["content"];
    assert_eq!(content[0], json!({"type": "reasoning", "text": "Hm."}));
    assert_eq!(content[1], json!({"type": "text", "text": "Let me see."}));
    assert_eq!(content[2]["input"], json!({"city": "Paris"}));
    assert_eq!(content[2]["providerOptions"], json!({"google": {"thoughtSignature": "CS"}}));
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
        let mut events = chat(&mock).stream(hello());
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
        assert!(events.next().await.is_none());
        assert_eq!(mock.asked().len(), 1, "a call is not made again");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_of_the_connection() {
    let recorded = record(&chat(&Mock::nobody()), hello()).await;
    assert_eq!((recorded.error, recorded.chunks.len()), (Some(StepErrorKind::Transport), 0));
}

#[tokio::test]
async fn an_error_event_ends_the_answer_where_it_stands() {
    let mock = Mock::start(Answer::events([
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"Half"}}]}"#,
        r#"data: {"error":{"type":"server_error","message":"you said: SECRET"}}"#,
        r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":" never"}}]}"#,
        "data: [DONE]",
    ]))
    .await;
    let recorded = record(&chat(&mock), hello()).await;
    assert!(recorded.error.is_some());
    assert_eq!(recorded.text(), "Half");
}

#[tokio::test]
async fn a_cut_stream_is_an_error_however_it_is_cut() {
    let half = || {
        Answer::events([r#"data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"Half"}}]}"#])
    };
    let clean = record(&chat(&Mock::start(half()).await), hello()).await;
    assert_eq!((clean.error, &*clean.text()), (Some(StepErrorKind::Truncated), "Half"));
    let broken = record(&chat(&Mock::start(half().cut()).await), hello()).await;
    assert_eq!((broken.error, &*broken.text()), (Some(StepErrorKind::Transport), "Half"));
}

/// A history with all that these libraries can be told.
fn history() -> Value {
    json!([
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "file", "mediaType": "image/png",
             "data": {"type": "url", "url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="}},
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
             "output": {"type": "error-text", "value": "down"}},
        ]},
        {"role": "user", "content": "And?"},
    ])
}

#[tokio::test]
async fn a_history_reaches_an_openai_server() {
    let mock = Mock::start(Answer::events(["data: [DONE]"])).await;
    let mut request = request(history());
    request.tool_choice = ToolChoice::Required;
    let model = chat(&mock).template(CompletionRequest::new("not this").temperature(0.5));
    record(&model, request).await;
    let body = mock.asked().remove(0);
    let text = body["messages"].to_string();
    for said in
        ["Be brief.", "What is this?", "https://e.com/a.png", "iVBORw0KGgo", "Let me see.", "And?", "down"]
    {
        assert!(text.contains(said), "{said} in {text}");
    }
    assert!(!text.contains("not this"), "{text}");
    let call = &body["messages"][2]["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["arguments"]), (&json!("c1"), &json!("{\"city\":\"Paris\"}")));
    assert_eq!(body["messages"][3]["tool_call_id"], "c1");
    assert_eq!(body["tools"][0]["function"]["name"], "getWeather");
    assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["city"]));
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(body["temperature"], 0.5);
}

#[tokio::test]
async fn a_history_reaches_anthropic_with_its_signatures() {
    let mock = Mock::start(Answer::events(["event: message_stop\ndata: {\"type\":\"message_stop\"}"])).await;
    record(&anthropic(&mock), request(history())).await;
    let body = mock.asked().remove(0);
    let said = &body["messages"][1]["content"];
    assert_eq!(said[0], json!({"type": "thinking", "thinking": "Hm.", "signature": "SIG"}));
    assert_eq!(said[1], json!({"type": "redacted_thinking", "data": "RD"}));
    assert_eq!((&said[2]["text"], &said[3]["id"]), (&json!("Let me see."), &json!("c1")));
    let result = &body["messages"][2]["content"][0];
    assert_eq!((&result["tool_use_id"], &result["is_error"]), (&json!("c1"), &json!(true)));
    assert_eq!(body["max_tokens"], 50);
}

#[tokio::test]
async fn what_a_model_would_not_be_shown_is_refused_before_it_is_asked() {
    let mock = Mock::start(Answer::events(["data: [DONE]"])).await;
    for (media_type, data) in [
        ("application/zip", json!({"type": "url", "url": "https://e.com/a.zip"})),
        ("application/pdf", json!({"type": "reference", "reference": {"openai": "file-1"}})),
        ("application/pdf", json!({"type": "url", "url": "data:application/pdf,plain"})),
    ] {
        let file = json!({"type": "file", "mediaType": media_type, "data": data});
        let recorded = record(&chat(&mock), request(json!([{"role": "user", "content": [file]}]))).await;
        assert_eq!(recorded.error, Some(StepErrorKind::Unsupported));
    }
    assert!(mock.asked().is_empty());
}
