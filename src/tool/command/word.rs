//! A word of a command, as far as it is known before it runs.

use super::{CommandError, MAX_WORDS};

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
            word.text.push(*sign);
            // A lone bracket is text.
            word.has_glob |= matches!(sign, '*' | '?' | '[');
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

/// The words that braces make of one; the word itself where there are none.
pub(super) fn braces(raw: Raw) -> Result<Vec<Raw>, CommandError> {
    if !has_brace(&raw) {
        return Ok(vec![raw]);
    }
    let mut done = Vec::new();
    let mut open = vec![raw];
    let mut steps = 0;
    while let Some(word) = open.pop() {
        steps += 1;
        if done.len() + open.len() > 256 || steps > MAX_WORDS {
            return Err(CommandError::TooLarge { what: "a brace expansion of too many words" });
        }
        match first_brace(&word) {
            Some(words) => open.extend(words.into_iter().rev()),
            None => done.push(word),
        }
    }
    Ok(done)
}

/// The first brace expansion of a word, made; `None` where there is none.
fn first_brace(word: &Raw) -> Option<Vec<Raw>> {
    for (start, piece) in word.iter().enumerate() {
        if *piece != Piece::Brace('{') {
            continue;
        }
        let (mut depth, mut commas, mut end) = (0_usize, Vec::new(), None);
        for (at, piece) in word.iter().enumerate().skip(start) {
            match piece {
                Piece::Brace('{') => depth += 1,
                Piece::Brace('}') => {
                    depth -= 1;
                    if depth == 0 {
                        end = Some(at);
                        break;
                    }
                }
                Piece::Brace(',') if depth == 1 => commas.push(at),
                _ => {}
            }
        }
        let Some(end) = end else { continue };
        let inner = word.get(start + 1..end)?;
        let parts: Vec<Raw> = if commas.is_empty() {
            match inner {
                [Piece::Text(text)] => range(text)?.into_iter().map(|text| vec![Piece::Text(text)]).collect(),
                _ => continue,
            }
        } else {
            let mut parts = Vec::new();
            let mut from = start + 1;
            for at in commas.into_iter().chain([end]) {
                parts.push(word.get(from..at)?.to_vec());
                from = at + 1;
            }
            parts
        };
        let before = word.get(..start)?;
        let after = word.get(end + 1..)?;
        return Some(parts.into_iter().map(|part| [before, &part, after].concat()).collect());
    }
    None
}

/// `1..9` and `a..e`; anything longer stays as it is written.
fn range(text: &str) -> Option<Vec<String>> {
    let (from, to) = text.split_once("..")?;
    if let (Ok(from), Ok(to)) = (from.parse::<i32>(), to.parse::<i32>()) {
        let (low, high) = (from.min(to), from.max(to));
        return (high.checked_sub(low)? < 128)
            .then(|| (low..=high).map(|number| number.to_string()).collect());
    }
    let (&[from], &[to]) = (from.as_bytes(), to.as_bytes()) else { return None };
    (from.is_ascii_alphabetic() && to.is_ascii_alphabetic())
        .then(|| (from.min(to)..=from.max(to)).map(|letter| char::from(letter).to_string()).collect())
}
