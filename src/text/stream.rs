//! Scans a text that comes in pieces.

use std::collections::BTreeMap;

use super::decoded::{HIDDEN, Parts};
use super::fold;
use super::matcher::Matcher;
use super::part::{LeafHit, Units};
use super::pattern::floor_boundary;
use super::scanner::Scanner;
use super::view::{Mapped, Text, Views};
use super::{Finder, Hit, unite};

/// New bytes after which a text is looked at again, at least.
pub(super) const STEP: usize = 32;

/// A text is looked at again when this part of what is held back has come anew.
pub(super) const WAIT: usize = 4;

/// A match in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Number of the finder.
    pub finder: usize,
    /// Where it stands, from the beginning of the stream.
    pub hit: Hit,
    /// What matched; `None` where that was given out before it was known that it counts.
    pub text: Option<String>,
}

/// A scan of a text that comes in pieces, however it is cut. What it finds is what [`Scanner::scan`] finds in the whole
/// text.
///
/// The end of the text is looked at again when a quarter as much has come as is held back, and at the earliest every few
/// bytes: each byte is read a bounded number of times.
#[derive(Debug, Default)]
pub struct StreamScan {
    /// The end of the text, as far as it may still matter.
    buffer: String,
    /// Bytes before it.
    base: usize,
    /// Where the part begins that is looked at next.
    part: usize,
    /// The part begins where a long run is broken.
    broken: bool,
    /// Every match that begins before this is known, those in decoded texts apart.
    settled: usize,
    /// Views that are read, once that is known.
    decoded: Option<Views>,
    /// How far the text was cut into parts that are decoded.
    parts: Parts,
    /// Every match that begins before this is known.
    decided: usize,
    /// When the text is as long as this, it is looked at.
    next: usize,
    /// What was given out.
    given: usize,
    units: Units,
    /// The latest part, and its folded view, which progress is told in.
    latest: Option<(usize, Mapped)>,
    /// Matches that begin where not all are known.
    waiting: Vec<LeafHit>,
    finders: BTreeMap<usize, State>,
    found: Vec<Match>,
    /// Bytes that were looked at.
    read: u64,
}

/// What is kept of a finder.
#[derive(Debug, Default)]
struct State {
    /// A match that a further one may lengthen.
    open: Option<Hit>,
    /// By signal whether it was seen.
    seen: Vec<bool>,
    sum: f64,
    fires: bool,
    /// First occurrences of signals that do not yet reach what fires, with matches that overlap them.
    waiting: Vec<(Hit, Counts)>,
    /// They hold the text back.
    holds: bool,
}

/// Whether a match counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counts {
    Yes,
    /// If the signals fire.
    IfFired,
}

/// What is looked for in a stream.
#[derive(Clone, Copy)]
pub struct Wanted<'w, 'f> {
    /// Knows where finders can match.
    pub scanner: &'w Scanner,
    /// The finders by number, those that are wanted.
    pub finder: &'w dyn Fn(usize) -> Option<&'f Finder>,
    /// Whether the text is held back from the first of a finder's signals on, until it is known whether they fire.
    pub holds: &'w dyn Fn(usize) -> bool,
}

impl StreamScan {
    /// Takes in the next piece. What a piece settles can be taken only behind it: large ones take that much memory.
    pub fn push(&mut self, piece: &str, wanted: &Wanted<'_, '_>) {
        self.buffer.push_str(piece);
        if self.end() >= self.next {
            self.look(wanted, false);
        }
    }

    /// Takes note that nothing follows.
    pub fn finish(&mut self, wanted: &Wanted<'_, '_>) {
        self.look(wanted, true);
    }

    /// The text that can be given out, and what was found that begins in it, ordered by start, end and finder. Nothing
    /// more will be found that begins there, but signals that fire later.
    pub fn take(&mut self) -> (&str, Vec<Match>) {
        let from = self.given;
        self.given = self.known();
        let given = self.given;
        self.found.sort_unstable_by_key(|one| (one.hit.start, one.hit.end, one.finder));
        let later = self.found.split_off(self.found.partition_point(|one| one.hit.start < given));
        let text = self.buffer.get(from - self.base..given - self.base).unwrap_or_default();
        (text, std::mem::replace(&mut self.found, later))
    }

