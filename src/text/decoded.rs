//! Decoded views: what the parts of a text say that look encoded.
//!
//! A part that looks encoded is a *segment*. Each segment is decoded once per view and then read like a text of its own, by
//! all rules that name its view: as it is, and folded for phrases and for rules that name `folded`. In a decoded text
//! segments are looked for once more ([`DEPTH`]), so that rules read base64 of base64, or percent-encoded base64 if they name
//! both views. What is decoded does not depend on the rules.
//!
//! A text is cut into parts first ([`parts`]), where lines end in which nothing looks encoded, and where a part grows longer
//! than [`BLOCK`] bytes. What a segment is depends on its part only:
//!
//! - `base64`, `hex`: a run of at least [`MIN_RUN`] characters of the alphabet, over line breaks where one full line follows
//!   another; for `hex` also lists of bytes such as `\x41\x42`, `0x41, 0x42` and `41 42 43`. What decodes to something
//!   other than text is no segment.
//! - `percent`, `html`, `rot13`, `reversed`, `leet`, `spaced`: lines that hold what looks encoded, with neighbouring lines that
//!   do so too.
//! - Tag characters and variation selectors, which nobody sees, are read by rules that name `folded`.
//!
//! Parts are found from left to right without a look at what follows them, so that a text that comes in pieces is cut alike.
//!
//! Work is bounded: no decoded text is longer than what it stands for, save for spaces between words that were written
//! together; each view decodes a place once (`reversed`, and `leet` where there are accents, twice), and long parts overlap
//! by a quarter; and what is decoded out of a decoded text is at most [`NESTED`] times as long.

mod base64;
mod bytes;
mod escapes;
mod evidence;
mod hex;
mod hidden;
mod leet;
mod letters;
mod parts;
mod region;
mod reversed;
mod spaced;
mod words;

pub(super) use hidden::FIRST as HIDDEN;
pub(super) use letters::{Hint, Hints, hint_literals};
pub(super) use parts::{MIN_LINES, Part, Parts};
use region::Piece;

use super::pattern::floor_boundary;
use super::view::{Mapped, Text, View, Views};
use super::{Hit, Stopped};

/// Longest part of a text in which segments are looked for.
pub(super) const BLOCK: usize = 8 << 10;
/// Bytes that two parts have in common at most, of which the first is that long.
pub(super) const OVERLAP: usize = 2 << 10;
/// How often decoded text is decoded.
pub(super) const DEPTH: usize = 2;
/// Shortest run of characters that may be base64 or hexadecimal.
pub(super) const MIN_RUN: usize = 20;
/// What is decoded out of a decoded text is at most so many times as long.
pub(super) const NESTED: usize = 2;

/// A decoded segment.
#[derive(Debug)]
struct Decoded {
    view: View,
    text: Mapped,
    /// Of a text that was turned round, the range that it stands for.
    turned: Option<(usize, usize)>,
    /// Where the part begins in which all ranges are told.
    part: usize,
}

impl Decoded {
    /// A range of the decoded text as a range of the text that it was decoded from.
    fn original(&self, start: usize, end: usize) -> Option<Hit> {
        let hit = match self.turned {
            None => self.text.original(start, end)?,
            Some((_, to)) if start < end && end <= self.text.text.len() => {
                Hit { start: to.saturating_sub(end), end: to.saturating_sub(start) }
            }
            Some(_) => return None,
        };
        Some(Hit { start: hit.start + self.part, end: hit.end + self.part })
    }
}

