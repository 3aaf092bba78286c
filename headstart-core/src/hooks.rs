//! The application's own decisions about a request, each an async function. They are called with a deadline,
//! and a panic in one is a refusal.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use http::{Extensions, HeaderMap, Method, Uri, request::Parts};

use crate::{
    http::{FirstTurnRequest, MessageTrigger},
    wire::{ChatId, Json, UiMessage},
};

type HookFuture<A> = Pin<Box<dyn Future<Output = A> + Send>>;

/// An async function of the application.
pub struct Hook<Q, A>(Arc<dyn Fn(Q) -> HookFuture<A> + Send + Sync>);

impl<Q, A> Hook<Q, A> {
    /// Wraps a function.
    pub fn new<F, Fut>(function: F) -> Self
    where
        F: Fn(Q) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = A> + Send + 'static,
    {
        Self(Arc::new(move |question| Box::pin(function(question))))
    }

    pub(crate) fn call(&self, question: Q) -> HookFuture<A> {
        (self.0)(question)
    }
}

impl<Q, A> Clone for Hook<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> fmt::Debug for Hook<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

/// The head of the request and the chat it is about; part of what every hook is asked.
#[derive(Debug, Clone)]
pub struct RequestContext {
    pub(crate) head: Arc<Parts>,
    pub(crate) chat_id: ChatId,
    pub(crate) metadata: Option<Json>,
}

impl RequestContext {
    pub(crate) fn new(head: Arc<Parts>, request: &FirstTurnRequest) -> Self {
        Self { head, chat_id: request.chat_id.clone(), metadata: request.metadata.clone() }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The address.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// The headers: cookies, `Authorization`, ….
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// What layers in front of the handler have put there: the user, say.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// The chat somebody wants to use.
    #[must_use]
    pub fn chat_id(&self) -> &ChatId {
        &self.chat_id
    }

    /// The browser's own data about the turn. A claim, like all the body.
    #[must_use]
    pub fn metadata(&self) -> Option<&Json> {
        self.metadata.as_ref()
    }
}

/// What a history hook is asked; see [`HistoryPolicy`](crate::HistoryPolicy).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryRequest {
    /// Request and chat.
    pub context: RequestContext,
    /// Of [`loader`](crate::HistoryPolicy::loader): the newest user message alone: text, files and data. Of
    /// [`verify`](crate::HistoryPolicy::verify): everything the browser claims.
    pub messages: Vec<UiMessage>,
    /// Why the browser asks.
    pub trigger: MessageTrigger,
    /// The message to regenerate.
    pub message_id: Option<String>,
}

/// Why there is no history to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryRefused {
    /// 400, with this sentence for the client.
    Invalid(String),
    /// 403: it claims what is not so.
    Forbidden,
    /// 503: the place where histories are kept cannot be reached.
    Unavailable,
}

/// What the quota hook is asked, when everything else was found good and before anything happens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QuotaRequest {
    /// Request and chat.
    pub context: RequestContext,
    /// The [`Grant`](crate::Grant)'s key.
    pub key: Option<String>,
    /// Bytes of the history that the model will read, as JSON.
    pub history_bytes: usize,
}

/// What the token hook is asked.
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenRequest {
    /// Request and chat.
    pub context: RequestContext,
    /// The session's token: it reads and writes this chat for an hour.
    pub session_token: String,
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("context", &self.context).finish_non_exhaustive()
    }
}

/// There is no token for the browser. For logs only; the browser gets a 500.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(pub String);
