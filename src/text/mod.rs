//! What rules look for in texts: views of a text, matchers, named checks, and the plain scanner.
//!
//! A [`Finder`] is one rule's `find:`, compiled. It reads a [`Text`], which makes its views once for all finders of a
//! scan, and whose parts that look encoded are decoded once. Spans always come back in bytes of the original text, on character boundaries. Matching is linear in the
//! text; what a check rejects is searched again from its second character, where it is short.

mod back;
mod block;
pub mod check;
mod conditions;
mod decoded;
#[cfg(test)]
mod dice;
mod digits;
mod eight;
mod ends;
mod expression;
mod first;
mod fold;
mod frequency;
mod grams;
mod hold_back;
mod kept;
mod literals;
mod matcher;
mod near;
mod part;
mod pattern;
mod phrases;
mod places;
pub(crate) mod ready;
mod required;
mod rough;
mod scanner;
mod sieve;
mod stream;
mod tails;
mod trial;
mod uniform;
mod utf8;
mod view;
mod walker;

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use conditions::Conditions;
pub(crate) use fold::{is_invisible, look_alike};
pub use hold_back::{Held, SHORT_LINES};
use matcher::Matcher;
pub(crate) use pattern::MAX_PART;
use places::Places;
pub use scanner::Scanner;
pub use stream::{Match, StreamScan, Wanted};
pub use utf8::{Decoder, decode};
use view::Views;
pub use view::{Text, View};

/// What a finder looks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// A regular expression; a group named `value` limits the match to that group.
    Pattern(String),
    /// Phrases. Case, spacing and punctuation do not matter, words are whole words; in a phrase that holds one of
    /// `< > [ ] { } | : / #` these characters do count, and only spacing does not.
    Phrases(Vec<String>),
    /// Fires once per text when the weights of distinct signals reach `at`; there is one hit for each signal that
    /// contributed, at its first occurrence.
    Signals {
        /// The sum that fires.
        at: f64,
        /// The signals.
        of: Vec<SignalSpec>,
    },
}

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalSpec {
    /// A pattern or phrases.
    pub what: Kind,
    /// What it adds.
    pub weight: f64,
}

/// Words that must stand near a match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearSpec {
    /// Any of these words or phrases.
    pub words: Vec<String>,
    /// Characters before and after the match that are searched.
    pub within: usize,
    /// When no word is needed.
    pub unless: Option<Unless>,
}

/// When no word is needed near a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unless {
    /// The match has a space, dash, dot or slash in it.
    Separated,
}

/// A match that does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Exception {
    /// This text, in any case, spaces around it apart.
    Literal(String),
    /// Anything in which this pattern is found.
    Pattern(String),
}

/// A finder as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinderSpec {
    /// What to look for.
    pub kind: Kind,
    /// A check of [`check::names`] that a match passes.
    pub check: Option<String>,
    /// Words near it.
    pub near: Option<NearSpec>,
    /// Matches that do not count.
    pub not: Vec<Exception>,
    /// Views besides the raw text. `folded` is for patterns: phrases are always read folded. Each text of a decoded view is
    /// read like a text of its own, as it is and, with `folded`, folded; signals have to come together in one text.
    pub views: Vec<View>,
    /// Bytes that decide about a match, for a pattern without a longest match. A match may be longer: it goes on as
    /// long as the pattern does, and one that is still open there counts. At most 64 KiB.
    pub max_bytes: Option<usize>,
}

impl FinderSpec {
    /// A finder without conditions.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, check: None, near: None, not: Vec::new(), views: Vec::new(), max_bytes: None }
    }
}

