//! What the shell itself runs or remembers: `eval`, `trap`, `source`, `declare`.

use super::printed::printed;
use super::{Result, Unwrapping};
use crate::tool::command::{Simple, Word};

impl Unwrapping<'_> {
    pub(super) fn trap(&mut self) -> Result<()> {
        let mut words = self.simple.words.iter().filter(|word| word.text != "--");
        match words.next() {
            Some(code)
                if words.next().is_some()
                    && code.text != "-"
                    && !code.text.starts_with('-')
                    && !code.text.is_empty() =>
            {
                self.transparent();
                self.joined(std::iter::once(code))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn alias(&mut self) -> Result<()> {
        for word in &self.simple.words {
            if let Some((_, code)) = word.text.split_once('=') {
                self.code(code, word.is_known)?;
            }
        }
        Ok(())
    }

    /// A file of code that is no file of its own, as `source <(curl …)` reads it, holds anything.
    pub(super) fn source(&mut self) -> Result<()> {
        let file = self.simple.words.first();
        let plain = file
            .and_then(Word::known)
            .is_some_and(|file| !file.starts_with("/dev/") && !file.starts_with("/proc/"));
        if !plain {
            self.opaque();
            if let Some(text) = self.given_text() {
                self.state.try_code(&text, self.simple.span.clone(), self.depth + 1)?;
            }
        }
        Ok(())
    }

    pub(super) fn declare(&mut self) {
        let words = &self.simple.words;
        let flagged =
            |flag: char| words.iter().any(|word| word.text.starts_with('-') && word.text.contains(flag));
        let (small, large) = (flagged('l'), flagged('u'));
        for word in words {
            if let Some((name, value)) = word.text.split_once('=')
                && word.is_known
            {
                self.state.variable(name, value.to_owned());
                // Whatever such a variable is given is put into small or large letters.
                if small {
                    self.state.variable(name, value.to_lowercase());
                }
                if large {
                    self.state.variable(name, value.to_uppercase());
                }
            }
        }
        let refers = flagged('n');
        for word in words.iter().filter(|_| refers) {
            // A name that stands for another variable is given that one's values.
            if let Some((name, of)) = word.text.split_once('=') {
                for value in self.state.values(of) {
                    self.state.variable(name, value);
                }
            }
        }
    }

    /// `printf -v name …`
    pub(super) fn print_into(&mut self) {
        let [flag, name, rest @ ..] = self.simple.words.as_slice() else { return };
        if flag.text != "-v" {
            return;
        }
        let rest = Simple { words: rest.to_vec(), ..self.simple.clone() };
        if let Some(value) = printed(&rest) {
            self.state.variable(&name.text, value);
        }
    }
}
