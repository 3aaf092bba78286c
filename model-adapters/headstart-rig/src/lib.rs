//! Any completion model of [rig](rig_core) as the first step of a head-started turn.
//!
//! ```no_run
//! use headstart_core::{FirstTurn, HeadStart, Sessions};
//! use headstart_rig::Rig;
//! use rig_core::{operation::Completion, DynModel};
//!
//! // Say, `OpenAI::from_env()?.responses("gpt-5.2")`; with rig's feature `reqwest`.
//! fn head_start(
//!     sessions: impl Sessions,
//!     model: impl Into<DynModel<Completion>>,
//! ) -> Result<HeadStart, Box<dyn std::error::Error>> {
//!     let model = Rig::new(model);
//!     # use headstart_core::AllowAnyone;
//!     Ok(HeadStart::builder("my-agent", sessions)
//!         # .authorize(AllowAnyone)
//!         .run(move |turn: FirstTurn| {
//!             let model = model.clone();
//!             async move { turn.stream_text(&model).system("You are a helpful assistant.").await }
//!         })
//!         .build()?)
//! }
//! ```
//!
//! What step 1 says goes on in the agent's history, and the agent's own library reads it there. So what
//! counts is not only that an answer arrives, but what of it survives:
//!
//! | | Carried | Lost |
//! |---|---|---|
//! | text | deltas, blocks in their order | |
//! | tools | name, schema, choice, parallel calls | options of a tool; the provider's own tools |
//! | tool input | as the model wrote it, once it is whole | its pieces on the way: rig tells a call's id last |
//! | tool results | text, JSON, that it is an error | images in results |
//! | reasoning | deltas, blocks in their order | |
//! | signatures in the answer | Anthropic: signed and redacted thinking; OpenAI Responses: item ids and encrypted reasoning; Gemini: thought signatures | other providers |
//! | signatures in a history | Anthropic: signed and redacted thinking, unless rig ties the model's thinking to the tools it had | other providers |
//! | images | inline, by address | where rig's provider takes none, it puts a text in their place |
//! | files | PDF and text, inline, by address | other types: refused; where rig's provider takes none, a text in their place |
//! | generated images, sources, citations | | all |
//! | usage | input, output, cached input | |
//! | provider options of the request | | all: give a template instead ([`Rig::template`]) |
//!
//! A call that fails is not made again: the agent answers. The error says which kind it is and the status,
//! never what the provider said: that may quote the conversation.
//!
//! rig's minor releases break; this crate is pinned to one. rig switches `serde_json/preserve_order` and
//! `serde_json/float_roundtrip` on for everything it is built with.

mod error;
mod events;
mod metadata;
mod request;

use std::{collections::VecDeque, fmt};

use futures_util::{StreamExt, stream};
use headstart_core::step::{StepError, StepEvent, StepModel, StepRequest, StepStream};
use rig_core::{
    DynModel,
    completion::CompletionRequest,
    operation::Completion,
    streaming::{CompletionStream, Item},
};

use crate::events::Events;

/// A model of rig's. Cheap to clone.
#[derive(Clone)]
pub struct Rig {
    model: DynModel<Completion>,
    template: Option<CompletionRequest>,
}

impl Rig {
    /// This model, with the transport it has.
    pub fn new(model: impl Into<DynModel<Completion>>) -> Self {
        Self { model: model.into(), template: None }
    }

    /// What every request has: generation options, provider options, temperature. Its conversation and tools
    /// do not count, and what a turn says itself wins.
    #[must_use]
    pub fn template(mut self, template: CompletionRequest) -> Self {
        self.template = Some(template);
        self
    }

    fn open(&self, request: &StepRequest) -> Result<CompletionStream, StepError> {
        let request = request::completion(request, &self.model, self.template.as_ref())?;
        self.model.stream(request).map_err(|error| error::read(&error))
    }
}

impl StepModel for Rig {
    fn stream(&self, request: StepRequest) -> StepStream {
        let model = self.clone();
        let answer = stream::once(async move { model.open(&request) }).map(|opened| match opened {
            Ok(stream) => Answer::new(stream).into_stream().boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        });
        Box::pin(answer.flatten())
    }
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig").field("model", &self.model).finish_non_exhaustive()
    }
}

/// An answer on its way.
struct Answer {
    stream: CompletionStream,
    events: Events,
    ready: VecDeque<StepEvent>,
    is_over: bool,
}

impl Answer {
    fn new(stream: CompletionStream) -> Self {
        Self { stream, events: Events::default(), ready: VecDeque::new(), is_over: false }
    }

    fn into_stream(self) -> impl futures_util::Stream<Item = Result<StepEvent, StepError>> + Send {
        stream::unfold(self, |mut answer| async move { answer.next().await.map(|event| (event, answer)) })
    }

    async fn next(&mut self) -> Option<Result<StepEvent, StepError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            match self.stream.next().await {
                Some(Ok(Item::Event(event))) => self.events.event(event, &mut self.ready),
                // What rig does not know, nobody here knows either.
                Some(Ok(Item::Unknown(_))) => {}
                Some(Err(error)) => {
                    self.is_over = true;
                    return Some(Err(error::read(&error)));
                }
                None => {
                    self.is_over = true;
                    self.ready.push_back(events::finish(&self.stream.partial()));
                }
            }
        }
    }
}