/// Why a finder can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// A pattern is not a regular expression of the `regex` crate.
    #[error("the pattern is not a regular expression: {message}")]
    Pattern {
        /// What is wrong with it.
        message: String,
    },
    /// A pattern that matches nothing at all, everywhere.
    #[error("the pattern matches the empty text")]
    MatchesEmpty,
    /// A pattern whose matches have no longest one, or one longer than 64 KiB, without a bound of its own.
    #[error("nothing bounds how long a match of this pattern can be")]
    Unbounded,
    /// A bound that is none.
    #[error("`max_bytes` is from 1 to 65536")]
    MaxBytes,
    /// No check of this name.
    #[error("there is no check called `{name}`")]
    UnknownCheck {
        /// The name.
        name: String,
    },
    /// A phrase, or the list of them, is empty.
    #[error("a phrase needs at least two letters or digits, or a sign such as `<`")]
    EmptyPhrase,
    /// Signals that can't fire, or always do.
    #[error("the weights of these signals can't reach `at`, or one is not above zero")]
    Weights,
}

impl FindError {
    /// What to do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let help = match self {
            FindError::Pattern { message } if message.contains("look-around") => {
                "look-around would make matching slower than the text is long; use `near:` or `not:`"
            }
            FindError::Pattern { message } if message.contains("backreference") => {
                "back-references would make matching slower than the text is long; use `check:`"
            }
            FindError::Pattern { .. } => "the syntax is that of Rust's `regex` crate",
            FindError::Unbounded => {
                "bound what repeats (`{0,40}` for `*`), or give `max_bytes:`, the bytes within which a match is decided"
            }
            FindError::MaxBytes => {
                "give the bytes within which a match is decided, far fewer than a text has"
            }
            FindError::MatchesEmpty => "make one part of it required",
            FindError::EmptyPhrase => "leave empty phrases out",
            FindError::Weights => "give each signal a weight above zero, and let their sum reach `at`",
            FindError::UnknownCheck { .. } => return None,
        };
        Some(help.to_owned())
    }
}

/// One match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// First byte in the original text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a rule looks for, compiled.
#[derive(Debug)]
pub struct Finder {
    spec: Box<FinderSpec>,
    views: Views,
    /// `None` only for a spec that was trusted and should not have been.
    made: OnceLock<Option<Made>>,
}

/// What a finder is made of.
#[derive(Debug)]
struct Made {
    matcher: Matcher,
    conditions: Conditions,
}

impl Made {
    /// All of it; what a `trusted` one needs for few matches is parsed when it is needed.
    fn new(spec: &FinderSpec, trusted: bool) -> Result<Self, FindError> {
        let conditions = Conditions::new(spec, trusted)?;
        let matcher = Matcher::new(&spec.kind, spec.views.contains(&View::Folded), spec.max_bytes)?;
        Ok(Self { matcher, conditions })
    }
}

impl Finder {
    /// Compiles a finder. Patterns are parsed here and compiled when they are first used.
    ///
    /// # Errors
    /// When a pattern, phrase or check can't be used.
    pub fn new(spec: &FinderSpec) -> Result<Self, FindError> {
        let made = Made::new(spec, false)?;
        let finder = Self::trusted(spec.clone());
        // It was empty.
        let _ = finder.made.set(Some(made));
        Ok(finder)
    }

    /// A finder that was compiled before, elsewhere: this time that is done when it is first used.
    pub(crate) fn trusted(spec: FinderSpec) -> Self {
        let views = spec.views.iter().copied().collect();
        Self { spec: Box::new(spec), views, made: OnceLock::new() }
    }

    /// What it was made from.
    pub(crate) fn spec(&self) -> &FinderSpec {
        &self.spec
    }

    fn made(&self) -> Option<&Made> {
        self.made.get_or_init(|| ready::make(|| Made::new(&self.spec, true).ok())).as_ref()
    }

    /// Calls `with` with each of its leaves and their numbers. What is made for that is not kept.
    fn each_leaf(&self, mut with: impl FnMut(usize, &matcher::Leaf)) {
        let here =
            self.made.get().is_none().then(|| ready::make(|| Made::new(&self.spec, true).ok())).flatten();
        let made = self.made.get().and_then(Option::as_ref).or(here.as_ref());
        let leaves = made.into_iter().flat_map(|made| made.matcher.leaves());
        leaves.enumerate().for_each(|(number, leaf)| with(number, leaf));
    }

