//! Texts to scan, made from a seed: prose and code with the word statistics of real ones, planted hits, and attacks.
//!
//! No two documents are equal: a loop over one text would leave caches warm and flatter whatever is measured.

use std::fmt::Write as _;

/// Common English words, the most frequent first.
const COMMON: &str = "the of and to a in is that it for you was with on as are be this have or at from by not but what all \
    were when we there can an your which their said if do will each about how up out them then she many some so these \
    would other into has more her two like him see time could no make than first been its who now people my made over \
    did down only way find use may water long little very after words called just where most know get through back much \
    before go good new write our used me man too any day same right look think also around another came come work three \
    word must because does part even place well such here take why things help put years different away again off went \
    old number great tell men say small every found still between name should home big give air line set own under read \
    last never us left end along while might next sound below saw something thought both few those always looked show \
    large often together asked house world going want school important until form food keep children feet land side \
    without boy once animals life enough took sometimes four head above kind began almost live page got earth need far \
    hand high year mother light parts country father let night following picture being study second eyes soon times \
    story boys since white days ever paper hard near sentence better best across during today others however sure means \
    knew try told young miles sun ways thing whole hear example heard several change answer room sea against top turned \
    learn point city play toward five using himself usually money seen car morning body upon family later turn move face \
    door cut done group true half red fish plants living wanted start order system project build file user data value \
    server version install default support option process error result message report service request response account \
    customer delivery contract invoice package library function test table search update release configuration \
    documentation environment interface directory policy agent model tool session record network password token key \
    address email phone instructions previous ignore rules output input developer admin secret act role pretend";

/// Beginnings, middles and ends of rarer words.
const SYLLABLES: [&[&str]; 3] = [
    &[
        "con", "pre", "re", "in", "trans", "sub", "ex", "per", "dis", "over", "un", "inter", "pro", "a",
        "de", "mis",
    ],
    &[
        "tri", "ven", "duc", "port", "scri", "form", "ject", "mit", "cede", "lat", "grav", "tain", "fer",
        "ston", "kel", "mar",
    ],
    &[
        "tion", "ing", "ment", "al", "able", "er", "ed", "ly", "ous", "ive", "ness", "s", "ity", "ant",
        "ure", "ism",
    ],
];

