//! How the agent's run is started.

use crate::wire::{ChatId, Deployment, Json, TriggerConfigBody};

const MAX_TAGS: usize = 10;
const MAX_TAG_LENGTH: usize = 128;
/// The platform puts a prefix in front.
const MAX_CONCURRENCY_NAME: usize = 122;

/// Options of the agent's run (`docs/protocol.md`, "Create").
///
/// ```
/// use headstart_core::{MachinePreset, TriggerConfig};
///
/// let config = TriggerConfig::new().tag("org:acme").queue("chat").machine(MachinePreset::Small2x);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Default)]
pub struct TriggerConfig {
    pub(crate) base_payload: Vec<(String, Json)>,
    pub(crate) body: TriggerConfigBody,
}

/// How large a machine the run gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the platform's")]
pub enum MachinePreset {
    Micro,
    Small1x,
    Small2x,
    Medium1x,
    Medium2x,
    Large1x,
    Large2x,
}

impl MachinePreset {
    fn as_str(self) -> &'static str {
        match self {
            Self::Micro => "micro",
            Self::Small1x => "small-1x",
            Self::Small2x => "small-2x",
            Self::Medium1x => "medium-1x",
            Self::Medium2x => "medium-2x",
            Self::Large1x => "large-1x",
            Self::Large2x => "large-2x",
        }
    }
}

impl TriggerConfig {
    /// Nothing but defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A field of the run's payload. It wins over what the browser sent under that name; `chatId`,
    /// `trigger`, `headStartMessages` and `idleTimeoutInSeconds` are the protocol's own and win over it.
    #[must_use]
    pub fn payload(mut self, name: impl Into<String>, value: Json) -> Self {
        self.base_payload.push((name.into(), value));
        self
    }

    /// A tag of the run, at most 128 characters; 10 are kept in all, `chat:<id>` first.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.body.tags.push(tag.into());
        self
    }

    /// The machine.
    #[must_use]
    pub fn machine(mut self, machine: MachinePreset) -> Self {
        self.body.machine = Some(machine.as_str().to_owned());
        self
    }

    /// The queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.body.queue = Some(queue.into());
        self
    }

    /// A named concurrency limit: letters, digits, `_` and `-`; at most two of them.
    #[must_use]
    pub fn concurrency(mut self, name: impl Into<String>) -> Self {
        self.body.concurrency.push(name.into());
        self
    }

    /// Runs of one key share a limit.
    #[must_use]
    pub fn concurrency_key(mut self, key: impl Into<String>) -> Self {
        self.body.concurrency_key = Some(key.into());
        self
    }

    /// How often the run is tried, 1 to 10.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.body.max_attempts = Some(attempts);
        self
    }

    /// The longest run, in seconds.
    #[must_use]
    pub fn max_duration(mut self, seconds: u32) -> Self {
        self.body.max_duration = Some(seconds);
        self
    }

    /// The region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.body.region = Some(region.into());
        self
    }

    /// The version of the agent.
    #[must_use]
    pub fn lock_to_version(mut self, version: impl Into<String>) -> Self {
        self.body.lock_to_version = Some(version.into());
        self
    }

    /// How long the run may wait to start: a span such as `10m`. See [`ttl_seconds`](Self::ttl_seconds).
    #[must_use]
    pub fn ttl(mut self, span: impl AsRef<str>) -> Self {
        self.body.ttl = Some(Json::string(span.as_ref()));
        self
    }

    /// The same in seconds.
    #[must_use]
    pub fn ttl_seconds(mut self, seconds: u32) -> Self {
        self.body.ttl = Some(Json::from_value(&seconds.into()));
        self
    }

    /// How long the run waits warm for the next message, in seconds, 1 to 3600. Defaults to 60.
    #[must_use]
    pub fn idle_timeout(mut self, seconds: u32) -> Self {
        self.body.idle_timeout_in_seconds = Some(seconds);
        self
    }

    /// The deployment that the run belongs to, by the name it was deployed under. Until it is there the run
    /// waits, and the browser is told so (`X-Trigger-Chat-Pending-Version`); step 1 is answered all the same.
    ///
    /// Unless this is set, the platform's client says: `headstart-trigger` goes by its own setting, then by
    /// `TRIGGER_EXTERNAL_DEPLOYMENT_ID`.
    #[must_use]
    pub fn external_deployment_id(mut self, id: impl Into<String>) -> Self {
        self.body.external_deployment_id = Deployment::Id(id.into());
        self
    }

    /// Any deployment will do, whatever the client and its environment say.
    #[must_use]
    pub fn any_deployment(mut self) -> Self {
        self.body.external_deployment_id = Deployment::Any;
        self
    }

    pub(crate) fn idle_seconds(&self) -> u32 {
        self.body.idle_timeout_in_seconds.unwrap_or(60)
    }

    /// What is wrong with it, in words. Sizes of names are left to the platform, which may come to take more.
    pub(crate) fn problem(&self) -> Option<String> {
        let body = &self.body;
        if body.concurrency.len() > 2 {
            return Some("there are more than two concurrency limits".to_owned());
        }
        let is_sound = |name: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            (1..=MAX_CONCURRENCY_NAME).contains(&name.len()) && name.bytes().all(is_plain)
        };
        if let Some(name) = body.concurrency.iter().find(|name| !is_sound(name)) {
            return Some(format!("{name:?} is no name of a concurrency limit"));
        }
        if body.max_duration == Some(0) {
            return Some("the longest run is no time at all".to_owned());
        }
        if !(1..=3600).contains(&self.idle_seconds()) {
            return Some("the idle timeout is not 1 to 3600 seconds".to_owned());
        }
        if body.max_attempts.is_some_and(|attempts| !(1..=10).contains(&attempts)) {
            return Some("max attempts is not 1 to 10".to_owned());
        }
        None
    }

    /// As it is sent for a first turn of this chat, with this payload.
    pub(crate) fn body_for(&self, chat: &ChatId, base_payload: Json) -> TriggerConfigBody {
        let idle_timeout_in_seconds = Some(self.idle_seconds());
        TriggerConfigBody { idle_timeout_in_seconds, ..self.preload_body_for(chat, base_payload) }
    }

    /// The same for a run that begins without a message: how long it waits for one is the agent's business,
    /// unless it is said here.
    pub(crate) fn preload_body_for(&self, chat: &ChatId, base_payload: Json) -> TriggerConfigBody {
        let chat_tag = format!("chat:{chat}");
        let fits = chat_tag.encode_utf16().count() <= MAX_TAG_LENGTH;
        let tags = fits.then_some(chat_tag).into_iter().chain(self.body.tags.iter().cloned());
        TriggerConfigBody { base_payload, tags: tags.take(MAX_TAGS).collect(), ..self.body.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(config: &TriggerConfig, chat: &str) -> Vec<String> {
        config.body_for(&chat.parse().unwrap(), Json::null()).tags
    }

    #[test]
    fn the_chat_tag_comes_first_if_it_fits_and_ten_tags_are_kept() {
        let config = (0..12).fold(TriggerConfig::new(), |config, n| config.tag(format!("t{n}")));
        assert_eq!(tags(&config, "c1").len(), 10);
        assert_eq!(tags(&config, "c1")[..2], ["chat:c1", "t0"]);
        assert_eq!(tags(&config, &"c".repeat(124))[0], "t0");
        assert!(tags(&config, &"c".repeat(123))[0].starts_with("chat:"));
    }
}
