//! Where a text looks encoded. Ordinary text pays for little more than a look at 64 bytes at a time.

use super::super::block::{self, BLOCK, high, within};
use super::super::eight::{HIGH, digits, every};
use super::base64::Run;
use super::letters::Hint;
use super::region::{Regions, line};
use super::{escapes, hex, hidden, leet, spaced};

/// Segments by what they look like.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) hidden: Regions,
    pub(super) base64: Regions,
    pub(super) hex: Regions,
    pub(super) percent: Regions,
    pub(super) html: Regions,
    pub(super) spaced: Regions,
    pub(super) leet: Regions,
    /// Lines with many accents.
    pub(super) accents: Regions,
    pub(super) rot13: Regions,
    pub(super) reversed: Regions,
    /// Lines with a right-to-left override.
    pub(super) overridden: Regions,
    /// Where the latest run of characters of base64 ends, so that none is walked twice.
    walked: usize,
    /// Where the last word ends that may be written in digits and signs for letters.
    pub(super) last_leet: Option<usize>,
}

impl Evidence {
    /// Nothing looks encoded.
    pub(super) fn is_empty(&self) -> bool {
        let all = [
            &self.hidden,
            &self.base64,
            &self.hex,
            &self.percent,
            &self.html,
            &self.spaced,
            &self.leet,
            &self.accents,
            &self.rot13,
            &self.reversed,
            &self.overridden,
        ];
        all.into_iter().all(Regions::is_empty)
    }
}

/// Looks at a part of a text once for everything. `hints` come from left to right.
pub(super) fn find(text: &str, hints: impl Iterator<Item = (Hint, usize)>) -> Evidence {
    let mut evidence = Evidence::default();
    let bytes = text.as_bytes();
    let mut words = leet::Words::default();
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let last = block::last(rest);
    let mut before = 0;
    for (number, block) in blocks.iter().chain((!rest.is_empty()).then_some(&last)).enumerate() {
        let from = number * BLOCK;
        let mut chunks = looked_at(block, &mut before, apart_in(bytes, from + BLOCK));
        while chunks != 0 {
            let chunk = (chunks.trailing_zeros() / 8) as usize;
            chunks &= chunks - 1;
            if let Some(eight) = block.as_chunks::<8>().0.get(chunk) {
                look(text, from + 8 * chunk, Eight::new(*eight), &mut words, &mut evidence);
            }
        }
    }
    evidence.last_leet = words.last();
    escapes::evidence(text, &mut evidence);
    for (hint, at) in hints {
        match hint {
            Hint::Rot13 => evidence.rot13.add_line(text, at),
            Hint::Reversed => evidence.reversed.add_line(text, at),
        }
    }
    if !bytes.is_ascii() {
        hidden::evidence(text, &mut evidence);
        leet::accented(bytes).for_each(|at| evidence.accents.add_line(text, at));
    }
    evidence
}

/// The chunks of eight bytes of a block at which [`look`] may find something, as the highest bit of a byte each. `before` holds how
/// many bytes stand apart in the chunk before the block, and then in its last one; `behind` in the one behind it.
fn looked_at(block: &[u8; BLOCK], before: &mut u32, behind: u32) -> u64 {
    let low = within::<0, 0x2f>(block);
    let signs = block::digits(block) | within::<b'@', b'@'>(block) | within::<b'$', b'$'>(block);
    if high(block) != 0 {
        *before = apart_in(block, BLOCK - 8);
        return HIGH;
    }
    // As in one chunk, with the border on its sides.
    let apart = counts(!low & !(!low << 1 & !every(0x01)) & !(!low >> 1 & !HIGH));
    let before = u64::from(std::mem::replace(before, (apart >> 56) as u32));
    let at_least = |counts: u64, least: u32| counts + every(0x80) - u64::from(least) * every(1);
    let none = |bytes: u64| !(((bytes & !HIGH) + !HIGH) | bytes);
    let around = apart + (apart << 8 | before) + (apart >> 8 | u64::from(behind) << 56);
    let row = at_least(apart, 2) & at_least(around, spaced::MIN_LETTERS);
    (none(low) | !none(signs) | row) & HIGH
}

