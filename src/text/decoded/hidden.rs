//! Characters that are not seen: tags and variation selectors that spell a text, and overrides of direction.

use super::super::view::Mapped;
use super::bytes;
use super::evidence::Evidence;
use super::region::Piece;

/// Fewest of these characters in a row.
const MIN_CHARS: usize = 4;

/// The first byte of tags and of most variation selectors, with one of which a row begins.
pub(in super::super) const FIRST: u8 = 0xf3;

/// What a character spells: tags ASCII, variation selectors a byte.
fn spelt(c: char) -> Option<u8> {
    let number = u32::from(c);
    let byte = match c {
        '\u{e0020}'..='\u{e007e}' => number - 0xe0000,
        '\u{fe00}'..='\u{fe0f}' => number - 0xfe00,
        '\u{e0100}'..='\u{e01ef}' => number - 0xe0100 + 16,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

fn in_run(c: char) -> bool {
    spelt(c).is_some() || matches!(c, '\u{e0000}'..='\u{e001f}' | '\u{e007f}')
}

/// Marks runs of such characters, and lines with an override.
pub(super) fn evidence(text: &str, evidence: &mut Evidence) {
    let mut end = 0;
    for at in memchr::memchr_iter(FIRST, text.as_bytes()) {
        let Some(rest) = text.get(at..).filter(|_| at >= end) else { continue };
        let run: usize = rest.chars().take_while(|c| in_run(*c)).map(char::len_utf8).sum();
        end = at + run;
        if rest.chars().take_while(|c| in_run(*c)).take(MIN_CHARS).count() == MIN_CHARS {
            evidence.hidden.push(at, end);
        }
    }
    for at in memchr::memchr_iter(0xe2, text.as_bytes()) {
        if text.get(at..).is_some_and(|rest| rest.starts_with('\u{202e}')) {
            evidence.overridden.add_line(text, at);
        }
    }
}

/// The text that hidden characters spell.
pub(super) fn decode(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    let spelt = part.char_indices().filter_map(|(at, c)| Some((spelt(c)?, piece.start + at, c.len_utf8())));
    let spelt: Vec<(u8, usize, usize)> = spelt.collect();
    let values: Vec<u8> = spelt.iter().map(|(value, ..)| *value).collect();
    bytes::text(&values, &|at| spelt.get(at).map(|(_, from, length)| (*from, from + length)))
}
