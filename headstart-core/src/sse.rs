//! A decoder of Server-Sent Events, for clients of models and platforms: any split of the bytes gives the
//! same events, in linear time, within a size limit.

use std::collections::VecDeque;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its `event` field; empty when it has none.
    pub name: String,
    /// Its `data` lines.
    pub data: String,
}

/// An event is larger than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is too large")]
pub struct TooLarge;

/// The decoder.
///
/// ```
/// use headstart_core::sse::Decoder;
///
/// let mut decoder = Decoder::new(1024);
/// decoder.feed(b"event: ping\ndata: 1\n")?;
/// assert_eq!(decoder.next_event(), None);
/// decoder.feed(b"\n")?;
/// assert_eq!(decoder.next_event().unwrap().data, "1");
/// # Ok::<(), headstart_core::sse::TooLarge>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    is_first_line: bool,
    /// The last byte was CR: an LF right behind it belongs to the same line end.
    after_cr: bool,
    limit: usize,
    events: VecDeque<Event>,
}

impl Decoder {
    /// With a limit for one event, in bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            is_first_line: true,
            after_cr: false,
            limit,
            events: VecDeque::new(),
        }
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    /// When an event is larger than the limit.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), TooLarge> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + self.event.data.len() + part.len() > self.limit {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.line(&line);
            // Its memory is used again.
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    /// The next whole event.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn line(&mut self, line: &[u8]) {
        let line = match std::mem::take(&mut self.is_first_line) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                self.events.push_back(event);
            }
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match &line[..colon] {
            b"event" => self.event.name = value.into_owned(),
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(&value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(parts: &[&[u8]]) -> Vec<Event> {
        let mut decoder = Decoder::new(1 << 20);
        parts.iter().for_each(|part| decoder.feed(part).unwrap());
        std::iter::from_fn(|| decoder.next_event()).collect()
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn line_ends_comments_and_a_byte_order_mark_are_understood() {
        let text = "\u{feff}event: a\r\ndata: 1\r\ndata:2\r\n\r\n: note\nid: x\ndata: é\n\nevent: b\rdata: 3\r\rdata: cut";
        let events = [event("a", "1\n2"), event("", "é"), event("b", "3")];
        assert_eq!(decode(&[text.as_bytes()]), events);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut decoder = Decoder::new(10);
        assert_eq!(decoder.feed(b"data: 0123456789"), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(text in "(data: ?[a-zé]{0,3}|event: b|: c|)([\r\n]|\r\n|\n\n)?{0,20}", at in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = at.iter().map(|at| at.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(&parts), decode(&[bytes]));
        }
    }
}
