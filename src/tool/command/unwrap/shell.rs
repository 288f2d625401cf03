//! Shells, and what they are given to run.

use super::{Result, Unwrapping};
use crate::tool::command::Word;
use crate::tool::command::word::UNKNOWN;

impl Unwrapping<'_> {
    /// A shell. What is for `sh` may be read by any of them, and only in the forms that all of them read alike.
    pub(super) fn shell(&mut self) -> Result<()> {
        let posix = !matches!(self.name, "bash" | "rbash");
        let outer = std::mem::replace(&mut self.state.posix, posix);
        if matches!(self.name, "zsh" | "ksh" | "mksh") {
            self.opaque();
        }
        let result = self.shell_code();
        self.state.posix = outer;
        result
    }

    fn shell_code(&mut self) -> Result<()> {
        let mut words = self.simple.words.iter();
        let (mut has_code, mut reads_input, mut runs_nothing) = (false, true, false);
        let mut code = None;
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if text == "--" || text == "-" {
                code = words.next();
                break;
            }
            if !text.starts_with(['-', '+']) || !word.is_known {
                code = Some(word);
                break;
            }
            if matches!(text, "--rcfile" | "--init-file") {
                self.opaque();
                words.next();
            } else if !text.starts_with("--") {
                has_code |= text.starts_with('-') && text.contains('c');
                reads_input = reads_input && !text.contains('c');
                runs_nothing |= text.contains('n');
                if text.ends_with(['o', 'O']) {
                    words.next();
                }
            }
            if text.starts_with('-') && !text.starts_with("--") && text.contains('s') {
                // What follows are parameters.
                code = None;
                break;
            }
        }
        let rest: Vec<Word> = words.cloned().collect();
        if runs_nothing {
            return Ok(());
        }
        if has_code {
            let Some(code) = code else { return Ok(()) };
            self.transparent();
            let (text, is_known) = (code.text.clone(), code.is_known && !code.has_glob);
            // Parameters are known, or as good as known.
            let (span, depth) = (self.simple.span.clone(), self.depth + 1);
            if !is_known {
                self.opaque();
            }
            return self.state.with_variables(|state| {
                for (number, word) in rest.iter().enumerate().filter(|(_, word)| word.is_known) {
                    state.set(&number.to_string(), word.text.to_string());
                }
                let all: Vec<&str> = rest.iter().skip(1).map(|word| word.text.as_str()).collect();
                if !all.is_empty() {
                    state.set("@", all.join(" "));
                    state.set("*", all.join(" "));
                }
                if is_known {
                    state.code(&text, Some(span), depth)
                } else {
                    state.try_code(&text, span, depth)
                }
            });
        }
        if code.is_some_and(|script| {
            script.known().is_none() || script.text.starts_with("/dev/") || script.text.starts_with("/proc/")
        }) {
            // A script that is no file: `bash <(curl …)`, `bash /dev/stdin`.
            self.opaque();
        } else if code.is_some() {
            return Ok(());
        }
        if reads_input && (self.has_input() || code.is_some()) {
            match self.given_text() {
                Some(text) if !text.contains(UNKNOWN) => {
                    self.transparent();
                    let (span, depth) = (self.simple.span.clone(), self.depth + 1);
                    let upstream = std::mem::take(&mut self.state.upstream);
                    let result = self.state.try_code(&text, span, depth);
                    self.state.upstream = upstream;
                    result?;
                }
                Some(text) => {
                    self.opaque();
                    let (span, depth) = (self.simple.span.clone(), self.depth + 1);
                    self.state.try_code(&text, span, depth)?;
                }
                None => self.opaque(),
            }
        }
        Ok(())
    }
}
