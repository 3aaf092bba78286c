//! The one place where the machine meets the world. It carries out and reports; it decides nothing.
//!
//! A turn is one task, detached from the request that began it: a browser that goes away takes nothing with
//! it. The calls of user code are caught, so that a panic there is one more way for step 1 to fail.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use futures_util::{
    FutureExt, StreamExt, future,
    stream::{self, BoxStream, FuturesUnordered},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Ending, Input, Machine, Output, Refusal, Settlement, ViewLoss,
    mark::input_kind,
    opening::Opening,
    tee::{self, TeeCommand},
};
use crate::{
    admission::Place,
    http::ViewSender,
    rt::Runtime,
    sessions::{Channel, Opened, RecordStream, RunState, Sessions, SessionsError},
    step::{StepError, StepErrorKind, StepRun},
    wire::ChatId,
};

/// What `run` gives, some time.
pub(crate) type RunFuture = Pin<Box<dyn Future<Output = Result<StepRun, StepError>> + Send>>;
pub(super) type InputFuture = Pin<Box<dyn Future<Output = Input> + Send>>;

/// Free places in the view below which the agent's records are left where they are: on its stream.
const VIEW_RESERVE: usize = 64;

pub(crate) struct Driver {
    pub(crate) machine: Machine,
    pub(crate) chat: ChatId,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) runtime: Arc<dyn Runtime>,
    /// Tells `run` that its step is not wanted any more.
    pub(crate) cancellation: CancellationToken,
    pub(crate) head: Option<oneshot::Sender<Result<Opened, Refusal>>>,
    pub(crate) view: Option<ViewSender>,
    /// Who is to hear what became of the turn.
    pub(crate) settled: Option<oneshot::Sender<Settlement>>,
    /// Held for as long as the turn is open.
    pub(crate) place: Place,
}

/// What runs beside the machine.
struct Works {
    calls: FuturesUnordered<InputFuture>,
    step: BoxStream<'static, Input>,
    records: Option<RecordStream>,
    stop: BoxStream<'static, Input>,
    yielding: BoxStream<'static, Input>,
    tee: Option<mpsc::UnboundedSender<TeeCommand>>,
}

impl Driver {
    /// Drives the turn to its end.
    pub(crate) async fn drive(mut self, opening: Opening, run: Option<RunFuture>) {
        let begun = self.runtime.now();
        let (tee_commands, commands) = mpsc::unbounded_channel();
        let mut tee: BoxStream<'static, Input> = match (&run, opening.noop_id()) {
            (Some(_), Some(noop)) => {
                tee::write(self.sessions.clone(), self.runtime.clone(), self.chat.clone(), noop, commands)
            }
            _ => stream::pending().boxed(),
        };
        let mut works = Works {
            calls: FuturesUnordered::new(),
            step: run.map_or_else(|| stream::pending().boxed(), step_inputs),
            records: None,
            stop: stream::pending().boxed(),
            yielding: yield_inputs(self.place.yielding()),
            tee: Some(tee_commands),
        };
        works.calls.extend(opening.open(self.sessions.clone(), self.runtime.clone()));
        loop {
            while let Some(output) = self.machine.poll() {
                if self.carry_out(output, &mut works) {
                    self.settle();
                    return;
                }
            }
            self.settle();
            if works.tee.is_none() {
                tee = stream::pending().boxed();
            }
            let now = self.runtime.now().saturating_sub(begun);
            let wait = self.machine.deadline().map_or(Duration::from_secs(3600), |at| at.saturating_sub(now));
            let timer = self.runtime.sleep(wait);
            let has_room = self.view.as_ref().is_none_or(|view| view.has_room(VIEW_RESERVE));
            let input = tokio::select! {
                biased;
                Some(input) = works.calls.next(), if !works.calls.is_empty() => input,
                Some(input) = tee.next() => input,
                Some(input) = works.step.next() => input,
                Some(input) = works.stop.next() => input,
                Some(input) = works.yielding.next() => input,
                record = next_record(&mut works.records), if works.records.is_some() && has_room => record,
                () = room(self.view.as_ref()), if !has_room => continue,
                () = closed(self.view.as_ref()), if self.view.is_some() => {
                    self.view = None;
                    Input::ViewLost(ViewLoss::Left)
                }
                () = timer => Input::Tick,
            };
            let now = self.runtime.now().saturating_sub(begun);
            self.machine.handle(now, input);
        }
    }

    /// Carries out one output; `true` when it was the last.
    fn carry_out(&mut self, output: Output, works: &mut Works) -> bool {
        match output {
            Output::Respond(answer) => {
                if let Some(head) = self.head.take() {
                    // A browser that left before the head is told by the view's end.
                    drop(head.send(answer));
                }
            }
            Output::Frame(frame) => self.show(frame),
            Output::Close(ending) => {
                if let (Ending::Clean, Some(view)) = (ending, &self.view) {
                    view.end();
                }
                // Without an end of its own the body aborts the connection.
                self.view = None;
            }
            Output::Record(body) => works.tell_tee(TeeCommand::Record(body)),
            Output::FlushTee => works.tell_tee(TeeCommand::Flush),
            Output::CloseTee => works.tee = None,
            Output::Append { purpose, body, part_id } => {
                let (sessions, chat) = (self.sessions.clone(), self.chat.clone());
                works.calls.push(Box::pin(async move {
                    let result = sessions.append_in(&chat, body, &part_id).await;
                    if let Err(error) = &result {
                        warn!(%chat, ?purpose, %error, "append to session.in failed");
                    }
                    Input::Appended(purpose, result)
                }));
            }
            Output::Inspect { run_id } => {
                works.calls.push(Box::pin(inspect(self.sessions.clone(), self.chat.clone(), run_id)));
            }
            Output::TakeOver { body, at } => {
                let (sessions, chat) = (self.sessions.clone(), self.chat.clone());
                works.calls.push(Box::pin(async move {
                    let took = async { sessions.open_out(&chat).await?.append(vec![body], Some(at)).await };
                    Input::TookOver(took.await.map(|_| ()))
                }));
            }
            Output::Subscribe(after) => {
                works.records = Some(self.sessions.subscribe(&self.chat, Channel::Out, after));
            }
            Output::WatchForStop => {
                works.stop = stop_inputs(self.sessions.clone(), self.chat.clone(), self.runtime.clone());
            }
            Output::CancelStep => {
                self.cancellation.cancel();
                works.step = stream::pending().boxed();
            }
            Output::Done => {
                debug!(chat = %self.chat, "turn done");
                return true;
            }
        }
        false
    }

    fn settle(&mut self) {
        if let Some(settlement) = self.machine.settlement()
            && let Some(settled) = self.settled.take()
        {
            // Nobody may be waiting.
            let _ = settled.send(settlement);
        }
    }

    fn show(&mut self, frame: bytes::Bytes) {
        if let Some(Err(loss)) = self.view.as_ref().map(|view| view.show(frame)) {
            self.view = None;
            self.machine.handle(Duration::ZERO, Input::ViewLost(loss));
        }
    }
}

