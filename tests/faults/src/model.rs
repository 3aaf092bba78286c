//! Models without chance: what step 1 says is ordered by the user's message, what the agent says is always the
//! same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use headstart_core::{
    step::{StepEvent, StepModel, StepRequest, StepStream, Tool, ToolSet},
    wire::{ModelMessage, UserPart},
};
use headstart_providers::{Script, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The agent's answer to a message that step 1 did not answer.
pub const ALONE: &str = "The agent answers all of it.";
/// The agent's answer behind the result of its tool.
pub const AFTER_TOOL: &str = " It is 21 degrees.";

/// What step 1 is to say. The user's message is this as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// How many words.
    pub words: usize,
    /// How long each of them is at least.
    pub word_bytes: usize,
    /// The pause before each of them.
    pub pause_ms: u64,
    /// Does a tool call follow?
    pub tool: bool,
}

impl Order {
    /// A short text.
    pub const TEXT: Self = Self { words: 6, word_bytes: 0, pause_ms: 50, tool: false };
    /// A short text and a tool call.
    pub const TOOL: Self = Self { tool: true, ..Self::TEXT };

    /// The same with more text than a connection that nobody reads can hold.
    #[must_use]
    pub const fn long(self) -> Self {
        Self { words: 64, word_bytes: 1024, pause_ms: 4, ..self }
    }

    /// What step 1 says.
    #[must_use]
    pub fn step1(&self) -> String {
        let word = |n| format!("{:.<1$}", format!("w{n}"), self.word_bytes);
        (0..self.words).map(word).collect::<Vec<_>>().join(" ")
    }

    /// What the page shows in the end.
    #[must_use]
    pub fn whole(&self) -> String {
        if self.tool { self.step1() + AFTER_TOOL } else { self.step1() }
    }

    /// Is this a whole answer: of step 1 and what follows, or of the agent alone?
    #[must_use]
    pub fn is_whole(&self, text: &str) -> bool {
        text == ALONE || text == self.whole()
    }

    fn script(&self) -> Script {
        let script = Script::new().pause(Duration::from_millis(self.pause_ms)).text(self.step1());
        if self.tool { script.tool_call("call-1", "getWeather", r#"{"city":"Paris"}"#) } else { script }
    }
}

/// How often a model was called, and how often to the end.
#[derive(Debug, Default)]
pub struct Calls {
    started: AtomicUsize,
    finished: AtomicUsize,
}

impl Calls {
    /// Calls that began.
    #[must_use]
    pub fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    /// Calls that were not cancelled on the way.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }
}

/// The model of step 1.
#[derive(Debug, Clone)]
pub struct StepOne {
    calls: Arc<Calls>,
    falls_silent_after: Option<usize>,
}

impl StepOne {
    /// One that is counted, and says no more after so many events.
    #[must_use]
    pub fn new(calls: Arc<Calls>, falls_silent_after: Option<usize>) -> Self {
        Self { calls, falls_silent_after }
    }
}

impl StepModel for StepOne {
    fn stream(&self, request: StepRequest) -> StepStream {
        self.calls.started.fetch_add(1, Ordering::SeqCst);
        let calls = self.calls.clone();
        let events = Scripted::new(|request| order(request).script()).stream(request);
        let events = events.inspect(move |event| {
            if matches!(event, Ok(StepEvent::Finish { .. })) {
                calls.finished.fetch_add(1, Ordering::SeqCst);
            }
        });
        match self.falls_silent_after {
            None => events.boxed(),
            Some(count) => events.take(count).chain(futures_util::stream::pending()).boxed(),
        }
    }
}

/// The newest user message, read as an order.
fn order(request: &StepRequest) -> Order {
    let newest = request.messages.iter().rev().find_map(|message| match message {
        ModelMessage::User(message) => Some(message.content.iter().filter_map(text_of).collect::<String>()),
        _ => None,
    });
    serde_json::from_str(&newest.unwrap_or_default()).expect("a user message that is an order")
}

fn text_of(part: &UserPart) -> Option<&str> {
    match part {
        UserPart::Text(part) => Some(&part.text),
        _ => None,
    }
}

/// The model of the agent.
#[must_use]
pub fn agent_model(pause: Duration) -> Scripted {
    Scripted::new(move |request| {
        let is_after_tool = matches!(request.messages.last(), Some(ModelMessage::Tool(_)));
        Script::new().pause(pause).text(if is_after_tool { AFTER_TOOL } else { ALONE })
    })
}

/// The one tool.
///
/// # Panics
/// Never.
#[must_use]
pub fn weather() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
        "additionalProperties": false,
    });
    Tool::new("getWeather", "Get the weather", schema)
}

/// The tools of step 1.
///
/// # Panics
/// Never.
#[must_use]
pub fn tools() -> ToolSet {
    ToolSet::new([weather()]).expect("sound tools")
}
