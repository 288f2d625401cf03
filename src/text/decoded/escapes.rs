//! Escapes of single characters: percent-encoding, HTML entities, and escapes of strings as in JSON and C; and what tells
//! a terminal colours, which stands between letters that are seen together.

use super::super::view::Mapped;
use super::evidence::Evidence;
use super::hex;
use super::region::Piece;

/// Longest escape.
const LONGEST: usize = 24;
/// What sequences for terminals begin with.
const ESC: u8 = 0x1b;
/// Most digits of a number.
const MAX_DIGITS: usize = 10;
/// Bytes behind a line break or tab in which a key or number shows by its digits.
const NEXT: usize = 24;

/// Entities of HTML for what can be typed otherwise, and for spaces and dashes.
const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("shy", '\u{ad}'),
    ("colon", ':'),
    ("semi", ';'),
    ("period", '.'),
    ("comma", ','),
    ("excl", '!'),
    ("quest", '?'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("rcub", '}'),
    ("rbrace", '}'),
    ("sol", '/'),
    ("bsol", '\\'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("ast", '*'),
    ("plus", '+'),
    ("equals", '='),
    ("commat", '@'),
    ("lowbar", '_'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("ndash", '-'),
    ("mdash", '-'),
    ("grave", '`'),
    ("verbar", '|'),
    ("vert", '|'),
    ("Hat", '^'),
    ("hellip", '…'),
    ("lsquo", '\''),
    ("rsquo", '\''),
    ("ldquo", '"'),
    ("rdquo", '"'),
    ("bull", '•'),
    ("middot", '·'),
    ("fjlig", 'f'),
];

/// An escape: what it stands for, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Char(char, usize),
    Byte(u8, usize),
    /// White space of strings: what stands behind it does not look like the beginning of a word.
    Break(char, usize),
    /// A sequence for terminals, of which nothing is seen.
    Unseen(usize),
}

impl Escape {
    fn is_break(self) -> bool {
        matches!(self, Escape::Break(..))
    }

    fn length(self) -> usize {
        match self {
            Escape::Char(_, length)
            | Escape::Byte(_, length)
            | Escape::Break(_, length)
            | Escape::Unseen(length) => length,
        }
    }
}

/// Whether a key or a number stands directly behind an escape.
fn hides(rest: &[u8], escape: Escape) -> bool {
    let next = rest.get(escape.length()..).unwrap_or_default().iter().take(NEXT);
    let mut word = next
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'('));
    word.any(u8::is_ascii_digit)
}

/// Marks lines with escapes, and lists of bytes.
pub(super) fn evidence(text: &str, evidence: &mut Evidence) {
    let bytes = text.as_bytes();
    let signs: &mut dyn Iterator<Item = usize> = if memchr::memchr(ESC, bytes).is_some() {
        let is_sign = |(_, byte): &(usize, &u8)| matches!(**byte, b'%' | b'&' | b'\\' | ESC);
        &mut bytes.iter().enumerate().filter(is_sign).map(|(at, _)| at)
    } else {
        &mut memchr::memchr3_iter(b'%', b'&', b'\\', bytes)
    };
    for at in signs {
        let Some(rest) = bytes.get(at..) else { continue };
        match rest.first() {
            Some(b'%') => {
                if at >= evidence.percent.end() && in_percent(rest).is_some() {
                    evidence.percent.add_line(text, at);
                }
            }
            _ if at < evidence.html.end() && at < evidence.hex.end() => {}
            _ => {
                if in_html(rest).is_some_and(|escape| !escape.is_break() || hides(rest, escape)) {
                    evidence.html.add_line(text, at);
                }
                if at >= evidence.hex.end()
                    && let Some((start, end)) =
                        rest.starts_with(b"\\").then(|| hex::list(bytes, at)).flatten()
                {
                    evidence.hex.push(start, end);
                }
            }
        }
    }
}

pub(super) fn percent(text: &str, piece: Piece) -> Option<Mapped> {
    decode(text, piece, b"%", &in_percent)
}

pub(super) fn html(text: &str, piece: Piece) -> Option<Mapped> {
    decode(text, piece, b"&\\\x1b", &in_html)
}

/// Replaces every escape, and copies the rest.
fn decode(
    text: &str,
    piece: Piece,
    first: &[u8],
    escape: &dyn Fn(&[u8]) -> Option<Escape>,
) -> Option<Mapped> {
    let bytes = text.as_bytes().get(..piece.end)?;
    let mut decoded = Mapped::with_capacity(piece.end - piece.start);
    let mut held: Vec<(u8, (usize, usize))> = Vec::new();
    let mut at = if piece.cut_before { behind_escape(bytes, piece.start) } else { piece.start };
    let mut same = at;
    let mut found = false;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let escape = match rest.first() {
            Some(byte) if first.contains(byte) => {
                if piece.cut_after && rest.len() < LONGEST {
                    // It may go on behind the cut; the next part has all of it.
                    break;
                }
                escape(rest)
            }
            _ => None,
        };
        let Some(escape) = escape else {
            at += 1;
            continue;
        };
        found = true;
        if same < at {
            release(&mut held, &mut decoded);
            decoded.push_same(text.get(same..at)?, same);
        }
        let end = at + escape.length();
        match escape {
            Escape::Byte(byte, _) => held.push((byte, (at, end))),
            Escape::Char(c, _) | Escape::Break(c, _) => {
                release(&mut held, &mut decoded);
                decoded.push_decoded(c, (at, end));
            }
            Escape::Unseen(_) => {}
        }
        at = end;
        same = at;
    }
    release(&mut held, &mut decoded);
    decoded.push_same(text.get(same..at)?, same);
    found.then_some(decoded)
}