    /// Bytes of text that are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes that were looked at so far, each time that they were.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read + self.parts.read()
    }

    fn end(&self) -> usize {
        self.base + self.buffer.len()
    }

    /// Before this, nothing more will be found, signals that are not waited for apart.
    fn known(&self) -> usize {
        let start = |state: &State| {
            let signal = state.waiting.first().map(|(hit, _)| hit).filter(|_| state.holds);
            [state.open.as_ref(), signal].into_iter().flatten().map(|hit| hit.start).min()
        };
        let open = self.finders.values().filter_map(start);
        open.min().unwrap_or(usize::MAX).min(self.decided).max(self.given)
    }

    fn look(&mut self, wanted: &Wanted<'_, '_>, last: bool) {
        self.forget(wanted);
        let text = Text::part(&self.buffer, self.part - self.base, !last, self.broken);
        self.read += text.raw().len() as u64;
        let part = self.part;
        move_units(&mut self.units, part, self.latest.as_ref(), text.folded(), wanted);
        let scanned = wanted.scanner.scan_part(wanted.finder, &text, self.settled - part, &mut self.units);
        let moved = scanned.hits.into_iter().map(|one| {
            let hit = Hit { start: one.hit.start + part, end: one.hit.end + part };
            LeafHit { hit, ..one }
        });
        self.waiting.extend(moved);
        self.settled = part + scanned.settled;
        let (settled, open) = (scanned.settled, !last);
        let Some(folded) = text.into_folded() else { return };
        let settled_folded = folded.place_behind(settled);
        self.units.retain(|unit, progress| {
            let at =
                if wanted.scanner.is_shown_folded(*unit, wanted.finder) { settled_folded } else { settled };
            progress.long.is_some() || progress.at > at
        });
        let decided = self.decode(wanted, last).min(self.settled);
        if decided > self.decided || last {
            self.decided = decided;
            self.decide(wanted, last);
        }
        if open {
            self.cut(&folded);
        }
        self.latest = Some((part, folded));
        self.next = self.end() + STEP.max((self.end() - self.settled) / WAIT);
    }

    /// Scans what parts of the text say decoded that are known. Every match there that begins before what it gives is known.
    fn decode(&mut self, wanted: &Wanted<'_, '_>, last: bool) -> usize {
        let views = *self.decoded.get_or_insert_with(|| wanted.scanner.decoded_views(wanted.finder));
        if !views.decodes() {
            return usize::MAX;
        }
        while let Some(part) = self.parts.next(&self.buffer, self.base, None, !last) {
            let (hits, bytes) = wanted.scanner.scan_decoded(wanted.finder, &part);
            self.read += bytes as u64;
            self.waiting.extend(hits.into_iter().map(|(finder, hit)| LeafHit { hit, finder, leaf: None }));
        }
        let start = self.parts.start();
        if last || views.decodes_visible() {
            return if last { usize::MAX } else { start };
        }
        let rest = self.buffer.as_bytes().get(start - self.base..).unwrap_or_default();
        memchr::memchr(HIDDEN, rest).map_or(usize::MAX, |at| start + at)
    }

    /// Drops what no longer matters of the text.
    fn forget(&mut self, wanted: &Wanted<'_, '_>) {
        let near = self.settled.saturating_sub(wanted.scanner.near_bytes());
        let decodes = self.decoded.is_some_and(Views::decodes);
        let parts = if decodes { self.parts.start() } else { usize::MAX };
        let keep = self.given.min(self.part).min(near).min(parts).max(self.base) - self.base;
        if keep > STEP && keep >= self.buffer.len() / 4 {
            let keep = floor_boundary(&self.buffer, keep);
            self.buffer.drain(..keep);
            self.base += keep;
        }
    }

    /// Moves on where the part begins that is looked at: to the last place at which a text can be cut for folding, and
    /// behind which something shown stands before what is not yet settled.
    fn cut(&mut self, folded: &Mapped) {
        let before = self.buffer.get(self.part - self.base..self.settled - self.base).unwrap_or_default();
        let solid = before.char_indices().rev().find(|(_, c)| fold::is_solid(*c)).map_or(0, |(at, _)| at);
        let broken = before.len().checked_sub(1).and_then(|last| folded.last_break(last)).unwrap_or(0);
        let at = solid.max(broken);
        if at > 0 {
            self.part += at;
            self.broken = broken > solid;
        }
    }

    /// Sorts out what is known by now.
    fn decide(&mut self, wanted: &Wanted<'_, '_>, last: bool) {
        self.waiting.sort_unstable();
        let decided = self.decided;
        let known = self.waiting.partition_point(|one| one.hit.start < decided);
        let waiting = self.waiting.split_off(known);
        for one in std::mem::replace(&mut self.waiting, waiting) {
            let Some(made) = (wanted.finder)(one.finder).and_then(Finder::made) else { continue };
            let state = self.finders.entry(one.finder).or_default();
            match (&made.matcher, one.leaf) {
                (Matcher::Signals { at, of }, Some(leaf)) => {
                    state.holds = (wanted.holds)(one.finder);
                    let weight = of.get(leaf).map_or(0.0, |(_, weight)| *weight);
                    state.signal(one.hit, leaf, weight, *at);
                }
                _ => state.waiting.push((one.hit, Counts::Yes)),
            }
        }
        let mut whole = Vec::new();
        for (number, state) in &mut self.finders {
            whole.extend(state.whole(decided, last).into_iter().map(|hit| (*number, hit)));
        }
        whole.into_iter().for_each(|(number, hit)| self.give(number, hit));
        self.finders.retain(|_, state| state.open.is_some() || !state.seen.is_empty());
    }

    fn give(&mut self, finder: usize, hit: Hit) {
        let text = || {
            let (start, end) = (hit.start.checked_sub(self.base)?, hit.end.checked_sub(self.base)?);
            self.buffer.get(start..end).map(str::to_owned)
        };
        let text = text();
        self.found.push(Match { finder, hit, text });
    }
}

