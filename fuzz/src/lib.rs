//! What several targets share.

use headstart_core::step::{Recorder, StepEvent};
use headstart_providers::{AnswerDecoder, Api};

/// Everything an answer says, and how it ended. `parts` are fed one after the other.
fn decode(api: Api, parts: &[&[u8]]) -> (Vec<StepEvent>, Option<String>) {
    let mut decoder = AnswerDecoder::new(api);
    let mut events = Vec::new();
    let mut run = || {
        for part in parts {
            decoder.feed(part)?;
            while let Some(event) = decoder.next_event()? {
                events.push(event);
            }
        }
        decoder.close()?;
        while let Some(event) = decoder.next_event()? {
            events.push(event);
        }
        Ok(())
    };
    let ended: Result<(), headstart_core::step::StepError> = run();
    (events, ended.err().map(|error| error.to_string()))
}

/// Somewhere in these bytes. It depends on them alone, so that any file is a seed as it is.
pub fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let sum = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    bytes.split_at(sum % (bytes.len() + 1))
}

/// No bytes make a decoder panic; how they are split changes nothing; and the recorder takes whatever comes out.
pub fn split_and_record(api: Api, bytes: &[u8]) {
    let (left, right) = split(bytes);
    let (events, ended) = decode(api, &[bytes]);
    // What has no id of its own gets a random one, unless the answer has a name.
    let is_named = !format!("{events:?}").contains("call-") && !format!("{events:?}").contains("source-");
    let (split_events, split_ended) = decode(api, &[left, right]);
    assert_eq!(events.len(), split_events.len());
    assert_eq!(ended, split_ended);
    if is_named {
        assert_eq!(format!("{events:?}"), format!("{split_events:?}"));
    }
    let mut recorder = Recorder::new("message".to_owned());
    let mut chunks = Vec::new();
    for event in events {
        if recorder.event(event, &mut chunks).is_err() {
            break;
        }
    }
    for chunk in &chunks {
        let json = chunk.to_json();
        assert!(!json.contains('\n'), "a line break ends the frame");
    }
    let messages = serde_json::to_string(&recorder.messages()).expect("messages are JSON");
    assert!(serde_json::from_str::<Vec<headstart_core::wire::ModelMessage>>(&messages).is_ok());
}
