//! The demo's model and tools: scripted, unless there is a key for the real thing.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use headstart_core::{
    step::{StepEvent, StepModel, StepRequest, StepStream, Tool},
    wire::{Json, ModelMessage, ToolOutput, ToolPart, UserPart},
};
use headstart_dev::ToolError;
use headstart_providers::{Anthropic, Script, Scripted};
use serde::Deserialize;
use serde_json::json;

use crate::timeline::Timelines;

const CLAUDE: &str = "claude-sonnet-4-5";

/// The model of step 1 and of the agent.
#[derive(Clone)]
pub(crate) struct DemoModel {
    model: Arc<dyn StepModel>,
    name: &'static str,
    timed: Option<(Arc<Timelines>, String)>,
}

impl DemoModel {
    pub(crate) fn from_env() -> Result<Self, Box<dyn Error>> {
        let has_key = std::env::var("ANTHROPIC_API_KEY").is_ok_and(|key| !key.is_empty());
        let (model, name): (Arc<dyn StepModel>, _) = match has_key {
            true => (Arc::new(Anthropic::from_env()?.model(CLAUDE)), CLAUDE),
            false => (Arc::new(Scripted::new(script)), "scripted"),
        };
        Ok(Self { model, name, timed: None })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The same, with its first event and text marked on a chat's time line.
    pub(crate) fn timed(&self, timelines: Arc<Timelines>, chat: String) -> Self {
        Self { timed: Some((timelines, chat)), ..self.clone() }
    }
}

impl StepModel for DemoModel {
    fn stream(&self, request: StepRequest) -> StepStream {
        let events = self.model.stream(request);
        let Some((timelines, chat)) = self.timed.clone() else { return events };
        timelines.mark(&chat, Instant::now(), "model-start", "");
        let (mut has_begun, mut has_text) = (false, false);
        Box::pin(events.inspect(move |event| {
            if !std::mem::replace(&mut has_begun, true) {
                timelines.mark(&chat, Instant::now(), "model-first-byte", "");
            }
            if matches!(event, Ok(StepEvent::TextDelta { .. })) && !std::mem::replace(&mut has_text, true) {
                timelines.mark(&chat, Instant::now(), "first-text", "");
            }
        }))
    }
}

/// What the scripted model says: it looks things up with tools, and then tells them.
fn script(request: &StepRequest) -> Script {
    let script = Script::new().first_byte(Duration::from_millis(250)).pause(Duration::from_millis(28));
    if let Some(ModelMessage::Tool(results)) = request.messages.last() {
        let told: Vec<String> = results.content.iter().filter_map(tell).collect();
        return script.text(format!("Here is what I found:\n\n{}\n\nAnything else?", told.join("\n")));
    }
    let question = last_question(request).to_lowercase();
    let city = ["paris", "rome", "tokyo", "berlin", "lima"].into_iter().find(|city| question.contains(city));
    let city = city.map_or_else(|| "Paris".to_owned(), |city| city[..1].to_uppercase() + &city[1..]);
    let input = json!({ "city": city }).to_string();
    let (weather, time) = (question.contains("weather"), question.contains("time"));
    let script = script.reasoning(match weather || time {
        true => "The user wants current facts, so I should not guess. I have tools for that.",
        false => "No tool is needed for this. I will simply answer.",
    });
    let number = request.messages.len();
    match (weather, time) {
        (false, false) => script.text(
            "This answer is streamed by the **warm web server**, while the agent's run was still booting. \
             Ask me about the *weather* or the *time* in a city, and the agent takes over in mid-turn to run its \
             tools:\n\n- step 1 comes from the warm server\n- tool results and step 2 come from the agent\n\nAll \
             of it is one message.",
        ),
        _ => {
            let script = script.text(format!("Let me look that up for {city}."));
            let script = match weather {
                true => script.tool_call(format!("call_{number}_weather"), "getWeather", input.clone()),
                false => script,
            };
            match time {
                true => script.tool_call(format!("call_{number}_time"), "getTime", input),
                false => script,
            }
        }
    }
}

fn last_question(request: &StepRequest) -> String {
    let user = request.messages.iter().rev().find_map(|message| match message {
        ModelMessage::User(user) => Some(user),
        _ => None,
    });
    let texts = user.iter().flat_map(|user| &user.content).filter_map(|part| match part {
        UserPart::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

fn tell(part: &ToolPart) -> Option<String> {
    let ToolPart::Result(result) = part else { return None };
    let ToolOutput::Json { value } = &result.output else { return None };
    let value = value.to_value();
    let city = value["city"].as_str().unwrap_or("the city");
    Some(match &*result.tool_name {
        "getWeather" => {
            format!(
                "- It is **{} °C** and {} in {city}.",
                value["celsius"],
                value["sky"].as_str().unwrap_or("fair")
            )
        }
        _ => format!("- It is **{}** in {city}.", value["time"].as_str().unwrap_or("noon")),
    })
}

/// What the model may call; the agent runs it.
pub(crate) fn tools() -> [Tool; 2] {
    let schema = || {
        json!({
            "type": "object",
            "properties": { "city": { "type": "string", "description": "Name of the city" } },
            "required": ["city"],
            "additionalProperties": false,
        })
    };
    [
        Tool::new("getWeather", "Get the current weather of a city", schema()),
        Tool::new("getTime", "Get the local time of a city", schema()),
    ]
}

#[derive(Deserialize)]
struct City {
    city: String,
}

fn city(input: &Json) -> Result<String, ToolError> {
    input.to::<City>().map(|input| input.city).map_err(|error| ToolError(error.to_string()))
}

/// Made-up weather that stays the same for a city.
pub(crate) async fn get_weather(input: Json) -> Result<Json, ToolError> {
    let city = city(&input)?;
    tokio::time::sleep(Duration::from_millis(350)).await;
    let luck = city.bytes().map(usize::from).sum::<usize>();
    let sky = ["sunny", "cloudy", "rainy", "windy"][luck % 4];
    Ok(Json::from_value(&json!({ "city": city, "celsius": 8 + luck % 22, "sky": sky })))
}

/// The time by the sun, roughly.
pub(crate) async fn get_time(input: Json) -> Result<Json, ToolError> {
    let city = city(&input)?;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let offset = match &*city {
        "Paris" | "Rome" | "Berlin" => 1,
        "Tokyo" => 9,
        "Lima" => 19,
        _ => 0,
    };
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let minutes = (now / 60 + offset * 60) % (24 * 60);
    Ok(Json::from_value(&json!({ "city": city, "time": format!("{:02}:{:02}", minutes / 60, minutes % 60) })))
}
