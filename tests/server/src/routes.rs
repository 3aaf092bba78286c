//! The configurations.

use std::{error::Error, time::Duration};

use headstart_core::{
    AllowAnyone, Authorized, BodyFields, Deadlines, FirstTurn, HeadStart, HeadStartBuilder, HistoryPolicy,
    MachinePreset, Missing, TriggerConfig,
    step::{StepError, StepErrorKind, StepModel, StepRun, Tool, ToolSet},
    wire::Json,
};
use headstart_providers::{Anthropic, OpenAi};
use headstart_trigger::{Timeouts, TriggerClient};

const AGENT: &str = "rig-agent";
const SYSTEM: &str = "You are a helpful assistant.";

/// All routes by their path.
pub(crate) fn routes() -> Result<Vec<(&'static str, HeadStart)>, Box<dyn Error>> {
    let knobs = Knobs::from_env();
    let claude = Anthropic::from_env()?.model("claude-sonnet-4-5");
    let openai = OpenAi::from_env()?;
    let ask = |options: Options| call(claude.clone(), options);
    let plain = || Options { tools: tools(), max_output_tokens: 1024, provider_options: None };
    let thinking = Json::parse(r#"{"anthropic":{"thinking":{"type":"enabled","budgetTokens":1024}}}"#)?;

    let many_tags = (0..12).fold(TriggerConfig::new(), |config, n| config.tag(format!("tag{n}")));
    let full_config = TriggerConfig::new()
        .payload("plan", Json::string("pro"))
        .payload("chatId", Json::string("cannot-win"))
        .payload("trigger", Json::string("cannot-win"))
        .machine(MachinePreset::Small2x)
        .queue("my-queue")
        .concurrency_key("user-1")
        .tag("t1")
        .tag("t2")
        .max_attempts(3)
        .max_duration(120)
        .region("eu-central-1")
        .lock_to_version("20260101.1")
        .ttl("10m")
        .idle_timeout(30);

    let long_tag = TriggerConfig::new().tag("x".repeat(129));

    let routes = vec![
        ("/api/chat", knobs.builder()?.run(ask(plain())).build()?),
        (
            "/api/chat/plain",
            knobs.builder()?.run(ask(Options { tools: ToolSet::default(), ..plain() })).build()?,
        ),
        (
            "/api/chat/thinking",
            knobs
                .builder()?
                .run(ask(Options { max_output_tokens: 2048, provider_options: Some(thinking), ..plain() }))
                .build()?,
        ),
        ("/api/chat/openai", knobs.builder()?.run(call(openai.chat("gpt-4o-mini"), plain())).build()?),
        (
            "/api/chat/openai-responses",
            knobs.builder()?.run(call(openai.responses("gpt-4o-mini"), plain())).build()?,
        ),
        (
            "/api/chat/config",
            knobs.idle(30)?.trigger(full_config).session_tag("dash:a").run(ask(plain())).build()?,
        ),
        ("/api/chat/long-tag", knobs.builder()?.trigger(long_tag).run(ask(plain())).build()?),
        ("/api/chat/many-tags", knobs.builder()?.trigger(many_tags).run(ask(plain())).build()?),
        (
            "/api/chat/idle1",
            knobs.idle(1)?.trigger(TriggerConfig::new().idle_timeout(1)).run(ask(plain())).build()?,
        ),
        ("/api/chat/run-throws", knobs.builder()?.run(|_turn: FirstTurn| async { throws() }).build()?),
    ];
    Ok(routes)
}

fn throws() -> Result<StepRun, StepError> {
    Err(StepError::new(StepErrorKind::Run, "run() exploded"))
}

struct Options {
    tools: ToolSet,
    max_output_tokens: u32,
    provider_options: Option<Json>,
}

/// What `run` does on every route but one.
fn call<M: StepModel + Clone>(
    model: M,
    Options { tools, max_output_tokens, provider_options }: Options,
) -> impl Fn(FirstTurn) -> std::pin::Pin<Box<dyn Future<Output = Result<StepRun, StepError>> + Send>> {
    move |turn| {
        let (model, tools, provider_options) = (model.clone(), tools.clone(), provider_options.clone());
        Box::pin(async move {
            let mut call =
                turn.stream_text(&model).system(SYSTEM).tools(tools).max_output_tokens(max_output_tokens);
            if let Some(options) = provider_options {
                call = call.provider_options(options);
            }
            call.await
        })
    }
}

/// The tools; the agent runs them.
fn tools() -> ToolSet {
    let schema = |properties: &str, required: &str| {
        let schema = format!(
            r#"{{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{properties}{required},"additionalProperties":false}}"#
        );
        Json::parse(&schema).unwrap_or_default()
    };
    let limit = r#"{"type":"integer","minimum":-9007199254740991,"maximum":9007199254740991}"#;
    let tools = [
        Tool::with_raw_schema(
            "getWeather",
            "Get the current weather for a city",
            schema(r#"{"city":{"type":"string","description":"City name"}}"#, r#","required":["city"]"#),
        ),
        Tool::with_raw_schema(
            "search",
            "Search the web",
            schema(
                &format!(r#"{{"query":{{"type":"string"}},"limit":{limit}}}"#),
                r#","required":["query"]"#,
            ),
        ),
        Tool::with_raw_schema("ping", "Check liveness", schema("{}", "")),
    ];
    ToolSet::new(tools).unwrap_or_default()
}

/// What the environment says about waiting.
struct Knobs {
    longest: Option<Duration>,
    keep_alive: Duration,
}

impl Knobs {
    fn from_env() -> Self {
        let millis = |name: &str| std::env::var(name).ok()?.parse().ok().map(Duration::from_millis);
        Self {
            longest: millis("HEADSTART_TEST_DEADLINES_MS"),
            keep_alive: millis("HEADSTART_KEEP_ALIVE_MS").unwrap_or(Duration::from_secs(10)),
        }
    }

    fn builder(&self) -> Result<HeadStartBuilder<Authorized, Missing>, Box<dyn Error>> {
        let longest = self.longest.unwrap_or(Duration::MAX);
        let timeouts = Timeouts::default().at_most(longest);
        let client = TriggerClient::builder().timeouts(timeouts).build()?;
        let builder = HeadStart::builder(AGENT, client)
            .authorize(AllowAnyone)
            .history(HistoryPolicy::Trusted)
            .body_fields(BodyFields::All)
            .deadlines(Deadlines::default().at_most(longest))
            .keep_alive(self.keep_alive);
        Ok(builder)
    }

    /// The same with another limit for the model's silence.
    fn idle(&self, seconds: u64) -> Result<HeadStartBuilder<Authorized, Missing>, Box<dyn Error>> {
        let mut deadlines = Deadlines::default();
        deadlines.model_idle = Duration::from_secs(seconds);
        Ok(self.builder()?.deadlines(deadlines.at_most(self.longest.unwrap_or(Duration::MAX))))
    }
}
