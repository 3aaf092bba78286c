//! Servers that speak Chat Completions, each with its own idea of it.

/// A server of Chat Completions whose habits are known.
///
/// What a server *says* is understood from all of them alike; the table is about what it may be *asked*.
/// `docs/providers.md` has it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Server {
    /// OpenAI itself.
    OpenAi,
    /// Azure OpenAI, its v1 API: the base URL is `https://<resource>.openai.azure.com/openai/v1`.
    Azure,
    /// DeepSeek.
    DeepSeek,
    /// Fireworks AI.
    Fireworks,
    /// Groq.
    Groq,
    /// LM Studio on this machine.
    LmStudio,
    /// Mistral AI.
    Mistral,
    /// Ollama on this machine.
    Ollama,
    /// OpenRouter.
    OpenRouter,
    /// Together AI.
    Together,
    /// vLLM on this machine.
    Vllm,
    /// xAI.
    XAi,
    /// Any other one; only what all of them take is asked of it.
    #[default]
    Other,
}

/// How a server differs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quirks {
    /// The key of its options in `providerOptions`.
    pub(super) provider: &'static str,
    pub(super) base_url: Option<&'static str>,
    pub(super) url_variable: &'static str,
    pub(super) key_variable: &'static str,
    /// The key travels in this header; without one, as a bearer token.
    pub(super) key_header: Option<&'static str>,
    /// Its models that think want a `developer` and `max_completion_tokens`, and no temperature.
    pub(super) has_developer: bool,
    /// It counts tokens only when asked to; the others always do, or refuse the question.
    pub(super) is_asked_for_usage: bool,
    /// It fetches images from addresses.
    pub(super) fetches_images: bool,
    pub(super) takes_pdf: bool,
    /// It insists on ids of nine letters and digits.
    pub(super) has_short_ids: bool,
    pub(super) thoughts: Thoughts,
}

/// How a server wants to be told what its model thought, as far as its documentation says that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoughts {
    /// Not at all.
    Forgotten,
    /// As text in a field of the message.
    Field(&'static str),
    /// As parts of its content.
    Parts,
    /// As `reasoning_details`, the way they came.
    Details,
}

const PLAIN: Quirks = Quirks {
    provider: "openai",
    base_url: None,
    url_variable: "OPENAI_BASE_URL",
    key_variable: "OPENAI_API_KEY",
    key_header: None,
    has_developer: false,
    is_asked_for_usage: true,
    fetches_images: true,
    takes_pdf: false,
    has_short_ids: false,
    thoughts: Thoughts::Forgotten,
};

impl Server {
    pub(super) const fn quirks(self) -> Quirks {
        match self {
            Self::OpenAi => Quirks {
                base_url: Some("https://api.openai.com/v1"),
                has_developer: true,
                takes_pdf: true,
                ..PLAIN
            },
            Self::Azure => Quirks {
                provider: "azure",
                url_variable: "AZURE_OPENAI_BASE_URL",
                key_variable: "AZURE_API_KEY",
                key_header: Some("api-key"),
                has_developer: true,
                takes_pdf: true,
                ..PLAIN
            },
            Self::DeepSeek => Quirks {
                provider: "deepseek",
                base_url: Some("https://api.deepseek.com/v1"),
                url_variable: "DEEPSEEK_BASE_URL",
                key_variable: "DEEPSEEK_API_KEY",
                thoughts: Thoughts::Field("reasoning_content"),
                ..PLAIN
            },
            Self::Fireworks => Quirks {
                provider: "fireworks",
                base_url: Some("https://api.fireworks.ai/inference/v1"),
                url_variable: "FIREWORKS_BASE_URL",
                key_variable: "FIREWORKS_API_KEY",
                thoughts: Thoughts::Field("reasoning_content"),
                ..PLAIN
            },
            Self::Groq => Quirks {
                provider: "groq",
                base_url: Some("https://api.groq.com/openai/v1"),
                url_variable: "GROQ_BASE_URL",
                key_variable: "GROQ_API_KEY",
                is_asked_for_usage: false,
                ..PLAIN
            },
            Self::LmStudio => Quirks {
                provider: "lmstudio",
                base_url: Some("http://127.0.0.1:1234/v1"),
                url_variable: "LMSTUDIO_BASE_URL",
                key_variable: "LMSTUDIO_API_KEY",
                fetches_images: false,
                ..PLAIN
            },
            Self::Mistral => Quirks {
                provider: "mistral",
                base_url: Some("https://api.mistral.ai/v1"),
                url_variable: "MISTRAL_BASE_URL",
                key_variable: "MISTRAL_API_KEY",
                is_asked_for_usage: false,
                has_short_ids: true,
                thoughts: Thoughts::Parts,
                ..PLAIN
            },
            Self::Ollama => Quirks {
                provider: "ollama",
                base_url: Some("http://127.0.0.1:11434/v1"),
                url_variable: "OLLAMA_BASE_URL",
                key_variable: "OLLAMA_API_KEY",
                fetches_images: false,
                ..PLAIN
            },
            Self::OpenRouter => Quirks {
                provider: "openrouter",
                base_url: Some("https://openrouter.ai/api/v1"),
                url_variable: "OPENROUTER_BASE_URL",
                key_variable: "OPENROUTER_API_KEY",
                takes_pdf: true,
                thoughts: Thoughts::Details,
                ..PLAIN
            },
            Self::Together => Quirks {
                provider: "togetherai",
                base_url: Some("https://api.together.xyz/v1"),
                url_variable: "TOGETHER_BASE_URL",
                key_variable: "TOGETHER_API_KEY",
                ..PLAIN
            },
            Self::Vllm => Quirks {
                provider: "vllm",
                base_url: Some("http://127.0.0.1:8000/v1"),
                url_variable: "VLLM_BASE_URL",
                key_variable: "VLLM_API_KEY",
                thoughts: Thoughts::Field("reasoning"),
                ..PLAIN
            },
            Self::XAi => Quirks {
                provider: "xai",
                base_url: Some("https://api.x.ai/v1"),
                url_variable: "XAI_BASE_URL",
                key_variable: "XAI_API_KEY",
                ..PLAIN
            },
            Self::Other => PLAIN,
        }
    }
}

/// An id that Mistral takes: nine letters and digits. Calls of other models are given one that depends only on
/// their own, so that call and result stay together and prompts stay the same.
pub(super) fn short_id(id: &str) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    // FNV-1a; an id is no secret.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut rest = hash;
    let letters = (0..9).map(|_| {
        let at = usize::try_from(rest % 62).unwrap_or_default();
        rest /= 62;
        char::from(LETTERS[at])
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_has_nine_letters_and_stays() {
        let id = short_id("toolu_01A09q90qw90lq917835lq9");
        assert_eq!((id.len(), short_id(&id)), (9, id.clone()));
        assert_ne!(id, short_id("toolu_01A09q90qw90lq917835lq8"));
    }
}
