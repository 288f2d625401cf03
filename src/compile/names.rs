//! Every name of a bundle: declared once, and declared before it is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bundle::{
    AttributeSpec, AttributeTypeSpec, Bundle, DIRECTORY, DirectorySpec, MANIFEST, ManifestSpec, NamedSpec,
    RolesFrom, TOOLS, UnlistedSpec,
};
use crate::cedar::{AttributeType, AttributeValue, Declared, NEW_AGENTS, Tool, Unlisted, Unread, Vocabulary};
use crate::decode::{Entries, Spanned};
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::rule::Rule;
use crate::rule::tool::ToolsSpec;

/// The names of the directory, as checked.
pub(super) struct Names {
    roles: Vec<Declared>,
    agent_groups: Vec<Declared>,
    agents: Vec<Declared>,
    toolsets: Vec<Declared>,
    models: Vec<Declared>,
    labels: Vec<String>,
    user_attributes: BTreeMap<String, AttributeType>,
}

/// Attributes of one entry whose values are of a known type.
pub(super) fn attributes(entries: &Entries<AttributeSpec>) -> BTreeMap<String, AttributeValue> {
    let value = |(name, spec): &(Spanned<String>, AttributeSpec)| {
        AttributeValue::from_json(&spec.0).map(|value| (name.value.clone(), value))
    };
    entries.0.iter().filter_map(value).collect()
}

struct Checker<'a> {
    file: Arc<str>,
    /// The directory has errors, which were told: there may be more names than are known.
    directory_unread: bool,
    out: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn span(&self, name: &Spanned<String>) -> Span {
        Span::new(&self.file, name.start, name.end)
    }

    fn unique<'n>(&mut self, kind: &str, names: impl Iterator<Item = &'n Spanned<String>>) {
        let names: Vec<&Spanned<String>> = names.collect();
        let file = Arc::clone(&self.file);
        let span = |name: &Spanned<String>| Span::new(&file, name.start, name.end);
        super::legible::report(kind, &names, span, self.out);
        let mut seen: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
        for name in names {
            if name.value.is_empty() {
                self.out.push(
                    Diagnostic::new(Code::BadValue, format!("a {kind} needs a name")).at(self.span(name), ""),
                );
            }
            if let Some(first) = seen.insert(&name.value, name) {
                self.out.push(
                    Diagnostic::new(Code::DuplicateName, format!("two {kind}s are called `{}`", name.value))
                        .at(self.span(name), "again here")
                        .related(self.span(first), "first here"),
                );
            }
        }
    }

    fn known(&mut self, kind: &str, names: &[Spanned<String>], known: &[&str]) {
        for name in names.iter().filter(|_| !self.directory_unread) {
            if !known.contains(&name.value.as_str()) {
                self.out.push(
                    Diagnostic::new(Code::UndeclaredName, format!("no {kind} is called `{}`", name.value))
                        .at(self.span(name), "")
                        .help(
                            did_you_mean(&name.value, known.iter().copied())
                                .unwrap_or_else(|| format!("declare the {kind} in directory.yaml")),
                        ),
                );
            }
        }
    }

    fn acyclic(&mut self, kind: &str, entries: &[&NamedSpec]) {
        let parents: BTreeMap<&str, &NamedSpec> =
            entries.iter().map(|entry| (entry.name.value.as_str(), *entry)).collect();
        for entry in entries {
            let mut open: Vec<&str> = entry.parents.iter().map(|parent| parent.value.as_str()).collect();
            let mut seen = Vec::new();
            while let Some(next) = open.pop() {
                if next == entry.name.value {
                    self.out.push(
                        Diagnostic::new(Code::ParentCycle, format!("the {kind} `{next}` is in itself"))
                            .at(self.span(&entry.name), "")
                            .help("take one of the entries out of the other"),
                    );
                    break;
                }
                if !seen.contains(&next) {
                    seen.push(next);
                    let above = parents.get(next).map(|above| above.parents.as_slice()).unwrap_or_default();
                    open.extend(above.iter().map(|parent| parent.value.as_str()));
                }
            }
        }
    }

    /// One name has one type over all entries of a kind.
    fn attributes<'n>(
        &mut self,
        kind: &str,
        entries: impl Iterator<Item = &'n Entries<AttributeSpec>>,
        types: &mut BTreeMap<String, AttributeType>,
        reserved: &[&str],
    ) {
        for (name, spec) in entries.flat_map(|entries| &entries.0) {
            if reserved.contains(&name.value.as_str()) {
                self.out.push(
                    Diagnostic::new(
                        Code::ReservedName,
                        format!("`{}` is an attribute of every {kind}", name.value),
                    )
                    .at(self.span(name), "")
                    .help("give the attribute another name"),
                );
                continue;
            }
            let Some(value) = AttributeValue::from_json(&spec.0) else {
                self.out.push(
                    Diagnostic::new(
                        Code::AttributeType,
                        format!("`{}` has no type that policies know", name.value),
                    )
                    .at(self.span(name), "")
                    .help(
                        "an attribute is text, a whole number, true or false, or a list of at least one text",
                    ),
                );
                continue;
            };
            let known = *types.entry(name.value.clone()).or_insert(value.kind());
            if known != value.kind() {
                self.out.push(
                    Diagnostic::new(
                        Code::AttributeType,
                        format!("`{}` has another type elsewhere", name.value),
                    )
                    .at(self.span(name), "")
                    .help(format!("give it one type in every {kind} that has it")),
                );
            }
        }
    }
}

