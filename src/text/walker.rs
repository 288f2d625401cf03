//! Follows a pattern byte by byte: as far as a match goes that has no longest one, and whether one is still possible.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::pool::Pool;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;

use super::expression::{SIZE_LIMIT, last_line};
use super::first::First;
use super::pattern::{Shown, ceil_boundary};
use super::rough::Make;
use super::{FindError, Stopped};

/// Places are tried one by one as long as that reads so many times what searching them at once would.
pub(super) const TRIES: usize = 4;

/// Follows a pattern byte by byte.
pub(super) struct Walker {
    bound: usize,
    dfa: DFA,
    caches: Pool<Cache, Make>,
}

impl std::fmt::Debug for Walker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walker").field("bound", &self.bound).finish_non_exhaustive()
    }
}

/// What a walk came to.
pub(super) enum Walked {
    None,
    Match(usize, usize),
    /// From here on, the pattern may go on behind the end of an open text.
    Open(usize),
}

/// What trying places one by one came to.
pub(super) enum Tried {
    None,
    Match(usize, usize),
    /// It takes too long: from here on all that are left are better searched at once.
    From(usize),
}

/// A walk along a match, to be gone on with.
pub(super) struct Walk {
    cache: Cache,
    /// `None` before the first byte.
    state: Option<LazyStateID>,
    at: usize,
    last: Option<usize>,
    limit: usize,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("at", &self.at).field("last", &self.last).finish_non_exhaustive()
    }
}

impl Walk {
    /// Where the match ends at least.
    pub(super) fn last(&self) -> Option<usize> {
        self.last
    }

    pub(super) fn moved(&mut self, to: impl Fn(usize) -> usize) {
        // The limit is counted from where the walk is.
        let ahead = self.limit - self.at;
        self.at = to(self.at);
        self.limit = self.at + ahead;
        self.last = self.last.map(to);
    }
}

/// How far a walk went.
pub(super) enum Step {
    /// It has gone on for so long that it counts up to here.
    Limit(usize),
    /// To the end of an open text.
    Open,
    /// The match has ended here, if it was one.
    Ended(Option<usize>),
}

impl Walker {
    pub(super) fn new(hir: &Hir, bound: usize) -> Result<Self, FindError> {
        let config = DFA::config().prefilter(None).skip_cache_capacity_check(true);
        let nfa = regex_automata::nfa::thompson::Config::new()
            .nfa_size_limit(Some(SIZE_LIMIT))
            .which_captures(regex_automata::nfa::thompson::WhichCaptures::None);
        let nfa = regex_automata::nfa::thompson::Compiler::new().configure(nfa).build_from_hir(hir);
        let failed =
            |error: &dyn std::fmt::Display| FindError::Pattern { message: last_line(&error.to_string()) };
        let nfa = nfa.map_err(|error| failed(&error))?;
        let dfa = DFA::builder()
            .configure(config)
            .syntax(syntax::Config::new())
            .build_from_nfa(nfa)
            .map_err(|error| failed(&error))?;
        let of = dfa.clone();
        Ok(Self { bound, dfa, caches: Pool::new(Box::new(move || of.create_cache())) })
    }

