//! Text from right to left: written backwards, with each word backwards, or shown backwards by an override character.

use super::super::view::Mapped;
use super::region::Piece;

/// Lets what follows be shown from right to left, whatever it is.
const OVERRIDE: char = '\u{202e}';
/// Ends it.
const POP: char = '\u{202c}';

/// All of it, from its end.
pub(super) fn all(text: &str, piece: Piece) -> Mapped {
    let mut decoded = Mapped::default();
    let part = text.get(piece.start..piece.end).unwrap_or_default();
    decoded.push_same(&part.chars().rev().collect::<String>(), piece.start);
    decoded
}

/// Every word from its end, in the order of the text.
pub(super) fn words(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    let mut decoded = Mapped::with_capacity(part.len());
    let mut at = piece.start;
    for run in part.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = run.trim_end_matches(|c: char| !c.is_alphanumeric());
        word.chars().rev().for_each(|c| decoded.push_decoded(c, (at, at + word.len())));
        decoded.push_same(run.get(word.len()..)?, at + word.len());
        at += run.len();
    }
    Some(decoded)
}

/// What stands behind an override, as it is shown.
pub(super) fn overridden(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    let mut decoded = Mapped::with_capacity(part.len());
    let mut at = piece.start;
    for (number, run) in part.split(OVERRIDE).enumerate() {
        let mut rest = run;
        let mut from = at;
        if number > 0 {
            let end = run.find([POP, '\n', '\r']).unwrap_or(run.len());
            let (turned, behind) = run.split_at_checked(end)?;
            let start = at - OVERRIDE.len_utf8();
            let popped = behind.strip_prefix(POP).unwrap_or(behind);
            from = at + end + (behind.len() - popped.len());
            turned.chars().rev().for_each(|c| decoded.push_decoded(c, (start, from)));
            rest = popped;
        }
        decoded.push_same(rest, from);
        at += run.len() + OVERRIDE.len_utf8();
    }
    Some(decoded)
}