fn declared(entry: &NamedSpec) -> Declared {
    Declared {
        name: entry.name.value.clone(),
        parents: entry.parents.iter().map(|parent| parent.value.clone()).collect(),
        attributes: attributes(&entry.attributes),
    }
}

impl Names {
    pub(super) fn collect(
        bundle: &Bundle,
        manifest: &ManifestSpec,
        directory: &DirectorySpec,
        tools: &ToolsSpec,
        directory_unread: bool,
        out: &mut Vec<Diagnostic>,
    ) -> Names {
        let file =
            |name: &str| bundle.source(name).map_or_else(|| name.into(), |source| Arc::clone(&source.name));
        let labels: Vec<&str> = directory.labels.0.iter().map(|label| label.value.as_str()).collect();
        let toolsets: Vec<&NamedSpec> = directory.toolsets.0.iter().collect();
        let models: Vec<NamedSpec> =
            directory.models.0.iter().cloned().map(crate::bundle::NameSpec::into_named).collect();
        let toolset_names: Vec<&str> = toolsets.iter().map(|set| set.name.value.as_str()).collect();

        let mut check = Checker { file: file(DIRECTORY), directory_unread, out };
        let groups = [
            ("role", directory.roles.0.iter().collect::<Vec<_>>()),
            ("agent group", directory.agent_groups.0.iter().collect()),
            ("toolset", toolsets.clone()),
            ("model", models.iter().collect()),
        ];
        for (kind, entries) in &groups {
            check.unique(kind, entries.iter().map(|entry| &entry.name));
            let known: Vec<&str> = entries.iter().map(|entry| entry.name.value.as_str()).collect();
            for entry in entries {
                check.known(kind, &entry.parents, &known);
            }
            check.acyclic(kind, entries);
            check.attributes(kind, entries.iter().map(|entry| &entry.attributes), &mut BTreeMap::new(), &[]);
        }
        check.unique("label", directory.labels.0.iter());
        check.unique("agent", directory.agents.0.iter().map(|agent| &agent.name));
        let group_names: Vec<&str> =
            directory.agent_groups.0.iter().map(|group| group.name.value.as_str()).collect();
        for group in directory.agent_groups.0.iter().filter(|group| group.name.value == NEW_AGENTS) {
            let message = format!("`{NEW_AGENTS}` is the group of agents that are created");
            let diagnostic = Diagnostic::new(Code::ReservedName, message).at(check.span(&group.name), "");
            check.out.push(diagnostic.help("it is always there; give this group another name"));
        }
        for agent in &directory.agents.0 {
            check.known("agent group", &agent.parents, &group_names);
        }
        check.attributes(
            "agent",
            directory.agents.0.iter().map(|agent| &agent.attributes),
            &mut BTreeMap::new(),
            &[],
        );
        let mut user_attributes: BTreeMap<String, AttributeType> = BTreeMap::new();
        for (name, kind) in &manifest.user_attributes.0 {
            user_attributes.insert(name.value.clone(), attribute_type(*kind));
        }
        check.unique("user", directory.users.0.iter().map(|user| &user.name));
        let role_names: Vec<&str> = directory.roles.0.iter().map(|role| role.name.value.as_str()).collect();
        for user in &directory.users.0 {
            check.known("role", &user.roles, &role_names);
        }
        check.attributes(
            "user",
            directory.users.0.iter().map(|user| &user.attributes),
            &mut user_attributes,
            &["tenant"],
        );

        let mut check = Checker { file: file(TOOLS), directory_unread, out: check.out };
        check.unique("tool", tools.tools.0.iter().map(|tool| &tool.name));
        for tool in &tools.tools.0 {
            check.known("toolset", &tool.parents, &toolset_names);
            check.known("label", &tool.reads, &labels);
            check.known("label", &tool.writes, &labels);
        }
        let of_tools = tools.tools.0.iter().map(|tool| &tool.attributes);
        check.attributes("tool", of_tools, &mut BTreeMap::new(), &["reads", "writes"]);

        let mut check = Checker { file: file(MANIFEST), directory_unread, out: check.out };
        check.unique("user attribute", manifest.user_attributes.0.iter().map(|(name, _)| name));
        check.unique("fact", manifest.facts.0.iter().map(|(name, _)| name));
        check.known("label", &manifest.session_default_labels, &labels);
        if let UnlistedSpec::Mapping(unlisted) = &manifest.unlisted_tools {
            check.known("toolset", &unlisted.parents, &toolset_names);
            check.known("label", &unlisted.reads, &labels);
            check.known("label", &unlisted.writes, &labels);
        }
        for (name, _) in manifest.user_attributes.0.iter().filter(|(name, _)| name.value == "tenant") {
            let diagnostic = Diagnostic::new(Code::ReservedName, "`tenant` is an attribute of every user");
            check.out.push(diagnostic.at(check.span(name), "").help("leave it out: it is always there"));
        }
        Names {
            roles: directory.roles.0.iter().map(declared).collect(),
            agent_groups: directory.agent_groups.0.iter().map(declared).collect(),
            agents: directory
                .agents
                .0
                .iter()
                .map(|agent| Declared {
                    name: agent.name.value.clone(),
                    parents: agent.parents.iter().map(|parent| parent.value.clone()).collect(),
                    attributes: attributes(&agent.attributes),
                })
                .collect(),
            toolsets: toolsets.into_iter().map(declared).collect(),
            models: models.iter().map(declared).collect(),
            labels: labels.into_iter().map(str::to_owned).collect(),
            user_attributes,
        }
    }