/// How many bits each byte has.
fn counts(bits: u64) -> u64 {
    let pairs = bits - (bits >> 1 & every(0x55));
    let fours = (pairs & every(0x33)) + (pairs >> 2 & every(0x33));
    (fours + (fours >> 4)) & every(0x0f)
}

/// How many bytes of the chunk of eight at a place stand apart.
fn apart_in(bytes: &[u8], at: usize) -> u32 {
    let eight = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    eight.map_or(0, |bytes| Eight::new(*bytes).alone().count_ones())
}

fn look(text: &str, at: usize, eight: Eight, words: &mut leet::Words, evidence: &mut Evidence) {
    if eight.low == 0 {
        if eight.word & HIGH == 0 {
            run(text, at, evidence);
        }
        if eight.alternates() {
            apart(text, at, evidence);
        }
    } else if several(eight.low) && several(eight.alone()) {
        let count = |at: Option<usize>| at.map_or(0, |at| apart_in(text.as_bytes(), at));
        if eight.alone().count_ones() + count(at.checked_sub(8)) + count(Some(at + 8)) >= spaced::MIN_LETTERS
        {
            apart(text, at, evidence);
        }
    }
    let mut signs = eight.signs();
    while signs != 0 {
        let place = at + (signs.trailing_zeros() / 8) as usize;
        signs &= signs - 1;
        sign(text, place, words, evidence);
    }
}

/// A run of characters of base64 around a place, if it is long and mixed enough.
fn run(text: &str, at: usize, evidence: &mut Evidence) {
    let from = evidence.base64.end().max(evidence.hex.end()).max(evidence.walked);
    if at < from {
        return;
    }
    let Some(run) = Run::around(text.as_bytes(), at, from) else { return };
    evidence.walked = run.end;
    if run.all_hex() {
        evidence.hex.push(run.start, run.end);
    }
    if run.is_mixed() {
        evidence.base64.push(run.start, run.end);
    }
    if !run.all_hex() && run.is_one_word() {
        let word = text.as_bytes().get(run.start..run.end).unwrap_or_default();
        if spaced::is_written_together(word) {
            evidence.spaced.add_line(text, run.start);
        }
        if run.has_digits() && spaced::is_written_together(&leet::translated(word)) {
            evidence.leet.add_line(text, run.start);
        }
    }
}

/// A digit or sign that may stand for a letter or begin a list of bytes.
fn sign(text: &str, at: usize, words: &mut leet::Words, evidence: &mut Evidence) {
    let bytes = text.as_bytes();
    let before = evidence.leet.end();
    if let Some((start, end)) = words.look(bytes, at).filter(|(_, end)| *end > before) {
        let ((first, _), (_, last)) = (line(text, start), line(text, end));
        evidence.leet.add(first.max(before), last);
    }
    if at >= evidence.hex.end()
        && let Some((start, end)) = hex::list(bytes, at)
    {
        evidence.hex.push(start, end);
    }
}

/// Letters that stand apart, around a place.
fn apart(text: &str, at: usize, evidence: &mut Evidence) {
    let before = evidence.spaced.end();
    if at < before {
        return;
    }
    if let Some((start, end)) = spaced::chain_at(text, at) {
        let ((first, _), (_, last)) = (line(text, start), line(text, end));
        if last > before {
            evidence.spaced.add(first.max(before), last);
        }
    }
}

/// Whether more than one bit is set.
fn several(bits: u64) -> bool {
    bits & bits.wrapping_sub(1) != 0
}

/// Eight bytes at once. Of a set of them, the highest bit of each byte counts.
#[derive(Debug, Clone, Copy)]
struct Eight {
    bytes: [u8; 8],
    word: u64,
    /// Those below `0`: space and most signs.
    low: u64,
}

