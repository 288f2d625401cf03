//! Phrases: whole words in order, whatever stands between them.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use serde::{Deserialize, Serialize};

use super::FindError;
use super::fold::{MAX_GAP, MAX_GAP_BYTES, MAX_RUN};
use super::frequency;
use super::literals::Literal;
use super::pattern::{Answer, Found, Pattern, Progress, Shown, Sink};
use super::ready;
use super::view::{Mapped, Text};

/// Longest part of a word that is looked for.
const MAX_WORD: usize = 24;
/// Signs that count in a phrase.
const SIGNS: &[char] = &['<', '>', '[', ']', '{', '}', '|', ':', '/', '#'];

/// A set of phrases.
#[derive(Debug)]
pub(super) struct Phrases {
    words: Option<Box<Words>>,
    /// Phrases with signs: a pattern of the folded view.
    signs: Option<Pattern>,
}

/// Phrases without signs, as they stand in a squashed text.
#[derive(Debug)]
struct Words {
    /// Made when it is first used: where places are known, it is not. `None` where it would be too large.
    automaton: OnceLock<Option<AhoCorasick>>,
    /// A space at the beginning or end is a word border.
    phrases: Vec<String>,
}

/// A phrase that stands somewhere in the folded view, or in a clean text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Number of the phrase.
    pub(super) phrase: usize,
}

/// Where phrases are looked for: one of its words, the rarest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Anchor {
    pub(super) word: Literal,
    pub(super) phrase: usize,
    /// Bytes of the phrase before it.
    pub(super) before: usize,
}

impl Words {
    fn new(phrases: Vec<String>) -> Self {
        Self { automaton: OnceLock::new(), phrases }
    }

    fn automaton(&self) -> Option<&AhoCorasick> {
        let make = || AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&self.phrases).ok();
        self.automaton.get_or_init(|| ready::make(make)).as_ref()
    }

    /// The next phrase from `at` on, without the borders.
    fn next(&self, squashed: &str, at: usize) -> Option<(usize, usize)> {
        let Some(automaton) = self.automaton() else {
            // Whatever is there counts.
            return Some((at, squashed.len())).filter(|(at, end)| at < end);
        };
        let found = automaton.find(aho_corasick::Input::new(squashed).span(at..squashed.len()))?;
        let phrase = self.phrases.get(found.pattern().as_usize())?;
        let (before, after) = (phrase.starts_with(' '), phrase.ends_with(' '));
        Some((found.start() + usize::from(before), found.end() - usize::from(after)))
    }
}

