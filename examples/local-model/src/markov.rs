//! The "local model": a chain of words over a small text. Put a real one in its place.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

const TEXT: &str = include_str!("text.txt");
/// No answer is longer, in words.
const LONGEST: usize = 60;

/// Which words may follow a word.
#[derive(Debug)]
pub(crate) struct Markov {
    followers: HashMap<&'static str, Vec<&'static str>>,
    beginnings: Vec<&'static str>,
}

impl Markov {
    /// Learns the text.
    pub(crate) fn new() -> Self {
        let words: Vec<&str> = TEXT.split_whitespace().collect();
        let mut followers: HashMap<_, Vec<_>> = HashMap::new();
        for pair in words.windows(2) {
            followers.entry(pair[0]).or_default().push(pair[1]);
        }
        let behind_a_stop = words.windows(2).filter(|pair| pair[0].ends_with('.')).map(|pair| pair[1]);
        let beginnings = words.first().copied().into_iter().chain(behind_a_stop).collect();
        Self { followers, beginnings }
    }

    /// Two sentences, word by word. The same question gets the same answer.
    pub(crate) fn answer(&self, question: &str) -> impl Iterator<Item = String> + Send + use<> {
        let mut dice = Dice::new(question);
        let mut words: Vec<String> = Vec::new();
        for _ in 0..2 {
            let mut next = dice.pick(&self.beginnings);
            while let Some(word) = next.filter(|_| words.len() < LONGEST) {
                words.push(format!("{word} "));
                if word.ends_with('.') {
                    break;
                }
                next = self.followers.get(word).and_then(|words| dice.pick(words));
            }
        }
        words.into_iter()
    }
}

/// Chance that repeats itself.
struct Dice(u64);

impl Dice {
    fn new(seed: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        Self(hasher.finish())
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(self.0 >> 33).ok()?.checked_rem(from.len())?;
        from.get(at).copied()
    }
}
