//! Phrases: whole words in order, whatever stands between them.

use aho_corasick::{AhoCorasick, MatchKind};

use super::fold::MAX_GAP;
use super::frequency;
use super::pattern::{Found, Pattern};
use super::required::{Literal, Trigger, trigger};
use super::view::Text;
use super::{FindError, Hit, Stopped};

/// Longest part of a word that is looked for.
const MAX_WORD: usize = 24;
/// Signs that count in a phrase.
const SIGNS: &[char] = &['<', '>', '[', ']', '{', '}', '|', ':', '/', '#'];

/// A set of phrases.
#[derive(Debug)]
pub(super) struct Phrases {
    words: Option<Words>,
    /// Phrases with signs: a pattern of the folded view.
    signs: Option<Pattern>,
}

/// Phrases without signs, as they stand in a squashed text.
#[derive(Debug)]
struct Words {
    automaton: AhoCorasick,
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
    fn new(phrases: Vec<String>) -> Result<Self, FindError> {
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&phrases);
        let automaton = automaton.map_err(|error| FindError::Pattern { message: error.to_string() })?;
        Ok(Self { automaton, phrases })
    }

    /// The next phrase from `at` on, without the borders.
    fn next(&self, squashed: &str, at: usize) -> Option<(usize, usize)> {
        let found = self.automaton.find(aho_corasick::Input::new(squashed).span(at..squashed.len()))?;
        let phrase = self.phrases.get(found.pattern().as_usize())?;
        let (before, after) = (phrase.starts_with(' '), phrase.ends_with(' '));
        Some((found.start() + usize::from(before), found.end() - usize::from(after)))
    }
}

/// Whether a phrase, as it stands in a squashed text, stands around `at`, where it has gone on for `before` bytes.
/// `text` is folded or clean.
pub(super) fn stands(text: &str, at: usize, phrase: &str, before: usize) -> Option<(usize, usize)> {
    let (left, right) = phrase.split_at_checked(before)?;
    let mut start = at;
    let mut left = left.chars().rev().peekable();
    while let Some(c) = left.next() {
        let here = text.get(..start)?;
        if c == ' ' {
            let gap = gap(here.chars().rev());
            // At the beginning of a phrase: a border.
            if left.peek().is_none() {
                if gap.bytes == 0 && start > 0 {
                    return None;
                }
            } else if gap.bytes == 0 || gap.long {
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
            let gap = gap(here.chars());
            if right.peek().is_none() {
                if gap.bytes == 0 && end < text.len() {
                    return None;
                }
            } else if gap.bytes == 0 || gap.long {
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

/// What stands between two words. Of white space, as much as there is counts as one.
fn gap(chars: impl Iterator<Item = char>) -> Gap {
    let (mut count, mut bytes, mut space) = (0, 0, false);
    for c in chars.take_while(|c| !c.is_alphanumeric()) {
        let was = space;
        space = c.is_whitespace();
        count += usize::from(!(was && space));
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
        let words = if words.is_empty() { None } else { Some(Words::new(words)?) };
        let signs = if signs.is_empty() { None } else { Some(Pattern::new(&signs.join("|"), None)?) };
        Ok(Self { words, signs })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.signs.as_ref().map_or(Ok(()), Pattern::prove)
    }

    /// What tells where a phrase can stand: a word of each, and what the signs need.
    pub(super) fn anchors(&self) -> (Vec<Anchor>, Option<Trigger>) {
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
        (anchors.collect(), self.signs.as_ref().map(|signs| trigger(signs.hir(), true)))
    }

    pub(super) fn signs_hir(&self) -> Option<&regex_syntax::hir::Hir> {
        self.signs.as_ref().map(Pattern::hir)
    }

    /// The phrases without signs, as they stand in a squashed text.
    pub(super) fn words(&self) -> &[String] {
        self.words.as_ref().map_or(&[], |words| words.phrases.as_slice())
    }

    /// Calls `accept` for each match with what its view shows. `places` where phrases are known to stand.
    pub(super) fn find(
        &self,
        text: &Text<'_>,
        places: Option<&mut [Occurrence]>,
        signs: &mut dyn Iterator<Item = (usize, usize)>,
        accept: &mut dyn FnMut(&str, Hit) -> bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Stopped> {
        if let Some(words) = &self.words {
            match places {
                Some(places) => words.accept(text, places, accept),
                None => words.search(text, accept),
            }
        }
        if let Some(pattern) = &self.signs {
            let folded = text.folded();
            let mut accept = |shown: &str, found: Found| {
                folded.original(found.value.0, found.value.1).is_some_and(|hit| accept(shown, hit))
            };
            pattern.find(&folded.text, signs, &mut accept, stop)?;
        }
        Ok(())
    }

    /// Whether any of these stands in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let text = Text::new(text);
        let mut found = false;
        let everywhere = &mut std::iter::once((0, usize::MAX));
        let searched = self.find(
            &text,
            None,
            everywhere,
            &mut |_, _| {
                found = true;
                true
            },
            &|| false,
        );
        found || searched.is_err()
    }
}

impl Words {
    fn search(&self, text: &Text<'_>, accept: &mut dyn FnMut(&str, Hit) -> bool) {
        let squashed = text.squashed();
        // The space that ends one phrase may begin the next: go on from it.
        let mut at = 0;
        while let Some((start, end)) = self.next(&squashed.text, at) {
            if let (Some(shown), Some(hit)) = (squashed.text.get(start..end), squashed.original(start, end)) {
                accept(shown, hit);
            }
            at = end;
        }
    }

    /// The leftmost and then longest of these that do not overlap.
    fn accept(&self, text: &Text<'_>, places: &mut [Occurrence], accept: &mut dyn FnMut(&str, Hit) -> bool) {
        places.sort_unstable_by_key(|one| (one.start, std::cmp::Reverse(one.end), one.phrase));
        let mut at = 0;
        for one in places.iter().filter(|one| one.start < one.end) {
            if one.start < at {
                continue;
            }
            at = one.end;
            let hit = if text.is_clean() {
                Some(Hit { start: one.start, end: one.end })
            } else {
                text.folded().original(one.start, one.end)
            };
            if let (Some(phrase), Some(hit)) = (self.phrases.get(one.phrase), hit) {
                accept(phrase.trim_matches(' '), hit);
            }
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

    fn found(phrases: &[&str], text: &str) -> Vec<String> {
        let phrases: Vec<String> = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        let mut hits = Vec::new();
        let mut accept = |_: &str, hit: Hit| {
            hits.push(text[hit.start..hit.end].to_owned());
            true
        };
        let everywhere = &mut std::iter::once((0, usize::MAX));
        let phrases = Phrases::new(&phrases).unwrap();
        phrases.find(&Text::new(text), None, everywhere, &mut accept, &|| false).unwrap();
        hits
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
