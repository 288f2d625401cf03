//! Where words may begin in a text, and how: many rules look for some near their matches.

use std::cell::RefCell;

use crate::text::block::{self, BLOCK, within};
use crate::text::fold::single;

/// Letters or digits that tell words apart.
pub(super) const LETTERS: usize = 4;
/// Stands behind the last letter where there are fewer.
pub(super) const END: u32 = 1;
/// The hash of what may begin in any way.
pub(super) const ANY: u16 = u16::MAX;
/// So many starts are remembered: of most texts all, and of any text no more than a few megabytes.
const MOST: usize = 1 << 17;

/// How a word begins: hashes of its first letter or digit, of the first two, and so on.
pub(super) type Hashes = [u16; LETTERS];

/// A place where a word may begin with a letter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) at: u32,
    pub(super) hashes: Hashes,
}

/// Those of a text, in blocks of which one is looked at when it is asked for.
#[derive(Debug, Default)]
pub(in crate::text) struct Starts(RefCell<Blocks>);

#[derive(Debug, Default)]
struct Blocks {
    all: Vec<Start>,
    /// Of each block, where its own stand among them.
    known: Vec<Option<(u32, u32)>>,
}

/// Some letters, the first one lowest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letters(u64);

impl Letters {
    /// Bits of a letter, of most scripts all.
    const BITS: u32 = 16;

    pub(super) fn new(letters: [u32; LETTERS]) -> Self {
        Self((0..).step_by(16).zip(letters).fold(0, |all, (shift, letter)| all ^ u64::from(letter) << shift))
    }

    /// Letters and digits of ASCII, in lower case, so many of four; `None` if there is none.
    fn of_ascii(four: [u8; LETTERS], count: usize) -> Option<Self> {
        let missing = 0x0101_0101_u32.checked_shl(8 * count as u32).unwrap_or(0);
        let there = u32::MAX >> (u32::BITS - 8 * count as u32).min(31);
        let four = (u32::from_le_bytes(four) | 0x2020_2020) & there | missing;
        let pairs = (u64::from(four) | u64::from(four) << 16) & 0x0000_ffff_0000_ffff;
        (count > 0).then_some(Self((pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff))
    }

    pub(super) fn hashes(self) -> Hashes {
        let hash = |letters: u32| {
            let of_them = self.0 & u64::MAX >> (u64::BITS - letters * Self::BITS);
            (of_them.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - u16::BITS)) as u16
        };
        [hash(1), hash(2), hash(3), hash(4)]
    }
}

/// How a word begins that may begin at a place of a text, of nothing but ASCII that can be seen if it is `clean`; `None` where
/// none does.
pub(super) fn beginning(text: &str, at: usize, clean: bool) -> Option<Hashes> {
    if clean { in_clean(text.as_bytes(), at) } else { in_any(text, at) }
}

#[inline]
fn in_clean(bytes: &[u8], at: usize) -> Option<Hashes> {
    let rest = bytes.get(at..)?;
    let four = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut four = [0; LETTERS];
        four.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        four
    });
    let count = four.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    Letters::of_ascii(four, count).map(Letters::hashes)
}

fn in_any(text: &str, at: usize) -> Option<Hashes> {
    let mut letters = [END; LETTERS];
    for (c, letter) in text.get(at..)?.chars().zip(&mut letters) {
        // Control characters are not shown.
        let seen = |c: &char| !c.is_control() || c.is_whitespace();
        let shown = if c.is_ascii() { Some(c.to_ascii_lowercase()).filter(seen) } else { single(c) };
        match shown {
            // A sign beyond ASCII begins none of them, and so does no harm.
            Some(shown) if !shown.is_ascii() || shown.is_ascii_alphanumeric() => *letter = shown.into(),
            None if !c.is_whitespace() => return Some([ANY; LETTERS]),
            _ => break,
        }
    }
    (letters != [END; LETTERS]).then(|| Letters::new(letters).hashes())
}

/// Where words may begin with a letter, as bits, between the byte before a block and the one behind it: also in names in camel
/// case, and behind a match that ends with anything but a letter.
fn begin(block: &[u8; BLOCK], before: Option<u8>, after: Option<u8>) -> u64 {
    let (lower, upper) = (within::<b'a', b'z'>(block), within::<b'A', b'Z'>(block));
    let is = |byte: Option<u8>, is: fn(&u8) -> bool| u64::from(byte.as_ref().is_some_and(is));
    let behind_lower = lower << 1 | is(before, u8::is_ascii_lowercase);
    let behind_upper = upper << 1 | is(before, u8::is_ascii_uppercase);
    let before_lower = lower >> 1 | is(after, u8::is_ascii_lowercase) << 63;
    let apart = (lower | upper) & !(behind_lower | behind_upper);
    // What else begins with any character beyond ASCII, which may be shown as a letter.
    apart | upper & (behind_lower | before_lower) | within::<0xc0, 0xff>(block)
}

impl Starts {
    /// Calls `with` with the block that a place of a text is in, and where the next one begins.
    pub(super) fn block<T>(
        &self,
        text: &str,
        at: usize,
        clean: bool,
        with: impl FnOnce(&[Start], usize) -> T,
    ) -> T {
        let (number, behind) = (at / BLOCK, at - at % BLOCK + BLOCK);
        let Blocks { all, known } = &mut *self.0.borrow_mut();
        let range = known.get(number).copied().flatten().unwrap_or_else(|| {
            if all.len() >= MOST {
                (*all, *known) = (Vec::new(), Vec::new());
            }
            if known.len() <= number {
                known.resize(number + 1, None);
            }
            let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let from = all.len();
            look(text, number * BLOCK, clean, all);
            let range = (small(from), small(all.len()));
            known.get_mut(number).into_iter().for_each(|known| *known = Some(range));
            range
        });
        with(all.get(range.0 as usize..range.1 as usize).unwrap_or_default(), behind)
    }
}

/// Adds where words may begin in the block that begins at a place.
fn look(text: &str, from: usize, clean: bool, starts: &mut Vec<Start>) {
    let bytes = text.as_bytes();
    let rest = bytes.get(from..).unwrap_or_default();
    let block = rest.first_chunk().copied().unwrap_or_else(|| block::last(rest));
    let before = from.checked_sub(1).and_then(|before| bytes.get(before)).copied();
    let mut begin = begin(&block, before, bytes.get(from + BLOCK).copied());
    while begin != 0 {
        let at = from + begin.trailing_zeros() as usize;
        begin &= begin - 1;
        let start = |hashes| Start { at: u32::try_from(at).unwrap_or(u32::MAX), hashes };
        starts.extend(beginning(text, at, clean).map(start));
    }
}
