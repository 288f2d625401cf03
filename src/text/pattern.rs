//! One regular expression that is searched for, bounded in length.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use memchr::memchr;
use regex_automata::meta;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Hir, HirKind};

use super::ends::ends;
use super::expression::Expression;
use super::first::{ByteSet, First, holds};
use super::places::{Place, possible};
use super::rough::Rough;
use super::trial::{self, GaveUp};
use super::uniform::in_ascii;
use super::view::Text;
use super::walker::{Step, Tried, Walk, Walked, Walker};
use super::{FindError, Stopped, ready};

/// Longest match, in bytes, that a pattern may need to see before it is decided.
pub(super) const MAX_BOUND: usize = 64 << 10;
/// A refused match of at most so many bytes is searched again from its second character.
pub(super) const SEARCH_AGAIN: usize = 256;
/// A match longer than this is given in parts, so that what is held back of a stream has a bound.
pub(crate) const MAX_PART: usize = 16 << 10;
/// Earlier ends of a refused match that are tried.
const SHORTER: usize = 24;
/// Bytes of the matches that are tried so, in all: numbers and names are short, and what is long costs as much for each end.
const SHORTER_BYTES: usize = 512;
/// Places that lie no further apart are searched together where one by one would take long.
const JOIN: usize = 32;
/// At so many places a pattern is tried before that is made easier.
const TRIED_OFTEN: usize = 64;
/// The same for what it matches there.
const FOUND_OFTEN: usize = 32;
/// Candidates between two questions whether to stop.
const POLL: usize = 64;

/// A match: all of it, and the part that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    whole: (usize, usize),
    /// The group named `value`, or all of it.
    pub(super) value: (usize, usize),
    /// Where what decides about the match ends: the end of `value`, or the bound of a long match.
    pub(super) decided: usize,
}

impl Found {
    pub(super) fn of(start: usize, end: usize) -> Self {
        Found { whole: (start, end), value: (start, end), decided: end }
    }
}

/// A text that is searched, as a view shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'t> {
    pub(super) text: &'t str,
    /// There is nothing but ASCII in it.
    pub(super) ascii: bool,
    /// It goes on behind what is known of it.
    pub(super) open: bool,
}

/// Takes matches.
pub(super) trait Sink {
    /// Whether a match counts: asked of each, with what decides about it.
    fn accept(&mut self, decides: &str, found: Found) -> Answer;
    /// Bytes of the original text that a match stands for.
    fn bytes(&self, start: usize, end: usize) -> usize;
    /// A match that counts, or a part of one.
    fn hit(&mut self, start: usize, end: usize);
}

/// Whether a match counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// For what stands from here on in what decides, whatever stands before it.
    NoFrom(usize),
    /// Nor does it where it ends here or behind.
    NoUpTo(usize),
    /// Nor does it where it ends earlier.
    Never,
    /// That depends on what follows in an open text.
    Later,
}

/// How far a text was searched.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Where the search goes on.
    pub(super) at: usize,
    /// The first place about which an open text leaves it open whether a match begins there, or goes on.
    pub(super) undecided: Option<usize>,
    /// A match that has been open for longer than what decides about it.
    pub(super) long: Option<Box<Long>>,
}

/// A long match under way.
#[derive(Debug)]
pub(super) struct Long {
    walk: Walk,
    start: usize,
    /// Where the part begins that is given next; `None` for a match that does not count.
    given_from: Option<usize>,
}

impl Long {
    /// Moves it to where the same text is shown otherwise.
    pub(super) fn moved(&mut self, to: impl Fn(usize) -> usize) {
        self.start = to(self.start);
        self.given_from = self.given_from.map(&to);
        self.walk.moved(to);
    }
}

/// What a search finds next.
enum Next {
    None,
    Found(Found),
    /// A match that may go on behind the end of an open text; its end is `usize::MAX`.
    Open(Found),
}

/// A pattern that is searched for.
#[derive(Debug)]
pub(super) struct Pattern {
    expression: Expression,
    bound: Bound,
    first: OnceLock<First>,
    last_letters: OnceLock<Option<Box<ByteSet>>>,
    /// For any text, and for one of nothing but ASCII.
    tellers: Box<[Teller; 2]>,
}

