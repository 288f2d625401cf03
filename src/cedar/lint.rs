//! What Cedar accepts and we do not: names that nothing declares, scopes that are too wide.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, ResourceConstraint};

use super::PolicyEffect;
use super::parse::Parsed;
use super::vocabulary::{BUILT_IN_ACTIONS, NEW_AGENTS, Unread, Vocabulary};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};

/// Declared names by entity type.
pub(super) struct Names<'v> {
    by_type: BTreeMap<&'static str, BTreeSet<&'v str>>,
    unread: Unread,
}

impl<'v> Names<'v> {
    pub(super) fn new(vocabulary: &'v Vocabulary) -> Self {
        let declared = |entries: &'v [super::vocabulary::Declared]| -> BTreeSet<&'v str> {
            entries.iter().map(|entry| entry.name.as_str()).collect()
        };
        let plain = |names: &'v [String]| -> BTreeSet<&'v str> { names.iter().map(String::as_str).collect() };
        let tools: BTreeSet<&str> = vocabulary.tools.iter().map(|tool| tool.declared.name.as_str()).collect();
        let mut groups = declared(&vocabulary.agent_groups);
        groups.insert(NEW_AGENTS);
        let mut actions: BTreeSet<&str> = BUILT_IN_ACTIONS.iter().copied().collect();
        actions.extend(&tools);
        let mut by_type = BTreeMap::from([
            ("Role", declared(&vocabulary.roles)),
            ("AgentGroup", groups),
            ("Agent", declared(&vocabulary.agents)),
            ("Toolset", declared(&vocabulary.toolsets)),
            ("Tool", tools),
            ("Model", declared(&vocabulary.models)),
            ("Label", plain(&vocabulary.labels)),
            ("Tag", plain(&vocabulary.tags)),
            ("Pack", plain(&vocabulary.packs)),
            ("Rule", declared(&vocabulary.rules)),
            ("Stage", BTreeSet::from(["access", "input", "tool_call", "tool_result", "output"])),
            ("Action", actions),
        ]);
        if let Some(users) = &vocabulary.users {
            by_type.insert("User", plain(users));
        }
        Self { by_type, unread: vocabulary.unread }
    }
}

/// Reports names that nothing declares; whether there are any. What a file with an error may declare is not reported.
pub(super) fn names(parsed: &Parsed, names: &Names<'_>, out: &mut Vec<Diagnostic>) -> bool {
    let mut any = false;
    let mut seen = BTreeSet::new();
    for literal in parsed.policy.entity_literals() {
        let kind = literal.type_name().to_string();
        let id = literal.id().unescaped().to_owned();
        let Some(known) = names.by_type.get(kind.as_str()) else { continue };
        // An unlisted tool may be named: the manifest lets such in.
        if known.contains(id.as_str()) || !seen.insert((kind.clone(), id.clone())) {
            continue;
        }
        any = true;
        let may_be_declared = match kind.as_str() {
            "Rule" | "Pack" | "Tag" => names.unread.packs,
            "Tool" | "Action" => names.unread.tools,
            "Stage" => false,
            _ => names.unread.directory,
        };
        if may_be_declared {
            continue;
        }
        let help = did_you_mean(&id, known.iter().copied()).unwrap_or_else(|| declare(&kind).to_owned());
        out.push(
            Diagnostic::new(
                Code::UndeclaredName,
                format!("nothing declares `{kind}::\"{}\"`", id.escape_debug()),
            )
            .at(parsed.find(&format!("{kind}::\"{id}\"")), "")
            .help(help),
        );
    }
    any
}

fn declare(kind: &str) -> &'static str {
    match kind {
        "Tool" | "Action" => "declare the tool in tools.yaml",
        "Rule" | "Pack" | "Tag" => {
            "rules are called `pack/rule`; packs, rules and tags come from packs/*.yaml"
        }
        "Stage" => "the stages are access, input, tool_call, tool_result and output",
        "Agent" => "declare it in directory.yaml; agents that are created are in AgentGroup::\"new\"",
        _ => "declare it in directory.yaml",
    }
}

/// Reports scopes that permit more than their author can have meant.
pub(super) fn scope(parsed: &Parsed, out: &mut Vec<Diagnostic>) {
    if parsed.policy.effect() != Effect::Permit {
        return;
    }
    let Some(actions) = parsed.actions() else {
        out.push(
            Diagnostic::new(Code::UnscopedPermit, format!("`{}` permits every action there is", parsed.id))
                .at(parsed.head(), "no action is named")
                .help("name what it permits: `action == Action::\"run_agent\"`, or `action in [...]`"),
        );
        return;
    };
    let special = |name: &String| name == "waive" || name == "reveal";
    let specials = actions.iter().filter(|name| special(name)).count();
    if specials > 0 && specials < actions.len() {
        out.push(
            Diagnostic::new(
                Code::MixedPermit,
                format!("`{}` mixes exceptions with other actions", parsed.id),
            )
            .at(parsed.head(), "")
            .help("write one policy for `waive` or `reveal` and another for the rest"),
        );
    } else if specials > 0 {
        let named = match parsed.policy.resource_constraint() {
            ResourceConstraint::Eq(_) | ResourceConstraint::In(_) | ResourceConstraint::IsIn(..) => true,
            ResourceConstraint::Any | ResourceConstraint::Is(_) => false,
        };
        if !named {
            out.push(
                Diagnostic::new(
                    Code::UnscopedWaiver,
                    format!("`{}` makes an exception to every rule", parsed.id),
                )
                .at(parsed.head(), "no rule or pack is named")
                .help("name it: `resource == Rule::\"pack/rule\"`, or `resource in Pack::\"pack\"`"),
            );
        }
    }
}

/// Reports forbids on arguments where tools are let in whose arguments Cedar does not see.
pub(super) fn unlisted(parsed: &[Parsed], vocabulary: &Vocabulary, out: &mut Vec<Diagnostic>) {
    if vocabulary.unlisted.is_none() {
        return;
    }
    let general = |one: &&Parsed| {
        let reaches_unlisted = one.actions().is_none_or(|actions| {
            actions.iter().any(|name| name == "call_tool" || name == "call_unlisted_tool")
        });
        matches!(one.effect, PolicyEffect::Forbid | PolicyEffect::Ask) && one.reads.input && reaches_unlisted
    };
    let blind: Vec<&Parsed> = parsed.iter().filter(general).collect();
    if let Some((first, rest)) = blind.split_first() {
        let mut diagnostic = Diagnostic::new(
            Code::InputForbidUnlisted,
            format!("`{}` never binds unlisted tools", first.id),
        )
        .at(first.head(), "reads `context.input`")
        .help(
            "the arguments of unlisted tools are not typed: forbid such tools, or declare them in tools.yaml",
        );
        if !rest.is_empty() {
            let others: Vec<String> = rest.iter().map(|one| format!("`{}`", one.id)).collect();
            diagnostic = diagnostic.note(format!("so it is with {}", others.join(", ")));
        }
        out.push(diagnostic);
    }
}
