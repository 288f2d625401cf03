//! Walks back from a literal to where a match that holds it can begin.
//!
//! Where much can stand before a literal, going back from it tells in one walk, and most often after a few words, what
//! a look at every place before it would tell one by one. Repetitions are not counted on the way ([`super::rough`]).

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;
use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::ready;
use super::rough::{Memory, Rough, uncounted};

/// Most bytes before a literal for which that is done.
pub(super) const FARTHEST: usize = 512;
/// Bytes before a literal from which on it is worth it.
const FAR: usize = 24;
/// A literal that was seen so often will be seen more often yet.
const SEEN_OFTEN: usize = 64;

/// Whether a way back from a literal, of so many bytes at most, is walked.
pub(super) fn is_far(most: usize) -> bool {
    (FAR..=FARTHEST).contains(&most)
}

/// What stands before a literal in a match, to be read from its end.
#[derive(Debug)]
pub(super) struct Back(Rough);

/// A way back with the memory for a walk.
pub(super) struct Reader<'b> {
    back: &'b Back,
    memory: Memory<'b>,
}

/// What stands before some literals, followed back to where a match can begin.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Way {
    /// What stands there, without counts, as it is kept.
    before: Box<[u8]>,
    /// In any text, and in one of nothing but ASCII: how often a literal was seen behind it, and what reads it.
    #[serde(skip)]
    backs: [(AtomicUsize, OnceLock<Option<Back>>); 2],
}

impl Way {
    pub(super) fn new(before: Box<[u8]>) -> Self {
        Self { before, backs: Default::default() }
    }

    /// What tells a way, the same for all literals with the same before them; `None` if nothing can stand there.
    pub(super) fn of(before: &Hir) -> Option<Box<[u8]>> {
        Kept::new(&uncounted(before, 1, false)?).write()
    }

    /// That back from some more literals, in a text of nothing but ASCII if `ascii` says so. `None` where it can't be read backwards,
    /// and until so many have been seen that this is worth it.
    pub(super) fn back(&self, ascii: bool, more: usize) -> Option<&Back> {
        let (seen, made) = self.backs.get(usize::from(ascii))?;
        if seen.load(Relaxed) < SEEN_OFTEN {
            seen.fetch_add(more, Relaxed);
            return None;
        }
        let back = || Rough::backwards(&Kept::read(&self.before)?.hir()?, ascii).map(Back);
        made.get_or_init(|| ready::make(back)).as_ref()
    }
}

impl Back {
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { back: self, memory: self.0.memory() }
    }
}

impl Reader<'_> {
    /// Calls `found` with each place where a match may begin that goes on with the literal at `at`, at most `max` bytes before
    /// it, from right to left. How many bytes were read; `None` where that could not be told to the end.
    pub(super) fn starts(
        &mut self,
        text: &str,
        at: usize,
        max: usize,
        found: &mut dyn FnMut(usize),
    ) -> Option<usize> {
        let Self { back: Back(Rough { dfa, .. }), memory } = self;
        let input = Input::new(text).span(0..at).anchored(Anchored::Yes);
        let mut state = dfa.start_state_reverse(memory, &input).ok()?;
        let before = text.as_bytes().get(..at)?;
        for (place, byte) in before.iter().enumerate().rev() {
            state = dfa.next_state(memory, state, *byte).ok()?;
            if state.is_tagged() {
                if state.is_match() {
                    found(place + 1);
                } else if state.is_dead() {
                    return Some(at - place);
                } else if state.is_quit() {
                    return None;
                }
            }
            // One byte more than a match can have tells whether it begins there.
            if at - place > max {
                return Some(at - place);
            }
        }
        state = dfa.next_eoi_state(memory, state).ok()?;
        if state.is_match() {
            found(0);
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use crate::text::dice::Dice;
    use crate::text::{Finder, FinderSpec, Kind, Scanner, View, scan};

    /// Walking back, and looking once for both views, is only a quicker way: what is found is what each pattern finds by itself.
    #[test]
    fn as_each_pattern_by_itself() {
        let patterns = [
            r"(?i)(?:^|[^a-z0-9])(?:tell|show|give)(?:\sme)?\s(?:[a-z']{1,16}\s){0,4}?(?:your|the)\s(?:[a-z]{1,8}\s){0,2}?(?:rules|prompt)(?:[^a-z0-9]|$)",
            r"(?i)\b(?:no|without any)\s(?:[a-z]{1,12}[\s,]{1,2}){0,3}?(?:limits|rules)\b",
            r"(?i)\bsecret[^.\n]{0,40}?\b(?:rules|word)\b|\bword\s{1,3}of\s(?:the\s){0,3}prompt",
            r"(?im)^[ #]{0,6}(?:system|show)\s?:.{0,60}prompt",
            r"(?i)(?:[a-z]{2,5}gpt|you)\s(?:\S{1,9}\s){0,5}rules",
            r"(?i)[ -][0-9A-Fé][@x]",
            r"(?i)[ -](?:a\s){0,2}[b-fé]@(?:\sword)?",
        ];
        let finder = |pattern: &&str| {
            let mut spec = FinderSpec::new(Kind::Pattern((*pattern).to_owned()));
            spec.views = vec![View::Folded];
            Finder::new(&spec).unwrap()
        };
        let finders: Vec<Finder> = patterns.iter().map(finder).collect();
        let numbered = || finders.iter().enumerate();
        let scanner = Scanner::new(numbered());
        let parts = [
            "tell",
            "Show",
            "me",
            "your",
            "the",
            "rules",
            "PROMPT",
            "no",
            "without any",
            "secret",
            "word",
            "of",
            "system:",
            "chatgpt",
            "you",
            "limits",
            "a",
            "rules,",
            "x.",
            "\n",
            " ",
            "  ",
            "\n\n",
            "ſ",
            "1@",
            "\nC@",
            "-a\tb@",
            "ru\u{200b}les",
            "é",
        ];
        let mut dice = Dice(11);
        let mut found = 0;
        for length in 0..4000 {
            let mut text = String::new();
            for _ in 0..=length % 40 {
                text.push_str(dice.pick(&parts));
                if !dice.was_one_in(8) {
                    text.push(' ');
                }
            }
            let fast = scanner.scan(&|number| finders.get(number), &text, &|| false).unwrap();
            found += fast.len();
            assert_eq!(fast, scan(numbered(), &text, &|| false).unwrap(), "{text:?}");
        }
        assert!(found > 1000, "{found}");
    }
}
