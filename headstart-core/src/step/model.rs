//! The face of a model, and what a step is asked.

use std::{fmt, pin::Pin, sync::Arc};

use futures_core::Stream;
use futures_util::StreamExt;

use super::{StepError, StepErrorKind, StepEvent, ToolSet};
use crate::wire::{Json, ModelMessage};

/// A model's answer as it comes. The first item may be the error that the call was refused; an error ends
/// the stream. Dropping it cancels the call.
pub type StepStream = Pin<Box<dyn Stream<Item = Result<StepEvent, StepError>> + Send>>;

/// A model that can take one step.
///
/// ```
/// use headstart_core::step::{StepEvent, StepModel, StepRequest, StepStream, Usage};
/// use headstart_core::wire::FinishReason;
///
/// struct Parrot;
///
/// impl StepModel for Parrot {
///     fn stream(&self, _request: StepRequest) -> StepStream {
///         let id = "0".to_owned();
///         Box::pin(futures_util::stream::iter([
///             Ok(StepEvent::TextStart { id: id.clone(), provider_metadata: None }),
///             Ok(StepEvent::TextDelta { id: id.clone(), delta: "Hello!".into(), provider_metadata: None }),
///             Ok(StepEvent::TextEnd { id, provider_metadata: None }),
///             Ok(StepEvent::Finish { reason: FinishReason::Stop, paused: false, usage: Usage::default() }),
///         ]))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    note = "the client of a provider is not one yet: ask it for a model, as in `anthropic.model(\"claude-sonnet-4-5\")`"
)]
pub trait StepModel: Send + Sync + 'static {
    /// Calls the model once. The call begins when the stream is first polled.
    fn stream(&self, request: StepRequest) -> StepStream;
}

impl<M: StepModel + ?Sized> StepModel for Arc<M> {
    fn stream(&self, request: StepRequest) -> StepStream {
        (**self).stream(request)
    }
}

/// What a model is asked.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StepRequest {
    /// Instructions.
    pub system: Option<String>,
    /// The conversation.
    pub messages: Vec<ModelMessage>,
    /// The tools it may call.
    pub tools: ToolSet,
    /// Whether it must.
    pub tool_choice: ToolChoice,
    /// The longest answer, in tokens.
    pub max_output_tokens: Option<u32>,
    /// Randomness, 0 to 1 (2 for some providers).
    pub temperature: Option<f64>,
    /// Options for providers, `{"<provider>": {…}}`.
    pub provider_options: Option<Json>,
}

impl StepRequest {
    /// Asks about a conversation.
    #[must_use]
    pub fn new(messages: Vec<ModelMessage>) -> Self {
        Self { messages, ..Self::default() }
    }
}

/// Must the model call a tool?
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// Some tool.
    Required,
    /// None.
    None,
    /// This one.
    Tool(String),
}

/// A step that is under way: the model's stream, and the tools it was given.
#[non_exhaustive]
pub struct StepRun {
    /// The model's answer.
    pub stream: StepStream,
    /// The tools it may call; a call of any other is answered with an error.
    pub tools: ToolSet,
}

impl StepRun {
    /// A run of any stream of events, without tools.
    pub fn new<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<StepEvent, E>> + Send + 'static,
        E: fmt::Display,
    {
        let stream =
            stream.map(|event| event.map_err(|error| StepError::new(StepErrorKind::Run, error.to_string())));
        Self { stream: Box::pin(stream), tools: ToolSet::default() }
    }

    /// The same with the tools that the model was given.
    #[must_use]
    pub fn tools(mut self, tools: ToolSet) -> Self {
        self.tools = tools;
        self
    }
}

impl fmt::Debug for StepRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepRun").field("tools", &self.tools).finish_non_exhaustive()
    }
}

/// What the callback of [`run`](crate::HeadStartBuilder::run) may give: a [`StepRun`], or any stream of
/// events.
pub trait IntoStepRun {
    /// As a [`StepRun`].
    fn into_step_run(self) -> StepRun;
}

impl IntoStepRun for StepRun {
    fn into_step_run(self) -> StepRun {
        self
    }
}

impl<S, E> IntoStepRun for S
where
    S: Stream<Item = Result<StepEvent, E>> + Send + 'static,
    E: fmt::Display,
{
    fn into_step_run(self) -> StepRun {
        StepRun::new(self)
    }
}
