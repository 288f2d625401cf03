//! The only reader of YAML: positions for every value, no duplicate keys, bounded size, depth and aliases.
//!
//! Scalars keep their text until a type is asked for, so `version: 2026.10` is the text `2026.10` and a role called
//! `no` stays a name. Custom tags, merge keys, directives and several documents in one file are refused.

#[cfg(feature = "cli")]
mod tidy;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span as ParserSpan};
use serde::de::DeserializeOwned;

use crate::decode::{self, Key, Kind, Node, Problem};
use crate::diagnostic::{Code, Diagnostic, Span};
#[cfg(feature = "cli")]
pub(crate) use tidy::tidy;

/// Largest file that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of lists and mappings.
pub(crate) const MAX_DEPTH: usize = 32;
/// Most values in one file, those that aliases repeat included.
pub(crate) const MAX_VALUES: usize = 200_000;

/// Reads a `T` from a file of the bundle. A value that comes with diagnostics is incomplete: use it only to find more.
pub(crate) fn read<T: DeserializeOwned>(file: &Arc<str>, text: &str) -> (Option<T>, Vec<Diagnostic>) {
    match parse(text) {
        Ok(node) => {
            let (value, problems) = decode::decode(&node);
            (value, problems.into_iter().map(|problem| diagnostic(file, problem)).collect())
        }
        Err(problem) => (None, vec![diagnostic(file, problem)]),
    }
}

fn diagnostic(file: &Arc<str>, problem: Problem) -> Diagnostic {
    let place = if problem.pointer.is_empty() { String::new() } else { format!("at `{}`", problem.pointer) };
    let span = Span::new(file, problem.span.start, problem.span.end);
    let mut diagnostic =
        Diagnostic::new(problem.code, problem.message).at(span, place).maybe_help(problem.help);
    if let Some(first) = problem.first {
        diagnostic = diagnostic.related(Span::new(file, first.start, first.end), "first here");
    }
    diagnostic
}

fn problem(code: Code, span: Range<usize>, message: impl Into<String>) -> Problem {
    Problem { code, message: message.into(), span, pointer: String::new(), help: None, first: None }
}

/// Reads one document into a tree.
pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > MAX_BYTES {
        return Err(problem(
            Code::YamlLimit,
            0..0,
            format!("the file is larger than {} MiB", MAX_BYTES >> 20),
        ));
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { parser, text, anchors: BTreeMap::new(), values: 0 };
    reader.document()
}

/// Where a part of a document stands, by its JSON Pointer: the key of a member, an entry of a list. Within the value that
/// stands at `within`, where that is given; strict JSON is read too, as YAML.
pub(crate) fn place(text: &str, within: Option<&Range<usize>>, pointer: &str) -> Option<Range<usize>> {
    let root = parse(text).ok()?;
    let mut node = match within {
        Some(span) => spanning(&root, span)?,
        None => &root,
    };
    let mut found = node.span.clone();
    for name in pointer.split('/').skip(1).map(decode::pointer_name) {
        match &node.kind {
            Kind::Mapping(entries) => {
                let (key, value) = entries.iter().find(|(key, _)| key.text == name)?;
                (found, node) = (key.span.clone(), value);
            }
            Kind::Sequence(items) => {
                node = items.get(name.parse::<usize>().ok()?)?;
                found = node.span.clone();
            }
            _ => return None,
        }
    }
    Some(found)
}

/// The outermost value that stands at `span`.
fn spanning<'n>(node: &'n Node, span: &Range<usize>) -> Option<&'n Node> {
    if node.span == *span {
        return Some(node);
    }
    match &node.kind {
        Kind::Mapping(entries) => entries.iter().find_map(|(_, value)| spanning(value, span)),
        Kind::Sequence(items) => items.iter().find_map(|item| spanning(item, span)),
        _ => None,
    }
}

