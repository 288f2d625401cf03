//! What a pattern's findings end with.

use regex_syntax::hir::{Hir, HirKind, Look};

use super::first::{ByteSet, edge, is_word, is_word_end};

/// The bytes that matches can end with, or their groups named `value`, where a letter or digit can follow.
pub(super) fn ends(hir: &Hir, has_value: bool) -> ByteSet {
    let (part, border) = if has_value {
        let Some(value) = value(hir) else { return ByteSet::ALL };
        value
    } else {
        (hir, false)
    };
    if part.properties().minimum_len().is_none_or(|length| length == 0) {
        return ByteSet::ALL;
    }
    let border = |part: &Hir| border || is_last(part, &is_word_end);
    let each = |part: &Hir| if border(part) { edge(part, true).without(is_word) } else { edge(part, true) };
    match part.kind() {
        HirKind::Alternation(parts) => parts.iter().fold(ByteSet::default(), |mut all, part| {
            all.insert_all(&each(part));
            all
        }),
        _ => each(part),
    }
}

/// The group named `value`, if it is there once, and whether no word character of ASCII can be directly behind it.
fn value(hir: &Hir) -> Option<(&Hir, bool)> {
    match hir.kind() {
        HirKind::Capture(capture) if capture.name.as_deref() == Some("value") => Some((&capture.sub, false)),
        HirKind::Capture(capture) => value(&capture.sub),
        HirKind::Concat(parts) => {
            let (at, (part, border)) =
                parts.iter().enumerate().find_map(|(at, part)| Some((at, value(part)?)))?;
            Some((part, border || parts.get(at + 1).is_some_and(goes_on_apart)))
        }
        _ => None,
    }
}

/// Whether no match begins with a word character of ASCII, or where one follows another.
fn goes_on_apart(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Look(look) => matches!(look, Look::End | Look::WordAscii | Look::WordEndAscii),
        HirKind::Literal(_) | HirKind::Class(_) => !edge(hir, false).any(|byte| is_word(*byte)),
        HirKind::Capture(capture) => goes_on_apart(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().all(goes_on_apart),
        HirKind::Concat(parts) => parts.first().is_some_and(goes_on_apart),
        HirKind::Empty | HirKind::Repetition(_) => false,
    }
}

/// Whether the last part of every match is such a one.
fn is_last(hir: &Hir, is: &dyn Fn(&Hir) -> bool) -> bool {
    is(hir)
        || match hir.kind() {
            HirKind::Capture(capture) => is_last(&capture.sub, is),
            HirKind::Alternation(parts) => parts.iter().all(|part| is_last(part, is)),
            HirKind::Concat(parts) => parts.last().is_some_and(|part| is_last(part, is)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use crate::text::expression::Expression;
    use crate::text::first::ByteSet;

    #[test]
    fn letters_behind_which_a_word_may_go_on() {
        let digits = ByteSet::of(b"0123456789");
        for (pattern, expected) in [
            (r"\d{3}", digits),
            (r"\d{3}[xX]?", ByteSet::of(b"0123456789xX")),
            // No letter or digit follows one.
            (r"[a-f]{3}\b", ByteSet::default()),
            (r"[a-f.]{3}\b", ByteSet::of(b".")),
            (r"(?:ab\b|c|\d)", ByteSet::of(b"0123456789c")),
            (r"(?:ab|c)\b", ByteSet::default()),
            (r"x(?P<value>[a-f]{3})(?:[^0-9A-Za-z_]|\z)", ByteSet::default()),
            (r"x(?P<value>[a-f]{3})(?:[^0-9A-Za-z_]|y)", ByteSet::of(b"abcdef")),
            (r"x(?P<value>[a-c]{3}\d)y", digits),
            (r"x(?P<value>[a-c])?y", ByteSet::ALL),
            (r"(?:x(?P<value>[a-c])|y)", ByteSet::ALL),
            (r"\d*", ByteSet::ALL),
        ] {
            let Expression { hir, has_value, .. } = Expression::new(pattern).unwrap();
            assert_eq!(super::ends(&hir, has_value), expected, "{pattern}");
        }
    }
}
