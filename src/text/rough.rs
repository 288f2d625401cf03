//! What a pattern matches at most, followed without counting.
//!
//! With the counts of its repetitions, the automaton of a pattern has thousands of states, most of which a text meets once and
//! pays for being made. Without them there are a few, which are soon all known. So a place is tried with these first: most are none
//! by that alone, and one too many only costs that the pattern itself is tried there.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::pool::{Pool, PoolGuard};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::expression::SIZE_LIMIT;
use super::uniform::{in_ascii, part_in_ascii, rebuilt};
use super::walker::TRIES;

/// Most repetitions that are counted.
const FEW: u32 = 2;
/// Fewest repetitions of a single character that are counted.
const LONG: u32 = 64;
/// Bytes that are read from a place at most.
const FARTHEST: usize = 512;

/// States of an automaton that is read backwards: with more, such as for hundreds of words, it meets new ones for long.
const MOST_BACK: usize = 1024;

/// Makes memory for walks.
pub(super) type Make =
    Box<dyn Fn() -> Cache + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>;

/// Follows what a pattern matches at most, forwards or backwards.
pub(super) struct Rough {
    pub(super) dfa: DFA,
    caches: Pool<Cache, Make>,
}

impl std::fmt::Debug for Rough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rough").finish_non_exhaustive()
    }
}

/// Memory for walks.
pub(super) type Memory<'r> = PoolGuard<'r, Cache, Make>;

impl Rough {
    /// To be read forwards; in texts of nothing but ASCII if `ascii` says so. `None` where there is none, or nothing matches.
    pub(super) fn forwards(hir: &Hir, ascii: bool) -> Option<Self> {
        Self::new(&uncounted(hir, LONG, ascii)?, false)
    }

    /// To be read backwards, of what does not count.
    pub(super) fn backwards(uncounted: &Hir, ascii: bool) -> Option<Self> {
        if ascii { Self::new(&in_ascii(uncounted)?, true) } else { Self::new(uncounted, true) }
    }

    fn new(hir: &Hir, reverse: bool) -> Option<Self> {
        let nfa = Config::new()
            .nfa_size_limit(Some(SIZE_LIMIT))
            .which_captures(WhichCaptures::None)
            .reverse(reverse);
        let nfa = Compiler::new().configure(nfa).build_from_hir(hir).ok()?;
        if reverse && nfa.states().len() > MOST_BACK {
            return None;
        }
        let config = DFA::config().prefilter(None).skip_cache_capacity_check(true).match_kind(MatchKind::All);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let of = dfa.clone();
        Some(Self { dfa, caches: Pool::new(Box::new(move || of.create_cache())) })
    }

    pub(super) fn memory(&self) -> Memory<'_> {
        self.caches.get()
    }

    /// Tells how many bytes show that no match begins at a place of a text of about this length; `None` where one may, or where
    /// telling it for all of them takes long.
    pub(super) fn none(&self, length: usize) -> impl FnMut(&str, usize) -> Option<usize> {
        let mut memory = self.memory();
        let mut left = TRIES * (FARTHEST + length);
        move |text, start| {
            if left == 0 {
                return None;
            }
            let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
            let mut state = self.dfa.start_state_forward(&mut memory, &input).ok()?;
            let rest = text.as_bytes().get(start..)?;
            for (steps, byte) in rest.iter().take(FARTHEST).enumerate() {
                state = self.dfa.next_state(&mut memory, state, *byte).ok()?;
                if state.is_tagged() {
                    left = left.saturating_sub(steps + 1);
                    return Some(steps).filter(|_| state.is_dead());
                }
            }
            left = left.saturating_sub(rest.len().min(FARTHEST) + 1);
            if rest.len() > FARTHEST {
                return None;
            }
            let state = self.dfa.next_eoi_state(&mut memory, state).ok()?;
            Some(rest.len()).filter(|_| !state.is_match())
        }
    }
}

/// The same with any number of repetitions where they are counted beyond a few, but for up to `long` characters that it takes
/// at least; if `ascii` says so, what is left of it in texts of nothing but ASCII. `None` if that is nothing.
pub(super) fn uncounted(hir: &Hir, long: u32, ascii: bool) -> Option<Hir> {
    let part: &dyn Fn(&Hir) -> Option<Hir> = if ascii { &part_in_ascii } else { &|hir| Some(hir.clone()) };
    rebuilt(hir, part, &|repetition, sub| {
        let few = repetition.max.is_some_and(|max| max <= FEW);
        let least = if matches!(repetition.sub.kind(), HirKind::Class(_)) { long } else { 1 };
        Repetition {
            min: if few { repetition.min } else { repetition.min.min(least) },
            max: repetition.max.filter(|_| few),
            greedy: true,
            sub: Box::new(sub),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::dice::Dice;
    use crate::text::expression::Expression;

    /// Where it says that nothing matches, nothing does.
    #[test]
    fn no_match_is_left_out() {
        let patterns = [
            r"(?i)\b(?:tell|show)\s(?:[a-z]{1,6}\s){0,3}?(?:rules|prompt)\b",
            r"[a-z]{3,5}-\d{2,4}(?:x|$)",
            r"(?m)^a.{0,9}b$",
            r"é{1,3}[^a]{2}k",
        ];
        let parts = [
            "tell ", "show ", "me ", "rules", "prompt ", "abc-", "12", "345x", "a", "b", "\n", "é", "k", "K",
            " ",
        ];
        let (mut dice, mut none, mut matched) = (Dice(9), 0, 0);
        for pattern in patterns {
            let hir = Expression::new(pattern).unwrap().hir;
            let whole = regex_automata::meta::Regex::new(pattern).unwrap();
            let (any, ascii) = (Rough::forwards(&hir, false).unwrap(), Rough::forwards(&hir, true));
            for _ in 0..2000 {
                let text = dice.text(&parts, 12);
                for start in (0..text.len()).filter(|start| text.is_char_boundary(*start)) {
                    let input = Input::new(&text).span(start..text.len()).anchored(Anchored::Yes);
                    let matches = whole.is_match(input);
                    matched += usize::from(matches);
                    let by_any = any.none(text.len())(&text, start);
                    let by_ascii = if text.is_ascii() {
                        ascii.as_ref().map_or(Some(0), |ascii| ascii.none(text.len())(&text, start))
                    } else {
                        by_any
                    };
                    none += usize::from(by_any.is_some());
                    assert!(!matches || by_any.or(by_ascii).is_none(), "{pattern} in {text:?} at {start}");
                }
            }
        }
        assert!(none > 1000 && matched > 100, "{none} {matched}");
    }
}
