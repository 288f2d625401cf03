//! What makes no difference to a pattern: then the raw and the folded view of a text are the same to it. And what is left of one
//! in a text of nothing but ASCII.

use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition,
};

use super::first::holds;

/// For what a pattern does not care, as far as there is ASCII.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uniform {
    /// The case of letters.
    pub(super) case: bool,
    /// Which white space it is.
    pub(super) spaces: bool,
}

impl Uniform {
    pub(super) fn of(hir: &Hir) -> Self {
        let spaces = || (b'\t'..=b'\r').chain([b' ']);
        match hir.kind() {
            HirKind::Empty => Self { case: true, spaces: true },
            HirKind::Look(look) => Self {
                case: true,
                spaces: !matches!(look, Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF),
            },
            HirKind::Literal(literal) => Self {
                case: !literal.0.iter().any(u8::is_ascii_alphabetic),
                spaces: !literal.0.iter().any(|byte| spaces().any(|space| space == *byte)),
            },
            HirKind::Class(class) => {
                let holds = |byte: u8| holds(class, byte);
                Self {
                    case: (b'a'..=b'z').all(|byte| holds(byte) == holds(byte.to_ascii_uppercase())),
                    spaces: spaces().all(|space| holds(space) == holds(b' ')),
                }
            }
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repetition) => Self::of(&repetition.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                let both = |one: Self, other: Self| Self {
                    case: one.case && other.case,
                    spaces: one.spaces && other.spaces,
                };
                parts.iter().map(Self::of).fold(Self { case: true, spaces: true }, both)
            }
        }
    }
}

/// The same pattern for texts of nothing but ASCII; `None` if it matches nothing there.
pub(super) fn in_ascii(hir: &Hir) -> Option<Hir> {
    rebuilt(hir, &part_in_ascii, &Repetition::with)
}

/// The same of a part that has none in it.
pub(super) fn part_in_ascii(hir: &Hir) -> Option<Hir> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(hir.clone()).filter(|_| literal.0.is_ascii()),
        HirKind::Class(Class::Unicode(class)) if !class.is_ascii() => {
            let ranges = class.ranges().iter().take_while(|range| range.start().is_ascii());
            let ranges = ranges.map(|range| ClassUnicodeRange::new(range.start(), range.end().min('\x7f')));
            Some(Class::Unicode(ClassUnicode::new(ranges))).filter(|class| !class.is_empty()).map(Hir::class)
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassBytes::new([ClassBytesRange::new(0, 0x7f)]));
            Some(Class::Bytes(class)).filter(|class| !class.is_empty()).map(Hir::class)
        }
        HirKind::Class(class) => Some(hir.clone()).filter(|_| !class.is_empty()),
        _ => Some(hir.clone()),
    }
}

/// The same pattern, without groups, of other smallest parts and with other repetitions; `None` if it matches nothing, as a part
/// does of which nothing is left.
pub(super) fn rebuilt(
    hir: &Hir,
    part: &dyn Fn(&Hir) -> Option<Hir>,
    repeated: &dyn Fn(&Repetition, Hir) -> Repetition,
) -> Option<Hir> {
    let again = |hir: &Hir| rebuilt(hir, part, repeated);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => part(hir),
        HirKind::Repetition(repetition) => match again(&repetition.sub) {
            Some(sub) => Some(Hir::repetition(repeated(repetition, sub))),
            None => (repetition.min == 0).then(Hir::empty),
        },
        HirKind::Capture(capture) => again(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(again).collect::<Option<_>>().map(Hir::concat),
        HirKind::Alternation(parts) => {
            let parts: Vec<Hir> = parts.iter().filter_map(again).collect();
            Some(parts).filter(|parts| !parts.is_empty()).map(Hir::alternation)
        }
    }
}
