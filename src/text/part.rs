//! Scans one part of a stream: what is decided in it, and where what is not yet decided begins.

use std::collections::BTreeMap;

use super::decoded::Hints;
use super::matcher::Leaf;
use super::pattern::Progress;
use super::places::{Place, Places, Twin, Unit};
use super::scanner::Scanner;
use super::view::Text;
use super::{Conditions, Finder, Hit, Made};

/// A match of one leaf of a finder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeafHit {
    pub(super) hit: Hit,
    pub(super) finder: usize,
    /// `None` for a match of the whole finder in a decoded text.
    pub(super) leaf: Option<usize>,
}

/// What scanning a part came to.
pub(super) struct Scanned {
    pub(super) hits: Vec<LeafHit>,
    /// Every match that begins before this is known.
    pub(super) settled: usize,
}

/// How far each unit has come, where that is not where all have.
pub(super) type Units = BTreeMap<Unit, Progress>;

/// A unit with what it stands for.
struct Of<'f> {
    number: usize,
    base: Unit,
    leaf_number: usize,
    leaf: &'f Leaf,
    conditions: &'f Conditions,
    folded: bool,
}

impl Of<'_> {
    /// Its places and progress are those of the folded view.
    fn is_shown_folded(&self) -> bool {
        self.folded || matches!(self.leaf, Leaf::Phrases(_))
    }
}

impl Scanner {
    fn of<'f>(&self, unit: Unit, finder: &dyn Fn(usize) -> Option<&'f Finder>) -> Option<Of<'f>> {
        let number = self.finder_of(unit)?;
        let finder = finder(number)?;
        let base = self.base(unit);
        let leaf_number = ((unit - base) / 2) as usize;
        let Made { matcher, conditions } = finder.made()?;
        let leaf = matcher.leaves().nth(leaf_number)?;
        Some(Of { number, base, leaf_number, leaf, conditions, folded: (unit - base) % 2 == 1 })
    }

    /// Whether a unit's progress is told in bytes of the folded view.
    pub(super) fn is_shown_folded<'f>(
        &self,
        unit: Unit,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
    ) -> bool {
        self.of(unit, finder).is_some_and(|of| of.is_shown_folded())
    }

    /// Scans a part, in which everything that begins before `from` is known.
    pub(super) fn scan_part<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        from: usize,
        units: &mut Units,
    ) -> Scanned {
        let folded = text.folded();
        let from_folded = folded.place_behind(from);
        let phrase =
            if text.is_open() { self.tails.phrase(self.phrases(), text.squashed(), from) } else { None };
        let places = self.places(finder, text, units);
        let mut hits = Vec::new();
        let mut settled = self.calm(text).min(phrase.unwrap_or(usize::MAX));
        for places in places.chunk_by(|one, other| one.unit == other.unit) {
            let Some(unit) = places.first().map(|place| place.unit) else { continue };
            let Some(of) = self.of(unit, finder) else { continue };
            let words = matches!(of.leaf, Leaf::Phrases(_)) && !of.folded;
            let mut progress = units.remove(&unit).unwrap_or_default();
            progress.at = progress.at.max(if of.is_shown_folded() { from_folded } else { from });
            // Of phrases, those before one that may still go on; without what only tells of a match under way.
            let known = |place: &&Place| {
                place.first <= place.last
                    && !(words
                        && phrase.is_some_and(|phrase| folded.anchor(place.first as usize).0 >= phrase))
            };
            let places: Vec<Place> = places.iter().filter(known).copied().collect();
            let (base, leaf, conditions) = (of.base, of.leaf_number, of.conditions);
            let at = Places::At(base, &places);
            // Nothing stops it.
            let found = of.leaf.find_in(of.folded, leaf, text, &at, conditions, &mut progress, &|| false);
            let found = found.unwrap_or_default().into_iter();
            hits.extend(found.map(|hit| LeafHit { hit, finder: of.number, leaf: Some(leaf) }));
            if let Some(undecided) = progress.undecided {
                let original = if of.is_shown_folded() { folded.anchor(undecided).0 } else { undecided };
                settled = settled.min(original);
            }
            units.insert(unit, progress);
        }
        for shown_folded in [false, true] {
            if text.is_open() {
                settled = settled.min(self.late(finder, text, shown_folded, from, settled, units));
            }
        }
        Scanned { hits, settled: settled.max(from) }
    }

    /// Places where units can match, in order; for a unit with a match under way, at least an empty one.
    fn places<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        units: &Units,
    ) -> Vec<Place> {
        let mut places = self.with_gathered(|gathered| {
            // How a stream goes on is told by the places themselves.
            gathered.sightings = None;
            self.gather(finder, text, false, gathered, &mut Hints::default());
            gathered.places.clone()
        });
        let under_way = units.iter().filter(|(_, progress)| progress.long.is_some());
        let nowhere = |unit: Unit| Place { unit, first: 1, last: 0, phrase: 0, twin: Twin::None };
        places.extend(under_way.map(|(unit, _)| nowhere(*unit)));
        places.sort_unstable();
        places
    }

    /// Up to where triggers have come that stand at the beginning of a match.
    fn calm(&self, text: &Text<'_>) -> usize {
        if !text.is_open() {
            return text.raw().len();
        }
        let folded = text.folded();
        let in_folded = folded.anchor(self.tails.calm(&folded.text)).0;
        in_folded.min(self.tails.calm(text.raw()))
    }

    /// Up to where the triggers of the other units have come, or can't.
    fn late<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        shown_folded: bool,
        from: usize,
        settled: usize,
        units: &Units,
    ) -> usize {
        let folded = text.folded();
        let (shown, from) =
            if shown_folded { (folded.text.as_str(), folded.place_behind(from)) } else { (text.raw(), from) };
        let original = |at: usize| if shown_folded { folded.anchor(at).0 } else { at };
        let mut alive = |unit: Unit, at: usize| {
            let under_way = units.get(&unit);
            let Some(of) = self.of(unit, finder) else { return false };
            let Some(pattern) = of.leaf.pattern(of.folded) else { return false };
            under_way.is_none_or(|progress| progress.long.is_none() && progress.at <= at)
                && pattern.alive(shown, pattern.longest(), at, at).is_some()
        };
        // Nothing behind what already holds the text back is of interest.
        let end = if shown_folded { folded.place(settled) } else { settled };
        let first = self.tails.first(shown, shown_folded, from..end, &mut alive);
        first.map_or(usize::MAX, original)
    }
}
