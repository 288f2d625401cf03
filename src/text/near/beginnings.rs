//! How words begin: a quick look for any of many.

use crate::text::first::ByteSet;
use crate::text::fold::single;
use crate::text::phrases::{Phrases, Standing, stands};

/// The first three letters or digits of each of some words, or all where it has fewer: most texts have none of them.
#[derive(Debug)]
pub(super) struct Beginnings {
    /// By hash.
    bits: Box<[u64; Self::ROWS]>,
    /// How many letters that are, of any word.
    lengths: Vec<u32>,
    /// What they begin with, and all that is not of ASCII.
    first: ByteSet,
    /// Those of words of nothing but ASCII, what follows in the word, and the words' numbers, in order.
    words: Vec<(u32, u8, usize)>,
    /// The first letters of the others, as they are shown folded.
    others: Vec<Vec<char>>,
    /// What any of them begins with, and all that is not of ASCII.
    any_first: ByteSet,
}

impl Beginnings {
    const ROWS: usize = 64;
    const LETTERS: usize = 3;

    /// `None` where they don't tell.
    pub(super) fn of(words: &Phrases) -> Option<Self> {
        if words.signs().is_some() {
            return None;
        }
        let mut all = Self {
            bits: Box::new([0; Self::ROWS]),
            lengths: Vec::new(),
            first: ByteSet::default(),
            words: Vec::new(),
            others: Vec::new(),
            any_first: ByteSet::default(),
        };
        (0x80..=u8::MAX).for_each(|byte| all.first.insert(byte));
        for (number, word) in words.words().iter().enumerate() {
            // They stand in no text of nothing but ASCII.
            if !word.is_ascii() {
                let letters = word.trim_start().chars().take_while(|c| c.is_alphanumeric());
                let letters: Vec<char> = letters.take(Self::LETTERS).collect();
                let first = letters.first().and_then(|first| u8::try_from(*first).ok());
                if let Some(first) = first.filter(u8::is_ascii) {
                    all.any_first.insert(first);
                    all.any_first.insert(first.to_ascii_uppercase());
                }
                all.others.push(letters);
                continue;
            }
            let letters = word.strip_prefix(' ')?.as_bytes();
            let first = letters.first()?;
            all.first.insert(*first);
            all.first.insert(first.to_ascii_uppercase());
            let (key, length) = Self::key(letters);
            let (row, bit) = Self::place(key);
            *all.bits.get_mut(row)? |= bit;
            all.lengths.push(length);
            let next = letters.get(length as usize).copied().unwrap_or(b' ');
            all.words.push((key, next, number));
        }
        all.any_first.insert_all(&all.first);
        all.lengths.sort_unstable();
        all.lengths.dedup();
        all.words.sort_unstable();
        Some(all)
    }

    /// Up to three letters or digits, and how many they are.
    fn key(text: &[u8]) -> (u32, u32) {
        let letters = text.iter().take(Self::LETTERS).take_while(|byte| byte.is_ascii_alphanumeric());
        letters
            .fold((0, 0), |(key, length), byte| (key << 8 | u32::from(byte.to_ascii_lowercase()), length + 1))
    }

    fn place(key: u32) -> (usize, u64) {
        let hash = key.wrapping_mul(0x9e37_79b1) >> 20;
        ((hash >> 6) as usize, 1 << (hash & 63))
    }

    /// Whether one of the words may begin here, also in a name in camel case or directly behind a match, which ends with one of
    /// `ends`; in a text of nothing but `ascii`, or any.
    #[inline]
    pub(super) fn may_begin(&self, text: &str, at: usize, ends: &ByteSet, ascii: bool) -> bool {
        let bytes = text.as_bytes();
        let first = if ascii { &self.first } else { &self.any_first };
        let Some(byte) = bytes.get(at).filter(|byte| first.contains(**byte)) else { return false };
        if !ascii {
            return self.may_begin_folded(text, at, ends);
        }
        let inside = goes_on(bytes, at, ends);
        (byte.is_ascii_uppercase() || !inside) && self.has(bytes.get(at..).unwrap_or_default())
    }