/// What is done with a decoded text: the text, the views that a rule has to name to read it, and what a range of it stands
/// for in the original text.
pub(super) type Visit<'v> =
    dyn FnMut(&Text<'_>, Views, &dyn Fn(usize, usize) -> Option<Hit>) -> Result<(), Stopped> + 'v;

/// Calls `visit` for every decoded text of a text. `hints` where they are known.
///
/// # Errors
/// [`Stopped`] when `visit` said so.
pub(super) fn each(text: &str, hints: Option<Hints>, visit: &mut Visit<'_>) -> Result<(), Stopped> {
    let mut hints = hints.unwrap_or_else(|| Hints::of(text));
    hints.sort();
    let mut parts = Parts::default();
    while let Some(part) = parts.next(text, 0, Some(&hints), false) {
        each_of(&part, visit)?;
    }
    Ok(())
}

/// Calls `visit` for every decoded text of a part of a text.
///
/// # Errors
/// [`Stopped`] when `visit` said so.
pub(super) fn each_of(part: &Part<'_>, visit: &mut Visit<'_>) -> Result<(), Stopped> {
    segments(part, &mut |decoded| {
        let original = |start: usize, end: usize| decoded.original(start, end);
        nested(&decoded, Views::default(), DEPTH, &original, visit)
    })
}

fn nested(
    decoded: &Decoded,
    path: Views,
    depth: usize,
    original: &dyn Fn(usize, usize) -> Option<Hit>,
    visit: &mut Visit<'_>,
) -> Result<(), Stopped> {
    let path = path.with(decoded.view);
    let shown = &decoded.text.text;
    visit(&Text::new(shown), path, original)?;
    if depth <= 1 {
        return Ok(());
    }
    let mut left = shown.len().saturating_mul(NESTED);
    let (hints, mut parts) = (Hints::of(shown), Parts::default());
    let mut inner = |inner: Decoded| {
        // These undo themselves, or leave nothing more to undo.
        let again = matches!(decoded.view, View::Rot13 | View::Reversed | View::Leet | View::Spaced);
        let Some(rest) =
            left.checked_sub(inner.text.text.len()).filter(|_| !(again && inner.view == decoded.view))
        else {
            return Ok(());
        };
        left = rest;
        let through = |start: usize, end: usize| {
            let hit = inner.original(start, end)?;
            original(hit.start, hit.end)
        };
        nested(&inner, path, depth - 1, &through, visit)
    };
    while let Some(part) = parts.next(shown, 0, Some(&hints), false) {
        segments(&part, &mut inner)?;
    }
    Ok(())
}

/// Calls `found` for every segment of a part of a text, decoded; by view, and from left to right.
fn segments(part: &Part<'_>, found: &mut dyn FnMut(Decoded) -> Result<(), Stopped>) -> Result<(), Stopped> {
    let (text, regions) = (part.text, &part.evidence);
    let piece = |(start, end): (usize, usize)| {
        let (cut_before, cut_after) = (part.cut_before && start == 0, part.cut_after && end == text.len());
        Piece { start, end, cut_before, cut_after }
    };
    let mut decode = |view: View, regions: &region::Regions, decoder: region::Decoder| {
        for piece in regions.iter().map(piece) {
            if let Some(decoded) = decoder(text, piece).filter(|decoded| !decoded.text.is_empty()) {
                found(Decoded { view, text: decoded, turned: None, part: part.start })?;
            }
        }
        Ok(())
    };
    decode(View::Folded, &regions.hidden, hidden::decode)?;
    decode(View::Base64, &regions.base64, base64::decode)?;
    decode(View::Hex, &regions.hex, hex::decode)?;
    decode(View::Percent, &regions.percent, escapes::percent)?;
    decode(View::Html, &regions.html, escapes::html)?;
    decode(View::Spaced, &regions.spaced, spaced::decode)?;
    decode(View::Leet, &regions.leet, leet::decode)?;
    decode(View::Leet, &regions.accents, leet::without_accents)?;
    decode(View::Rot13, &regions.rot13, letters::rot13)?;
    decode(View::Reversed, &regions.overridden, reversed::overridden)?;
    decode(View::Reversed, &regions.reversed, reversed::words)?;
    for piece in regions.reversed.iter().map(piece) {
        let turned = Some((piece.start, piece.end));
        let text = reversed::all(text, piece);
        found(Decoded { view: View::Reversed, text, turned, part: part.start })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
