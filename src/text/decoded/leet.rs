//! Digits, signs and letters with accents that stand for letters.

use icu_normalizer::DecomposingNormalizerBorrowed;

use super::super::frequency;
use super::super::view::Mapped;
use super::region::Piece;

/// Longest word.
const LONGEST: usize = 24;
/// Bytes between two words that together look written that way.
pub(super) const NEAR: usize = 64;
/// So many letters with accents look chosen for that, ...
const ACCENTS: usize = 4;
/// ... within so many bytes.
const CLOSE: usize = 20;

/// Letters that a digit or sign stands for.
fn letters(byte: u8) -> &'static [u8] {
    match byte {
        b'0' => b"o",
        b'1' | b'!' | b'|' => b"il",
        b'3' => b"e",
        b'4' | b'@' => b"a",
        b'5' | b'$' => b"s",
        b'6' | b'9' => b"g",
        b'7' | b'+' => b"t",
        b'8' => b"b",
        _ => b"",
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || !letters(byte).is_empty()
}

/// Finds words that hold digits and signs for letters, from left to right.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The latest one.
    last: Option<(usize, usize)>,
}

impl Words {
    /// Where the latest one ends.
    pub(super) fn last(&self) -> Option<usize> {
        self.last.map(|(_, end)| end)
    }

    /// A range that looks written that way, with a digit or sign at `at`.
    pub(super) fn look(&mut self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        // Before a letter; names and numbers have digits at their end.
        let here = *bytes.get(at)?;
        let next = *bytes.get(at + 1)?;
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        let number = before.is_ascii_digit() && next.is_ascii_digit();
        // `@name` and `$NAME` are no words of that kind.
        let name = matches!(here, b'@' | b'$') && !before.is_ascii_alphanumeric();
        if letters(here).is_empty() || !in_word(next) || number || name {
            return None;
        }
        let length = |part: &mut dyn Iterator<Item = &u8>| {
            part.take(LONGEST + 1).take_while(|byte| in_word(**byte)).count()
        };
        if self.last.is_some_and(|(_, last)| at < last) {
            return None;
        }
        let end = at + length(&mut bytes.get(at..)?.iter());
        if end - at > LONGEST {
            return None;
        }
        let start = at - length(&mut bytes.get(..at)?.iter().rev());
        let word = bytes.get(start..end)?;
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        if before.is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'#' | b'\\' | b'&' | b'/' | b'_' | b'-')
        }) {
            return None;
        }
        if is_address(word, bytes.get(end..)?) {
            return None;
        }
        let replaced = replaced(word)?;
        let before = self.last.replace((start, end));
        match before {
            _ if replaced > 1 => Some((start, end)),
            Some((first, last)) if start - last.min(start) <= NEAR => Some((first, end)),
            _ => None,
        }
    }
}

/// Whether a word before `rest` belongs to a mail address.
fn is_address(word: &[u8], rest: &[u8]) -> bool {
    word.iter().filter(|byte| **byte == b'@').count() == 1
        && matches!(rest, [b'.', letter, ..] if letter.is_ascii_alphabetic())
}

/// How many separate digits or signs stand for letters; `None` if the word does not look like that.
fn replaced(word: &[u8]) -> Option<usize> {
    let letters = word.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let hexadecimal = |word: &[u8]| word.iter().all(u8::is_ascii_hexdigit);
    if letters < 2 && word.len() > 3
        || letters == 0
        || word.len() > LONGEST
        || hexadecimal(word) && word.len() > 5
        || matches!(word, [b'0', b'x' | b'X', number @ ..] if hexadecimal(number))
    {
        return None;
    }
    let first = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Numbers with a unit, ordinals.
    if first > 2
        || first > 0 && matches!(word.get(first..), Some(b"st" | b"nd" | b"rd" | b"th" | b"s" | b"x" | b"k"))
    {
        return None;
    }
    let groups = word.chunk_by(|one, other| one.is_ascii_alphabetic() == other.is_ascii_alphabetic());
    let replaced = groups
        .scan(0, |at, group| {
            *at += group.len();
            Some((*at, group))
        })
        .filter(|(end, group)| {
            *end < word.len() && group.first().is_some_and(|byte| !byte.is_ascii_alphabetic())
        })
        .count();
    (replaced > 0).then_some(replaced)
}

/// Places where several letters with accents stand close to each other.
pub(super) fn accented(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut latest = [usize::MAX; ACCENTS];
    // First bytes of letters with accents, U+00C0 to U+017F.
    memchr::memchr3_iter(0xc3, 0xc4, 0xc5, bytes).filter(move |at| {
        latest.rotate_left(1);
        let [first, .., last] = &mut latest;
        *last = *at;
        at.checked_sub(*first).is_some_and(|behind| behind <= CLOSE)
    })
}

/// Every letter with an accent without it.
pub(super) fn without_accents(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    let mut plain = Mapped::with_capacity(part.len());
    let normalizer = DecomposingNormalizerBorrowed::new_nfd();
    let mut copied = 0;
    for (at, c) in part.char_indices().filter(|(_, c)| !c.is_ascii()) {
        if let Some(base) =
            normalizer.normalize_iter(std::iter::once(c)).next().filter(char::is_ascii_alphabetic)
        {
            plain.push_same(part.get(copied..at)?, piece.start + copied);
            copied = at + c.len_utf8();
            plain.push_decoded(base, (piece.start + at, piece.start + copied));
        }
    }
    plain.push_same(part.get(copied..)?, piece.start + copied);
    Some(plain)
}

/// Every such word with the letters that are meant.
pub(super) fn decode(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    let mut mapped = Mapped::with_capacity(part.len());
    // Only ASCII was replaced, by ASCII.
    mapped.push_same(std::str::from_utf8(&translated(part.as_bytes())).ok()?, piece.start);
    Some(mapped)
}

/// Every word with the letters that are meant.
pub(super) fn translated(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    text.chunk_by_mut(|one, other| in_word(*one) == in_word(*other)).for_each(translate);
    text
}

fn translate(word: &mut [u8]) {
    if !word.iter().any(u8::is_ascii_alphabetic) {
        return;
    }
    // Signs at the end are punctuation.
    let end = word.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
    for at in 0..end {
        let before = at.checked_sub(1).and_then(|before| word.get(before)).copied().unwrap_or(b' ');
        let after = if at + 1 < end { word.get(at + 1).copied().unwrap_or(b' ') } else { b' ' };
        let Some(here) = word.get_mut(at) else { return };
        let likely = |letter: u8| {
            let after = match *letters(after) {
                [one] => one,
                // The same letter again, as far as is known yet.
                [_, _] => letter,
                _ => after,
            };
            frequency::pair(before, letter) * frequency::pair(letter, after)
        };
        let best =
            letters(*here).iter().copied().max_by(|one, other| likely(*one).total_cmp(&likely(*other)));
        if let Some(letter) = best {
            *here = letter;
        }
    }
}
