//! A command's words, told apart into flags and operands.

use std::cell::OnceCell;

use super::word::Word;
use super::{CommandLine, names};

/// A line at which several rules look: its words are told apart once for all of them.
pub(crate) struct Looked<'a> {
    pub(super) line: &'a CommandLine,
    told: Vec<OnceCell<Told<'a>>>,
}

impl<'a> Looked<'a> {
    pub(crate) fn new(line: &'a CommandLine) -> Self {
        Self { line, told: line.commands().iter().map(|_| OnceCell::new()).collect() }
    }

    pub(super) fn told(&self, number: usize) -> Option<&Told<'a>> {
        let one = self.line.commands().get(number)?;
        let told = self.told.get(number)?;
        Some(told.get_or_init(|| Told::new(one.name().unwrap_or_default(), &one.words)))
    }
}

/// The words of a command, told apart.
pub(super) struct Told<'a> {
    short: Vec<char>,
    long: Vec<&'a str>,
    /// Those of them that were written with two dashes.
    doubled: Vec<&'a str>,
    pub(super) operands: Vec<&'a str>,
    /// Values of long flags.
    pub(super) values: Vec<&'a str>,
    pub(super) asks_for_help: bool,
}

impl<'a> Told<'a> {
    fn new(name: &str, words: &'a [Word]) -> Self {
        let mut told = Self {
            short: Vec::new(),
            long: Vec::new(),
            doubled: Vec::new(),
            operands: Vec::new(),
            values: Vec::new(),
            asks_for_help: false,
        };
        let valued = names::valued_before_subcommand(name);
        let last = words.last().map(Word::text);
        told.asks_for_help =
            matches!(last, Some("--help" | "--version")) || (words.len() == 1 && last == Some("help"));
        let mut flags_end = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if flags_end || !text.starts_with('-') || text == "-" {
                told.operands.push(text);
            } else if text == "--" {
                flags_end = true;
            } else if let Some(long) = text.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => {
                        told.long.push(name);
                        told.doubled.push(name);
                        told.values.push(value);
                    }
                    None => {
                        told.long.push(long);
                        told.doubled.push(long);
                        if told.operands.is_empty() && valued.contains(&text) {
                            words.next();
                        }
                    }
                }
            } else {
                let cluster = text.get(1..).unwrap_or_default();
                told.long.push(cluster.split('=').next().unwrap_or(cluster));
                // What stands behind a flag that takes a value is its value.
                let letters = names::valued_letters(name);
                let end = cluster.find(letters).map_or(cluster.len(), |at| at + 1);
                let cluster_flags = cluster.get(..end).unwrap_or(cluster);
                told.short.extend(cluster_flags.chars().take_while(char::is_ascii_alphanumeric));
                if let Some((_, value)) = cluster.split_once('=') {
                    told.values.push(value);
                }
                if told.operands.is_empty() && valued.contains(&text) {
                    words.next();
                }
            }
        }
        told
    }

    pub(super) fn begins_with(&self, words: &str) -> bool {
        let mut operands = self.operands.iter();
        words.split(' ').all(|word| operands.next().is_some_and(|operand| *operand == word))
    }

    /// Whether a flag is there, long ones also shortened as far as programs take them.
    pub(super) fn has(&self, flag: &str) -> bool {
        flag.split('|').any(|spelling| match single(spelling) {
            Some(letter) => self.short.contains(&letter),
            None => self
                .long
                .iter()
                .any(|long| *long == spelling || (self.abbreviates(long) && spelling.starts_with(long))),
        })
    }

    fn abbreviates(&self, long: &str) -> bool {
        !long.is_empty() && self.doubled.contains(&long)
    }

    pub(super) fn has_exactly(&self, flag: &str) -> bool {
        flag.split('|').any(|spelling| match single(spelling) {
            Some(letter) => self.short.contains(&letter),
            None => self.long.contains(&spelling),
        })
    }
}

fn single(flag: &str) -> Option<char> {
    let mut letters = flag.chars();
    letters.next().filter(|_| letters.next().is_none())
}
