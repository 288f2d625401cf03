//! One pass over a text finds where any rule can match; only there its own finder is tried.
//!
//! What every match of a rule needs is known beforehand ([`super::required`]): a literal, found by a sieve; a number,
//! found by its digits and the bytes that can begin a match; or a byte. What a text says decoded is passed over in the same
//! way, for the rules that name the view. Findings are those of the plain scanner.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use regex_syntax::hir::Hir;
use serde::{Deserialize, Serialize};

use super::back::FARTHEST;
use super::decoded::{self, Hint, Hints, Part, hint_literals};
use super::digits::Digits;
use super::first::{ByteSet, First, PLACES, Uniform, prefix};
use super::fold::fold;
use super::literals::{Around, Literal, Required};
use super::matcher::Leaf;
use super::pattern::{Pattern, floor_boundary};
use super::phrases::{Neighbours, Standing, stands};
use super::places::{Gathered, Places, Unit, unit};
use super::required::{Trigger, trigger};
use super::sieve::Sieve;
use super::tails::{self, Tails};
use super::view::{Mapped, Text, Views, is_plain};
use super::{Finder, Hit, Stopped, unite_all};

/// No literal is longer.
const MAX_LITERAL: usize = 32;

/// Bytes before a literal from which on it is worth walking back.
const FAR: usize = 24;
/// Of one pattern, so many bytes are read back for each byte of a text.
const STEPS: usize = 8;
/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Finds where finders can match.
#[derive(Debug, Serialize, Deserialize)]
pub struct Scanner {
    /// Of each unit the finder's number.
    units: Vec<u32>,
    sieve: Sieve,
    /// What it means that a literal is there.
    uses: Vec<Vec<Use>>,
    /// What matches begin with, of patterns with literals.
    firsts: Vec<First>,
    /// What can stand around literals.
    arounds: Vec<Around>,
    digits: Digits,
    /// First bytes of matches of patterns without anything better.
    bytes: Vec<(Unit, ByteSet)>,
    /// Units of the folded view without anything better.
    always: Vec<Unit>,
    /// Units whose matches begin where the text does, whether they are of the folded view, and what they begin with.
    starts: Vec<(Unit, bool, u32)>,
    phrases: Vec<Box<str>>,
    pub(super) tails: Tails,
    /// Bytes before a match that words near it may stand in.
    near_bytes: usize,
    /// Finders that read decoded views.
    decoding: Vec<usize>,
    #[serde(skip)]
    spare: Spare,
}

/// Memory of earlier scans, to be used again: it has room for every unit.
#[derive(Debug, Default)]
struct Spare(Mutex<Vec<Gathered>>);

impl Spare {
    /// Most that are kept.
    const MOST: usize = 16;

    fn take(&self) -> Option<Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, mut gathered: Gathered) {
        gathered.clear();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < Self::MOST {
            spare.push(gathered);
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Use {
    /// A match may begin before.
    Pattern(Place),
    /// A phrase may stand around, of which so many bytes stand before.
    Phrase { unit: Unit, text: u32, phrase: u32, before: u32, neighbours: Neighbours },
    /// The text around may be encoded.
    Hint(Hint),
}

/// Where a match of a unit may begin: from `max` to `min` bytes before a literal.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Place {
    unit: Unit,
    folded: bool,
    twin: Twin,
    min: u32,
    max: u32,
    /// Number of what a match begins with.
    first: u32,
    /// Number of what stands around the literal.
    around: u32,
    /// Number of what stands between the beginning of a match and the literal.
    lead: u32,
    /// Number of the literal among those of the unit.
    number: u32,
}

/// Whether the next unit, that of the folded view, is told by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Twin {
    None,
    /// Both find the same where a text is copied there, and has no other white space than single spaces.
    Same,
    /// Both find the same where a text is copied there.
    Copied,
}

/// A literal that was seen, with a long way back to where a match can begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    place: Place,
    at: usize,
}

/// Collects what a scanner looks for.
#[derive(Debug, Default)]
struct Builder {
    literals: BTreeMap<Literal, Vec<Use>>,
    firsts: Numbered<First>,
    arounds: Numbered<Around>,
    leads: Numbered<ByteSet>,
    digits: Vec<super::digits::Unit>,
    bytes: Vec<(Unit, ByteSet)>,
    always: Vec<Unit>,
    starts: Vec<(Unit, bool, u32)>,
    phrases: Vec<Box<str>>,
    tails: tails::Builder,
}

