//! What every match of a pattern holds: a literal, digits, or a byte of a class.

use regex_syntax::hir::{Hir, HirKind};

use super::first::{ByteSet, begins_at_start, only, prefix};
use super::literals::{self, Required};

/// What tells where a pattern can match.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trigger {
    /// Every match holds one of these.
    Literals(Vec<Required>),
    /// Every match holds so many digits, with nothing but digits and separators between them, the first of them behind
    /// so many bytes.
    Digits { min: usize, max: usize, count: usize },
    /// Every match begins with one of these bytes.
    Bytes(ByteSet),
    /// Every match begins where the text does.
    Start,
}

/// What can stand between the digits of one number.
pub(super) fn is_joiner(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b'-' | b'.' | b'/' | b'(' | b')' | b'+' | b',' | b':'
    )
}

/// The best trigger of a pattern. `spaced` where a space stands for any white space, so that no literal may hold one.
pub(super) fn trigger(hir: &Hir, spaced: bool) -> Trigger {
    if begins_at_start(hir) {
        return Trigger::Start;
    }
    let literals = literals::best(hir, spaced);
    let digits = digits(hir).filter(|digits| digits.max.is_some());
    // What numbers of so many digits cost, which stand that often in prose and code, in nanoseconds for each byte.
    let digit_cost = digits.as_ref().map_or(f64::MAX, |digits| match digits.count {
        0..=1 => 0.1,
        2..=3 => 0.05,
        4..=6 => 0.02,
        _ => 0.01,
    });
    if let Some((required, _)) = literals.filter(|(_, cost)| *cost <= digit_cost) {
        return Trigger::Literals(required);
    }
    if let Some(Digits { min, max: Some(max), count, .. }) = digits {
        return Trigger::Digits { min, max, count };
    }
    let [first] = prefix::<1>(hir, false).sets;
    Trigger::Bytes(first)
}

/// Most bytes of a match before its first digits, if there are at least so many.
pub(super) fn most_before_digits(hir: &Hir, count: usize) -> Option<usize> {
    digits(hir).filter(|digits| digits.count >= count)?.max
}

/// The first digits of every match.
struct Digits {
    min: usize,
    max: Option<usize>,
    count: usize,
    /// Nothing but digits and separators follows, to the end of the expression.
    open: bool,
}

fn digits(hir: &Hir) -> Option<Digits> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => {
            let first = literal.0.iter().position(u8::is_ascii_digit)?;
            let rest = literal.0.get(first..)?;
            let stretch = rest.iter().take_while(|byte| byte.is_ascii_digit() || is_joiner(**byte)).count();
            let count = rest.iter().take(stretch).filter(|byte| byte.is_ascii_digit()).count();
            Some(Digits { min: first, max: Some(first), count, open: stretch == rest.len() })
        }
        HirKind::Class(class) => only(class, |byte| byte.is_ascii_digit()).then_some(Digits {
            min: 0,
            max: Some(0),
            count: 1,
            open: true,
        }),
        HirKind::Capture(capture) => digits(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = if repetition.min > 0 { digits(&repetition.sub)? } else { return None };
            let times = usize::try_from(repetition.min).ok()?;
            let pure = fewest_digits(&repetition.sub);
            let more = pure.map_or(0, |count| count.saturating_mul(times - 1));
            Some(Digits { count: sub.count + more, open: sub.open && pure.is_some(), ..sub })
        }
        HirKind::Concat(parts) => {
            let (mut min, mut max) = (0, Some(0));
            let mut found: Option<Digits> = None;
            for part in parts {
                if let Some(found) = &mut found {
                    match fewest_digits(part) {
                        Some(count) if found.open => found.count += count,
                        _ => found.open = false,
                    }
                    continue;
                }
                if let Some(one) = digits(part) {
                    let max = max.zip(one.max).map(|(max, more): (usize, usize)| max + more);
                    found = Some(Digits { min: min + one.min, max, ..one });
                    continue;
                }
                min += part.properties().minimum_len().unwrap_or(0);
                max = max.zip(part.properties().maximum_len()).map(|(max, most)| max + most);
            }
            found
        }
        HirKind::Alternation(parts) => {
            let mut all = parts.iter().map(digits);
            let first = all.next()??;
            all.try_fold(first, |one, other| {
                let other = other?;
                Some(Digits {
                    min: one.min.min(other.min),
                    max: one.max.zip(other.max).map(|(one, other)| one.max(other)),
                    count: one.count.min(other.count),
                    open: one.open && other.open,
                })
            })
        }
    }
}

/// The fewest digits of an expression that matches nothing but digits and separators.
fn fewest_digits(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => literal
            .0
            .iter()
            .all(|byte| byte.is_ascii_digit() || is_joiner(*byte))
            .then(|| literal.0.iter().filter(|byte| byte.is_ascii_digit()).count()),
        HirKind::Class(class) if only(class, |byte| byte.is_ascii_digit()) => Some(1),
        HirKind::Class(class) => only(class, |byte| byte.is_ascii_digit() || is_joiner(byte)).then_some(0),
        HirKind::Capture(capture) => fewest_digits(&capture.sub),
        HirKind::Repetition(repetition) => {
            fewest_digits(&repetition.sub).map(|count| count.saturating_mul(repetition.min as usize))
        }
        HirKind::Concat(parts) => parts.iter().map(fewest_digits).sum(),
        HirKind::Alternation(parts) => {
            parts.iter().map(fewest_digits).try_fold(usize::MAX, |least, count| Some(least.min(count?)))
        }
    }
}