    /// Gives back the memory of all but what it is made from: it is made again when it is used.
    pub(crate) fn forget(&mut self) {
        self.made = OnceLock::new();
    }

    /// Whether more is kept than what it is made from.
    #[cfg(test)]
    pub(crate) fn is_made(&self) -> bool {
        self.made.get().is_some()
    }

    /// Compiles every pattern now, so that one too large to compile is known when a bundle is checked.
    ///
    /// # Errors
    /// When a pattern can't be compiled.
    pub fn prove(&self) -> Result<(), FindError> {
        let Some(made) = self.made() else { return Made::new(&self.spec, false).map(drop) };
        made.matcher.prove()?;
        made.conditions.prove()
    }

    /// Whether it reads what looks encoded, and may be seen: a stream is held back by the line that has begun.
    #[must_use]
    pub fn holds_lines(&self) -> bool {
        self.views.decodes_visible()
    }

    /// Whether it fires when several signals come together.
    #[must_use]
    pub fn is_signals(&self) -> bool {
        matches!(self.spec.kind, Kind::Signals { .. })
    }

    /// Bytes before or after a match that words near it may stand in, and one more character.
    fn near_bytes(&self) -> usize {
        let characters = self.spec.near.as_ref().map_or(0, |near| near.within.saturating_add(1));
        characters.saturating_mul(4)
    }

    /// Every match, ordered and without overlaps.
    #[must_use]
    pub fn find(&self, text: &Text<'_>) -> Vec<Hit> {
        // Nothing stops it.
        self.find_until(text, &|| false).unwrap_or_default()
    }

    /// Every match, ordered and without overlaps, unless stopped.
    ///
    /// # Errors
    /// [`Stopped`] when `stop` said so.
    pub fn find_until(&self, text: &Text<'_>, stop: &dyn Fn() -> bool) -> Result<Vec<Hit>, Stopped> {
        let mut hits: Vec<(usize, Hit)> =
            self.find_at(text, &Places::Everywhere, stop)?.into_iter().map(|hit| (0, hit)).collect();
        decoded_hits(&[(0, self)], text, &mut hits, stop)?;
        Ok(unite_all(hits).into_iter().map(|(_, hit)| hit).collect())
    }

    /// Those of some places of a text, of its units from `base` on, at which it may match, as far as a quick look tells.
    fn possible<'p>(
        &self,
        text: &Text<'_>,
        base: places::Unit,
        places: &'p [places::Place],
    ) -> Cow<'p, [places::Place]> {
        let Some(made) = self.made().filter(|_| !text.is_open()) else { return Cow::Borrowed(places) };
        let mut left = Vec::new();
        for places in places.chunk_by(|one, other| one.unit == other.unit) {
            let unit = places.first().map_or(0, |place| place.unit - base);
            let folded = unit % 2 == 1;
            let Some(pattern) = made.matcher.leaf(unit as usize / 2).and_then(|leaf| leaf.pattern(folded))
            else {
                left.extend_from_slice(places);
                continue;
            };
            let before = left.len();
            pattern.possible(text, folded, places, &mut left);
            let at = text.around().1;
            if let Some(near) =
                made.conditions.near.as_ref().filter(|_| !folded && at == 0 && !pattern.is_endless())
            {
                let mut may_hold = near.may_hold(text, pattern.last_letters());
                let mut of_unit = left.split_off(before);
                of_unit.retain(|place| {
                    let range = (place.first as usize, (place.last as usize).saturating_add(pattern.bound()));
                    place.twin != places::Twin::None || may_hold(range)
                });
                left.append(&mut of_unit);
            }
        }
        Cow::Owned(left)
    }

    /// Every match in these places of one text, in any order.
    fn find_at(
        &self,
        text: &Text<'_>,
        places: &Places<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Hit>, Stopped> {
        // Without what it should look for, nothing is known of a text.
        let made = self.made().ok_or(Stopped)?;
        made.matcher.find(text, places, &made.conditions, stop)
    }
}

