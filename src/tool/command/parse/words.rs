//! Words and their quotes.

use super::{Construct, Draft, Parser, Piece, Raw, Result, UNKNOWN, UNREAD, word};
use crate::tool::command::text::Text;

impl Parser<'_, '_> {
    /// A word; `None` where an operator or the end is.
    pub(super) fn word(&mut self, draft: &mut Draft) -> Result<Option<Raw>> {
        let mut raw = Raw::default();
        let from = self.at;
        while let Some(sign) = self.peek() {
            match sign {
                '<' | '>' if self.starts("<(") || self.starts(">(") => {
                    self.only_bash()?;
                    let reads = self.starts("<(");
                    self.at += 2;
                    self.state.out.constructs.insert(Construct::Substitution);
                    let upstream = self.state.upstream.clone();
                    if !reads {
                        self.state.upstream = vec![UNREAD];
                        draft.fed.get_or_insert(self.state.out.commands.len());
                    }
                    let commands = self.substitution()?;
                    self.state.upstream = upstream;
                    if reads {
                        draft.sources.extend(commands);
                    }
                    raw.push(Piece::Unknown);
                }
                '(' if self.at > from && matches!(raw.last(), Some(Piece::Glob(_) | Piece::Text(_))) => {
                    // Only with `extglob`, or where a list is assigned.
                    if matches!(raw.last(), Some(Piece::Text(text)) if text.ends_with('=')) {
                        break;
                    }
                    return Err(self.error("a parenthesis within a word"));
                }
                sign if is_meta(sign) => break,
                '\\' => {
                    self.next()?;
                    match self.next()? {
                        Some('\n') => {}
                        Some(sign) => word::push(&mut raw, sign.encode_utf8(&mut [0; 4])),
                        None => word::push(&mut raw, "\\"),
                    }
                }
                '\'' => {
                    self.next()?;
                    self.single_quoted(&mut raw)?;
                }
                '"' => {
                    self.next()?;
                    self.double_quoted(&mut raw, draft)?;
                }
                '$' | '`' => self.dollar(&mut raw, false, draft)?,
                '*' | '?' | '[' | ']' => {
                    self.next()?;
                    raw.push(Piece::Glob(sign));
                }
                '{' | ',' | '}' => {
                    self.next()?;
                    raw.push(Piece::Brace(sign));
                }
                '~' if self.at == from
                    || matches!(raw.last(), Some(Piece::Text(text)) if text.ends_with(['=', ':'])) =>
                {
                    self.next()?;
                    let user: String = self
                        .rest()
                        .chars()
                        .take_while(|sign| {
                            sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.' | '+')
                        })
                        .collect();
                    self.at += user.len();
                    raw.push(Piece::Home(user));
                }
                UNKNOWN => {
                    self.next()?;
                    raw.push(Piece::Unknown);
                }
                _ => {
                    // This character, and what follows it up to one that may mean something.
                    let run = self.at;
                    self.next()?;
                    self.at += run_before(self.rest(), ends_plain);
                    word::push_part(&mut raw, self.whole, run..self.at);
                }
            }
        }
        if self.at == from {
            return Ok(None);
        }
        if raw.is_empty() {
            raw.push(Piece::Text(Text::default()));
        }
        if let [Piece::Text(text)] = &mut *raw {
            *text = std::mem::take(text).shared();
        }
        Ok(Some(raw))
    }

    pub(super) fn single_quoted(&mut self, raw: &mut Raw) -> Result<()> {
        word::push(raw, "");
        loop {
            let run = self.at;
            self.at += run_before(self.rest(), |byte| matches!(byte, b'\'' | b'\n' | 0));
            word::push_part(raw, self.whole, run..self.at);
            match self.next()? {
                None => return Err(self.error("a quote without an end")),
                Some('\'') => return Ok(()),
                Some(UNKNOWN) => raw.push(Piece::Unknown),
                Some(sign) => word::push(raw, sign.encode_utf8(&mut [0; 4])),
            }
        }
    }

