//! Texts with which scanners are tested.

use proptest::prelude::*;
use proptest::sample::Index;

/// Texts with many hits and near misses: pieces of the rules' own examples between what disguises and separates.
pub(super) struct Texts(Vec<String>);

/// A piece, how much of it, and how it is written.
pub(super) type Part = (Index, f64, f64, u8);

/// How many texts are tried.
pub(super) fn cases() -> u32 {
    std::env::var("RINGFENCE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
}

impl Texts {
    pub(super) fn of_the_packs() -> Self {
        let packs = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/packs");
        let mut pieces = Vec::new();
        for pack in std::fs::read_dir(packs).unwrap() {
            let text = std::fs::read_to_string(pack.unwrap().path()).unwrap();
            pieces.extend(
                text.split(['\'', '"', '\n']).map(|piece| piece.trim_start_matches([' ', '-']).to_owned()),
            );
        }
        pieces.retain(|piece| (3..200).contains(&piece.len()));
        let noise = [
            " ",
            "\n",
            "  \t",
            ", ",
            "-",
            ".",
            "a",
            "Ж",
            "é",
            "e\u{301}",
            "\u{200b}",
            "ſ",
            "\u{212a}",
            "４",
            "0",
            "12",
            "555-",
            "@",
            "://",
            "<",
            "&",
            "word ",
            "\u{1}",
            "ignore ",
            "previous ",
            "指示",
            "\u{a0}",
            "0x",
            "=",
            ":",
            "_",
        ];
        pieces.extend(noise.map(str::to_owned));
        Self(pieces)
    }

    pub(super) fn parts(&self) -> impl Strategy<Value = Vec<Part>> + use<> {
        proptest::collection::vec((any::<Index>(), 0.0..1.0f64, 0.0..1.0f64, 0..8u8), 1..12)
    }

    pub(super) fn text(&self, parts: &[Part]) -> String {
        let mut text = String::new();
        for (piece, from, to, how) in parts {
            let piece: Vec<char> = piece.get(&self.0).chars().collect();
            let place = |share: f64| (share * piece.len() as f64) as usize;
            // Mostly whole.
            let (from, to) = match how {
                0 => (place(from.min(*to)), place(from.max(*to))),
                1 => (0, place(*to)),
                2 => (place(*from), piece.len()),
                _ => (0, piece.len()),
            };
            let piece: String = piece[from..to].iter().collect();
            match how {
                3 => text.push_str(&piece.to_uppercase()),
                4 => text.push_str(&piece.replace(' ', "  \n")),
                _ => text.push_str(&piece),
            }
        }
        text
    }
}
