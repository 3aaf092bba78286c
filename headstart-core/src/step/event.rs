//! What a model says, in the order it says it.

use std::time::Duration;

use crate::wire::{FinishReason, Json, ProviderMetadata};

/// One event of a model's stream, neutral of any provider.
///
/// Blocks (text, reasoning, tool input) open and close by their id; ids are the provider's own. A stream
/// ends with [`Finish`](Self::Finish); one that ends without was cut off.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum StepEvent {
    /// The model has begun to answer; nothing is said yet.
    Start,
    /// A text block begins.
    TextStart { id: String, provider_metadata: Option<ProviderMetadata> },
    /// A piece of a text block.
    TextDelta { id: String, delta: String, provider_metadata: Option<ProviderMetadata> },
    /// A text block ends.
    TextEnd { id: String, provider_metadata: Option<ProviderMetadata> },
    /// A reasoning block begins.
    ReasoningStart { id: String, provider_metadata: Option<ProviderMetadata> },
    /// A piece of a reasoning block; empty when it only carries metadata (a signature).
    ReasoningDelta { id: String, delta: String, provider_metadata: Option<ProviderMetadata> },
    /// A reasoning block ends.
    ReasoningEnd { id: String, provider_metadata: Option<ProviderMetadata> },
    /// The input of a tool call begins to stream.
    ToolInputStart {
        id: String,
        tool_name: String,
        provider_executed: bool,
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A piece of the input's JSON text.
    ToolInputDelta { id: String, delta: String },
    /// A tool call is whole. `input` is JSON text as the model wrote it; empty means `{}`.
    ToolCall {
        id: String,
        tool_name: String,
        input: String,
        provider_executed: bool,
        provider_metadata: Option<ProviderMetadata>,
    },
    /// The provider ran a tool of its own.
    ToolResult {
        id: String,
        tool_name: String,
        result: Json,
        is_error: bool,
        provider_metadata: Option<ProviderMetadata>,
    },
    /// The model made a file; `data` is base64.
    File { media_type: String, data: String, provider_metadata: Option<ProviderMetadata> },
    /// The model made a file while reasoning; `data` is base64.
    ReasoningFile { media_type: String, data: String, provider_metadata: Option<ProviderMetadata> },
    /// The answer cites a source.
    Source { id: String, url: String, title: Option<String>, provider_metadata: Option<ProviderMetadata> },
    /// The step is over.
    Finish {
        reason: FinishReason,
        /// The model paused in the middle of its turn (`pause_turn`) and wants to be called again.
        paused: bool,
        usage: Usage,
    },
}

impl StepEvent {
    /// About how much a step grows by it, in bytes. What opens a block costs something even when empty: a
    /// model may open them without end.
    pub(super) fn size(&self) -> usize {
        const BLOCK: usize = 64;
        let of =
            |metadata: &Option<ProviderMetadata>| metadata.as_ref().map_or(0, |json| json.as_str().len());
        match self {
            Self::Start | Self::Finish { .. } => 0,
            Self::TextStart { id, provider_metadata } | Self::ReasoningStart { id, provider_metadata } => {
                BLOCK + id.len() + of(provider_metadata)
            }
            Self::TextDelta { delta, provider_metadata, .. }
            | Self::ReasoningDelta { delta, provider_metadata, .. } => delta.len() + of(provider_metadata),
            Self::TextEnd { provider_metadata, .. } | Self::ReasoningEnd { provider_metadata, .. } => {
                of(provider_metadata)
            }
            Self::ToolInputStart { id, tool_name, provider_metadata, .. } => {
                BLOCK + id.len() + tool_name.len() + of(provider_metadata)
            }
            Self::ToolInputDelta { delta, .. } => delta.len(),
            Self::ToolCall { id, tool_name, input, provider_metadata, .. } => {
                BLOCK + id.len() + tool_name.len() + input.len() + of(provider_metadata)
            }
            Self::ToolResult { id, result, provider_metadata, .. } => {
                BLOCK + id.len() + result.as_str().len() + of(provider_metadata)
            }
            Self::File { data, provider_metadata, .. }
            | Self::ReasoningFile { data, provider_metadata, .. } => {
                BLOCK + data.len() + of(provider_metadata)
            }
            Self::Source { url, provider_metadata, .. } => BLOCK + url.len() + of(provider_metadata),
        }
    }
}

/// Tokens used by a step; `None` where the provider does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    pub output_tokens: Option<u64>,
    /// Tokens of the prompt that came from the provider's cache.
    pub cached_input_tokens: Option<u64>,
}

/// Why a step failed. `Display` is for logs; a browser only ever sees a fixed text.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct StepError {
    kind: StepErrorKind,
    message: String,
    retry_after: Option<Duration>,
}

/// The kinds of [`StepError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StepErrorKind {
    /// The provider refused the request (4xx); asking again will not help.
    #[error("the model refused the request")]
    Rejected,
    /// The provider cannot now (429, 5xx, overloaded).
    #[error("the model is unavailable")]
    Unavailable,
    /// The connection broke.
    #[error("the connection to the model broke")]
    Transport,
    /// The stream ended before the model was done.
    #[error("the model's stream was cut off")]
    Truncated,
    /// The model said something unreadable.
    #[error("the model's stream is malformed")]
    Malformed,
    /// Nothing came in time.
    #[error("the model did not answer in time")]
    Timeout,
    /// The history or a tool cannot be put to this model.
    #[error("the request does not fit the model")]
    Unsupported,
    /// The application's own code failed.
    #[error("the run failed")]
    Run,
}

impl StepError {
    /// An error; `message` is for logs only and must hold no secret.
    #[must_use]
    pub fn new(kind: StepErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    /// The same with the time after which the provider wants to be asked again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Which kind.
    #[must_use]
    pub fn kind(&self) -> StepErrorKind {
        self.kind
    }

    /// The time after which the provider wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// May the same request succeed later?
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, StepErrorKind::Unavailable | StepErrorKind::Transport | StepErrorKind::Timeout)
    }
}
