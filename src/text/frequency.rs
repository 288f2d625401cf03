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
/// What looking for one or two bytes costs.
const SINGLE: f64 = 5e-3;

/// Texts that stand more often than their pairs tell, by how often they do in a million bytes of prose and code, rounded.
const COMMON: [(f64, &[&str]); 7] = [
    (10000e-6, &["the"]),
    (5000e-6, &["and", "you"]),
    (3000e-6, &["for", "that", "this"]),
    (
        2000e-6,
        &[
            "with",
            "not",
            "your",
            "are",
            "all",
            "what",
            "have",
            "from",
            "can",
            "but",
            "http",
            "://",
            "](http",
            "](https://",
        ],
    ),
    (
        1000e-6,
        &[
            "will", "when", "use", "any", "one", "how", "our", "out", "more", "then", "they", "about",
            "would", "there", "which", "their", "like", "some", "here", "just", "know", "get", "time", "who",
            "now", "she", "him", "her", "his", "was", "were", "has", "had", "its", "only", "also", "into",
            "than", "them", "these", "other", "write", "make", "give", "tell", "need", "want", "please",
            "could", "should", "first", "word", "part", "say", "see", "way", "new", "each", "every",
        ],
    ),
    (
        500e-6,
        &[
            "list",
            "type",
            "text",
            "name",
            "file",
            "code",
            "data",
            "user",
            "next",
            "same",
            "such",
            "after",
            "before",
            "above",
            "down",
            "over",
            "back",
            "most",
            "much",
            "many",
            "very",
            "good",
            "help",
            "find",
            "work",
            "show",
            "take",
            "said",
            "people",
            "person",
            "play",
            "read",
            "send",
            "long",
            "line",
            "last",
            "must",
            "even",
            "well",
            "world",
            "letter",
            "answer",
            "question",
            "system",
            "story",
            "create",
            "following",
            "provide",
            "explain",
            "describe",
            "sentence",
            "string",
            "number",
            "return",
            "value",
            "print",
            "output",
            "input",
            "call",
            "set",
            "end",
            "key",
            "act",
            "add",
            "put",
        ],
    ),
    (
        200e-6,
        &[
            "instruction",
            "respond",
            "response",
            "reply",
            "message",
            "prompt",
            "ignore",
            "secret",
            "password",
            "model",
            "rule",
            "character",
            "language",
            "content",
            "information",
            "developer",
            "repeat",
            "english",
            "translate",
            "example",
            "access",
            "www.",
            "_key",
            "error",
            "test",
            "note",
            "mode",
            "free",
            "follow",
            "without",
            "never",
            "always",
            "between",
            "using",
            "based",
        ],
    ),
];

/// What is left of that share with so many more bytes.
const MORE: [f64; 4] = [1.0, 0.3, 0.1, 0.03];

/// Length from which on a literal is found by grams of four bytes.
pub(super) const SIEVED: usize = 5;

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

/// The place in a literal from which on the two grams of four bytes are the rarest, and how often they stand.
pub(super) fn rarest(bytes: &[u8]) -> (usize, f64) {
    let mut best = (0, f64::MAX);
    for (at, window) in bytes.windows(SIEVED).enumerate() {
        if let [a, b, c, d, e] = *window {
            // Of two neighbours one is looked up.
            let share = (triple(a, b, c) * after(c, d) + triple(b, c, d) * after(d, e)) / 2.0;
            if share < best.1 {
                best = (at, share);
            }
        }
    }
    best
}

/// The place in a literal from which on three bytes are the rarest.
pub(super) fn rarest_three(bytes: &[u8]) -> usize {
    let mut best = (0, f64::MAX);
    for (at, window) in bytes.windows(3).enumerate() {
        if let [a, b, c] = *window
            && triple(a, b, c) < best.1
        {
            best = (at, triple(a, b, c));
        }
    }
    best.0
}

/// Estimated share of positions at which a word begins with these three or four bytes.
pub(super) fn part_of_word(bytes: &[u8]) -> f64 {
    match *bytes {
        [a, b, c, d] => triple(a, b, c) * after(c, d),
        [a, b, c] => triple(a, b, c),
        _ => 1.0,
    }
}

/// Estimated share of positions at which a literal stands.
pub(super) fn hits(bytes: &[u8]) -> f64 {
    let Some(first) = bytes.first() else { return 1.0 };
    let next = |[one, two]: &[u8; 2]| after(*one, *two);
    let pairs = bytes.windows(2).filter_map(|two| two.first_chunk());
    let share = pairs.map(next).fold(single(*first) * part(*first), |share, next| share * next);
    let longest = |words: &&[&str]| {
        let counts = |word: &&str| word.len() <= bytes.len() && word.len() + MORE.len() > bytes.len();
        let words = words.iter().copied().filter(counts);
        words.filter(|word| contains(bytes, word.as_bytes())).map(str::len).max()
    };
    // A literal that is little longer stands nearly as often.
    let common = COMMON.iter().filter_map(|(share, words)| {
        let more = bytes.len() - longest(words)?;
        Some(share * MORE.get(more).copied().unwrap_or_default())
    });
    common.fold(share, f64::max)
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text))
}

/// Estimated share of places behind the first byte at which the second stands.
fn after(one: u8, two: u8) -> f64 {
    pair(one, two) / single(one).max(1e-9)
}

/// Estimated share of positions that are looked at for a literal.
pub(super) fn cost(bytes: &[u8]) -> f64 {
    match *bytes {
        [] => f64::MAX,
        [one] => single(one) * part(one) + SINGLE,
        [one, two] => pair(one, two) + SINGLE,
        [a, b, c] => triple(a, b, c) + ONE_MORE,
        [a, b, c, d] => triple(a, b, c).min(triple(b, c, d)) + ONE_MORE,
        _ => rarest(bytes).1 + ONE_MORE,
    }
}

/// How many bytes of a set stand in a row on average, `most` at most.
pub(super) fn run(set: &ByteSet, most: usize) -> f64 {
    // Prose has longer runs than manuals and code, by which the shares were measured.
    let share = 1.0 - (1.0 - in_set(set)) / 3.0;
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

/// The share of places next to which a byte of a set stands; of those at the border of a `word`, about all of which stand
/// by themselves in prose, among what stands between words.
pub(super) fn side(set: &ByteSet, word: bool) -> f64 {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric();
    let between = || in_set(&set.without(in_word)) / in_set(&ByteSet::ALL.without(in_word)).max(1e-9);
    let share = in_set(set);
    if word { share.max(between()) } else { share }.min(1.0)
}

/// The share of bytes that are in a set.
fn in_set(set: &ByteSet) -> f64 {
    (0..=u8::MAX).filter(|byte| set.contains(*byte)).map(|byte| single(byte) * part(byte)).sum()
}

/// What a byte has of the share of its class.
fn part(byte: u8) -> f64 {
    match byte {
        b'a'..=b'z' | b' '..=b'?' => 0.95,
        b'A'..=b'Z' | 0..b' ' => 0.05,
        b'@' => 0.05,
        b'`' => 0.95,
        ..0x80 => 0.5,
        _ => 1.0 / 64.0,
    }
}
