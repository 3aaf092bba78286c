//! What of the browser's history is believed.

use super::HistoryError;
use crate::{
    hooks::{HistoryRefused, HistoryRequest, Hook},
    http::{Problem, ProblemKind},
    wire::{PartKind, Role, UiMessage},
};

/// Gives a history, or says why not.
pub type HistoryHook = Hook<HistoryRequest, Result<Vec<UiMessage>, HistoryRefused>>;

/// What of the browser's history is trusted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum HistoryPolicy {
    /// The newest message of the user alone: its text, files and data. A first turn has no more history than that, and nothing forged in the rest (an assistant's words, a tool's result, an
    /// approval, instructions) reaches model or agent.
    #[default]
    LastUserMessage,
    /// All of it, as it comes. For pages whose users may say anything in anybody's name.
    Trusted,
    /// The server's own history, with the browser's newest user message behind it; see
    /// [`loader`](Self::loader).
    Loader(HistoryHook),
    /// The browser's history, as far as the server can vouch for it; see [`verify`](Self::verify).
    Verify(HistoryHook),
}

impl HistoryPolicy {
    /// A function that is given the newest user message and returns the chat's history as the server keeps
    /// it: the `UIMessage[]` of the AI SDK, read by serde. The message is added unless the history has it.
    ///
    /// ```
    /// use headstart_core::{HistoryPolicy, HistoryRefused, HistoryRequest, wire::UiMessage};
    ///
    /// async fn stored(chat: &str) -> std::io::Result<String> {
    /// # let _ = chat; Ok("[]".into())
    /// }
    ///
    /// let policy = HistoryPolicy::loader(|request: HistoryRequest| async move {
    ///     let chat = request.context.chat_id().as_str();
    ///     let json = stored(chat).await.map_err(|_| HistoryRefused::Unavailable)?;
    ///     serde_json::from_str::<Vec<UiMessage>>(&json).map_err(|_| HistoryRefused::Unavailable)
    /// });
    /// # let _ = policy;
    /// ```
    pub fn loader<F, Fut>(load: F) -> Self
    where
        F: Fn(HistoryRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<UiMessage>, HistoryRefused>> + Send + 'static,
    {
        Self::Loader(Hook::new(load))
    }

    /// A function that is given everything the browser claims and returns what of it is so.
    pub fn verify<F, Fut>(verify: F) -> Self
    where
        F: Fn(HistoryRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<UiMessage>, HistoryRefused>> + Send + 'static,
    {
        Self::Verify(Hook::new(verify))
    }

    /// The messages that are believed: at least one.
    pub(crate) async fn select(&self, request: HistoryRequest) -> Result<Vec<UiMessage>, Problem> {
        let messages = match self {
            Self::LastUserMessage => vec![last_user_message(request.messages)?],
            Self::Trusted => request.messages,
            Self::Loader(load) => {
                let newest = last_user_message(request.messages)?;
                let asked = HistoryRequest { messages: vec![newest.clone()], ..request };
                let mut history = load.call(asked).await?;
                if history.iter().all(|message| message.id != newest.id) {
                    history.push(newest);
                }
                history
            }
            Self::Verify(verify) => verify.call(request).await?,
        };
        if messages.is_empty() { Err(HistoryError::Empty.into()) } else { Ok(messages) }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<HistoryRefused> for Problem {
    fn from(refused: HistoryRefused) -> Self {
        match refused {
            HistoryRefused::Invalid(detail) => Self::invalid(detail),
            HistoryRefused::Forbidden => Self::new(ProblemKind::Forbidden),
            HistoryRefused::Unavailable => Self::new(ProblemKind::Unavailable),
        }
    }
}

/// The newest user message, which may hold text, files and data only.
///
/// # Errors
/// When there is none, or it holds more.
pub fn last_user_message(mut messages: Vec<UiMessage>) -> Result<UiMessage, HistoryError> {
    let newest = messages.iter().rposition(|message| message.role == Role::User);
    let at = newest.ok_or(HistoryError::Empty)?;
    let message = messages.swap_remove(at);
    let is_plain = |kind| matches!(kind, PartKind::Text | PartKind::File | PartKind::Data);
    match message.parts.iter().position(|part| !is_plain(part.kind())) {
        Some(part) => {
            let reason = "a user message holds text, files and data only";
            Err(HistoryError::Part { message: at, part, reason })
        }
        None => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{hooks::RequestContext, http::MessageTrigger};

    fn message(json: serde_json::Value) -> UiMessage {
        serde_json::from_value(json).unwrap()
    }

    fn forged() -> Vec<UiMessage> {
        let parts = serde_json::json!([{"type": "text", "text": "x"}]);
        [("u1", "user"), ("s", "system"), ("u2", "user"), ("a", "assistant")]
            .map(|(id, role)| message(serde_json::json!({"id": id, "role": role, "parts": parts})))
            .to_vec()
    }

    async fn ids(policy: &HistoryPolicy, messages: Vec<UiMessage>) -> Result<Vec<String>, ProblemKind> {
        let (head, ()) = ::http::Request::new(()).into_parts();
        let context = RequestContext { head: Arc::new(head), chat_id: "c".parse().unwrap(), metadata: None };
        let (trigger, message_id) = (MessageTrigger::default(), None);
        let selected = policy.select(HistoryRequest { context, messages, trigger, message_id }).await;
        match selected {
            Ok(messages) => Ok(messages.into_iter().map(|message| message.id).collect()),
            Err(problem) => Err(problem.kind()),
        }
    }

    #[tokio::test]
    async fn by_default_only_the_newest_user_message_is_believed() {
        let default = HistoryPolicy::default();
        assert_eq!(ids(&default, forged()).await.unwrap(), ["u2"]);
        assert_eq!(ids(&HistoryPolicy::Trusted, forged()).await.unwrap(), ["u1", "s", "u2", "a"]);
        assert_eq!(ids(&default, forged()[3..].to_vec()).await, Err(ProblemKind::InvalidRequest));
        let tool = serde_json::json!({"type": "tool-x", "toolCallId": "c", "state": "output-available"});
        let acting = message(serde_json::json!({"id": "u", "role": "user", "parts": [tool]}));
        assert_eq!(ids(&default, vec![acting.clone()]).await, Err(ProblemKind::InvalidRequest));
        let second = last_user_message(vec![UiMessage::user("u", "Hello"), acting]).unwrap_err();
        assert!(second.to_string().starts_with("part 0 of message 1 is not valid"), "{second}");
    }

    #[tokio::test]
    async fn a_loader_sees_the_newest_message_alone_and_has_the_last_word_on_the_rest() {
        let loader = HistoryPolicy::loader(|request: HistoryRequest| async move {
            assert_eq!(request.messages.len(), 1);
            Ok(vec![UiMessage::user("stored", "Hello")])
        });
        assert_eq!(ids(&loader, forged()).await.unwrap(), ["stored", "u2"]);
        let has_it = HistoryPolicy::loader(|request: HistoryRequest| async move { Ok(request.messages) });
        assert_eq!(ids(&has_it, forged()).await.unwrap(), ["u2"], "not twice");
    }

    #[tokio::test]
    async fn what_is_not_verified_is_refused() {
        for (refused, kind) in [
            (HistoryRefused::Invalid("no".into()), ProblemKind::InvalidRequest),
            (HistoryRefused::Forbidden, ProblemKind::Forbidden),
            (HistoryRefused::Unavailable, ProblemKind::Unavailable),
        ] {
            let refused = std::sync::Arc::new(refused);
            let verify = HistoryPolicy::verify(move |_| {
                let refused = refused.clone();
                async move { Err((*refused).clone()) }
            });
            assert_eq!(ids(&verify, forged()).await, Err(kind));
        }
        let none = HistoryPolicy::verify(|_| async { Ok(vec![]) });
        assert_eq!(ids(&none, forged()).await, Err(ProblemKind::InvalidRequest), "nothing is left to answer");
    }
}
