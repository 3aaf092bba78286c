//! A model's answer from its bytes to our events, without a connection.

use std::{collections::VecDeque, time::Duration};

use headstart_core::{
    sse::{Decoder, Event},
    step::{StepError, StepErrorKind, StepEvent},
};

/// The largest event of a stream; a generated image is one event.
const MAX_EVENT: usize = 8 * 1024 * 1024;
/// The largest answer. A decoder keeps nothing for longer than an answer, so this bounds its memory, too.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The APIs whose streams are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Anthropic's Messages.
    #[cfg(feature = "anthropic")]
    Anthropic,
    /// Google's `streamGenerateContent?alt=sse`.
    #[cfg(feature = "gemini")]
    Gemini,
    /// OpenAI's Chat Completions, and what is compatible with it.
    #[cfg(feature = "openai")]
    OpenAiChat,
    /// OpenAI's Responses.
    #[cfg(feature = "openai")]
    OpenAiResponses,
}

impl Api {
    fn decoder(self) -> Box<dyn Decode> {
        match self {
            #[cfg(feature = "anthropic")]
            Self::Anthropic => Box::new(crate::anthropic::Decoder::default()),
            #[cfg(feature = "gemini")]
            Self::Gemini => Box::new(crate::gemini::Decoder::default()),
            #[cfg(feature = "openai")]
            Self::OpenAiChat => Box::new(crate::openai::ChatDecoder::default()),
            #[cfg(feature = "openai")]
            Self::OpenAiResponses => Box::new(crate::openai::ResponsesDecoder::default()),
        }
    }

    /// What an error answer (a status of 400 or more) says about itself.
    pub(crate) fn refusal(self, body: &[u8]) -> Refusal {
        match self {
            #[cfg(feature = "anthropic")]
            Self::Anthropic => crate::anthropic::refusal(body),
            #[cfg(feature = "gemini")]
            Self::Gemini => crate::gemini::refusal(body),
            #[cfg(feature = "openai")]
            Self::OpenAiChat | Self::OpenAiResponses => crate::openai::refusal(body),
        }
    }
}

/// What an error answer says about itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Refusal {
    /// A constant of the API. Never its message, which may quote the request.
    pub(crate) kind: String,
    /// When to ask again, where the API says so in the body.
    pub(crate) retry_after: Option<Duration>,
}

/// Turns the events of one API into ours.
pub(crate) trait Decode: Send {
    /// Takes in one event.
    fn event(&mut self, event: &Event, out: &mut VecDeque<StepEvent>) -> Result<(), StepError>;

    /// Has the model said that it is done?
    fn is_done(&self) -> bool;

    /// Has it said so, in an API that may add something (usage, say) before it closes the connection?
    fn is_ending(&self) -> bool {
        false
    }

    /// Nothing more will come. A decoder that [is ending](Self::is_ending) finishes.
    fn close(&mut self, _out: &mut VecDeque<StepEvent>) {}
}

/// Decodes the bytes of a model's answer, however they are split: for those who bring their own connection,
/// or read a recorded transcript.
///
/// ```
/// # #[cfg(feature = "anthropic")] {
/// use headstart_core::step::StepEvent;
/// use headstart_providers::{AnswerDecoder, Api};
///
/// let mut decoder = AnswerDecoder::new(Api::Anthropic);
/// decoder.feed(b"data: {\"type\":\"message_start\",\"message\":{}}\n\ndata: {\"type\":\"mess")?;
/// assert_eq!(decoder.next_event()?, Some(StepEvent::Start));
/// assert_eq!(decoder.next_event()?, None);
/// # }
/// # Ok::<(), headstart_core::step::StepError>(())
/// ```
pub struct AnswerDecoder {
    sse: Decoder,
    decode: Box<dyn Decode>,
    ready: VecDeque<StepEvent>,
    size: usize,
}

impl AnswerDecoder {
    /// For an answer of this API.
    #[must_use]
    pub fn new(api: Api) -> Self {
        let sse = Decoder::new(MAX_EVENT);
        Self { sse, decode: api.decoder(), ready: VecDeque::new(), size: 0 }
    }

    /// Takes in the next bytes. Take out all events before the next ones.
    ///
    /// # Errors
    /// When one event (8 MiB) or the whole answer (64 MiB) is too large.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), StepError> {
        let malformed = |message: String| StepError::new(StepErrorKind::Malformed, message);
        self.size = self.size.saturating_add(bytes.len());
        if self.size > MAX_ANSWER {
            return Err(malformed(format!("the answer is larger than {MAX_ANSWER} bytes")));
        }
        self.sse.feed(bytes).map_err(|error| malformed(error.to_string()))
    }

    /// The next event; `None` when there is none before more bytes come.
    ///
    /// # Errors
    /// When the model says that it failed, or something unreadable. Nothing follows an error.
    pub fn next_event(&mut self) -> Result<Option<StepEvent>, StepError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.decode.is_done() {
                return Ok(None);
            }
            let Some(event) = self.sse.next_event() else { return Ok(None) };
            self.decode.event(&event, &mut self.ready)?;
        }
    }

    /// The bytes are over; take out the last events.
    ///
    /// # Errors
    /// When the model was not done: the answer was cut off.
    pub fn close(&mut self) -> Result<(), StepError> {
        if !self.decode.is_done() && self.decode.is_ending() {
            self.decode.close(&mut self.ready);
        }
        match self.decode.is_done() {
            true => Ok(()),
            false => Err(StepError::new(StepErrorKind::Truncated, "it ended without its last event")),
        }
    }

    /// Has the model said that it is done, and was all of it taken out?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.decode.is_done() && self.ready.is_empty()
    }

    /// Only little can follow, such as the usage.
    pub(crate) fn is_ending(&self) -> bool {
        self.decode.is_ending()
    }
}

impl std::fmt::Debug for AnswerDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerDecoder").field("size", &self.size).finish_non_exhaustive()
    }
}
