//! How often bytes follow each other in prose and code.
//!
//! `frequency.bin` holds -8 log2 of the share of each pair of classes of bytes, measured over 16 MB of manuals, READMEs
//! and Rust sources of public projects. Classes: the 64 values that ASCII has when bit 5 is set, and two for other bytes.

const CLASSES: usize = 66;
const PAIRS: &[u8; CLASSES * CLASSES] = include_bytes!("frequency.bin");
/// What looking for one more literal costs, as a share of positions.
const ONE_MORE: f64 = 2e-6;
/// What looking for a literal costs that is too short for the sieve.
const SHORT: f64 = 5e-4;

/// Length from which on a literal is found by the sieve.
pub(super) const SIEVED: usize = 4;

fn class(byte: u8) -> usize {
    match byte | 0x20 {
        byte @ ..0x40 => usize::from(byte & 0x1f),
        byte @ ..0x80 => usize::from(byte & 0x1f) + 32,
        ..0xc0 => 64,
        _ => 65,
    }
}

/// 2^(-bits / 8), computed alike on every machine: what is chosen by it may be prepared on another one.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const SHARES: [f64; 256] = {
    let mut shares = [1.0; 256];
    let mut bits = 1;
    while bits < shares.len() {
        shares[bits] =
            if bits % 8 == 0 { shares[bits - 8] / 2.0 } else { shares[bits - 1] * 0.917_004_043_204_671_2 };
        bits += 1;
    }
    shares
};
/// The share of each class.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const SINGLES: [f64; CLASSES] = {
    let mut singles = [0.0; CLASSES];
    let mut at = 0;
    while at < PAIRS.len() {
        singles[at / CLASSES] += SHARES[PAIRS[at] as usize];
        at += 1;
    }
    singles
};

pub(super) fn pair(one: u8, two: u8) -> f64 {
    let bits = PAIRS.get(class(one) * CLASSES + class(two)).copied().unwrap_or(u8::MAX);
    SHARES.get(usize::from(bits)).copied().unwrap_or_default()
}

fn single(byte: u8) -> f64 {
    SINGLES.get(class(byte)).copied().unwrap_or_default()
}

/// Estimated share of positions at which these three bytes stand, in any case.
fn triple(one: u8, two: u8, three: u8) -> f64 {
    pair(one, two) * pair(two, three) / single(two).max(1e-9)
}

/// The place in a literal from which on four bytes are the rarest, and their cost.
pub(super) fn rarest(bytes: &[u8]) -> (usize, f64) {
    let mut best = (0, f64::MAX);
    for (at, window) in bytes.windows(SIEVED).enumerate() {
        if let [a, b, c, d] = *window {
            let cost = triple(a, b, c) + triple(b, c, d);
            if cost < best.1 {
                best = (at, cost);
            }
        }
    }
    best
}

/// What looking for a literal costs, as a share of positions.
pub(super) fn cost(bytes: &[u8]) -> f64 {
    match *bytes {
        [] => f64::MAX,
        [one] => single(one) * 2.0 + SHORT,
        [one, two] => pair(one, two) * 2.0 + SHORT,
        [one, two, three] => triple(one, two, three) * 2.0 + SHORT,
        _ => rarest(bytes).1 + ONE_MORE,
    }
}
