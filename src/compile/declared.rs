//! Tools, agents and users as the engine uses them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::schemas::Place;
use super::{Compiler, names};
use crate::bundle::{DIRECTORY, DirectorySpec, PayloadSpec, Role, TOOLS, UserEntrySpec};
use crate::cedar::{self, BUILT_IN_ACTIONS, shape::Shape};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::engine::{Agent, Inventory, Item, ListedUser, Tool};
use crate::rule::Rule;
use crate::rule::tool::{ToolsSpec, file_name, schema_file};
use crate::tool::Of;

/// What a schema names of each argument: the values that it may be, and its limits.
fn named_values(schema: &Value) -> BTreeMap<String, Vec<Value>> {
    let mut named = BTreeMap::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let listed = property.get("enum").and_then(Value::as_array).into_iter().flatten();
        let single = ["const", "minimum", "maximum"].into_iter().filter_map(|keyword| property.get(keyword));
        let values: Vec<Value> = listed.chain(single).take(NAMED_VALUES).cloned().collect();
        if !values.is_empty() {
            named.insert(name.clone(), values);
        }
    }
    named
}

/// Most values of one argument that are looked at.
const NAMED_VALUES: usize = 16;

impl Compiler<'_> {
    pub(super) fn tools(&mut self, spec: &ToolsSpec) -> Vec<(cedar::Tool, Tool)> {
        let Some(source) = self.bundle.source(TOOLS) else { return Vec::new() };
        let bundle = self.bundle;
        let file = |name: &str| {
            bundle.source(name).filter(|source| source.role() == Role::Schema).map(|source| &*source.text)
        };
        let mut tools = Vec::new();
        for tool in &spec.tools.0 {
            let mut reporter = self.reporter(source);
            let name = &tool.name;
            if BUILT_IN_ACTIONS.contains(&name.value.as_str()) || name.value.is_empty() {
                reporter.push(
                    Diagnostic::new(Code::ReservedName, format!("`{}` can't name a tool", name.value))
                        .at(reporter.span(name.range()), "Ringfence's own action")
                        .help("give the tool another name; the application may map it"),
                );
                continue;
            }
            let Some(declared) = tool.schema(file, &mut reporter) else { continue };
            let named = tool.schema.as_ref().map(|schema| (schema.value.as_str(), schema.range()));
            let inline = tool.input.as_ref();
            let place = Place {
                source,
                file: inline.map_or(named.as_ref().map(|(file, _)| *file), |input| file_name(&input.value)),
                at: inline
                    .map(crate::decode::Spanned::range)
                    .or(named.map(|(_, at)| at))
                    .unwrap_or_else(|| name.range()),
            };
            let what = format!("the input of `{}`", name.value);
            let Some(schema) = self.schema(&what, &declared, Of::Arguments, &place) else { continue };
            let mut reporter = self.reporter(source);
            let input = Shape::of_arguments(&declared);
            for pointer in tool.pointers() {
                let first = pointer.value.trim_start_matches('/').split('/').next().unwrap_or_default();
                if let Shape::Record(fields) = &input
                    && !fields.contains_key(first)
                {
                    reporter.push(
                        Diagnostic::new(
                            Code::UnknownAttribute,
                            format!("`{}` has no argument `{first}`", name.value),
                        )
                        .at(reporter.span(pointer.range()), "")
                        .maybe_help(did_you_mean(first, fields.keys().map(String::as_str))),
                    );
                }
            }
            let strings = |list: &[crate::decode::Spanned<String>]| {
                list.iter().map(|name| name.value.clone()).collect::<Vec<_>>()
            };
            let line = reporter.line(name.start);
            let arguments = tool.arguments(&mut reporter);
            tools.push((
                cedar::Tool {
                    declared: cedar::Declared {
                        name: name.value.clone(),
                        parents: strings(&tool.parents),
                        attributes: names::attributes(&tool.attributes),
                    },
                    reads: strings(&tool.reads),
                    writes: strings(&tool.writes),
                    input,
                    checks: tool.checks(),
                },
                Tool {
                    reads: strings(&tool.reads),
                    schema,
                    file: source.name.to_string(),
                    line,
                    logged: tool.logged(),
                    arguments,
                    named: named_values(&declared),
                },
            ));
        }
        tools
    }

    pub(super) fn agents(&mut self, spec: &DirectorySpec) -> BTreeMap<String, Agent> {
        let Some(source) = self.bundle.source(DIRECTORY) else { return BTreeMap::new() };
        let bundle = self.bundle;
        let file = |name: &str| {
            bundle.source(name).filter(|source| source.role() == Role::Schema).map(|source| &*source.text)
        };
        let mut agents = BTreeMap::new();
        for agent in &spec.agents.0 {
            let mut compiled = Agent::default();
            for (payload, place) in
                [(&agent.input, &mut compiled.input), (&agent.output, &mut compiled.output)]
            {
                let Some(PayloadSpec::Mapping(payload)) = payload else { continue };
                let mut reporter = self.reporter(source);
                let at = payload.schema.range();
                let declared = match file_name(&payload.schema.value) {
                    Some(name) => schema_file(name, at.clone(), file, &mut reporter),
                    None => Some(payload.schema.value.clone()),
                };
                if let Some(declared) = declared {
                    let file = file_name(&payload.schema.value);
                    let what = format!("a schema of `{}`", agent.name.value);
                    *place = self.schema(&what, &declared, Of::Value, &Place { source, at, file });
                }
            }
            agents.insert(agent.name.value.clone(), compiled);
        }
        agents
    }
}

pub(super) fn users(directory: &DirectorySpec) -> BTreeMap<String, ListedUser> {
    let listed = |user: &UserEntrySpec| ListedUser {
        roles: user.roles.iter().map(|role| role.value.clone()).collect(),
        tenant: user.tenant.clone(),
        attributes: names::attributes(&user.attributes),
    };
    directory.users.0.iter().map(|user| (user.name.value.clone(), listed(user))).collect()
}

/// Everything that a test can reach.
pub(super) fn inventory(
    policies: &cedar::Policies,
    rules: &[Arc<Rule>],
    tools: &[(cedar::Tool, Tool)],
) -> Inventory {
    Inventory {
        policies: policies
            .list()
            .iter()
            .map(|policy| Item {
                name: policy.id.clone(),
                file: policy.span.file.to_string(),
                line: policy.line,
                kind: policy.effect.name(),
                expires: policy.expires.clone(),
            })
            .collect(),
        rules: rules
            .iter()
            .map(|rule| Item {
                name: rule.id.to_string(),
                file: rule.file.to_string(),
                line: rule.line,
                kind: rule.action.name(),
                expires: None,
            })
            .collect(),
        tools: tools
            .iter()
            .map(|(declared, tool)| Item {
                name: declared.declared.name.clone(),
                file: tool.file.clone(),
                line: tool.line,
                kind: "tool",
                expires: None,
            })
            .collect(),
    }
}
