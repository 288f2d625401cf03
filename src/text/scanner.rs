//! One pass over a text finds where any rule can match; only there its own finder is tried.
//!
//! What every match of a rule needs is known beforehand ([`super::required`]): a literal, found by a sieve; a number,
//! found by its digits and the bytes that can begin a match; or a byte. What a text says decoded is passed over in the same
//! way, for the rules that name the view. Findings are those of the plain scanner.

use serde::{Deserialize, Serialize};

use super::decoded::{self, Hint, Hints, Part, hint_literals};
use super::digits::Digits;
use super::matcher::Leaf;
use super::pattern::Pattern;
use super::phrases::{Standing, stands};
use super::places::{Gathered, Places, Unit, unit};
use super::required::{ByteSet, Literal, Trigger, prefix, trigger};
use super::sieve::Sieve;
use super::tails::{self, Tails};
use super::view::{Text, Views};
use super::{Finder, Hit, Stopped, unite_all};

/// Finds where finders can match.
#[derive(Debug, Serialize, Deserialize)]
pub struct Scanner {
    /// Of each unit the finder's number.
    units: Vec<u32>,
    sieve: Sieve,
    /// What it means that a literal is there.
    uses: Vec<Vec<Use>>,
    digits: Digits,
    /// First bytes of matches of patterns without anything better.
    bytes: Vec<(Unit, ByteSet)>,
    /// Units of the folded view without anything better.
    always: Vec<Unit>,
    phrases: Vec<Box<str>>,
    pub(super) tails: Tails,
    /// Bytes before a match that words near it may stand in.
    near_bytes: usize,
    /// Finders that read decoded views.
    decoding: Vec<usize>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Use {
    /// A match begins from `max` to `min` bytes before.
    Pattern { unit: Unit, folded: bool, min: u32, max: u32 },
    /// A phrase may stand around, of which so many bytes stand before.
    Phrase { unit: Unit, text: u32, phrase: u32, before: u32 },
    /// The text around may be encoded.
    Hint(Hint),
}

/// Collects what a scanner looks for.
#[derive(Debug, Default)]
struct Builder {
    literals: std::collections::BTreeMap<Literal, Vec<Use>>,
    digits: Vec<super::digits::Unit>,
    bytes: Vec<(Unit, ByteSet)>,
    always: Vec<Unit>,
    phrases: Vec<Box<str>>,
    tails: tails::Builder,
}

impl Builder {
    fn trigger(&mut self, unit: Unit, folded: bool, hir: &regex_syntax::hir::Hir, trigger: Trigger) {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.tails.trigger(unit, folded, hir, &trigger);
        match trigger {
            Trigger::Literals(all) => {
                for required in all {
                    let literal = if folded { required.literal.in_any_case() } else { required.literal };
                    let (min, max) = (small(required.min), small(required.max));
                    let one = Use::Pattern { unit, folded, min, max };
                    self.literals.entry(literal).or_default().push(one);
                }
            }
            Trigger::Digits { min, max, count } => {
                let prefix = (!folded).then(|| prefix(hir));
                self.digits.push(super::digits::Unit { unit, min, max, count, prefix });
            }
            Trigger::Bytes(_) if folded => self.always.push(unit),
            Trigger::Bytes(set) => self.bytes.push((unit, set)),
        }
    }

