//! Text out of decoded bytes.

use std::str::Utf8Chunk;

use super::super::view::Mapped;

/// Of so many bytes at most one is not text.
const BAD_SHARE: usize = 7;

/// The text that bytes are, as UTF-8 or UTF-16 with a zero byte in most characters; `None` if they look like something else.
/// `covers` tells what each byte was decoded from.
pub(super) fn text(bytes: &[u8], covers: &dyn Fn(usize) -> Option<(usize, usize)>) -> Option<Mapped> {
    let mut text = Mapped::with_capacity(bytes.len());
    if is_wide(bytes) {
        for (number, c) in wide(bytes) {
            let from = covers(number * 2)?.0;
            let to =
                covers((number + 1).saturating_mul(2).saturating_sub(1).min(bytes.len().saturating_sub(1)))?
                    .1;
            text.push_decoded(c, (from, to));
        }
    } else if looks_like_text(bytes) {
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                text.push_decoded(c, (covers(at)?.0, covers(at + c.len_utf8() - 1)?.1));
                at += c.len_utf8();
            }
            if !chunk.invalid().is_empty() {
                let end = at + chunk.invalid().len();
                text.push_decoded(char::REPLACEMENT_CHARACTER, (covers(at)?.0, covers(end - 1)?.1));
                at = end;
            }
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Most of it is valid UTF-8 without control characters, or UTF-16 that holds ASCII.
pub(super) fn looks_like_text(bytes: &[u8]) -> bool {
    let odd = |c: &char| c.is_control() && !matches!(c, '\t'..='\r');
    let bad = |chunk: Utf8Chunk<'_>| chunk.valid().chars().filter(odd).count() + chunk.invalid().len();
    let mut left = Some(bytes.len() / BAD_SHARE);
    for chunk in bytes.utf8_chunks() {
        left = left.and_then(|left| left.checked_sub(bad(chunk)));
        if left.is_none() {
            break;
        }
    }
    !bytes.is_empty() && left.is_some() || is_wide(bytes)
}

/// UTF-16, little-endian, of mostly ASCII.
fn is_wide(bytes: &[u8]) -> bool {
    let (pairs, _) = bytes.as_chunks::<2>();
    let ascii = |pair: &&[u8; 2]| matches!(pair, [b' '..=b'~' | b'\t'..=b'\r', 0]);
    pairs.len() >= 4 && pairs.iter().filter(ascii).count() * 10 >= pairs.len() * 8
}

fn wide(bytes: &[u8]) -> impl Iterator<Item = (usize, char)> + '_ {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().enumerate().map(|(number, pair)| {
        let c = char::from_u32(u32::from(u16::from_le_bytes(*pair)));
        (number, c.unwrap_or(char::REPLACEMENT_CHARACTER))
    })
}
