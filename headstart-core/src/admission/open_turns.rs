//! The turns of this process that are open: how many there may be, who leads a chat's first turn, and how they
//! end when the server stops.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    rt::Runtime,
    sessions::{Opened, SessionsErrorKind},
    wire::ChatId,
};

/// What the leader of a chat's first turn found out about the session; `None` until then.
pub(crate) type Joined = Option<Result<Opened, SessionsErrorKind>>;

#[derive(Debug)]
pub(crate) struct OpenTurns {
    state: Mutex<State>,
    count: watch::Sender<usize>,
    /// Fires when the turns have to give way.
    yielding: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    is_draining: bool,
    leaders: HashMap<ChatId, watch::Receiver<Joined>>,
    by_key: HashMap<String, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    /// The server is about to stop.
    Draining,
    /// As many turns are open as may be.
    Full,
    /// As many of this key are open as may be.
    KeyFull,
}

/// What a turn is to its chat, within this process.
pub(crate) enum Role {
    /// The first: it asks the platform.
    Leader(watch::Sender<Joined>),
    /// Another one of the same chat is under way: it learns from that one what the platform said.
    Follower(watch::Receiver<Joined>),
}

/// A turn's place. It is free again when this is dropped.
pub(crate) struct Place {
    turns: Arc<OpenTurns>,
    key: Option<String>,
    /// The chat, when this turn leads it.
    leads: Option<ChatId>,
}

impl OpenTurns {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            count: watch::Sender::new(0),
            yielding: CancellationToken::new(),
        })
    }

    pub(crate) fn enter(
        self: &Arc<Self>,
        chat: &ChatId,
        key: Option<String>,
        most: usize,
        most_of_key: usize,
    ) -> Result<(Place, Role), Shed> {
        let mut state = self.state();
        if state.is_draining {
            return Err(Shed::Draining);
        }
        if *self.count.borrow() >= most {
            return Err(Shed::Full);
        }
        if let Some(key) = &key {
            let count = state.by_key.entry(key.clone()).or_default();
            if *count >= most_of_key {
                return Err(Shed::KeyFull);
            }
            *count += 1;
        }
        self.count.send_modify(|count| *count += 1);
        let (role, leads) = match state.leaders.get(chat) {
            Some(leader) => (Role::Follower(leader.clone()), None),
            None => {
                let (sender, receiver) = watch::channel(None);
                state.leaders.insert(chat.clone(), receiver);
                (Role::Leader(sender), Some(chat.clone()))
            }
        };
        Ok((Place { turns: self.clone(), key, leads }, role))
    }

    /// How many turns are open.
    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Lets nobody in any more, lets those inside finish until `yield_by`, makes them give way then, and
    /// returns how many are left at `end_by`. Both are spans from now.
    pub(crate) async fn drain(&self, runtime: &dyn Runtime, yield_by: Duration, end_by: Duration) -> usize {
        self.state().is_draining = true;
        let mut count = self.count.subscribe();
        let mut is_empty = async |span| {
            tokio::select! {
                _ = count.wait_for(|count| *count == 0) => true,
                () = runtime.sleep(span) => false,
            }
        };
        if !is_empty(yield_by).await {
            self.yielding.cancel();
            is_empty(end_by.saturating_sub(yield_by)).await;
        }
        self.count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Fires when the turn has to give way.
    pub(crate) fn yielding(&self) -> &CancellationToken {
        &self.turns.yielding
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if let Some(chat) = &self.leads {
            state.leaders.remove(chat);
        }
        if let Some(key) = &self.key
            && let Some(count) = state.by_key.get_mut(key)
        {
            *count -= 1;
            if *count == 0 {
                state.by_key.remove(key);
            }
        }
        self.turns.count.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::TokioRuntime;

    fn chat(id: &str) -> ChatId {
        id.parse().unwrap()
    }

    #[test]
    fn places_are_limited_and_come_back() {
        let turns = OpenTurns::new();
        let enter = |id: &str, key: Option<&str>| turns.enter(&chat(id), key.map(str::to_owned), 2, 1);
        let (a, _) = enter("a", Some("k")).ok().unwrap();
        assert_eq!(enter("b", Some("k")).err(), Some(Shed::KeyFull));
        let (b, _) = enter("b", None).ok().unwrap();
        assert_eq!(enter("c", None).err(), Some(Shed::Full));
        drop((a, b));
        assert_eq!(turns.count(), 0);
        assert!(enter("b", Some("k")).is_ok());
    }

    #[test]
    fn one_turn_leads_a_chat_until_it_is_over() {
        let turns = OpenTurns::new();
        let enter = || turns.enter(&chat("a"), None, 9, 9).ok().unwrap();
        let (leader, role) = enter();
        assert!(matches!(role, Role::Leader(_)));
        let (follower, role) = enter();
        assert!(matches!(role, Role::Follower(_)));
        drop(follower);
        assert!(matches!(enter().1, Role::Follower(_)), "a follower that ends changes nothing");
        drop(leader);
        assert!(matches!(enter().1, Role::Leader(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_then_makes_them_give_way_and_then_says_how_many_are_left() {
        let turns = OpenTurns::new();
        let (place, _) = turns.enter(&chat("a"), None, 9, 9).ok().unwrap();
        let runtime = TokioRuntime::current();
        let begun = tokio::time::Instant::now();
        let secs = Duration::from_secs;
        assert_eq!(turns.drain(&runtime, secs(3), secs(4)).await, 1);
        assert_eq!(begun.elapsed(), secs(4));
        assert!(place.yielding().is_cancelled());
        assert_eq!(turns.enter(&chat("b"), None, 9, 9).err(), Some(Shed::Draining));
        drop(place);
        assert_eq!(turns.drain(&runtime, secs(3), secs(4)).await, 0);
        assert_eq!(begun.elapsed(), secs(4));
    }
}
