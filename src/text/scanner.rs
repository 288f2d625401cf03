//! One pass over a text finds where any rule can match; only there its own finder is tried.
//!
//! What every match of a rule needs is known beforehand ([`super::required`]): a literal, found by a sieve; a number,
//! found by its digits and the bytes that can begin a match; or a byte. What a text says decoded is passed over in the same
//! way, for the rules that name the view. Findings are those of the plain scanner.

mod collect;
mod starts;

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::back::Way;
use super::block::{BLOCK, within};
use super::decoded::{self, Hint, Hints, Part, hint_literals};
use super::digits::{Digits, tables};
use super::first::{ByteSet, First};
use super::fold::fold;
use super::literals::Around;
use super::pattern::floor_boundary;
use super::phrases::{Neighbours, Sides, Standing, stands};
use super::places::{Gathered, Places, Twin, Unit, with_twins};
use super::sieve::{Sieve, Sought};
use super::tails::Tails;
use super::view::{Text, Views};
use super::{Finder, Hit, Stopped, unite_all};
use collect::Builder;

/// No literal is longer.
const MAX_LITERAL: usize = 32;
/// Units that begin where a text does which are looked up together.
const STARTS: usize = 64;

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
    /// Ways back from literals to where matches can begin.
    ways: Vec<Way>,
    digits: Digits,
    /// First bytes of matches of patterns without anything better.
    bytes: Vec<(Unit, ByteSet)>,
    /// Units of the folded view without anything better.
    always: Vec<Unit>,
    /// Units whose matches begin where the text does, whether they are of the folded view, and what they begin with.
    starts: Vec<(Unit, bool, u32)>,
    /// By the first byte of a text, which of 64 of them it can have, as bits.
    #[serde(with = "tables")]
    beginnings: Vec<[u64; 256]>,
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

/// A literal that was found.
#[derive(Debug)]
struct Seen {
    literal: u32,
    at: usize,
    length: usize,
    view: View,
    copied: OnceCell<Option<usize>>,
}

impl Seen {
    /// Where the folded view shows it as it is copied there from a raw text.
    fn copied(&self, text: &Text<'_>) -> Option<usize> {
        *self.copied.get_or_init(|| copied(text, self.at, self.length))
    }

    /// Whether the folded view shows it here, and the raw text does not: then it was not found there.
    fn is_new(&self, text: &Text<'_>, changes: &[Range<usize>]) -> bool {
        let end = self.at + self.length;
        let before = changes.partition_point(|change| change.end <= self.at);
        if changes.get(before).is_some_and(|change| change.start < end) {
            return true;
        }
        // White space is changed everywhere.
        let shown = text.folded().text.as_bytes().get(self.at..end);
        shown.is_none_or(|shown| shown.contains(&b' '))
    }
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
    /// Number of the way back from the literal, if it is a long one.
    way: Option<u32>,
}

impl Place {
    /// That of the twin.
    fn folded(&self) -> Self {
        Self { unit: self.unit + 1, folded: true, twin: Twin::None, ..*self }
    }
}

/// A literal that was seen, with a long way back to where a match can begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    place: Place,
    at: usize,
}

impl Sighting {
    /// That of the twin.
    fn folded(&self, text: &Text<'_>) -> Self {
        Self { place: self.place.folded(), at: text.folded().position(self.at) }
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
            builder.decodes = finder.views.decodes();
            let base = Unit::try_from(units.len()).unwrap_or(Unit::MAX);
            finder.each_leaf(|leaf_number, leaf| {
                builder.leaf(base, leaf_number, leaf);
                units.extend([u32::try_from(number).unwrap_or(u32::MAX); 2]);
            });
        }
        if !decoding.is_empty() {
            for (literal, hint) in hint_literals() {
                builder.uses.entry(literal).or_default().push(Use::Hint(hint));
            }
        }
        let arounds = builder.arounds.all();
        let apart = |one: &Use| match one {
            Use::Pattern(place) => arounds
                .get(place.around as usize)
                .is_some_and(|around| !around.before.any(u8::is_ascii_alphanumeric)),
            Use::Phrase { neighbours, .. } => neighbours.begin_apart(),
            Use::Hint(_) => false,
        };
        // In the raw text alone; the folded view may show other bytes.
        let between = |uses: &[Use]| {
            let mut all = (ByteSet::default(), ByteSet::default());
            for one in uses {
                let Use::Pattern(Place { folded: false, twin: Twin::None, around, .. }) = one else {
                    return None;
                };
                let around = arounds.get(*around as usize)?;
                all.0.insert_all(&around.before);
                all.1.insert_all(&around.after);
            }
            Some(all)
        };
        let sought = builder.uses.into_iter().map(|(literal, uses)| {
            let apart = uses.iter().all(apart);
            let between = Some(&uses).filter(|_| literal.bytes.len() == 1).and_then(|uses| between(uses));
            (Sought { literal, apart, between }, uses)
        });
        let (sought, uses): (Vec<Sought>, Vec<Vec<Use>>) = sought.unzip();
        let firsts = builder.firsts.all();
        let beginnings = builder.starts.chunks(STARTS).map(|starts| {
            let firsts = starts.iter().map(|(_, _, first)| firsts.get(*first as usize));
            let begins = |byte: usize| {
                let byte = u8::try_from(byte).unwrap_or_default();
                (0..).zip(firsts.clone()).fold(0, |all, (bit, first)| {
                    all | u64::from(first.is_some_and(|first| first.begins_with(byte))) << bit
                })
            };
            std::array::from_fn(begins)
        });
        let beginnings = beginnings.collect();
        Self {
            units,
            sieve: Sieve::new(sought),
            uses,
            firsts,
            arounds,
            ways: builder.ways.all().into_iter().map(Way::new).collect(),
            digits: Digits::new(builder.digits),
            bytes: builder.bytes,
            always: builder.always,
            beginnings,
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
        self.with_gathered(|gathered| {
            gathered.sightings.get_or_insert_default();
            self.scan_with(gathered, finder, &Text::new(text), stop)
        })
    }

