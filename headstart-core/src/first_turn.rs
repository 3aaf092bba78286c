//! What the application's `run` gets, and the call it makes with it.

use std::{fmt, future::IntoFuture, sync::Arc};

use http::{Extensions, HeaderMap, request::Parts};
use tokio_util::sync::CancellationToken;

use crate::{
    step::{StepError, StepModel, StepRequest, StepRun, ToolChoice, ToolSet},
    wire::{ChatId, Json, ModelMessage, UiMessage},
};

/// The first turn of a chat, for the callback that answers it.
#[derive(Debug, Clone)]
pub struct FirstTurn {
    pub(crate) chat_id: ChatId,
    pub(crate) head: Arc<Parts>,
    pub(crate) ui_messages: Arc<[UiMessage]>,
    pub(crate) messages: Vec<ModelMessage>,
    pub(crate) metadata: Option<Json>,
    pub(crate) cancellation: CancellationToken,
}

impl FirstTurn {
    /// The chat.
    #[must_use]
    pub fn chat_id(&self) -> &ChatId {
        &self.chat_id
    }

    /// The conversation, as far as it is trusted, as models take it.
    #[must_use]
    pub fn messages(&self) -> &[ModelMessage] {
        &self.messages
    }

    /// The same as the browser keeps it.
    #[must_use]
    pub fn ui_messages(&self) -> &[UiMessage] {
        &self.ui_messages
    }

    /// The server's metadata if `authorize` gave any, else the browser's.
    #[must_use]
    pub fn metadata(&self) -> Option<&Json> {
        self.metadata.as_ref()
    }

    /// The request's headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// What layers in front of the handler have put into the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// Fires when the step is not wanted any more: the user pressed stop, or a deadline passed.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Calls a model with this conversation, once. What else is set are options; messages, the number of
    /// steps and cancellation belong to the protocol.
    pub fn stream_text<'m, M: StepModel + ?Sized>(&self, model: &'m M) -> StreamText<'m, M> {
        StreamText { model, request: StepRequest::new(self.messages.clone()) }
    }
}

/// A call of a model in the making; `.await` gives what `run` returns.
#[must_use = "nothing is called before it is awaited"]
pub struct StreamText<'m, M: ?Sized> {
    model: &'m M,
    request: StepRequest,
}

impl<M: StepModel + ?Sized> StreamText<'_, M> {
    /// Instructions to the model.
    pub fn system(mut self, system: impl Into<String>) -> Self {
        self.request.system = Some(system.into());
        self
    }

    /// The tools it may call; the agent runs them.
    pub fn tools(mut self, tools: ToolSet) -> Self {
        self.request.tools = tools;
        self
    }

    /// Whether it must call one.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.request.tool_choice = choice;
        self
    }

    /// The longest answer, in tokens.
    pub fn max_output_tokens(mut self, tokens: u32) -> Self {
        self.request.max_output_tokens = Some(tokens);
        self
    }

    /// Randomness, 0 to 1 (2 for some providers).
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.request.temperature = Some(temperature);
        self
    }

    /// Options for providers, `{"<provider>": {…}}`.
    pub fn provider_options(mut self, options: Json) -> Self {
        self.request.provider_options = Some(options);
        self
    }
}

impl<M: StepModel + ?Sized> IntoFuture for StreamText<'_, M> {
    type Output = Result<StepRun, StepError>;
    type IntoFuture = std::future::Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let tools = self.request.tools.clone();
        std::future::ready(Ok(StepRun::new(self.model.stream(self.request)).tools(tools)))
    }
}

impl<M: ?Sized> fmt::Debug for StreamText<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamText").field("request", &self.request).finish_non_exhaustive()
    }
}
