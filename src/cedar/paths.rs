//! Lint of attributes: paths that lead nowhere, values that an argument can't have, paths compared as text.
//!
//! Cedar says of `context.input has pth` alone that it is never true, and says nothing where it stands beside an `||`.

use std::collections::BTreeSet;

use cedar_policy::ResourceConstraint;
use serde_json::Value;

use super::parse::Parsed;
use super::schema::json_schema;
use super::shape::Shape;
use super::uses::{self, How, Root, Use};
use super::vocabulary::{Tool, Vocabulary, ancestors};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};

/// What there is to read, by action.
pub(super) struct Attributes<'v> {
    vocabulary: &'v Vocabulary,
    /// The schema without tools: they differ only in `context.input`.
    schema: Value,
}

/// The type of something that has attributes.
#[derive(Clone, Copy)]
enum Type<'a> {
    Cedar(&'a Value),
    Argument(&'a Shape),
}

/// What an action scope and the conditions around an expression leave.
struct Reach<'v> {
    /// Built-in actions; `call_unlisted_tool` stands for all tools where the arguments do not matter.
    actions: BTreeSet<&'static str>,
    tools: Vec<&'v Tool>,
}

const CALL: &str = "call_unlisted_tool";
const ACTIONS: &[&str] =
    &["run_agent", "create_agent", "send_input", "send_output", "read_result", "waive", "reveal", CALL];

impl<'v> Attributes<'v> {
    pub(super) fn new(vocabulary: &'v Vocabulary) -> Self {
        Self { vocabulary, schema: json_schema(vocabulary, []) }
    }

