//! The detached form: a turn that the server begins by itself, without a request that waits for it.

use std::{fmt, sync::Arc};

use http::Extensions;

use crate::{
    Grant, HeadStart,
    hooks::RequestContext,
    http::{BodyFields, FirstTurnRequest, Problem},
    launch::{Admitted, Completion},
    turn_view::OpenedView,
    wire::{ChatId, Json, UiMessage},
};

/// A first turn in the server's own words. Nothing of it is a claim: there is no browser whose history would
/// have to be checked, and whoever builds this has decided who may use the chat.
///
/// Only what a caller may choose can be set: the agent, its run and its limits are those of the [`HeadStart`].
#[derive(Debug, Clone)]
#[must_use = "nothing begins before it is started"]
pub struct NewTurn {
    chat_id: ChatId,
    messages: Vec<UiMessage>,
    metadata: Option<Json>,
    key: Option<String>,
    extensions: Extensions,
}

impl NewTurn {
    /// This message, in this chat.
    pub fn new(chat_id: ChatId, message: UiMessage) -> Self {
        Self {
            chat_id,
            messages: vec![message],
            metadata: None,
            key: None,
            extensions: Extensions::default(),
        }
    }

    /// What was said before, oldest first.
    pub fn history(mut self, earlier: impl IntoIterator<Item = UiMessage>) -> Self {
        self.messages.splice(0..0, earlier);
        self
    }

    /// The application's data about the turn: the agent's `clientData`.
    pub fn metadata(mut self, metadata: Json) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Whose turn this is: what [`Limits::turns_of_key`](crate::Limits::turns_of_key) counts by.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// A value that `run` finds in [`FirstTurn::extensions`](crate::FirstTurn::extensions).
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.extensions.insert(value);
        self
    }

    fn into_request(self) -> (http::request::Parts, FirstTurnRequest, Grant) {
        let mut head = http::Request::new(()).into_parts().0;
        head.extensions = self.extensions;
        let mut grant = Grant::new().body_fields(BodyFields::None);
        grant.key = self.key;
        grant.metadata.clone_from(&self.metadata);
        let request = FirstTurnRequest::of(self.chat_id, self.messages, self.metadata);
        (head, request, grant)
    }
}

/// A turn that goes on by itself. Dropping this loses nothing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Detached {
    /// The chat.
    pub chat_id: ChatId,
    /// The run waits for a deployment; see
    /// [`TriggerConfig::external_deployment_id`](crate::TriggerConfig::external_deployment_id).
    pub pending_version: bool,
    /// Ready when the agent has the turn.
    pub completion: Completion,
    token: Token,
}

struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Detached {
    /// The token with which a page reads and writes this session. A page that gets
    /// `{publicAccessToken, isStreaming: true}` as its session resumes the turn from the beginning.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.token.0
    }
}

impl HeadStart {
    /// Begins a turn that nobody waits for: a welcome, an answer to a mail, a chat that the next page shows.
    /// Returns as soon as the session is there; step 1 goes to the session's stream, and a page that opens
    /// the chat reads it there.
    ///
    /// Neither `authorize` nor the history policy nor the quota is asked: the caller is the server.
    ///
    /// ```
    /// # use headstart_core::{HeadStart, NewTurn, Problem, wire::{ChatId, UiMessage}};
    /// async fn welcome(head_start: &HeadStart, chat: ChatId) -> Result<String, Problem> {
    ///     let started = head_start.start(NewTurn::new(chat, UiMessage::user("u1", "Who are you?"))).await?;
    ///     // For the page: `sessions: {[chatId]: {publicAccessToken, isStreaming: true}}`.
    ///     Ok(started.access_token().to_owned())
    /// }
    /// ```
    ///
    /// # Errors
    /// A [`Problem`] when there is no turn: what cannot be answered, no room, no session. Only a
    /// [`browser_token`](crate::HeadStartBuilder::browser_token) that fails comes too late to end it.
    pub async fn start(&self, turn: NewTurn) -> Result<Detached, Problem> {
        let run = self.0.run.clone();
        let admitted = self.admit_own(turn)?;
        let launched = self.launch(admitted, |turn| Box::pin(async move { run(turn).await }))?;
        let opened = launched.view.opened().await?;
        // With its body goes the browser: from here on only a stop on the session ends the step early.
        let OpenedView { chat_id, access_token, pending_version, .. } = opened;
        Ok(Detached { chat_id, pending_version, completion: launched.completion, token: Token(access_token) })
    }

    fn admit_own(&self, turn: NewTurn) -> Result<Admitted, Problem> {
        let mode = self.mode()?;
        let (head, mut request, grant) = turn.into_request();
        self.check_chat_id(&request.chat_id)?;
        let messages = std::mem::take(&mut request.messages);
        let prepared = self.prepare(mode, &request, &grant, messages)?;
        let context = RequestContext::new(Arc::new(head), &request);
        Ok(Admitted { context, prepared, key: grant.key, has_browser: false })
    }
}
