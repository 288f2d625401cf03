//! A regular expression: parsed when a bundle is compiled, made ready when first used.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use regex_automata::meta;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    Ast, ClassSet, ClassSetItem, Flag, Flags, FlagsItem, FlagsItemKind, Group, GroupKind,
};
use regex_syntax::hir::translate::Translator;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};

use super::{FindError, ready, trial};

/// Largest program of one pattern, in bytes.
pub(super) const SIZE_LIMIT: usize = 4 << 20;
/// Deepest nesting of a pattern.
const NEST_LIMIT: u32 = 64;

/// A regular expression that is made ready when it is first used. Word borders are those of ASCII, so that every
/// pattern can be walked byte by byte.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) hir: Hir,
    /// It has a group named `value`.
    pub(super) has_value: bool,
    meta: OnceLock<Option<meta::Regex>>,
    /// How often it was told without being made ready that it matches nowhere.
    nowhere: AtomicUsize,
}

impl Expression {
    pub(super) fn new(pattern: &str) -> Result<Self, FindError> {
        let wrong =
            |error: regex_syntax::Error| FindError::Pattern { message: last_line(&error.to_string()) };
        let mut parser = ParserBuilder::new().nest_limit(NEST_LIMIT).build();
        let mut parsed = parser.parse(pattern).map_err(|error| wrong(error.into()))?;
        any_as_dot(&mut parsed);
        let hir = Translator::new().translate(pattern, &parsed).map_err(|error| wrong(error.into()))?;
        let has_value = pattern.contains("(?P<value>") || pattern.contains("(?<value>");
        Ok(Self { hir: plain(hir), has_value, meta: OnceLock::new(), nowhere: AtomicUsize::new(0) })
    }

    fn compile(&self) -> Result<meta::Regex, FindError> {
        // Where a match can begin is mostly known, and groups other than `value` are never asked for.
        let captures = if self.has_value { WhichCaptures::All } else { WhichCaptures::Implicit };
        let config = meta::Config::new()
            .nfa_size_limit(Some(SIZE_LIMIT))
            .onepass(false)
            .auto_prefilter(false)
            .which_captures(captures);
        meta::Builder::new().configure(config).build_from_hir(&self.hir).map_err(|error| {
            let message = match error.size_limit() {
                Some(limit) => format!("it needs more than {} MiB when compiled", limit >> 20),
                None => last_line(&error.to_string()),
            };
            FindError::Pattern { message }
        })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.compile().map(|_| ())
    }

    /// Whether it matches nowhere in a short text, as far as that is told without making it ready: for the first few of them.
    pub(super) fn is_nowhere(&self, text: &str) -> bool {
        const FEW: usize = 32;
        const SHORT: usize = 128;
        if self.meta.get().is_some() || text.len() > SHORT || self.nowhere.load(Relaxed) >= FEW {
            return false;
        }
        self.nowhere.fetch_add(1, Relaxed);
        let mut places = (0..=text.len()).filter(|at| text.is_char_boundary(*at));
        places.all(|at| trial::none(&self.hir, text, at).is_some())
    }

    /// The compiled pattern. `None` only for one that `prove` would have refused.
    pub(super) fn get(&self) -> Option<&meta::Regex> {
        self.meta.get_or_init(|| ready::make(|| self.compile().ok())).as_ref()
    }
}

pub(super) fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Has `[\s\S]` and the like as a dot: to find the other cases of all characters takes ten milliseconds.
fn any_as_dot(ast: &mut Ast) {
    match ast {
        Ast::ClassBracketed(class) if !class.negated && is_any(&class.kind) => {
            let flag = FlagsItem { span: class.span, kind: FlagsItemKind::Flag(Flag::DotMatchesNewLine) };
            let flags = Flags { span: class.span, items: vec![flag] };
            let kind = GroupKind::NonCapturing(flags);
            *ast = Ast::group(Group { span: class.span, kind, ast: Box::new(Ast::dot(class.span)) });
        }
        Ast::Repetition(repetition) => any_as_dot(&mut repetition.ast),
        Ast::Group(group) => any_as_dot(&mut group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter_mut().for_each(any_as_dot),
        Ast::Concat(concat) => concat.asts.iter_mut().for_each(any_as_dot),
        _ => {}
    }
}

fn is_any(set: &ClassSet) -> bool {
    let ClassSet::Item(ClassSetItem::Union(union)) = set else { return false };
    match union.items.as_slice() {
        [ClassSetItem::Perl(one), ClassSetItem::Perl(other)] => {
            one.kind == other.kind && one.negated != other.negated
        }
        _ => false,
    }
}

/// What `\d` stands for in Unicode.
fn all_digits() -> Option<&'static ClassUnicode> {
    static DIGITS: OnceLock<Option<Hir>> = OnceLock::new();
    match DIGITS.get_or_init(|| regex_syntax::parse(r"\d").ok()).as_ref()?.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// The same expression with borders between ASCII words, ASCII digits for `\d`, and without the long s and the Kelvin
/// sign among the cases of `s` and `k`: views show those as the letters that they are.
fn plain(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            let is = |chars: &[char]| {
                let members = class.ranges().iter().flat_map(|range| range.start()..=range.end());
                members.take(chars.len() + 1).eq(chars.iter().copied())
            };
            let of = |ranges: &[(char, char)]| {
                let ranges = ranges.iter().map(|(from, to)| ClassUnicodeRange::new(*from, *to));
                Hir::class(Class::Unicode(ClassUnicode::new(ranges)))
            };
            if is(&['S', 's', '\u{17f}']) {
                of(&[('S', 'S'), ('s', 's')])
            } else if is(&['K', 'k', '\u{212a}']) {
                of(&[('K', 'K'), ('k', 'k')])
            } else if all_digits() == Some(&class) {
                of(&[('0', '9')])
            } else {
                Hir::class(Class::Unicode(class))
            }
        }
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => other,
        }),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(plain(*repetition.sub));
            Hir::repetition(repetition)
        }
        HirKind::Capture(mut capture) => {
            capture.sub = Box::new(plain(*capture.sub));
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(plain).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(plain).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_character_is_a_dot() {
        let hir = |pattern: &str| Expression::new(pattern).unwrap().hir;
        for (pattern, other) in [
            (r"(?i)a[\s\S]{2}b|(?:[\D\d]c)?", "(?i)a(?s:.){2}b|(?:(?s:.)c)?"),
            (r"(?x) [\w\W] # [\s\S]", "(?s:.)"),
            (r"[\s\S\n]", "(?s:.)"),
            (r"\[\s\S]", r"\[\s(?:\S)\]"),
        ] {
            assert_eq!(hir(pattern), hir(other), "{pattern}");
        }
        for other in [r"[\s\D]", r"[\s\s]", r"[^\s\S]"] {
            assert_ne!(hir(other), hir("(?s:.)"), "{other}");
        }
    }
}
