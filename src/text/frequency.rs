//! How often bytes follow each other in prose and code.
//!
//! `frequency.bin` holds -8 log2 of the share of each pair of classes of bytes, measured over 16 MB of manuals, READMEs
//! and Rust sources of public projects. Classes: the 64 values that ASCII has when bit 5 is set, and two for other bytes.

use super::first::ByteSet;

const CLASSES: usize = 66;
const PAIRS: &[u8; CLASSES * CLASSES] = include_bytes!("frequency.bin");
/// Longest run that is counted.
const MAX_RUN: usize = 1024;
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

/// How many bytes of a set stand in a row on average, `most` at most.
pub(super) fn run(set: &ByteSet, most: usize) -> f64 {
    let share = in_set(set);
    let (mut places, mut one) = (0.0, 1.0);
    for _ in 0..most.min(MAX_RUN) {
        one *= share.min(1.0);
        places += one;
    }
    places
}

/// The share of places at which each of these sets has the byte there.
pub(super) fn share(sets: &[ByteSet]) -> f64 {
    sets.iter().map(|set| in_set(set).min(1.0)).product()
}

/// The share of bytes that are in a set.
fn in_set(set: &ByteSet) -> f64 {
    // What a byte has of the share of its class.
    let part = |byte: u8| match byte {
        b'a'..=b'z' | b' '..=b'?' => 0.95,
        b'A'..=b'Z' | 0..b' ' => 0.05,
        ..0x80 => 0.5,
        _ => 1.0 / 64.0,
    };
    (0..=u8::MAX).filter(|byte| set.contains(*byte)).map(|byte| single(byte) * part(byte)).sum()
}
