//! Where a finder is tried: everywhere, or where a scanner saw what each of its matches needs.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::first::ByteSet;
use super::phrases::Occurrence;
use super::scanner::Sighting;
use super::view::Text;

/// Number of a view of a leaf of a finder among all that a scanner knows: twice the leaf's number, and one more for the
/// folded view.
pub(super) type Unit = u32;

/// Whether the next unit, that of the folded view, is told by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(super) enum Twin {
    #[default]
    None,
    /// Both find the same where a text is copied there, and has no other white space than single spaces.
    Same,
    /// Both find the same where a text is copied there.
    Copied,
}

impl Twin {
    /// Whether both find the same in a range of a text.
    pub(super) fn reads_same(self, text: &Text<'_>, range: Range<usize>) -> bool {
        let to = range.end.min(text.raw().len());
        let reads = match self {
            Twin::None => false,
            Twin::Same => !text.has_breaks(range.start..to),
            Twin::Copied => true,
        };
        reads && text.is_clean() && text.folded().copy_of(range.start, to).is_some()
    }
}

/// A place where a unit can match: the range in which its match begins, both ends included, or a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) unit: Unit,
    pub(super) first: u32,
    pub(super) last: u32,
    /// Number of the phrase.
    pub(super) phrase: u32,
    /// The next unit can match where the folded view shows the same.
    pub(super) twin: Twin,
}

/// The places of a view, and of its twin, at which a match may begin: `none` tells how many bytes show that none does at a place of a
/// text.
pub(super) fn possible<'p>(
    text: &Text<'_>,
    folded: bool,
    places: &'p [Place],
    mut none: impl FnMut(&str, usize) -> Option<usize> + 'p,
) -> impl Iterator<Item = &'p Place> {
    /// Longest range that is looked at.
    const FEW: u32 = 8;
    let shown = if folded { text.folded().text.as_str() } else { text.raw() };
    let mut none = move |shown: &str, start: usize| {
        if shown.is_char_boundary(start) { none(shown, start) } else { Some(0) }
    };
    let mut none_at = move |place: &Place, start: usize| {
        let Some(steps) = none(shown, start) else { return false };
        // The bytes on both sides tell of borders.
        place.twin == Twin::None
            || place.twin.reads_same(text, start.saturating_sub(1)..start + steps + 1)
            || none(&text.folded().text, text.folded().position(start)).is_some()
    };
    let mut may_match = move |place: &Place| {
        place.last - place.first >= FEW
            || !(place.first as usize..=place.last as usize).all(|start| none_at(place, start))
    };
    let (mut seen, mut kept) = (0, 0);
    places.iter().filter(move |place| {
        // Where most match, it is better to search at once.
        let keep = kept > seen / 2 && kept > FEW || may_match(place);
        seen += 1;
        kept += u32::from(keep);
        keep
    })
}

/// The same places, with those of the folded view that they stand for.
pub(super) fn with_twins<'p>(places: &'p [Place], text: &Text<'_>) -> Cow<'p, [Place]> {
    if places.iter().all(|place| place.twin == Twin::None) {
        return Cow::Borrowed(places);
    }
    let twins = places.iter().filter(|place| place.twin != Twin::None).map(|place| {
        let first = u32::try_from(text.folded().position(place.first as usize)).unwrap_or(u32::MAX);
        let last = first.saturating_add(place.last - place.first);
        Place { unit: place.unit + 1, first, last, twin: Twin::None, ..*place }
    });
    let mut all: Vec<Place> = places.iter().copied().chain(twins).collect();
    all.sort_unstable();
    Cow::Owned(all)
}

/// Where a finder is tried.
#[derive(Debug)]
pub(super) enum Places<'p> {
    Everywhere,
    /// Sorted places of a finder whose first unit is given.
    At(Unit, &'p [Place]),
}