/// Different things in the order in which they came.
#[derive(Debug)]
struct Numbered<T>(BTreeMap<T, u32>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Numbered<T> {
    fn number(&mut self, one: T) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(one).or_insert(next)
    }

    fn all(self) -> Vec<T> {
        let mut all: Vec<(T, u32)> = self.0.into_iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(one, _)| one).collect()
    }
}

impl Builder {
    fn trigger(&mut self, unit: Unit, folded: bool, hir: &Hir, trigger: Trigger) {
        self.tails.trigger(unit, folded, hir, &trigger);
        match trigger {
            Trigger::Literals(all) => {
                let first = First::new(hir);
                // Where the literal begins the match, it is enough.
                let looks = all.iter().any(|required| required.max > 0);
                let first = self.firsts.number(if looks { first.with_grams(hir) } else { first });
                for (number, required) in (0..).zip(all) {
                    self.required((unit, folded, Twin::None), (first, number), required);
                }
            }
            Trigger::Digits { min, max, count } => {
                let prefix = (!folded).then(|| prefix(hir, false));
                self.digits.push(super::digits::Unit { unit, min, max, count, prefix });
            }
            Trigger::Bytes(_) if folded => self.always.push(unit),
            Trigger::Bytes(set) => self.bytes.push((unit, set)),
            Trigger::Start => {
                let first = self.firsts.number(First::new(hir));
                self.starts.push((unit, folded, first));
            }
        }
    }

    /// A pattern of both views for which a text and its folded view are the same as far as it was copied there, and that
    /// both are told by the same literals.
    fn twins(&mut self, unit: Unit, hir: &Hir, triggers: &(Trigger, Trigger)) -> bool {
        let (Trigger::Literals(raw), Trigger::Literals(folded)) = triggers else { return false };
        let any_case = |Required { literal, .. }: &Required| {
            literal.any_case || !literal.bytes.iter().any(u8::is_ascii_alphabetic)
        };
        let uniform = Uniform::of(hir);
        if raw != folded || !raw.iter().all(any_case) || !uniform.case {
            return false;
        }
        let twin = if uniform.spaces { Twin::Copied } else { Twin::Same };
        self.tails.trigger(unit, false, hir, &triggers.0);
        self.tails.trigger(unit + 1, true, hir, &triggers.1);
        let first = First::new(hir);
        let looks = raw.iter().any(|required| required.max > 0);
        let first = self.firsts.number(if looks { first.with_grams(hir) } else { first });
        for (number, required) in (0..).zip(raw) {
            self.required((unit, false, twin), (first, number), required.clone());
        }
        true
    }

    fn required(
        &mut self,
        (unit, folded, twin): (Unit, bool, Twin),
        (first, number): (u32, u32),
        required: Required,
    ) {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let shown = |literal: Literal| if folded { literal.in_any_case() } else { literal };
        let lead = self.leads.number(required.around.lead);
        let around = self.arounds.number(required.around);
        let (min, max) = (small(required.min), small(required.max));
        let one = Use::Pattern(Place { unit, folded, twin, min, max, first, around, lead, number });
        self.literals.entry(shown(required.literal)).or_default().push(one);
    }

