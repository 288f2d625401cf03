//! Where a match can begin that holds a literal which was found.

use super::{MAX_LITERAL, Place, Scanner, Seen, Sighting, View};
use crate::text::Finder;
use crate::text::back::FARTHEST;
use crate::text::first::PLACES;
use crate::text::places::{Gathered, MANY, Twin, group};
use crate::text::view::Text;

/// Of one pattern, so many bytes are read back for each byte of a text.
const STEPS: usize = 8;
/// Literals with a long way back that are kept, so that a text of nothing else takes no more memory. Tests are short.
const FULL: usize = if cfg!(test) { 8 } else { 1 << 14 };

impl Scanner {
    /// Whether a literal that a place is told by stands between what can stand around it; and where, in the text that the
    /// unit reads.
    #[inline]
    fn stands_so(&self, place: &Place, seen: &Seen, text: &Text<'_>) -> Option<usize> {
        let around = self.arounds.get(place.around as usize)?;
        let Seen { at, length, view, .. } = *seen;
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
            View::Mixed => seen.copied(text),
            View::Folded => Some(at),
        }
        .filter(|at| view == View::Both || fits(text.folded().text.as_bytes(), *at, |byte| byte))
    }

    /// Notes what it means that a literal of a pattern is there.
    pub(super) fn pattern(&self, place: &Place, seen: &Seen, text: &Text<'_>, gathered: &mut Gathered) {
        if let Some(at) = self.stands_so(place, seen, text) {
            if place.way.is_some()
                && let Some(sightings) = &mut gathered.sightings
            {
                // In a clean text, the folded view is looked at with it.
                let twin = if seen.view == View::Both { place.twin } else { Twin::None };
                sightings.push(Sighting { place: Place { twin, ..*place }, at });
                if twin != Twin::None {
                    return;
                }
            } else if self.starts(place, text, at, gathered) {
                return;
            }
        }
        if place.twin != Twin::None {
            gathered.forget(place.unit);
            self.pattern(&place.folded(), seen, text, gathered);
        }
    }

    /// The same as [`Self::walk_back`], once there are many.
    #[inline]
    pub(super) fn walk_back_from_many<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        gathered: &mut Gathered,
    ) {
        if gathered.sightings.as_ref().is_some_and(|sightings| sightings.len() >= FULL) {
            self.walk_back(finder, text, gathered);
        }
    }

    /// Notes where matches can begin that hold the literals from which to walk back, of finders that are wanted.
    pub(super) fn walk_back<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        gathered: &mut Gathered,
    ) {
        let mut sightings = gathered.sightings.replace(Vec::new()).unwrap_or_default();
        let mut folded = Vec::new();
        if sightings.len() < MANY {
            // Compared at once.
            sightings.sort_unstable_by_key(|Sighting { place, .. }| (place.unit, place.way));
        } else {
            group(&mut sightings, self.ways.len() + 1, |sighting| {
                sighting.place.way.map_or(0, |way| way as usize + 1)
            });
            group(&mut sightings, self.units.len(), |sighting| sighting.place.unit as usize);
        }
        for same in sightings.chunk_by(|one, other| one.place.unit == other.place.unit) {
            self.walk_back_from(finder, text, gathered, same, &mut folded);
        }
        for same in folded.chunk_by(|one, other| one.place.unit == other.place.unit) {
            self.walk_back_from(finder, text, gathered, same, &mut Vec::new());
        }
        // The memory serves again.
        sightings.clear();
        gathered.sightings = Some(sightings);
    }

    /// The same from literals of one unit; those of the folded view that have yet to be looked at are added to `folded`.
    fn walk_back_from<'f>(
        &self,
        finder: &dyn Fn(usize) -> Option<&'f Finder>,
        text: &Text<'_>,
        gathered: &mut Gathered,
        same: &[Sighting],
        folded: &mut Vec<Sighting>,
    ) {
        let Some(Sighting { place, .. }) = same.first() else { return };
        if self.finder_of(place.unit).and_then(finder).is_none() {
            return;
        }
        let shown = if place.folded { text.folded().text.as_str() } else { text.raw() };
        // They stand in a part of the text.
        let places = || same.iter().map(|sighting| sighting.at);
        let within = places().max().zip(places().min()).map_or(0, |(last, first)| last - first);
        let mut left = STEPS * (within + FARTHEST);
        let (mut starts, mut rest) = (Vec::new(), Vec::new());
        for same in same.chunk_by(|one, other| one.place.way == other.place.way) {
            let way = same.first().and_then(|sighting| self.ways.get(sighting.place.way? as usize));
            let Some(back) = way.and_then(|way| way.back(text.is_clean(), same.len())) else {
                rest.extend_from_slice(same);
                continue;
            };
            let mut reader = back.reader();
            for sighting in same {
                let Sighting { place: Place { twin, max, .. }, at } = *sighting;
                let known = starts.len();
                let read = Some(&mut reader).filter(|_| left > 0).and_then(|reader| {
                    reader.starts(shown, at, max as usize, &mut |start| starts.push((start, Twin::None)))
                });
                let Some(read) = read else {
                    rest.push(*sighting);
                    continue;
                };
                left = left.saturating_sub(read);
                if twin.reads_same(text, (at - read).saturating_sub(1)..at + 1) {
                    starts.iter_mut().skip(known).for_each(|(_, of)| *of = twin);
                } else if twin != Twin::None {
                    folded.push(sighting.folded(text));
                }
            }
        }
        starts.sort_unstable();
        starts.dedup();
        starts.iter().for_each(|(start, twin)| gathered.range(place.unit, *start, *start, *twin));
        for sighting in &rest {
            // Each view by itself: places that were looked at are known only for both.
            let place = Place { twin: Twin::None, ..sighting.place };
            self.starts(&place, text, sighting.at, gathered);
            if sighting.place.twin != Twin::None {
                folded.push(sighting.folded(text));
            }
        }
        // They were given for one view; literals behind may stand for both.
        gathered.forget(place.unit);
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
        let same = place.twin.reads_same(text, window);
        let twin = if same { place.twin } else { Twin::None };
        first.each(bytes, starts, open, &mut |start| gathered.range(place.unit, start, start, twin));
        same
    }
}

/// What the folded view shows for a byte of a clean text.
pub(super) fn folded_byte(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() || byte == 0x0b { b' ' } else { byte.to_ascii_lowercase() }
}
