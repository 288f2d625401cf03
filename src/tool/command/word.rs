//! A word of a command, as far as it is known before it runs.

use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use super::CommandError;
use super::text::Text;

/// Stands in a word's text for what is known only at run time. A command line that holds this byte is refused.
pub(super) const UNKNOWN: char = '\0';

/// A word after quotes are removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    pub(super) text: Text,
    pub(super) is_known: bool,
    pub(super) has_glob: bool,
}

impl Word {
    /// A word that is just this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self::of(Text::Own(text.into()))
    }

    pub(super) fn of(text: Text) -> Self {
        Self { text, is_known: true, has_glob: false }
    }

    /// What stands behind a sign within this one, or another part of it.
    pub(super) fn with(&self, text: impl Into<Text>) -> Self {
        Self { text: text.into(), is_known: self.is_known, has_glob: self.has_glob }
    }

    pub(super) fn unknown() -> Self {
        Self { text: UNKNOWN.to_string().into(), is_known: false, has_glob: false }
    }

    /// Its text, where nothing of it depends on the machine.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        (self.is_known && !self.has_glob).then_some(self.text.as_str())
    }

    /// Its text with the pattern characters of a glob, where nothing else of it depends on the machine.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        self.is_known.then_some(self.text.as_str())
    }

    /// Whether it is a glob, and so stands for any number of words.
    #[must_use]
    pub fn has_glob(&self) -> bool {
        self.has_glob
    }

    /// Its text, with a NUL character for each part that is known only at run time. The home folder is `~`, however
    /// it is spelt.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A piece of a word as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Text),
    /// A character of a glob.
    Glob(char),
    /// `{`, `,` or `}` outside quotes.
    Brace(char),
    /// `~`, and where it is one, the user behind it.
    Home(String),
    Variable {
        name: String,
        is_quoted: bool,
        /// What stands there where it is not set.
        or: Option<String>,
    },
    /// The output of commands, with what it is where that is a constant.
    Output {
        is_quoted: bool,
        constant: Option<String>,
    },
    /// Anything else.
    Unknown,
}

/// A word as it is read. Most are one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    One(Piece),
    Several(Vec<Piece>),
}

impl Default for Raw {
    fn default() -> Self {
        Raw::Several(Vec::new())
    }
}

impl Raw {
    pub(super) fn text(text: impl Into<Text>) -> Self {
        Raw::One(Piece::Text(text.into()))
    }

    pub(super) fn into_pieces(self) -> Vec<Piece> {
        match self {
            Raw::One(piece) => vec![piece],
            Raw::Several(pieces) => pieces,
        }
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match std::mem::take(self) {
            Raw::One(first) => *self = Raw::Several(vec![first, piece]),
            Raw::Several(pieces) if pieces.is_empty() => *self = Raw::One(piece),
            Raw::Several(mut pieces) => {
                pieces.push(piece);
                *self = Raw::Several(pieces);
            }
        }
    }
}

impl Deref for Raw {
    type Target = [Piece];

    fn deref(&self) -> &[Piece] {
        match self {
            Raw::One(piece) => std::slice::from_ref(piece),
            Raw::Several(pieces) => pieces,
        }
    }
}

impl DerefMut for Raw {
    fn deref_mut(&mut self) -> &mut [Piece] {
        match self {
            Raw::One(piece) => std::slice::from_mut(piece),
            Raw::Several(pieces) => pieces,
        }
    }
}

impl From<Vec<Piece>> for Raw {
    fn from(pieces: Vec<Piece>) -> Self {
        Raw::Several(pieces)
    }
}

/// Pushes text.
pub(super) fn push(word: &mut Raw, text: &str) {
    match word.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => word.push(Piece::Text(text.into())),
    }
}

/// Pushes what stands there in the text that is read.
pub(super) fn push_part(word: &mut Raw, whole: &Arc<str>, range: Range<usize>) {
    match word.last_mut() {
        Some(Piece::Text(last)) if !last.is_empty() => {
            last.push_str(whole.get(range).unwrap_or_default());
        }
        Some(Piece::Text(last)) => *last = Text::part(whole, range),
        _ => word.push(Piece::Text(Text::part(whole, range))),
    }
}

/// The text of a word that is nothing but unquoted text.
pub(super) fn literal(word: &Raw) -> Option<&str> {
    match &**word {
        [Piece::Text(text)] => Some(text),
        _ => None,
    }
}

/// A word as it is known.
pub(super) fn settle(raw: &[Piece]) -> Word {
    if let [Piece::Text(text)] = raw {
        return Word::of(text.clone());
    }
    let mut word = Word::of(Text::Own(String::with_capacity(raw.iter().map(room).sum())));
    for piece in raw {
        add(&mut word, piece);
    }
    word
}

/// Bytes of a piece, about.
fn room(piece: &Piece) -> usize {
    match piece {
        Piece::Text(text) => text.len(),
        Piece::Home(user) => user.len() + 1,
        Piece::Glob(_) | Piece::Brace(_) | Piece::Variable { .. } | Piece::Output { .. } | Piece::Unknown => {
            4
        }
    }
}

