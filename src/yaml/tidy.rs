//! YAML without what nobody sees: white space at the ends of lines, line ends of other systems, a missing or repeated last one.
//!
//! Nothing is set in otherwise, wrapped or put in order: comments and the layout of lists belong to who wrote them, and no writer of
//! YAML gives both back as they were.

use std::collections::BTreeSet;
use std::ops::Range;

use super::parse;
use crate::decode::{Kind, Node, Problem};

/// The text made tidy; as it was where it would otherwise not say the same.
pub(crate) fn tidy(text: &str) -> Result<String, Problem> {
    let before = parse(text)?;
    // Line ends do not count in YAML, also within texts.
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let root = if plain == text { before.clone() } else { parse(&plain)? };
    let mut texts = BTreeSet::new();
    let ends: Vec<usize> = plain.match_indices('\n').map(|(at, _)| at).collect();
    lines_of_texts(&root, &ends, &mut texts);
    let mut tidied = String::with_capacity(plain.len());
    for (number, line) in plain.lines().enumerate() {
        // Within a text white space is part of it.
        tidied.push_str(if texts.contains(&number) { line } else { line.trim_end_matches([' ', '\t']) });
        tidied.push('\n');
    }
    let end = tidied.trim_end_matches('\n').len();
    tidied.truncate(end);
    tidied.push('\n');
    let is_same = parse(&tidied).is_ok_and(|after| same(&before, &after));
    Ok(if is_same { tidied } else { text.to_owned() })
}

/// Numbers of the lines that a text of more than one line stands in, of lines that end at these places.
fn lines_of_texts(node: &Node, ends: &[usize], lines: &mut BTreeSet<usize>) {
    let mut add = |span: &Range<usize>| {
        let number = |at: usize| ends.partition_point(|end| *end < at);
        let (first, last) = (number(span.start), number(span.end));
        if first < last {
            lines.extend(first..=last);
        }
    };
    match &node.kind {
        Kind::Sequence(items) => items.iter().for_each(|item| lines_of_texts(item, ends, lines)),
        Kind::Mapping(entries) => {
            entries.iter().for_each(|(key, _)| add(&key.span));
            entries.iter().for_each(|(_, value)| lines_of_texts(value, ends, lines));
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Plain(_) => add(&node.span),
    }
}

/// Whether two trees are the same but for where they stand.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Sequence(one), Kind::Sequence(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Kind::Mapping(one), Kind::Mapping(other)) => {
            let entry = |((key, value), (other_key, other)): (&(_, Node), &(_, Node))| {
                let (key, other_key): (&crate::decode::Key, &crate::decode::Key) = (key, other_key);
                key.text == other_key.text && same(value, other)
            };
            one.len() == other.len() && one.iter().zip(other).all(entry)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_sees_goes() {
        let text = "# a comment  \nname: n\t\r\nlist:   # of two \n  - one  \n  - |\n    kept  \n\n    too\n  - \"quoted  \n    twice\"\n\n\n";
        let tidied = tidy(text).unwrap();
        assert_eq!(
            tidied,
            "# a comment\nname: n\nlist:   # of two\n  - one\n  - |\n    kept  \n\n    too\n  - \"quoted  \n    twice\"\n"
        );
        assert_eq!(tidy(&tidied).unwrap(), tidied);
        assert!(tidy("a: [").is_err());
    }

    #[test]
    fn what_would_say_something_else_stays() {
        // The empty lines at the end are part of the text.
        for text in ["a: |+\n  x\n\n\n", "a: |+\n  x\n\n", "a: |\n  x  "] {
            let tidied = tidy(text).unwrap();
            assert!(same(&parse(text).unwrap(), &parse(&tidied).unwrap()), "{tidied:?}");
        }
        assert_eq!(tidy("a: |+\n  x\n\n\n").unwrap(), "a: |+\n  x\n\n\n");
    }

    #[test]
    fn the_default_bundle_is_tidy() {
        for source in
            crate::bundle::Bundle::embedded().sources().filter(|source| source.name.ends_with(".yaml"))
        {
            assert_eq!(tidy(&source.text).unwrap(), *source.text, "{}", source.name);
        }
    }
}