impl Places<'_> {
    fn of(&self, leaf: usize, folded: bool) -> Option<&[Place]> {
        match self {
            Places::Everywhere => None,
            Places::At(base, places) => {
                let unit = unit(*base, leaf, folded);
                let from = places.partition_point(|place| place.unit < unit);
                let to = places.partition_point(|place| place.unit <= unit);
                Some(places.get(from..to).unwrap_or_default())
            }
        }
    }

    pub(super) fn none(&self, leaf: usize, folded: bool) -> bool {
        self.of(leaf, folded).is_some_and(<[Place]>::is_empty)
    }

    /// The ranges in which a match can begin.
    pub(super) fn ranges(&self, leaf: usize, folded: bool) -> Box<dyn Iterator<Item = (usize, usize)> + '_> {
        match self.of(leaf, folded) {
            None => Box::new(std::iter::once((0, usize::MAX))),
            Some(places) => Box::new(places.iter().map(|place| (place.first as usize, place.last as usize))),
        }
    }

    /// Where phrases stand, if that is known.
    pub(super) fn occurrences(&self, leaf: usize) -> Option<Vec<Occurrence>> {
        let places = self.of(leaf, false)?;
        let occurrence = |place: &Place| Occurrence {
            start: place.first as usize,
            end: place.last as usize,
            phrase: place.phrase as usize,
        };
        Some(places.iter().map(occurrence).collect())
    }
}

pub(super) fn unit(base: Unit, leaf: usize, folded: bool) -> Unit {
    base + u32::try_from(leaf).unwrap_or(u32::MAX / 4) * 2 + u32::from(folded)
}

/// Where a match of a unit can begin that has a literal, for the literal that was seen last.
#[derive(Debug, Clone, Copy, Default)]
struct Tried {
    /// How far back it reached.
    low: u32,
    to: u32,
    /// Number of what can stand before the literal.
    lead: u32,
}

/// Places as they are found, those of one unit that touch joined.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) places: Vec<Place>,
    /// Literals from which to walk back, if that is wanted.
    pub(super) sightings: Option<Vec<Sighting>>,
    /// Of each unit, its latest place plus one.
    latest: Vec<u32>,
    /// Of each unit, the range whose places were looked at last.
    tried: Vec<Tried>,
    /// Units of which there is such a range.
    touched: Vec<Unit>,
}

/// From so many on, things are put to their groups before they are compared.
pub(super) const MANY: usize = 128;

/// Puts those of one group together, of which there are so many, in the order in which they come.
pub(super) fn group<T: Copy>(all: &mut Vec<T>, groups: usize, of: impl Fn(&T) -> usize) {
    let mut ends = vec![0_usize; groups + 1];
    for one in &*all {
        ends.get_mut(of(one) + 1).into_iter().for_each(|end| *end += 1);
    }
    // Where each group begins, and as it is filled, where it ends.
    let mut sum = 0;
    ends.iter_mut().for_each(|end| {
        sum += *end;
        *end = sum;
    });
    let mut grouped = all.clone();
    for one in &*all {
        let Some(end) = ends.get_mut(of(one)) else { continue };
        grouped.get_mut(*end).into_iter().for_each(|to| *to = *one);
        *end += 1;
    }
    *all = grouped;
}

/// Orders places by all that tells them apart.
fn sort(places: &mut [Place]) {
    // Compared at once.
    places.sort_unstable_by_key(|Place { unit, first, last, phrase, twin: _ }| {
        [unit, first, last, phrase].into_iter().fold(0, |all, part| all << 32 | u128::from(*part))
    });
}

impl Gathered {
    pub(super) fn new(units: usize) -> Self {
        Self {
            places: Vec::new(),
            sightings: None,
            latest: vec![0; units],
            tried: vec![Tried::default(); units],
            touched: Vec::new(),
        }
    }

    /// All places, by unit.
    pub(super) fn sorted(&mut self) -> &[Place] {
        if self.places.len() < MANY {
            sort(&mut self.places);
            return &self.places;
        }
        group(&mut self.places, self.latest.len(), |place| place.unit as usize);
        for of_unit in self.places.chunk_by_mut(|one, other| one.unit == other.unit) {
            sort(of_unit);
        }
        &self.places
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.sightings.iter_mut().for_each(Vec::clear);
        for place in self.places.drain(..) {
            self.latest.get_mut(place.unit as usize).into_iter().for_each(|latest| *latest = 0);
        }
        for unit in self.touched.drain(..) {
            self.tried.get_mut(unit as usize).into_iter().for_each(|tried| *tried = Tried::default());
        }
    }

