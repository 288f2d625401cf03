//! The parts of a text that are decoded.

use super::super::pattern::floor_boundary;
use super::super::view::Mapped;
use super::{BLOCK, OVERLAP};

/// What makes a decoded text of a part of a text; `None` where it is none.
pub(super) type Decoder = fn(&str, Piece) -> Option<Mapped>;

/// A part of a text that is decoded at once, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The text before it belongs to the same segment.
    pub(super) cut_before: bool,
    /// The text after it belongs to the same segment.
    pub(super) cut_after: bool,
}

/// Segments of one view, from left to right, without overlaps.
#[derive(Debug, Default)]
pub(super) struct Regions(Vec<(usize, usize)>);

impl Regions {
    /// Where the last one ends.
    pub(super) fn end(&self) -> usize {
        self.0.last().map_or(0, |(_, end)| *end)
    }

    /// Adds a segment that does not begin before the last one. One that touches that, but for a line break, belongs to it.
    pub(super) fn add(&mut self, start: usize, end: usize) {
        match self.0.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => self.0.push((start, end)),
        }
    }

    /// Adds a segment of its own.
    pub(super) fn push(&mut self, start: usize, end: usize) {
        self.0.push((start, end));
    }

    /// Adds the line around a place behind all that were added.
    pub(super) fn add_line(&mut self, text: &str, at: usize) {
        if self.0.is_empty() || at >= self.end() {
            let (start, end) = line(text, at);
            self.add(start, end);
        }
    }

    pub(super) fn pieces<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Piece> + 't {
        self.0.iter().flat_map(move |(start, end)| cut(text, *start, *end))
    }
}

/// The parts of a segment: all of it, or one by block.
fn cut(text: &str, start: usize, end: usize) -> impl Iterator<Item = Piece> + '_ {
    let whole = end.saturating_sub(start) <= BLOCK;
    let (first, last) = if whole { (0, 0) } else { (start / BLOCK, end.saturating_sub(1) / BLOCK) };
    (first..=last).map(move |block| {
        if whole {
            return Piece { start, end, cut_before: false, cut_after: false };
        }
        let from = (block * BLOCK).saturating_sub(OVERLAP);
        let to = (block + 1) * BLOCK;
        Piece {
            start: if from > start { floor_boundary(text, from) } else { start },
            end: if to < end { floor_boundary(text, to) } else { end },
            cut_before: from > start,
            cut_after: to < end,
        }
    })
}

/// The line around a place, and of a long one the part in its block.
pub(super) fn line(text: &str, at: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let from = at / BLOCK * BLOCK;
    let to = bytes.len().min(from + BLOCK);
    let before = bytes.get(from..at).unwrap_or_default();
    let after = bytes.get(at..to).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(from, |found| from + found + 1);
    let end = memchr::memchr(b'\n', after).map_or(to, |found| at + found);
    (floor_boundary(text, start), floor_boundary(text, end))
}
