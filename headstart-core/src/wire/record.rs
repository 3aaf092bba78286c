//! Records on a session's streams (`docs/protocol.md`, "Records").

use serde::Deserialize;

use super::Json;

/// Position of a record on its stream. Positions start at 0 and never restart.
pub type Seq = u64;

/// A record read back from a session's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its position.
    pub seq: Seq,
    /// What it is.
    pub body: RecordBody,
}

/// The three kinds of records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordBody {
    /// A chunk of the answer (on `out`) or an input (on `in`).
    Data {
        /// The writer's id of the record: the readers' key against duplicates.
        id: String,
        /// On `out` the chunk itself, on `in` a JSON string that holds the input.
        data: Json,
    },
    /// A sign from the agent to the clients.
    Control(Control),
    /// A command to the stream store (trim, fence), or something unreadable: it only takes up a position.
    Command,
}

/// A control record: a name, and what its sibling headers say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Control {
    /// `turn-complete`, `session-closed`, `upgrade-required`, `pending-version`, …
    pub name: String,
    /// The agent's resume position on `in`: the newest input seen, held below the oldest one that waits.
    pub in_event_id: Option<Seq>,
    /// The newest input the agent has seen.
    pub in_consumed_id: Option<Seq>,
    /// The session ends with this record.
    pub session_closed: bool,
}

impl Control {
    /// The control record that ends a turn.
    pub const TURN_COMPLETE: &'static str = "turn-complete";
    /// The control record that ends a session.
    pub const SESSION_CLOSED: &'static str = "session-closed";

    /// Reads the headers of a record; `None` when they are not those of a control record.
    pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut control = Self::default();
        for (name, value) in headers {
            match name {
                "trigger-control" => control.name = value.to_owned(),
                "session-in-event-id" => control.in_event_id = value.parse().ok(),
                "session-in-consumed-id" => control.in_consumed_id = value.parse().ok(),
                "session-closed" => control.session_closed = value == "true",
                _ => {}
            }
        }
        control.session_closed |= control.name == Self::SESSION_CLOSED;
        (!control.name.is_empty()).then_some(control)
    }

    /// Does this record end a turn?
    #[must_use]
    pub fn completes_turn(&self) -> bool {
        self.name == Self::TURN_COMPLETE
    }

    /// Does this record end the turn that the handover at this position on `in` began?
    ///
    /// The boundary of an earlier turn can still come by; its agent has not seen our input. A message that waits
    /// behind the handover holds [`in_event_id`](Self::in_event_id) below both, so what was seen counts. Without
    /// any position, on either side, there is nothing to compare and the record is taken.
    #[must_use]
    pub fn completes_handover(&self, input: Option<Seq>) -> bool {
        self.completes(self.in_consumed_id.or(self.in_event_id), input)
    }

    /// The same for a message.
    ///
    /// An agent sees a message while it works on the turn before, so what was seen does not count: it is answered
    /// when the resume position is no longer held below it.
    #[must_use]
    pub fn completes_message(&self, input: Option<Seq>) -> bool {
        let waits = self.in_event_id.is_none() && self.in_consumed_id.is_some();
        !(waits && input.is_some()) && self.completes(self.in_event_id, input)
    }

    fn completes(&self, answered: Option<Seq>, input: Option<Seq>) -> bool {
        self.completes_turn()
            && match (answered, input) {
                (Some(answered), Some(input)) => answered >= input,
                _ => true,
            }
    }
}

/// The body of a data record: `{"data":…,"id":"…"}`.
#[derive(Debug, Deserialize)]
struct DataBody {
    data: Json,
    #[serde(default)]
    id: String,
}

impl RecordBody {
    /// Reads a record as the store gives it: its headers in order, and its body as text.
    #[must_use]
    pub fn parse(headers: &[(String, String)], body: &str) -> Self {
        let first = headers.first().map(|(name, _)| name.as_str());
        if first == Some("") {
            return Self::Command;
        }
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        if let Some(control) = Control::from_headers(pairs) {
            return Self::Control(control);
        }
        match serde_json::from_str::<DataBody>(body) {
            Ok(DataBody { data, id }) => Self::Data { id, data },
            Err(_) => Self::Command,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_empty_header_name_comes_before_all_else() {
        assert_eq!(
            RecordBody::parse(&headers(&[("", "trim")]), r#"{"data":1,"id":"x"}"#),
            RecordBody::Command
        );
    }

    #[test]
    fn a_boundary_is_ours_when_the_agent_is_done_with_our_input() {
        let boundary = |consumed, floor| Control {
            name: Control::TURN_COMPLETE.to_owned(),
            in_consumed_id: consumed,
            in_event_id: floor,
            ..Control::default()
        };
        assert!(!boundary(Some(1), None).completes_handover(Some(2)));
        assert!(boundary(Some(2), Some(0)).completes_handover(Some(2)), "a message waits behind it");
        assert!(!boundary(Some(2), Some(0)).completes_message(Some(2)), "it is the message that waits");
        assert!(!boundary(Some(2), None).completes_message(Some(2)), "held below the first input");
        assert!(boundary(Some(3), Some(2)).completes_message(Some(2)), "another one waits");
        for completes in [Control::completes_handover, Control::completes_message] {
            assert!(!completes(&boundary(None, Some(0)), Some(2)));
            assert!(completes(&boundary(None, None), Some(2)), "of an older agent");
            assert!(completes(&boundary(Some(1), None), None));
        }
    }

    #[test]
    fn unreadable_bodies_only_take_up_a_position() {
        assert_eq!(RecordBody::parse(&[], "nope"), RecordBody::Command);
    }
}