    fn leaf(&mut self, base: Unit, number: usize, leaf: &Leaf) {
        match leaf {
            Leaf::Pattern(pattern, folded) => {
                let hir = pattern.hir();
                self.trigger(unit(base, number, false), false, hir, trigger(hir, false));
                if *folded {
                    self.trigger(unit(base, number, true), true, hir, trigger(hir, true));
                }
            }
            Leaf::Phrases(phrases) => {
                let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                let first = small(self.phrases.len());
                self.phrases.extend(phrases.words().iter().map(|phrase| phrase.as_str().into()));
                for anchor in phrases.anchors() {
                    let phrase = small(anchor.phrase);
                    let one = Use::Phrase {
                        unit: unit(base, number, false),
                        text: first + phrase,
                        phrase,
                        before: small(anchor.before),
                    };
                    self.literals.entry(anchor.word).or_default().push(one);
                }
                if let Some(hir) = phrases.signs().map(Pattern::hir) {
                    self.trigger(unit(base, number, true), true, hir, trigger(hir, true));
                }
            }
        }
    }
}

impl Scanner {
    /// A scanner for these finders, each with a number of its own.
    #[must_use]
    pub fn new<'f>(finders: impl IntoIterator<Item = (usize, &'f Finder)>) -> Self {
        let mut builder = Builder::default();
        let mut units = Vec::new();
        let (mut near_bytes, mut decoding) = (0, Vec::new());
        for (number, finder) in finders {
            near_bytes = near_bytes.max(finder.near_bytes());
            decoding.extend(finder.views.decodes().then_some(number));
            let base = Unit::try_from(units.len()).unwrap_or(Unit::MAX);
            for (leaf_number, leaf) in finder.leaves().enumerate() {
                builder.leaf(base, leaf_number, leaf);
                units.extend([u32::try_from(number).unwrap_or(u32::MAX); 2]);
            }
        }
        if !decoding.is_empty() {
            for (literal, hint) in hint_literals() {
                builder.literals.entry(literal).or_default().push(Use::Hint(hint));
            }
        }
        let (literals, uses) = builder.literals.into_iter().unzip();
        Self {
            units,
            sieve: Sieve::new(literals),
            uses,
            digits: Digits::new(builder.digits),
            bytes: builder.bytes,
            always: builder.always,
            tails: builder.tails.build(),
            near_bytes,
            decoding,
            phrases: builder.phrases,
        }
    }

    /// Everything that the finders find, which `finder` gives by number, where they are wanted.
    ///
    /// Hits come ordered by start, end and finder, as from [`super::scan`].
    ///
    /// # Errors
    /// [`Stopped`] when `stop` said so.
    pub fn scan<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<(usize, Hit)>, Stopped> {
        if stop() {
            return Err(Stopped);
        }
        let text = Text::new(text);
        let mut gathered = Gathered::new(self.units.len());
        let mut hints = Hints::default();
        let mut hits = Vec::new();
        self.gather(&text, &mut gathered, &mut hints);
        self.confirm(finder, &text, Views::default(), &mut gathered, stop, &mut |number, hit| {
            hits.push((number, hit));
        })?;
        if !self.decoding.is_empty() {
            decoded::each(text.raw(), Some(hints), &mut |text, views, original| {
                self.read_decoded(finder, text, views, &mut gathered, stop, &mut |number, hit| {
                    hits.extend(original(hit.start, hit.end).map(|hit| (number, hit)));
                })
            })?;
        }
        Ok(unite_all(hits))
    }

    /// Scans a text that was decoded, for finders that read all of `views`.
    fn read_decoded<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        views: Views,
        gathered: &mut Gathered,
        stop: &dyn Fn() -> bool,
        found: &mut dyn FnMut(usize, Hit),
    ) -> Result<(), Stopped> {
        self.gather(text, gathered, &mut Hints::default());
        self.confirm(finder, text, views, gathered, stop, found)
    }

    /// Everything that finders find in what a part of a text says decoded, and how many bytes that was.
    pub(super) fn scan_decoded<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        part: &Part<'_>,
    ) -> (Vec<(usize, Hit)>, usize) {
        let (mut hits, mut bytes) = (Vec::new(), 0);
        let mut gathered = Gathered::new(self.units.len());
        // Nothing stops it.
        let _ = decoded::each_of(part, &mut |text, views, original| {
            bytes += text.raw().len();
            self.read_decoded(finder, text, views, &mut gathered, &|| false, &mut |number, hit| {
                hits.extend(original(hit.start, hit.end).map(|hit| (number, hit)));
            })
        });
        (hits, bytes)
    }

    /// Tries finders that read all of `views` at the places where they can match, and forgets these.
    fn confirm<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        views: Views,
        gathered: &mut Gathered,
        stop: &dyn Fn() -> bool,
        found: &mut dyn FnMut(usize, Hit),
    ) -> Result<(), Stopped> {
        let finder_of = |unit: Unit| self.units.get(unit as usize).copied();
        let places = gathered.sorted();
        for places in places.chunk_by(|one, other| finder_of(one.unit) == finder_of(other.unit)) {
            let Some((number, first)) =
                places.first().and_then(|place| Some((finder_of(place.unit)?, place.unit)))
            else {
                continue;
            };
            let wanted = finder(number as usize).filter(|finder| finder.views.holds(views));
            let Some(finder) = wanted else { continue };
            if stop() {
                return Err(Stopped);
            }
            let hits = finder.find_at(text, &Places::At(self.base(first), places), stop)?;
            hits.into_iter().for_each(|hit| found(number as usize, hit));
        }
        gathered.clear();
        Ok(())
    }

    /// Number of the finder of a unit.
    pub(super) fn finder_of(&self, unit: Unit) -> Option<usize> {
        self.units.get(unit as usize).map(|number| *number as usize)
    }

    /// The first unit of the same finder.
    pub(super) fn base(&self, unit: Unit) -> Unit {
        let number = self.units.get(unit as usize);
        let before = self.units.get(..unit as usize).unwrap_or_default();
        let base = before.iter().rposition(|other| Some(other) != number).map_or(0, |at| at + 1);
        Unit::try_from(base).unwrap_or(Unit::MAX)
    }

    /// Decoded views that finders read which are wanted.
    pub(super) fn decoded_views<'f>(&self, finder: &dyn Fn(usize) -> Option<&'f Finder>) -> Views {
        let wanted = self.decoding.iter().filter_map(|number| finder(*number));
        wanted.fold(Views::default(), |all, finder| all.and(finder.views))
    }

    /// Bytes before or after a match that words near it may stand in.
    pub(super) fn near_bytes(&self) -> usize {
        self.near_bytes
    }

    pub(super) fn units(&self) -> usize {
        self.units.len()
    }

    pub(super) fn phrases(&self) -> &[Box<str>] {
        &self.phrases
    }

    pub(super) fn gather(&self, text: &Text<'_>, gathered: &mut Gathered, hints: &mut Hints) {
        let raw = text.raw();
        let clean = text.is_clean();
        let view = if clean { View::Both } else { View::Raw };
        self.literals(raw, view, text, gathered, hints);
        self.digits.find(text, gathered);
        if !clean {
            self.literals(&text.folded().text, View::Folded, text, gathered, hints);
            self.digits.find_folded(text, gathered);
        }
        for (unit, set) in &self.bytes {
            let found = raw.bytes().enumerate().filter(|(_, byte)| set.contains(*byte));
            found.for_each(|(at, _)| gathered.range(*unit, at, at));
        }
        for unit in &self.always {
            gathered.range(*unit, 0, u32::MAX as usize);
        }
    }

    fn literals(&self, shown: &str, view: View, text: &Text<'_>, gathered: &mut Gathered, hints: &mut Hints) {
        let standing = || match view {
            View::Both => Some(Standing::Clean(text.raw())),
            View::Folded if text.is_open() => Some(Standing::Open(text.folded())),
            View::Folded => Some(Standing::Folded(text.folded())),
            View::Raw => None,
        };
        self.sieve.find(shown, &mut |literal, at| {
            for one in self.uses.get(literal as usize).map_or(&[][..], Vec::as_slice) {
                match *one {
                    Use::Pattern { unit, folded, min, max } => {
                        let at = match (view, folded) {
                            (View::Both | View::Raw, false) | (View::Folded, true) => at,
                            (View::Both, true) => text.folded().position(at),
                            (View::Raw, true) | (View::Folded, false) => continue,
                        };
                        if let Some(last) = at.checked_sub(min as usize) {
                            gathered.range(unit, at.saturating_sub(max as usize), last);
                        }
                    }
                    Use::Phrase { unit, text, phrase, before } => {
                        let Some(standing) = standing() else { continue };
                        let words = self.phrases.get(text as usize).map_or("", |words| words);
                        if let Some((start, end)) = stands(standing, at, words, before as usize) {
                            gathered.phrase(unit, start, end, phrase);
                        }
                    }
                    Use::Hint(_) if view == View::Folded => {}
                    Use::Hint(hint) => hints.add(hint, at),
                }
            }
        });
    }
}

/// What a text that is searched stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Raw,
    Folded,
    /// A clean text: what is found in it stands in the folded view too.
    Both,
}
