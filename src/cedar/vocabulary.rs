//! What a bundle declares, as plain data: every name that a policy may use.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::shape::Shape;

/// Actions that Ringfence itself defines; no tool may have such a name.
pub(crate) const BUILT_IN_ACTIONS: &[&str] = &[
    "run_agent",
    "create_agent",
    "send_input",
    "send_output",
    "read_result",
    "call_tool",
    "call_unlisted_tool",
    "waive",
    "reveal",
];

/// The group of agents that are created while the guard runs.
pub(crate) const NEW_AGENTS: &str = "new";

/// What a bundle declares.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    pub(crate) roles: Vec<Declared>,
    pub(crate) agent_groups: Vec<Declared>,
    pub(crate) agents: Vec<Declared>,
    pub(crate) toolsets: Vec<Declared>,
    pub(crate) models: Vec<Declared>,
    pub(crate) labels: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) packs: Vec<String>,
    /// Rules, each with its pack as parent.
    pub(crate) rules: Vec<Declared>,
    /// The users that exist, where the directory lists all of them.
    pub(crate) users: Option<Vec<String>>,
    pub(crate) user_attributes: BTreeMap<String, AttributeType>,
    pub(crate) tools: Vec<Tool>,
    /// What an unlisted tool is, where such are let in.
    pub(crate) unlisted: Option<Unlisted>,
    /// Files had errors, which were told: there may be names of these kinds that are not known here.
    pub(crate) unread: Unread,
}

/// Kinds of which not all names could be read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unread {
    /// Everything that the directory names.
    pub(crate) directory: bool,
    /// Packs, rules and tags.
    pub(crate) packs: bool,
    /// Tools, and so actions.
    pub(crate) tools: bool,
}

/// A name with its groups and attributes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) parents: Vec<String>,
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
}

/// A tool with its labels and the shape of its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) declared: Declared,
    pub(crate) reads: Vec<String>,
    pub(crate) writes: Vec<String>,
    /// The arguments' shape: always a record.
    pub(crate) input: Shape,
    /// Arguments that are declared a command, path or URL: the way to each, and which.
    pub(crate) checks: Vec<(Vec<String>, &'static str)>,
}

/// What a tool is that the bundle does not declare.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unlisted {
    pub(crate) parents: Vec<String>,
    pub(crate) reads: Vec<String>,
    pub(crate) writes: Vec<String>,
}

/// Type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// True or false.
    Boolean,
    /// A set of texts.
    Strings,
}

/// Value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeValue {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A set of texts.
    Strings(Vec<String>),
}

impl AttributeValue {
    /// Reads a value as written; `None` where it is of no such type. An empty list has no type and is refused.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::String(text.clone())),
            Value::Number(number) => number.as_i64().map(Self::Integer),
            Value::Bool(flag) => Some(Self::Boolean(*flag)),
            Value::Array(items) if !items.is_empty() => {
                let texts: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.map(Self::Strings)
            }
            Value::Array(_) | Value::Null | Value::Object(_) => None,
        }
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> AttributeType {
        match self {
            Self::String(_) => AttributeType::String,
            Self::Integer(_) => AttributeType::Integer,
            Self::Boolean(_) => AttributeType::Boolean,
            Self::Strings(_) => AttributeType::Strings,
        }
    }
}

/// Attributes of one kind of entry: their type, and whether every entry has them.
pub(super) fn attribute_types(entries: &[&Declared]) -> BTreeMap<String, (AttributeType, bool)> {
    let mut types: BTreeMap<String, (AttributeType, usize)> = BTreeMap::new();
    for entry in entries {
        for (name, value) in &entry.attributes {
            types.entry(name.clone()).or_insert((value.kind(), 0)).1 += 1;
        }
    }
    types.into_iter().map(|(name, (kind, count))| (name, (kind, count == entries.len()))).collect()
}

/// Every group that an entry is in, itself apart; cycles end.
pub(super) fn ancestors<'a>(entries: &'a [Declared], parents: &'a [String]) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = parents.iter().map(String::as_str).collect();
    while let Some(next) = open.pop() {
        if found.insert(next)
            && let Some(entry) = entries.iter().find(|entry| entry.name == next)
        {
            open.extend(entry.parents.iter().map(String::as_str));
        }
    }
    found
}
