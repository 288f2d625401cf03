//! Sixty-four bytes of a text at once. A set of them has a bit for each, the first one lowest.

use wide::u8x16;

pub(super) const BLOCK: usize = 64;

/// What is left of a text behind its blocks as one more, with spaces behind it.
pub(super) fn last(rest: &[u8]) -> [u8; BLOCK] {
    let mut last = [b' '; BLOCK];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    last
}

/// Those that are none of ASCII.
#[inline]
pub(super) fn high(block: &[u8; BLOCK]) -> u64 {
    each(block, |bytes| bytes)
}

/// Those from `LOW` to `HIGH`.
#[inline]
pub(super) fn within<const LOW: u8, const HIGH: u8>(block: &[u8; BLOCK]) -> u64 {
    each(block, are_within::<LOW, HIGH>)
}

/// Digits.
#[inline]
pub(super) fn digits(block: &[u8; BLOCK]) -> u64 {
    within::<b'0', b'9'>(block)
}

/// Letters and digits of ASCII.
#[inline]
pub(super) fn letters_and_digits(block: &[u8; BLOCK]) -> u64 {
    each(block, |bytes| {
        // Capitals differ by one bit.
        let lower = bytes | u8x16::splat(0x20);
        are_within::<b'a', b'z'>(lower) | are_within::<b'0', b'9'>(bytes)
    })
}

/// The set that the highest bits of sixteen bytes after the other are.
#[inline]
fn each(block: &[u8; BLOCK], of: impl Fn(u8x16) -> u8x16) -> u64 {
    let parts = block.as_chunks::<16>().0.iter();
    (0..)
        .step_by(16)
        .zip(parts)
        .fold(0, |all, (at, part)| all | u64::from(of(u8x16::new(*part)).to_bitmask()) << at)
}

#[inline]
fn are_within<const LOW: u8, const HIGH: u8>(bytes: u8x16) -> u8x16 {
    const { assert!(LOW <= HIGH, "a range") };
    // What is below becomes large.
    let above = bytes - u8x16::splat(LOW);
    above.min(u8x16::splat(HIGH - LOW)).simd_eq(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK {
                let mut block = [b' '; BLOCK];
                block[place] = byte;
                // A set by its definition.
                let those = |is: &dyn Fn(&u8) -> bool| {
                    block.iter().enumerate().fold(0, |all, (at, byte)| all | u64::from(is(byte)) << at)
                };
                assert_eq!(high(&block), those(&|byte| !byte.is_ascii()), "{byte:#x}");
                assert_eq!(digits(&block), those(&u8::is_ascii_digit), "{byte:#x}");
                assert_eq!(letters_and_digits(&block), those(&u8::is_ascii_alphanumeric), "{byte:#x}");
                assert_eq!(within::<0, 0x2f>(&block), those(&|byte| *byte < b'0'), "{byte:#x}");
                assert_eq!(within::<0xfe, 0xff>(&block), those(&|byte| *byte > 0xfd), "{byte:#x}");
            }
        }
    }
}