impl State {
    /// The first occurrence of a signal counts, once there are enough of them.
    fn signal(&mut self, hit: Hit, leaf: usize, weight: f64, at: f64) {
        if self.seen.len() <= leaf {
            self.seen.resize(leaf + 1, false);
        }
        let Some(seen) = self.seen.get_mut(leaf).filter(|seen| !**seen) else { return };
        *seen = true;
        self.sum += weight;
        self.waiting.push((hit, Counts::IfFired));
        // Sums of decimal fractions: 0.4 + 0.6 has to reach 1.0.
        self.fires |= self.sum >= at - 1e-9;
    }

    /// Matches that nothing lengthens, where all are known that begin before `decided`.
    fn whole(&mut self, decided: usize, last: bool) -> Vec<Hit> {
        let fires = self.fires;
        let mut all: Vec<(Hit, Counts)> =
            self.open.take().map(|hit| (hit, Counts::Yes)).into_iter().collect();
        all.append(&mut self.waiting);
        if last && !fires {
            all.retain(|(_, counts)| *counts == Counts::Yes);
        }
        all.sort_unstable();
        let mut whole = Vec::new();
        let mut rest = all.as_slice();
        while let Some((first, _)) = rest.first() {
            // Those that overlap are one.
            let mut end = first.end;
            let overlap = |(hit, _): &&(Hit, Counts)| {
                let overlaps = hit.start < end;
                end = end.max(hit.end);
                overlaps
            };
            let count = 1 + rest.iter().skip(1).take_while(overlap).count();
            let (together, behind) = rest.split_at(count);
            rest = behind;
            if !fires && together.iter().any(|(_, counts)| *counts == Counts::IfFired) {
                self.waiting.extend(together);
                continue;
            }
            for (hit, _) in together {
                whole.extend(unite(&mut self.open, *hit));
            }
            if last || self.open.is_some_and(|open| open.end <= decided) {
                whole.extend(self.open.take());
            }
        }
        whole
    }
}

/// Tells progress in bytes of a part that begins elsewhere.
fn move_units(
    units: &mut Units,
    part: usize,
    latest: Option<&(usize, Mapped)>,
    folded: &Mapped,
    wanted: &Wanted<'_, '_>,
) {
    let Some((before, shown)) = latest else { return };
    let shift = part - before;
    for (unit, progress) in units {
        let shown_folded = wanted.scanner.is_shown_folded(*unit, wanted.finder);
        let to = |at: usize| match shown_folded {
            false => at.saturating_sub(shift),
            true => {
                let (original, inside) = shown.anchor(at);
                original.checked_sub(shift).map_or(0, |original| folded.place(original) + inside)
            }
        };
        let at = progress.at;
        progress.at = to(at);
        if let Some(long) = &mut progress.long {
            long.moved(to);
        }
    }
}
