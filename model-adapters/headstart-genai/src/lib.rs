//! Any model of the [`genai`] crate as the first step of a head-started turn.
//!
//! ```no_run
//! use headstart_core::{FirstTurn, HeadStart, Sessions};
//! use headstart_genai::GenAi;
//!
//! fn head_start(sessions: impl Sessions) -> Result<HeadStart, Box<dyn std::error::Error>> {
//!     // Keys come from the environment, as always with genai.
//!     let model = GenAi::new(genai::Client::new()?, "gemini-2.5-flash");
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
//! | text | deltas | block ids of the provider; two blocks in a row are one |
//! | tools | name, schema, choice, input as it streams, parallel calls | options of a tool; the provider's own tools |
//! | tool input | as the model wrote it, where genai streams its text (all but Gemini, Ollama, Cohere) | else numbers beyond 64 bits |
//! | tool results | text, JSON as text | that a result is an error; images in results |
//! | reasoning | deltas | |
//! | signatures | Anthropic and Bedrock: signed thinking, both ways; Anthropic: redacted thinking, too; Gemini: of text and calls | OpenAI Responses: encrypted reasoning (genai gives no item ids, without which nobody can send it back) |
//! | order | of what streams | Anthropic, in a history: thinking comes before text |
//! | images | inline; by address for Anthropic, OpenAI and Gemini | by address elsewhere: refused |
//! | files | inline (PDF); by address for Anthropic and Gemini | by address elsewhere: refused; files the provider keeps: refused |
//! | generated files, sources, citations | | all |
//! | prompt cache | [`ChatOptions::with_cache_control`] | marks on messages, parts and tools |
//! | usage | input, output, cached input | |
//! | provider options of the request | | all: give [`ChatOptions`] instead |
//!
//! A stream that ends early is an error here, although genai ends it silently; so a server that leaves out
//! the closing `[DONE]` is one that was cut off. A call that fails is not made again: the agent answers. The
//! error says which kind it is and the status, never what the provider said: that may quote the conversation.
//!
//! genai switches `serde_json/preserve_order` on for everything it is built with.

mod error;
mod events;
mod redacted;
mod request;
mod signing;

use std::{collections::VecDeque, fmt, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};
use genai::{
    Client, ModelSpec,
    adapter::AdapterKind,
    chat::{ChatOptions, ChatStream, ChatStreamEvent},
};
use headstart_core::step::{StepError, StepErrorKind, StepEvent, StepModel, StepRequest, StepStream};

use crate::{events::Events, redacted::Redacted};

/// A model behind a genai client. Cheap to clone.
#[derive(Clone)]
pub struct GenAi {
    client: Client,
    model: ModelSpec,
    options: Arc<ChatOptions>,
}

impl GenAi {
    /// The model of this name (or of this endpoint and key: see [`ModelSpec`]).
    pub fn new(client: Client, model: impl Into<ModelSpec>) -> Self {
        Self { client, model: model.into(), options: Arc::default() }
    }

    /// Options of every call, such as the effort of its reasoning. What a turn says itself (temperature,
    /// longest answer, tool choice) wins over them; what is captured is set by this crate.
    #[must_use]
    pub fn options(mut self, options: ChatOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    async fn open(self, request: StepRequest) -> Result<Answer, StepError> {
        let target =
            self.client.resolve_service_target(self.model).await.map_err(|error| error::read(&error))?;
        let adapter = target.model.adapter_kind;
        let model = target.model.model_name.to_string();
        let chat = request::chat(&request, adapter, &model)?;
        let redacted = Redacted::before(self.options.raw_frame_sink.clone());
        let mut options = request::options(&self.options, &request);
        if adapter == AdapterKind::Anthropic {
            options = options.with_raw_frame_sink(redacted.clone());
        }
        let opened = self.client.exec_chat_stream(ModelSpec::Target(target), chat, Some(&options)).await;
        let chat = opened.map_err(|error| error::read(&error))?.stream;
        let events = Events::new(adapter, &model);
        Ok(Answer { chat, adapter, events, redacted, ready: VecDeque::new(), is_over: false })
    }
}

impl StepModel for GenAi {
    fn stream(&self, request: StepRequest) -> StepStream {
        let opened = self.clone().open(request);
        Box::pin(stream::once(opened).map_ok(Answer::into_stream).try_flatten())
    }
}

impl fmt::Debug for GenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the client nor a target: both hold keys.
        f.debug_struct("GenAi").finish_non_exhaustive()
    }
}

/// An answer on its way.
struct Answer {
    chat: ChatStream,
    adapter: AdapterKind,
    events: Events,
    redacted: Redacted,
    ready: VecDeque<StepEvent>,
    is_over: bool,
}

impl Answer {
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
            let next = self.chat.next().await;
            // Redacted thinking is no event of genai's; it came before this one.
            self.redacted.drain(|data| self.events.redacted(data, &mut self.ready));
            match next {
                Some(Ok(event)) => {
                    self.is_over = matches!(event, ChatStreamEvent::End(_));
                    self.events.event(event, &mut self.ready);
                }
                // genai trips over citations, and goes on behind them.
                Some(Err(genai::Error::JsonValueExt(_))) if self.adapter == AdapterKind::Anthropic => {}
                Some(Err(error)) => {
                    self.is_over = true;
                    return Some(Err(error::read(&error)));
                }
                None => {
                    self.is_over = true;
                    return Some(Err(StepError::new(
                        StepErrorKind::Truncated,
                        "it ended without its last event",
                    )));
                }
            }
        }
    }
}
