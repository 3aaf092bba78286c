//! One run of an agent: it boots, waits for its turns, and answers them, as the remote runtime does.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::StreamExt;
use headstart_core::{
    history::to_model_messages,
    step::{Recorder, StepRequest, ToolSet, check_tool_input},
    wire::{
        AssistantPart, FinishReason, Json, ModelMessage, ToolCallPart, ToolOutput, ToolPart, ToolResultPart,
        ToolResultType, UiChunk, UiMessage,
    },
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::warn;

use crate::{
    Agent, DevEventKind,
    platform::{Session, State, random_id, seconds, stream_name},
    store::{NewRecord, StoreError},
};

/// Model calls of one turn.
const MAX_STEPS: usize = 8;

/// One record of `session.in`.
#[derive(Debug)]
pub(crate) struct RunInput {
    pub(crate) seq: u64,
    pub(crate) text: String,
}

/// What a record of `session.in` says. Kinds from the future are dropped.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Input {
    Handover {
        partial_assistant_message: Value,
        #[serde(default)]
        message_id: Option<String>,
        #[serde(default)]
        is_final: bool,
    },
    HandoverSkip,
    Message {
        payload: Value,
    },
    Stop,
    #[serde(other)]
    Unknown,
}

pub(crate) struct AgentRun {
    state: Arc<State>,
    agent: Agent,
    key: String,
    memory: Arc<tokio::sync::Mutex<Vec<ModelMessage>>>,
    payload: Value,
    inputs: UnboundedReceiver<RunInput>,
    last_seq: Option<u64>,
    last_boundary: Option<u64>,
}

enum Next {
    Go,
    Exit,
}

impl AgentRun {
    pub(crate) fn new(
        state: Arc<State>,
        agent: Agent,
        session: &Session,
        payload: Value,
        inputs: UnboundedReceiver<RunInput>,
    ) -> Self {
        let (key, memory) = (session.key.clone(), session.memory.clone());
        Self { state, agent, key, memory, payload, inputs, last_seq: None, last_boundary: None }
    }

    pub(crate) async fn run(mut self) {
        tokio::time::sleep(self.agent.boot_delay).await;
        self.tell(DevEventKind::RunBooted, "");
        let idle = seconds(&self.payload["idleTimeoutInSeconds"]).max(Duration::from_secs(1));
        // While it waits for a handover a remote run suspends, and does not give up.
        let mut is_waiting_for_handover = self.payload["trigger"] == "handover-prepare";
        let mut held = VecDeque::new();
        loop {
            let input = match is_waiting_for_handover {
                true => self.inputs.recv().await,
                false if !held.is_empty() => held.pop_front(),
                false => tokio::time::timeout(idle, self.inputs.recv()).await.ok().flatten(),
            };
            let Some(RunInput { seq, text }) = input else { break };
            self.last_seq = self.last_seq.max(Some(seq));
            let Ok(input) = serde_json::from_str::<Input>(&text) else { continue };
            let next = match input {
                Input::Handover { partial_assistant_message, message_id, is_final }
                    if is_waiting_for_handover =>
                {
                    is_waiting_for_handover = false;
                    self.handover(partial_assistant_message, message_id, is_final).await
                }
                // Not before the handover.
                Input::Message { .. } if is_waiting_for_handover => {
                    held.push_back(RunInput { seq, text });
                    Ok(Next::Go)
                }
                Input::Message { payload } => self.message(&payload).await,
                Input::HandoverSkip => Ok(Next::Exit),
                _ => Ok(Next::Go),
            };
            match next {
                Ok(Next::Go) => {}
                Ok(Next::Exit) => break,
                Err(error) => {
                    warn!(chat = self.key, %error, "the run ends");
                    break;
                }
            }
        }
        self.tell(DevEventKind::RunEnded, "");
    }

    fn tell(&self, kind: DevEventKind, detail: impl Into<String>) {
        self.state.events.tell(&self.key, kind, detail);
    }

    // ── turns ───────────────────────────────────────────────────────────────────────────────────────

    async fn handover(
        &mut self,
        partial: Value,
        id: Option<String>,
        is_final: bool,
    ) -> Result<Next, StoreError> {
        self.tell(DevEventKind::HandoverReceived, if is_final { "final" } else { "" });
        let history: Vec<UiMessage> =
            serde_json::from_value(self.payload["headStartMessages"].clone()).unwrap_or_default();
        let history =
            to_model_messages(&history).map(|conversation| conversation.messages).unwrap_or_default();
        let partial: Vec<ModelMessage> = serde_json::from_value(partial).unwrap_or_default();
        let says_nothing = partial.iter().all(|message| match message {
            ModelMessage::Assistant(message) => message.content.is_empty(),
            ModelMessage::Tool(message) => message.content.is_empty(),
            _ => false,
        });
        self.memory.lock().await.extend(history);
        if is_final {
            self.memory.lock().await.extend(without_approvals(partial).0);
            return self.complete().await;
        }
        let (partial, approved) = without_approvals(partial);
        let calls = approved_calls(&partial, &approved);
        if !says_nothing {
            self.memory.lock().await.extend(partial);
        }
        let message_id = id.filter(|_| !says_nothing).unwrap_or_else(|| random_id("", 16));
        self.turn(message_id, calls).await
    }

