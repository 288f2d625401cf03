//! Phrases: whole words in order, whatever stands between them.

use aho_corasick::{AhoCorasick, MatchKind};

use super::matcher::{Empty, LazyRegex};
use super::view::Text;
use super::{FindError, Hit};

/// Signs that count in a phrase.
const SIGNS: &[char] = &['<', '>', '[', ']', '{', '}', '|', ':', '/', '#'];

/// A set of phrases.
#[derive(Debug)]
pub(super) struct Phrases {
    words: Option<AhoCorasick>,
    signs: Option<LazyRegex>,
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
                words.push(text.squashed().text.clone());
            }
        }
        if words.is_empty() && signs.is_empty() {
            return Err(FindError::EmptyPhrase);
        }
        let words = if words.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&words);
            Some(built.map_err(|error| FindError::Pattern { message: error.to_string() })?)
        };
        let signs =
            if signs.is_empty() { None } else { Some(LazyRegex::new(&signs.join("|"), Empty::Refused)?) };
        Ok(Self { words, signs })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.signs.as_ref().map_or(Ok(()), LazyRegex::prove)
    }

    /// Calls `found` for each match with what its view shows; stops when told to.
    pub(super) fn find(&self, text: &Text<'_>, found: &mut dyn FnMut(&str, Hit)) {
        if let Some(words) = &self.words {
            let squashed = text.squashed();
            // The space that ends one phrase may begin the next: go on from it.
            let mut at = 0;
            while let Some(found_words) =
                words.find(aho_corasick::Input::new(&squashed.text).span(at..squashed.text.len()))
            {
                let (start, end) = (found_words.start() + 1, found_words.end() - 1);
                if let (Some(shown), Some(hit)) =
                    (squashed.text.get(start..end), squashed.original(start, end))
                {
                    found(shown, hit);
                }
                at = end;
            }
        }
        if let Some(regex) = self.signs.as_ref().and_then(LazyRegex::get) {
            let folded = text.folded();
            for sign in regex.find_iter(&folded.text) {
                if let Some(hit) = folded.original(sign.start(), sign.end()) {
                    found(sign.as_str(), hit);
                }
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
        pattern.push_str(&regex::escape(&c.to_string()));
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
        Phrases::new(&phrases).unwrap().find(&Text::new(text), &mut |_, hit| {
            hits.push(text[hit.start..hit.end].to_owned());
        });
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
    fn empty_phrases_are_refused() {
        assert!(Phrases::new(&["...".to_owned()]).is_err());
        assert!(Phrases::new(&[]).is_err());
    }
}
