//! `run` was forgotten.

use headstart_core::{AllowAnyone, HeadStart, Sessions};

fn head_start(sessions: impl Sessions) -> HeadStart {
    HeadStart::builder("my-agent", sessions).authorize(AllowAnyone).build().unwrap()
}

fn main() {}
