//! Eight bytes of a text at once. Of a set of them, the highest bit of each byte counts.

/// The highest bit of each byte.
pub(super) const HIGH: u64 = every(0x80);

pub(super) const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Digits.
#[inline]
pub(super) fn digits(eight: u64) -> u64 {
    let seven = eight & !HIGH;
    (seven + every(0x50)) & !(seven + every(0x46)) & !eight & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = [b' '; 8];
                bytes[place] = byte;
                let eight = u64::from_le_bytes(bytes);
                let one = |is: bool| if is { 0x80 << (8 * place) } else { 0 };
                assert_eq!(digits(eight), one(byte.is_ascii_digit()), "{byte:#x}");
            }
        }
    }
}
