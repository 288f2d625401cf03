//! One regular expression: parsed when a bundle is compiled, made ready when first used, and bounded in length.

use std::sync::OnceLock;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta;
use regex_automata::util::pool::Pool;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};

use super::{FindError, Stopped};

/// Largest program of one pattern, in bytes.
const SIZE_LIMIT: usize = 4 << 20;
/// Deepest nesting of a pattern.
const NEST_LIMIT: u32 = 64;
/// Longest match, in bytes, that a pattern may need to see before it is decided.
pub(super) const MAX_BOUND: usize = 64 << 10;
/// A refused match of at most so many bytes is searched again from its second character.
const SEARCH_AGAIN: usize = 256;
/// Earlier ends of a refused match that are tried.
const SHORTER: usize = 24;
/// No literal of a prefilter is longer.
const LONGEST_PREFIX: usize = 256;
/// Candidates between two questions whether to stop.
const POLL: usize = 64;

/// A regular expression that is made ready when it is first used. Word borders are those of ASCII, so that every
/// pattern can be walked byte by byte.
#[derive(Debug)]
pub(super) struct Expression {
    hir: Hir,
    meta: OnceLock<Option<meta::Regex>>,
}

impl Expression {
    pub(super) fn new(pattern: &str) -> Result<Self, FindError> {
        let parsed = regex_syntax::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(pattern);
        let hir = parsed.map_err(|error| FindError::Pattern { message: last_line(&error.to_string()) })?;
        Ok(Self { hir: plain(&hir), meta: OnceLock::new() })
    }

    fn compile(&self) -> Result<meta::Regex, FindError> {
        let config = meta::Config::new().nfa_size_limit(Some(SIZE_LIMIT)).onepass(false);
        meta::Builder::new().configure(config).build_from_hir(&self.hir).map_err(|error| {
            let message = match error.size_limit() {
                Some(limit) => format!("it needs more than {} MiB when compiled", limit >> 20),
                None => last_line(&error.to_string()),
            };
            FindError::Pattern { message }
        })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.compile().map(|_| ())
    }

    /// The compiled pattern. `None` only for one that `prove` would have refused.
    pub(super) fn get(&self) -> Option<&meta::Regex> {
        self.meta.get_or_init(|| self.compile().ok()).as_ref()
    }
}

fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// What `\d` stands for in Unicode.
fn all_digits() -> Option<&'static ClassUnicode> {
    static DIGITS: OnceLock<Option<Hir>> = OnceLock::new();
    match DIGITS.get_or_init(|| regex_syntax::parse(r"\d").ok()).as_ref()?.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// The same expression with borders between ASCII words, ASCII digits for `\d`, and without the long s and the Kelvin
/// sign among the cases of `s` and `k`: views show those as the letters that they are.
fn plain(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) => hir.clone(),
        HirKind::Class(Class::Unicode(class)) => {
            let is = |chars: &[char]| {
                let members = class.ranges().iter().flat_map(|range| range.start()..=range.end());
                members.take(chars.len() + 1).eq(chars.iter().copied())
            };
            let of = |ranges: &[(char, char)]| {
                let ranges = ranges.iter().map(|(from, to)| ClassUnicodeRange::new(*from, *to));
                Hir::class(Class::Unicode(ClassUnicode::new(ranges)))
            };
            if is(&['S', 's', '\u{17f}']) {
                of(&[('S', 'S'), ('s', 's')])
            } else if is(&['K', 'k', '\u{212a}']) {
                of(&[('K', 'K'), ('k', 'k')])
            } else if all_digits() == Some(class) {
                of(&[('0', '9')])
            } else {
                hir.clone()
            }
        }
        HirKind::Class(Class::Bytes(_)) => hir.clone(),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Repetition(repetition) => Hir::repetition(repetition.with(plain(&repetition.sub))),
        HirKind::Capture(capture) => {
            let mut capture = capture.clone();
            capture.sub = Box::new(plain(&capture.sub));
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(plain).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(plain).collect()),
    }
}

/// A match: all of it, and the part that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    whole: (usize, usize),
    /// The group named `value`, or all of it.
    pub(super) value: (usize, usize),
    /// Where what decides about the match ends: the end of `value`, or the bound of a long match.
    pub(super) decided: usize,
}

