//! Any split of a stream gives the same events, and none is larger than the limit.
#![no_main]

use headstart_core::sse::{Decoder, Event};
use headstart_fuzz::split;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 256;

fn decode(parts: &[&[u8]]) -> (Vec<Event>, bool) {
    let mut decoder = Decoder::new(LIMIT);
    let is_sound = parts.iter().all(|part| decoder.feed(part).is_ok());
    (std::iter::from_fn(|| decoder.next_event()).collect(), is_sound)
}

fuzz_target!(|bytes: &[u8]| {
    let (left, right) = split(bytes);
    let (events, is_sound) = decode(&[bytes]);
    // Bytes that are no text become replacement characters, three bytes each.
    assert!(events.iter().all(|event| event.data.len() <= 3 * LIMIT && event.name.len() <= 3 * LIMIT));
    let (split, split_is_sound) = decode(&[left, right]);
    assert_eq!(is_sound, split_is_sound);
    assert_eq!(events, split);
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&bytewise), (events, is_sound));
});
