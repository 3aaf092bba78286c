//! What the streams of each API say. `fixtures/<api>/*.sse` are transcripts in the documented forms, made up by
//! hand; the `.events` beside each says what becomes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![cfg(all(feature = "anthropic", feature = "gemini", feature = "openai"))]

mod notation;
mod tables;

use std::{fs, path::PathBuf};

use headstart_providers::Api;
use notation::decode;
use proptest::prelude::*;

const APIS: [(Api, &str); 4] = [
    (Api::Anthropic, "anthropic"),
    (Api::Gemini, "gemini"),
    (Api::OpenAiChat, "openai-chat"),
    (Api::OpenAiResponses, "openai-responses"),
];

/// Name, API, bytes and expected events of every transcript.
fn transcripts() -> Vec<(String, Api, Vec<u8>, String)> {
    let mut transcripts = Vec::new();
    for (api, folder) in APIS {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", folder].iter().collect();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "sse") {
                let expected = fs::read_to_string(path.with_extension("events")).unwrap_or_default();
                transcripts.push((path.display().to_string(), api, fs::read(&path).unwrap(), expected));
            }
        }
    }
    transcripts.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(transcripts.len() >= 50, "transcripts are missing");
    transcripts
}

/// Ids that a decoder had to make up are random where the answer has no id.
fn without_random(lines: Vec<String>) -> Vec<String> {
    let mask = |word: &str| match word.splitn(3, '-').collect::<Vec<_>>()[..] {
        [kind @ ("call" | "source"), random, count] if random.len() == 16 => format!("{kind}-*-{count}"),
        _ => word.to_owned(),
    };
    lines.into_iter().map(|line| line.split(' ').map(mask).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_transcript_says_what_is_written_beside_it() {
    let mut wrong = Vec::new();
    for (path, api, bytes, expected) in transcripts() {
        let lines = without_random(decode(api, [&*bytes]));
        if lines != expected.lines().collect::<Vec<_>>() {
            wrong.push(format!("{path}\n{}\n", lines.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "these say something else:\n\n{}", wrong.join("\n"));
}

#[test]
fn a_transcript_says_the_same_byte_by_byte() {
    for (path, api, bytes, _) in transcripts() {
        let whole = without_random(decode(api, [&*bytes]));
        assert_eq!(without_random(decode(api, bytes.chunks(1))), whole, "{path}");
    }
}

#[test]
fn a_cut_transcript_says_a_beginning_of_it_and_never_that_it_is_whole() {
    for (path, api, bytes, _) in transcripts() {
        let whole = without_random(decode(api, [&*bytes]));
        for end in 0..bytes.len() {
            let lines = without_random(decode(api, [&bytes[..end]]));
            let is_over = lines.last().is_some_and(|line| line.starts_with("finish "));
            let closing = |line: &&String| line.starts_with("error ") || (is_over && is_closing(line));
            let added = lines.iter().rev().take_while(closing).count();
            let said = &lines[..lines.len() - added];
            assert_eq!(said, &whole[..said.len()], "{path} up to {end}");
            assert!(
                is_over || lines.last().is_some_and(|line| line.starts_with("error ")),
                "{path} up to {end}"
            );
        }
    }
}

/// What a decoder adds when the connection closes behind a finish reason.
fn is_closing(line: &str) -> bool {
    ["finish ", "text-end ", "reasoning-end ", "call "].iter().any(|closing| line.starts_with(closing))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_events(at in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        for (path, api, bytes, _) in transcripts() {
            let mut cuts: Vec<usize> = at.iter().map(|at| at.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(without_random(decode(api, parts)), without_random(decode(api, [&*bytes])), "{}", path);
        }
    }

    /// Transcripts with bytes changed, left out and put in: nearly sound input finds more than noise does.
    #[test]
    fn damaged_bytes_never_panic_and_grow_no_larger_than_they_are(
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..6), 0..6_usize), 1..8),
    ) {
        for (_, api, bytes, _) in transcripts() {
            let mut bytes = bytes;
            for (at, new, old) in &damage {
                let at = at.index(bytes.len() + 1);
                let end = (at + old).min(bytes.len());
                bytes.splice(at..end, new.iter().copied());
            }
            let said: usize = decode(api, [&*bytes]).iter().map(String::len).sum();
            // Each event is escaped once more here, and says its id again.
            prop_assert!(said <= 16 * bytes.len() + 1024, "{} of {}", said, bytes.len());
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (api, _) in APIS {
            decode(api, [&*bytes]);
        }
    }
}

#[test]
fn an_answer_without_an_end_is_refused() {
    for (api, _) in APIS {
        let mut decoder = headstart_providers::AnswerDecoder::new(api);
        let comment = [b":".as_slice(), &[b'x'; 1024 * 1024 - 2], b"\n"].concat();
        assert!((0..65).any(|_| decoder.feed(&comment).is_err()), "{api:?} takes everything");
        let mut decoder = headstart_providers::AnswerDecoder::new(api);
        let endless = [b'x'; 1024 * 1024];
        assert!((0..9).any(|_| decoder.feed(&endless).is_err()), "{api:?} takes a line without an end");
    }
}
