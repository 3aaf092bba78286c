//! A model of one's own as the first step: any stream of [`StepEvent`]s will do.
//!
//! ```sh
//! cargo run -p headstart-local-model
//! ```
//!
//! starts the embedded platform with one agent, and this server in front of it; it prints a `curl` command
//! that posts a first message. `PORT` sets the port, 0 for any.

mod markov;

use std::{convert::Infallible, error::Error, sync::Arc, time::Duration};

use axum::Router;
use futures_util::{Stream, StreamExt, stream};
use headstart_core::{
    AllowAnyone, FirstTurn, HeadStart,
    step::{StepEvent, StepModel, StepRequest, StepStream, Usage},
    wire::{FinishReason, ModelMessage, UserPart},
};
use headstart_dev::{Agent, DevPlatform};
use headstart_trigger::TriggerClient;

use crate::markov::Markov;

/// What a model has to give: pieces of text, and that it is done. The stream is dropped when nobody wants it
/// any more, so a model that computes on a thread of its own should look whether its channel is closed.
fn speak(
    markov: &Markov,
    question: &str,
) -> impl Stream<Item = Result<StepEvent, Infallible>> + Send + use<> {
    let words = stream::iter(markov.answer(question)).then(|delta| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        StepEvent::TextDelta { id: "0".to_owned(), delta, provider_metadata: None }
    });
    let finish = StepEvent::Finish { reason: FinishReason::Stop, paused: false, usage: Usage::default() };
    words.chain(stream::iter([finish])).map(Ok)
}

/// What was asked last.
fn question(messages: &[ModelMessage]) -> String {
    let last = messages.iter().rev().find_map(|message| match message {
        ModelMessage::User(user) => Some(&user.content),
        _ => None,
    });
    let texts = last.into_iter().flatten().filter_map(|part| match part {
        UserPart::Text(text) => Some(&*text.text),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// With a name of its own the model can be used wherever one is wanted: by the embedded agent, here.
#[derive(Clone)]
struct LocalModel(Arc<Markov>);

impl StepModel for LocalModel {
    fn stream(&self, request: StepRequest) -> StepStream {
        let words = speak(&self.0, &question(&request.messages));
        Box::pin(words.map(|event| event.map_err(|never| match never {})))
    }
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a program")]
async fn main() -> Result<(), Box<dyn Error>> {
    let markov = Arc::new(Markov::new());

    let agent = Agent::new("my-agent", LocalModel(markov.clone())).boot_delay(Duration::from_millis(900));
    let platform = DevPlatform::builder().agent(agent).start().await?;
    let sessions =
        TriggerClient::builder().base_url(platform.url()).secret_key(platform.secret_key()).build()?;

    let head_start = HeadStart::builder("my-agent", sessions)
        // An application looks up who asks, and whose chat it is.
        .authorize(AllowAnyone)
        .run(move |turn: FirstTurn| {
            let answer = speak(&markov, &question(turn.messages()));
            async move { Ok::<_, Infallible>(answer) }
        })
        .build()?;

    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}/api/chat", listener.local_addr()?);
    println!(
        "Ask it:\n\ncurl -N {url} -H 'content-type: application/json' -d '{{\"chatId\":\"chat-1\",\
         \"trigger\":\"submit-message\",\"headStartMessages\":[{{\"id\":\"u1\",\"role\":\"user\",\
         \"parts\":[{{\"type\":\"text\",\"text\":\"Tell me of the river.\"}}]}}]}}'\n"
    );
    axum::serve(listener, Router::new().route("/api/chat", headstart_axum::post(head_start))).await?;
    Ok(())
}
