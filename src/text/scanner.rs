//! One pass over a text finds where any rule can match; only there its own finder is tried.
//!
//! What every match of a rule needs is known beforehand ([`super::required`]): a literal, found by a sieve; a number,
//! found by its digits and the bytes that can begin a match; or a byte. What a text says decoded is passed over in the same
//! way, for the rules that name the view. Findings are those of the plain scanner.

use super::decoded::{self, Hint, Hints, hint_literals};
use super::digits::Digits;
use super::matcher::Leaf;
use super::phrases::stands;
use super::places::{Gathered, Places, Unit, unit};
use super::required::{ByteSet, Literal, Trigger, prefix, trigger};
use super::sieve::Sieve;
use super::view::{Text, Views};
use super::{Finder, Hit, Stopped, unite};

/// Finds where finders can match.
#[derive(Debug)]
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
    /// Some finder reads decoded views.
    decodes: bool,
}

#[derive(Debug, Clone, Copy)]
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
}

impl Builder {
    fn trigger(&mut self, unit: Unit, folded: bool, hir: &regex_syntax::hir::Hir, trigger: Trigger) {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
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
                let (anchors, signs) = phrases.anchors();
                for anchor in anchors {
                    let phrase = small(anchor.phrase);
                    let one = Use::Phrase {
                        unit: unit(base, number, false),
                        text: first + phrase,
                        phrase,
                        before: small(anchor.before),
                    };
                    self.literals.entry(anchor.word).or_default().push(one);
                }
                if let (Some(trigger), Some(hir)) = (signs, phrases.signs_hir()) {
                    self.trigger(unit(base, number, true), true, hir, trigger);
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
        let mut decodes = false;
        for (number, finder) in finders {
            decodes |= finder.views.decodes();
            let base = Unit::try_from(units.len()).unwrap_or(Unit::MAX);
            for (leaf_number, leaf) in finder.matcher.leaves().enumerate() {
                builder.leaf(base, leaf_number, leaf);
                units.extend([u32::try_from(number).unwrap_or(u32::MAX); 2]);
            }
        }
        if decodes {
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
            phrases: builder.phrases,
            decodes,
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
        if self.decodes {
            decoded::each(text.raw(), Some(hints), &mut |text, views, original| {
                self.gather(text, &mut gathered, &mut Hints::default());
                self.confirm(finder, text, views, &mut gathered, stop, &mut |number, hit| {
                    hits.extend(original(hit.start, hit.end).map(|hit| (number, hit)));
                })
            })?;
        }
        unite(&mut hits);
        Ok(hits)
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
            // The finder's first unit.
            let before = self.units.get(..first as usize).unwrap_or_default();
            let base = before.iter().rposition(|other| *other != number).map_or(0, |at| at + 1);
            let base = Unit::try_from(base).unwrap_or(Unit::MAX);
            let hits = finder.find_at(text, &mut Places::At(base, places), stop)?;
            hits.into_iter().for_each(|hit| found(number as usize, hit));
        }
        gathered.clear();
        Ok(())
    }

    fn gather(&self, text: &Text<'_>, gathered: &mut Gathered, hints: &mut Hints) {
        let raw = text.raw();
        let clean = text.is_clean();
        let view = if clean { Shown::Both } else { Shown::Raw };
        self.literals(raw, view, text, gathered, hints);
        self.digits.find(raw, clean.then_some(text), gathered);
        if !clean {
            let folded = &text.folded().text;
            self.literals(folded, Shown::Folded, text, gathered, hints);
            self.digits.find_folded(folded, gathered);
        }
        for (unit, set) in &self.bytes {
            let found = raw.bytes().enumerate().filter(|(_, byte)| set.contains(*byte));
            found.for_each(|(at, _)| gathered.range(*unit, at, at));
        }
        for unit in &self.always {
            gathered.range(*unit, 0, u32::MAX as usize);
        }
    }

    fn literals(
        &self,
        shown: &str,
        view: Shown,
        text: &Text<'_>,
        gathered: &mut Gathered,
        hints: &mut Hints,
    ) {
        self.sieve.find(shown, &mut |literal, at| {
            for one in self.uses.get(literal as usize).map_or(&[][..], Vec::as_slice) {
                match *one {
                    Use::Pattern { unit, folded, min, max } => {
                        let at = match (view, folded) {
                            (Shown::Both | Shown::Raw, false) | (Shown::Folded, true) => at,
                            (Shown::Both, true) => text.folded().position(at),
                            (Shown::Raw, true) | (Shown::Folded, false) => continue,
                        };
                        if let Some(last) = at.checked_sub(min as usize) {
                            gathered.range(unit, at.saturating_sub(max as usize), last);
                        }
                    }
                    Use::Phrase { unit, text, phrase, before } => {
                        if view == Shown::Raw {
                            continue;
                        }
                        let words = self.phrases.get(text as usize).map_or("", |words| words);
                        if let Some((start, end)) = stands(shown, at, words, before as usize) {
                            gathered.phrase(unit, start, end, phrase);
                        }
                    }
                    Use::Hint(_) if view == Shown::Folded => {}
                    Use::Hint(hint) => hints.add(hint, at),
                }
            }
        });
    }
}

/// What a text that is searched stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Raw,
    Folded,
    /// A clean text: what is found in it stands in the folded view too.
    Both,
}