    /// The same by the letters there, whatever they are.
    #[inline(never)]
    fn may_begin_folded(&self, text: &str, at: usize, ends: &ByteSet) -> bool {
        let here = text.as_bytes().get(at..).unwrap_or_default();
        if here.first().is_some_and(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
            && goes_on(text.as_bytes(), at, ends)
        {
            return false;
        }
        let Some(text) = text.get(at..) else { return false };
        let (mut letters, mut ascii) = (['\0'; Self::LETTERS], [0; Self::LETTERS]);
        let mut length = 0;
        for (c, (letter, byte)) in text.chars().zip(letters.iter_mut().zip(&mut ascii)) {
            // Control characters are not shown.
            let seen = |c: &char| !c.is_control() || c.is_whitespace();
            let shown = if c.is_ascii() { Some(c.to_ascii_lowercase()).filter(seen) } else { single(c) };
            match shown {
                // A sign beyond ASCII begins none of them, and so does no harm.
                Some(shown) if !shown.is_ascii() || shown.is_ascii_alphanumeric() => {
                    *letter = shown;
                    *byte = u8::try_from(shown).unwrap_or_default();
                    length += 1;
                }
                None if !c.is_whitespace() => return true,
                _ => break,
            }
        }
        let letters = letters.get(..length).unwrap_or_default();
        // One may go on where no more is seen, or be over before.
        let begins = |other: &Vec<char>| letters.starts_with(other) || other.starts_with(letters);
        length > 0 && (self.has(&ascii) || self.others.iter().any(begins))
    }

    #[inline(never)]
    fn has(&self, text: &[u8]) -> bool {
        self.keys(text).next().is_some()
    }

    /// Those of the beginnings that a text may have.
    fn keys(&self, text: &[u8]) -> impl Iterator<Item = u32> {
        let (key, length) = Self::key(text);
        let known = self.lengths.iter().filter(move |fewer| **fewer <= length);
        known.map(move |fewer| key >> (8 * (length - fewer))).filter(|key| {
            let (row, bit) = Self::place(*key);
            self.bits.get(row).is_some_and(|bits| bits & bit != 0)
        })
    }

    /// Whether any of the `words` stands in a plain text.
    pub(super) fn stand_in(&self, text: &str, words: &Phrases) -> bool {
        let bytes = text.as_bytes();
        let mut inside = false;
        bytes.iter().enumerate().any(|(at, byte)| {
            let begins =
                !std::mem::replace(&mut inside, byte.is_ascii_alphanumeric()) && self.first.contains(*byte);
            begins
                && self.keys(bytes.get(at..).unwrap_or_default()).any(|key| self.stands(text, at, key, words))
        })
    }

    /// Whether any of those of the `words` stands here that begin so.
    fn stands(&self, text: &str, at: usize, key: u32, words: &Phrases) -> bool {
        let length = (u32::BITS - key.leading_zeros()).div_ceil(8) as usize;
        let next = text.as_bytes().get(at + length).copied().filter(u8::is_ascii_alphanumeric);
        let next = next.map_or(b' ', |byte| byte.to_ascii_lowercase());
        let from = self.words.partition_point(|(other, then, _)| (*other, *then) < (key, next));
        let alike =
            self.words.iter().skip(from).take_while(|(other, then, _)| (*other, *then) == (key, next));
        alike.filter_map(|(.., number)| words.words().get(*number)).any(|word| {
            // Behind the border.
            stands(Standing::Clean(text), at, word, 1).is_some()
        })
    }
}

/// Whether what stands before a place is more of the same word, and no match that ends with one of `ends`.
#[inline]
fn goes_on(bytes: &[u8], at: usize, ends: &ByteSet) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    before.is_some_and(|before| before.is_ascii_lowercase() && !ends.contains(*before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::dice::Dice;
    use crate::text::view::Text;

    /// What is found where it can begin is what is found in the whole text.
    #[test]
    fn words_stand_where_they_are_found() {
        let words = [
            "tel",
            "tel no",
            "telephone",
            "phone number",
            "sv nummer",
            "id",
            "a c no",
            "4me",
            "no.",
            "téléphone",
        ];
        let words = Phrases::new(&words.map(str::to_owned)).unwrap();
        let beginnings = Beginnings::of(&words).unwrap();
        let parts = [
            "tel",
            "Tel",
            "TEL NO",
            "telephones",
            "phone",
            "number",
            " ",
            "  ",
            "-",
            ", ",
            "\n",
            "_",
            "sv",
            "nummer",
            "a/c",
            "no",
            "id",
            "4",
            "me",
            "4me",
            "x",
            " - . - . - . - . - . - . - . ",
        ];
        let (mut dice, mut held, mut not) = (Dice(3), 0, 0);
        for _ in 0..4000 {
            let mut text = String::new();
            for _ in 0..8 {
                text.push_str(dice.pick(&parts));
            }
            let shown = Text::new(&text);
            let stands = words.are_in(&shown.folded().text, &shown.squashed().text);
            assert_eq!(beginnings.stand_in(&text, &words), stands, "{text:?}");
            held += usize::from(stands);
            not += usize::from(!stands);
        }
        assert!(held > 100 && not > 100, "{held} {not}");
    }
}
