//! The parts of a text that are decoded.

use super::super::view::Mapped;

/// What makes a decoded text of a segment; `None` where it is none.
pub(super) type Decoder = fn(&str, Piece) -> Option<Mapped>;

/// A segment, or as much of one as a part of a text holds, on character boundaries.
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
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

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

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().copied()
    }
}

/// The line around a place.
pub(super) fn line(text: &str, at: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let before = bytes.get(..at).unwrap_or_default();
    let after = bytes.get(at..).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |found| found + 1);
    let end = memchr::memchr(b'\n', after).map_or(bytes.len(), |found| at + found);
    (start, end)
}
