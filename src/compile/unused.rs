//! Names that nothing uses: usually a sign that something else is misspelt or missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bundle::{Bundle, DIRECTORY, DirectorySpec, Source, TOOLS};
use crate::cedar::{Policies, PolicyEffect, Vocabulary};
use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::rule::Rule;
use crate::rule::tool::ToolsSpec;
use crate::verdict::Action;

/// Warns of roles, labels and tools that no policy can concern.
pub(super) fn report(
    bundle: &Bundle,
    directory: &DirectorySpec,
    tools: &ToolsSpec,
    vocabulary: &Vocabulary,
    policies: &Policies,
    rules: &[Arc<Rule>],
    out: &mut Vec<Diagnostic>,
) {
    let mut warn = |file: &str, name: &Spanned<String>, message: String, help: &str| {
        let file = bundle.source(file).map_or_else(|| file.into(), |source| Arc::clone(&source.name));
        out.push(
            Diagnostic::new(Code::UnusedName, message)
                .at(Span::new(&file, name.start, name.end), "")
                .help(help),
        );
    };
    // A role is used where a policy names it or one that it is in.
    for role in &directory.roles.0 {
        let mut above: BTreeSet<&str> = BTreeSet::from([role.name.value.as_str()]);
        let mut open = vec![role.name.value.as_str()];
        while let Some(next) = open.pop() {
            let entry = vocabulary.roles.iter().find(|entry| entry.name == next);
            for parent in entry.map(|entry| entry.parents.as_slice()).unwrap_or_default() {
                if above.insert(parent) {
                    open.push(parent);
                }
            }
        }
        let is_parent = vocabulary.roles.iter().any(|entry| entry.parents.contains(&role.name.value));
        if !is_parent && !above.iter().any(|name| policies.mentions("Role", name)) {
            let message = format!("no policy concerns the role `{}`", role.name.value);
            warn(DIRECTORY, &role.name, message, "name it in a policy, or remove it");
        }
    }
    let flows = |label: &str| {
        let of_tools = vocabulary
            .tools
            .iter()
            .any(|tool| tool.reads.iter().chain(&tool.writes).any(|name| name == label));
        let of_unlisted = vocabulary.unlisted.as_ref();
        of_tools
            || of_unlisted.is_some_and(|tool| tool.reads.iter().chain(&tool.writes).any(|name| name == label))
    };
    for label in &directory.labels.0 {
        let named = policies.mentions("Label", &label.value);
        let message = match (flows(&label.value), named) {
            (true, true) => continue,
            (false, true) => {
                format!("no tool reads or writes the label `{}`, so no session ever has it", label.value)
            }
            (true, false) => format!("no policy looks at the label `{}`", label.value),
            (false, false) => format!("nothing uses the label `{}`", label.value),
        };
        warn(DIRECTORY, label, message, "use it, or remove it");
    }
    for tool in &tools.tools.0 {
        let name = tool.name.value.as_str();
        // One that does not compile has something else to be mended first.
        let compiled = vocabulary.tools.iter().any(|tool| tool.declared.name == name);
        if compiled && !policies.permits_tool(name) {
            let message = format!("no policy permits the tool `{name}`, so it can never be called");
            warn(TOOLS, &tool.name, message, "permit it in a policy, or remove it");
        }
    }
    for rule in rules.iter().filter(|rule| rule.action == Action::Flag) {
        let (id, pack) = (&*rule.id, &*rule.pack);
        let named = policies.mentions("Rule", id)
            || policies.mentions("Pack", pack)
            || rule.tags.iter().any(|tag| policies.mentions("Tag", tag));
        if !named {
            let source = bundle.source(&rule.file);
            let span = source.map_or_else(|| Span::whole(&rule.file), |source| line_span(source, rule.line));
            out.push(
                Diagnostic::new(Code::UnusedName, format!("`{id}` only flags, and no policy looks at it"))
                    .at(span, "")
                    .help(
                        "name the rule, its pack or one of its tags in a policy, or give it another action",
                    ),
            );
        }
    }
}

/// Reports waivers of rules that are never waived.
pub(super) fn waivers(policies: &Policies, rules: &[Arc<Rule>], out: &mut Vec<Diagnostic>) {
    for policy in policies.list().iter().filter(|policy| policy.effect == PolicyEffect::Waiver) {
        let of = |(kind, id): &(String, String)| -> Vec<&Rule> {
            let named = |rule: &&Rule| if kind == "Pack" { *rule.pack == **id } else { *rule.id == **id };
            rules.iter().map(|rule| &**rule).filter(named).collect()
        };
        let vain = |name: &(String, String)| {
            let rules = of(name);
            !rules.is_empty() && rules.iter().all(|rule| !rule.waivable)
        };
        let (vain, others): (Vec<_>, Vec<_>) = policy.waives.iter().partition(|name| vain(name));
        let Some((_, first)) = vain.first() else { continue };
        let mut diagnostic = Diagnostic::new(
            Code::WaiverWithoutEffect,
            format!("`{}` waives `{first}`, which can't be waived", policy.id),
        )
        .at(policy.span.clone(), "")
        .help(
            "rules marked `waivable: false` hold for everybody: remove the waiver, or the mark from the rule",
        );
        if let [_, rest @ ..] = vain.as_slice()
            && !rest.is_empty()
        {
            let names: Vec<String> = rest.iter().map(|(_, name)| format!("`{name}`")).collect();
            diagnostic = diagnostic.note(format!("so it is with {}", names.join(", ")));
        }
        if !others.is_empty() {
            diagnostic.severity = Severity::Warning;
        }
        out.push(diagnostic);
    }
}

fn line_span(source: &Source, line: u32) -> Span {
    let mut start = 0;
    for (number, text) in source.text.split_inclusive('\n').enumerate() {
        if number + 1 == line as usize {
            let trimmed = text.trim_start();
            let start = start + text.len() - trimmed.len();
            return Span::new(&source.name, start, start + trimmed.trim_end().len());
        }
        start += text.len();
    }
    Span::whole(&source.name)
}