    pub(super) fn double_quoted(&mut self, raw: &mut Raw, draft: &mut Draft) -> Result<()> {
        word::push(raw, "");
        loop {
            match self.peek() {
                None => return Err(self.error("a quote without an end")),
                Some('"') => {
                    self.next()?;
                    return Ok(());
                }
                Some('$' | '`') => self.dollar(raw, true, draft)?,
                Some('\\') => {
                    self.next()?;
                    match self.next()? {
                        Some('\n') => {}
                        Some(sign @ ('$' | '`' | '"' | '\\')) => {
                            word::push(raw, sign.encode_utf8(&mut [0; 4]))
                        }
                        Some(sign) => {
                            word::push(raw, "\\");
                            word::push(raw, sign.encode_utf8(&mut [0; 4]));
                        }
                        None => return Err(self.error("a quote without an end")),
                    }
                }
                Some(UNKNOWN) => {
                    self.next()?;
                    raw.push(Piece::Unknown);
                }
                Some(_) => {
                    // A line break may have a here-document behind it.
                    let run = self.at;
                    self.next()?;
                    self.at += run_before(self.rest(), |byte| {
                        matches!(byte, b'"' | b'$' | b'`' | b'\\' | b'\n' | 0)
                    });
                    word::push_part(raw, self.whole, run..self.at);
                }
            }
        }
    }

    pub(super) fn ansi_quoted(&mut self, raw: &mut Raw) -> Result<()> {
        let from = self.at;
        let mut escaped = false;
        loop {
            match self.next()? {
                None => return Err(self.error("a quote without an end")),
                Some('\\') if !escaped => escaped = true,
                Some('\'') if !escaped => break,
                Some(_) => escaped = false,
            }
        }
        let body = self.text.get(from..self.at - 1).unwrap_or_default();
        // A quote that ends where others do not know the escape.
        self.state.out.is_ambiguous |= body.contains('\'');
        match unescape(body, false) {
            Some(text) => {
                word::push(raw, &text);
                Ok(())
            }
            None => Err(self.error("an escape that is not read")),
        }
    }
}

/// Bytes of a text before the first of these, which are of ASCII.
fn run_before(text: &str, ends: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(ends).unwrap_or(text.len())
}

/// Whether a byte within a word may be more than itself.
fn ends_plain(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b';'
            | b'&'
            | b'|'
            | b'<'
            | b'>'
            | b'('
            | b')'
            | b'\\'
            | b'\''
            | b'"'
            | b'$'
            | b'`'
            | b'*'
            | b'?'
            | b'['
            | b']'
            | b'{'
            | b','
            | b'}'
            | b'~'
            | 0
    )
}

pub(super) fn is_meta(sign: char) -> bool {
    matches!(sign, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

/// The escapes of `$'…'` and, `printed`, of `echo -e` and `printf`.
pub(in crate::tool::command) fn unescape(text: &str, printed: bool) -> Option<String> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(rest.get(..at)?.as_bytes());
        rest = rest.get(at + 1..)?;
        let Some(sign) = rest.chars().next() else {
            out.push(b'\\');
            break;
        };
        rest = rest.get(sign.len_utf8()..)?;
        let mut number = |radix: u32, most: usize| {
            let digits: String = rest.chars().take(most).take_while(|digit| digit.is_digit(radix)).collect();
            rest = rest.get(digits.len()..).unwrap_or_default();
            u32::from_str_radix(&digits, radix).ok()
        };
        match sign {
            'a' => out.push(7),
            'b' => out.push(8),
            'e' | 'E' => out.push(27),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            'x' => out.push(u8::try_from(number(16, 2)?).ok()?),
            'u' => out.extend(char::from_u32(number(16, 4)?)?.to_string().bytes()),
            'U' => out.extend(char::from_u32(number(16, 8)?)?.to_string().bytes()),
            'c' => return None,
            '0'..='7' => {
                let first = sign.to_digit(8)?;
                let most = if sign == '0' && printed { 3 } else { 2 };
                let digits: String = rest.chars().take(most).take_while(|digit| digit.is_digit(8)).collect();
                rest = rest.get(digits.len()..)?;
                let value = digits
                    .chars()
                    .filter_map(|digit| digit.to_digit(8))
                    .fold(first, |value, digit| value * 8 + digit);
                out.push(u8::try_from(value & 0xff).ok()?);
            }
            '\\' | '\'' | '"' | '?' => out.extend(sign.to_string().bytes()),
            other => {
                out.push(b'\\');
                out.extend(other.to_string().bytes());
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    // A NUL ends the text in some shells, and stands for what is unknown here.
    if out.contains(&0) {
        return None;
    }
    String::from_utf8(out).ok()
}
