//! Hexadecimal: digits in a row, and lists of bytes.

use super::super::view::Mapped;
use super::bytes;
use super::region::Piece;

/// Fewest bytes of a list.
const MIN_BYTES: usize = 8;
/// Fewest bytes of digits in a row.
const MIN_ROW: usize = 12;
/// Bytes by which it is told where a row begins.
const PROBE: usize = 48;

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A byte of two digits at a place, with the range of it and what stands before it as in `\x41` or `0x41`.
fn byte(bytes: &[u8], at: usize) -> Option<(u8, (usize, usize))> {
    let rest = bytes.get(at..)?;
    let prefix = match rest {
        [b'\\', b'x' | b'X', ..] | [b'0', b'x' | b'X', ..] => 2,
        _ => 0,
    };
    match rest.get(prefix..)? {
        [high, low, ..] => Some((nibble(*high)? << 4 | nibble(*low)?, (at, at + prefix + 2))),
        _ => None,
    }
}

/// What stands between two bytes of a list: nothing behind a prefix, or a sign and spaces.
fn gap(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let sign = usize::from(matches!(rest.first(), Some(b',' | b';' | b':' | b'-')));
    let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let limit = 4 - sign;
    sign + rest.get(sign..).unwrap_or_default().iter().take(limit).take_while(space).count()
}

/// A list of bytes that begins at a place.
pub(super) fn list(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    if before.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let (_, (_, first)) = byte(bytes, at)?;
    let prefixed = first - at > 2;
    let mut end = first;
    let mut count = 1;
    loop {
        let gap = gap(bytes, end);
        if gap == 0 && !prefixed {
            break;
        }
        let Some((_, (start, next))) = byte(bytes, end + gap) else { break };
        if (next - start > 2) != prefixed
            || bytes.get(next).is_some_and(u8::is_ascii_alphanumeric) && !prefixed
        {
            break;
        }
        end = next;
        count += 1;
    }
    (count >= MIN_BYTES).then_some((at, end))
}

/// Whether a list may go on behind these bytes: they end with one of its bytes.
pub(super) fn goes_on(bytes: &[u8]) -> bool {
    let in_gap = |byte: &&u8| matches!(byte, b',' | b';' | b':' | b'-' | b' ' | b'\t' | b'\r' | b'\n');
    let gap = bytes.iter().rev().take(4).take_while(in_gap).count();
    match bytes.get(..bytes.len() - gap) {
        Some([before @ .., high, low]) if nibble(*high).is_some() && nibble(*low).is_some() => {
            matches!(before, [.., b'\\' | b'0', b'x' | b'X'])
                || !before.last().is_some_and(u8::is_ascii_alphanumeric)
        }
        _ => false,
    }
}

/// Decodes a part of a row or of a list.
pub(super) fn decode(text: &str, piece: Piece) -> Option<Mapped> {
    let all = text.as_bytes().get(..piece.end)?;
    let row = all.get(piece.start..)?.iter().take(MIN_ROW).all(u8::is_ascii_alphanumeric);
    let decoded = if row { row_of_digits(all, piece) } else { list_of_bytes(all, piece.start) };
    let values: Vec<u8> = decoded.iter().map(|(value, _)| *value).collect();
    if values.len() < if row { MIN_ROW } else { MIN_BYTES } {
        return None;
    }
    bytes::text(&values, &|at| decoded.get(at).map(|(_, range)| *range))
}

fn list_of_bytes(all: &[u8], mut at: usize) -> Vec<(u8, (usize, usize))> {
    let mut decoded = Vec::new();
    while at < all.len() {
        match byte(all, at) {
            Some((value, range)) => {
                decoded.push((value, range));
                at = range.1 + gap(all, range.1);
            }
            None => at += 1,
        }
    }
    decoded
}

fn row_of_digits(all: &[u8], piece: Piece) -> Vec<(u8, (usize, usize))> {
    let prefix = match all.get(piece.start..) {
        Some([b'0', b'x' | b'X', ..]) => 2,
        _ => 0,
    };
    let digits = all.iter().enumerate().skip(piece.start + prefix);
    let mut digits: Vec<(u8, usize)> = digits.filter_map(|(at, byte)| Some((nibble(*byte)?, at))).collect();
    if let Some((_, from)) = digits.first_mut() {
        *from -= prefix;
    }
    let pairs = |phase: usize| {
        let (pairs, _) = digits.get(phase..).unwrap_or_default().as_chunks::<2>();
        pairs.iter().map(|[(high, from), (low, to)]| (high << 4 | low, (*from, to + 1)))
    };
    // A part that was cut begins anywhere.
    let probe = |phase: usize| {
        let values: Vec<u8> = pairs(phase).map(|(value, _)| value).take(PROBE).collect();
        bytes::looks_like_text(&values)
    };
    match (probe(0), piece.cut_before) {
        (true, _) => pairs(0).collect(),
        (false, true) => pairs(1).collect(),
        (false, false) => Vec::new(),
    }
}
