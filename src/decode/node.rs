//! The tree that every document becomes.

use std::ops::Range;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    /// Text that can't be anything else: JSON strings, quoted and block scalars of YAML.
    Text(String),
    /// A plain scalar of YAML: what it is depends on what is asked for.
    Plain(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

impl Node {
    /// The member of this name, where it is a mapping that has one.
    pub(crate) fn member(&self, name: &str) -> Option<&Node> {
        let Kind::Mapping(entries) = &self.kind else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value)
    }

    /// Its text, where it is a scalar of YAML or a text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) | Kind::Plain(text) => Some(text),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// What stands here, in a policy author's words.
    pub(crate) fn describe(&self) -> &'static str {
        match self.kind.resolved() {
            Resolved::Null => "nothing",
            Resolved::Bool(_) => "true or false",
            Resolved::Number(_) => "a number",
            Resolved::Text(_) => "text",
            Resolved::Sequence => "a list",
            Resolved::Mapping => "a mapping",
        }
    }
}

/// A node's value when nothing says what it should be.
pub(crate) enum Resolved<'a> {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(&'a str),
    Sequence,
    Mapping,
}

impl Kind {
    /// Resolves plain scalars by the YAML 1.2 core schema (without its octal and special floating-point forms, which
    /// stay text: a policy has no use for them).
    pub(crate) fn resolved(&self) -> Resolved<'_> {
        match self {
            Kind::Null => Resolved::Null,
            Kind::Bool(value) => Resolved::Bool(*value),
            Kind::Number(number) => Resolved::Number(number.clone()),
            Kind::Text(text) => Resolved::Text(text),
            Kind::Plain(text) => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
                "true" | "True" | "TRUE" => Resolved::Bool(true),
                "false" | "False" | "FALSE" => Resolved::Bool(false),
                _ => match number(text) {
                    Some(number) => Resolved::Number(number),
                    None => Resolved::Text(text),
                },
            },
            Kind::Sequence(_) => Resolved::Sequence,
            Kind::Mapping(_) => Resolved::Mapping,
        }
    }
}

fn number(text: &str) -> Option<serde_json::Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        if let Ok(value) = text.parse::<i64>() {
            return Some(value.into());
        }
        return text.parse::<u64>().ok().map(Into::into);
    }
    let float = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if float { text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) } else { None }
}
