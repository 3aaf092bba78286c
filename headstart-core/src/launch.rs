//! From a turn that is admitted to the task that drives it. All forms of head start end here.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use crate::{
    HeadStart,
    admission::{Outage, Passage, Role, Shed},
    first_turn::FirstTurn,
    hooks::RequestContext,
    http::{Problem, ProblemKind, view},
    sessions::SessionsErrorKind,
    turn::{
        Machine, OnDisconnect, Plan, Settlement,
        driver::{Driver, RunFuture},
        opening::{Create, Opening},
    },
    turn_plan::Prepared,
    turn_view::TurnView,
};

/// A turn that may begin.
pub(crate) struct Admitted {
    pub(crate) context: RequestContext,
    pub(crate) prepared: Prepared,
    /// Whose turn it is.
    pub(crate) key: Option<String>,
    /// There is a browser whose response shows it.
    pub(crate) has_browser: bool,
}

/// A turn under way.
pub(crate) struct Launched {
    pub(crate) view: TurnView,
    pub(crate) completion: Completion,
}

/// Ready when the agent has the turn. Dropping it changes nothing: the turn goes on, and a turn that is lost
/// is logged.
#[derive(Debug)]
#[must_use = "without it nobody hears of a turn that is lost"]
pub struct Completion(oneshot::Receiver<Settlement>);

/// The agent was not given the turn: there is no session, or the platform refused the turn for longer than
/// [`Deadlines::handover_retry`](crate::Deadlines::handover_retry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent was not given the turn")]
pub struct TurnLost;

impl Future for Completion {
    type Output = Result<Settlement, TurnLost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|settled| match settled {
            Ok(Settlement::Lost) | Err(_) => Err(TurnLost),
            Ok(settlement) => Ok(settlement),
        })
    }
}

impl HeadStart {
    /// Begins a turn in a task of its own. `step` makes step 1 of it, unless the agent answers alone.
    pub(crate) fn launch(
        &self,
        admitted: Admitted,
        step: impl FnOnce(FirstTurn) -> RunFuture,
    ) -> Result<Launched, Problem> {
        let Admitted { context, mut prepared, key, has_browser } = admitted;
        let inner = &self.0;
        let (limits, chat) = (&inner.settings.limits, &context.chat_id);
        let (place, role) = inner.turns.enter(chat, key, limits.turns, limits.turns_of_key).map_err(shed)?;
        let opening = self.opening(role, &mut prepared, has_browser)?;
        if !has_browser {
            prepared.spec.on_disconnect = OnDisconnect::Continue;
        }
        let cancellation = CancellationToken::new();
        let run = first_turn(&context, &mut prepared, &cancellation).map(step);
        let (answer, session) = oneshot::channel();
        let (settled, completion) = oneshot::channel();
        let (frames, shown) = view::channel(limits.view_frames, limits.view_bytes);
        let driver = Driver {
            machine: Machine::new(prepared.spec),
            chat: chat.clone(),
            sessions: inner.sessions.clone(),
            runtime: inner.runtime.clone(),
            cancellation,
            head: Some(answer),
            view: Some(frames),
            settled: Some(settled),
            place,
        };
        let span = info_span!("turn", %chat);
        inner.runtime.spawn(Box::pin(driver.drive(opening, run).instrument(span)));
        let view = TurnView { head_start: self.clone(), context, session, frames: shown };
        Ok(Launched { view, completion: Completion(completion) })
    }

    /// How the turn comes to its session. Changes the plan to what can be done.
    fn opening(&self, role: Role, prepared: &mut Prepared, has_browser: bool) -> Result<Opening, Problem> {
        let inner = &self.0;
        let followers = match role {
            Role::Leader(followers) => followers,
            Role::Follower(leader) => {
                // Its step would be thrown away.
                prepared.leave_to_agent();
                return Ok(Opening::Join(leader));
            }
        };
        match (inner.circuit.admit(inner.runtime.now()), inner.settings.outage) {
            (Passage::Open, _) => Ok(Opening::Create(Box::new(Create {
                session: prepared.session.clone(),
                nonce: prepared.spec.nonce.clone(),
                followers,
                circuit: inner.circuit.clone(),
            }))),
            // An answer that is kept nowhere is of use only to who sees it.
            (Passage::Barred(_), Outage::StreamOnly) if has_browser && prepared.conversation.is_some() => {
                prepared.spec.plan = Plan::Alone;
                followers.send_replace(Some(Err(SessionsErrorKind::Unavailable)));
                Ok(Opening::Alone)
            }
            (Passage::Barred(wait), _) => Err(Problem::new(ProblemKind::Unavailable).retry_after(wait)),
        }
    }
}

/// What step 1 is made of; `None` when the agent answers alone.
fn first_turn(
    context: &RequestContext,
    prepared: &mut Prepared,
    cancellation: &CancellationToken,
) -> Option<FirstTurn> {
    Some(FirstTurn {
        chat_id: context.chat_id.clone(),
        head: context.head.clone(),
        messages: prepared.conversation.take()?,
        ui_messages: std::mem::take(&mut prepared.ui_messages).into(),
        metadata: prepared.metadata.clone(),
        cancellation: cancellation.clone(),
    })
}

fn shed(shed: Shed) -> Problem {
    Problem::new(match shed {
        Shed::Draining | Shed::Full => ProblemKind::Busy,
        Shed::KeyFull => ProblemKind::TooManyRequests,
    })
}
