//! Who may use which chat. A chat id is an address, not a permission.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{Extensions, HeaderMap, Method, Uri, request::Parts};

use crate::{
    http::{FirstTurnRequest, Problem, ProblemKind},
    wire::{ChatId, Json},
};

/// What [`authorize`](crate::HeadStartBuilder::authorize) decides about. Nothing has happened yet: no
/// session, no model call.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest {
    head: Arc<Parts>,
    chat_id: ChatId,
    metadata: Option<Json>,
    message_ids: Vec<String>,
}

impl AuthorizeRequest {
    pub(crate) fn new(head: Arc<Parts>, request: &FirstTurnRequest) -> Self {
        Self {
            head,
            chat_id: request.chat_id.clone(),
            metadata: request.metadata.clone(),
            message_ids: request.messages.iter().map(|message| message.id.clone()).collect(),
        }
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

    /// Ids of the messages the browser claims.
    #[must_use]
    pub fn message_ids(&self) -> &[String] {
        &self.message_ids
    }
}

/// The chat may be used, and what the server adds.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Grant {
    /// Takes the place of the browser's metadata; the agent sees it as its `clientData`.
    pub metadata: Option<Json>,
}

impl Grant {
    /// The chat may be used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server's own metadata, in place of the browser's.
    #[must_use]
    pub fn metadata(mut self, metadata: Json) -> Self {
        self.metadata = Some(metadata);
        self
    }
}

/// The chat may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// Nobody is signed in: 401.
    Unauthenticated,
    /// Somebody is, and the chat is not theirs: 403.
    Forbidden,
    /// Too much for now: 429.
    TooManyRequests,
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::new(match denied {
            Denied::Unauthenticated => ProblemKind::Unauthenticated,
            Denied::Forbidden => ProblemKind::Forbidden,
            Denied::TooManyRequests => ProblemKind::TooManyRequests,
        })
    }
}

type AuthorizeFuture = Pin<Box<dyn Future<Output = Result<Grant, Denied>> + Send>>;

/// Decides who may use which chat.
pub trait Authorize: Send + Sync + 'static {
    /// Grants or denies.
    fn authorize(&self, request: AuthorizeRequest) -> AuthorizeFuture;
}

impl<F, Fut> Authorize for F
where
    F: Fn(AuthorizeRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Grant, Denied>> + Send + 'static,
{
    fn authorize(&self, request: AuthorizeRequest) -> AuthorizeFuture {
        Box::pin(self(request))
    }
}

/// Everybody may use every chat whose id they know, and gets a token to read and write it. For demos, and
/// for pages without users whose chat ids nobody can guess.
#[derive(Debug, Clone, Copy)]
pub struct AllowAnyone;

impl Authorize for AllowAnyone {
    fn authorize(&self, _request: AuthorizeRequest) -> AuthorizeFuture {
        Box::pin(async { Ok(Grant::new()) })
    }
}