/// What tells where a pattern matches in texts of one kind.
#[derive(Debug, Default)]
struct Teller {
    /// At how many places the pattern was tried, and told without an automaton what it matches there.
    tried: AtomicUsize,
    found: AtomicUsize,
    rough: OnceLock<Option<Rough>>,
    walker: OnceLock<Option<Box<Walker>>>,
}

#[derive(Debug)]
enum Bound {
    /// No match is longer than so many bytes, at most [`MAX_BOUND`] or the bound that it was given.
    Fixed(usize),
    /// A match is decided within so many bytes, and goes on as long as the pattern does.
    Window(usize),
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
            (_, Some(max_bytes)) => Bound::Window(max_bytes),
            (_, None) => return Err(FindError::Unbounded),
        };
        Ok(Self {
            expression,
            bound,
            first: OnceLock::new(),
            last_letters: OnceLock::new(),
            tellers: Box::default(),
        })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.expression.prove()?;
        Walker::new(&self.expression.hir, 1).map(|_| ())
    }

    pub(super) fn hir(&self) -> &Hir {
        &self.expression.hir
    }

    /// Adds to `left` the places of a text at which it may match, as far as a quick look tells.
    pub(super) fn possible(&self, text: &Text<'_>, folded: bool, places: &[Place], left: &mut Vec<Place>) {
        /// So many are tried once more, with its counts.
        const FEW: usize = 8;
        let hir = &self.expression.hir;
        // What is still open where a match is decided counts.
        let decided = if self.is_endless() { self.bound() } else { usize::MAX };
        let exact =
            |shown: &str, start: usize| trial::none(hir, shown, start).filter(|steps| *steps < decided);
        let Teller { tried, found, rough, .. } = self.teller(text.is_clean());
        if tried.load(Relaxed) < TRIED_OFTEN
            && tried.fetch_add(places.len(), Relaxed) + places.len() <= TRIED_OFTEN
        {
            left.extend(possible(text, folded, places, exact));
            return;
        }
        let (before, length) = (left.len(), text.raw().len());
        let make = || ready::make(|| Rough::forwards(hir, text.is_clean()));
        match rough.get_or_init(make) {
            Some(rough) => {
                let mut none = rough.none(length);
                let none = |shown: &str, start: usize| none(shown, start).filter(|steps| *steps < decided);
                left.extend(possible(text, folded, places, none));
            }
            None => left.extend_from_slice(places),
        }
        let rest = left.get(before..).unwrap_or_default();
        if !(1..=FEW).contains(&rest.len()) {
            return;
        }
        let first = if found.load(Relaxed) < FOUND_OFTEN {
            found.fetch_add(rest.len(), Relaxed);
            possible(text, folded, rest, exact).next()
        } else if !self.is_endless()
            && let Some(walker) = self.walker(text.is_clean())
        {
            possible(text, folded, rest, walker.none(length)).next()
        } else {
            return;
        };
        if first.is_none() {
            left.truncate(before);
        }
    }

    /// Gives `sink` each match that it accepts, from left to right without overlaps. If what it refuses is short, it is
    /// tried with earlier ends, and then searched again from its second character. `places` are the ranges, both ends
    /// included, in which a match can begin.
    pub(super) fn find(
        &self,
        shown: Shown<'_>,
        progress: &mut Progress,
        places: &mut dyn Iterator<Item = (usize, usize)>,
        sink: &mut dyn Sink,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Stopped> {
        let text = shown.text;
        progress.undecided = None;
        if let Some(long) = progress.long.take()
            && let Some(walker) = self.walker(false)
        {
            self.follow(walker, shown, long, progress, sink);
        }
        if progress.long.is_some() {
            return Ok(());
        }
        let mut count = 0_usize;
        let mut places = places.peekable();
        let mut near: Vec<(usize, usize)> = Vec::new();
        while let Some((first, mut last)) = places.next() {
            near.clear();
            near.push((first, last));
            while let Some((next, to)) = places.next_if(|(next, _)| *next <= last.saturating_add(JOIN)) {
                match near.last_mut() {
                    Some((_, before)) if next <= before.saturating_add(1) => *before = to.max(*before),
                    _ => near.push((next, to)),
                }
                last = last.max(to);
            }
            progress.at = progress.at.max(first);
            let mut undecided: Option<usize> = None;
            while progress.at <= last && progress.at < text.len() {
                count += 1;
                if count % POLL == POLL - 1 && stop() {
                    return Err(Stopped);
                }
                if let Bound::Fixed(longest) = self.bound
                    && shown.open
                    && undecided.is_none_or(|undecided| undecided < progress.at)
                {
                    undecided = self.alive(text, longest, progress.at, last);
                }
                if undecided == Some(progress.at) {
                    progress.undecided = undecided;
                    return Ok(());
                }
                let limit = undecided.map_or(last, |undecided| undecided - 1);
                match self.next(shown, progress.at, limit, &near, stop)? {
                    Next::None if undecided.is_none() => break,
                    Next::None => {
                        progress.undecided = undecided;
                        return Ok(());
                    }
                    Next::Open(found) => {
                        self.open(shown, found, progress, sink);
                        if progress.undecided.is_some() || progress.long.is_some() {
                            return Ok(());
                        }
                    }
                    Next::Found(found) => {
                        let Some(at) = self.settle(text, found, sink) else {
                            progress.at = found.whole.0;
                            progress.undecided = Some(found.whole.0);
                            return Ok(());
                        };
                        progress.at = at;
                    }
                }
            }
        }
        Ok(())
    }

    /// Has a match accepted or refused, and says where the search goes on; `None` if that can't be told yet.
    fn settle(&self, text: &str, found: Found, sink: &mut dyn Sink) -> Option<usize> {
        let (start, end) = found.whole;
        let again = ceil_boundary(text, start + 1);
        let mut tried = found;
        let (mut shorter, mut bytes) = (0, 0);
        // What stands from here on is wrong with all of them.
        let mut wrong = Some(end);
        loop {
            let (mut from, mut below) = (None, tried.whole.1);
            match ask(text, tried, sink) {
                Answer::Later => return None,
                Answer::Yes => {
                    self.give(text, tried, sink);
                    return Some(tried.whole.1.max(again));
                }
                Answer::NoFrom(at) => from = Some(tried.value.0 + at),
                Answer::NoUpTo(at) if !self.expression.has_value => below = tried.value.0 + at,
                Answer::No | Answer::NoUpTo(_) => {}
                Answer::Never => {
                    wrong = None;
                    break;
                }
            }
            wrong = wrong.zip(from).map(|(wrong, from)| wrong.min(from));
            let more = shorter < SHORTER && bytes < SHORTER_BYTES;
            let Some(next) = more.then(|| self.shorter(text, tried, below)).flatten() else { break };
            tried = next;
            shorter += 1;
            bytes += tried.whole.1 - wrong.unwrap_or(tried.whole.0).min(tried.whole.1);
        }
        if let Some(at) = wrong.filter(|at| self.ends_alike(text, start, *at)) {
            return Some(again.max(at + 1));
        }
        Some(if end - start <= SEARCH_AGAIN { again } else { end.max(again) })
    }

    /// Whether all matches that begin from `start` up to a byte have the same ends: they begin with any characters of a class, up to
    /// that byte, which is none of them.
    fn ends_alike(&self, text: &str, start: usize, byte: usize) -> bool {
        let HirKind::Concat(parts) = self.expression.hir.kind() else { return false };
        let [run, then, ..] = parts.as_slice() else { return false };
        let (HirKind::Repetition(run), HirKind::Literal(then)) = (run.kind(), then.kind()) else {
            return false;
        };
        let (HirKind::Class(class), [border, ..]) = (run.sub.kind(), &*then.0) else { return false };
        run.min <= 1
            && !self.expression.has_value
            && border.is_ascii()
            && !holds(class, *border)
            && text.as_bytes().get(start..).and_then(|rest| memchr(*border, rest)) == Some(byte - start)
    }

    /// Gives a match to the sink: a very long one in parts.
    fn give(&self, text: &str, found: Found, sink: &mut dyn Sink) {
        let (mut start, end) = found.value;
        if let Bound::Window(bound) = self.bound
            && sink.bytes(start, end) >= MAX_PART
        {
            let mut limit = found.whole.0 + bound;
            while limit < end {
                if limit > start && sink.bytes(start, limit) >= MAX_PART {
                    let cut = ceil_boundary(text, limit);
                    sink.hit(start, cut);
                    start = cut;
                }
                limit += bound;
            }
        }
        if start < end {
            sink.hit(start, end);
        }
    }

    /// A match that counts and whose end has not come yet.
    fn open(&self, shown: Shown<'_>, found: Found, progress: &mut Progress, sink: &mut dyn Sink) {
        let (start, known) = (found.whole.0, shown.text.len() - found.whole.0);
        progress.at = start;
        progress.undecided = Some(start);
        let Bound::Window(bound) = self.bound else { return };
        // What decides, and a character behind it that a border may depend on.
        if known <= bound + 4 {
            return;
        }
        let answer = ask(shown.text, found, sink);
        // What is refused and ends early is searched again from its second character.
        let ends_early = |bound: usize| (known - 1) / bound * bound <= SEARCH_AGAIN;
        if answer == Answer::Later || (answer != Answer::Yes && ends_early(bound)) {
            return;
        }
        let Some(walker) = self.walker(false) else { return };
        progress.undecided = None;
        let ended = found.value.1 != usize::MAX;
        if answer == Answer::Yes && ended {
            sink.hit(found.value.0, found.value.1);
        }
        let given_from = (answer == Answer::Yes && !ended).then_some(found.value.0);
        let long = Box::new(Long { walk: walker.start(start), start, given_from });
        self.follow(walker, shown, long, progress, sink);
    }

    /// Follows a match that is open as far as the text is known.
    fn follow(
        &self,
        walker: &Walker,
        shown: Shown<'_>,
        mut long: Box<Long>,
        progress: &mut Progress,
        sink: &mut dyn Sink,
    ) {
        let text = shown.text;
        let end = loop {
            match walker.go_on(&mut long.walk, shown) {
                Step::Limit(limit) => {
                    let full = |from: &usize| limit > *from && sink.bytes(*from, limit) >= MAX_PART;
                    if let Some(from) = long.given_from.filter(full) {
                        let cut = ceil_boundary(text, limit);
                        sink.hit(from, cut);
                        long.given_from = Some(cut);
                    }
                }
                Step::Open => {
                    let last = long.walk.last().unwrap_or(long.start);
                    progress.undecided = Some(long.given_from.unwrap_or(last).min(last));
                    progress.long = Some(long);
                    return;
                }
                Step::Ended(end) => break ceil_boundary(text, end.unwrap_or(long.start)),
            }
        };
        if let Some(from) = long.given_from.filter(|from| *from < end) {
            sink.hit(from, end);
        }
        progress.at = end;
    }

    /// The first place from `at` to `last` where a match may begin, for all that is known of an open text. A match that
    /// would have ended before does not count.
    pub(super) fn alive(&self, text: &str, longest: usize, at: usize, last: usize) -> Option<usize> {
        let from = ceil_boundary(text, at.max(text.len().saturating_sub(longest)));
        match self.walker(false) {
            Some(walker) => walker.alive(text, from, last),
            None => Some(from).filter(|from| *from < text.len() && *from <= last),
        }
    }

    /// The longest match, if there is one.
    pub(super) fn longest(&self) -> usize {
        match self.bound {
            Bound::Fixed(longest) => longest,
            Bound::Window(_) => usize::MAX,
        }
    }

    /// The longest match, or the bytes that decide about one.
    pub(super) fn bound(&self) -> usize {
        match self.bound {
            Bound::Fixed(bound) | Bound::Window(bound) => bound,
        }
    }

    /// The letters with which what is found may end where a letter can follow, if there are any.
    pub(super) fn last_letters(&self) -> Option<&ByteSet> {
        let Expression { hir, has_value, .. } = &self.expression;
        let letters = || {
            let letters = ends(hir, *has_value).without(|byte| !byte.is_ascii_alphabetic());
            letters.any(|_| true).then(|| Box::new(letters))
        };
        self.last_letters.get_or_init(|| ready::make(letters)).as_deref()
    }

    /// Whether a match can be longer than what decides about it.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self.bound, Bound::Window(..))
    }

    fn first(&self) -> &First {
        self.first.get_or_init(|| ready::make(|| First::new(&self.expression.hir)))
    }

    fn teller(&self, ascii: bool) -> &Teller {
        let [any, of_ascii] = &*self.tellers;
        if ascii { of_ascii } else { any }
    }

    fn walker(&self, ascii: bool) -> Option<&Walker> {
        let make = || {
            let Expression { hir, .. } = &self.expression;
            let hir = if ascii { Cow::Owned(in_ascii(hir)?) } else { Cow::Borrowed(hir) };
            Walker::new(&hir, self.bound()).ok().map(Box::new)
        };
        self.teller(ascii).walker.get_or_init(|| ready::make(make)).as_deref()
    }

    /// The match at the same place that ends before this one and `below` a place, between words: a number that a check refuses may be
    /// right without what follows it.
    fn shorter(&self, shown: &str, found: Found, below: usize) -> Option<Found> {
        let (start, mut end) = found.whole;
        if !matches!(self.bound, Bound::Fixed(_)) || end - start > SEARCH_AGAIN {
            return None;
        }
        end = end.min(below);
        let bytes = shown.as_bytes();
        let in_word =
            |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
        let between = |end: usize| !(in_word(end.wrapping_sub(1)) && in_word(end));
        loop {
            end = (start + 1..end).rev().find(|end| between(*end))?;
            let before = Input::new(shown).span(start..end).anchored(Anchored::Yes);
            let found = self.search(&before)?;
            if between(found.whole.1) {
                return Some(found);
            }
            end = found.whole.1;
        }
    }

    /// The leftmost match, with the part that counts.
    fn search(&self, input: &Input<'_>) -> Option<Found> {
        let regex = self.expression.get()?;
        if self.expression.has_value {
            let (whole, value) = captures(regex, input)?;
            return Some(Found { whole, value, decided: value.1 });
        }
        regex.search(input).map(|found| Found::of(found.start(), found.end()))
    }

    /// The leftmost match that begins from `at` to `last`.
    fn next(
        &self,
        text: Shown<'_>,
        at: usize,
        last: usize,
        places: &[(usize, usize)],
        stop: &dyn Fn() -> bool,
    ) -> Result<Next, Stopped> {
        let shown = text.text;
        let Bound::Fixed(longest) = self.bound else { return self.next_long(text, at, last, stop) };
        if let Ok(found) = self.first_finds(text, (at, last), places) {
            return Ok(found.map_or(Next::None, Next::Found));
        }
        let Some(walker) = self.walker(text.ascii) else { return Ok(Next::None) };
        let input = |from: usize, last: usize| {
            Input::new(shown).span(from..shown.len().min(last.saturating_add(longest)))
        };
        let found = match walker.find(text, (at, last), places, || self.first()) {
            Tried::None => None,
            Tried::Match(start, end) if !self.expression.has_value => Some(Found::of(start, end)),
            Tried::Match(start, _) => self.search(&input(start, start).anchored(Anchored::Yes)),
            Tried::From(from) => self.search(&input(from, last)).filter(|found| found.whole.0 <= last),
        };
        Ok(found.map_or(Next::None, Next::Found))
    }

    /// The same without an automaton, for the first matches of a pattern; an error where that is not told.
    fn first_finds(
        &self,
        text: Shown<'_>,
        (at, last): (usize, usize),
        places: &[(usize, usize)],
    ) -> Result<Option<Found>, GaveUp> {
        /// Longest range of places that are tried one by one.
        const RANGE: usize = 8;
        let Teller { found, .. } = self.teller(text.ascii);
        if text.open || found.load(Relaxed) >= FOUND_OFTEN {
            return Err(GaveUp);
        }
        let passed = places.partition_point(|(_, to)| *to < at);
        for (from, to) in places.iter().skip(passed) {
            let starts = at.max(*from)..=last.min(*to);
            if starts.end().saturating_sub(*starts.start()) > RANGE {
                return Err(GaveUp);
            }
            for start in starts.filter(|start| text.text.is_char_boundary(*start)) {
                found.fetch_add(1, Relaxed);
                if let Some(trial::Match { end, value }) =
                    trial::find(&self.expression.hir, text.text, start)?
                {
                    let whole = (start, end);
                    let value = value.map_or(whole, |value| (value.start, value.end));
                    return Ok(Some(Found { whole, value, decided: value.1 }));
                }
            }
        }
        Ok(None)
    }

    /// The same for a pattern without a longest match.
    fn next_long(
        &self,
        text: Shown<'_>,
        at: usize,
        last: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Next, Stopped> {
        let (shown, bound) = (text.text, self.bound());
        let Some(at) = self.first().find(shown.as_bytes(), at, last, text.open) else {
            return Ok(Next::None);
        };
        let Some(walker) = self.walker(false) else { return Ok(Next::None) };
        let (start, end) = match walker.next(text, ceil_boundary(shown, at), last, self.first(), stop)? {
            Walked::None => return Ok(Next::None),
            Walked::Match(start, end) => (start, end),
            Walked::Open(start) => (start, usize::MAX),
        };
        let whole = (start, end);
        let window = floor_boundary(shown, end.min(start.saturating_add(bound)));
        let mut value = whole;
        if self.expression.has_value
            && let Some(regex) = self.expression.get()
        {
            let window_only = Input::new(shown).span(start..window).anchored(Anchored::Yes);
            if let Some((_, (from, to))) = captures(regex, &window_only) {
                value = (from, if to == window { end } else { to });
            }
        }
        let found = Found { whole, value, decided: value.1.min(window).max(value.0) };
        Ok(if end == usize::MAX { Next::Open(found) } else { Next::Found(found) })
    }
}

