//! Base64: standard and URL-safe, padded or not, in one line or wrapped.

use super::super::view::Mapped;
use super::region::Piece;
use super::{MIN_RUN, bytes};

/// A line of at least so many characters may be followed by another of the same text.
const FULL_LINE: usize = 32;
/// Spaces at the beginning of a further line.
const INDENT: usize = 16;
/// Characters by which it is told where groups of four begin.
const PROBE: usize = 96;

/// What six bits each character stands for; more than six where it stands for none.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        values[digits[value as usize] as usize] = value;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// What six bits a character stands for.
fn value(byte: u8) -> Option<u8> {
    VALUES.get(usize::from(byte)).copied().filter(|value| *value < 64)
}

/// A run of characters of base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    /// With the padding.
    pub(super) end: usize,
    length: usize,
    upper: usize,
    lower: usize,
    digits: usize,
    hex: usize,
}

impl Run {
    /// The run around a place, not before `from`, if it is long enough.
    pub(super) fn around(bytes: &[u8], at: usize, from: usize) -> Option<Self> {
        let before = bytes.get(from..at)?.iter().rev().take_while(|byte| value(**byte).is_some()).count();
        let start = at - before;
        let mut end = end(bytes, at);
        if end - start < MIN_RUN {
            return None;
        }
        let mut run = Self { start, end, length: 0, upper: 0, lower: 0, digits: 0, hex: 0 };
        run.count(bytes.get(start..end)?);
        let mut line = end - start;
        while let Some((next, next_end)) = further(bytes, end, line) {
            run.count(bytes.get(next..next_end)?);
            line = next_end - next;
            end = next_end;
        }
        let padding = bytes.get(end..)?.iter().take(2).take_while(|byte| **byte == b'=').count();
        run.end = end + padding;
        Some(run)
    }

    fn count(&mut self, line: &[u8]) {
        self.length += line.len();
        for byte in line {
            self.upper += usize::from(byte.is_ascii_uppercase());
            self.lower += usize::from(byte.is_ascii_lowercase());
            self.digits += usize::from(byte.is_ascii_digit());
            self.hex += usize::from(byte.is_ascii_hexdigit());
        }
    }

    /// Nothing but hexadecimal digits, save for a prefix.
    pub(super) fn all_hex(&self) -> bool {
        self.hex + 2 >= self.length && self.digits * 4 >= self.length
    }

    /// Nothing but letters and digits, as words written together.
    pub(super) fn is_one_word(&self) -> bool {
        self.upper + self.lower + self.digits == self.length && !self.is_mixed()
    }

    pub(super) fn has_digits(&self) -> bool {
        self.digits * 16 >= self.length && self.lower + self.upper > self.digits
    }

    /// Upper and lower case as they come in encoded text: words and paths are not that mixed.
    pub(super) fn is_mixed(&self) -> bool {
        self.upper * 8 >= self.length && self.lower * 8 >= self.length
    }
}

fn end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| value(**byte).is_some()).count()
}

/// The next line of the same text, behind one of so many characters that ends at `end`: not a longer one, and nothing
/// else in it.
fn further(bytes: &[u8], at: usize, line: usize) -> Option<(usize, usize)> {
    if line < FULL_LINE {
        return None;
    }
    let rest = bytes.get(at..)?;
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest).strip_prefix(b"\n")?;
    let indent = rest.iter().take(INDENT).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let start = bytes.len() - rest.len() + indent;
    let end = end(bytes, start);
    let closed = matches!(bytes.get(end), None | Some(b'\r' | b'\n' | b'=' | b'"' | b'\'' | b'<'));
    (end > start && end - start <= line && closed).then_some((start, end))
}

/// Whether the next line may be another of the same text, behind the line break that these bytes end with.
pub(super) fn goes_on(bytes: &[u8]) -> bool {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let full = line.iter().rev().take(FULL_LINE).take_while(|byte| value(**byte).is_some());
    full.count() == FULL_LINE
}

/// Decodes a part of a run.
pub(super) fn decode(text: &str, piece: Piece) -> Option<Mapped> {
    let bytes = text.as_bytes().get(piece.start..piece.end)?;
    let digits: Vec<(u8, usize)> =
        bytes.iter().enumerate().filter_map(|(at, byte)| Some((value(*byte)?, piece.start + at))).collect();
    if digits.len() < MIN_RUN {
        return None;
    }
    // A path or a name may stand before it without a sign between, and a part that was cut begins anywhere.
    let probe = |phase: usize| {
        let digits = digits.get(phase..digits.len().min(phase + PROBE)).unwrap_or_default();
        bytes::looks_like_text(&decoded(digits))
    };
    let phase = (0..4).find(|phase| probe(*phase))?;
    let digits = digits.get(phase..)?;
    let decoded = decoded(digits);
    let covers = |byte: usize| {
        let group = byte / 3 * 4;
        let from = digits.get(group)?.1;
        let to = match digits.get(group + 4) {
            Some(_) => digits.get(group + 3)?.1 + 1,
            // With the padding.
            None => piece.end,
        };
        Some((from, to))
    };
    bytes::text(&decoded, &covers)
}

fn decoded(digits: &[(u8, usize)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, (digit, _)| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        let [_, all @ ..] = bits.to_be_bytes();
        bytes.extend(all.iter().take(group.len() * 6 / 8));
    }
    bytes
}
