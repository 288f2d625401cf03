//! Cuts a text into the parts in which segments are looked for, each by itself.
//!
//! A part ends behind a line in which nothing looks encoded, and with which nothing begins that could go on behind it. So
//! ordinary lines are parts of their own, and lines that hold segments are kept together, with one ordinary line behind them. A
//! part of [`BLOCK`] bytes ends there, and the next one begins up to [`OVERLAP`] bytes before that.

use super::evidence::{self, Evidence};
use super::letters::{Hints, MAX_HINT};
use super::{BLOCK, OVERLAP, base64, floor_boundary, hex, leet, spaced};

/// Lines are looked at together that are shorter than this.
pub(in super::super) const MIN_LINES: usize = 64;

/// A part of a text in which something looks encoded.
#[derive(Debug)]
pub(in super::super) struct Part<'t> {
    pub(super) text: &'t str,
    /// Where it begins in the whole text.
    pub(super) start: usize,
    /// What stands before it may belong to its first segment.
    pub(super) cut_before: bool,
    /// What stands behind it may belong to its last segment.
    pub(super) cut_after: bool,
    pub(super) evidence: Evidence,
}

/// How far a text was cut into parts.
#[derive(Debug, Default)]
pub(in super::super) struct Parts {
    /// Where the part begins that is looked for, in the whole text.
    start: usize,
    cut_before: bool,
    /// Where the lines in it begin that were not yet looked at, counted from its beginning.
    lines: usize,
    /// Up to here, no line break ends them.
    searched: usize,
    /// Bytes that were looked at.
    read: u64,
}

impl Parts {
    /// Everything before this was cut into parts.
    pub(in super::super) fn start(&self) -> usize {
        self.start
    }

    /// Bytes that were looked at so far, each time that they were.
    pub(in super::super) fn read(&self) -> u64 {
        self.read
    }

    /// The next part that holds something; `None` where that depends on how an `open` text goes on, and at its end. `text`
    /// is the whole text from `base` on; `hints` where they are known.
    pub(in super::super) fn next<'t>(
        &mut self,
        text: &'t str,
        base: usize,
        hints: Option<&Hints>,
        open: bool,
    ) -> Option<Part<'t>> {
        loop {
            let rest = text.get(self.start.checked_sub(base)?..).filter(|rest| !rest.is_empty())?;
            let start = self.start;
            let find = |from: usize, to: usize, sure: usize| {
                let part = rest.get(from..to).unwrap_or_default();
                match hints {
                    Some(hints) => evidence::find(part, hints.within(start + from, start + sure)),
                    None => evidence::find(part, Hints::of(part).within(0, sure - from)),
                }
            };
            let bytes = rest.as_bytes();
            let most = bytes.get(..BLOCK).unwrap_or(bytes);
            let from = self.searched.max(self.lines + MIN_LINES - 1);
            let found = most.get(from..).and_then(|lines| memchr::memchr(b'\n', lines));
            let (end, cut_after) = match found {
                Some(found) => {
                    let end = from + found + 1;
                    let lines = std::mem::replace(&mut self.lines, end);
                    self.searched = end;
                    self.read += (end - lines) as u64;
                    let evidence = find(lines, end, end);
                    let leet = evidence.last_leet.is_some_and(|last| lines + last + leet::NEAR >= end);
                    if leet || !evidence.is_empty() || goes_on(rest.get(..end).unwrap_or_default()) {
                        continue;
                    }
                    if lines == 0 {
                        self.begin(end, false);
                        continue;
                    }
                    (end, false)
                }
                None if rest.len() > BLOCK => (floor_boundary(rest, BLOCK), true),
                None if open => {
                    self.searched = most.len();
                    return None;
                }
                None => (rest.len(), false),
            };
            // A changed word may go on behind a cut.
            let sure = if cut_after { end - MAX_HINT } else { end };
            self.read += end as u64;
            let part = Part {
                text: rest.get(..end)?,
                start,
                cut_before: self.cut_before,
                cut_after,
                evidence: find(0, end, sure),
            };
            let next = if cut_after { overlap(rest) } else { end };
            self.begin(next, cut_after);
            if !part.evidence.is_empty() {
                return Some(part);
            }
        }
    }

    fn begin(&mut self, behind: usize, cut_before: bool) {
        self.start += behind;
        (self.lines, self.searched, self.cut_before) = (0, 0, cut_before);
    }
}

/// Where the next part begins behind one of [`BLOCK`] bytes: with a line, if one begins in time.
fn overlap(text: &str) -> usize {
    let (from, to) = (BLOCK - OVERLAP, BLOCK - OVERLAP / 2);
    let lines = text.as_bytes().get(from..to).unwrap_or_default();
    match memchr::memchr(b'\n', lines) {
        Some(found) => from + found + 1,
        None => floor_boundary(text, from),
    }
}

/// Whether something encoded may go on behind the line break that a text ends with.
fn goes_on(text: &str) -> bool {
    let bytes = text.as_bytes();
    base64::goes_on(bytes) || hex::goes_on(bytes) || spaced::goes_on(text)
}
