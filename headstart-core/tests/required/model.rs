//! The client of a provider was given in place of a model.

use headstart_core::FirstTurn;

struct Provider;

fn answer(turn: &FirstTurn) {
    drop(turn.stream_text(&Provider));
}

fn main() {}
