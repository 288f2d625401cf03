//! Here-documents, which are read ahead of the line behind which they stand.

use std::sync::Arc;

use super::words::is_meta;
use super::{Draft, Parser, Piece, Raw, Result, UNKNOWN, word};

/// A here-document that was read ahead.
#[derive(Clone, Copy)]
pub(super) struct Document {
    /// The line break before it.
    pub(super) after: usize,
    /// Where reading goes on behind it.
    pub(super) resume: usize,
    /// The list in which it was asked for.
    pub(super) level: usize,
}

impl Parser<'_, '_> {
    pub(super) fn here_document(&mut self, strips_tabs: bool, draft: &mut Draft) -> Result<Raw> {
        // The delimiter is taken as it is written: nothing in it is expanded, and any quote makes the text plain.
        let (mut delimiter, mut is_quoted) = (String::new(), false);
        loop {
            match self.peek() {
                Some('\'' | '"') => {
                    is_quoted = true;
                    let quote = self.next()?.unwrap_or_default();
                    loop {
                        match self.next()? {
                            Some(sign) if sign == quote => break,
                            Some('\\' | '$' | '`') if quote == '"' => {
                                return Err(self.error("a delimiter that is not plain"));
                            }
                            Some(sign) => delimiter.push(sign),
                            None => return Err(self.error("a quote without an end")),
                        }
                    }
                }
                Some('\\') => {
                    is_quoted = true;
                    self.next()?;
                    match self.next()? {
                        Some(sign) if sign != '\n' => delimiter.push(sign),
                        _ => return Err(self.error("a delimiter that is not plain")),
                    }
                }
                Some('$' | '`' | '{' | '}') => return Err(self.error("a delimiter that is not plain")),
                Some(sign) if !is_meta(sign) => {
                    delimiter.push(sign);
                    self.next()?;
                }
                _ => break,
            }
        }
        if delimiter.is_empty() || delimiter.contains('\n') {
            return Err(self.error("a here-document without a delimiter"));
        }
        let (after, start) = match self.document {
            Some(document) if document.level == self.level => (document.after, document.resume),
            Some(_) => return Err(self.error("here-documents within one another")),
            None => match self.rest().find('\n') {
                Some(at) => (self.at + at, self.at + at + 1),
                None => return Err(self.error("a here-document without a text")),
            },
        };
        let mut body = String::new();
        let mut line_start = start;
        loop {
            let rest = self.text.get(line_start..).unwrap_or_default();
            if rest.is_empty() {
                return Err(self.error("a here-document without an end"));
            }
            let line = rest.split('\n').next().unwrap_or_default();
            let next = line_start + line.len() + 1;
            let shown = if strips_tabs { line.trim_start_matches('\t') } else { line };
            if shown == delimiter {
                self.document =
                    Some(Document { after, resume: next.min(self.text.len()), level: self.level });
                break;
            }
            // A continued line of an expanded text can't be told from a delimiter behind it.
            if !is_quoted && line.ends_with('\\') {
                return Err(self.error("a continued line in a here-document"));
            }
            body.push_str(shown);
            body.push('\n');
            line_start = next;
        }
        if is_quoted {
            return Ok(Raw::text(body));
        }
        self.expanded(&body, draft)
    }

    /// A text in which only `$`, backticks and backslashes count.
    fn expanded(&mut self, body: &str, draft: &mut Draft) -> Result<Raw> {
        if !body.contains(['$', '`', '\\']) {
            return Ok(Raw::text(body));
        }
        let outer = self.outer.clone().unwrap_or(self.at..self.at);
        let whole = Arc::from(body);
        let mut inner = Parser {
            text: body,
            whole: &whole,
            at: 0,
            depth: self.depth + 1,
            level: 0,
            outer: Some(outer),
            state: &mut *self.state,
            document: None,
        };
        let mut raw = Raw::default();
        loop {
            match inner.peek() {
                None => return Ok(raw),
                Some('$' | '`') => inner.dollar(&mut raw, true, draft)?,
                Some('\\') => {
                    inner.next()?;
                    match inner.peek() {
                        Some(sign @ ('$' | '`' | '\\')) => {
                            inner.next()?;
                            word::push(&mut raw, sign.encode_utf8(&mut [0; 4]));
                        }
                        _ => word::push(&mut raw, "\\"),
                    }
                }
                Some(UNKNOWN) => {
                    inner.next()?;
                    raw.push(Piece::Unknown);
                }
                Some(sign) => {
                    inner.next()?;
                    word::push(&mut raw, sign.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }
}