    fn reach(&self, parsed: &Parsed, narrowed: Option<&BTreeSet<String>>) -> Reach<'v> {
        let scope = parsed.actions();
        let names = |name: &str, group: bool| {
            let named = |one: &String| one == name || (group && one == "call_tool");
            scope.as_ref().is_none_or(|listed| listed.iter().any(named))
                && narrowed.is_none_or(|listed| listed.iter().any(named))
        };
        let (kind, in_scope) = match parsed.policy.resource_constraint() {
            ResourceConstraint::Any => (None, None),
            ResourceConstraint::Is(kind) => (Some(kind.to_string()), None),
            ResourceConstraint::IsIn(kind, within) => (Some(kind.to_string()), Some(within)),
            ResourceConstraint::Eq(id) => (Some(id.type_name().to_string()), Some(id)),
            ResourceConstraint::In(within) => {
                let kind = match within.type_name().to_string().as_str() {
                    "AgentGroup" => "Agent".to_owned(),
                    "Toolset" => "Tool".to_owned(),
                    "Pack" => "Rule".to_owned(),
                    own => own.to_owned(),
                };
                (Some(kind), Some(within))
            }
        };
        let fits = |action: &str| kind.as_ref().is_none_or(|kind| self.resource(action) == Some(kind));
        let mut tools: Vec<&Tool> = self
            .vocabulary
            .tools
            .iter()
            .filter(|tool| names(&tool.declared.name, true) && fits(CALL))
            .collect();
        if let Some(within) = in_scope {
            let id = within.id().unescaped();
            let inside = |tool: &&&Tool| {
                let declared = &tool.declared;
                declared.name == id || ancestors(&self.vocabulary.toolsets, &declared.parents).contains(id)
            };
            let inside: Vec<&Tool> = tools.iter().filter(inside).copied().collect();
            // A set that no declared tool is in may be for unlisted ones.
            if !inside.is_empty() {
                tools = inside;
            }
        }
        let mut actions: BTreeSet<&'static str> =
            ACTIONS.iter().copied().filter(|name| names(name, *name == CALL) && fits(name)).collect();
        if !tools.is_empty() {
            actions.insert(CALL);
        }
        Reach { actions, tools }
    }

    fn applies_to(&self, action: &str) -> Option<&Value> {
        self.schema.get("")?.get("actions")?.get(action)?.get("appliesTo")
    }

    fn resource(&self, action: &str) -> Option<&str> {
        self.applies_to(action)?.get("resourceTypes")?.get(0)?.as_str()
    }

    fn entity(&self, kind: &str) -> Option<Type<'_>> {
        self.schema.get("")?.get("entityTypes")?.get(kind)?.get("shape").map(Type::Cedar)
    }

    fn root(&self, root: Root, action: &str) -> Option<Type<'_>> {
        match root {
            Root::Principal => self.entity("User"),
            Root::Resource => self.entity(self.resource(action)?),
            Root::Context => self.applies_to(action)?.get("context").map(Type::Cedar),
        }
    }

    /// The attributes of a type; none where it can't have any.
    fn attributes<'a>(&'a self, of: Type<'a>) -> Vec<(&'a str, Type<'a>)> {
        match of {
            Type::Argument(Shape::Record(fields)) => {
                fields.iter().map(|(name, (shape, _))| (name.as_str(), Type::Argument(shape))).collect()
            }
            Type::Argument(_) => Vec::new(),
            Type::Cedar(kind) => match kind.get("type").and_then(Value::as_str) {
                Some("Record") => match kind.get("attributes") {
                    Some(Value::Object(map)) => {
                        map.iter().map(|(name, kind)| (name.as_str(), Type::Cedar(kind))).collect()
                    }
                    _ => Vec::new(),
                },
                Some("Entity") => {
                    let entity = kind.get("name").and_then(Value::as_str).and_then(|name| self.entity(name));
                    entity.map(|entity| self.attributes(entity)).unwrap_or_default()
                }
                _ => Vec::new(),
            },
        }
    }

    /// Follows a path from a type: what is there, or how far it leads and what could go on.
    fn follow<'a>(&'a self, from: Type<'a>, path: &[String]) -> Result<Type<'a>, (usize, Vec<&'a str>)> {
        let mut at = from;
        for (depth, name) in path.iter().enumerate() {
            let attributes = self.attributes(at);
            match attributes.iter().find(|(known, _)| known == name) {
                Some((_, next)) => at = *next,
                None => return Err((depth, attributes.into_iter().map(|(name, _)| name).collect())),
            }
        }
        Ok(at)
    }

    /// Reports paths that nothing reachable has, values that an argument can't have, and patterns on paths; whether any
    /// is an error.
    pub(super) fn lint(&self, parsed: &Parsed, out: &mut Vec<Diagnostic>) -> bool {
        let Ok(pst) = parsed.policy.to_pst() else { return false };
        let before = out.len();
        let mut unknown: BTreeSet<(Root, Vec<String>)> = BTreeSet::new();
        for one in uses::of(pst.body()) {
            let place = (one.root, one.path.clone());
            if one.path.is_empty() || unknown.contains(&place) {
                continue;
            }
            let reach = self.reach(parsed, one.actions.as_ref());
            // No action is left: Cedar says so of the whole policy, or of this part of it.
            if reach.actions.is_empty() {
                continue;
            }
            let found = match one.path.as_slice() {
                [first, path @ ..]
                    if one.root == Root::Context && first == "input" && reach.actions.contains(CALL) =>
                {
                    self.argument(parsed, &one, path, &reach)
                }
                _ => self.attribute(parsed, &one, &reach),
            };
            if let Some(found) = found {
                if found.code == Code::UnknownAttribute {
                    unknown.insert(place);
                }
                out.push(found);
            }
        }
        out.iter().skip(before).any(Diagnostic::is_error)
    }

    fn attribute(&self, parsed: &Parsed, one: &Use, reach: &Reach<'_>) -> Option<Diagnostic> {
        let mut furthest: Option<(usize, BTreeSet<&str>)> = None;
        for root in reach.actions.iter().filter_map(|action| self.root(one.root, action)) {
            match (self.follow(root, &one.path), &mut furthest) {
                (Ok(_), _) => return None,
                (Err((depth, names)), Some((known, all))) if *known == depth => all.extend(names),
                (Err((depth, _)), Some((known, _))) if *known > depth => {}
                (Err((depth, names)), furthest) => *furthest = Some((depth, names.into_iter().collect())),
            }
        }
        let (depth, names) = furthest?;
        let missing = one.path.get(depth)?;
        let shown = format!("{}.{}", one.root.name(), one.path.join("."));
        let declare = match (one.root, depth) {
            (Root::Principal, 0) => "declare it under `user_attributes:` in ringfence.yaml".to_owned(),
            (Root::Context, 0) if missing == "input" => {
                "arguments are there when a tool is called: `action in Action::\"call_tool\"`".to_owned()
            }
            _ if names.is_empty() => "there are no attributes here".to_owned(),
            _ => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                format!("there is {}", names.join(", "))
            }
        };
        Some(
            Diagnostic::new(
                Code::UnknownAttribute,
                format!("nothing that this policy reaches has `{shown}`"),
            )
            .at(parsed.find_name(missing), "")
            .help(did_you_mean(missing, names.iter().copied()).unwrap_or(declare)),
        )
    }

    fn argument(&self, parsed: &Parsed, one: &Use, path: &[String], reach: &Reach<'_>) -> Option<Diagnostic> {
        if path.is_empty() {
            return None;
        }
        let shown = format!("context.input.{}", path.join("."));
        let shapes: Vec<&Shape> = reach.tools.iter().filter_map(|tool| tool.input.at(path)).collect();
        if shapes.is_empty() {
            return self.missing(parsed, path, &shown, reach);
        }
        let of_text = |shape: &&Shape| match shape {
            Shape::String(values) => values.clone(),
            _ => None,
        };
        let of_elements = |shape: &&Shape| match shape {
            Shape::Set(item) => of_text(&item.as_ref()),
            _ => None,
        };
        let checked = || {
            let checks = reach.tools.iter().flat_map(|tool| &tool.checks);
            checks.filter(|(way, _)| way == path).map(|(_, kind)| *kind).next()
        };
        if let (How::Like(_), Some(kind)) = (&one.how, checked()) {
            let what = if kind == "url" { "URL" } else { kind };
            return Some(
                Diagnostic::new(Code::LikeOnPath, format!("`{}` compares a {what} as text", parsed.id))
                    .at(parsed.find("like"), format!("on `{shown}`"))
                    .help(format!(
                        "one {what} has many spellings: say what it may be in its `{kind}` check in tools.yaml"
                    )),
            );
        }
        let values: Option<Vec<Vec<String>>> = match &one.how {
            How::Read => return None,
            How::Element(_) => shapes.iter().map(of_elements).collect(),
            How::Value(_) | How::Like(_) => shapes.iter().map(of_text).collect(),
        };
        let values: Option<BTreeSet<String>> = values.map(|lists| lists.into_iter().flatten().collect());
        let allowed = |values: &BTreeSet<String>| {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            format!("it is one of {}", values.join(", "))
        };
        match (&one.how, values) {
            (How::Value(text) | How::Element(text), Some(values)) if !values.contains(text) => {
                let message = match one.how {
                    How::Element(_) => format!("`{shown}` never has `{text}` in it"),
                    _ => format!("`{shown}` is never `{text}`"),
                };
                let help = did_you_mean(text, values.iter().map(String::as_str));
                Some(
                    Diagnostic::new(Code::UnknownEnumValue, message)
                        .at(parsed.find(&format!("\"{text}\"")), "")
                        .help(help.unwrap_or_else(|| allowed(&values))),
                )
            }
            (How::Like(pattern), Some(values)) if !values.iter().any(|value| like(value, pattern)) => {
                let text: String = pattern.iter().map(|element| element.unwrap_or('*')).collect();
                Some(
                    Diagnostic::new(Code::UnknownEnumValue, format!("`{shown}` is never like `{text}`"))
                        .at(parsed.find(&format!("\"{text}\"")), "")
                        .help(allowed(&values)),
                )
            }
            (How::Like(pattern), None) if pattern.first() == Some(&Some('/')) => Some(
                Diagnostic::new(Code::LikeOnPath, format!("`{}` compares a path as text", parsed.id))
                    .at(parsed.find("like"), format!("on `{shown}`"))
                    .help("`/srv/../etc/passwd` is like `/srv/*`: declare the argument a `path` under `args` in tools.yaml, and say there what it may be"),
            ),
            _ => None,
        }
    }

    fn missing(
        &self,
        parsed: &Parsed,
        path: &[String],
        shown: &str,
        reach: &Reach<'_>,
    ) -> Option<Diagnostic> {
        // Looking inside what Cedar can't type is a type error, which says more.
        let opaque = |tool: &&Tool| {
            (0..path.len())
                .any(|length| tool.input.at(path.get(..length).unwrap_or_default()) == Some(&Shape::Opaque))
        };
        if reach.tools.iter().any(opaque) {
            return None;
        }
        let mut known: Vec<&str> = Vec::new();
        let mut missing = path.last()?;
        let mut furthest = 0;
        for tool in &reach.tools {
            if let Err((depth, names)) = self.follow(Type::Argument(&tool.input), path)
                && depth >= furthest
            {
                if depth > furthest {
                    known.clear();
                }
                furthest = depth;
                missing = path.get(depth)?;
                known.extend(names);
            }
        }
        let who = match reach.tools.as_slice() {
            [one] => format!("`{}` has no argument", one.declared.name),
            _ => "no tool that this policy reaches has an argument".to_owned(),
        };
        let declare = match reach.tools.as_slice() {
            [] => "the arguments of unlisted tools are not typed: declare the tool in tools.yaml",
            _ => "declare it in the tool's `input:`",
        };
        Some(
            Diagnostic::new(Code::UnknownAttribute, format!("{who} `{shown}`"))
                .at(parsed.find_name(missing), "")
                .help(did_you_mean(missing, known).unwrap_or_else(|| declare.to_owned())),
        )
    }
}

/// Whether a text matches a pattern with wildcards (`None`). On a mismatch only the latest wildcard has to take more.
fn like(text: &str, pattern: &[Option<char>]) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut wanted) = (0, 0);
    let mut wildcard: Option<(usize, usize)> = None;
    while let Some(c) = text.get(at) {
        match pattern.get(wanted) {
            Some(None) => {
                wildcard = Some((wanted, at));
                wanted += 1;
            }
            Some(Some(expected)) if expected == c => {
                at += 1;
                wanted += 1;
            }
            _ => match &mut wildcard {
                Some((star, from)) => {
                    *from += 1;
                    at = *from;
                    wanted = *star + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(wanted..).unwrap_or_default().iter().all(Option::is_none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_cedar() {
        let matches = |text: &str, pattern: &str| {
            let pattern: Vec<Option<char>> = pattern.chars().map(|c| (c != '*').then_some(c)).collect();
            like(text, &pattern)
        };
        assert!(
            matches("fast", "f*t") && matches("", "*") && matches("abcabc", "*c") && matches("aab", "*ab")
        );
        assert!(!matches("fast", "f*x") && !matches("fast", "fas") && !matches("", "a"));
    }
}