/// Appends bytes as UTF-8, and what is none as Latin-1.
fn release(held: &mut Vec<(u8, (usize, usize))>, decoded: &mut Mapped) {
    let bytes: Vec<u8> = held.iter().map(|(byte, _)| *byte).collect();
    let mut units = held.drain(..).map(|(_, range)| range);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let first = units.next();
            let last = units.by_ref().take(c.len_utf8() - 1).last().or(first);
            if let (Some((from, _)), Some((_, to))) = (first, last) {
                decoded.push_decoded(c, (from, to));
            }
        }
        for (byte, range) in chunk.invalid().iter().zip(units.by_ref()) {
            decoded.push_decoded(char::from(*byte), range);
        }
    }
}

/// Where an escape is over that may have begun before a cut.
fn behind_escape(bytes: &[u8], start: usize) -> usize {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b';' | b'{' | b'}' | b'[');
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take(LONGEST).take_while(part).count()
}

/// `%41`, or `%u0041`.
fn in_percent(rest: &[u8]) -> Option<Escape> {
    match rest.get(1..)? {
        [b'u' | b'U', digits @ ..] => {
            let digits = digits.get(..4)?;
            Some(Escape::Char(char::from_u32(number(digits, 16)?)?, 6))
        }
        [high, low, ..] => Some(Escape::Byte(byte(&[*high, *low], 16)?, 3)),
        _ => None,
    }
}

/// `&lt;`, `&#60;`, `&#x3c;`, `\u003c`, `\u{3c}`, `\U0000003c`, `\x3c`, `\x{3c}`, `\074` and `\n`; and sequences for terminals.
fn in_html(rest: &[u8]) -> Option<Escape> {
    match rest {
        [b'&', b'#', b'x' | b'X', digits @ ..] => entity(digits, 16, 3),
        [b'&', b'#', digits @ ..] => entity(digits, 10, 2),
        [b'&', name @ ..] => {
            let end = name.iter().take(LONGEST).position(|byte| *byte == b';')?;
            let name = name.get(..end)?;
            let (_, c) = NAMED.iter().find(|(known, _)| known.as_bytes() == name)?;
            Some(Escape::Char(*c, end + 2))
        }
        [b'\\', ..] => {
            // Escaped more than once, as in JSON inside of JSON.
            let signs = rest.iter().take(4).take_while(|byte| **byte == b'\\').count();
            backslash(rest.get(signs..)?, signs)
        }
        [ESC, b'[', sequence @ ..] => {
            // ECMA-48, 5.4: parameters, intermediate bytes, and a final byte.
            let end = sequence.iter().take(LONGEST - 2).position(|byte| !matches!(byte, b' '..=b'?'))?;
            matches!(sequence.get(end), Some(b'@'..=b'~')).then_some(Escape::Unseen(end + 3))
        }
        _ => None,
    }
}

fn entity(digits: &[u8], radix: u32, before: usize) -> Option<Escape> {
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let length = digits.iter().take(MAX_DIGITS).take_while(is_digit).count();
    let c = char::from_u32(number(digits.get(..length)?, radix)?)?;
    let closed = usize::from(digits.get(length) == Some(&b';'));
    Some(Escape::Char(c, before + length + closed))
}

fn backslash(rest: &[u8], before: usize) -> Option<Escape> {
    let braced = |digits: &[u8]| {
        let end = digits.iter().take(MAX_DIGITS).position(|byte| *byte == b'}')?;
        let c = char::from_u32(number(digits.get(..end)?, 16)?)?;
        Some(Escape::Char(c, before + 3 + end))
    };
    match rest {
        [b'u' | b'x', b'{', digits @ ..] => braced(digits),
        [b'u', digits @ ..] => {
            let unit = number(digits.get(..4)?, 16)?;
            if let Some(c) = char::from_u32(unit) {
                return Some(Escape::Char(c, before + 5));
            }
            let [b'\\', b'u', low @ ..] = digits.get(4..)? else { return None };
            let low = number(low.get(..4)?, 16)?;
            let pair = [u16::try_from(unit).ok()?, u16::try_from(low).ok()?];
            let c = char::decode_utf16(pair).next()?.ok()?;
            Some(Escape::Char(c, before + 11))
        }
        [b'U', digits @ ..] => Some(Escape::Char(char::from_u32(number(digits.get(..8)?, 16)?)?, before + 9)),
        [b'x', high, low, ..] => Some(Escape::Byte(byte(&[*high, *low], 16)?, before + 3)),
        [first @ b'0'..=b'1', second, third, ..] => {
            Some(Escape::Byte(byte(&[*first, *second, *third], 8)?, before + 3))
        }
        [b'n', ..] => Some(Escape::Break('\n', before + 1)),
        [b'r', ..] => Some(Escape::Break('\r', before + 1)),
        [b't', ..] => Some(Escape::Break('\t', before + 1)),
        [b'e', b'[', ..] => Some(Escape::Char(char::from(ESC), before + 1)),
        _ => None,
    }
}

/// A number other than zero.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u32::from_str_radix(digits, radix).ok().filter(|number| *number > 0)
}

fn byte(digits: &[u8], radix: u32) -> Option<u8> {
    number(digits, radix).and_then(|number| u8::try_from(number).ok())
}
