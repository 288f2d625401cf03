//! Changes to tools: not declared, without a label or toolset, with one limit less on their arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Mutant;
use crate::bundle::{Bundle, DIRECTORY, TOOLS};
use crate::cedar::Policies;
use crate::decode::{Kind, Node};
use crate::yaml;

/// Keywords of JSON Schema that limit a value.
const LIMITS: &[&str] = &[
    "maxLength",
    "minLength",
    "pattern",
    "format",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
];
/// What limits an argument under `args`.
const CHECKS: &[&str] = &["command", "path", "url", "schema"];
/// Lists under `args` whose entries count one by one.
const LISTS: &[&str] =
    &["allow", "deny_programs", "constructs", "assignments", "under", "deny", "schemes", "hosts", "ports"];
/// Single limits under `args`.
const SINGLE: &[&str] = &["symlinks", "access", "private_addresses", "query_entropy", "list"];

/// A change to the tools, several of which may share what is changed.
pub(super) struct ToolChange {
    /// The tools as they become; absent where they are not declared any more.
    pub(super) tools: BTreeMap<String, Option<Node>>,
    what: String,
    at: Range<usize>,
}

/// Where a part of a tool can be left out.
struct Place {
    what: String,
    at: Range<usize>,
}

/// Every change to tools. What several share is changed in all of them, as an editor of the file would. That a tool is in a toolset
/// is left alone where no policy asks for it, nor for one that the toolset is in: no verdict depends on it.
pub(super) fn changes(bundle: &Bundle, policies: &Policies) -> Vec<ToolChange> {
    let Some(source) = bundle.source(TOOLS) else { return Vec::new() };
    let Ok(root) = yaml::parse(&source.text) else { return Vec::new() };
    let Some(Kind::Sequence(tools)) = root.member("tools").map(|node| &node.kind) else {
        return Vec::new();
    };
    let mut all: Vec<ToolChange> = Vec::new();
    let toolsets = Toolsets::of(bundle);
    let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for tool in tools {
        let Some(name) = tool.member("name").and_then(Node::text) else { continue };
        let removed = BTreeMap::from([(name.to_owned(), None)]);
        let at = tool.member("name").map_or_else(|| tool.span.clone(), |node| node.span.clone());
        all.push(ToolChange { tools: removed, what: "not declared".to_owned(), at });
        let mut places = Vec::new();
        entries(tool, "in", "not in the toolset", &mut places);
        places.retain(|place| {
            toolsets.asked(tool, policies) != toolsets.asked(&without(tool, &place.at), policies)
        });
        entries(tool, "reads", "does not read", &mut places);
        entries(tool, "writes", "does not write to", &mut places);
        if let Some(input) = tool.member("input") {
            schema(input, &mut places);
        }
        if let Some(Kind::Mapping(arguments)) = tool.member("args").map(|node| &node.kind) {
            for (pointer, argument) in arguments {
                checks(&pointer.text, argument, &mut places);
            }
        }
        for Place { what, at } in places {
            let changed = (name.to_owned(), Some(without(tool, &at)));
            match known.get(&(at.start, at.end)).and_then(|index| all.get_mut(*index)) {
                Some(change) => drop(change.tools.insert(changed.0, changed.1)),
                None => {
                    known.insert((at.start, at.end), all.len());
                    let tools = BTreeMap::from([changed]);
                    all.push(ToolChange { tools, what, at });
                }
            }
        }
    }
    all
}

/// Toolsets, and those that each is in.
struct Toolsets(BTreeMap<String, Vec<String>>);

impl Toolsets {
    fn of(bundle: &Bundle) -> Self {
        let root = bundle.source(DIRECTORY).and_then(|source| yaml::parse(&source.text).ok());
        let entries = root.as_ref().map(|root| listed(root, "toolsets")).unwrap_or_default();
        let named = |entry: &Node| Some((entry.member("name")?.text()?.to_owned(), names(entry)));
        Self(entries.iter().filter_map(named).collect())
    }