struct Reader<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    text: &'t str,
    anchors: BTreeMap<usize, (Node, usize)>,
    values: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Range<usize>), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.range(&span))),
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
                let text = error.info();
                if text.contains("recursion limit") || text.contains("nesting") {
                    let message = format!("nested deeper than {MAX_DEPTH} levels");
                    return Err(problem(Code::YamlLimit, at..at, message));
                }
                let help = "look for a bracket or quote that is not closed, or an indentation that differs, here or above";
                let syntax = problem(Code::YamlSyntax, at..at, format!("not valid YAML: {text}"));
                Err(Problem { help: Some(help.to_owned()), ..syntax })
            }
            None => {
                Err(problem(Code::YamlSyntax, self.text.len()..self.text.len(), "the file ends too early"))
            }
        }
    }

    fn range(&self, span: &ParserSpan) -> Range<usize> {
        let range = span.byte_range().unwrap_or(0..0);
        let end = range.end.min(self.text.len());
        // A block collection's or scalar's span reaches to the next token; what a reader looks for ends with its text.
        let text = self.text.get(range.start..end).unwrap_or_default();
        range.start..range.start + text.trim_end().len()
    }

    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(problem(
                        Code::YamlSyntax,
                        span,
                        "a second document in one file would be ignored",
                    ));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                Event::StreamEnd => break,
                _ => return Err(problem(Code::YamlSyntax, span, "not valid YAML")),
            }
        }
        Ok(root.unwrap_or(Node { span: 0..0, kind: Kind::Mapping(Vec::new()) }))
    }

    fn count(&mut self, values: usize, span: &Range<usize>) -> Result<(), Problem> {
        self.values += values;
        if self.values > MAX_VALUES {
            let message = format!("the file holds more than {MAX_VALUES} values, aliases included");
            return Err(problem(Code::YamlLimit, span.clone(), message));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Range<usize>, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(problem(Code::YamlLimit, span, message));
        }
        let before = self.values;
        self.count(1, &span)?;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                let kind = match style {
                    ScalarStyle::Plain => Kind::Plain(text.into_owned()),
                    _ => Kind::Text(text.into_owned()),
                };
                (Node { span, kind }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => break end,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                };
                let end = items.last().map_or(0, |item: &Node| item.span.end).max(end.end);
                (Node { span: span.start..end, kind: Kind::Sequence(items) }, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                let (entries, end) = self.entries(depth)?;
                (Node { span: span.start..end, kind: Kind::Mapping(entries) }, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, values)) = self.anchors.get(&anchor).cloned() else {
                    return Err(problem(Code::YamlSyntax, span, "an alias inside its own anchor"));
                };
                self.count(values, &span)?;
                if depth + height(&node) > MAX_DEPTH {
                    let message = format!("nested deeper than {MAX_DEPTH} levels");
                    return Err(problem(Code::YamlLimit, span, message));
                }
                return Ok(Node { span, ..node });
            }
            _ => return Err(problem(Code::YamlSyntax, span, "not valid YAML")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values - before));
        }
        Ok(node)
    }

    fn entries(&mut self, depth: usize) -> Result<(Vec<(Key, Node)>, usize), Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: BTreeMap<String, Range<usize>> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let text = match event {
                Event::MappingEnd => {
                    let last = entries.last().map_or(0, |(_, value)| value.span.end);
                    return Ok((entries, last.max(span.end)));
                }
                Event::Scalar(text, _, _, None) => text.into_owned(),
                _ => return Err(problem(Code::YamlSyntax, span, "a key must be plain text")),
            };
            if text == "<<" {
                let mut refused = problem(Code::YamlSyntax, span, "merge keys are not supported");
                refused.help = Some("write the keys out, or use an alias for a whole value".to_owned());
                return Err(refused);
            }
            if let Some(first) = seen.insert(text.clone(), span.clone()) {
                let mut duplicate = problem(
                    Code::DuplicateKey,
                    span,
                    format!("the key `{text}` stands twice in this mapping"),
                );
                duplicate.first = Some(first);
                duplicate.help =
                    Some("keep one of the two: which one would count is anyone's guess".to_owned());
                return Err(duplicate);
            }
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            entries.push((Key { text, span }, value));
        }
    }

    fn refuse_tag(&self, tagged: bool, span: &Range<usize>) -> Result<(), Problem> {
        if tagged { Err(problem(Code::YamlSyntax, span.clone(), "tags are not supported")) } else { Ok(()) }
    }
}

fn height(node: &Node) -> usize {
    match &node.kind {
        Kind::Sequence(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Kind::Mapping(entries) => 1 + entries.iter().map(|(_, value)| height(value)).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::decode::{List, Spanned};

    #[derive(Debug, Deserialize, PartialEq)]
    struct Rule {
        id: Spanned<String>,
        #[serde(default)]
        on: bool,
    }

    #[derive(Debug, Deserialize)]
    struct File {
        version: String,
        #[serde(default)]
        rules: List<Rule>,
    }

    fn codes(text: &str) -> Vec<(Code, String)> {
        let file: Arc<str> = "a.yaml".into();
        let (_, diagnostics) = read::<File>(&file, text);
        let slice = |d: &Diagnostic| {
            let span = &d.primary.as_ref().unwrap().span;
            text[span.start..span.end].to_owned()
        };
        diagnostics.iter().map(|d| (d.code, slice(d))).collect()
    }

    #[test]
    fn keeps_text_and_positions() {
        let file: Arc<str> = "a.yaml".into();
        let text = "version: 2026.10\nrules:\n  - id: no\n    on: true\n";
        let (value, diagnostics) = read::<File>(&file, text);
        assert_eq!(diagnostics, []);
        let value = value.unwrap();
        assert_eq!(value.version, "2026.10");
        let rule = &value.rules.0[0];
        assert_eq!((rule.id.value.as_str(), &text[rule.id.range()], rule.on), ("no", "no", true));
    }

    #[test]
    fn collects_every_mistake() {
        let text = "version: 1\nrule: []\nrules:\n  - { id: a, onn: true }\n  - { on: true }\n  - { id: b, on: perhaps }\n";
        assert_eq!(
            codes(text),
            [
                (Code::UnknownKey, "rule".to_owned()),
                (Code::UnknownKey, "onn".to_owned()),
                (Code::MissingKey, "{ on: true }".to_owned()),
                (Code::BadValue, "perhaps".to_owned()),
            ]
        );
    }

    #[test]
    fn refuses_duplicates_laughs_depth_and_documents() {
        assert_eq!(codes("version: 1\nversion: 2\n"), [(Code::DuplicateKey, "version".to_owned())]);
        let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, of) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e")] {
            let list = vec![format!("*{of}"); 10].join(",");
            laughs.push_str(&format!("{name}: &{name} [{list}]\n"));
        }
        assert_eq!(codes(&laughs)[0].0, Code::YamlLimit);
        assert!(parse(&"[".repeat(20_000)).is_err());
        assert!(parse(&"- ".repeat(20_000)).is_err());
        assert_eq!(codes("version: 1\n---\nversion: 2\n")[0].0, Code::YamlSyntax);
        assert_eq!(codes("version: !!str 1\n")[0].0, Code::YamlSyntax);
        assert_eq!(codes("%YAML 1.2\n---\nversion: 1\n")[0].0, Code::YamlSyntax);
    }
}
