//! Letters changed one by one: ROT13, and what tells it, and reversed text, from prose.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::super::literals::Literal;
use super::super::sieve::{Sieve, Sought};
use super::super::view::Mapped;
use super::region::Piece;

/// Parts of words that prose and orders hold often, and whose changed forms prose and code hardly ever do.
const COMMON: &[&str] = &[
    " the ", "tion", "your", " you ", " and ", "this", "that", "with", "from", "ignor", "previo", "instr",
    "prompt", "syste", "reveal", "passw", "secret", "tell", "always", "answer", "forget", "disreg", "please",
    "respon", "follow", "every", "assist", "admin", "develop", "should", "would", "must ", "write", "print",
    "repeat", "without", "access", "delete", "execut", "comman", "output", "rules", "which", "there",
    "about", "when", "have", "what", "nicht", " und ", " que ", " para ", "vous", " les ", " des ", " los ",
    " con ", "anwei", "ordin",
];

/// What a text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Hint {
    Rot13,
    Reversed,
}

/// Longest changed word.
pub(super) const MAX_HINT: usize = 8;

/// Words that were changed.
#[derive(Debug, Default)]
pub(in super::super) struct Hints(Vec<(usize, Hint)>);

impl Hints {
    /// Those of a text.
    pub(super) fn of(text: &str) -> Self {
        static SIEVE: OnceLock<(Sieve, Vec<Hint>)> = OnceLock::new();
        let (sieve, hints) = SIEVE.get_or_init(|| {
            let (all, hints): (Vec<Sought>, _) =
                hint_literals().map(|(literal, hint)| (Sought::anywhere(literal), hint)).unzip();
            (Sieve::new(all), hints)
        });
        let mut all = Self::default();
        sieve.find(text.as_bytes(), &mut |literal, at| {
            if let Some(hint) = hints.get(literal as usize) {
                all.add(*hint, at);
            }
        });
        all.sort();
        all
    }

    pub(in super::super) fn add(&mut self, hint: Hint, at: usize) {
        self.0.push((at, hint));
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable_by_key(|(at, _)| *at);
    }

    /// Those that begin in a range, from left to right, once sorted. Places are counted from `from`.
    pub(super) fn within(&self, from: usize, to: usize) -> impl Iterator<Item = (Hint, usize)> {
        let first = self.0.partition_point(|(at, _)| *at < from);
        let rest = self.0.get(first..).unwrap_or_default().iter();
        rest.take_while(move |(at, _)| *at < to).map(move |(at, hint)| (*hint, at - from))
    }
}

/// Changed words, and what they hint at.
pub(in super::super) fn hint_literals() -> impl Iterator<Item = (Literal, Hint)> {
    let literal = |text: String| Literal { bytes: text.into_bytes(), any_case: true };
    COMMON.iter().flat_map(move |word| {
        [
            (literal(word.chars().map(rotated).collect()), Hint::Rot13),
            (literal(word.chars().rev().collect()), Hint::Reversed),
        ]
    })
}

fn rotated(c: char) -> char {
    let from = |first: u8| char::from((c as u8 - first + 13) % 26 + first);
    match c {
        'a'..='z' => from(b'a'),
        'A'..='Z' => from(b'A'),
        other => other,
    }
}

/// Every letter moved by thirteen.
pub(super) fn rot13(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    let mut decoded = Mapped::with_capacity(part.len());
    let moved: String = part.chars().map(rotated).collect();
    decoded.push_same(&moved, piece.start);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_changed_word_is_longer_than_said() {
        assert!(hint_literals().all(|(literal, _)| literal.bytes.len() <= MAX_HINT));
    }
}