/// A pattern that is searched for.
#[derive(Debug)]
pub(super) struct Pattern {
    expression: Expression,
    has_value: bool,
    bound: Bound,
}

#[derive(Debug)]
enum Bound {
    /// No match is longer than so many bytes, at most [`MAX_BOUND`] or the bound that it was given.
    Fixed(usize),
    /// A match is decided within so many bytes, and goes on as long as the pattern does.
    Window(usize, OnceLock<Option<Box<Walker>>>),
}

impl Pattern {
    /// # Errors
    /// When it is no regular expression, matches the empty text, or has no bound.
    pub(super) fn new(pattern: &str, max_bytes: Option<usize>) -> Result<Self, FindError> {
        let expression = Expression::new(pattern)?;
        let properties = expression.hir.properties();
        if properties.minimum_len().is_none_or(|length| length == 0) {
            return Err(FindError::MatchesEmpty);
        }
        if max_bytes.is_some_and(|bytes| bytes == 0 || bytes > MAX_BOUND) {
            return Err(FindError::MaxBytes);
        }
        let bound = match (properties.maximum_len(), max_bytes) {
            (Some(longest), _) if longest <= max_bytes.unwrap_or(MAX_BOUND) => Bound::Fixed(longest),
            (_, Some(max_bytes)) => Bound::Window(max_bytes, OnceLock::new()),
            (_, None) => return Err(FindError::Unbounded),
        };
        let has_value = pattern.contains("(?P<value>") || pattern.contains("(?<value>");
        Ok(Self { expression, has_value, bound })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.expression.prove()?;
        if let Bound::Window(..) = self.bound {
            Walker::new(&self.expression.hir, 1)?;
        }
        Ok(())
    }

    pub(super) fn hir(&self) -> &Hir {
        &self.expression.hir
    }

