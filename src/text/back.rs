//! Walks back from a literal to where a match that holds it can begin.
//!
//! Where much can stand before a literal, going back from it tells in one walk, and most often after a few words, what
//! a look at every place before it would tell one by one. Repetitions are not counted on the way: with the counts there would be
//! thousands of states, and a place too many only costs that the pattern is tried there.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::expression::SIZE_LIMIT;

/// Most bytes before a literal for which that is done.
pub(super) const FARTHEST: usize = 512;

/// Most repetitions that are counted.
const FEW: u32 = 2;

/// What stands before a literal in a match, to be read from its end.
pub(super) struct Back {
    dfa: DFA,
    caches: Pool<
        Cache,
        Box<dyn Fn() -> Cache + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>,
    >,
}

impl std::fmt::Debug for Back {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Back").finish_non_exhaustive()
    }
}

impl Back {
    /// `None` where it can't be read backwards.
    pub(super) fn new(before: &Hir) -> Option<Self> {
        let nfa =
            Config::new().nfa_size_limit(Some(SIZE_LIMIT)).which_captures(WhichCaptures::None).reverse(true);
        let nfa = Compiler::new().configure(nfa).build_from_hir(&uncounted(before)).ok()?;
        let config = DFA::config().prefilter(None).skip_cache_capacity_check(true).match_kind(MatchKind::All);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let of = dfa.clone();
        Some(Self { dfa, caches: Pool::new(Box::new(move || of.create_cache())) })
    }

    /// Calls `found` with each place where a match may begin that goes on with the literal at `at`, at most `max` bytes before
    /// it, from right to left. How many bytes were read; `None` where that could not be told to the end.
    pub(super) fn starts(
        &self,
        text: &str,
        at: usize,
        max: usize,
        found: &mut dyn FnMut(usize),
    ) -> Option<usize> {
        let mut cache = self.caches.get();
        let input = Input::new(text).span(0..at).anchored(Anchored::Yes);
        let mut state = self.dfa.start_state_reverse(&mut cache, &input).ok()?;
        let before = text.as_bytes().get(..at)?;
        for (place, byte) in before.iter().enumerate().rev() {
            state = self.dfa.next_state(&mut cache, state, *byte).ok()?;
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
        state = self.dfa.next_eoi_state(&mut cache, state).ok()?;
        if state.is_match() {
            found(0);
        }
        Some(at)
    }
}

/// The same with any number of repetitions where they are counted beyond a few.
fn uncounted(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            let few = repetition.max.is_some_and(|max| max <= FEW);
            Hir::repetition(Repetition {
                min: if few { repetition.min } else { repetition.min.min(1) },
                max: if few { repetition.max } else { None },
                greedy: true,
                sub: Box::new(uncounted(&repetition.sub)),
            })
        }
        HirKind::Capture(capture) => uncounted(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(uncounted).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(uncounted).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
    }
}