    /// The leftmost match that begins from `at` to `last`, in one of some ranges that lie apart, for a pattern whose longest match is
    /// the bound. Of a single place it is known that a match may begin there; of more, `first` tells.
    pub(super) fn find<'f>(
        &self,
        shown: Shown<'_>,
        (mut at, last): (usize, usize),
        places: &[(usize, usize)],
        first: impl Fn() -> &'f First,
    ) -> Tried {
        let text = shown.text;
        let last = last.min(text.len());
        let mut cache = self.caches.get();
        let mut left = TRIES * (self.bound + (last + 1).saturating_sub(at));
        let passed = places.partition_point(|(_, to)| *to < at);
        for (from, to) in places.iter().skip(passed) {
            let to = last.min(*to);
            at = at.max(*from);
            while at <= to {
                let start = if from == &to {
                    at
                } else {
                    let Some(start) = first().find(text.as_bytes(), at, to, shown.open) else { break };
                    start
                };
                if left == 0 {
                    return Tried::From(start);
                }
                at = start + 1;
                if text.is_char_boundary(start) {
                    match self.matches(&mut cache, text, start) {
                        Ok((Some(end), _)) => return Tried::Match(start, end),
                        Ok((None, steps)) => left = left.saturating_sub(steps + 1),
                        Err(_) => return Tried::From(start),
                    }
                }
            }
        }
        Tried::None
    }

    /// Tells how many bytes show that no match begins at a place of a text; `None` where one does, or where telling it for all
    /// of them takes long.
    pub(super) fn none(&self, length: usize) -> impl FnMut(&str, usize) -> Option<usize> {
        let mut cache = self.caches.get();
        let mut left = TRIES * (self.bound + length);
        move |shown, start| {
            if left == 0 {
                return None;
            }
            let (end, steps) = self.matches(&mut cache, shown, start).ok()?;
            left = left.saturating_sub(steps + 1);
            Some(steps).filter(|_| end.is_none())
        }
    }

    /// Where the match that begins at `start` ends, and how many bytes were read.
    fn matches(
        &self,
        cache: &mut Cache,
        text: &str,
        start: usize,
    ) -> Result<(Option<usize>, usize), Unknown> {
        let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        let mut state = self.dfa.start_state_forward(cache, &input).map_err(|_| Unknown)?;
        let mut end = None;
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        for (steps, byte) in rest.iter().enumerate() {
            state = self.dfa.next_state(cache, state, *byte).map_err(|_| Unknown)?;
            if state.is_tagged() {
                if state.is_match() {
                    end = Some(start + steps);
                } else if state.is_dead() {
                    return Ok((end, steps));
                } else if state.is_quit() {
                    return Err(Unknown);
                }
            }
        }
        let state = self.dfa.next_eoi_state(cache, state).map_err(|_| Unknown)?;
        Ok((if state.is_match() { Some(text.len()) } else { end }, rest.len()))
    }

    /// The leftmost match that begins from `at` to `last`: one that ends within the bound; or one still going on there,
    /// which then ends where the pattern does, or the bound after the last byte at which it could have ended.
    pub(super) fn next(
        &self,
        shown: Shown<'_>,
        mut at: usize,
        last: usize,
        first: &First,
        stop: &dyn Fn() -> bool,
    ) -> Result<Walked, Stopped> {
        let text = shown.text;
        let mut cache = self.caches.get();
        let mut walked = 0;
        let mut trail = Trail::default();
        while let Some(start) = first.find(text.as_bytes(), at, last, shown.open) {
            at = ceil_boundary(text, start);
            let (end, steps) = self.walk(&mut cache, &mut trail, shown, at);
            match end {
                End::None => {}
                End::Match(end) => return Ok(Walked::Match(at, ceil_boundary(text, end))),
                End::Open => return Ok(Walked::Open(at)),
            }
            walked += steps + 1;
            if walked > 1 << 16 {
                walked = 0;
                if stop() {
                    return Err(Stopped);
                }
            }
            at = ceil_boundary(text, at + 1);
        }
        Ok(Walked::None)
    }

    /// Where a match that starts at `start` ends, and how many bytes were read.
    fn walk(&self, cache: &mut Cache, trail: &mut Trail, shown: Shown<'_>, start: usize) -> (End, usize) {
        let text = shown.text;
        let to_the_end = || if shown.open { End::Open } else { End::Match(text.len()) };
        let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        let Ok(mut state) = self.dfa.start_state_forward(cache, &input) else {
            return (to_the_end(), 0);
        };
        let mut last = None;
        let ended = |last: Option<usize>| last.map_or(End::None, End::Match);
        let mut limit = start.saturating_add(self.bound);
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        for (at, byte) in (start..).zip(rest) {
            if at == limit {
                last = Some(limit);
                limit = limit.saturating_add(self.bound);
            }
            // What can't be followed counts as a match to the end: nothing is let through that was not read.
            let Ok(next) = self.dfa.next_state(cache, state, *byte) else {
                return (to_the_end(), at - start);
            };
            state = next;
            // From here on it goes as it went before, and that was no match.
            if last.is_none() && trail.passed(cache, at, state) {
                return (End::None, at - start);
            }
            trail.note(cache, at, state);
            if state.is_tagged() {
                if state.is_match() {
                    last = Some(at);
                } else if state.is_dead() {
                    return (ended(last), at - start);
                } else if state.is_quit() {
                    return (to_the_end(), at - start);
                }
            }
        }
        if shown.open {
            return (End::Open, rest.len());
        }
        match self.dfa.next_eoi_state(cache, state) {
            Ok(state) if !state.is_match() => (ended(last), rest.len()),
            _ => (End::Match(text.len()), rest.len()),
        }
    }

    /// A walk along the match that starts here.
    pub(super) fn start(&self, at: usize) -> Walk {
        let limit = at.saturating_add(self.bound);
        Walk { cache: self.dfa.create_cache(), state: None, at, last: None, limit }
    }

    /// Goes on with a walk, up to where it counts whatever comes.
    pub(super) fn go_on(&self, walk: &mut Walk, shown: Shown<'_>) -> Step {
        let text = shown.text;
        let to_the_end = || if shown.open { Step::Open } else { Step::Ended(Some(text.len())) };
        let mut state = match walk.state {
            Some(state) => state,
            None => {
                let input = Input::new(text).span(walk.at..text.len()).anchored(Anchored::Yes);
                match self.dfa.start_state_forward(&mut walk.cache, &input) {
                    Ok(state) => state,
                    Err(_) => return to_the_end(),
                }
            }
        };
        while let Some(byte) = text.as_bytes().get(walk.at) {
            if walk.at == walk.limit {
                walk.last = Some(walk.limit);
                walk.limit = walk.limit.saturating_add(self.bound);
                walk.state = Some(state);
                return Step::Limit(walk.at);
            }
            let Ok(next) = self.dfa.next_state(&mut walk.cache, state, *byte) else {
                return to_the_end();
            };
            state = next;
            if state.is_tagged() {
                if state.is_match() {
                    walk.last = Some(walk.at);
                } else if state.is_dead() {
                    return Step::Ended(walk.last);
                } else if state.is_quit() {
                    return to_the_end();
                }
            }
            walk.at += 1;
        }
        walk.state = Some(state);
        if shown.open {
            return Step::Open;
        }
        match self.dfa.next_eoi_state(&mut walk.cache, state) {
            Ok(state) if !state.is_match() => Step::Ended(walk.last),
            _ => Step::Ended(Some(text.len())),
        }
    }

    /// The first place from `at` to `last` from which the pattern has not ended with the text.
    pub(super) fn alive(&self, text: &str, mut at: usize, last: usize) -> Option<usize> {
        let mut cache = self.caches.get();
        let mut trail = Trail::default();
        while at < text.len() && at <= last {
            if self.is_alive(&mut cache, &mut trail, text, at) {
                return Some(at);
            }
            at = ceil_boundary(text, at + 1);
        }
        None
    }

    fn is_alive(&self, cache: &mut Cache, trail: &mut Trail, text: &str, start: usize) -> bool {
        let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        let Ok(mut state) = self.dfa.start_state_forward(cache, &input) else { return true };
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        for (at, byte) in (start..).zip(rest) {
            let Ok(next) = self.dfa.next_state(cache, state, *byte) else { return true };
            state = next;
            if state.is_dead() || trail.passed(cache, at, state) {
                return false;
            }
            trail.note(cache, at, state);
        }
        true
    }
}

/// Told where states can't be followed.
struct Unknown;

/// How a walk ended.
enum End {
    None,
    Match(usize),
    Open,
}

/// The states of walks that were no match: where a later walk is in the same state, it is none either. Without
/// this, a text of nothing but beginnings would be read once for each.
#[derive(Default)]
struct Trail {
    start: usize,
    states: Vec<LazyStateID>,
    cleared: usize,
}

impl Trail {
    fn passed(&self, cache: &Cache, at: usize, state: LazyStateID) -> bool {
        self.cleared == cache.clear_count()
            && at.checked_sub(self.start).and_then(|step| self.states.get(step)) == Some(&state)
    }

    fn note(&mut self, cache: &Cache, at: usize, state: LazyStateID) {
        let apart = at < self.start || at - self.start > self.states.len();
        if apart || self.cleared != cache.clear_count() {
            self.states.clear();
            self.cleared = cache.clear_count();
            self.start = at;
        }
        match self.states.get_mut(at - self.start) {
            Some(known) => *known = state,
            None => self.states.push(state),
        }
    }
}