    /// Calls `accept` for each match, from left to right without overlaps. If what it refuses is short, it is tried with
    /// earlier ends, and then searched again from its second character. `places` are the ranges, both ends included, in
    /// which a match can begin.
    pub(super) fn find(
        &self,
        shown: &str,
        places: &mut dyn Iterator<Item = (usize, usize)>,
        accept: &mut dyn FnMut(&str, Found) -> bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Stopped> {
        let mut at = 0;
        let mut count = 0_usize;
        for (first, last) in places {
            at = at.max(first);
            while at <= last && at < shown.len() {
                count += 1;
                if count % POLL == POLL - 1 && stop() {
                    return Err(Stopped);
                }
                let Some(found) = self.next(shown, at, last, stop)? else { break };
                let (start, end) = found.whole;
                let again = ceil_boundary(shown, start + 1);
                let mut try_it = |found: Found| {
                    shown.get(found.value.0..found.decided).is_some_and(|text| accept(text, found))
                };
                let mut accepted = try_it(found);
                let mut tried = found;
                for _ in 0..SHORTER {
                    if accepted {
                        break;
                    }
                    let Some(shorter) = self.shorter(shown, tried) else { break };
                    tried = shorter;
                    accepted = try_it(shorter);
                }
                let end = if accepted { tried.whole.1 } else { end };
                at = if !accepted && end - start <= SEARCH_AGAIN { again } else { end.max(again) };
            }
        }
        Ok(())
    }

    /// The match at the same place that ends before this one, between words: a number that a check refuses may be right
    /// without what follows it.
    fn shorter(&self, shown: &str, found: Found) -> Option<Found> {
        let (start, mut end) = found.whole;
        if !matches!(self.bound, Bound::Fixed(_)) || end - start > SEARCH_AGAIN {
            return None;
        }
        let bytes = shown.as_bytes();
        let in_word =
            |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
        let between = |end: usize| !(in_word(end.wrapping_sub(1)) && in_word(end));
        loop {
            end = (start + 1..end).rev().find(|end| between(*end))?;
            let before = Input::new(shown).span(start..end).anchored(Anchored::Yes);
            let (whole, value) = captures(self.expression.get()?, &before)?;
            if between(whole.1) {
                return Some(Found { whole, value, decided: value.1 });
            }
            end = whole.1;
        }
    }

    /// The leftmost match that begins from `at` to `last`.
    fn next(
        &self,
        shown: &str,
        at: usize,
        last: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Found>, Stopped> {
        let Some(regex) = self.expression.get() else { return Ok(None) };
        let end = match self.bound {
            Bound::Fixed(longest) => shown.len().min(last.saturating_add(longest)),
            Bound::Window(..) => shown.len(),
        };
        let anchored = if at == last { Anchored::Yes } else { Anchored::No };
        let rest = Input::new(shown).span(at..end).anchored(anchored);
        let found = match &self.bound {
            Bound::Fixed(_) if !self.has_value => regex.search(&rest).map(|found| {
                let whole = (found.start(), found.end());
                Found { whole, value: whole, decided: whole.1 }
            }),
            Bound::Fixed(_) => {
                captures(regex, &rest).map(|(whole, value)| Found { whole, value, decided: value.1 })
            }
            Bound::Window(bound, walker) => {
                let walker = walker
                    .get_or_init(|| Walker::new(&self.expression.hir, *bound).ok().map(Box::new))
                    .as_deref();
                let Some(walker) = walker else { return Ok(None) };
                let Some(whole) = walker.next(shown, at, last, stop)? else { return Ok(None) };
                let window = floor_boundary(shown, whole.1.min(whole.0.saturating_add(*bound)));
                let mut value = whole;
                if self.has_value {
                    let window_only = rest.clone().span(whole.0..window).anchored(Anchored::Yes);
                    if let Some((_, (start, end))) = captures(regex, &window_only) {
                        value = (start, if end == window { whole.1 } else { end });
                    }
                }
                Some(Found { whole, value, decided: value.1.min(window).max(value.0) })
            }
        };
        Ok(found.filter(|found| found.whole.0 <= last))
    }
}

/// The next match, and its group named `value`.
fn captures(regex: &meta::Regex, input: &Input<'_>) -> Option<((usize, usize), (usize, usize))> {
    let mut captures = regex.create_captures();
    regex.search_captures(input, &mut captures);
    let whole = captures.get_match()?;
    let whole = (whole.start(), whole.end());
    Some((whole, captures.get_group_by_name("value").map_or(whole, |value| (value.start, value.end))))
}

/// Follows a pattern that has no longest match, byte by byte.
struct Walker {
    bound: usize,
    dfa: DFA,
    caches: Pool<
        Cache,
        Box<dyn Fn() -> Cache + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>,
    >,
    prefilter: Option<Prefilter>,
}

impl std::fmt::Debug for Walker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walker").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl Walker {
    fn new(hir: &Hir, bound: usize) -> Result<Self, FindError> {
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
        let prefilter = Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, hir);
        let of = dfa.clone();
        Ok(Self { bound, dfa, caches: Pool::new(Box::new(move || of.create_cache())), prefilter })
    }