    fn leaf(&mut self, base: Unit, number: usize, leaf: &Leaf) {
        match leaf {
            Leaf::Pattern(pattern, folded) => {
                let (hir, raw) = (pattern.hir(), unit(base, number, false));
                if *folded {
                    let triggers = (trigger(hir, false), trigger(hir, true));
                    if !self.twins(raw, hir, &triggers) {
                        self.trigger(raw, false, hir, triggers.0);
                        self.trigger(unit(base, number, true), true, hir, triggers.1);
                    }
                } else {
                    self.trigger(raw, false, hir, trigger(hir, false));
                }
            }
            Leaf::Phrases(phrases) => {
                let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                let first = small(self.phrases.len());
                self.phrases.extend(phrases.words().iter().map(|phrase| phrase.as_str().into()));
                for anchor in phrases.anchors() {
                    let phrase = small(anchor.phrase);
                    let words = phrases.words().get(anchor.phrase).map_or("", String::as_str);
                    let neighbours = Neighbours::new(words, anchor.before, anchor.word.bytes.len());
                    let one = Use::Phrase {
                        unit: unit(base, number, false),
                        text: first + phrase,
                        phrase,
                        before: small(anchor.before),
                        neighbours,
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
            firsts: builder.firsts.all(),
            arounds: builder.arounds.all(),
            digits: Digits::new(builder.digits),
            bytes: builder.bytes,
            always: builder.always,
            starts: builder.starts,
            tails: builder.tails.build(),
            near_bytes,
            decoding,
            phrases: builder.phrases,
            spare: Spare::default(),
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
        let mut gathered = self.spare.take().unwrap_or_else(|| self.gathered());
        gathered.sightings.get_or_insert_default();
        let hits = self.scan_with(&mut gathered, finder, &Text::new(text), stop);
        self.spare.give(gathered);
        hits
    }

    fn scan_with<'f>(
        &self,
        gathered: &mut Gathered,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<(usize, Hit)>, Stopped> {
        let mut hints = Hints::default();
        let mut hits = Vec::new();
        self.gather(text, gathered, &mut hints);
        self.confirm(finder, text, Views::default(), gathered, stop, &mut |number, hit| {
            hits.push((number, hit));
        })?;
        if !self.decoding.is_empty() {
            decoded::each(text.raw(), Some(hints), &mut |text, views, original| {
                self.read_decoded(finder, text, views, gathered, stop, &mut |number, hit| {
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
        let mut gathered = self.gathered();
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
        if gathered.sightings.as_ref().is_some_and(|sightings| !sightings.is_empty()) {
            self.walk_back(finder, text, gathered);
        }
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

    pub(super) fn gathered(&self) -> Gathered {
        Gathered::new(self.units.len())
    }

    pub(super) fn phrases(&self) -> &[Box<str>] {
        &self.phrases
    }

    pub(super) fn gather(&self, text: &Text<'_>, gathered: &mut Gathered, hints: &mut Hints) {
        let raw = text.raw();
        let view = if text.is_clean() { View::Both } else { View::Mixed };
        self.sieve
            .find(raw.as_bytes(), &mut |literal, at| self.note(literal, at, view, text, gathered, hints));
        self.digits.find(text, gathered);
        if view == View::Mixed {
            let folded = text.folded();
            for window in changed(raw.as_bytes(), folded) {
                let shown = folded.text.as_bytes().get(window.clone()).unwrap_or_default();
                self.sieve.find(shown, &mut |literal, at| {
                    let at = window.start + at;
                    if !is_copied(text, at, self.sieve.length(literal)) {
                        self.note(literal, at, View::Folded, text, gathered, hints);
                    }
                });
            }
            self.digits.find_folded(text, gathered);
        }
        self.bytes(text, gathered);
        self.at_start(text, gathered);
        for unit in &self.always {
            gathered.range(*unit, 0, u32::MAX as usize);
        }
    }

    /// Notes where units can begin that are told by their first byte alone.
    fn bytes(&self, text: &Text<'_>, gathered: &mut Gathered) {
        if self.bytes.is_empty() {
            return;
        }
        let (mut at, unseen) = (0, self.bytes.iter().all(|(_, set)| set.is_unseen()));
        for block in text.raw().as_bytes().chunks(BLOCK) {
            let ordinary = is_ordinary(block);
            for (unit, set) in self.bytes.iter().filter(|_| !(ordinary && unseen)) {
                if !(ordinary && set.is_unseen()) {
                    let found = (at..).zip(block).filter(|(_, byte)| set.contains(**byte));
                    found.for_each(|(at, _)| gathered.range(*unit, at, at));
                }
            }
            at += block.len();
        }
    }

    /// Whether a literal that a place is told by stands between what can stand around it; and where, in the text that the
    /// unit reads.
    #[inline]
    fn stands_so(
        &self,
        place: &Place,
        literal: u32,
        at: usize,
        view: View,
        text: &Text<'_>,
    ) -> Option<usize> {
        let around = self.arounds.get(place.around as usize)?;
        let length = self.sieve.length(literal);
        let fits = |shown: &[u8], at: usize, byte: fn(u8) -> u8| {
            let before = at.checked_sub(1).and_then(|at| shown.get(at));
            before.is_none_or(|before| around.before.contains(byte(*before)))
                && shown.get(at + length).is_none_or(|after| around.after.contains(byte(*after)))
        };
        if !place.folded {
            return Some(at)
                .filter(|at| view != View::Folded && fits(text.raw().as_bytes(), *at, |byte| byte));
        }
        match view {
            View::Both => fits(text.raw().as_bytes(), at, folded_byte).then(|| text.folded().position(at)),
            View::Mixed => copied(text, at, length),
            View::Folded => Some(at),
        }
        .filter(|at| view == View::Both || fits(text.folded().text.as_bytes(), *at, |byte| byte))
    }

    /// Notes what it means that a literal of a pattern is there.
    fn pattern(
        &self,
        place: &Place,
        literal: u32,
        at: usize,
        view: View,
        text: &Text<'_>,
        gathered: &mut Gathered,
    ) {
        if let Some(at) = self.stands_so(place, literal, at, view, text) {
            let far = (FAR..=FARTHEST).contains(&(place.max as usize));
            if far && let Some(sightings) = &mut gathered.sightings {
                sightings.push(Sighting { place: *place, at });
            } else if self.starts(place, text, at, gathered) {
                return;
            }
        }
        if place.twin != Twin::None {
            gathered.forget(place.unit);
            let folded = Place { unit: place.unit + 1, folded: true, twin: Twin::None, ..*place };
            self.pattern(&folded, literal, at, view, text, gathered);
        }
    }

    /// Notes where matches can begin that hold the literals from which to walk back, of finders that are wanted.
    fn walk_back<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        gathered: &mut Gathered,
    ) {
        let mut sightings = gathered.sightings.replace(Vec::new()).unwrap_or_default();
        let (mut starts, mut rest) = (Vec::new(), Vec::new());
        sightings.sort_unstable_by_key(|sighting| (sighting.place.unit, sighting.at));
        for same in sightings.chunk_by(|one, other| one.place.unit == other.place.unit) {
            let Some(Sighting { place, .. }) = same.first() else { continue };
            let wanted = self.finder_of(place.unit).and_then(finder);
            let leaf = (place.unit - self.base(place.unit)) / 2;
            let Some(pattern) = wanted.and_then(|finder| finder.pattern(leaf as usize, place.folded)) else {
                continue;
            };
            let shown = if place.folded { text.folded().text.as_str() } else { text.raw() };
            let backs = pattern.backs(place.folded, same.len());
            let mut left = STEPS * (shown.len() + FARTHEST);
            starts.clear();
            rest.clear();
            for sighting in same {
                let back = backs.get(sighting.place.number as usize).and_then(Option::as_ref);
                let read = back.filter(|_| left > 0).and_then(|back| {
                    back.starts(shown, sighting.at, sighting.place.max as usize, &mut |start| {
                        starts.push(start)
                    })
                });
                match read {
                    Some(read) => left = left.saturating_sub(read),
                    None => rest.push(*sighting),
                }
            }
            starts.sort_unstable();
            starts.dedup();
            starts.iter().for_each(|start| gathered.range(place.unit, *start, *start));
            for Sighting { place, at } in &rest {
                let place = Place { twin: Twin::None, ..*place };
                self.starts(&place, text, *at, gathered);
            }
        }
        // The memory serves again.
        sightings.clear();
        gathered.sightings = Some(sightings);
    }

    /// Notes where a match can begin that has a literal at `at`. Whether that is done for the folded view, too.
    fn starts(&self, place: &Place, text: &Text<'_>, at: usize, gathered: &mut Gathered) -> bool {
        let shown = if place.folded { text.folded().text.as_str() } else { text.raw() };
        let (bytes, open) = (shown.as_bytes(), text.is_open());
        let first = self.firsts.get(place.first as usize);
        let Some((first, around)) = first.zip(self.arounds.get(place.around as usize)) else { return false };
        let within = (place.min as usize, place.max as usize);
        let starts = gathered.starts((place.unit, place.lead), at, within, bytes, &around.lead);
        // What is looked at, with what stands before and behind it, is copied into the folded view.
        let window = starts.start.saturating_sub(1)..(at + MAX_LITERAL + PLACES).min(bytes.len());
        let same = match place.twin {
            Twin::None => false,
            Twin::Same => !bytes.get(window.clone()).is_none_or(has_breaks) && text.is_clean(),
            Twin::Copied => text.is_clean(),
        };
        let to = if same { text.folded().copy_of(window.start, window.end) } else { None };
        first.each(bytes, starts, open, &mut |start| {
            gathered.range(place.unit, start, start);
            if let Some(to) = to {
                let start = start - window.start + to;
                gathered.range(place.unit + 1, start, start);
            }
        });
        to.is_some()
    }

    /// Notes units whose matches begin where the text does.
    fn at_start(&self, text: &Text<'_>, gathered: &mut Gathered) {
        /// More than is looked at, however it is folded.
        const BEGINNING: usize = 1024;
        let beginning = floor_boundary(text.raw(), text.raw().len().min(BEGINNING));
        let raw = text.raw().get(..beginning).unwrap_or_default();
        let folded = OnceCell::new();
        for (unit, of_folded, first) in &self.starts {
            let shown = if *of_folded { folded.get_or_init(|| fold(raw, false).text).as_str() } else { raw };
            let first = self.firsts.get(*first as usize);
            if first.is_some_and(|first| {
                first.allows(shown.as_bytes(), 0, text.is_open() || beginning < text.raw().len())
            }) {
                gathered.range(*unit, 0, 0);
            }
        }
    }

    /// Notes what it means that a literal is there.
    fn note(
        &self,
        literal: u32,
        at: usize,
        view: View,
        text: &Text<'_>,
        gathered: &mut Gathered,
        hints: &mut Hints,
    ) {
        let length = || self.sieve.length(literal);
        for one in self.uses.get(literal as usize).map_or(&[][..], Vec::as_slice) {
            match *one {
                Use::Pattern(place) => self.pattern(&place, literal, at, view, text, gathered),
                Use::Phrase { neighbours, .. }
                    if view == View::Both && !neighbours.fit(text.raw().as_bytes(), at, at + length()) => {}
                Use::Phrase { unit, text: words, phrase, before, .. } => {
                    let (standing, at) = match view {
                        View::Both => (Standing::Clean(text.raw()), Some(at)),
                        View::Mixed => (Standing::folded(text), copied(text, at, length())),
                        View::Folded => (Standing::folded(text), Some(at)),
                    };
                    let words = self.phrases.get(words as usize).map_or("", |words| words);
                    let stands = at.and_then(|at| stands(standing, at, words, before as usize));
                    if let Some((start, end)) = stands {
                        gathered.phrase(unit, start, end, phrase);
                    }
                }
                Use::Hint(hint) if view != View::Folded => hints.add(hint, at),
                Use::Hint(_) => {}
            }
        }
    }
}

/// What a text in which a literal was found stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Folded,
    /// A raw text; where it is copied into the folded view, that too.
    Mixed,
    /// A clean text, all of which stands in the folded view too.
    Both,
}

/// Nothing but ASCII that can be seen, spaces, tabs and line breaks.
fn is_ordinary(bytes: &[u8]) -> bool {
    // Without a branch per byte, so that it is done many bytes at a time.
    bytes.iter().fold(true, |all, byte| all & matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
}

/// Whether there is other white space than spaces.
fn has_breaks(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |any, byte| any | matches!(byte, b'\t'..=b'\r'))
}

/// What the folded view shows for a byte of a clean text.
fn folded_byte(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() || byte == 0x0b { b' ' } else { byte.to_ascii_lowercase() }
}

/// Where the folded view shows a literal of the raw text that was copied there.
fn copied(text: &Text<'_>, at: usize, length: usize) -> Option<usize> {
    let (raw, folded) = (text.raw().as_bytes(), text.folded());
    let shown = folded.position(at);
    let same = |raw: &[u8], folded: &[u8]| raw.is_ascii() && raw.eq_ignore_ascii_case(folded);
    let copy = raw.get(at..at + length).zip(folded.text.as_bytes().get(shown..shown + length));
    copy.is_some_and(|(raw, folded)| same(raw, folded)).then_some(shown)
}

/// Whether [`copied`] gives this place of the folded view.
fn is_copied(text: &Text<'_>, at: usize, length: usize) -> bool {
    let original = text.folded().original(at, at + length).filter(|hit| hit.end - hit.start == length);
    original.is_some_and(|hit| copied(text, hit.start, length) == Some(at))
}

/// The parts of the folded view in which a literal can stand that is not copied from the raw text.
fn changed(raw: &[u8], folded: &Mapped) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(block) = rest.first_chunk::<BLOCK>()
            && is_plain(block)
        {
            at += BLOCK;
            continue;
        }
        let Some(first) = rest.iter().position(|byte| !is_plain(&[*byte])) else { break };
        let from = at + first;
        let run = rest.iter().skip(first).take_while(|byte| !is_plain(&[**byte])).count();
        at = from + run;
        // A mark changes the letter before it.
        let start = folded.place(from.saturating_sub(1)).saturating_sub(MAX_LITERAL);
        let end = (folded.place_behind(at) + MAX_LITERAL).min(folded.text.len());
        match windows.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => windows.push(start..end),
        }
    }
    windows
}