    async fn message(&mut self, payload: &Value) -> Result<Next, StoreError> {
        self.tell(DevEventKind::MessageReceived, "");
        if let Ok(message) = serde_json::from_value::<UiMessage>(payload["message"].clone()) {
            let said =
                to_model_messages(&[message]).map(|conversation| conversation.messages).unwrap_or_default();
            self.memory.lock().await.extend(said);
        }
        self.turn(random_id("", 16), Vec::new()).await
    }

    /// Answers, unless somebody presses stop.
    async fn turn(&mut self, message_id: String, calls: Vec<ToolCallPart>) -> Result<Next, StoreError> {
        let answer = Answer {
            state: self.state.clone(),
            agent: self.agent.clone(),
            key: self.key.clone(),
            memory: self.memory.clone(),
            message_id,
        };
        let mut waiting = Vec::new();
        let answer = answer.give(calls);
        tokio::pin!(answer);
        let answered = loop {
            tokio::select! {
                answered = &mut answer => break answered,
                input = self.inputs.recv() => match input {
                    Some(input) if matches!(serde_json::from_str(&input.text), Ok(Input::Stop)) => {
                        self.last_seq = Some(input.seq);
                        break Ok(());
                    }
                    Some(input) => waiting.push(input),
                    None => break Ok(()),
                },
            }
        };
        answered?;
        self.complete().await?;
        for input in waiting {
            self.last_seq = Some(input.seq);
            if let Ok(Input::Message { payload }) = serde_json::from_str(&input.text) {
                Box::pin(self.message(&payload)).await?;
            }
        }
        Ok(Next::Go)
    }

    /// Writes the boundary of the turn, and trims what came before the last one.
    async fn complete(&mut self) -> Result<Next, StoreError> {
        let mut headers = vec![
            ("trigger-control".to_owned(), "turn-complete".to_owned()),
            ("public-access-token".to_owned(), self.state.mint_token(&self.key)),
        ];
        if let Some(seq) = self.last_seq {
            headers.push(("session-in-event-id".to_owned(), seq.to_string()));
            headers.push(("session-in-consumed-id".to_owned(), seq.to_string()));
        }
        let stream = stream_name(&self.key, "out");
        self.agent.may_write(&self.key).await;
        let seq = self.state.store.append(&stream, &[NewRecord { body: String::new(), headers }]).await?;
        self.tell(DevEventKind::TurnComplete, "");
        if let Some(previous) = self.last_boundary.replace(seq) {
            self.state.store.trim(&stream, previous).await?;
        }
        Ok(Next::Go)
    }
}

/// A partial as a model is shown it, and the ids of the calls that are approved.
fn without_approvals(partial: Vec<ModelMessage>) -> (Vec<ModelMessage>, Vec<String>) {
    let mut granted = Vec::new();
    let mut asked = Vec::new();
    let mut messages = Vec::new();
    for mut message in partial {
        match &mut message {
            ModelMessage::Assistant(assistant) => assistant.content.retain(|part| match part {
                AssistantPart::ApprovalRequest(request) => {
                    asked.push((request.approval_id.clone(), request.tool_call_id.clone()));
                    false
                }
                _ => true,
            }),
            ModelMessage::Tool(tool) => tool.content.retain(|part| match part {
                ToolPart::ApprovalResponse(response) => {
                    granted.extend(response.approved.then(|| response.approval_id.clone()));
                    false
                }
                _ => true,
            }),
            _ => {}
        }
        let is_empty = match &message {
            ModelMessage::Assistant(assistant) => assistant.content.is_empty(),
            ModelMessage::Tool(tool) => tool.content.is_empty(),
            _ => false,
        };
        if !is_empty {
            messages.push(message);
        }
    }
    let calls = asked.into_iter().filter(|(id, _)| granted.contains(id)).map(|(_, call)| call).collect();
    (messages, calls)
}

fn approved_calls(partial: &[ModelMessage], approved: &[String]) -> Vec<ToolCallPart> {
    let parts = partial.iter().flat_map(|message| match message {
        ModelMessage::Assistant(assistant) => assistant.content.as_slice(),
        _ => &[],
    });
    parts
        .filter_map(|part| match part {
            AssistantPart::ToolCall(call) if approved.contains(&call.tool_call_id) => Some(call.clone()),
            _ => None,
        })
        .collect()
}

/// The agent's answer in one turn.
struct Answer {
    state: Arc<State>,
    agent: Agent,
    key: String,
    memory: Arc<tokio::sync::Mutex<Vec<ModelMessage>>>,
    message_id: String,
}

