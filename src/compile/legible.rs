//! Names that a reviewer can't read as they are: two that look alike are two, and a policy about one leaves out the other.

use std::collections::BTreeMap;

use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::text;

/// Reports names that hold what does not show, mix scripts within a word, or look like another of `names`.
pub(super) fn report<'n>(
    kind: &str,
    names: &[&'n Spanned<String>],
    span: impl Fn(&Spanned<String>) -> Span,
    out: &mut Vec<Diagnostic>,
) {
    let mut seen: BTreeMap<String, &'n Spanned<String>> = BTreeMap::new();
    for name in names {
        if let Some(found) = alone(kind, &name.value) {
            out.push(found.at(span(name), ""));
            continue;
        }
        let folded = text::folded(&name.value);
        match seen.get(&folded) {
            // Case shows.
            Some(first) if first.value.to_lowercase() != name.value.to_lowercase() => out.push(
                Diagnostic::new(
                    Code::Confusable,
                    format!("the {kind} `{}` looks like `{}` and is another", name.value, first.value),
                )
                .at(span(name), "this one")
                .related(span(first), "looks like this one")
                .help("give one of them a name that can be told apart"),
            ),
            Some(_) => {}
            None => {
                seen.insert(folded, name);
            }
        }
    }
}

fn alone(kind: &str, name: &str) -> Option<Diagnostic> {
    let hidden = |c: &char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || text::is_invisible(*c);
    if let Some(hidden) = name.chars().find(hidden) {
        let message = format!(
            "a {kind}'s name holds a character that does not show or turns text around (U+{:04X})",
            u32::from(hidden)
        );
        let help = "remove it: what a reviewer sees must be what the engine reads";
        return Some(Diagnostic::new(Code::Confusable, message).help(help));
    }
    if name != name.trim() {
        let message = format!("the {kind} `{name}` begins or ends with white space");
        return Some(
            Diagnostic::new(Code::BadValue, message).help("remove it: names are compared as they stand"),
        );
    }
    let (letter, latin) = name.split(|c: char| !c.is_alphanumeric()).find_map(disguised)?;
    let message = format!(
        "in the {kind} `{name}`, `{letter}` is U+{:04X} and not the letter `{latin}`",
        u32::from(letter)
    );
    Some(Diagnostic::new(Code::Confusable, message).help("write the name in the letters of one script"))
}

/// A letter of another script that looks like a Latin one, in a word that has Latin ones too.
fn disguised(word: &str) -> Option<(char, char)> {
    if !word.chars().any(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    // Greek, Cyrillic, Armenian and Georgian.
    let foreign = |c: &char| matches!(c, '\u{370}'..='\u{58f}' | '\u{10a0}'..='\u{10ff}');
    word.chars().filter(foreign).find_map(|letter| {
        let latin = letter.to_lowercase().next().map(text::look_alike)?;
        latin.is_ascii_alphabetic().then_some((letter, latin))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(names: &[&str]) -> Vec<Code> {
        let names: Vec<Spanned<String>> =
            names.iter().map(|name| Spanned { value: (*name).to_owned(), start: 0, end: 0 }).collect();
        let mut out = Vec::new();
        report("role", &names.iter().collect::<Vec<_>>(), |_| Span::whole(&"f".into()), &mut out);
        out.into_iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn names_that_deceive_are_refused() {
        for name in [
            "u\u{455}er",
            "us\u{200b}er",
            "a\nb",
            "\u{202e}abc",
            "\u{feff}x",
            "x\u{e0041}",
            "\u{0}",
            "a\u{2028}b",
        ] {
            assert_eq!(codes(&[name]), [Code::Confusable], "{name:?}");
        }
        for name in [" user", "user ", "\u{a0}user"] {
            assert_eq!(codes(&[name]), [Code::BadValue], "{name:?}");
        }
        assert_eq!(codes(&["coco", "\u{441}\u{43e}\u{441}\u{43e}"]), [Code::Confusable]);
        assert_eq!(codes(&["user", "ｕｓｅｒ"]), [Code::Confusable]);
    }

    #[test]
    fn names_of_any_script_are_fine() {
        let names =
            ["инженер", "μηχανικός", "größe_日本", "kısa", "管理者", "Staff", "staff", "λ-team", "ärzte"];
        assert_eq!(codes(&names), []);
    }
}
