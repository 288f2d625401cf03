//! Words near a match.

use super::first::ByteSet;
use super::phrases::Phrases;
use super::{FindError, Hit, NearSpec, Unless};

/// Words that must stand near a match.
#[derive(Debug)]
pub(super) struct Near {
    words: Phrases,
    beginnings: Option<Beginnings>,
    /// Each word has a letter, so that numbers alone need not be searched.
    lettered: bool,
    within: usize,
    unless: Option<Unless>,
}

impl Near {
    pub(super) fn new(spec: &NearSpec) -> Result<Self, FindError> {
        let lettered = spec.words.iter().all(|word| word.contains(char::is_alphabetic));
        let words = Phrases::new(&spec.words)?;
        let beginnings = Beginnings::of(&words);
        Ok(Self { words, beginnings, lettered, within: spec.within, unless: spec.unless })
    }

    /// Whether no word can stand within this, for want of letters.
    pub(super) fn is_not_in(&self, matched: &str) -> bool {
        self.lettered && matched.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_alphabetic())
    }

    /// Tells whether a word may stand near a match `of` some bytes that lies in a range of a text, as far as a quick look tells; asked
    /// from left to right.
    pub(super) fn may_hold(&self, raw: &str, of: &ByteSet) -> impl FnMut((usize, usize)) -> bool {
        let bytes = raw.as_bytes();
        let quick = self.beginnings.as_ref().filter(|_| self.unless.is_none());
        // Up to where it was looked, and behind the last place where a word may begin.
        let (mut looked, mut behind) = (0, 0);
        move |(start, end)| {
            let Some(beginnings) = quick else { return true };
            // Where characters are longer than a byte, the range is too short, but then there is one in it.
            let from = start.saturating_sub(self.within);
            let to = bytes.len().min(end.saturating_add(self.within));
            looked = looked.max(from);
            while behind <= from && looked < to {
                if beginnings.may_begin(bytes, looked, of) {
                    behind = looked + 1;
                }
                looked += 1;
            }
            behind > from
        }
    }

    /// Whether a word stands near a match; `None` where that depends on how an `open` text goes on.
    pub(super) fn holds(&self, matched: &str, hit: Hit, raw: &str, open: bool) -> Option<bool> {
        let separator = |c: char| c.is_whitespace() || matches!(c, '-' | '.' | '/' | '\u{2010}'..='\u{2015}');
        if self.unless == Some(Unless::Separated) && matched.trim().contains(separator) {
            return Some(true);
        }
        let (Some(before), Some(after)) = (raw.get(..hit.start), raw.get(hit.end..)) else {
            return Some(false);
        };
        let from = before.char_indices().rev().take(self.within).last().map_or(before.len(), |(at, _)| at);
        // Folding makes letters of other signs too, but not of those of ASCII.
        let letter = |c: char| c.is_ascii_alphabetic() || !c.is_ascii();
        let has_word = |text: &str| {
            (!self.lettered || text.contains(letter))
                && (self.words.is_in(text) || humps(text).is_some_and(|text| self.words.is_in(&text)))
        };
        if has_word(trim_start(before, from)) {
            return Some(true);
        }
        match after.char_indices().nth(self.within) {
            None if open => None,
            to => Some(has_word(trim_end(after, to.map_or(after.len(), |(at, _)| at)))),
        }
    }
}

/// The first three letters or digits of each of some words, or all where it has fewer, by hash: most texts have none of them.
#[derive(Debug)]
struct Beginnings {
    bits: Box<[u64; Self::ROWS]>,
    /// How many letters that are, of any word.
    lengths: Vec<u32>,
    /// What they begin with, and all that is not of ASCII.
    first: ByteSet,
}

impl Beginnings {
    const ROWS: usize = 64;

    /// `None` where they don't tell.
    fn of(words: &Phrases) -> Option<Self> {
        if words.signs().is_some() {
            return None;
        }
        let mut all =
            Self { bits: Box::new([0; Self::ROWS]), lengths: Vec::new(), first: ByteSet::default() };
        (0x80..=u8::MAX).for_each(|byte| all.first.insert(byte));
        // Others stand in no text of nothing but ASCII.
        for word in words.words().iter().filter(|word| word.is_ascii()) {
            let letters = word.strip_prefix(' ')?.as_bytes();
            let first = letters.first()?;
            all.first.insert(*first);
            all.first.insert(first.to_ascii_uppercase());
            let (key, length) = Self::key(letters);
            let (row, bit) = Self::place(key);
            *all.bits.get_mut(row)? |= bit;
            all.lengths.push(length);
        }
        all.lengths.sort_unstable();
        all.lengths.dedup();
        Some(all)
    }

