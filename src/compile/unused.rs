//! Names that nothing uses: usually a sign that something else is misspelt or missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bundle::{Bundle, DIRECTORY, DirectorySpec, TOOLS};
use crate::cedar::{Policies, PolicyEffect, Vocabulary};
use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::rule::tool::ToolsSpec;

/// Warns of roles, labels and tools that no policy can concern.
pub(super) fn report(
    bundle: &Bundle,
    directory: &DirectorySpec,
    tools: &ToolsSpec,
    vocabulary: &Vocabulary,
    policies: &Policies,
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
    let general = policies.list().iter().any(|policy| policy.effect == PolicyEffect::Permit)
        && policies.mentions("Action", "call_tool");
    for tool in &tools.tools.0 {
        let name = tool.name.value.as_str();
        let by_set = tool.parents.iter().any(|parent| {
            vocabulary.toolsets.iter().any(|set| {
                (set.name == parent.value || is_above(&set.name, &parent.value, vocabulary))
                    && policies.mentions("Toolset", &set.name)
            })
        });
        if !policies.mentions("Action", name)
            && !policies.mentions("Tool", name)
            && !(general && by_set)
            && !general
        {
            let message = format!("no policy concerns the tool `{name}`, so it can never be called");
            warn(TOOLS, &tool.name, message, "permit it in a policy, or remove it");
        }
    }
}

fn is_above(set: &str, below: &str, vocabulary: &Vocabulary) -> bool {
    let mut open = vec![below];
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        let entry = vocabulary.toolsets.iter().find(|entry| entry.name == next);
        for parent in entry.map(|entry| entry.parents.as_slice()).unwrap_or_default() {
            if parent == set {
                return true;
            }
            if seen.insert(parent.as_str()) {
                open.push(parent);
            }
        }
    }
    false
}
