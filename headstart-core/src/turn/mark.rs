//! What tells a session of ours from another, and an input from another.

use serde::Deserialize;

use crate::wire::{Json, Record, RecordBody};

/// What this crate keeps in a session's metadata, under `headStart`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mark {
    pub(super) nonce: String,
    pub(super) user_message_id: String,
}

impl Mark {
    pub(super) fn read(metadata: &Json) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            head_start: Mark,
        }
        metadata.to::<Metadata>().ok().map(|metadata| metadata.head_start)
    }
}

/// Id of the record by which a turn takes over from a process that fell silent.
pub(super) fn takeover_id(nonce: &str) -> String {
    format!("{nonce}{TAKEOVER}")
}

/// Has a process taken over here?
pub(super) fn is_takeover(record: &Record) -> bool {
    matches!(&record.body, RecordBody::Data { id, .. } if id.ends_with(TAKEOVER))
}

const TAKEOVER: &str = "-takeover";

/// The kind of an input on `session.in`, where data is a JSON text in a string.
pub(super) fn input_kind(record: &Record) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
    }
    let RecordBody::Data { data, .. } = &record.body else { return None };
    let text = data.to::<String>().unwrap_or_else(|_| data.as_str().to_owned());
    serde_json::from_str::<Head>(&text).ok().map(|head| head.kind)
}