    /// The leftmost match that begins from `at` to `last`: one that ends within the bound; or one still going on there, which then ends
    /// where the pattern does, or the bound after the last byte at which it could have ended.
    fn next(
        &self,
        shown: &str,
        mut at: usize,
        last: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<(usize, usize)>, Stopped> {
        let mut cache = self.caches.get();
        let mut walked = 0;
        let mut trail = Trail::default();
        let end = shown.len().min(last.saturating_add(LONGEST_PREFIX));
        while at < end && at <= last {
            if let Some(prefilter) = &self.prefilter {
                match prefilter.find(shown.as_bytes(), regex_automata::Span { start: at, end }) {
                    Some(candidate) if candidate.start <= last => at = candidate.start,
                    _ => return Ok(None),
                }
            }
            let (end, steps) = self.walk(&mut cache, &mut trail, shown, at);
            if let Some(end) = end {
                return Ok(Some((at, ceil_boundary(shown, end))));
            }
            walked += steps + 1;
            if walked > 1 << 16 {
                walked = 0;
                if stop() {
                    return Err(Stopped);
                }
            }
            at = ceil_boundary(shown, at + 1);
        }
        Ok(None)
    }

    /// Where a match that starts at `start` ends, and how many bytes were read.
    fn walk(
        &self,
        cache: &mut Cache,
        trail: &mut Trail,
        shown: &str,
        start: usize,
    ) -> (Option<usize>, usize) {
        let input = Input::new(shown).span(start..shown.len()).anchored(Anchored::Yes);
        let Ok(mut state) = self.dfa.start_state_forward(cache, &input) else {
            return (Some(shown.len()), 0);
        };
        let mut last = None;
        let mut limit = start.saturating_add(self.bound);
        let rest = shown.as_bytes().get(start..).unwrap_or_default();
        for (at, byte) in (start..).zip(rest) {
            if at == limit {
                last = Some(limit);
                limit = limit.saturating_add(self.bound);
            }
            // What can't be followed counts as a match to the end: nothing is let through that was not read.
            let Ok(next) = self.dfa.next_state(cache, state, *byte) else {
                return (Some(shown.len()), at - start);
            };
            state = next;
            // From here on it goes as it went before, and that was no match.
            if last.is_none() && trail.passed(cache, at, state) {
                return (None, at - start);
            }
            trail.note(cache, at, state);
            if state.is_tagged() {
                if state.is_match() {
                    last = Some(at);
                } else if state.is_dead() {
                    return (last, at - start);
                } else if state.is_quit() {
                    return (Some(shown.len()), at - start);
                }
            }
        }
        match self.dfa.next_eoi_state(cache, state) {
            Ok(state) if !state.is_match() => (last, rest.len()),
            _ => (Some(shown.len()), rest.len()),
        }
    }
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

pub(super) fn floor_boundary(text: &str, mut at: usize) -> usize {
    while at > 0 && !text.is_char_boundary(at) {
        at -= 1;
    }
    at.min(text.len())
}

pub(super) fn ceil_boundary(text: &str, mut at: usize) -> usize {
    while at < text.len() && !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pattern: &str, max_bytes: Option<usize>, text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let pattern = Pattern::new(pattern, max_bytes).unwrap();
        pattern
            .find(
                text,
                &mut std::iter::once((0, text.len())),
                &mut |_, one| {
                    found.push(one.value);
                    true
                },
                &|| false,
            )
            .unwrap();
        found
    }

    #[test]
    fn a_long_match_is_whole() {
        let key = format!("a KEY{} b KEY12 c", "x".repeat(1000));
        assert_eq!(all("KEY[a-z0-9]*", Some(16), &key), [(2, 1005), (1008, 1013)]);
        let block = format!("-BEGIN-{}-END- rest", "0 ".repeat(700));
        assert_eq!(all(r"-BEGIN-[\s\S]*?(?:-END-|\z)", Some(64), &block), [(0, block.len() - 5)]);
    }

    #[test]
    fn what_is_not_decided_within_the_bound_counts() {
        // Still open after 8 bytes: read as a match until it can't be one.
        assert_eq!(all(r"<[^>]*>!", Some(8), "<123> <1234567890> <123>!"), [(6, 14), (19, 25)]);
        assert_eq!(all(r"<[^>]*>!", Some(32), "<123> <1234567890> <123>!"), [(19, 25)]);
    }

    #[test]
    fn a_value_in_a_long_match() {
        let text = format!("key={}; x", "s3".repeat(100));
        assert_eq!(all("key=(?P<value>[a-z0-9]*)", Some(20), &text), [(4, 204)]);
        assert_eq!(all("key=(?P<value>[a-z0-9]*);", Some(20), "key=abc;"), [(4, 7)]);
    }

    #[test]
    fn patterns_need_a_bound() {
        assert_eq!(Pattern::new("a+", None).unwrap_err(), FindError::Unbounded);
        assert_eq!(Pattern::new("a{1,70000}", None).unwrap_err(), FindError::Unbounded);
        assert_eq!(Pattern::new("a+", Some(0)).unwrap_err(), FindError::MaxBytes);
        assert_eq!(Pattern::new("a*", Some(5)).unwrap_err(), FindError::MatchesEmpty);
        assert!(matches!(Pattern::new("a{1,9}", Some(5)).unwrap().bound, Bound::Window(5, _)));
        assert!(matches!(Pattern::new("a{1,9}", Some(50)).unwrap().bound, Bound::Fixed(9)));
    }

    #[test]
    fn non_ascii_letters_are_borders() {
        assert_eq!(all(r"\bcard\b", None, "écard cards card"), [(2, 6), (13, 17)]);
    }
}
