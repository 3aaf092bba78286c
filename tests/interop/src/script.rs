//! A model that says what the page's metadata tell it to.

use futures_util::stream;
use headstart_core::{
    FirstTurn,
    step::{StepError, StepErrorKind, StepEvent, StepModel, StepRequest, StepStream, Usage},
    wire::{FinishReason, Json, ProviderMetadata},
};
use serde::Deserialize;

/// What the model says in step 1.
#[derive(Debug, Clone)]
pub(crate) struct Script(Vec<Line>);

/// One thing that it says, as `{"text": {"text": "Hello"}}`: a tag inside would not let raw JSON through.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Line {
    Text {
        text: String,
        metadata: Option<ProviderMetadata>,
    },
    Reasoning {
        text: String,
        metadata: Option<ProviderMetadata>,
    },
    File {
        media_type: String,
        data: String,
        metadata: Option<ProviderMetadata>,
    },
    Source {
        id: String,
        url: String,
        title: Option<String>,
    },
    Call {
        id: String,
        tool: String,
        /// JSON text, as a model writes it.
        input: String,
        #[serde(default)]
        provider_executed: bool,
        metadata: Option<ProviderMetadata>,
    },
    Result {
        id: String,
        tool: String,
        result: Json,
        #[serde(default)]
        is_error: bool,
    },
    Finish {
        reason: FinishReason,
    },
}

/// The script in the `step` of a turn's metadata.
pub(crate) fn of(turn: &FirstTurn) -> Result<Script, StepError> {
    #[derive(Deserialize)]
    struct Metadata {
        step: Vec<Line>,
    }
    let text = turn.metadata().map_or("{}", Json::as_str);
    let metadata: Metadata = serde_json::from_str(text)
        .map_err(|error| StepError::new(StepErrorKind::Run, format!("no script: {error}")))?;
    Ok(Script(metadata.step))
}

impl StepModel for Script {
    fn stream(&self, _request: StepRequest) -> StepStream {
        let mut events = vec![StepEvent::Start];
        let mut reason = FinishReason::Stop;
        for (at, line) in self.0.iter().cloned().enumerate() {
            match line {
                Line::Finish { reason: said } => reason = said,
                line => {
                    if let Line::Call { provider_executed: false, .. } = line {
                        reason = FinishReason::ToolCalls;
                    }
                    events.extend(line.events(at.to_string()));
                }
            }
        }
        events.push(StepEvent::Finish { reason, paused: false, usage: Usage::default() });
        Box::pin(stream::iter(events.into_iter().map(Ok)))
    }
}

impl Line {
    fn events(self, block: String) -> Vec<StepEvent> {
        let provider_metadata = None;
        match self {
            Self::Text { text, metadata } => vec![
                StepEvent::TextStart { id: block.clone(), provider_metadata },
                StepEvent::TextDelta { id: block.clone(), delta: text, provider_metadata: None },
                StepEvent::TextEnd { id: block, provider_metadata: metadata },
            ],
            Self::Reasoning { text, metadata } => vec![
                StepEvent::ReasoningStart { id: block.clone(), provider_metadata },
                StepEvent::ReasoningDelta { id: block.clone(), delta: text, provider_metadata: None },
                // A signature comes in a delta of its own.
                StepEvent::ReasoningDelta {
                    id: block.clone(),
                    delta: String::new(),
                    provider_metadata: metadata,
                },
                StepEvent::ReasoningEnd { id: block, provider_metadata: None },
            ],
            Self::File { media_type, data, metadata } => {
                vec![StepEvent::File { media_type, data, provider_metadata: metadata }]
            }
            Self::Source { id, url, title } => vec![StepEvent::Source { id, url, title, provider_metadata }],
            Self::Call { id, tool, input, provider_executed, metadata } => vec![
                StepEvent::ToolInputStart {
                    id: id.clone(),
                    tool_name: tool.clone(),
                    provider_executed,
                    provider_metadata,
                },
                StepEvent::ToolInputDelta { id: id.clone(), delta: input.clone() },
                StepEvent::ToolCall {
                    id,
                    tool_name: tool,
                    input,
                    provider_executed,
                    provider_metadata: metadata,
                },
            ],
            Self::Result { id, tool, result, is_error } => {
                vec![StepEvent::ToolResult { id, tool_name: tool, result, is_error, provider_metadata }]
            }
            Self::Finish { .. } => Vec::new(),
        }
    }
}
