//! How long a turn waits for what, and the choices the protocol leaves open.

use std::time::Duration;

/// The longest a turn waits for each thing. No wait of a turn is without one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// Each of the application's own decisions: `authorize`, history, quota, token. Then the browser gets a
    /// 503. Defaults to 10 s.
    pub hook: Duration,
    /// `create` of the session. Then the browser gets a 504. Each look at another process that fell silent has as
    /// long. Defaults to 10 s.
    pub create: Duration,
    /// The store's acknowledgement of what step 1 wrote, once it is over. Then the turn goes on without the
    /// durable copy being whole. Defaults to 5 s.
    pub tee: Duration,
    /// The platform's acceptance of the handover, as far as the browser waits. Then its response is reset;
    /// the handover goes on being tried for [`handover_retry`](Self::handover_retry). Defaults to 15 s.
    pub handover: Duration,
    /// How long the handover is tried in all, and its answer waited for. Then it is lost. Defaults to 120 s.
    pub handover_retry: Duration,
    /// The model's first event. Defaults to 60 s.
    pub model_first: Duration,
    /// The model's next event; any event starts it again. Defaults to 60 s.
    pub model_idle: Duration,
    /// The whole of step 1. Defaults to 15 min.
    pub step: Duration,
    /// The agent's first record after a handover (it may have to boot). Then the response is reset, and the
    /// browser resumes from the session. Defaults to 120 s.
    pub agent_first: Duration,
    /// The agent's next record. Defaults to 300 s.
    pub agent_idle: Duration,
    /// What hooks of the agent may still add after a final text. Then the response ends. Zero: at once.
    /// Defaults to 2 s.
    pub final_grace: Duration,
    /// A first turn that another process leads: its next record. Then that process is looked after, and replaced if
    /// it is gone. Defaults to 60 s.
    pub follow_idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            hook: secs(10),
            create: secs(10),
            tee: secs(5),
            handover: secs(15),
            handover_retry: secs(120),
            model_first: secs(60),
            model_idle: secs(60),
            step: secs(15 * 60),
            agent_first: secs(120),
            agent_idle: secs(300),
            final_grace: secs(2),
            follow_idle: secs(60),
        }
    }
}

impl Deadlines {
    /// No wait longer than `longest` (of the grace after a final text, too).
    ///
    /// ```
    /// use headstart_core::turn::Deadlines;
    /// use std::time::Duration;
    ///
    /// let short = Deadlines::default().at_most(Duration::from_secs(3));
    /// assert_eq!(short.create, Duration::from_secs(3));
    /// assert_eq!(short.final_grace, Duration::from_secs(2));
    /// ```
    #[must_use]
    pub fn at_most(mut self, longest: Duration) -> Self {
        for wait in [
            &mut self.hook,
            &mut self.create,
            &mut self.tee,
            &mut self.handover,
            &mut self.model_first,
            &mut self.model_idle,
            &mut self.step,
            &mut self.agent_first,
            &mut self.agent_idle,
            &mut self.final_grace,
            &mut self.follow_idle,
        ] {
            *wait = (*wait).min(longest);
        }
        self
    }
}

/// What becomes of a text that broke off in step 1 after the browser saw some of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BrokenAnswer {
    /// The text so far is kept as the answer and the browser is shown an error.
    #[default]
    KeepAndReport,
    /// The agent goes on where it stopped, in the same bubble.
    Continue,
}

/// What becomes of a step 1 in which the model ended well and said nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EmptyAnswer {
    /// The turn is closed with an empty answer, as an agent does it whose model says nothing.
    ///
    /// That is sound for `chat.agent` with its own storage. One that hydrates its messages loses the question, and the
    /// run of a `createSession` loop fails: use [`Agent`](Self::Agent) in front of those.
    #[default]
    Close,
    /// The agent's model is asked, too.
    Agent,
}

/// What becomes of step 1 when the browser goes away in the middle of it. Going away is not stopping: a stop
/// is an input of its own, and is obeyed under each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDisconnect {
    /// It goes on, and the turn is there when the user comes back.
    #[default]
    Continue,
    /// It goes on for so long, and is then given up as by [`Abort`](Self::Abort).
    Grace(Duration),
    /// The model is cancelled; the text so far is the answer. For models that cost more than a lost answer.
    Abort,
}