    /// Lends memory for places, of an earlier scan if there is any.
    pub(super) fn with_gathered<T>(&self, work: impl FnOnce(&mut Gathered) -> T) -> T {
        let mut gathered = self.spare.take().unwrap_or_else(|| Gathered::new(self.units.len()));
        let done = work(&mut gathered);
        self.spare.give(gathered);
        done
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
        self.gather(finder, text, false, gathered, &mut hints);
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
        self.gather(finder, text, true, gathered, &mut Hints::default());
        self.confirm(finder, text, views, gathered, stop, found)
    }

    /// Everything that finders find in what a part of a text says decoded, and how many bytes that was.
    pub(super) fn scan_decoded<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        part: &Part<'_>,
    ) -> (Vec<(usize, Hit)>, usize) {
        let (mut hits, mut bytes) = (Vec::new(), 0);
        self.with_gathered(|gathered| {
            // Nothing stops it.
            let _ = decoded::each_of(part, &mut |text, views, original| {
                bytes += text.raw().len();
                self.read_decoded(finder, text, views, gathered, &|| false, &mut |number, hit| {
                    hits.extend(original(hit.start, hit.end).map(|hit| (number, hit)));
                })
            });
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
            let base = self.base(first);
            let places = finder.possible(text, base, places);
            if places.is_empty() {
                continue;
            }
            let hits = finder.find_at(text, &Places::At(base, &with_twins(&places, text)), stop)?;
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

    pub(super) fn phrases(&self) -> &[Box<str>] {
        &self.phrases
    }

    /// Notes where finders that are wanted can match, and maybe others; in a `decoded` text those that read such.
    pub(super) fn gather<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        decoded: bool,
        gathered: &mut Gathered,
        hints: &mut Hints,
    ) {
        let raw = text.raw();
        let view = if text.is_clean() { View::Both } else { View::Mixed };
        self.sieve.find(raw.as_bytes(), &mut |literal, at| {
            self.note(self.seen(literal, at, view), text, gathered, hints);
            self.walk_back_from_many(finder, text, gathered);
        });
        self.digits.find(text, decoded, gathered);
        if view == View::Mixed {
            let folded = text.folded();
            let changes = folded.changes(raw.as_bytes());
            for window in windows(&changes, folded.text.len()) {
                let shown = folded.text.as_bytes().get(window.clone()).unwrap_or_default();
                self.sieve.find(shown, &mut |literal, at| {
                    let seen = self.seen(literal, window.start + at, View::Folded);
                    if seen.is_new(text, &changes) {
                        self.note(seen, text, gathered, hints);
                        self.walk_back_from_many(finder, text, gathered);
                    }
                });
            }
            self.digits.find_folded(text, decoded, gathered);
        }
        let wanted = |unit: &Unit| self.finder_of(*unit).and_then(finder).is_some();
        self.bytes(text, &wanted, gathered);
        self.at_start(text, gathered);
        for unit in &self.always {
            gathered.range(*unit, 0, u32::MAX as usize, Twin::None);
        }
    }

    /// Notes units that are wanted where bytes stand with which their matches begin.
    fn bytes(&self, text: &Text<'_>, wanted: &dyn Fn(&Unit) -> bool, gathered: &mut Gathered) {
        for unseen in [true, false] {
            let units = || self.bytes.iter().filter(|(unit, set)| set.is_unseen() == unseen && wanted(unit));
            let mut any = ByteSet::default();
            units().for_each(|(_, set)| any.insert_all(set));
            if any == ByteSet::default() {
                continue;
            }
            let blocks = if unseen { unusual_blocks(text) } else { vec![(0, text.raw().as_bytes())] };
            for (at, block) in blocks {
                for (at, byte) in (at..).zip(block).filter(|(_, byte)| any.contains(**byte)) {
                    let here = units().filter(|(_, set)| set.contains(*byte));
                    here.for_each(|(unit, _)| gathered.range(*unit, at, at, Twin::None));
                }
            }
        }
    }

    /// Notes units whose matches begin where the text does.
    fn at_start(&self, text: &Text<'_>, gathered: &mut Gathered) {
        /// More than is looked at, however it is folded.
        const BEGINNING: usize = 1024;
        let Some(begins) = text.raw().bytes().next() else { return };
        let beginning = floor_boundary(text.raw(), text.raw().len().min(BEGINNING));
        let (raw, goes_on) = (text.raw().get(..beginning).unwrap_or_default(), beginning < text.raw().len());
        let folded = OnceCell::new();
        let here = self.starts.chunks(STARTS).zip(&self.beginnings).flat_map(|(starts, table)| {
            let of = |byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
            // However another text begins, its folded view may do so otherwise.
            let mut left =
                if text.is_clean() { of(begins) | of(starts::folded_byte(begins)) } else { u64::MAX };
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(bit)
            })
            .map_while(|bit| starts.get(bit))
        });
        for (unit, of_folded, first) in here {
            let (shown, goes_on) = match (of_folded, text.is_clean()) {
                (false, _) => (raw, goes_on),
                // It is made for other things, too.
                (true, true) => (text.folded().text.as_str(), false),
                (true, false) => (folded.get_or_init(|| fold(raw, false).text).as_str(), goes_on),
            };
            let first = self.firsts.get(*first as usize);
            if first.is_some_and(|first| first.allows(shown.as_bytes(), 0, text.is_open() || goes_on)) {
                gathered.range(*unit, 0, 0, Twin::None);
            }
        }
    }

    fn seen(&self, literal: u32, at: usize, view: View) -> Seen {
        Seen { literal, at, length: self.sieve.length(literal), view, copied: OnceCell::new() }
    }

    /// Notes what it means that a literal is there.
    fn note(&self, seen: Seen, text: &Text<'_>, gathered: &mut Gathered, hints: &mut Hints) {
        let Seen { at, length, view, .. } = seen;
        let mut sides = None;
        for one in self.uses.get(seen.literal as usize).map_or(&[][..], Vec::as_slice) {
            match *one {
                Use::Pattern(place) => self.pattern(&place, &seen, text, gathered),
                Use::Phrase { unit, text: words, phrase, before, neighbours } => {
                    let (standing, at) = match view {
                        View::Both => (Standing::Clean(text.raw()), Some(at)),
                        View::Mixed => (Standing::folded(text), seen.copied(text)),
                        View::Folded => (Standing::folded(text), Some(at)),
                    };
                    let Some(at) = at else { continue };
                    let sides = sides.get_or_insert_with(|| Sides::new(standing, at, at + length));
                    if !neighbours.fit(*sides) {
                        continue;
                    }
                    let words = self.phrases.get(words as usize).map_or("", |words| words);
                    if let Some((start, end)) = stands(standing, at, words, before as usize) {
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

/// Blocks of a text that hold more than ASCII that can be seen, spaces, tabs and line breaks; and where they begin.
fn unusual_blocks<'t>(text: &Text<'t>) -> Vec<(usize, &'t [u8])> {
    let bytes = text.raw().as_bytes();
    if text.is_clean() && memchr::memchr2(0x0b, 0x0c, bytes).is_none() {
        return Vec::new();
    }
    let is_ordinary = |block: &[u8]| match block.first_chunk() {
        Some(block) => {
            let breaks = within::<b'\t', b'\n'>(block) | within::<b'\r', b'\r'>(block);
            within::<b' ', b'~'>(block) | breaks == u64::MAX
        }
        None => block.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')),
    };
    (0..).step_by(BLOCK).zip(bytes.chunks(BLOCK)).filter(|(_, block)| !is_ordinary(block)).collect()
}

/// Where the folded view shows a literal of the raw text that was copied there.
fn copied(text: &Text<'_>, at: usize, length: usize) -> Option<usize> {
    let (raw, folded) = (text.raw().as_bytes(), text.folded());
    let shown = folded.position(at);
    let copy = raw.get(at..at + length).zip(folded.text.as_bytes().get(shown..shown + length));
    copy.is_some_and(|(raw, folded)| raw.eq_ignore_ascii_case(folded)).then_some(shown)
}

/// What stands around changes, as far as a literal reaches that is changed.
fn windows(changes: &[Range<usize>], length: usize) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = Vec::new();
    for change in changes {
        let (start, end) = (change.start.saturating_sub(MAX_LITERAL), (change.end + MAX_LITERAL).min(length));
        match windows.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => windows.push(start..end),
        }
    }
    windows
}
