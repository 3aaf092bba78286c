//! A model that says what it is told: demos without a network, tests without chance.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use headstart_core::{
    step::{StepEvent, StepModel, StepRequest, StepStream, Usage},
    wire::FinishReason,
};
use tokio::time::sleep;

/// A model that answers with scripts. Cheap to clone.
///
/// ```
/// use headstart_providers::{Script, Scripted};
/// use std::time::Duration;
///
/// let parrot = Scripted::new(|_request| {
///     Script::new().first_byte(Duration::from_millis(200)).text("Hello from a script.")
/// });
/// # let _ = parrot;
/// ```
#[derive(Clone)]
pub struct Scripted(Arc<dyn Fn(&StepRequest) -> Script + Send + Sync>);

impl Scripted {
    /// Chooses a script for each request.
    pub fn new(choose: impl Fn(&StepRequest) -> Script + Send + Sync + 'static) -> Self {
        Self(Arc::new(choose))
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl StepModel for Scripted {
    fn stream(&self, request: StepRequest) -> StepStream {
        let script = (self.0)(&request);
        let Script { first_byte, pause, lines } = script;
        let begun = stream::once(async move {
            sleep(first_byte).await;
            StepEvent::Start
        });
        let events = stream::iter(events(lines)).then(move |event| async move {
            if matches!(
                event,
                StepEvent::TextDelta { .. }
                    | StepEvent::ReasoningDelta { .. }
                    | StepEvent::ToolInputDelta { .. }
            ) {
                sleep(pause).await;
            }
            event
        });
        Box::pin(begun.chain(events).map(Ok))
    }
}

/// What the model says, and how fast.
#[derive(Debug, Clone, Default)]
pub struct Script {
    first_byte: Duration,
    pause: Duration,
    lines: Vec<Line>,
}

/// One thing that a [`Script`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// A text block, word by word.
    Text(String),
    /// A reasoning block, word by word.
    Reasoning(String),
    /// A call of a tool.
    ToolCall {
        /// Its id; unique in the conversation.
        id: String,
        /// The tool.
        name: String,
        /// JSON text.
        input: String,
    },
}

impl Script {
    /// Says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the model takes to begin.
    #[must_use]
    pub fn first_byte(mut self, wait: Duration) -> Self {
        self.first_byte = wait;
        self
    }

    /// The pause before each word.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Then a text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.lines.push(Line::Text(text.into()));
        self
    }

    /// Then reasoning.
    #[must_use]
    pub fn reasoning(mut self, text: impl Into<String>) -> Self {
        self.lines.push(Line::Reasoning(text.into()));
        self
    }

    /// Then a call of a tool, with its input as JSON text and an id that is unique in the conversation. A script
    /// with calls ends as one that wants them run.
    #[must_use]
    pub fn tool_call(
        mut self,
        id: impl Into<String>,
        name: impl Into<String>,
        input: impl Into<String>,
    ) -> Self {
        self.lines.push(Line::ToolCall { id: id.into(), name: name.into(), input: input.into() });
        self
    }
}

fn events(lines: Vec<Line>) -> Vec<StepEvent> {
    let mut events = Vec::new();
    let mut reason = FinishReason::Stop;
    for (at, line) in lines.into_iter().enumerate() {
        let (id, provider_metadata) = (at.to_string(), None);
        match line {
            Line::Text(text) => {
                events.push(StepEvent::TextStart { id: id.clone(), provider_metadata: None });
                events.extend(text.split_inclusive(' ').map(|word| StepEvent::TextDelta {
                    id: id.clone(),
                    delta: word.to_owned(),
                    provider_metadata: None,
                }));
                events.push(StepEvent::TextEnd { id, provider_metadata });
            }
            Line::Reasoning(text) => {
                events.push(StepEvent::ReasoningStart { id: id.clone(), provider_metadata: None });
                events.extend(text.split_inclusive(' ').map(|word| StepEvent::ReasoningDelta {
                    id: id.clone(),
                    delta: word.to_owned(),
                    provider_metadata: None,
                }));
                events.push(StepEvent::ReasoningEnd { id, provider_metadata });
            }
            Line::ToolCall { id, name, input } => {
                reason = FinishReason::ToolCalls;
                events.push(StepEvent::ToolInputStart {
                    id: id.clone(),
                    tool_name: name.clone(),
                    provider_executed: false,
                    provider_metadata: None,
                });
                events.push(StepEvent::ToolInputDelta { id: id.clone(), delta: input.clone() });
                events.push(StepEvent::ToolCall {
                    id,
                    tool_name: name,
                    input,
                    provider_executed: false,
                    provider_metadata,
                });
            }
        }
    }
    events.push(StepEvent::Finish { reason, paused: false, usage: Usage::default() });
    events
}
