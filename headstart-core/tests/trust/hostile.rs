//! Bodies that no page would send: no panic, and nothing happens before a request is granted.

use http::{Request, StatusCode};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::world::{hello, world};

/// JSON of any shape, with the words of the protocol in it.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("text"),
        Just("file"),
        Just("tool-x"),
        Just("dynamic-tool"),
        Just("step-start"),
        Just("user"),
        Just("assistant"),
        Just("system"),
        Just("output-available"),
        Just("approval-responded"),
        Just("ada:1"),
        Just("data:,x"),
        Just("https://a.example"),
        Just("\u{0}\u{2028}\u{feff}"),
        Just(""),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("id"),
        Just("role"),
        Just("parts"),
        Just("type"),
        Just("text"),
        Just("state"),
        Just("input"),
        Just("toolCallId"),
        Just("output"),
        Just("approval"),
        Just("url"),
        Just("mediaType"),
        Just("chatId"),
        Just("headStartMessages"),
        Just("metadata"),
        Just("trigger"),
        Just("messageId"),
        Just("__proto__"),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A sound body with one of its places taken by something else.
fn nearly_sound() -> impl Strategy<Value = Value> {
    let places = ["", "/chatId", "/headStartMessages", "/headStartMessages/0", "/headStartMessages/0/parts"];
    let more = ["/headStartMessages/0/parts/0", "/headStartMessages/0/role", "/trigger", "/metadata"];
    let place = proptest::sample::select([&places[..], &more[..]].concat());
    (place, any_json()).prop_map(|(place, other)| {
        let mut body = hello("ada:1");
        body["metadata"] = json!({});
        *body.pointer_mut(place).unwrap() = other;
        body
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any_json().prop_map(|json| json.to_string().into_bytes()),
        nearly_sound().prop_map(|json| json.to_string().into_bytes()),
        // A sound one, cut or with a byte changed.
        (0..120_usize, any::<u8>(), any::<bool>()).prop_map(|(at, byte, cut)| {
            let mut bytes = hello("ada:1").to_string().into_bytes();
            let at = at % bytes.len();
            if cut {
                bytes.truncate(at)
            } else {
                bytes[at] = byte
            }
            bytes
        }),
        vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_hostile_body_is_answered_or_refused_and_a_refusal_costs_nothing(body in bytes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let world = world(|builder| builder.history(headstart_core::HistoryPolicy::Trusted));
            let body = String::from_utf8_lossy(&body).into_owned();
            let request = Request::post("/").header("content-type", "application/json").header("x-user", "ada");
            let response = world.head_start.handle(request.body(body).unwrap()).await;
            if response.status() != StatusCode::OK {
                prop_assert!(response.status().is_client_error(), "{}", response.status());
                prop_assert_eq!(world.side_effects(), 0);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn many_fields_and_deep_nesting_take_linear_time() {
    let world = world(|builder| builder);
    let fields: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":1")).collect();
    let bodies = [
        format!("{{{}}}", fields.join(",")),
        format!("{{\"chatId\":{}", "[".repeat(1_000_000)),
        format!("{{\"chatId\":\"{}\"}}", "\\u0000".repeat(300_000)),
    ];
    for body in bodies {
        let request = Request::post("/").header("content-type", "application/json").header("x-user", "ada");
        let begun = std::time::Instant::now();
        let answer = world.send(request.body(body).unwrap()).await;
        assert!(answer.status.is_client_error());
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
    assert_eq!(world.side_effects(), 0);
}
