//! Strict validation against the bundle's schema, without asking every policy about every tool.
//!
//! Cedar checks a policy once for each action, so 1,000 policies and 200 tools take seconds. The answer depends only on
//! the action's ancestors and the shape of its context, so most of that is the same answer again: policies that read no
//! arguments and name no tool are checked without tools, those that name tools with these alone, and the rest with one
//! tool of each shape.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{PolicySet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator};

use super::parse::{Parsed, label};
use super::parts::{self, Part};
use super::schema::json_schema;
use super::shape::Shape;
use super::vocabulary::{Tool, Vocabulary};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Most tools in one schema of policies that name tools.
const TOOLS_AT_ONCE: usize = 12;
/// Longest part of a condition that a message repeats, in characters.
const SHOWN: usize = 80;

/// Validates these policies; reports each mistake once.
pub(super) fn validate(parsed: &[&Parsed], vocabulary: &Vocabulary, out: &mut Vec<Diagnostic>) {
    let tools: BTreeMap<&str, &Tool> =
        vocabulary.tools.iter().map(|tool| (tool.declared.name.as_str(), tool)).collect();
    let mut plain = Vec::new();
    let mut by_shape = Vec::new();
    let mut naming: Vec<(BTreeSet<&str>, &Parsed)> = Vec::new();
    for one in parsed {
        let named: BTreeSet<&str> = one
            .policy
            .entity_literals()
            .iter()
            .filter(|literal| literal.type_name().to_string() == "Action")
            .filter_map(|literal| tools.get_key_value(literal.id().unescaped()).map(|(name, _)| *name))
            .collect();
        let group = one.actions().is_none_or(|actions| actions.iter().any(|name| name == "call_tool"));
        if group && one.reads.input {
            by_shape.push((named, *one));
        } else if named.is_empty() {
            plain.push(*one);
        } else {
            naming.push((named, *one));
        }
    }
    check(&plain, vocabulary, &[], out);
    naming.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut chunk: (BTreeSet<&str>, Vec<&Parsed>) = Default::default();
    for (named, one) in naming {
        if !chunk.1.is_empty() && chunk.0.union(&named).count() > TOOLS_AT_ONCE {
            let (names, policies) = std::mem::take(&mut chunk);
            check(
                &policies,
                vocabulary,
                &names.iter().filter_map(|name| tools.get(name).copied()).collect::<Vec<_>>(),
                out,
            );
        }
        chunk.0.extend(named);
        chunk.1.push(one);
    }
    check(
        &chunk.1,
        vocabulary,
        &chunk.0.iter().filter_map(|name| tools.get(name).copied()).collect::<Vec<_>>(),
        out,
    );
    if !by_shape.is_empty() {
        let mut shapes: BTreeMap<&Shape, &Tool> = BTreeMap::new();
        for tool in &vocabulary.tools {
            shapes.entry(&tool.input).or_insert(tool);
        }
        let mut chosen: BTreeMap<&str, &Tool> =
            shapes.values().map(|tool| (tool.declared.name.as_str(), *tool)).collect();
        for (named, _) in &by_shape {
            chosen.extend(
                named.iter().filter_map(|name| tools.get_key_value(name).map(|(name, tool)| (*name, *tool))),
            );
        }
        let policies: Vec<&Parsed> = by_shape.iter().map(|(_, one)| *one).collect();
        check(&policies, vocabulary, &chosen.into_values().collect::<Vec<_>>(), out);
    }
}

/// Validates with a schema of these tools.
fn check(policies: &[&Parsed], vocabulary: &Vocabulary, tools: &[&Tool], out: &mut Vec<Diagnostic>) {
    if policies.is_empty() {
        return;
    }
    let schema = match Schema::from_json_value(json_schema(vocabulary, tools.iter().copied())) {
        Ok(schema) => schema,
        Err(error) => {
            out.push(Diagnostic::new(
                Code::CedarType,
                format!("the bundle gives no valid Cedar schema: {error}"),
            ));
            return;
        }
    };
    let by_id: BTreeMap<&str, &Parsed> = policies.iter().map(|one| (one.id.as_str(), *one)).collect();
    let renamed = policies.iter().map(|one| one.policy.new_id(cedar_policy::PolicyId::new(&one.id)));
    let Ok(set) = PolicySet::from_policies(renamed) else {
        out.push(Diagnostic::new(Code::DuplicateId, "two policies have the same `@id`"));
        return;
    };
    let validator = Validator::new(schema);
    let result = validator.validate(&set, ValidationMode::Strict);
    let mut seen: BTreeSet<(&str, Span)> = BTreeSet::new();
    let mut report = |one: &'_ Parsed, diagnostic: Diagnostic| {
        let span = diagnostic.primary.as_ref().map_or_else(|| one.head(), |label| label.span.clone());
        // One mistake is found again for each action.
        if let Some((id, _)) = by_id.get_key_value(one.id.as_str())
            && seen.insert((id, span))
        {
            out.push(diagnostic);
        }
    };
    let mut mistyped: BTreeSet<&str> = BTreeSet::new();
    for error in result.validation_errors() {
        if let Some((id, one)) = by_id.get_key_value(AsRef::<str>::as_ref(error.policy_id())) {
            mistyped.insert(id);
            report(one, type_error(error, one));
        }
    }
    for warning in result.validation_warnings() {
        // What is of no type that there is fits no action either.
        if let Some(one) = by_id.get(AsRef::<str>::as_ref(warning.policy_id()))
            && !mistyped.contains(one.id.as_str())
            && let Some(diagnostic) = never_applies(warning, one)
        {
            report(one, diagnostic);
        }
    }
    let wrong: BTreeSet<&str> = seen.into_iter().map(|(id, _)| id).collect();
    let sound = policies.iter().filter(|one| !wrong.contains(one.id.as_str()));
    dead_parts(&sound.copied().collect::<Vec<_>>(), &validator, out);
}

