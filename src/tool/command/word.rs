//! A word of a command, as far as it is known before it runs.

use super::CommandError;

/// Stands in a word's text for what is known only at run time. A command line that holds this byte is refused.
pub(super) const UNKNOWN: char = '\0';

/// A word after quotes are removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    pub(super) text: String,
    pub(super) is_known: bool,
    pub(super) has_glob: bool,
}

impl Word {
    /// A word that is just this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_known: true, has_glob: false }
    }

    pub(super) fn unknown() -> Self {
        Self { text: UNKNOWN.to_string(), is_known: false, has_glob: false }
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
    Text(String),
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

/// A word as it is read.
pub(super) type Raw = Vec<Piece>;

/// Pushes a character as text.
pub(super) fn push(word: &mut Raw, text: &str) {
    match word.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => word.push(Piece::Text(text.to_owned())),
    }
}

/// The text of a word that is nothing but unquoted text.
pub(super) fn literal(word: &Raw) -> Option<&str> {
    match word.as_slice() {
        [Piece::Text(text)] => Some(text),
        _ => None,
    }
}

/// A word as it is known.
pub(super) fn settle(raw: &[Piece]) -> Word {
    let mut word = Word::new(String::new());
    for piece in raw {
        add(&mut word, piece);
    }
    word
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

/// The same, without a copy of a word that is only text.
pub(super) fn settled(mut raw: Raw) -> Word {
    match raw.as_mut_slice() {
        [Piece::Text(text)] => Word::new(std::mem::take(text)),
        pieces => settle(pieces),
    }
}

/// Whether braces may make several words of one.
pub(super) fn has_brace(raw: &Raw) -> bool {
    raw.contains(&Piece::Brace('{'))
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
    Ok(Some(parts.into_iter().map(|part| [before, &part, after].concat()).collect()))
}

/// What stands between commas, or what a range stands for.
fn parts(word: &Raw, start: usize, end: usize, commas: &[usize]) -> Result<Option<Vec<Raw>>, TooLong> {
    if commas.is_empty() {
        let Some([Piece::Text(text)]) = word.get(start + 1..end) else { return Ok(None) };
        let words = range(text)?;
        return Ok(words.map(|words| words.into_iter().map(|text| vec![Piece::Text(text)]).collect()));
    }
    let mut from = start + 1;
    let part = |at: &usize| {
        let part = word.get(from..*at).unwrap_or_default().to_vec();
        from = at + 1;
        part
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
