//! What became of a turn, for whoever does not watch its response.

use super::{
    Machine, Plan,
    giving::Giving,
    machine::{Session, Step},
};

/// Who has the turn now. Known as soon as this process has told the agent all it has to; what the agent then
/// writes may be hours away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Settlement {
    /// The agent: step 1 is over, and the handover was accepted.
    HandedOver,
    /// The agent: the message was sent to it as an ordinary one. The session had been there before, or the
    /// message was too large for any other way.
    SentAsMessage,
    /// Another request or process answers the same message.
    AnsweredElsewhere,
    /// Nobody: there is no session, or it took no input.
    Lost,
}

impl Machine {
    /// Who has the turn; `None` while that is open.
    #[must_use]
    pub fn settlement(&self) -> Option<Settlement> {
        match (&self.session, &self.giving) {
            (Session::Failed, _) | (_, Giving::Lost) => Some(Settlement::Lost),
            (Session::None, _) => matches!(self.step, Step::HandedOver).then_some(Settlement::Lost),
            _ if self.is_queued() || self.is_taking_over() => None,
            (Session::Followed(_), Giving::Nothing) => Some(Settlement::AnsweredElsewhere),
            (Session::Theirs, Giving::Accepted) => Some(Settlement::SentAsMessage),
            (Session::Ours, Giving::Accepted) if self.spec.plan == Plan::Message => {
                Some(Settlement::SentAsMessage)
            }
            (_, Giving::Accepted) => Some(Settlement::HandedOver),
            _ => None,
        }
    }
}
