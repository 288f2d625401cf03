//! What words most likely are, where that is known only at run time.

use super::{Draft, State};
use crate::tool::command::word::{self, Piece, Raw};

impl State {
    /// How many ways there are to suppose the values of a command's variables.
    pub(super) fn variants(&self, draft: &Draft) -> usize {
        let pieces = draft.words.iter().chain(draft.redirects.iter().map(|(_, raw)| raw)).flatten();
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
    pub(in crate::tool::command) fn suppose(&self, raw: &Raw, variant: usize) -> Raw {
        raw.iter()
            .map(|piece| match piece {
                Piece::Variable { name, or, .. } => {
                    let values = self.variables.get(name);
                    let value =
                        values.and_then(|values| values.get(variant).or(values.last())).or(or.as_ref());
                    match value {
                        Some(value) => Piece::Text(value.clone()),
                        None if name == "IFS" => Piece::Text(" ".to_owned()),
                        None if is_empty_name(name) => Piece::Text(String::new()),
                        None => piece.clone(),
                    }
                }
                Piece::Output { constant: Some(value), .. } => Piece::Text(value.clone()),
                other => other.clone(),
            })
            .collect()
    }

    /// Words of a command as they are supposed to be, split where the shell splits them.
    pub(super) fn supposed_words(&self, raw: &Raw, variant: usize, is_program: bool) -> Vec<Raw> {
        let supposed = self.suppose(raw, variant);
        let splits = raw.iter().any(|piece| match piece {
            Piece::Variable { is_quoted, name, .. } => !is_quoted || name == "@",
            Piece::Output { is_quoted, .. } => !is_quoted,
            _ => false,
        });
        let supposed: Raw = supposed
            .into_iter()
            .filter(|piece| !(is_program && raw.len() > 1 && matches!(piece, Piece::Variable { .. })))
            .collect();
        if !splits {
            return vec![supposed];
        }
        let mut words = vec![Raw::new()];
        for (piece, before) in supposed.into_iter().zip(raw) {
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
                    words.extend(parts.map(|part| vec![Piece::Text(part.to_owned())]));
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
