//! What happens in a world, and in which order.

use headstart_core::turn::{self, OnDisconnect};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    New,
    /// Created, but the answer got lost; the second try says *existing* and echoes our nonce.
    LostAnswer,
    /// Another process made it.
    Existing {
        same_message: bool,
        leader: Leader,
    },
    Fails,
    Hangs,
}

/// What the process that made the session has done, and still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leader {
    /// Its turn is over.
    Finished,
    /// It has written some of step 1, and writes so much more before it hands over.
    Writes(usize),
    /// It has written some of step 1, and died.
    Dead { run_is_gone: bool },
    /// It died, but not before it handed over to a run that died, too.
    HandedOverInVain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stop,
    ToolCalls,
    /// Some servers say `stop` although they want tools.
    StopWithCalls,
    ContentFilter,
    Error,
    Eof,
    Hang,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) attempt: turn::Plan,
    pub(crate) on_disconnect: OnDisconnect,
    /// The server is stopped in the middle.
    pub(crate) yields: bool,
    /// Another process takes the turn over in the middle.
    pub(crate) replaced: bool,
    pub(crate) create: Create,
    pub(crate) deltas: usize,
    pub(crate) calls: usize,
    pub(crate) ending: Ending,
    pub(crate) agent_chunks: usize,
    pub(crate) tee_fails: bool,
    pub(crate) append_failures: u8,
    pub(crate) subscription_breaks: bool,
    /// Of the looks after a silent leader so many fail.
    pub(crate) look_failures: u8,
    /// Another message goes to the agent in the middle.
    pub(crate) rival: bool,
    pub(crate) leaves: bool,
    pub(crate) stops: bool,
    pub(crate) choices: Vec<u8>,
}

impl Plan {
    /// A text of two words in a new chat, and nothing in its way.
    pub(crate) fn undisturbed() -> Self {
        Self {
            attempt: turn::Plan::HeadStart,
            on_disconnect: OnDisconnect::Continue,
            yields: false,
            replaced: false,
            create: Create::New,
            deltas: 2,
            calls: 0,
            ending: Ending::Stop,
            agent_chunks: 2,
            tee_fails: false,
            append_failures: 0,
            subscription_breaks: false,
            look_failures: 0,
            rival: false,
            leaves: false,
            stops: false,
            choices: vec![],
        }
    }

    pub(super) fn has_step(&self) -> bool {
        matches!(self.attempt, turn::Plan::HeadStart | turn::Plan::Alone)
    }
}