impl Eight {
    fn new(bytes: [u8; 8]) -> Self {
        let word = u64::from_le_bytes(bytes);
        Self { bytes, word, low: !(((word & !HIGH) + every(0x50)) | word) & HIGH }
    }

    /// Characters that are not low, with low ones or the border on both sides, by their first bytes.
    fn alone(self) -> u64 {
        let bytes = !self.low & HIGH;
        if self.word & HIGH == 0 {
            return bytes & !(bytes << 8) & !(bytes >> 8);
        }
        let continued = self.word & !(self.word << 1) & HIGH;
        let letters = bytes & !continued;
        // Directly behind another one, of up to four bytes.
        let next = letters & bytes << 8;
        let through = |bytes: u32| (1..bytes).fold(HIGH, |all, byte| all & continued >> (8 * byte));
        let followed = (1..=4).fold(0, |all, bytes| all | (next >> (8 * bytes) & through(bytes)));
        letters & !next & !followed
    }

    /// Every other one is the same sign.
    fn alternates(self) -> bool {
        let [_, a, b, c, d, e, f, _] = self.bytes;
        let sign = |byte: u8, other: u8| byte.is_ascii_punctuation() && !other.is_ascii_punctuation();
        (a == c && c == e && sign(a, b)) || (b == d && d == f && sign(b, c))
    }

    /// Digits, `@` and `$`.
    fn signs(self) -> u64 {
        let is = |byte: u8| {
            let other = self.word ^ every(byte);
            !(((other & !HIGH) + every(0x7f)) | other)
        };
        digits(self.word) | (is(b'@') | is(b'$')) & HIGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::dice::Dice;

    /// No chunk is passed over at which something would be done.
    #[test]
    fn chunks_that_are_looked_at() {
        let mut dice = Dice(7);
        for round in 0..20_000 {
            let alphabets = ["a ", "ab .", "i.g n-o", "ab1 @", "abcdefgh ", "é a.", "aé b 7"];
            let letters: Vec<char> = alphabets[round % alphabets.len()].chars().collect();
            let mut text = String::new();
            while text.len() < 3 * BLOCK {
                text.push(dice.pick(&letters));
            }
            let (blocks, _) = text.as_bytes().as_chunks::<BLOCK>();
            let mut before = 0;
            for (number, block) in blocks.iter().enumerate() {
                let chunks = looked_at(block, &mut before, apart_in(text.as_bytes(), (number + 1) * BLOCK));
                for chunk in (0..8).filter(|chunk| chunks >> (8 * chunk) & 0x80 == 0) {
                    let at = number * BLOCK + 8 * chunk;
                    let eight = Eight::new(*text.as_bytes()[at..].first_chunk().unwrap());
                    let count = |at: Option<usize>| at.map_or(0, |at| apart_in(text.as_bytes(), at));
                    let apart = eight.alone().count_ones();
                    let all = apart + count(at.checked_sub(8)) + count(Some(at + 8));
                    assert!(eight.low != 0 && eight.signs() == 0, "{text:?} at {at}");
                    assert!(apart < 2 || all < spaced::MIN_LETTERS, "{text:?} at {at}");
                }
            }
        }
    }

    #[test]
    fn eight_bytes_at_once() {
        let eight = Eight::new(*b"i g n oR");
        assert_eq!((eight.low.count_ones(), eight.alone().count_ones()), (3, 3));
        assert_eq!(Eight::new(*b"1g@ore$/").signs().count_ones(), 3);
        assert_eq!(Eight::new(*b"0:9;/?A`").signs(), 0x0000_0000_0080_0080);
        assert!(Eight::new(*b"i_g_n_o_").alternates() && !Eight::new(*b"ignore__").alternates());
        assert_eq!(Eight::new("и ж я".as_bytes().try_into().unwrap()).alone().count_ones(), 3);
        assert_eq!(Eight::new("иж aж".as_bytes().try_into().unwrap()).alone(), 0);
        assert_eq!(Eight::new("的 a 😀".as_bytes()[..8].try_into().unwrap()).alone(), 0x80_0080_0000_0080);
    }
}