/// Reports parts of policies that can never be true.
fn dead_parts(policies: &[&Parsed], validator: &Validator, out: &mut Vec<Diagnostic>) {
    let found: BTreeMap<&str, (&Parsed, Vec<Part>)> =
        policies.iter().map(|one| (one.id.as_str(), (*one, parts::of(one)))).collect();
    let all = found.values().flat_map(|(_, parts)| parts.iter().map(|part| part.policy.clone()));
    let Ok(set) = PolicySet::from_policies(all) else { return };
    if set.is_empty() {
        return;
    }
    let result = validator.validate(&set, ValidationMode::Strict);
    let dead: BTreeSet<(&str, usize)> = result
        .validation_warnings()
        .filter(|warning| matches!(warning, ValidationWarning::ImpossiblePolicy(_)))
        .filter_map(|warning| parts::number(warning.policy_id().as_ref()))
        .collect();
    for (id, number) in &dead {
        let Some((one, part)) = found.get(id).and_then(|(one, parts)| Some((one, parts.get(*number)?)))
        else {
            continue;
        };
        if part.within.is_some_and(|outer| dead.contains(&(*id, outer))) {
            continue;
        }
        let text: String = part.text.chars().take(SHOWN).collect();
        let more = if part.text.chars().count() > SHOWN { "…" } else { "" };
        out.push(
            Diagnostic::new(Code::DeadCondition, format!("a part of `{id}` can never be true: `{text}{more}`"))
                .at(parts::span(one, &part.text), "never true")
                .help("look for a misspelt attribute, or a type that the principal or resource of these actions does not have"),
        );
    }
}

fn never_applies(warning: &ValidationWarning, one: &Parsed) -> Option<Diagnostic> {
    let what = match warning {
        ValidationWarning::ImpossiblePolicy(_) => "its conditions can never be true",
        ValidationWarning::InvalidActionApplication(_) => "no action fits its scope",
        // Names are checked against what is declared; hidden characters are errors of their own.
        _ => return None,
    };
    let mut diagnostic = Diagnostic::new(Code::NeverApplies, format!("`{}` can never apply: {what}", one.id))
        .at(one.head(), "");
    let group = one.actions().is_some_and(|actions| actions.iter().any(|name| name == "call_tool"));
    diagnostic = if group
        && one
            .source
            .get(one.span.start..one.span.end)
            .is_some_and(|text| text.contains("== Action::\"call_tool\""))
    {
        diagnostic.help("`call_tool` is a group of actions: write `action in Action::\"call_tool\"`")
    } else {
        diagnostic.help("a forbid that never applies is a hole: look for a misspelt attribute, or a type of principal or resource that these actions do not have")
    };
    Some(diagnostic)
}

fn type_error(error: &ValidationError, one: &Parsed) -> Diagnostic {
    let text = error.to_string();
    // `for policy `x`, …`: the excerpt shows which.
    let message = text
        .split_once(", ")
        .filter(|(start, _)| start.starts_with("for policy"))
        .map_or(text.as_str(), |(_, rest)| rest);
    let span = label(error, &one.file).unwrap_or_else(|| one.head());
    let near = one.source.get(span.start..span.end).unwrap_or_default();
    let own = own_help(message, near);
    let help =
        own.map(str::to_owned).or_else(|| miette::Diagnostic::help(error).map(|help| help.to_string()));
    Diagnostic::new(Code::CedarType, message.to_owned()).at(span, "").maybe_help(help)
}

/// Better help where Cedar's own is poor.
fn own_help(message: &str, near: &str) -> Option<&'static str> {
    if message.contains("empty set") {
        return Some("empty sets are not allowed in policies: write `!context.found.isEmpty()`");
    }
    if message.contains("decimal") {
        return Some(
            "numbers with a fraction are decimals: write `.greaterThan(decimal(\"100.0\"))`, with a fraction",
        );
    }
    if message.contains("datetime") {
        return Some("write `datetime(\"2026-01-31\")` around a date; times are in UTC");
    }
    if near.contains("context.found") || near.contains("context.packs") {
        return Some(
            "sets of entities: write `context.packs.contains(Pack::\"pii\")` or `context.found.contains(Rule::\"pii/email\")`",
        );
    }
    if near.contains("labels") {
        return Some("labels are entities: write `.contains(Label::\"private\")`");
    }
    if message.contains("unable to guarantee safety of access to optional attribute")
        && near.contains("input")
    {
        return Some(
            "guard it: `context.input has n && context.input.n > 10`, or `if context.input has n then … else true`",
        );
    }
    if message.contains("attribute") && message.contains("not found") && near.contains("input") {
        return Some(
            "not every tool that the scope reaches has it: write `action == Action::\"the_tool\"`, or guard with `context.input has …`",
        );
    }
    None
}