    /// Those that a tool is in, directly or not, and of which a policy speaks.
    fn asked(&self, tool: &Node, policies: &Policies) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut open = names(tool);
        while let Some(name) = open.pop() {
            if all.insert(name.clone()) {
                open.extend(self.0.get(&name).into_iter().flatten().cloned());
            }
        }
        all.retain(|name| policies.mentions("Toolset", name));
        all
    }
}

fn listed<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.member(key).map(|node| &node.kind) {
        Some(Kind::Sequence(items)) => items,
        _ => &[],
    }
}

/// What something is in.
fn names(node: &Node) -> Vec<String> {
    listed(node, "in").iter().filter_map(|name| name.text().map(str::to_owned)).collect()
}

impl ToolChange {
    pub(super) fn mutant(&self, bundle: &Bundle) -> Mutant {
        let line =
            bundle.source(TOOLS).map_or(1, |source| crate::diagnostic::line(&source.text, self.at.start));
        let mut names: Vec<&str> = self.tools.keys().map(String::as_str).collect();
        let more = names.split_off(names.len().min(3)).len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Mutant {
            kind: "tool",
            name: names.join(", ") + &more,
            change: self.what.clone(),
            part: String::new(),
            file: TOOLS.to_owned(),
            line,
            noticed_by: None,
        }
    }
}

/// Every entry of a list.
fn entries(node: &Node, key: &str, what: &str, places: &mut Vec<Place>) {
    let Some(Kind::Sequence(items)) = node.member(key).map(|node| &node.kind) else { return };
    for item in items {
        let what = format!("{what} `{}`", item.text().unwrap_or_default());
        places.push(Place { what, at: item.span.clone() });
    }
}

/// Every limit of a schema and of those in it.
fn schema(node: &Node, places: &mut Vec<Place>) {
    let Kind::Mapping(members) = &node.kind else { return };
    for (key, value) in members {
        match key.text.as_str() {
            name if LIMITS.contains(&name) => {
                places.push(Place { what: format!("without `{name}`"), at: key.span.clone() });
            }
            "required" => entries(node, "required", "does not require", places),
            "properties" | "$defs" | "patternProperties" => {
                let Kind::Mapping(properties) = &value.kind else { continue };
                properties.iter().for_each(|(_, property)| schema(property, places));
            }
            "items" | "additionalProperties" | "not" | "contains" => schema(value, places),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                let Kind::Sequence(items) = &value.kind else { continue };
                items.iter().for_each(|item| schema(item, places));
            }
            _ => {}
        }
    }
}

/// The checks of an argument and each of their limits.
fn checks(pointer: &str, argument: &Node, places: &mut Vec<Place>) {
    let Kind::Mapping(members) = &argument.kind else { return };
    for (key, value) in members.iter().filter(|(key, _)| CHECKS.contains(&key.text.as_str())) {
        let what = format!("`{pointer}` without its `{}`", key.text);
        places.push(Place { what, at: key.span.clone() });
        if key.text == "schema" {
            schema(value, places);
            continue;
        }
        for list in LISTS {
            let what = format!("`{pointer}` without an entry of `{list}`:");
            entries(value, list, &what, places);
        }
        let Kind::Mapping(limits) = &value.kind else { continue };
        for (limit, _) in limits.iter().filter(|(limit, _)| SINGLE.contains(&limit.text.as_str())) {
            let what = format!("`{pointer}` without `{}`", limit.text);
            places.push(Place { what, at: limit.span.clone() });
        }
    }
}

/// The node without the member or entry that stands at a place. An empty list of `allow` would allow nothing, and stays one.
fn without(node: &Node, at: &Range<usize>) -> Node {
    let kind = match &node.kind {
        Kind::Mapping(members) => Kind::Mapping(
            members
                .iter()
                .filter(|(key, _)| key.span != *at)
                .map(|(key, value)| (key.clone(), without(value, at)))
                .collect(),
        ),
        Kind::Sequence(items) => Kind::Sequence(
            items.iter().filter(|item| item.span != *at).map(|item| without(item, at)).collect(),
        ),
        scalar => scalar.clone(),
    };
    Node { span: node.span.clone(), kind }
}