/// Unites overlapping matches of one finder, which come in order: gives what is whole. Like a match, a union is given in
/// parts if it is very long.
fn unite(open: &mut Option<Hit>, hit: Hit) -> Option<Hit> {
    let next = match open {
        Some(last) if hit.start < last.end => {
            if last.end - last.start < MAX_PART {
                last.end = last.end.max(hit.end);
                return None;
            }
            if hit.end <= last.end {
                return None;
            }
            Hit { start: last.end, end: hit.end }
        }
        _ => hit,
    };
    open.replace(next)
}

/// Makes one of hits of one finder that overlap; orders by start, end and finder.
fn unite_all(mut hits: Vec<(usize, Hit)>) -> Vec<(usize, Hit)> {
    hits.sort_unstable();
    let mut united = Vec::with_capacity(hits.len());
    for of_one in hits.chunk_by(|(one, _), (other, _)| one == other) {
        let mut open = None;
        for (number, hit) in of_one {
            united.extend(unite(&mut open, *hit).map(|hit| (*number, hit)));
        }
        united.extend(of_one.first().and_then(|(number, _)| Some((*number, open?))));
    }
    united.sort_unstable_by_key(|(number, hit)| (hit.start, hit.end, *number));
    united
}

/// Adds what finders find in what a text says decoded.
fn decoded_hits(
    finders: &[(usize, &Finder)],
    text: &Text<'_>,
    hits: &mut Vec<(usize, Hit)>,
    stop: &dyn Fn() -> bool,
) -> Result<(), Stopped> {
    if !finders.iter().any(|(_, finder)| finder.views.decodes()) {
        return Ok(());
    }
    decoded::each(text.raw(), None, &mut |text, views, original| {
        for (number, finder) in finders.iter().filter(|(_, finder)| finder.views.holds(views)) {
            let found = finder.find_at(text, &Places::Everywhere, stop)?;
            hits.extend(found.iter().filter_map(|hit| Some((*number, original(hit.start, hit.end)?))));
        }
        Ok(())
    })
}

/// Told when a scan was stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// The plain scanner: each finder by itself. The reference for any faster one.
///
/// Hits come ordered by start, end and finder. `stop` is asked between finders and between their matches.
///
/// # Errors
/// [`Stopped`] when `stop` said so.
pub fn scan<'f>(
    finders: impl Iterator<Item = (usize, &'f Finder)>,
    text: &str,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<(usize, Hit)>, Stopped> {
    let text = Text::new(text);
    let finders: Vec<(usize, &Finder)> = finders.collect();
    let mut hits = Vec::new();
    for (index, finder) in &finders {
        if stop() {
            return Err(Stopped);
        }
        let found = finder.find_at(&text, &Places::Everywhere, stop)?;
        hits.extend(found.into_iter().map(|hit| (*index, hit)));
    }
    decoded_hits(&finders, &text, &mut hits, stop)?;
    Ok(unite_all(hits))
}

/// A text as its folded view shows it, without the spaces around: what two names have in common that look the same.
pub(crate) fn folded(text: &str) -> String {
    Text::new(text).folded().text.trim().to_owned()
}

/// Every three letters or digits that follow each other in a text, folded: a cheap measure of likeness.
pub(crate) fn trigrams(text: &str) -> Vec<String> {
    let text = Text::new(text);
    let squashed = &text.squashed().text;
    let words = squashed.split(' ');
    words
        .flat_map(|word| {
            let letters: Vec<char> = word.chars().collect();
            letters.windows(3).map(|three| three.iter().collect()).collect::<Vec<String>>()
        })
        .collect()
}
