//! An expression that is kept with what was compiled from it, without being written down and parsed again.

use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition,
};
use serde::{Deserialize, Serialize};

/// An expression. It matches what the one did that it was made from, by the same parts; which of them comes first where several match
/// is not kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kept {
    Literal(Box<[u8]>),
    /// From each first character to each last one.
    Class(Box<[(u32, u32)]>),
    Bytes(Box<[(u8, u8)]>),
    /// Its bit among all of them.
    Look(u32),
    Repetition {
        min: u32,
        max: Option<u32>,
        sub: Box<Kept>,
    },
    Concat(Box<[Kept]>),
    Alternation(Box<[Kept]>),
}

impl Kept {
    pub(super) fn new(hir: &Hir) -> Self {
        let all = |parts: &[Hir]| parts.iter().map(Self::new).collect();
        match hir.kind() {
            HirKind::Empty => Self::Concat(Box::default()),
            HirKind::Literal(literal) => Self::Literal(literal.0.clone()),
            HirKind::Class(Class::Unicode(class)) => Self::Class(
                class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect(),
            ),
            HirKind::Class(Class::Bytes(class)) => {
                Self::Bytes(class.ranges().iter().map(|range| (range.start(), range.end())).collect())
            }
            HirKind::Look(look) => Self::Look(look.as_repr()),
            HirKind::Repetition(Repetition { min, max, sub, .. }) => {
                Self::Repetition { min: *min, max: *max, sub: Box::new(Self::new(sub)) }
            }
            HirKind::Capture(capture) => Self::new(&capture.sub),
            HirKind::Concat(parts) => Self::Concat(all(parts)),
            HirKind::Alternation(parts) => Self::Alternation(all(parts)),
        }
    }

    /// As bytes, from which little is made before it is needed.
    pub(super) fn write(&self) -> Option<Box<[u8]>> {
        postcard::to_allocvec(self).ok().map(Vec::into_boxed_slice)
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The expression; `None` only for what was not written here.
    pub(super) fn hir(&self) -> Option<Hir> {
        let all = |parts: &[Self]| parts.iter().map(Self::hir).collect::<Option<_>>();
        Some(match self {
            Self::Literal(bytes) => Hir::literal(bytes.clone()),
            Self::Class(ranges) => {
                let range = |(start, end): &(u32, u32)| {
                    Some(ClassUnicodeRange::new(char::from_u32(*start)?, char::from_u32(*end)?))
                };
                let ranges = ranges.iter().map(range).collect::<Option<Vec<_>>>()?;
                Hir::class(Class::Unicode(ClassUnicode::new(ranges)))
            }
            Self::Bytes(ranges) => {
                let ranges = ranges.iter().map(|(start, end)| ClassBytesRange::new(*start, *end));
                Hir::class(Class::Bytes(ClassBytes::new(ranges)))
            }
            Self::Look(look) => Hir::look(Look::from_repr(*look)?),
            Self::Repetition { min, max, sub } => {
                let sub = Box::new(sub.hir()?);
                Hir::repetition(Repetition { min: *min, max: *max, greedy: true, sub })
            }
            Self::Concat(parts) => Hir::concat(all(parts)?),
            Self::Alternation(parts) => Hir::alternation(all(parts)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::expression::Expression;
    use crate::text::uniform::in_ascii;

    #[test]
    fn an_expression_comes_back() {
        for pattern in [
            r"(?m)^(?:a|bc*|[0-9é])+$",
            r"(?i)\b(?:ssh|key)[^\n]{0,9}\B(?-u:[a-f])",
            "[α-ω]|(?:[α-ω]?x)?",
            "[α-ω]",
            "(?:x+)?y{2,}",
            "(?:)",
            r"a(?:|b)",
        ] {
            let Expression { hir, .. } = Expression::new(pattern).unwrap();
            let kept = Kept::new(&hir);
            let back = kept.hir().unwrap();
            assert_eq!(back, hir, "{pattern}");
            assert_eq!(in_ascii(&back), in_ascii(&hir), "{pattern}");
            assert_eq!(Kept::read(&kept.write().unwrap()), Some(kept));
        }
    }
}
