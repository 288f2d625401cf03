//! What makes no difference to a pattern: then the raw and the folded view of a text are the same to it.

use regex_syntax::hir::{Hir, HirKind, Look};

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
