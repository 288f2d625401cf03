//! How words begin: a quick look for any of many.

use crate::text::first::ByteSet;
use crate::text::near::starts::{ANY, END, Hashes, LETTERS, Letters, beginning};
use crate::text::phrases::{Phrases, Standing, stands};

/// The first letters or digits of each of some words, or all where it has fewer: most texts have none of them.
#[derive(Debug)]
pub(super) struct Beginnings {
    /// Those of words of nothing but ASCII, and of all.
    ascii: Known,
    all: Known,
    /// What those of nothing but ASCII begin with.
    first: ByteSet,
    /// Those of words of nothing but ASCII, what follows in the word, and the words' numbers, in order.
    words: Vec<(u32, u8, usize)>,
    /// One of them begins with a digit.
    digits: bool,
}

/// Hashes of beginnings.
#[derive(Debug)]
struct Known {
    /// By a part of its hash, what they begin with: of two letters.
    twos: Box<[u64; 64]>,
    /// One has a single letter.
    single: bool,
    /// In order.
    all: Vec<u16>,
    /// How many letters that are, of any word, less one.
    lengths: Vec<usize>,
}

impl Known {
    fn new() -> Self {
        Self { twos: Box::new([0; 64]), single: false, all: Vec::new(), lengths: Vec::new() }
    }

    /// Adds a beginning of so many letters, less one.
    fn add(&mut self, start: &Hashes, last: usize) {
        let (row, bit) = Self::place(start);
        self.twos.get_mut(row).into_iter().for_each(|bits| *bits |= bit);
        self.single |= last == 0;
        if let Some(hash) = start.get(last)
            && let Err(at) = self.all.binary_search(hash)
        {
            self.all.insert(at, *hash);
        }
        if !self.lengths.contains(&last) {
            self.lengths.push(last);
        }
    }

    fn place([_, two, ..]: &Hashes) -> (usize, u64) {
        (usize::from(two >> 10), 1 << (two >> 4 & 63))
    }

    #[inline]
    fn has(&self, start: &Hashes) -> bool {
        let (row, bit) = Self::place(start);
        (self.single || self.twos.get(row).is_some_and(|bits| bits & bit != 0)) && self.is_one(start)
    }

    #[inline(never)]
    fn is_one(&self, start: &Hashes) -> bool {
        let known = |hash: &u16| self.all.binary_search(hash).is_ok();
        self.lengths.iter().filter_map(|length| start.get(*length)).any(known)
    }
}

impl Beginnings {
    /// `None` where they don't tell.
    pub(super) fn of(words: &Phrases) -> Option<Self> {
        if words.signs().is_some() {
            return None;
        }
        let (mut first, mut by_key, mut digits) = (ByteSet::default(), Vec::new(), false);
        let (mut ascii, mut all) = (Known::new(), Known::new());
        // What may begin in any way.
        all.add(&[ANY; LETTERS], LETTERS - 1);
        for (number, word) in words.words().iter().enumerate() {
            let begun = word.trim_start().chars().take_while(|c| c.is_alphanumeric());
            let mut letters = [END; LETTERS];
            begun.zip(&mut letters).for_each(|(c, letter)| *letter = c.into());
            let last = letters.iter().take_while(|letter| **letter != END).count().checked_sub(1)?;
            digits |= word.trim_start().starts_with(|c: char| c.is_ascii_digit());
            all.add(&Letters::new(letters).hashes(), last);
            if !word.is_ascii() {
                // It may go on where no more of it is seen, and stands in no text of nothing but ASCII.
                for behind in (1..=last).rev() {
                    letters.get_mut(behind..)?.fill(END);
                    all.add(&Letters::new(letters).hashes(), last);
                }
                continue;
            }
            ascii.add(&Letters::new(letters).hashes(), last);
            let bytes = word.strip_prefix(' ')?.as_bytes();
            let byte = bytes.first()?;
            first.insert(*byte);
            first.insert(byte.to_ascii_uppercase());
            let (key, length) = Self::key(bytes);
            let next = bytes.get(length).copied().unwrap_or(b' ');
            by_key.push((key, next, number));
        }
        by_key.sort_unstable();
        Some(Self { ascii, all, first, words: by_key, digits })
    }

    /// The first letters or digits, and how many they are.
    fn key(text: &[u8]) -> (u32, usize) {
        let letters = text.iter().take(LETTERS).take_while(|byte| byte.is_ascii_alphanumeric());
        letters
            .fold((0, 0), |(key, length), byte| (key << 8 | u32::from(byte.to_ascii_lowercase()), length + 1))
    }

    /// Whether one of the words may begin so, in a text of nothing but ASCII that can be seen if it is `clean`.
    pub(super) fn may_be(&self, start: &Hashes, clean: bool) -> bool {
        if clean { self.ascii.has(start) } else { self.all.has(start) }
    }

    /// Whether one of the words begins with a digit.
    pub(super) fn have_digits(&self) -> bool {
        self.digits
    }

    /// Whether any of the `words` stands in a plain text.
    pub(super) fn stand_in(&self, text: &str, words: &Phrases) -> bool {
        let bytes = text.as_bytes();
        let mut inside = false;
        bytes.iter().enumerate().any(|(at, byte)| {
            let begins =
                !std::mem::replace(&mut inside, byte.is_ascii_alphanumeric()) && self.first.contains(*byte);
            begins
                && beginning(text, at, true).is_some_and(|start| self.ascii.has(&start))
                && self.stands(text, at, words)
        })
    }

    /// Whether any of the `words` stands here.
    fn stands(&self, text: &str, at: usize, words: &Phrases) -> bool {
        let here = text.as_bytes().get(at..).unwrap_or_default();
        let (key, length) = Self::key(here);
        let known = self.ascii.lengths.iter().filter(|last| **last < length);
        let mut keys = known.map(|last| (key >> (8 * (length - last - 1)), last + 1));
        keys.any(|(key, length)| {
            let next = here.get(length).copied().filter(u8::is_ascii_alphanumeric);
            let next = next.map_or(b' ', |byte| byte.to_ascii_lowercase());
            let from = self.words.partition_point(|(other, then, _)| (*other, *then) < (key, next));
            let alike =
                self.words.iter().skip(from).take_while(|(other, then, _)| (*other, *then) == (key, next));
            alike.filter_map(|(.., number)| words.words().get(*number)).any(|word| {
                // Behind the border.
                stands(Standing::Clean(text), at, word, 1).is_some()
            })
        })
    }
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
