//! What words most likely are, where that is known only at run time.

use super::{Draft, State};
use crate::tool::command::MAX_PARSED;
use crate::tool::command::word::{self, Piece, Raw, Word};

impl State {
    /// How many ways there are to suppose the values of a command's variables.
    pub(super) fn variants(&self, draft: &Draft) -> usize {
        let pieces =
            draft.words.iter().chain(draft.redirects.iter().map(|(_, raw)| raw)).flat_map(|raw| raw.iter());
        let known = pieces.map(|piece| match piece {
            Piece::Variable { name, or, .. } => match self.variables.get(name) {
                Some(values) => values.len(),
                None => usize::from(or.is_some() || is_empty_name(name) || name == "IFS"),
            },
            Piece::Output { constant: Some(_), .. } => 1,
            _ => 0,
        });
        let known = known.max().unwrap_or_default().min(4);
        // A program that is named with a part that is not set is named by its other parts.
        let parted = draft.words.first().is_some_and(|program| {
            program.len() > 1 && program.iter().any(|piece| matches!(piece, Piece::Variable { .. }))
        });
        known.max(usize::from(parted))
    }

    /// A word with the values that its variables are supposed to have.
    fn suppose(&self, raw: &Raw, variant: usize) -> Raw {
        let piece = |piece: &Piece| match self.value(piece, variant) {
            Some(value) if self.counts(value) => Piece::Text(value.into()),
            Some(_) => Piece::Unknown,
            None => piece.clone(),
        };
        match raw {
            Raw::One(one) => Raw::One(piece(one)),
            Raw::Several(pieces) => Raw::Several(pieces.iter().map(piece).collect()),
        }
    }

    /// The same, settled.
    pub(in crate::tool::command) fn supposed(&self, raw: &Raw, variant: usize) -> Word {
        if let [Piece::Text(text)] = &**raw {
            return Word::of(text.clone());
        }
        let mut word = Word::new(String::with_capacity(32));
        for piece in raw.iter() {
            match self.value(piece, variant) {
                Some(value) if self.counts(value) => word.text.push_str(value),
                Some(_) => word::add(&mut word, &Piece::Unknown),
                None => word::add(&mut word, piece),
            }
        }
        word
    }

    /// Counts what is supposed, which is refused where it is too much.
    fn counts(&self, value: &str) -> bool {
        self.supposed.set(self.supposed.get().saturating_add(value.len()));
        self.supposed.get() <= MAX_PARSED
    }

    /// What a piece is supposed to be that is known only at run time.
    fn value<'p>(&'p self, piece: &'p Piece, variant: usize) -> Option<&'p str> {
        match piece {
            Piece::Variable { name, or, .. } => {
                let values = self.variables.get(name);
                let value = values.and_then(|values| values.get(variant).or(values.last())).or(or.as_ref());
                match value {
                    Some(value) => Some(value),
                    None if name == "IFS" => Some(" "),
                    None if is_empty_name(name) => Some(""),
                    None => None,
                }
            }
            Piece::Output { constant: Some(value), .. } => Some(value),
            _ => None,
        }
    }

    /// Words of a command as they are supposed to be, split where the shell splits them.
    pub(super) fn supposed_words(&self, raw: &Raw, variant: usize, is_program: bool) -> Vec<Raw> {
        let splits = raw.iter().any(|piece| match piece {
            Piece::Variable { is_quoted, name, .. } => !is_quoted || name == "@",
            Piece::Output { is_quoted, .. } => !is_quoted,
            _ => false,
        });
        let supposed = self.suppose(raw, variant).into_pieces().into_iter().zip(raw.iter());
        let supposed = supposed
            .filter(|(piece, _)| !(is_program && raw.len() > 1 && matches!(piece, Piece::Variable { .. })));
        if !splits {
            return vec![supposed.map(|(piece, _)| piece).collect::<Vec<_>>().into()];
        }
        let mut words = vec![Raw::default()];
        for (piece, before) in supposed {
            let quoted = match before {
                Piece::Variable { is_quoted, name, .. } => *is_quoted && name != "@",
                Piece::Output { is_quoted, .. } => *is_quoted,
                _ => true,
            };
            match piece {
                Piece::Text(text) if !quoted => {
                    // `IFS` may have been set to anything; colons are what it is mostly set to.
                    let separators: &[char] = if self.variables.contains_key("IFS") {
                        &[' ', '\t', '\n', ':']
                    } else {
                        &[' ', '\t', '\n']
                    };
                    let mut parts = text.split(separators);
                    if let (Some(first), Some(last)) = (parts.next(), words.last_mut()) {
                        word::push(last, first);
                    }
                    words.extend(parts.map(Raw::text));
                }
                piece => {
                    if let Some(last) = words.last_mut() {
                        last.push(piece);
                    }
                }
            }
        }
        words.retain(|word| !word::settle(word).text.is_empty());
        words
    }
}

/// Parameters that are mostly empty.
fn is_empty_name(name: &str) -> bool {
    matches!(name, "@" | "*" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9")
}
