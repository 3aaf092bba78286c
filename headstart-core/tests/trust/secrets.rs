//! Tokens and keys are in the one header they belong in, and nowhere else.

use std::{
    io,
    sync::{Arc, Mutex},
};

use headstart_core::step::ApprovalSecret;
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt};

use crate::world::{ACCESS_TOKEN, body, hello, post, text, world};

const APPROVAL_SECRET: &str = "approval-7d793037a0760186574b0282f2f435e7";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_line_and_no_body_holds_a_token_or_a_key() {
    let logs = Captured::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(logs.clone());
    let _guard = subscriber.finish().set_default();
    let world = world(|builder| builder.approval_secret(ApprovalSecret::new(APPROVAL_SECRET)));
    let mut with_key = hello("ada:1");
    with_key["metadata"] = serde_json::json!({"openaiKey": "sk-proj-abcdefghijklmnopqrstuvwxyz"});
    let mut bodies = String::new();
    for (user, request) in [
        ("ada", with_key),
        ("ada", body("ada:2", &[text("u1", "user", "deleteAll")])),
        ("eve", hello("ada:3")),
        ("anyone", hello("down")),
    ] {
        let answer = world.send(post(user, &request)).await;
        let elsewhere = answer.headers.iter().filter(|(name, _)| *name != "x-trigger-chat-access-token");
        bodies.extend(elsewhere.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned()));
        bodies.push_str(&answer.body);
    }
    bodies.push_str(&format!("{:?}", world.head_start));
    let logs = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    assert!(logs.contains("metadata looks as if it held a key"), "{logs}");
    for secret in [ACCESS_TOKEN, APPROVAL_SECRET, "sk-proj-"] {
        assert!(!logs.contains(secret) && !bodies.contains(secret), "{secret} is in\n{logs}\n{bodies}");
    }
}
