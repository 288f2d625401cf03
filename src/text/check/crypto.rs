//! Addresses of cryptocurrencies.

use sha2::{Digest, Sha256};

/// An address of Bitcoin or Ethereum.
pub(super) fn crypto(text: &str) -> bool {
    if text.trim().starts_with("0x") { eth(text) } else { btc(text) }
}

/// A Bitcoin address: Base58Check with a version of the main network, or Bech32 and Bech32m of the prefix `bc`
/// (BIP 173, BIP 350).
fn btc(text: &str) -> bool {
    let text = text.trim();
    match text.get(..3).map(str::to_ascii_lowercase).as_deref() {
        Some("bc1") => bech32(text),
        _ => base58check(text),
    }
}

/// Base58 of a version, twenty bytes and four of their double SHA-256.
fn base58check(text: &str) -> bool {
    const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0_u8; 25];
    for c in text.chars() {
        let Some(value) = ALPHABET.find(c) else { return false };
        let carry = bytes.iter_mut().rev().fold(value, |carry, byte| {
            let value = usize::from(*byte) * 58 + carry;
            *byte = u8::try_from(value & 0xff).unwrap_or_default();
            value >> 8
        });
        if carry != 0 {
            return false;
        }
    }
    let (body, check) = bytes.split_at(21);
    let hash = Sha256::digest(Sha256::digest(body));
    matches!(body.first(), Some(0 | 5)) && hash.starts_with(check)
}

fn bech32(text: &str) -> bool {
    const ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let lower = text.to_ascii_lowercase();
    if text.chars().any(|c| c.is_ascii_lowercase()) && text.chars().any(|c| c.is_ascii_uppercase()) {
        return false;
    }
    let Some(data) = lower.strip_prefix("bc1").filter(|data| (12..=87).contains(&data.len())) else {
        return false;
    };
    let data: Option<Vec<u32>> =
        data.chars().map(|c| ALPHABET.find(c).and_then(|value| u32::try_from(value).ok())).collect();
    let Some(data) = data else { return false };
    // The prefix `bc`, spread out: high bits, zero, low bits.
    let state = [3, 3, 0, 2, 3].into_iter().chain(data).fold(1_u32, |state, value| {
        let top = state >> 25;
        GENERATOR.iter().enumerate().fold((state & 0x01ff_ffff) << 5 ^ value, |state, (bit, generator)| {
            if top >> bit & 1 == 1 { state ^ generator } else { state }
        })
    });
    matches!(state, 1 | 0x2bc8_30a3)
}

/// An Ethereum address: forty hexadecimal digits, in mixed case with the checksum of EIP-55.
fn eth(text: &str) -> bool {
    let Some(digits) = text.trim().strip_prefix("0x").filter(|digits| digits.len() == 40) else {
        return false;
    };
    let cased = |test: fn(&u8) -> bool| digits.as_bytes().iter().any(test);
    if !(cased(u8::is_ascii_lowercase) && cased(u8::is_ascii_uppercase)) {
        return digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && cased(u8::is_ascii_digit);
    }
    let hash = keccak_256(digits.to_ascii_lowercase().as_bytes());
    digits.bytes().enumerate().all(|(at, byte)| {
        let hash = hash.get(at / 2).map_or(0, |byte| if at % 2 == 0 { byte >> 4 } else { byte & 15 });
        byte.is_ascii_digit() || byte.is_ascii_hexdigit() && byte.is_ascii_uppercase() == (hash > 7)
    })
}

/// Keccak-256 of up to 135 bytes, as it was before SHA-3 changed the padding (the Keccak reference, version 3.0).
fn keccak_256(bytes: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 136];
    block.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    block.iter_mut().skip(bytes.len()).take(1).for_each(|byte| *byte ^= 1);
    block.iter_mut().skip(135).for_each(|byte| *byte ^= 0x80);
    let mut state = [0_u64; 25];
    for (lane, eight) in state.iter_mut().zip(block.as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*eight);
    }
    permute(&mut state);
    let mut hash = [0_u8; 32];
    for (eight, lane) in hash.as_chunks_mut::<8>().0.iter_mut().zip(state) {
        *eight = lane.to_le_bytes();
    }
    hash
}

/// Keccak-f[1600].
fn permute(state: &mut [u64; 25]) {
    /// Where lanes go, one after the other from lane 1, and how far they turn.
    const TURNS: [(usize, u32); 24] = [
        (10, 1),
        (7, 3),
        (11, 6),
        (17, 10),
        (18, 15),
        (3, 21),
        (5, 28),
        (16, 36),
        (8, 45),
        (21, 55),
        (24, 2),
        (4, 14),
        (15, 27),
        (23, 41),
        (19, 56),
        (13, 8),
        (12, 25),
        (2, 43),
        (20, 62),
        (14, 18),
        (22, 39),
        (9, 61),
        (6, 20),
        (1, 44),
    ];
    let lane = |state: &[u64; 25], at: usize| state.get(at % 25).copied().unwrap_or_default();
    let mut feedback = 1_u8;
    for _ in 0..24 {
        let before = *state;
        let column = |x: usize| (0..5).fold(0, |sum, y| sum ^ lane(&before, x % 5 + 5 * y));
        for (at, value) in state.iter_mut().enumerate() {
            *value ^= column(at % 5 + 4) ^ column(at % 5 + 1).rotate_left(1);
        }
        let mut held = lane(state, 1);
        for (to, turn) in TURNS {
            if let Some(place) = state.get_mut(to) {
                held = std::mem::replace(place, held.rotate_left(turn));
            }
        }
        let before = *state;
        for (at, value) in state.iter_mut().enumerate() {
            let row = at / 5 * 5;
            *value ^= !lane(&before, row + (at + 1) % 5) & lane(&before, row + (at + 2) % 5);
        }
        // The round constant has bits at 2^i - 1, drawn from a shift register of eight bits.
        for power in 0..7_u32 {
            if feedback & 1 == 1
                && let Some(first) = state.first_mut()
            {
                *first ^= 1 << ((1_u32 << power) - 1);
            }
            feedback = feedback << 1 ^ if feedback & 0x80 == 0 { 0 } else { 0x71 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitcoin() {
        // The first block's reward, BIP 16, BIP 173 and BIP 350.
        for good in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        ] {
            assert!(btc(good), "{good}");
        }
        for bad in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "1111111111111111111111111111111",
        ] {
            assert!(!btc(bad), "{bad}");
        }
    }

    #[test]
    fn ethereum() {
        // Examples of EIP-55.
        assert!(eth("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"));
        assert!(eth("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"));
        assert!(eth("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"));
        assert!(!eth("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed") && !eth("0x5aAeb6053F3E94C9b9A0"));
    }
}
