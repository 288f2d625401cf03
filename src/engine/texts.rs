//! Texts with which scanners are tested.

use proptest::prelude::*;
use proptest::sample::Index;

/// Texts with many hits and near misses: pieces of the rules' own examples between what disguises and separates.
pub(super) struct Texts(Vec<String>);

/// A piece, how much of it, and how it is written.
pub(super) type Part = (Index, f64, f64, u8, u8);

/// A long piece: how much of it, how it is spelt, and how it is laid out.
pub(super) type LongPart = (Index, u16, u8, u8);

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
            "\u{1b}[32m",
            "\u{1b}[K",
            "\\u001b[1;31m",
            "\\n",
        ];
        pieces.extend(noise.map(str::to_owned));
        Self(pieces)
    }

    pub(super) fn parts(&self) -> impl Strategy<Value = Vec<Part>> + use<> {
        proptest::collection::vec((any::<Index>(), 0.0..1.0f64, 0.0..1.0f64, 0..12u8, 0..=u8::MAX), 1..12)
    }

    pub(super) fn text(&self, parts: &[Part]) -> String {
        let mut text = String::new();
        for (piece, from, to, how, code) in parts {
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
                8 => text.push_str(&encoded(&piece, *code)),
                9 => text.push_str(&encoded(&encoded(&piece, *code), code / 16)),
                10 => text = encoded(&text, *code),
                _ => text.push_str(&piece),
            }
        }
        text
    }
}

impl Texts {
    pub(super) fn long_parts(&self) -> impl Strategy<Value = Vec<LongPart>> + use<> {
        let bytes = prop_oneof![6 => 1..200u16, 3 => 200..2000u16, 1 => 2000..12_000u16];
        proptest::collection::vec((any::<Index>(), bytes, 0..=u8::MAX, 0..=u8::MAX), 1..6)
    }

    /// A text with long encoded parts, in one line and in many, and with text near multiples of what is looked at together.
    pub(super) fn long_text(&self, parts: &[LongPart]) -> String {
        let mut text = String::new();
        for (piece, bytes, code, layout) in parts {
            let bytes = usize::from(*bytes);
            let mut said = String::new();
            while said.len() < bytes {
                said.push_str(piece.get::<String>(&self.0));
                said.push(if layout & 1 == 0 { ' ' } else { '\n' });
            }
            let mut coded = match code % 16 {
                12 => said,
                13 => encoded(&encoded(&said, code / 16), 0),
                14 => encoded(&encoded(&said, 0), code / 16),
                _ => encoded(&said, *code),
            };
            let wrapped = |width: usize, end: &str| {
                let chars: Vec<char> = coded.chars().collect();
                chars
                    .chunks(width)
                    .flat_map(|line| line.iter().copied().chain(end.chars()))
                    .collect::<String>()
            };
            match layout / 2 % 8 {
                0 => coded = wrapped(76, "\n"),
                1 => coded = wrapped(64, "\r\n"),
                2 => coded = wrapped(usize::from(*layout) + 1, "\n  "),
                3 if coded.len() < 400 => coded = wrapped(1, "\n"),
                4 => coded.push('\n'),
                5 => coded.push_str(
                    "\nan ordinary line, long enough to be looked at alone, with nothing in it at all\n",
                ),
                6 => {
                    // What follows stands where parts are cut.
                    let step = if layout & 16 == 0 { 8192 } else { 6144 };
                    let filler = (step - text.len() % step).saturating_sub(usize::from(*code) % 48);
                    text.push_str(&"é filler ".repeat(filler / 10));
                    text.push_str(&"x".repeat(filler % 10));
                }
                _ => {}
            }
            text.push_str(&coded);
        }
        text
    }
}

/// A piece as one of many encodings spells it.
fn encoded(piece: &str, how: u8) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let chars = |one: &dyn Fn(char) -> String| piece.chars().map(one).collect::<String>();
    let leet = [('i', '1'), ('o', '0'), ('e', '3'), ('a', '4'), ('s', '5'), ('t', '7')];
    match how % 12 {
        0 => {
            let groups = piece.as_bytes().chunks(3).map(|group| {
                let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
                let bits = bits << (24 - 8 * group.len());
                let digit = |at: usize| char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]);
                (0..=group.len()).map(digit).collect::<String>()
            });
            groups.collect()
        }
        1 => piece.bytes().map(|byte| format!("{byte:02x}")).collect(),
        2 => piece.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        3 => chars(&|c| {
            if c.is_ascii_lowercase() { c.to_string() } else { format!("%{:02X}", c as u32 & 255) }
        }),
        4 => chars(&|c| format!("&#{};", c as u32)),
        5 => chars(&|c| format!("\\u{{{:x}}}", c as u32)),
        6 => chars(&|c| match c {
            'a'..='z' => char::from((c as u8 - b'a' + 13) % 26 + b'a').to_string(),
            'A'..='Z' => char::from((c as u8 - b'A' + 13) % 26 + b'A').to_string(),
            other => other.to_string(),
        }),
        7 => piece.chars().rev().collect(),
        8 => {
            chars(&|c| leet.iter().find(|(letter, _)| *letter == c).map_or(c, |(_, sign)| *sign).to_string())
        }
        9 => chars(&|c| format!("{c} ")),
        10 => chars(&|c| char::from_u32(0xe0000 + (c as u32 & 127)).unwrap().to_string()),
        _ => format!("\u{202e}{}\u{202c}", piece.chars().rev().collect::<String>()),
    }
}