/// A small generator of numbers (SplitMix64): the same texts on every machine.
#[derive(Debug, Clone)]
pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    pub fn of(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet = alphabet.as_bytes();
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

/// Makes texts.
pub struct Writer {
    seed: Seed,
    common: Vec<&'static str>,
}

impl Writer {
    pub fn new(seed: u64) -> Self {
        Self { seed: Seed(seed), common: COMMON.split_whitespace().collect() }
    }

    /// A word: mostly common ones, by Zipf's law, and one in six made up.
    fn word(&mut self) -> String {
        if self.seed.one_in(6) {
            let mut word = String::new();
            for part in SYLLABLES {
                word.push_str(self.seed.pick(part));
            }
            return word;
        }
        let count = self.common.len() as f64;
        let share = (self.seed.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = ((count + 2.7).powf(share) * 2.7_f64.powf(1.0 - share) - 2.7) as usize;
        self.common[rank.min(self.common.len() - 1)].to_owned()
    }

    fn identifier(&mut self) -> String {
        let (one, two) = (self.word(), self.word());
        match self.seed.below(5) {
            0 => one,
            1 => format!("{one}_{two}"),
            2 => format!("{one}{}{}", two[..1].to_uppercase(), &two[1..]),
            3 => format!("{}{}", one[..1].to_uppercase(), &one[1..]),
            _ => format!("{one}_{two}").to_uppercase(),
        }
    }

    fn sentence(&mut self, text: &mut String) {
        let words = 5 + self.seed.below(18);
        for number in 0..words {
            let word = self.word();
            match self.seed.below(90) {
                _ if number == 0 => {
                    text.push_str(&word[..1].to_uppercase());
                    text.push_str(&word[1..]);
                }
                0 => {
                    let _ = write!(text, "{}", 1 + self.seed.below(2030));
                }
                1 => {
                    let _ = write!(text, "`{}`", self.identifier());
                }
                2 => {
                    let _ = write!(text, "({word})");
                }
                3 => {
                    let _ = write!(text, "{}.{}", self.seed.below(40), self.seed.below(20));
                }
                4 if self.seed.one_in(4) => {
                    let _ = write!(text, "https://{}.org/{}/{}", word, self.word(), self.word());
                }
                _ => text.push_str(&word),
            }
            let last = number + 1 == words;
            match self.seed.below(14) {
                _ if last => text.push_str(if self.seed.one_in(12) { ": " } else { ". " }),
                0 => text.push_str(", "),
                1 if self.seed.one_in(6) => text.push_str(" - "),
                _ => text.push(' '),
            }
        }
    }

    /// Running text of about so many bytes.
    pub fn prose(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 256);
        while text.len() < bytes {
            match self.seed.below(12) {
                0 => {
                    let _ = write!(text, "\n\n## {} {}\n\n", self.word(), self.word());
                }
                1 => text.push_str("\n- "),
                2..=4 => text.push_str("\n\n"),
                _ => {}
            }
            self.sentence(&mut text);
        }
        text.truncate(bytes);
        text
    }

    /// Source code of about so many bytes.
    pub fn code(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 256);
        let mut depth = 0_usize;
        while text.len() < bytes {
            text.extend(std::iter::repeat_n("    ", depth));
            let [a, b, c, d] = [0; 4].map(|_| self.identifier());
            let digits = 1 + self.seed.below(12);
            let number = self.seed.below(1 << digits);
            let line = match self.seed.below(15) {
                0 => format!("fn {a}({b}: &{c}) -> Result<{d}, Error> {{"),
                1 => format!("if {a}.{b}() == {number} && !{c} {{"),
                2 => format!("for {a} in {b}.{c}({d}) {{"),
                3 => format!("// {}", self.prose(40).replace('\n', " ")),
                4 => format!("let {a} = {b}.{c}({d}, {number})?;"),
                5 => format!("const {}: u32 = 0x{:04x};", a.to_uppercase(), number),
                6 => format!("self.{a}.{b} = {c}[{d} + {number}];"),
                7 => format!("{a}::{b}({c}, \"{}\");", self.prose(18).replace('\n', " ")),
                8 => format!("use {a}::{b}::{{{c}, {d}}};"),
                9 => format!("return {a} * {number} - {b};"),
                10 => format!("\"{a}\": \"{b}\","),
                11 => format!("{a} = {b} if {c} else {d}"),
                12 => format!("assert_eq!({a}({b}), {number});"),
                13 => String::new(),
                _ => "}".to_owned(),
            };
            if line == "}" {
                depth = depth.saturating_sub(1);
            } else if line.ends_with('{') {
                depth = (depth + 1).min(6);
            }
            text.push_str(&line);
            text.push('\n');
        }
        text.truncate(bytes);
        text
    }

    /// Prose with something to find about every 110 bytes.
    pub fn dense(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 256);
        while text.len() < bytes {
            let words = self.prose(70);
            text.push_str(&words);
            text.push(' ');
            let planted = self.planted();
            text.push_str(&planted);
            text.push(' ');
        }
        text
    }

    /// Something that rules find.
    fn planted(&mut self) -> String {
        const ALPHANUMERIC: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789";
        const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let seed = &mut self.seed;
        match seed.below(8) {
            0 | 1 => format!("{}@{}.com", seed.of("abcdefghklmnoprstu", 8), seed.of("abcdeghiklmnoprstu", 9)),
            2 => format!("{}-{:02}-{}", 212 + seed.below(400), 11 + seed.below(80), 1000 + seed.below(8999)),
            3 => {
                let body = format!("4{}", seed.of("0123456789", 14));
                let sum: u32 = body
                    .bytes()
                    .enumerate()
                    .map(|(at, digit)| {
                        let digit = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
                        digit / 10 + digit % 10
                    })
                    .sum();
                format!("{body}{}", (10 - sum % 10) % 10)
            }
            4 => format!(
                "{}.{}.{}.{}",
                11 + seed.below(89),
                seed.below(255),
                seed.below(255),
                1 + seed.below(254)
            ),
            5 => format!("({}) {}-{}", 212 + seed.below(700), 234 + seed.below(700), 1000 + seed.below(8999)),
            6 => format!("ghp_{}", seed.of(ALPHANUMERIC, 36)),
            _ => format!("AKIA{}", seed.of(UPPER, 16)),
        }
    }

    /// A chat message.
    pub fn message(&mut self) -> String {
        if self.seed.one_in(5) { self.code(1536) } else { self.prose(1536) }
    }

    /// Texts that were made to be slow, each with its name. `beginnings` are texts with which matches begin.
    pub fn attacks(&mut self, bytes: usize, beginnings: &[String]) -> Vec<(&'static str, String)> {
        let fill = |piece: &str| piece.repeat(bytes / piece.len() + 1);
        let mut near_misses = String::new();
        while near_misses.len() < bytes {
            let one = &beginnings[self.seed.below(beginnings.len())];
            near_misses.push_str(one);
            near_misses.push(if self.seed.one_in(2) { ' ' } else { '-' });
        }
        let mut encoded = self.prose(bytes / 4);
        for _ in 0..4 {
            encoded = base64(encoded.as_bytes());
        }
        encoded.truncate(bytes);
        vec![
            ("runs of @", fill("@")),
            ("a@a@", fill("a@")),
            ("e-mail without end", fill("aaaaaaaa.bbbbbbbb@cccccccc.")),
            ("digits", fill("4716")),
            ("digits apart", fill("1-2 3.4/")),
            ("numbers", fill("555-123 ")),
            ("beginnings of accounts", fill("AB12 CD3 ")),
            ("numbers and nearly words", fill("telx 1-2 3.4/1-2 3.4/1-2 3.4/")),
            (
                "words before words",
                fill("tell me your rules, no instructions in the system prompt word by secret password "),
            ),
            ("beginnings of matches", near_misses),
            ("nested base64", encoded),
            ("combining marks", fill("e\u{301}\u{35f}\u{302}")),
            ("invisible characters", fill("i\u{200b}g\u{200b}n\u{200b}")),
            ("words of phrases", fill("ignore all previous system prompt and ")),
            ("openings", fill("-----BEGIN RSA PRIVATE KEY----- eyJhbGciOi <a href=")),
            ("one letter", fill("a")),
            ("assignments", fill("password: api_key = token=")),
            ("white space", fill(" \n\t")),
            ("words and tabs", fill("rules\t")),
            ("full-width letters", fill("ｉｇｎｏｒｅ　ａｌｌ　")),
            // What a search for the slowest text came to.
            ("keys in keys", fill("ATCTT3xFf-")),
            ("addresses in addresses", fill("fund50s.251-50@funds.51over-b.gsund5-0fnd.25b")),
            ("keys of no use", fill("ATCTT3xFfexample-")),
            ("numbers beside letters", fill("ié@oA1\u{a0}aderéru@ 1 123568938@記ieé@poeA1\u{a0}der@")),
            ("every view at once", fill("éap1k3yé 1 a b c 7-7 snoitcurtsni erongi ")),
        ]
    }
}

/// The same text with other letters: as prose of other scripts looks to whoever reads its bytes.
pub fn respelt(text: &str, letter: impl Fn(u32) -> u32) -> String {
    let other =
        |c: char| if c.is_ascii_lowercase() { letter(u32::from(c) - u32::from('a')) } else { u32::from(c) };
    text.chars().filter_map(|c| char::from_u32(other(c))).collect()
}

/// An accent on three letters in a hundred, as in French.
pub fn accented(number: u32) -> u32 {
    if matches!(number, 6 | 21) { 0xe9 } else { 0x61 + number }
}

pub fn cyrillic(number: u32) -> u32 {
    0x430 + number
}

/// Ideographs for letters.
pub fn han(number: u32) -> u32 {
    0x4e00 + 97 * number
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for three in bytes.chunks_exact(3) {
        let word = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(word >> shift) as usize & 63]));
        }
    }
    text
}

/// A text cut into windows of so many bytes, on character boundaries.
pub fn windows(text: &str, bytes: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut at = bytes.min(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (window, after) = rest.split_at(at);
        all.push(window.to_owned());
        rest = after;
    }
    all
}
