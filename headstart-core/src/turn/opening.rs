//! How a turn comes to its session: by asking the platform, or by what a turn beside it in this process was
//! told.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::warn;

use super::{Input, driver::InputFuture, giving};
use crate::{
    admission::{Circuit, Joined},
    rt::Runtime,
    sessions::{Sessions, SessionsError, SessionsErrorKind},
    wire::{CreateSession, Json},
};

pub(crate) enum Opening {
    /// Asks the platform, and tells those who follow.
    Create(Box<Create>),
    /// Learns from the leader of the chat's first turn.
    Join(watch::Receiver<Joined>),
    /// There is no platform in this turn.
    Alone,
}

pub(crate) struct Create {
    pub(crate) session: CreateSession,
    pub(crate) nonce: String,
    pub(crate) followers: watch::Sender<Joined>,
    pub(crate) circuit: Arc<Circuit>,
}

impl Opening {
    /// Id of the noop of a turn that creates its session: what comes after it on `session.in` is from others.
    pub(super) fn noop_id(&self) -> Option<String> {
        match self {
            Self::Create(create) => Some(giving::noop_id(&create.nonce)),
            _ => None,
        }
    }

    pub(super) fn open(self, sessions: Arc<dyn Sessions>, runtime: Arc<dyn Runtime>) -> Option<InputFuture> {
        match self {
            Self::Create(create) => Some(Box::pin(create.ask(sessions, runtime))),
            Self::Join(leader) => Some(Box::pin(join(leader))),
            Self::Alone => None,
        }
    }
}

impl Create {
    async fn ask(self, sessions: Arc<dyn Sessions>, runtime: Arc<dyn Runtime>) -> Input {
        let asked = self.circuit.ask(runtime);
        let metadata: Option<Json> = self.session.metadata.clone();
        let created = sessions.create(self.session).await;
        asked.answered(&created);
        match created {
            Ok(opened) => {
                let mut joined = opened.clone();
                if !opened.is_existing {
                    joined.metadata = metadata;
                }
                self.followers.send_replace(Some(Ok(joined)));
                Input::Opened(opened)
            }
            Err(error) => {
                warn!(%error, "create failed");
                self.followers.send_replace(Some(Err(error.kind())));
                Input::CreateFailed(error)
            }
        }
    }
}

async fn join(mut leader: watch::Receiver<Joined>) -> Input {
    let failed = |kind| Input::CreateFailed(SessionsError::new(kind, "the request before this one failed"));
    match leader.wait_for(Option::is_some).await.map(|joined| joined.clone()) {
        Ok(Some(Ok(mut opened))) => {
            opened.is_existing = true;
            Input::Opened(opened)
        }
        Ok(Some(Err(kind))) => failed(kind),
        // It gave up waiting.
        Ok(None) | Err(_) => failed(SessionsErrorKind::Timeout),
    }
}