    pub(super) fn vocabulary(
        self,
        manifest: &ManifestSpec,
        directory: &DirectorySpec,
        tools: &[(Tool, crate::engine::Tool)],
        packs: &[String],
        rules: &[Arc<Rule>],
        unread: Unread,
    ) -> Vocabulary {
        let strings =
            |names: &[Spanned<String>]| names.iter().map(|name| name.value.clone()).collect::<Vec<_>>();
        let users = (manifest.roles == RolesFrom::Directory)
            .then(|| directory.users.0.iter().map(|user| user.name.value.clone()).collect());
        Vocabulary {
            roles: self.roles,
            agent_groups: self.agent_groups,
            agents: self.agents,
            toolsets: self.toolsets,
            models: self.models,
            labels: self.labels,
            tags: super::tags(rules),
            packs: packs.to_vec(),
            rules: rules
                .iter()
                .map(|rule| Declared {
                    name: rule.id.to_string(),
                    parents: vec![rule.pack.to_string()],
                    attributes: BTreeMap::new(),
                })
                .collect(),
            users,
            user_attributes: self.user_attributes,
            tools: tools.iter().map(|(tool, _)| tool.clone()).collect(),
            unlisted: match &manifest.unlisted_tools {
                UnlistedSpec::Scalar(_) => None,
                UnlistedSpec::Mapping(unlisted) => Some(Unlisted {
                    parents: strings(&unlisted.parents),
                    reads: strings(&unlisted.reads),
                    writes: strings(&unlisted.writes),
                }),
            },
            unread,
        }
    }
}

fn attribute_type(kind: AttributeTypeSpec) -> AttributeType {
    match kind {
        AttributeTypeSpec::String => AttributeType::String,
        AttributeTypeSpec::Integer => AttributeType::Integer,
        AttributeTypeSpec::Boolean => AttributeType::Boolean,
        AttributeTypeSpec::Strings => AttributeType::Strings,
    }
}
