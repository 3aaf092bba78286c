//! The low-level handle: a turn whose step 1 the application makes by itself, event by event.

use std::fmt;

use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use crate::{
    HeadStart,
    first_turn::FirstTurn,
    http::{Problem, RequestId},
    launch::{Completion, Launched, TurnLost},
    step::{IntoStepRun, StepError, StepErrorKind, StepEvent, StepRun, ToolSet, Usage},
    turn::Settlement,
    turn_view::TurnView,
    wire::FinishReason,
};

/// Events that wait to be recorded. A step that is faster waits, too.
const QUEUE: usize = 32;

type Event = Result<StepEvent, StepError>;

/// A turn under way whose step 1 comes from outside; see [`HeadStart::open`].
///
/// Dropping it loses nothing: the agent gets what was said so far, or the whole turn when that is nothing.
#[must_use = "dropped at once it leaves the turn to the agent"]
pub struct OpenTurn {
    step: Step,
    turn: Option<FirstTurn>,
    completion: Completion,
}

/// The way into the step.
enum Step {
    Silent(oneshot::Sender<StepRun>),
    Speaking {
        events: mpsc::Sender<Event>,
        /// It has said something.
        has_spoken: bool,
    },
    /// The model said that it is done, or failed.
    Over,
}

/// The step is not wanted any more: the user pressed stop, a deadline passed, the session was there before,
/// or the agent answers alone. The model's call can be dropped; the turn is in good hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the step is not wanted any more")]
pub struct StepOver;

impl HeadStart {
    /// Begins a browser's turn, after the checks of [`handle`](Self::handle), and leaves step 1 to the
    /// caller: for models that no callback can call, and for responses of one's own.
    ///
    /// Returns before there is a session, so that the model can be called while it is created. The two
    /// halves, what is said and what the browser sees of it, are independent of each other.
    ///
    /// ```
    /// # use headstart_core::{Body, HeadStart, Problem, step::{StepError, StepModel}};
    /// async fn chat<B>(
    ///     head_start: &HeadStart,
    ///     model: impl StepModel,
    ///     request: http::Request<B>,
    /// ) -> Result<http::Response<Body>, Problem>
    /// where
    ///     B: http_body::Body,
    ///     B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    /// {
    ///     let (mut open, view) = head_start.open(request).await?;
    ///     tokio::spawn(async move {
    ///         if let Some(turn) = open.turn() {
    ///             let step = turn.stream_text(&model).system("You are a helpful assistant.").await?;
    ///             // A step that is not wanted any more ends early; there is nothing to do about it.
    ///             let _ = open.tee(step).await;
    ///         }
    ///         let _ = open.hand_over().await;
    ///         Ok::<_, StepError>(())
    ///     });
    ///     view.response().await
    /// }
    /// ```
    ///
    /// # Errors
    /// The [`Problem`] that `handle` would answer with.
    pub async fn open<B>(&self, request: http::Request<B>) -> Result<(OpenTurn, TurnView), Problem>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let span = RequestId::of(&head.headers).span();
        let admitted = self.admit(head, body).instrument(span).await?;
        let (begin, begun) = oneshot::channel();
        let mut turn = None;
        let Launched { view, completion } = self.launch(admitted, |first| {
            turn = Some(first);
            let silent = |_| StepError::new(StepErrorKind::Run, "nothing was said");
            Box::pin(async move { begun.await.map_err(silent) })
        })?;
        Ok((OpenTurn { step: Step::Silent(begin), turn, completion }, view))
    }
}

impl OpenTurn {
    /// What step 1 is made of: conversation, metadata, cancellation, and `stream_text`, which owns messages
    /// and steps. `None` when the agent answers alone: then no model is to be called.
    #[must_use]
    pub fn turn(&self) -> Option<&FirstTurn> {
        self.turn.as_ref()
    }

    /// Says these are the tools of the model that will speak. Only before its first event; a call of any
    /// other tool is answered with an error.
    ///
    /// # Errors
    /// [`StepOver`] when it is too late, or the step is not wanted.
    pub fn begin(&mut self, tools: ToolSet) -> Result<(), StepOver> {
        let (events, received) = mpsc::channel(QUEUE);
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Silent(begin) => {
                let run = StepRun { stream: stream_of(received), tools };
                begin.send(run).map_err(|_| StepOver)?;
                self.step = Step::Speaking { events, has_spoken: false };
                Ok(())
            }
            other => {
                self.step = other;
                Err(StepOver)
            }
        }
    }

    /// Takes one event of the model: to the session's stream, and to the browser. Waits while the turn is
    /// behind.
    ///
    /// # Errors
    /// [`StepOver`] when the step is not wanted any more, or has ended with a
    /// [`Finish`](StepEvent::Finish) or an error.
    pub async fn send(&mut self, event: Event) -> Result<(), StepOver> {
        if let Step::Silent(_) = self.step {
            self.begin(ToolSet::default())?;
        }
        let Step::Speaking { events, has_spoken } = &mut self.step else { return Err(StepOver) };
        *has_spoken |= !matches!(event, Ok(StepEvent::Start));
        let is_last = matches!(event, Ok(StepEvent::Finish { .. }) | Err(_));
        let sent = events.send(event).await.map_err(|_| StepOver);
        if is_last || sent.is_err() {
            self.step = Step::Over;
        }
        sent
    }

    /// Takes a whole step, to its end.
    ///
    /// # Errors
    /// [`StepOver`] when the step was not wanted any more; what is left of it is dropped, which cancels the
    /// model's call.
    pub async fn tee(&mut self, step: impl IntoStepRun) -> Result<(), StepOver> {
        let StepRun { mut stream, tools } = step.into_step_run();
        self.begin(tools)?;
        while let Step::Speaking { events, .. } = &self.step {
            let event = tokio::select! {
                event = stream.next() => event,
                () = events.closed() => return Err(StepOver),
            };
            match event {
                Some(event) => self.send(event).await?,
                // It was cut off: the turn's own rules say what becomes of it.
                None => self.step = Step::Over,
            }
        }
        Ok(())
    }

    /// Gives the turn to the agent, and waits until it has it. A step without an end of its own has said all
    /// it wanted; one that said nothing leaves the turn to the agent.
    ///
    /// # Errors
    /// [`TurnLost`] when the agent could not be given the turn.
    pub async fn hand_over(mut self) -> Result<Settlement, TurnLost> {
        if let Step::Speaking { has_spoken: true, .. } = self.step {
            let (reason, usage) = (FinishReason::Stop, Usage::default());
            // Not wanted any more: then it ended some other way.
            let _ = self.send(Ok(StepEvent::Finish { reason, paused: false, usage })).await;
        }
        self.settle().await
    }

    /// Leaves the turn to the agent: what was said so far is treated as a step that broke off. When it was
    /// nothing, the agent answers from the beginning. There is no skip: a run that never hears of its turn
    /// would leave the chat hanging.
    ///
    /// # Errors
    /// [`TurnLost`] when the agent could not be given the turn.
    pub async fn leave_to_agent(self) -> Result<Settlement, TurnLost> {
        self.settle().await
    }

    async fn settle(self) -> Result<Settlement, TurnLost> {
        let Self { step, completion, .. } = self;
        drop(step);
        completion.await
    }
}

fn stream_of(events: mpsc::Receiver<Event>) -> crate::step::StepStream {
    Box::pin(stream::unfold(events, |mut events| async move {
        let event = events.recv().await?;
        Some((event, events))
    }))
}

impl fmt::Debug for OpenTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTurn").field("turn", &self.turn).finish_non_exhaustive()
    }
}
