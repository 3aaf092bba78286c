//! `authorize` was forgotten.

use headstart_core::{FirstTurn, HeadStart, Sessions, step::StepModel};

fn head_start(sessions: impl Sessions, model: impl StepModel + Clone) -> HeadStart {
    HeadStart::builder("my-agent", sessions)
        .run(move |turn: FirstTurn| {
            let model = model.clone();
            async move { turn.stream_text(&model).await }
        })
        .build()
        .unwrap()
}

fn main() {}