    /// Up to three letters or digits, and how many they are.
    fn key(text: &[u8]) -> (u32, u32) {
        let letters = text.iter().take(3).take_while(|byte| byte.is_ascii_alphanumeric());
        letters
            .fold((0, 0), |(key, length), byte| (key << 8 | u32::from(byte.to_ascii_lowercase()), length + 1))
    }

    fn place(key: u32) -> (usize, u64) {
        let hash = key.wrapping_mul(0x9e37_79b1) >> 20;
        ((hash >> 6) as usize, 1 << (hash & 63))
    }

    /// Whether one of the words may begin here, also in a name in camel case or directly behind a match, which ends with one of
    /// `ends`; or the text is not of ASCII here.
    #[inline]
    fn may_begin(&self, text: &[u8], at: usize, ends: &ByteSet) -> bool {
        let Some(byte) = text.get(at).filter(|byte| self.first.contains(**byte)) else { return false };
        let goes_on = |before: &u8| before.is_ascii_lowercase() && !ends.contains(*before);
        let inside = at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(goes_on);
        !byte.is_ascii()
            || (byte.is_ascii_uppercase() || !inside) && self.has(text.get(at..).unwrap_or_default())
    }

    #[inline(never)]
    fn has(&self, text: &[u8]) -> bool {
        let (key, length) = Self::key(text);
        self.lengths.iter().filter(|fewer| **fewer <= length).any(|fewer| {
            let (row, bit) = Self::place(key >> (8 * (length - fewer)));
            self.bits.get(row).is_some_and(|bits| bits & bit != 0)
        })
    }
}

/// A text with its names in camel case taken apart: `taxFileNumber` is three words, `NHSNumber` two. `None` where it has
/// no such name.
fn humps(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let upper = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    let lower = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_lowercase);
    let begins = |at: usize| upper(at) && (lower(at - 1) || upper(at - 1) && lower(at + 1));
    let mut apart = String::new();
    let mut last = 0;
    for at in (1..bytes.len()).filter(|at| begins(*at)) {
        apart.push_str(text.get(last..at)?);
        apart.push(' ');
        last = at;
    }
    (last > 0).then(|| apart + text.get(last..).unwrap_or_default())
}

/// `text[from..]` without the rest of a word that begins before `from`.
fn trim_start(text: &str, from: usize) -> &str {
    let (before, window) = text.split_at_checked(from).unwrap_or((text, ""));
    if before.ends_with(char::is_alphanumeric) {
        window.trim_start_matches(char::is_alphanumeric)
    } else {
        window
    }
}

/// `text[..to]` without the beginning of a word that ends behind `to`.
fn trim_end(text: &str, to: usize) -> &str {
    let (window, after) = text.split_at_checked(to).unwrap_or((text, ""));
    if after.starts_with(char::is_alphanumeric) {
        window.trim_end_matches(char::is_alphanumeric)
    } else {
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No place is left out near which a word stands.
    #[test]
    fn what_the_quick_look_leaves_out() {
        let words = ["tel", "phone number", "sv nummer", "téléphone", "nip", "id", "4me"];
        let spec = |words: &[&str]| NearSpec {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            within: 12,
            unless: None,
        };
        let near = Near::new(&spec(&words)).unwrap();
        let parts = [
            "tel",
            "Tel",
            "phone",
            "number",
            "phoneNumber",
            "SVNummer",
            "sv-nummer",
            "userID",
            "nip",
            "x",
            "é",
            "téléphone",
            " ",
            " ",
            ": ",
            "12",
            "345",
            "\n",
            "_",
            "4me",
            "\u{200b}",
            "ｔｅｌ",
            "ſv",
        ];
        let (mut state, mut held, mut left_out) = (3_usize, 0, 0);
        for _ in 0..3000 {
            let mut text = String::new();
            let mut places = Vec::new();
            for _ in 0..24 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let part = parts[(state >> 33) % parts.len()];
                if part == "345" {
                    places.push(text.len());
                }
                text.push_str(part);
            }
            let digits = ByteSet::of(b"0123456789");
            let mut may_hold = near.may_hold(&text, &digits);
            for at in places {
                let holds = near.holds("345", Hit { start: at, end: at + 3 }, &text, false).unwrap();
                // As for a match that may be longer.
                let may = may_hold((at, at + 5));
                assert!(may || !holds, "{text:?} at {at}");
                held += usize::from(holds);
                left_out += usize::from(!may);
            }
        }
        assert!(held > 100 && left_out > 30, "{held} {left_out}");
    }

    #[test]
    fn names_in_camel_case() {
        for (text, apart) in [
            ("taxFileNumber", Some("tax File Number")),
            (" NHSNumber: ", Some(" NHS Number: ")),
            ("userSSN", Some("user SSN")),
            ("größeSSN Nr", Some("größe SSN Nr")),
            ("tax_file_number", None),
            ("SSN", None),
            ("", None),
        ] {
            assert_eq!(humps(text).as_deref(), apart, "{text}");
        }
    }
}