/// Adds to a word what is known of a piece.
pub(super) fn add(word: &mut Word, piece: &Piece) {
    match piece {
        Piece::Text(text) => word.text.push_str(text),
        Piece::Glob(sign) => {
            // A lone bracket is text.
            word.has_glob |= matches!(sign, '*' | '?') || (*sign == ']' && word.text.contains('['));
            word.text.push(*sign);
        }
        Piece::Brace(sign) => word.text.push(*sign),
        Piece::Home(user) => {
            word.text.push('~');
            word.text.push_str(user);
        }
        Piece::Variable { name, .. } => {
            word.is_known = false;
            match name.as_str() {
                "HOME" => word.text.push('~'),
                "PWD" => word.text.push('.'),
                "TMPDIR" => word.text.push_str("/tmp"),
                _ => word.text.push(UNKNOWN),
            }
        }
        Piece::Output { .. } | Piece::Unknown => {
            word.is_known = false;
            word.text.push(UNKNOWN);
        }
    }
}

/// Whether nothing of a word is left to run time, and braces make nothing of it.
pub(super) fn is_plain(raw: &Raw) -> bool {
    raw.iter().all(|piece| matches!(piece, Piece::Text(_) | Piece::Glob(_) | Piece::Home(_)))
}

/// Whether braces may make several words of one.
pub(super) fn has_brace(raw: &Raw) -> bool {
    raw.iter().any(|piece| matches!(piece, Piece::Brace('{')))
}

/// The words that braces make of one, and whether there were any; the word itself where there are none.
pub(super) fn braces(raw: Raw) -> Result<(Vec<Raw>, bool), CommandError> {
    let too_many = CommandError::TooLarge { what: "a brace expansion of too many words" };
    let mut done = Vec::new();
    let mut open = vec![raw];
    let (mut pieces, mut any) = (0, false);
    while let Some(word) = open.pop() {
        pieces += word.len();
        if done.len() + open.len() > 256 || pieces > MAX_PIECES {
            return Err(too_many);
        }
        match first_brace(&word).map_err(|TooLong| too_many.clone())? {
            Some(words) => {
                any = true;
                open.extend(words.into_iter().rev());
            }
            None => done.push(word),
        }
    }
    Ok((done, any))
}

/// Pieces of all words that braces make of one, those on the way there too.
const MAX_PIECES: usize = 1 << 17;

/// Most words that a range stands for.
const MAX_RANGE: u64 = 128;

/// A range of more words.
struct TooLong;

/// The first brace expansion of a word, made; `None` where there is none.
fn first_brace(word: &Raw) -> Result<Option<Vec<Raw>>, TooLong> {
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut first: Option<(usize, usize, Vec<Raw>)> = None;
    for (at, piece) in word.iter().enumerate() {
        match piece {
            Piece::Brace('{') => open.push((at, Vec::new())),
            Piece::Brace(',') => open.last_mut().into_iter().for_each(|(_, commas)| commas.push(at)),
            Piece::Brace('}') => {
                let Some((start, commas)) = open.pop() else { continue };
                if first.as_ref().is_some_and(|(first, ..)| *first < start) {
                    continue;
                }
                let parts = parts(word, start, at, &commas)?;
                first = parts.map(|parts| (start, at, parts)).or(first);
            }
            _ => {}
        }
    }
    let Some((start, end, parts)) = first else { return Ok(None) };
    let (before, after) = (word.get(..start).unwrap_or_default(), word.get(end + 1..).unwrap_or_default());
    Ok(Some(parts.into_iter().map(|part| [before, &part, after].concat().into()).collect()))
}

/// What stands between commas, or what a range stands for.
fn parts(word: &Raw, start: usize, end: usize, commas: &[usize]) -> Result<Option<Vec<Raw>>, TooLong> {
    if commas.is_empty() {
        let Some([Piece::Text(text)]) = word.get(start + 1..end) else { return Ok(None) };
        let words = range(text)?;
        return Ok(words.map(|words| words.into_iter().map(Raw::text).collect()));
    }
    let mut from = start + 1;
    let part = |at: &usize| {
        let part = word.get(from..*at).unwrap_or_default().to_vec();
        from = at + 1;
        part.into()
    };
    Ok(Some(commas.iter().chain([&end]).map(part).collect()))
}

/// `1..9`, `09..1..2` and `a..e`.
fn range(text: &str) -> Result<Option<Vec<String>>, TooLong> {
    let mut ends = text.split("..");
    let (Some(from), Some(to), step, None) = (ends.next(), ends.next(), ends.next(), ends.next()) else {
        return Ok(None);
    };
    let Ok(step) = step.map_or(Ok(1), str::parse::<i64>) else { return Ok(None) };
    let step = step.unsigned_abs().max(1);
    let steps = |from: i64, to: i64| {
        let count = from.abs_diff(to) / step;
        let at = move |number: u64| {
            let far = i64::try_from(number.saturating_mul(step)).unwrap_or(i64::MAX);
            if from <= to { from.saturating_add(far) } else { from.saturating_sub(far) }
        };
        if count < MAX_RANGE { Ok((0..=count).map(at)) } else { Err(TooLong) }
    };
    if let (Ok(first), Ok(last)) = (from.parse::<i64>(), to.parse::<i64>()) {
        let padded = |text: &str| {
            let digits = text.trim_start_matches(['-', '+']);
            digits.len() > 1 && digits.starts_with('0')
        };
        let width = if padded(from) || padded(to) { from.len().max(to.len()) } else { 0 };
        return Ok(Some(steps(first, last)?.map(|number| format!("{number:0width$}")).collect()));
    }
    let (&[first], &[last]) = (from.as_bytes(), to.as_bytes()) else { return Ok(None) };
    if !(first.is_ascii_alphabetic() && last.is_ascii_alphabetic()) {
        return Ok(None);
    }
    let letter =
        |number: i64| u8::try_from(number).map(|byte| char::from(byte).to_string()).unwrap_or_default();
    Ok(Some(steps(first.into(), last.into())?.map(letter).collect()))
}
