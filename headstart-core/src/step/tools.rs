//! The tools a model may call in step 1. They have a schema and no code: the agent runs them.

use std::{fmt, sync::Arc};

use crate::wire::Json;

/// One tool: a name, a description, and the JSON Schema of its input.
///
/// ```
/// use headstart_core::step::{Tool, ToolSet};
/// use serde_json::json;
///
/// let tools = ToolSet::new([Tool::new(
///     "getWeather",
///     "Get the current weather for a city",
///     json!({
///         "type": "object",
///         "properties": { "city": { "type": "string" } },
///         "required": ["city"],
///         "additionalProperties": false,
///     }),
/// )])?;
/// assert!(tools.get("getWeather").is_some());
/// # Ok::<(), headstart_core::step::ToolSetError>(())
/// ```
#[derive(Clone)]
pub struct Tool {
    name: String,
    description: String,
    schema: Json,
    title: Option<String>,
    needs_approval: bool,
    client_side: bool,
    dynamic: bool,
    provider_options: Option<Json>,
    validator: Option<Arc<jsonschema::Validator>>,
    branches: Option<Arc<jsonschema::ValidatorMap>>,
}

impl Tool {
    /// A tool whose input is read into a `T`: its schema is made of the type. Needs the feature `schemars`.
    ///
    /// The schema is draft-07 without references (but of a type that holds itself), and objects are closed
    /// (`additionalProperties: false`), as the agent's own schemas are. Comments on fields become descriptions;
    /// `#[serde(default)]` becomes a default, unless it is `null`.
    ///
    /// ```
    /// use headstart_core::step::{Tool, ToolSet};
    /// use schemars::JsonSchema;
    ///
    /// #[derive(JsonSchema)]
    /// struct GetWeather {
    ///     /// City, in English.
    ///     city: String,
    /// }
    ///
    /// let tool = Tool::of::<GetWeather>("getWeather", "Get the current weather for a city");
    /// assert_eq!(
    ///     tool.schema().to_value(),
    ///     serde_json::json!({
    ///         "type": "object",
    ///         "properties": { "city": { "type": "string", "description": "City, in English." } },
    ///         "required": ["city"],
    ///         "additionalProperties": false,
    ///     })
    /// );
    /// let tools = ToolSet::new([tool.needs_approval()])?;
    /// # assert!(tools.get("getWeather").is_some_and(Tool::is_approval_needed));
    /// # Ok::<(), headstart_core::step::ToolSetError>(())
    /// ```
    #[cfg(feature = "schemars")]
    #[must_use]
    pub fn of<T: schemars::JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::with_raw_schema(name, description, super::tool_schema::schema_of::<T>())
    }

    /// A tool that the agent runs. `schema` is JSON Schema (draft-07) of an object; unknown keys in an input
    /// are dropped where it says `additionalProperties: false`, as the agent's own schemas do.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>, schema: serde_json::Value) -> Self {
        Self::with_raw_schema(name, description, Json::from_value(&schema))
    }

    /// The same for a schema whose key order counts (a prompt cache compares bytes).
    #[must_use]
    pub fn with_raw_schema(name: impl Into<String>, description: impl Into<String>, schema: Json) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            schema,
            title: None,
            needs_approval: false,
            client_side: false,
            dynamic: false,
            provider_options: None,
            validator: None,
            branches: None,
        }
    }

    /// What to show a human instead of the name.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// A human has to allow each call; it is never handed over as approved.
    #[must_use]
    pub fn needs_approval(mut self) -> Self {
        self.needs_approval = true;
        self
    }

    /// The page answers the call (asks the user, reads the clipboard, …), not the agent.
    #[must_use]
    pub fn client_side(mut self) -> Self {
        self.client_side = true;
        self
    }

    /// The tool is not known at compile time (it comes from an MCP server, say); the browser shows its parts
    /// as `dynamic-tool`.
    #[must_use]
    pub fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    /// Options for providers, `{"<provider>": {…}}`.
    #[must_use]
    pub fn provider_options(mut self, options: Json) -> Self {
        self.provider_options = Some(options);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in words for the model.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The JSON Schema of its input.
    #[must_use]
    pub fn schema(&self) -> &Json {
        &self.schema
    }

    /// See [`title`](Self::title).
    #[must_use]
    pub fn shown_title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// See [`provider_options`](Self::provider_options).
    #[must_use]
    pub fn options(&self) -> Option<&Json> {
        self.provider_options.as_ref()
    }

    /// See [`needs_approval`](Self::needs_approval).
    #[must_use]
    pub fn is_approval_needed(&self) -> bool {
        self.needs_approval
    }

    /// See [`client_side`](Self::client_side).
    #[must_use]
    pub fn is_client_side(&self) -> bool {
        self.client_side
    }

    /// See [`dynamic`](Self::dynamic).
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    pub(crate) fn validator(&self) -> Option<&jsonschema::Validator> {
        self.validator.as_deref()
    }

    /// See [`branches_of`](super::tool_input::branches_of).
    pub(crate) fn branches(&self) -> Option<&jsonschema::ValidatorMap> {
        self.branches.as_deref()
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// The tools of a step, in a fixed order: providers cache prompts by their bytes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ToolSet(Arc<[Tool]>);

/// Why tools are no [`ToolSet`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolSetError {
    /// Two tools have one name.
    #[error("two tools are called {0:?}")]
    Duplicate(String),
    /// A schema is no JSON Schema, or not one of an object.
    #[error("the schema of tool {name:?} is not valid: {reason}")]
    Schema {
        /// The tool.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ToolSet {
    /// Tools in this order.
    ///
    /// # Errors
    /// When two have one name, or a schema is not valid JSON Schema of an object.
    pub fn new(tools: impl IntoIterator<Item = Tool>) -> Result<Self, ToolSetError> {
        let mut set: Vec<Tool> = Vec::new();
        for mut tool in tools {
            if set.iter().any(|other| other.name == tool.name) {
                return Err(ToolSetError::Duplicate(tool.name));
            }
            let schema = tool.schema.to_value();
            let fault = |reason: String| ToolSetError::Schema { name: tool.name.clone(), reason };
            if schema.get("type").is_some_and(|kind| kind != "object") {
                return Err(fault("the input of a tool is an object".to_owned()));
            }
            let validator = jsonschema::draft7::new(&schema).map_err(|error| fault(error.to_string()))?;
            tool.validator = Some(Arc::new(validator));
            tool.branches = super::tool_input::branches_of(&schema).map(Arc::new);
            set.push(tool);
        }
        Ok(Self(set.into()))
    }

    /// The tool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.0.iter().find(|tool| tool.name == name)
    }

    /// All tools, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Tool> {
        self.0.iter()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_is_given_once_and_a_schema_must_be_one() {
        let tool = || Tool::new("a", "", json!({"type": "object"}));
        assert!(matches!(ToolSet::new([tool(), tool()]), Err(ToolSetError::Duplicate(_))));
        let odd = Tool::new("b", "", json!({"type": "no such type"}));
        assert!(matches!(ToolSet::new([odd]), Err(ToolSetError::Schema { .. })));
    }
}