    /// Where a match of a unit can begin that has a literal at `at`, from `min` to `max` bytes behind its beginning: only
    /// `leads` stand between. Without the places that were given just before.
    pub(super) fn starts(
        &mut self,
        (unit, lead): (Unit, u32),
        at: usize,
        (min, max): (usize, usize),
        bytes: &[u8],
        leads: &ByteSet,
    ) -> Range<usize> {
        let Some(tried) = self.tried.get_mut(unit as usize) else { return at..at };
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let low = at.saturating_sub(max);
        let reached = small(low);
        let known = tried.lead == lead && tried.to > 0 && tried.to as usize <= at && tried.low <= reached;
        let low = if known { low.max(tried.to as usize) } else { low };
        let before = bytes.get(low..at).unwrap_or_default().iter().rev();
        let from = at - before.take_while(|byte| leads.contains(**byte)).count();
        let Some(to) = at.checked_sub(min).filter(|last| *last >= from).map(|last| last + 1) else {
            // With what is in the way.
            return from..from;
        };
        if tried.to == 0 {
            self.touched.push(unit);
        }
        let joined = known && reached <= tried.to;
        *tried = Tried { low: if joined { tried.low } else { reached }, to: small(to), lead };
        from..to
    }

    /// The places before were not given for all that a unit stands for: they are given again.
    pub(super) fn forget(&mut self, unit: Unit) {
        self.tried.get_mut(unit as usize).into_iter().for_each(|tried| *tried = Tried::default());
    }

    /// A match of a unit may begin here; one of its twin where the folded view shows that.
    pub(super) fn range(&mut self, unit: Unit, first: usize, last: usize, twin: Twin) {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (first, last) = (small(first), small(last));
        let Some(latest) = self.latest.get_mut(unit as usize) else { return };
        if let Some(before) = (*latest as usize).checked_sub(1).and_then(|at| self.places.get_mut(at))
            && before.twin == twin
            && first >= before.first
            && first <= before.last.saturating_add(1)
        {
            before.last = before.last.max(last);
            return;
        }
        self.places.push(Place { unit, first, last, phrase: 0, twin });
        *latest = small(self.places.len());
    }

    /// A phrase of a unit stands here.
    pub(super) fn phrase(&mut self, unit: Unit, start: usize, end: usize, phrase: u32) {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (first, last) = (small(start), small(end));
        self.places.push(Place { unit, first, last, phrase, twin: Twin::None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::dice::Dice;

    /// Of two places of one unit that a literal tells, with the same before it, the nearer one does not stand for the other.
    #[test]
    fn a_literal_at_two_distances() {
        let text = [b'a'; 40];
        let mut gathered = Gathered::new(1);
        let mut starts =
            |at: usize, within: (usize, usize)| gathered.starts((0, 7), at, within, &text, &ByteSet::ALL);
        assert_eq!(starts(20, (2, 4)), 16..19);
        assert_eq!(starts(20, (6, 9)), 11..15);
        assert_eq!(starts(22, (6, 9)), 15..17);
        assert_eq!(starts(36, (2, 4)), 32..35);
        assert_eq!(starts(36, (6, 12)), 24..31);
    }

    #[test]
    fn many_places_are_ordered_as_few_are() {
        let mut dice = Dice(3);
        for count in (0..400).step_by(7) {
            let mut gathered = Gathered::new(9);
            for _ in 0..count {
                let (unit, at) = (dice.next(), dice.0 >> 40 & 0xff);
                gathered.range((unit % 9) as Unit, at, at + dice.0 % 3, Twin::None);
            }
            let mut expected = gathered.places.clone();
            expected.sort_unstable();
            assert_eq!(gathered.sorted(), expected);
            gathered.clear();
            assert_eq!(gathered.latest, [0; 9]);
        }
    }
}
