//! Keys of JSON as words near their values: `{"ssn": "…"}` says what the value is as `ssn: …` does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::Inner;
use crate::decode::pointer_name;
use crate::event::Field;
use crate::text::{Finder, Hit, Stopped, Text};

/// Bytes of a value that its key may speak for: a longer one has words of its own.
const LONGEST_VALUE: usize = 256;
/// Bytes of a key that may be a name.
const LONGEST_KEY: usize = 64;

/// Most keys that are remembered: the same few come again with each call and definition of a tool.
const REMEMBERED: usize = 4096;

/// Phrases that must stand near matches of rules, and keys that were met.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// By their first word. Made when the first key is seen.
    phrases: OnceLock<BTreeMap<String, Vec<(String, usize)>>>,
    keys: RwLock<HashMap<Of, Arc<Key>>>,
}

impl Named {
    fn phrases(&self, inner: &Inner) -> &BTreeMap<String, Vec<(String, usize)>> {
        self.phrases.get_or_init(|| {
            let mut phrases: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
            for (number, rule) in inner.rules.iter().enumerate() {
                let near = rule.finder().and_then(|finder| finder.spec().near.as_ref());
                for phrase in near.iter().flat_map(|near| &near.words) {
                    let phrase = words(phrase).to_lowercase();
                    let first = phrase.split(' ').next().unwrap_or_default().to_owned();
                    phrases.entry(first).or_default().push((phrase, number));
                }
            }
            phrases
        })
    }
}

#[derive(Debug)]
struct Key {
    /// The key as it would stand before its value in a text.
    label: String,
    /// Rules for which the key may be the word that must stand near.
    rules: Vec<usize>,
}

impl Key {
    fn new(key: &Of, inner: &Inner) -> Self {
        let words = words(&key.name);
        // What stands in `bank_accounts` is a bank account.
        let label = match words.strip_suffix('s').filter(|_| key.of_list) {
            Some(one) => format!("{words} {one}: "),
            None => format!("{words}: "),
        };
        let phrases = inner.named.phrases(inner);
        let text = label.to_lowercase();
        // Whether it stands there as a word is for the scan to say.
        let of_word = text.split([' ', ':']).filter_map(|word| phrases.get(word)).flatten();
        let spoken = of_word.filter(|(phrase, _)| text.contains(phrase.as_str()));
        let mut rules: Vec<usize> = spoken.map(|(_, number)| *number).collect();
        rules.sort_unstable();
        rules.dedup();
        Self { label, rules }
    }
}

impl Named {
    /// What is known of a key, whatever the value.
    fn key(&self, of: Of, inner: &Inner) -> Arc<Key> {
        if let Some(key) = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&of) {
            return Arc::clone(key);
        }
        let key = Arc::new(Key::new(&of, inner));
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED {
            keys.clear();
        }
        keys.insert(of, Arc::clone(&key));
        key
    }

    /// Adds what rules find in the value of a member because of its key.
    pub(super) fn add_named<'r>(
        &self,
        inner: &'r Inner,
        field: &Field<'_>,
        wanted: &dyn Fn(usize) -> Option<&'r Finder>,
        hits: &mut Vec<(usize, Hit)>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Stopped> {
        if field.is_key || field.text.len() > LONGEST_VALUE {
            return Ok(());
        }
        let Some(key) = key_of(&field.pointer) else { return Ok(()) };
        let key = self.key(key, inner);
        if key.rules.is_empty() {
            return Ok(());
        }
        let text = format!("{}{}", key.label, field.text);
        // A few rules on a short text: what the scanner does for many would cost more than it saves.
        let text = Text::new(&text);
        let before = hits.len();
        for number in &key.rules {
            let Some(finder) = wanted(*number) else { continue };
            for hit in finder.find_until(&text, stop)? {
                let Some(start) = hit.start.checked_sub(key.label.len()) else { continue };
                let end = hit.end - key.label.len();
                let known =
                    |(of, known): &(usize, Hit)| of == number && known.start < end && start < known.end;
                if !hits.iter().take(before).any(known) {
                    hits.push((*number, Hit { start, end }));
                }
            }
        }
        hits.sort_unstable_by_key(|(number, hit)| (hit.start, hit.end, *number));
        Ok(())
    }
}

/// A key that is the nearest to a value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Of {
    name: String,
    /// Whether the value stands in its list.
    of_list: bool,
}

/// The key of the member that a value is, or in whose list it stands. The first segment names a part of the event.
fn key_of(pointer: &str) -> Option<Of> {
    let is_key = |segment: &&str| segment.bytes().any(|byte| !byte.is_ascii_digit());
    let segment = pointer.split('/').skip(2).filter(is_key).last()?;
    let of_list = !pointer.ends_with(segment);
    (segment.len() <= LONGEST_KEY).then(|| Of { name: pointer_name(segment), of_list })
}

/// A name as words: `passportNumber`, `passport_number` and `passport-number` are a passport number.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    let mut chars = name.chars().peekable();
    let (mut after_capital, mut after_small) = (false, false);
    while let Some(c) = chars.next() {
        let begins_word = chars.peek().is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_small || after_capital && begins_word) {
            words.push(' ');
        }
        (after_capital, after_small) = (c.is_uppercase(), c.is_lowercase() || c.is_numeric());
        words.push(if c.is_alphanumeric() { c } else { ' ' });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("passport_number", "passport number"),
            ("passportNumber", "passport Number"),
            ("userSSN", "user SSN"),
            ("USPassport", "US Passport"),
            ("tax-id", "tax id"),
            ("주민등록번호", "주민등록번호"),
        ] {
            assert_eq!(words(name), expected);
        }
    }

    #[test]
    fn keys() {
        let key = |name: &str, of_list| Some(Of { name: name.to_owned(), of_list });
        assert_eq!(key_of("/arguments/user/ssn"), key("ssn", false));
        assert_eq!(key_of("/result/accounts/0"), key("accounts", true));
        assert_eq!(key_of("/result/a~1b"), key("a/b", false));
        assert_eq!(key_of("/result/0"), None);
        assert_eq!(key_of("/text"), None);
    }
}