impl Answer {
    async fn give(self, calls: Vec<ToolCallPart>) -> Result<(), StoreError> {
        let tools = self.agent.tool_set().unwrap_or_default();
        self.write(&[UiChunk::Start { message_id: self.message_id.clone() }]).await?;
        self.run_tools(&tools, &calls).await?;
        for step in 0..MAX_STEPS {
            let (calls, reason) = self.step(&tools).await?;
            if calls.is_empty() || step + 1 == MAX_STEPS {
                return self.write(&[UiChunk::Finish { finish_reason: reason }]).await;
            }
            self.run_tools(&tools, &calls).await?;
        }
        Ok(())
    }

    /// One model call; gives the calls it wants run.
    async fn step(&self, tools: &ToolSet) -> Result<(Vec<ToolCallPart>, FinishReason), StoreError> {
        let mut request = StepRequest::new(self.memory.lock().await.clone());
        request.system.clone_from(&self.agent.system);
        request.tools = tools.clone();
        let mut events = self.agent.model.stream(request);
        let mut recorder = Recorder::new(self.message_id.clone());
        recorder.set_tools(tools.clone());
        let mut has_begun = false;
        let mut failure = None;
        while let Some(event) = events.next().await {
            let mut chunks = Vec::new();
            if let Err(error) = event.and_then(|event| recorder.event(event, &mut chunks)) {
                failure = Some(error);
            }
            if !chunks.is_empty() && !std::mem::replace(&mut has_begun, true) {
                self.state.events.tell(&self.key, DevEventKind::AgentStep, "");
            }
            self.write(&chunks).await?;
            if failure.is_some() {
                break;
            }
        }
        let reason = recorder.finish().map_or(FinishReason::Error, |(reason, _)| reason);
        let mut chunks = Vec::new();
        recorder.close(reason, &mut chunks);
        // One `finish` for the whole message, behind its last step.
        chunks.retain(|chunk| !matches!(chunk, UiChunk::Finish { .. }));
        if let Some(error) = failure {
            warn!(chat = self.key, %error, "the agent's model failed");
            chunks.push(UiChunk::Error { error_text: "An error occurred.".to_owned() });
        }
        self.write(&chunks).await?;
        let said = recorder.messages();
        let pending: Vec<String> =
            recorder.pending_calls().iter().map(|call| call.tool_call_id.clone()).collect();
        let calls = approved_calls(&said, &pending);
        self.memory.lock().await.extend(said);
        Ok((calls, reason))
    }

    async fn run_tools(&self, tools: &ToolSet, calls: &[ToolCallPart]) -> Result<(), StoreError> {
        let mut results = Vec::new();
        for call in calls {
            self.state.events.tell(&self.key, DevEventKind::ToolStarted, call.tool_name.clone());
            let (output, chunk) = match self.run_tool(tools, call).await {
                Ok(value) => {
                    let chunk = UiChunk::ToolOutputAvailable {
                        tool_call_id: call.tool_call_id.clone(),
                        output: value.clone(),
                        provider_executed: None,
                        provider_metadata: None,
                        dynamic: None,
                    };
                    (ToolOutput::Json { value }, chunk)
                }
                Err(error_text) => {
                    let chunk = UiChunk::ToolOutputError {
                        tool_call_id: call.tool_call_id.clone(),
                        error_text: error_text.clone(),
                        provider_executed: None,
                        provider_metadata: None,
                        dynamic: None,
                    };
                    (ToolOutput::ErrorText { value: error_text }, chunk)
                }
            };
            self.state.events.tell(&self.key, DevEventKind::ToolEnded, call.tool_name.clone());
            self.write(&[chunk]).await?;
            results.push(ToolPart::Result(ToolResultPart {
                r#type: ToolResultType::Value,
                tool_call_id: call.tool_call_id.clone(),
                tool_name: call.tool_name.clone(),
                output,
                provider_options: None,
            }));
        }
        if !results.is_empty() {
            self.memory.lock().await.push(ModelMessage::tool(results));
        }
        Ok(())
    }

    /// Runs a call whose input is exactly what the agent's own schema makes of it.
    async fn run_tool(&self, tools: &ToolSet, call: &ToolCallPart) -> Result<Json, String> {
        let tool =
            tools.get(&call.tool_name).ok_or_else(|| format!("there is no tool {:?}", call.tool_name))?;
        let checked = check_tool_input(tool, call.input.as_str()).map_err(|(_, why)| why)?;
        if checked.to_value() != call.input.to_value() {
            return Err("Approved tool input does not match the validated schema output.".to_owned());
        }
        self.agent.execute(&call.tool_name, checked).await.map_err(|error| error.to_string())
    }

    async fn write(&self, chunks: &[UiChunk]) -> Result<(), StoreError> {
        let record = |chunk: &UiChunk| NewRecord {
            body: format!(r#"{{"data":{},"id":"{}"}}"#, chunk.to_json(), random_id("", 7)),
            headers: Vec::new(),
        };
        let records: Vec<NewRecord> = chunks.iter().map(record).collect();
        let stream = stream_name(&self.key, "out");
        for batch in records.chunks(self.agent.batch()) {
            self.agent.may_write(&self.key).await;
            self.state.store.append(&stream, batch).await?;
        }
        Ok(())
    }
}