/// A text in which phrases stand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing<'t> {
    /// A text of nothing but ASCII.
    Clean(&'t str),
    Folded(&'t Mapped),
    /// It goes on behind what is known of it.
    Open(&'t Mapped),
}

impl<'t> Standing<'t> {
    /// In the folded view.
    pub(super) fn folded(text: &'t Text<'_>) -> Self {
        if text.is_open() { Standing::Open(text.folded()) } else { Standing::Folded(text.folded()) }
    }
}

/// What stands on both sides of a word of a phrase, as far as a quick look tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Neighbours {
    before: Neighbour,
    after: Neighbour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Neighbour {
    /// More of the same word, or a script without borders.
    Unknown,
    /// The phrase is over: a border.
    Border,
    /// Another word, which has these letters or digits on this side, the nearest one lowest; which of the bytes count.
    Word(u32, u32),
}

/// Letters and digits of four bytes, as if they were small.
const SMALL: u32 = 0x2020_2020;

impl Neighbours {
    /// Those of the word of so many bytes at a place of a phrase, as it stands in a squashed text.
    pub(super) fn new(phrase: &str, before: usize, length: usize) -> Self {
        let neighbour = |side: &mut dyn Iterator<Item = u8>| {
            if side.next() != Some(b' ') {
                return Neighbour::Unknown;
            }
            let Some(first) = side.next() else { return Neighbour::Border };
            let letters = std::iter::once(first).chain(side).take_while(u8::is_ascii_alphanumeric).take(4);
            let (word, mask) = (0..)
                .step_by(8)
                .zip(letters)
                .fold((0, 0), |(word, mask), (at, byte)| (word | u32::from(byte) << at, mask | 0xff << at));
            if mask == 0 { Neighbour::Unknown } else { Neighbour::Word(word | SMALL, mask) }
        };
        let (left, right) = (phrase.get(..before), phrase.get(before + length..));
        Self {
            before: left.map_or(Neighbour::Unknown, |side| neighbour(&mut side.bytes().rev())),
            after: right.map_or(Neighbour::Unknown, |side| neighbour(&mut side.bytes())),
        }
    }

    /// Whether a border stands before the word.
    pub(super) fn begin_apart(self) -> bool {
        self.before != Neighbour::Unknown
    }

    /// Whether the phrase can stand around its word.
    #[inline]
    pub(super) fn fit(self, sides: Sides) -> bool {
        self.before.fits(sides.before) && self.after.fits(sides.after)
    }
}

/// What stands on both sides of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    before: Side,
    after: Side,
}

impl Sides {
    pub(super) fn new(standing: Standing<'_>, start: usize, end: usize) -> Self {
        let (bytes, open) = match standing {
            Standing::Clean(text) => (text.as_bytes(), false),
            Standing::Folded(mapped) => (mapped.text.as_bytes(), false),
            Standing::Open(mapped) => (mapped.text.as_bytes(), true),
        };
        let (before, after) = (bytes.get(..start).unwrap_or_default(), bytes.get(end..).unwrap_or_default());
        let few = |four: &mut dyn Iterator<Item = &u8>| {
            (0..32).step_by(8).zip(four).fold(0, |word, (at, byte)| word | u32::from(*byte) << at)
        };
        Self {
            before: Side::new(before.iter().rev(), false, |gap| {
                let rest = before.get(..before.len() - gap).unwrap_or_default();
                let four = rest.last_chunk().map(|four| u32::from_be_bytes(*four));
                four.unwrap_or_else(|| few(&mut rest.iter().rev()))
            }),
            after: Side::new(after.iter(), open, |gap| {
                let rest = after.get(gap..).unwrap_or_default();
                let four = rest.first_chunk().map(|four| u32::from_le_bytes(*four));
                four.unwrap_or_else(|| few(&mut rest.iter()))
            }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The word goes on.
    Inside,
    /// The text is over, there or behind a few signs.
    Over,
    /// More than a few signs stand there, or what is not told at once.
    Signs,
    /// Behind signs another word begins, with these bytes, the nearest one lowest.
    Word(u32),
}

impl Side {
    /// Most signs that are passed over.
    const SIGNS: usize = 4;

    #[inline]
    fn new<'b>(bytes: impl Iterator<Item = &'b u8>, open: bool, word: impl Fn(usize) -> u32) -> Self {
        let mut signs = 0;
        for byte in bytes {
            if byte.is_ascii_alphanumeric() {
                return if signs == 0 { Self::Inside } else { Self::Word(word(signs) | SMALL) };
            }
            signs += 1;
            if signs > Self::SIGNS || !byte.is_ascii() {
                return Self::Signs;
            }
        }
        if open { Self::Signs } else { Self::Over }
    }
}

impl Neighbour {
    #[inline]
    fn fits(self, side: Side) -> bool {
        match (self, side) {
            (Neighbour::Unknown, _) | (Neighbour::Word(..), Side::Signs) => true,
            (Neighbour::Border, side) => side != Side::Inside,
            (Neighbour::Word(word, mask), Side::Word(here)) => (word ^ here) & mask == 0,
            (Neighbour::Word(..), Side::Inside | Side::Over) => false,
        }
    }
}

/// Whether a phrase, as it stands in a squashed text, stands around `at`, where it has gone on for `before` bytes.
pub(super) fn stands(
    standing: Standing<'_>,
    at: usize,
    phrase: &str,
    before: usize,
) -> Option<(usize, usize)> {
    let (text, mapped, open) = match standing {
        Standing::Clean(text) => (text, None, false),
        Standing::Folded(mapped) => (mapped.text.as_str(), Some(mapped), false),
        Standing::Open(mapped) => (mapped.text.as_str(), Some(mapped), true),
    };
    // Between two words, not too much; at either end of a phrase, a border.
    let between = |from: usize, to: usize| {
        let bytes = match mapped {
            None => to - from,
            Some(mapped) => mapped.original(from, to).map_or(0, |hit| hit.end - hit.start),
        };
        bytes <= MAX_GAP_BYTES
    };
    let (left, right) = phrase.split_at_checked(before)?;
    let mut start = at;
    let mut left = left.chars().rev().peekable();
    while let Some(c) = left.next() {
        let here = text.get(..start)?;
        if c == ' ' {
            let gap = gap(here.chars().rev(), mapped.is_none());
            // At the beginning of a phrase: a border.
            if left.peek().is_none() {
                if gap.bytes == 0 && start > 0 {
                    return None;
                }
            } else if gap.bytes == 0 || gap.long || !between(start - gap.bytes, start) {
                return None;
            } else {
                start -= gap.bytes;
            }
        } else {
            let last = here.chars().next_back()?;
            if last.to_ascii_lowercase() != c {
                return None;
            }
            start -= last.len_utf8();
        }
    }
    let mut end = at;
    let mut right = right.chars().peekable();
    while let Some(c) = right.next() {
        let here = text.get(end..)?;
        if c == ' ' {
            let gap = gap(here.chars(), mapped.is_none());
            if right.peek().is_none() {
                if gap.bytes == 0 && (open || end < text.len()) {
                    return None;
                }
            } else if gap.bytes == 0 || gap.long || !between(end, end + gap.bytes) {
                return None;
            } else {
                end += gap.bytes;
            }
        } else {
            let next = here.chars().next()?;
            if next.to_ascii_lowercase() != c {
                return None;
            }
            end += next.len_utf8();
        }
    }
    Some((start, end))
}

struct Gap {
    bytes: usize,
    long: bool,
}

/// What stands between two words. Of white space in a `clean` text, so much as folds into one space counts as one.
fn gap(chars: impl Iterator<Item = char>, clean: bool) -> Gap {
    let (mut count, mut bytes, mut space) = (0, 0, 0);
    for c in chars.take_while(|c| !c.is_alphanumeric()) {
        if clean && c.is_whitespace() {
            count += usize::from(space % MAX_RUN == 0);
            space += 1;
        } else {
            count += 1;
            space = 0;
        }
        bytes += c.len_utf8();
        if count > MAX_GAP {
            return Gap { bytes, long: true };
        }
    }
    Gap { bytes, long: false }
}

/// Letters of scripts that put no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean, whose
/// particles stand at the end of a word: there a phrase begins and ends anywhere.
fn runs_on(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

impl Phrases {
    pub(super) fn new(phrases: &[String]) -> Result<Self, FindError> {
        let mut words = Vec::new();
        let mut signs = Vec::new();
        for phrase in phrases {
            let text = Text::new(phrase);
            if text.folded().text.contains(SIGNS) {
                signs.push(sign_pattern(text.folded().text.trim()));
            } else if text.squashed().text.trim().chars().count() < 2 {
                return Err(FindError::EmptyPhrase);
            } else {
                let mut phrase = text.squashed().text.as_str();
                let bare = phrase.trim();
                if bare.starts_with(runs_on) {
                    phrase = phrase.trim_start();
                }
                if bare.ends_with(runs_on) {
                    phrase = phrase.trim_end();
                }
                words.push(phrase.to_owned());
            }
        }
        if words.is_empty() && signs.is_empty() {
            return Err(FindError::EmptyPhrase);
        }
        let words = if words.is_empty() { None } else { Some(Box::new(Words::new(words))) };
        let signs = if signs.is_empty() { None } else { Some(Pattern::new(&signs.join("|"), None)?) };
        Ok(Self { words, signs })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        if self.words.as_ref().is_some_and(|words| words.automaton().is_none()) {
            return Err(FindError::Pattern { message: "the phrases are too large together".to_owned() });
        }
        self.signs.as_ref().map_or(Ok(()), Pattern::prove)
    }

    /// What tells where a phrase without signs can stand: a word of each.
    pub(super) fn anchors(&self) -> Vec<Anchor> {
        let words = self.words.as_ref().map_or(&[][..], |words| words.phrases.as_slice());
        let anchors = words.iter().enumerate().filter_map(|(number, phrase)| {
            let mut before = 0;
            let words = phrase.split(' ').map(|word| {
                let at = before;
                before += word.len() + 1;
                (at, word.get(..word.len().min(MAX_WORD)).unwrap_or(word))
            });
            let rarest = words.filter(|(_, word)| !word.is_empty()).min_by(|(_, one), (_, other)| {
                frequency::cost(one.as_bytes()).total_cmp(&frequency::cost(other.as_bytes()))
            });
            rarest.map(|(before, word)| {
                let word = Literal { bytes: word.as_bytes().to_vec(), any_case: false }.in_any_case();
                Anchor { word, phrase: number, before }
            })
        });
        anchors.collect()
    }

    /// The phrases without signs, as they stand in a squashed text.
    pub(super) fn words(&self) -> &[String] {
        self.words.as_ref().map_or(&[], |words| words.phrases.as_slice())
    }

    /// The phrases with signs: a pattern of the folded view.
    pub(super) fn signs(&self) -> Option<&Pattern> {
        self.signs.as_ref()
    }

    /// Gives `sink` each phrase without signs that it accepts. `places` where they are known to stand.
    pub(super) fn find_words(
        &self,
        text: &Text<'_>,
        places: Option<&mut [Occurrence]>,
        progress: &mut Progress,
        sink: &mut dyn Sink,
    ) {
        match (&self.words, places) {
            (None, _) => {}
            (Some(words), Some(places)) => words.accept(places, progress, sink),
            (Some(words), None) => words.search(text, sink),
        }
    }

    /// Whether any of these stands in a text, which is shown folded and squashed.
    pub(super) fn are_in(&self, folded: &str, squashed: &str) -> bool {
        struct Any(bool);
        impl Sink for Any {
            fn accept(&mut self, _: &str, _: Found) -> Answer {
                self.0 = true;
                Answer::Yes
            }
            fn bytes(&self, start: usize, end: usize) -> usize {
                end - start
            }
            fn hit(&mut self, _: usize, _: usize) {}
        }
        if self.words.as_ref().is_some_and(|words| words.next(squashed, 0).is_some()) {
            return true;
        }
        let mut any = Any(false);
        if let Some(signs) = &self.signs {
            let shown = Shown { text: folded, ascii: false, open: false };
            let everywhere = &mut std::iter::once((0, usize::MAX));
            any.0 |= signs.find(shown, &mut Progress::default(), everywhere, &mut any, &|| false).is_err();
        }
        any.0
    }
}

impl Words {
    fn search(&self, text: &Text<'_>, sink: &mut dyn Sink) {
        let squashed = text.squashed();
        // The space that ends one phrase may begin the next: go on from it.
        let mut at = 0;
        while let Some((start, end)) = self.next(&squashed.text, at) {
            let matched = squashed.text.get(start..end).unwrap_or_default();
            if sink.accept(matched, Found::of(start, end)) == Answer::Yes {
                sink.hit(start, end);
            }
            at = end;
        }
    }

    /// The leftmost and then longest of these that do not overlap. In an open text, up to where one may have begun that is
    /// longer.
    fn accept(&self, places: &mut [Occurrence], progress: &mut Progress, sink: &mut dyn Sink) {
        places.sort_unstable_by_key(|one| (one.start, std::cmp::Reverse(one.end), one.phrase));
        progress.undecided = None;
        for one in places.iter().filter(|one| one.start < one.end) {
            if one.start < progress.at {
                continue;
            }
            let phrase = self.phrases.get(one.phrase).map_or("", |phrase| phrase.trim_matches(' '));
            match sink.accept(phrase, Found::of(one.start, one.end)) {
                Answer::Yes => sink.hit(one.start, one.end),
                Answer::No | Answer::NoFrom(_) | Answer::NoUpTo(_) | Answer::Never => {}
                Answer::Later => {
                    progress.undecided = Some(one.start);
                    return;
                }
            }
            progress.at = one.end;
        }
    }
}

/// A phrase with signs as a pattern of the folded view: only spacing does not matter.
fn sign_pattern(folded: &str) -> String {
    let mut pattern = String::new();
    let mut last: Option<char> = None;
    for c in folded.chars() {
        if c == ' ' {
            continue;
        }
        let word = c.is_alphanumeric();
        match last {
            None if word => pattern.push_str(r"\b"),
            None => {}
            Some(before) if before.is_alphanumeric() && word => {}
            Some(_) => pattern.push_str(r"\s?"),
        }
        pattern.push_str(&regex_syntax::escape(&c.to_string()));
        last = Some(c);
    }
    if last.is_some_and(char::is_alphanumeric) {
        pattern.push_str(r"\b");
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Finder, FinderSpec, Kind};

    fn found(phrases: &[&str], text: &str) -> Vec<String> {
        let phrases = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        let finder = Finder::new(&FinderSpec::new(Kind::Phrases(phrases))).unwrap();
        let hits = finder.find(&Text::new(text));
        hits.into_iter().map(|hit| text[hit.start..hit.end].to_owned()).collect()
    }

    #[test]
    fn words_whatever_stands_between() {
        let phrase = &["ignore previous instructions"];
        for text in [
            "please IGNORE   previous\ninstructions!",
            "ignore *previous* _instructions_",
            "ignore—previous, instructions",
            "ig\u{200b}nore previous instructions",
        ] {
            assert_eq!(found(phrase, text).len(), 1, "{text}");
        }
        assert!(found(phrase, "signore previous instructions").is_empty());
        assert!(found(&["act as"], "fact assembly").is_empty());
        assert_eq!(found(&["act as"], "act as act as"), ["act as", "act as"]);
    }

    #[test]
    fn signs_count_where_a_phrase_has_them() {
        assert_eq!(found(&["</sys>", "<sys>"], "x <SYS> y < / sys >"), ["<SYS>", "< / sys >"]);
        assert_eq!(found(&["system:"], "System : go"), ["System :"]);
        assert!(found(&["system:"], "the system is: fine").is_empty());
        assert!(found(&["system:"], "ecosystem: fine").is_empty());
    }

    #[test]
    fn words_need_no_border_where_a_script_has_none() {
        assert_eq!(found(&["忽略之前的指示"], "请忽略之前的指示。"), ["忽略之前的指示"]);
        assert_eq!(found(&["以前の指示を無視"], "では、以前の指示を無視してください"), ["以前の指示を無視"]);
        assert_eq!(found(&["이전 지시"], "이전 지시를 무시하세요"), ["이전 지시"]);
        assert!(found(&["act as"], "指示act assure").is_empty());
    }

    #[test]
    fn empty_phrases_are_refused() {
        assert!(Phrases::new(&["...".to_owned()]).is_err());
        assert!(Phrases::new(&[]).is_err());
    }
}