fn ask(text: &str, found: Found, sink: &mut dyn Sink) -> Answer {
    text.get(found.value.0..found.decided).map_or(Answer::No, |decides| sink.accept(decides, found))
}

/// The next match, and its group named `value`.
fn captures(regex: &meta::Regex, input: &Input<'_>) -> Option<((usize, usize), (usize, usize))> {
    let mut captures = regex.create_captures();
    regex.search_captures(input, &mut captures);
    let whole = captures.get_match()?;
    let whole = (whole.start(), whole.end());
    Some((whole, captures.get_group_by_name("value").map_or(whole, |value| (value.start, value.end))))
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
        struct All(Vec<(usize, usize)>);
        impl Sink for All {
            fn accept(&mut self, _: &str, _: Found) -> Answer {
                Answer::Yes
            }
            fn bytes(&self, start: usize, end: usize) -> usize {
                end - start
            }
            fn hit(&mut self, start: usize, end: usize) {
                self.0.push((start, end));
            }
        }
        let mut all = All(Vec::new());
        let pattern = Pattern::new(pattern, max_bytes).unwrap();
        let everywhere = &mut std::iter::once((0, text.len()));
        let shown = Shown { text, ascii: false, open: false };
        pattern.find(shown, &mut Progress::default(), everywhere, &mut all, &|| false).unwrap();
        all.0
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
        assert!(matches!(Pattern::new("a{1,9}", Some(5)).unwrap().bound, Bound::Window(5)));
        assert!(matches!(Pattern::new("a{1,9}", Some(50)).unwrap().bound, Bound::Fixed(9)));
    }

    #[test]
    fn non_ascii_letters_are_borders() {
        assert_eq!(all(r"\bcard\b", None, "écard cards card"), [(2, 6), (13, 17)]);
    }
}
