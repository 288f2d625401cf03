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

    /// The expression; if `ascii` says so, what is left of it in texts of nothing but ASCII. `None` if that is nothing.
    pub(super) fn hir(&self, ascii: bool) -> Option<Hir> {
        Some(match self {
            Self::Literal(bytes) => {
                Some(Hir::literal(bytes.clone())).filter(|_| !ascii || bytes.is_ascii())?
            }
            Self::Class(ranges) => {
                let last = if ascii { 0x7f } else { u32::from(char::MAX) };
                let ranges = ranges.iter().take_while(|(start, _)| *start <= last);
                let range = |(start, end): &(u32, u32)| {
                    Some(ClassUnicodeRange::new(char::from_u32(*start)?, char::from_u32(last.min(*end))?))
                };
                let class = ClassUnicode::new(ranges.map(range).collect::<Option<Vec<_>>>()?);
                Some(class).filter(|class| !class.ranges().is_empty()).map(Class::Unicode).map(Hir::class)?
            }
            Self::Bytes(ranges) => {
                let ranges = ranges.iter().filter(|(start, _)| !ascii || start.is_ascii());
                let last = if ascii { 0x7f } else { u8::MAX };
                let class =
                    ClassBytes::new(ranges.map(|(start, end)| ClassBytesRange::new(*start, last.min(*end))));
                Some(class).filter(|class| !class.ranges().is_empty()).map(Class::Bytes).map(Hir::class)?
            }
            Self::Look(look) => Hir::look(Look::from_repr(*look)?),
            Self::Repetition { min, max, sub } => match sub.hir(ascii) {
                Some(sub) => {
                    let sub = Box::new(sub);
                    Hir::repetition(Repetition { min: *min, max: *max, greedy: true, sub })
                }
                None if *min == 0 => Hir::empty(),
                None => return None,
            },
            Self::Concat(parts) => {
                Hir::concat(parts.iter().map(|part| part.hir(ascii)).collect::<Option<_>>()?)
            }
            Self::Alternation(parts) => {
                let parts: Vec<Hir> = parts.iter().filter_map(|part| part.hir(ascii)).collect();
                Some(parts).filter(|parts| !parts.is_empty()).map(Hir::alternation)?
            }
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
            assert_eq!(kept.hir(false), Some(hir.clone()), "{pattern}");
            assert_eq!(kept.hir(true), in_ascii(&hir), "{pattern}");
            assert_eq!(Kept::read(&kept.write().unwrap()), Some(kept));
        }
    }
}
