//! The grammar: text to simple commands. Whatever is not read with certainty is refused.

mod compound;
mod document;
mod expansion;
mod foreign;
mod lists;
mod simple;
mod words;

pub(super) use words::unescape;

use std::ops::Range;
use std::sync::Arc;

use super::state::{Draft, State, UNREAD};
use super::word::{self, Piece, Raw, UNKNOWN};
use super::{
    CommandError, CommandLine, Construct, MAX_BYTES, MAX_DEPTH, MAX_PARSED, RedirectKind, Simple, names,
};
use document::Document;
use words::is_meta;

type Result<T> = std::result::Result<T, CommandError>;

/// Words that begin or continue a compound command where a command may begin.
const RESERVED: &[&str] = &[
    "if", "then", "elif", "else", "fi", "while", "until", "for", "select", "do", "done", "case", "esac",
    "function", "{", "}", "!", "[[", "time", "coproc",
];

/// Bytes of the longest of them.
const LONGEST_RESERVED: usize = 8;

pub(super) fn line(text: &str) -> Result<CommandLine> {
    if text.len() > MAX_BYTES {
        return Err(CommandError::TooLarge { what: "longer than 64 KiB" });
    }
    if let Some(at) = text.find(UNKNOWN) {
        return Err(CommandError::Syntax { at, what: "a NUL character" });
    }
    let mut state = State::default();
    state.code(text, None, 0)?;
    if let Some(shell) = state.out.commands.iter().find_map(foreign::shell_of) {
        return Err(CommandError::ForeignShell { shell });
    }
    Ok(state.out)
}

pub(super) fn argv<'a>(words: impl Iterator<Item = &'a str>) -> Result<CommandLine> {
    let mut state = State::default();
    let mut raws = Vec::new();
    let mut bytes = 0;
    for text in words {
        bytes += text.len() + 1;
        if bytes > MAX_BYTES {
            return Err(CommandError::TooLarge { what: "longer than 64 KiB" });
        }
        if text.contains(UNKNOWN) {
            return Err(CommandError::Syntax { at: bytes - 1, what: "a NUL character" });
        }
        raws.push(Raw::text(text));
    }
    if raws.is_empty() {
        return Err(CommandError::Syntax { at: 0, what: "nothing to run" });
    }
    state.finish(Draft { words: raws, span: 0..0, ..Draft::default() }, 0)?;
    if let Some(shell) = state.out.commands.iter().find_map(foreign::shell_of) {
        return Err(CommandError::ForeignShell { shell });
    }
    Ok(state.out)
}

/// Reads code to its end.
pub(super) fn code(state: &mut State, text: &str, outer: Option<Range<usize>>, depth: usize) -> Result<()> {
    let whole = Arc::from(text);
    let mut parser = Parser { text, whole: &whole, at: 0, depth, level: 0, outer, state, document: None };
    parser.list(&[])?;
    parser.blanks();
    if parser.at < text.len() {
        return Err(parser.error("an operator or a word that can't stand here"));
    }
    if parser.document.is_some() {
        return Err(parser.error("a here-document without an end"));
    }
    Ok(())
}

struct Parser<'t, 's> {
    text: &'t str,
    /// The same, for words to be parts of it.
    whole: &'t Arc<str>,
    at: usize,
    depth: usize,
    /// Lists within lists.
    level: usize,
    /// Where all of the text stands in the line, if it is code within code.
    outer: Option<Range<usize>>,
    state: &'s mut State,
    /// A here-document that was read ahead.
    document: Option<Document>,
}

impl<'t> Parser<'t, '_> {
    fn error(&self, what: &'static str) -> CommandError {
        let at = self.outer.as_ref().map_or(self.at, |outer| outer.start);
        CommandError::Syntax { at, what }
    }

    /// A form that bash reads otherwise than other shells do, where one of them is to read it.
    fn only_bash(&self) -> Result<()> {
        if self.state.posix {
            return Err(self.error("a form that `sh` may read otherwise than bash; name `bash`"));
        }
        Ok(())
    }

    fn span(&self, from: usize) -> Range<usize> {
        self.outer.clone().unwrap_or(from..self.at)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn starts(&self, sign: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(sign.as_bytes()))
    }

    fn eat(&mut self, sign: &str) -> bool {
        let there = self.starts(sign);
        if there {
            self.at += sign.len();
        }
        there
    }

    /// The next character, which may not be a line break behind which a here-document waits.
    fn next(&mut self) -> Result<Option<char>> {
        let Some(sign) = self.peek() else { return Ok(None) };
        if sign == '\n' && self.document.is_some_and(|document| document.after == self.at) {
            return Err(self.error("a here-document behind a quoted line break"));
        }
        self.at += sign.len_utf8();
        Ok(Some(sign))
    }

    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(CommandError::TooLarge { what: "nested too deeply" });
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// Skips blanks, comments and continued lines.
    fn blanks(&mut self) {
        loop {
            match self.byte() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.starts("\\\n") && self.document.is_none() => self.at += 2,
                Some(b'#') => {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                    return;
                }
                _ => return,
            }
        }
    }

    /// Skips line breaks too, and here-documents behind them.
    fn breaks(&mut self) -> Result<bool> {
        let mut any = false;
        loop {
            self.blanks();
            if !self.starts("\n") {
                return Ok(any);
            }
            any = true;
            match self.document {
                Some(document) if document.after == self.at => {
                    if document.level != self.level {
                        return Err(self.error("a here-document that begins within another construct"));
                    }
                    self.at = document.resume;
                    self.document = None;
                }
                _ => self.at += 1,
            }
        }
    }

    /// The reserved word here, if it is one of these.
    fn reserved(&self, words: &[&'static str]) -> Option<&'static str> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let longest = rest.get(..=LONGEST_RESERVED).unwrap_or(rest);
        let ends = |byte: &u8| is_meta(char::from(*byte));
        let end = longest.iter().position(ends).unwrap_or(longest.len());
        let found = longest.get(..end).filter(|found| !found.is_empty())?;
        words.iter().copied().find(|word| word.as_bytes() == found)
    }

    fn expect(&mut self, word: &'static str, what: &'static str) -> Result<()> {
        self.breaks()?;
        match self.reserved(&[word]) {
            Some(_) => {
                self.at += word.len();
                Ok(())
            }
            None => Err(self.error(what)),
        }
    }
}
