//! Agents that write so many records and then wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

/// Chats whose agent is held up. The agents of all others write freely.
#[derive(Debug, Clone, Default)]
pub struct Gates(Arc<Mutex<HashMap<String, Arc<Semaphore>>>>);

impl Gates {
    fn shut(&self) -> MutexGuard<'_, HashMap<String, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent of a chat is to write so many records more.
    pub fn shut_after(&self, chat: &str, records: usize) {
        self.shut().insert(chat.to_owned(), Arc::new(Semaphore::new(records)));
    }

    /// It may go on.
    pub fn open(&self, chat: &str) {
        if let Some(gate) = self.shut().remove(chat) {
            gate.close();
        }
    }

    /// Waits until the agent may write one record more.
    pub(crate) async fn pass(&self, chat: &str) {
        let gate = self.shut().get(chat).cloned();
        if let Some(gate) = gate
            && let Ok(record) = gate.acquire().await
        {
            record.forget();
        }
    }
}
