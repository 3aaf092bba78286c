//! Ids for what a provider gives none: unique in a conversation, and the same however the bytes are split.

/// Ids of one answer.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    answer: Option<String>,
    count: u64,
}

impl Ids {
    /// The provider's id of the answer. The first one counts.
    pub(crate) fn name(&mut self, answer: &str) {
        if self.answer.is_none() && !answer.is_empty() {
            self.answer = Some(answer.to_owned());
        }
    }

    /// The next id of something of this kind. Without a name of the answer it is random.
    pub(crate) fn next(&mut self, kind: &str) -> String {
        let answer = self.answer.get_or_insert_with(random);
        self.count += 1;
        format!("{kind}-{answer}-{}", self.count)
    }
}

fn random() -> String {
    let mut bytes = [0; 8];
    // Without a source of randomness ids are still unique within the answer.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_le_bytes(bytes))
}
