//! What is mounted: a handler over sessions in memory, with a model that waits in the middle of its answer for
//! as long as the test likes.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use headstart_core::{
    AuthorizeRequest, Authorized, Denied, FirstTurn, Grant, HeadStart, HeadStartBuilder, Runs,
    step::{StepError, StepEvent, StepModel, StepRequest, StepStream, Usage},
    wire::FinishReason,
};
use headstart_test_adapters::Site;
use tokio::sync::watch;

use crate::memory::Memory;

pub(crate) const PATH: &str = "/api/chat";

/// What the model says before its pause.
pub(crate) const FIRST: &str = "Hello ";
const WORDS: usize = 40;

/// All that the model says: with characters that are split easily, and enough to fill some packets.
pub(crate) fn answer() -> String {
    FIRST.to_owned() + &rest()
}

fn rest() -> String {
    (0..WORDS).map(|at| format!("{at} \u{1f980} \"ü\"\n{} ", "x".repeat(at * 40))).collect()
}

pub(crate) struct World {
    pub(crate) head_start: HeadStart,
    pub(crate) sessions: Memory,
    /// Open unless the test closes it: the model's pause.
    gate: watch::Sender<bool>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// With other settings than the defaults.
    pub(crate) fn with(
        settings: impl FnOnce(HeadStartBuilder<Authorized, Runs>) -> HeadStartBuilder<Authorized, Runs>,
    ) -> Self {
        let sessions = Memory::default();
        let gate = watch::Sender::new(true);
        let model = Model(gate.subscribe());
        let builder =
            HeadStart::builder("agent", sessions.clone()).authorize(authorize).run(move |turn: FirstTurn| {
                let model = model.clone();
                async move {
                    assert!(turn.headers().get("x-panic").is_none(), "a bug in the application's run");
                    turn.stream_text(&model).await
                }
            });
        let head_start = settings(builder.keep_alive(Duration::from_secs(60))).build().unwrap();
        Self { head_start, sessions, gate }
    }

    pub(crate) fn site(&self) -> Site {
        Site::of(PATH, self.head_start.clone())
    }

    /// From now on the model waits after its first word.
    pub(crate) fn close_gate(&self) {
        self.gate.send_replace(false);
    }

    /// It goes on.
    pub(crate) fn open_gate(&self) {
        self.gate.send_replace(true);
    }
}

async fn authorize(request: AuthorizeRequest) -> Result<Grant, Denied> {
    match request.headers().get("x-user").map(|user| user.as_bytes()) {
        Some(b"nobody") => Err(Denied::Unauthenticated),
        Some(b"panic") => panic!("a bug in the application's authorize"),
        _ => Ok(Grant::new()),
    }
}

#[derive(Clone)]
struct Model(watch::Receiver<bool>);

impl StepModel for Model {
    fn stream(&self, _request: StepRequest) -> StepStream {
        let mut gate = self.0.clone();
        let id = || "0".to_owned();
        let delta = move |delta: &str| StepEvent::TextDelta {
            id: id(),
            delta: delta.to_owned(),
            provider_metadata: None,
        };
        let pause = stream::once(async move {
            drop(gate.wait_for(|is_open| *is_open).await);
        });
        let begin =
            [StepEvent::Start, StepEvent::TextStart { id: id(), provider_metadata: None }, delta(FIRST)];
        let rest: Vec<StepEvent> = rest().split_inclusive(' ').map(delta).collect();
        let end = [
            StepEvent::TextEnd { id: id(), provider_metadata: None },
            StepEvent::Finish { reason: FinishReason::Stop, paused: false, usage: Usage::default() },
        ];
        let events = stream::iter(begin)
            .chain(pause.flat_map(move |()| stream::iter(rest.clone())))
            .chain(stream::iter(end))
            .map(Ok::<_, StepError>);
        events.boxed()
    }
}
