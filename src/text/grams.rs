//! The texts of three or four bytes that a match begins with: tells words apart that have letters in common.

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde::{Deserialize, Serialize};

use super::first::holds;

/// Most texts that are kept.
const MOST: usize = 512;
/// Bits for each of them.
const SPREAD: usize = 8;
/// ASCII in lower case: other bytes fall together, which costs a trial and nothing more.
const LOWER: u32 = 0x2020_2020;
const HIGH: u32 = 0x8080_8080;

/// What stands at the beginning of every match of a pattern, or behind its first byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Grams {
    /// Bytes of the match before them.
    skip: u8,
    /// The bytes that count.
    mask: u32,
    /// By hash.
    bits: Vec<u64>,
}

impl Grams {
    /// Those of a pattern, for matches that begin anywhere or `inside` a text; `None` where there are too many.
    pub(super) fn new(hir: &Hir, inside: bool) -> Option<Self> {
        [(0, 4), (1, 4), (0, 3), (1, 3)].into_iter().find_map(|(skip, length)| {
            let mut walk = Walk { skip, length, inside, grams: Vec::new() };
            let rest = walk.walk(hir, vec![Begun::default()])?;
            // A match may be shorter.
            if !rest.is_empty() {
                return None;
            }
            let words = (walk.grams.len() * SPREAD / 64).next_power_of_two().max(4);
            let mask = if length == 4 { u32::MAX } else { 0x00ff_ffff };
            let mut grams = Self { skip, mask, bits: vec![0; words] };
            for gram in walk.grams {
                let bit = grams.bit(gram);
                grams.bits.get_mut(bit / 64).into_iter().for_each(|word| *word |= 1 << (bit % 64));
            }
            Some(grams)
        })
    }

    fn bit(&self, gram: u32) -> usize {
        // The highest bits depend on all of it.
        let bits = (self.bits.len() * 64).trailing_zeros();
        (gram.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
    }

    /// Whether a match may begin here, for all that these tell: of nothing but ASCII.
    pub(super) fn allow(&self, bytes: &[u8], start: usize) -> bool {
        let rest = bytes.get(start..).unwrap_or_default();
        let Some(four) = rest.get(usize::from(self.skip)..).and_then(|rest| rest.first_chunk::<4>()) else {
            return true;
        };
        let gram = u32::from_le_bytes(*four) & self.mask;
        if gram & HIGH != 0 || rest.first().is_some_and(|first| !first.is_ascii()) {
            return true;
        }
        let bit = self.bit((gram | LOWER) & self.mask);
        self.bits.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

/// The beginning of a match, as far as it was followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Begun {
    bytes: u8,
    gram: u32,
}

struct Walk {
    skip: u8,
    length: u8,
    inside: bool,
    grams: Vec<u32>,
}

impl Walk {
    /// Follows an expression from where matches have come to; `None` where that becomes too much. Beginnings that
    /// hold something besides ASCII are left out.
    fn walk(&mut self, hir: &Hir, begun: Vec<Begun>) -> Option<Vec<Begun>> {
        if begun.is_empty() {
            return Some(begun);
        }
        match hir.kind() {
            HirKind::Look(Look::Start) if self.inside => Some(Vec::new()),
            HirKind::Empty | HirKind::Look(_) => Some(begun),
            HirKind::Literal(literal) => {
                literal.0.iter().try_fold(begun, |begun, byte| self.then(&begun, &[*byte]))
            }
            HirKind::Class(class) => self.then(&begun, &ascii(class)),
            HirKind::Capture(capture) => self.walk(&capture.sub, begun),
            HirKind::Repetition(repetition) => {
                let mut ended = if repetition.min == 0 { begun.clone() } else { Vec::new() };
                let mut at = begun;
                for count in 1..=repetition.max.unwrap_or(u32::MAX) {
                    let next = self.walk(&repetition.sub, at.clone())?;
                    if count >= repetition.min {
                        ended.extend_from_slice(&next);
                    }
                    if next.is_empty() || next == at {
                        break;
                    }
                    at = next;
                }
                few(ended)
            }
            HirKind::Concat(parts) => parts.iter().try_fold(begun, |begun, part| self.walk(part, begun)),
            HirKind::Alternation(parts) => {
                let mut ended = Vec::new();
                for part in parts {
                    ended.extend(self.walk(part, begun.clone())?);
                }
                few(ended)
            }
        }
    }

    /// One byte more, any of some of ASCII.
    fn then(&mut self, begun: &[Begun], bytes: &[u8]) -> Option<Vec<Begun>> {
        let mut longer = Vec::new();
        for one in begun {
            if one.bytes < self.skip {
                let any = bytes.iter().any(u8::is_ascii);
                longer.extend(any.then_some(Begun { bytes: one.bytes + 1, gram: 0 }));
                continue;
            }
            for byte in bytes.iter().filter(|byte| byte.is_ascii()) {
                let place = 8 * u32::from(one.bytes - self.skip);
                let gram = one.gram | u32::from(byte | 0x20) << place;
                if one.bytes + 1 == self.skip + self.length {
                    self.grams.push(gram);
                } else {
                    longer.push(Begun { bytes: one.bytes + 1, gram });
                }
            }
        }
        self.grams.sort_unstable();
        self.grams.dedup();
        if self.grams.len() > MOST { None } else { few(longer) }
    }
}

fn few(mut begun: Vec<Begun>) -> Option<Vec<Begun>> {
    begun.sort_unstable();
    begun.dedup();
    (begun.len() <= MOST).then_some(begun)
}

/// The members of a class that are ASCII, in lower case.
fn ascii(class: &Class) -> Vec<u8> {
    let mut all: Vec<u8> = (0..0x80).filter(|byte| holds(class, *byte)).map(|byte| byte | 0x20).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::expression::Expression;

    fn begins(pattern: &str, text: &str) -> Option<Vec<usize>> {
        let grams = Grams::new(&Expression::new(pattern).unwrap().hir, false)?;
        Some((0..text.len()).filter(|start| grams.allow(text.as_bytes(), *start)).collect())
    }

    #[test]
    fn words_are_told_apart() {
        assert_eq!(begins("(?i)(?:tell|show) me", "that, Tell me; mehr: tehl").unwrap(), [6, 22, 23, 24]);
        // Behind a byte that can be nearly any. A few places too many are allowed.
        let text =
            "all that is read here is to be ordinary prose, ignore none of it, or forget it, and go on";
        let allowed = begins("(?:^|[^a-z0-9])(?:ignore|forget)", text).unwrap();
        assert!(
            allowed.contains(&46) && allowed.contains(&68) && allowed.len() < text.len() / 3,
            "{allowed:?}"
        );
        // A letter that is none of ASCII is left to the pattern.
        assert_eq!(begins("(?i)(?:kelvin|mask)s", "\u{212a}elvins or elvins").unwrap()[..3], [0, 1, 2]);
    }

    #[test]
    fn what_begins_with_anything_is_not_told() {
        assert_eq!(begins("[a-z]{2,12}gpt", "chatgpt"), None);
        assert_eq!(begins("ab|abcdef", "ab"), None);
    }
}