impl Works {
    fn tell_tee(&mut self, command: TeeCommand) {
        if let Some(tee) = &self.tee {
            // A tee that has failed listens no more, and has said so.
            drop(tee.send(command));
        }
    }
}

/// The step as inputs: its beginning, what the model says, its end.
fn step_inputs(run: RunFuture) -> BoxStream<'static, Input> {
    let panicked = |_| StepError::new(StepErrorKind::Run, "panicked");
    let started = AssertUnwindSafe(run).catch_unwind().map(move |run| match run {
        Ok(Ok(StepRun { stream, tools })) => {
            let events = AssertUnwindSafe(stream).catch_unwind().map(move |event| {
                let event = event.map_err(panicked).flatten();
                if let Err(error) = &event {
                    warn!(%error, "step 1 failed");
                }
                Input::Step(event)
            });
            let begun = stream::once(async move { Input::StepStarted(tools) });
            begun.chain(events).chain(stream::once(async { Input::StepEnded })).boxed()
        }
        Ok(Err(error)) => failed(error),
        Err(panic) => failed(panicked(panic)),
    });
    started.into_stream().flatten().chain(stream::pending()).boxed()
}

fn failed(error: StepError) -> BoxStream<'static, Input> {
    warn!(%error, "run failed");
    stream::once(async { Input::Step(Err(error)) }).boxed()
}

async fn inspect(sessions: Arc<dyn Sessions>, chat: ChatId, run_id: Option<String>) -> Input {
    let input = sessions.records(&chat, Channel::In, None);
    let output = sessions.records(&chat, Channel::Out, None);
    let run = async {
        let Some(run_id) = run_id else { return RunState::Unknown };
        sessions.run_state(&run_id).await.unwrap_or_else(|error| {
            warn!(%chat, %error, "what the run does is not known");
            RunState::Unknown
        })
    };
    let (records, run) = future::join(future::try_join(input, output), run).await;
    match records {
        Ok((input, output)) => Input::Inspected { input, output, run },
        Err(error) => {
            warn!(%chat, %error, "the existing session cannot be read");
            Input::InspectFailed(error)
        }
    }
}

/// A stop on `session.in`, once, whenever it comes.
fn stop_inputs(
    sessions: Arc<dyn Sessions>,
    chat: ChatId,
    runtime: Arc<dyn Runtime>,
) -> BoxStream<'static, Input> {
    let state = (sessions, chat, runtime, None);
    let stop = stream::once(async move {
        let (sessions, chat, runtime, mut after) = state;
        loop {
            let mut records = sessions.subscribe(&chat, Channel::In, after);
            while let Some(Ok(record)) = records.next().await {
                after = Some(record.seq);
                if input_kind(&record).as_deref() == Some("stop") {
                    return Input::StopRequested;
                }
            }
            runtime.sleep(Duration::from_millis(500)).await;
        }
    });
    stop.chain(stream::pending()).boxed()
}

/// The server is about to stop, once, whenever that is.
fn yield_inputs(yielding: &CancellationToken) -> BoxStream<'static, Input> {
    let yielding = yielding.clone().cancelled_owned();
    stream::once(yielding.map(|()| Input::Yield)).chain(stream::pending()).boxed()
}

async fn next_record(records: &mut Option<RecordStream>) -> Input {
    let next = match records {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    };
    let end = |error: Option<SessionsError>| Input::SubscriptionEnded(error);
    let input = match next {
        Some(Ok(record)) => return Input::Record(record),
        Some(Err(error)) => {
            debug!(%error, "subscription broke");
            end(Some(error))
        }
        None => end(None),
    };
    *records = None;
    input
}

async fn closed(view: Option<&ViewSender>) {
    if let Some(view) = view {
        view.closed().await;
    }
}

async fn room(view: Option<&ViewSender>) {
    if let Some(view) = view {
        view.room(VIEW_RESERVE).await;
    }
}
