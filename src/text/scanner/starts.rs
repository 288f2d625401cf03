//! Where a match can begin that holds a literal which was found.

use super::{MAX_LITERAL, Place, Scanner, Sighting, Twin, View, copied};
use crate::text::Finder;
use crate::text::back::{FARTHEST, is_far};
use crate::text::first::PLACES;
use crate::text::places::Gathered;
use crate::text::view::Text;

/// Of one pattern, so many bytes are read back for each byte of a text.
const STEPS: usize = 8;

impl Scanner {
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
    pub(super) fn pattern(
        &self,
        place: &Place,
        literal: u32,
        at: usize,
        view: View,
        text: &Text<'_>,
        gathered: &mut Gathered,
    ) {
        if let Some(at) = self.stands_so(place, literal, at, view, text) {
            if is_far(place.max as usize)
                && let Some(sightings) = &mut gathered.sightings
            {
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
    pub(super) fn walk_back<'f>(
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
}

/// Whether there is other white space than spaces.
fn has_breaks(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |any, byte| any | matches!(byte, b'\t'..=b'\r'))
}

/// What the folded view shows for a byte of a clean text.
fn folded_byte(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() || byte == 0x0b { b' ' } else { byte.to_ascii_lowercase() }
}
