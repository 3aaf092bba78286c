//! Who may use which chat. A chat id is an address, not a permission.

use std::{future::Future, pin::Pin};

use crate::{
    hooks::RequestContext,
    http::{BodyFields, Problem, ProblemKind},
    wire::Json,
};

/// What [`authorize`](crate::HeadStartBuilder::authorize) decides about. Nothing has happened yet: no
/// session, no model call. Request and chat are those of the [`RequestContext`] it derefs to.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest {
    context: RequestContext,
    action: Action,
    message_ids: Vec<String>,
}

/// What somebody wants to do with a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Have its first message answered, and get a token to read and write it.
    FirstTurn,
    /// Begin it without a message, and get the same token.
    Start,
    /// Get the same token again.
    AccessToken,
    /// Get a token that only reads it.
    WatchToken,
    /// Close it for good.
    Close,
}

impl AuthorizeRequest {
    pub(crate) fn new(context: RequestContext, action: Action, message_ids: Vec<String>) -> Self {
        Self { context, action, message_ids }
    }

    /// What is to be allowed. A check that does not look at it allows all of it: right for who owns the chat,
    /// wrong for who may only watch.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Ids of the messages the browser claims.
    #[must_use]
    pub fn message_ids(&self) -> &[String] {
        &self.message_ids
    }
}

impl std::ops::Deref for AuthorizeRequest {
    type Target = RequestContext;

    fn deref(&self) -> &RequestContext {
        &self.context
    }
}

/// The chat may be used, and what the server adds.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    pub(crate) metadata: Option<Json>,
    pub(crate) owner_prefix: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) body_fields: Option<BodyFields>,
}

impl Grant {
    /// The chat may be used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server's own metadata, in place of the browser's; the agent sees it as its `clientData`.
    #[must_use]
    pub fn metadata(mut self, metadata: Json) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// The chat's id has to begin like this, or the answer is 403 after all. Ids that carry their owner
    /// (`user-7:4f0c…`) need no look into a table.
    #[must_use]
    pub fn owner_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.owner_prefix = Some(prefix.into());
        self
    }

    /// Whose turn this is: what [`Limits::turns_of_key`](crate::Limits::turns_of_key) and
    /// [`quota`](crate::HeadStartBuilder::quota) count by.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The browser's own body fields that reach the agent in this turn, in place of
    /// [`HeadStartBuilder::body_fields`](crate::HeadStartBuilder::body_fields).
    #[must_use]
    pub fn body_fields(mut self, fields: BodyFields) -> Self {
        self.body_fields = Some(fields);
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
