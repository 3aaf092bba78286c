//! Local agents: a model, tools that really run, and a boot that takes its time.

use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use headstart_core::{
    step::{StepModel, Tool, ToolSet, ToolSetError},
    wire::Json,
};

type Execute =
    Arc<dyn Fn(Json) -> Pin<Box<dyn Future<Output = Result<Json, ToolError>> + Send>> + Send + Sync>;
type Pace = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Why a tool failed, in words for the model.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(pub String);

/// An agent as a remote runtime would run it.
#[derive(Clone)]
pub struct Agent {
    pub(crate) id: String,
    pub(crate) model: Arc<dyn StepModel>,
    pub(crate) system: Option<String>,
    pub(crate) boot_delay: Duration,
    pub(crate) tools: Vec<Tool>,
    execute: HashMap<String, Execute>,
    pace: Option<Pace>,
}

impl Agent {
    /// An agent of this id (the `taskIdentifier` of its sessions).
    pub fn new(id: impl Into<String>, model: impl StepModel) -> Self {
        Self {
            id: id.into(),
            model: Arc::new(model),
            system: None,
            boot_delay: Duration::ZERO,
            tools: Vec::new(),
            execute: HashMap::new(),
            pace: None,
        }
    }

    /// How long a run takes to boot.
    #[must_use]
    pub fn boot_delay(mut self, delay: Duration) -> Self {
        self.boot_delay = delay;
        self
    }

    /// Instructions to the model.
    #[must_use]
    pub fn system(mut self, system: impl Into<String>) -> Self {
        self.system = Some(system.into());
        self
    }

    /// A tool, and what it does: JSON of its input in, JSON of its result out. Give the same [`Tool`] to the
    /// handler's step 1.
    ///
    /// ```
    /// use headstart_core::{step::Tool, wire::Json};
    /// use headstart_dev::Agent;
    /// use headstart_providers::{Script, Scripted};
    /// use serde_json::json;
    ///
    /// let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    /// let weather = Tool::new("getWeather", "The weather of a city", schema);
    /// let model = Scripted::new(|_| Script::new().text("It is windy."));
    /// let agent = Agent::new("my-agent", model)
    ///     .tool(weather, |_city| async { Ok(Json::from_value(&json!({"sky": "windy"}))) });
    /// # let _ = agent;
    /// ```
    #[must_use]
    pub fn tool<F, Fut>(mut self, tool: Tool, execute: F) -> Self
    where
        F: Fn(Json) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Json, ToolError>> + Send + 'static,
    {
        let name = tool.name().to_owned();
        self.tools.push(tool);
        self.execute.insert(name, Arc::new(move |input| Box::pin(execute(input))));
        self
    }

    /// What the agent waits for before each record that it writes to `session.out`, the end of a turn included;
    /// `pace` is given the chat. The records are written one by one then, and a test can hold the agent at any.
    #[must_use]
    pub fn pace<F, Fut>(mut self, pace: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.pace = Some(Arc::new(move |chat| Box::pin(pace(chat))));
        self
    }

    /// The most records that it writes at once.
    pub(crate) fn batch(&self) -> usize {
        if self.pace.is_some() { 1 } else { usize::MAX }
    }

    /// Waits until it may write to a chat.
    pub(crate) async fn may_write(&self, chat: &str) {
        if let Some(pace) = &self.pace {
            pace(chat.to_owned()).await;
        }
    }

    pub(crate) fn tool_set(&self) -> Result<ToolSet, ToolSetError> {
        ToolSet::new(self.tools.iter().cloned())
    }

    pub(crate) async fn execute(&self, tool: &str, input: Json) -> Result<Json, ToolError> {
        match self.execute.get(tool) {
            Some(execute) => execute(input).await,
            None => Err(ToolError(format!("the agent has no tool {tool:?}"))),
        }
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("id", &self.id).finish_non_exhaustive()
    }
}
