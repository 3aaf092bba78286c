//! What goes into the machine and what comes out of it.

use bytes::Bytes;

use super::{BrokenAnswer, Deadlines, EmptyAnswer, Ending, OnDisconnect, Refusal, ViewLoss};
use crate::{
    sessions::{Appended, Opened, RunState, SessionsError, Written},
    step::{ApprovalSecret, StepError, StepEvent, ToolSet},
    wire::{InChunk, Record, Seq},
};

/// What a turn is about, fixed before it begins.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TurnSpec {
    /// What is attempted.
    pub plan: Plan,
    /// Id of the assistant message, one for the whole turn.
    pub message_id: String,
    /// Unique to this turn: it goes into the session's metadata and begins every id that is written.
    pub nonce: String,
    /// The browser's id of the message that is answered.
    pub user_message_id: String,
    /// That message as an ordinary input, for a session that exists already.
    pub message: InChunk,
    /// Makes that input idempotent: two processes that are posted the same message send it once.
    pub message_part_id: String,
    /// Ids of the calls that a human has just refused.
    pub denied: Vec<String>,
    /// See [`Deadlines`].
    pub deadlines: Deadlines,
    /// See [`BrokenAnswer`].
    pub broken_answer: BrokenAnswer,
    /// See [`EmptyAnswer`].
    pub empty_answer: EmptyAnswer,
    /// See [`OnDisconnect`].
    pub on_disconnect: OnDisconnect,
    /// See [`ApprovalSecret`].
    pub approval_secret: Option<ApprovalSecret>,
}

impl TurnSpec {
    /// A head-started turn with default settings.
    #[must_use]
    pub fn new(message_id: String, nonce: String, user_message_id: String, message: InChunk) -> Self {
        Self {
            message_part_id: format!("{nonce}-message"),
            plan: Plan::HeadStart,
            message_id,
            nonce,
            user_message_id,
            message,
            denied: Vec::new(),
            deadlines: Deadlines::default(),
            broken_answer: BrokenAnswer::default(),
            empty_answer: EmptyAnswer::default(),
            on_disconnect: OnDisconnect::default(),
            approval_secret: None,
        }
    }
}

/// What a turn attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plan {
    /// Step 1 here, the rest by the agent.
    HeadStart,
    /// The agent answers all of it: there is no model here, or it is switched off.
    Agent,
    /// The same by way of an ordinary message, which may be larger than what a session is created with.
    Message,
    /// Step 1 is all there is: the platform is known to be down. Nothing is durable.
    Alone,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// The session was created or found.
    Opened(Opened),
    /// It was not.
    CreateFailed(SessionsError),
    /// The answer to [`Output::Inspect`]: what the session's two streams hold.
    Inspected {
        /// Of `session.in`.
        input: Vec<Record>,
        /// Of `session.out`.
        output: Vec<Record>,
        /// What the run that was asked for does.
        run: RunState,
    },
    /// They could not be read.
    InspectFailed(SessionsError),
    /// `run` gave a step; these are the tools of its model.
    StepStarted(ToolSet),
    /// The model said something, or failed.
    Step(Result<StepEvent, StepError>),
    /// The model's stream is over.
    StepEnded,
    /// A batch of records is durable.
    Written(Written),
    /// The durable copy of step 1 will not be whole.
    TeeFailed,
    /// An input was appended to `session.in`, or not.
    Appended(Purpose, Result<Appended, SessionsError>),
    /// A record came from `session.out`.
    Record(Record),
    /// The subscription ended.
    SubscriptionEnded(Option<SessionsError>),
    /// The browser's view is lost.
    ViewLost(ViewLoss),
    /// The user pressed stop.
    StopRequested,
    /// Another process took this one for dead and answers in its place.
    Replaced,
    /// The answer to [`Output::TakeOver`].
    TookOver(Result<(), SessionsError>),
    /// This server is about to stop.
    Yield,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Answer the browser's request: stream, with this session's token, or a refusal.
    Respond(Result<Opened, Refusal>),
    /// Send this to the browser: a whole Server-Sent Event.
    Frame(Bytes),
    /// End the browser's response.
    Close(Ending),
    /// Write this to `session.out`: the body of a record.
    Record(Bytes),
    /// Write now what is gathered.
    FlushTee,
    /// Write nothing more, whatever is still gathered.
    CloseTee,
    /// Append this to `session.in`.
    Append {
        /// What for.
        purpose: Purpose,
        /// The body.
        body: Bytes,
        /// Makes it idempotent.
        part_id: String,
    },
    /// Read both streams of the session as they are.
    Inspect {
        /// Ask what this run does, too.
        run_id: Option<String>,
    },
    /// Write this to `session.out`, the body of a record, if the stream ends before this position.
    TakeOver {
        /// The record.
        body: Bytes,
        /// Where it has to be: behind the last record that was read.
        at: Seq,
    },
    /// Read `session.out` from behind this position.
    Subscribe(Option<Seq>),
    /// Look for a stop on `session.in` from now on.
    WatchForStop,
    /// Cancel the model's call.
    CancelStep,
    /// Nothing is left to do.
    Done,
}

/// What is appended to `session.in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// See [`InChunk::Noop`].
    Noop,
    /// See [`InChunk::Handover`].
    Handover,
    /// See [`InChunk::Message`].
    Message,
}
