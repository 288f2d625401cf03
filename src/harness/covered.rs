//! How much of a bundle its tests reach: policies, both outcomes of their conditions, rules, arguments of tools, retention classes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::run::{Went, step_passes};
use super::{Report, Suite};
use crate::bundle::{Bundle, RETENTION, TOOLS};
use crate::cedar;
use crate::decode::{Kind, Node};
use crate::engine::Engine;
use crate::event::{Body, Event};
use crate::guard::{Guard, NoLinks};
use crate::rule::retention::{RetentionSpec, What};
use crate::verdict::Verdict;
use crate::yaml;

/// A part of a bundle that tests can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Part {
    /// `policy`, `condition`, `rule`, `argument` or `retention`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What no test does with it; absent where it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<&'static str>,
}

/// Every part, and whether it is reached.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Covered {
    /// The parts, in the order of kinds and places.
    pub parts: Vec<Part>,
}

impl Covered {
    /// The share that is reached, in percent; 100 of nothing.
    #[must_use]
    pub fn share(&self) -> f64 {
        let reached = self.parts.iter().filter(|part| part.missing.is_none()).count();
        super::share(reached, self.parts.len()).map_or(100.0, |share| share * 100.0)
    }

    /// For people: what is missing, then the share of each kind and of all.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            if let Some(missing) = part.missing {
                let _ = writeln!(out, "{}:{}: {} `{}` {missing}", part.file, part.line, part.kind, part.name);
            }
        }
        for (kind, (reached, all)) in self.by_kind() {
            let _ = writeln!(out, "{kind:<10} {reached:>6} of {all}");
        }
        let _ = writeln!(out, "coverage {:.1} %", self.share());
        out
    }

    /// A page that a reviewer can open: every file of the bundle in which something can be reached, line by line.
    #[must_use]
    pub fn html(&self, bundle: &Bundle) -> String {
        let mut out = String::from(
            "<!doctype html><meta charset=\"utf-8\"><title>Coverage</title><style>body{font:14px sans-serif;margin:2em}pre{line-height:1.4}\
             .y{background:#dfd}.n{background:#fdd}i{color:#a00}</style>\n<h1>What the tests reach</h1>\n<table>",
        );
        for (kind, (reached, all)) in self.by_kind() {
            let _ = write!(out, "<tr><td>{kind}<td>{reached} of {all}");
        }
        let _ = writeln!(out, "<tr><th>all<th>{:.1} %</table>", self.share());
        let mut by_file: BTreeMap<&str, BTreeMap<u32, Vec<&Part>>> = BTreeMap::new();
        for part in &self.parts {
            by_file.entry(&part.file).or_default().entry(part.line).or_default().push(part);
        }
        for (file, lines) in by_file {
            let Some(source) = bundle.source(file) else { continue };
            let _ = writeln!(out, "<h2>{}</h2><pre>", escaped(file));
            for (number, line) in (1..).zip(source.text.lines()) {
                let parts = lines.get(&number).map(Vec::as_slice).unwrap_or_default();
                let missing: Vec<String> = parts
                    .iter()
                    .filter_map(|part| Some(format!("{} {} {}", part.kind, part.name, part.missing?)))
                    .collect();
                let class = match (parts.is_empty(), missing.is_empty()) {
                    (true, _) => "",
                    (false, true) => " class=\"y\"",
                    (false, false) => " class=\"n\"",
                };
                let _ = write!(out, "<span{class}>{number:>5} {}</span>", escaped(line));
                if !missing.is_empty() {
                    let _ = write!(out, " <i>{}</i>", escaped(&missing.join("; ")));
                }
                out.push('\n');
            }
            out.push_str("</pre>\n");
        }
        out
    }

    fn by_kind(&self) -> BTreeMap<&'static str, (usize, usize)> {
        let mut kinds: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
        for part in &self.parts {
            let (reached, all) = kinds.entry(part.kind).or_default();
            *reached += usize::from(part.missing.is_none());
            *all += 1;
        }
        kinds
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What steps that go as expected reach.
#[derive(Default)]
struct Reached {
    conditions: BTreeSet<(usize, bool)>,
    arguments: BTreeSet<(String, String)>,
    retention: BTreeSet<String>,
}

/// What of a bundle its tests reach; `report` is of the same tests. `None` where the policies can't be looked into.
#[must_use]
pub fn covered(bundle: &Bundle, engine: &Engine, suite: &Suite, report: &Report) -> Option<Covered> {
    let (policies, probes) = engine.0.policies.probed()?;
    let probed = engine.with(|inner| inner.policies = Arc::new(policies));
    let retention = bundle.source(RETENTION);
    let retention = retention.and_then(|source| yaml::read::<RetentionSpec>(&source.name, &source.text).0);
    let mut reached = Reached::default();
    for case in &suite.cases {
        let guard = Guard::builder(probed.clone()).no_time_limit().resolver(Arc::new(NoLinks)).build();
        for (event, expect) in &case.steps {
            let went = Went::new(&guard, event, expect.as_ref());
            let shadows = went.trace.shadows.iter();
            reached.conditions.extend(shadows.filter_map(|id| cedar::probe_outcome(id)));
            if expect.as_ref().is_none_or(|expect| !step_passes(expect, event, &went)) {
                continue;
            }
            if let Body::ToolCall { tool, arguments, .. } = &event.body {
                let names = arguments.as_object().into_iter().flatten();
                reached.arguments.extend(names.map(|(name, _)| (tool.clone(), name.clone())));
            }
            let class = retention.as_ref().and_then(|spec| class_of(spec, event, &went.verdict));
            reached.retention.extend(class);
        }
    }
    let mut parts = Vec::new();
    let inventory = engine.inventory();
    for (kind, items, untested) in [
        ("policy", &inventory.policies, &report.unreached_policies),
        ("rule", &inventory.rules, &report.unreached_rules),
    ] {
        let untested: BTreeSet<&String> = untested.iter().collect();
        parts.extend(items.iter().map(|item| Part {
            kind,
            name: item.name.clone(),
            file: item.file.clone(),
            line: item.line,
            missing: untested.contains(&item.name).then_some("decides no test"),
        }));
    }
    for (number, probe) in probes.iter().enumerate() {
        let Some(info) = engine.policies().get(probe.policy) else { continue };
        let outcomes = [true, false].map(|outcome| reached.conditions.contains(&(number, outcome)));
        let file = bundle.source(&info.span.file);
        let line = file.and_then(|source| {
            let at = cedar::place_of(source.text.get(info.span.start..)?, &probe.text)?.0;
            Some(crate::diagnostic::line(&source.text, info.span.start + at))
        });
        parts.push(Part {
            kind: "condition",
            name: format!("{}: {}", info.id, probe.text),
            file: info.span.file.to_string(),
            line: line.unwrap_or(info.line),
            missing: match outcomes {
                [true, true] => None,
                [false, true] => Some("is never true in a test"),
                [true, false] => Some("is never false in a test"),
                [false, false] => Some("is looked at by no test"),
            },
        });
    }
    arguments(bundle, &reached, &mut parts);
    if let (Some(spec), Some(source)) = (&retention, bundle.source(RETENTION)) {
        let classes = spec.classes.0.iter().filter(|class| class.what == What::Content);
        parts.extend(classes.map(|class| Part {
            kind: "retention",
            name: class.name.value.clone(),
            file: RETENTION.to_owned(),
            line: crate::diagnostic::line(&source.text, class.name.start),
            missing: (!reached.retention.contains(&class.name.value)).then_some("takes the data of no test"),
        }));
    }
    Some(Covered { parts })
}

/// The first retention class that takes an event's data.
fn class_of(spec: &RetentionSpec, event: &Event, verdict: &Verdict) -> Option<String> {
    let names = |list: &[crate::decode::Spanned<String>], name: Option<&str>| {
        list.is_empty() || list.iter().any(|one| Some(one.value.as_str()) == name)
    };
    let tags: BTreeSet<&String> = verdict.findings.iter().flat_map(|finding| &finding.tags).collect();
    let takes = |class: &&crate::rule::retention::ClassSpec| {
        class.what == What::Content
            && (class.stages.is_empty() || class.stages.contains(&event.stage()))
            && (class.tags.is_empty() || class.tags.iter().any(|tag| tags.contains(&tag.value)))
            && names(&class.agents, event.agent.as_deref())
            && names(&class.tools, event.tool())
    };
    spec.classes.0.iter().find(takes).map(|class| class.name.value.clone())
}

/// Every argument that a tool declares in the file.
fn arguments(bundle: &Bundle, reached: &Reached, parts: &mut Vec<Part>) {
    let Some(source) = bundle.source(TOOLS) else { return };
    let Ok(root) = yaml::parse(&source.text) else { return };
    let Some(Kind::Sequence(tools)) = root.member("tools").map(|node| &node.kind) else { return };
    for tool in tools {
        let Some(name) = tool.member("name").and_then(Node::text) else { continue };
        let properties = tool.member("input").and_then(|input| input.member("properties"));
        let Some(Kind::Mapping(properties)) = properties.map(|node| &node.kind) else { continue };
        for (key, _) in properties {
            let argument = (name.to_owned(), key.text.clone());
            parts.push(Part {
                kind: "argument",
                name: format!("{name} /{}", key.text),
                file: TOOLS.to_owned(),
                line: crate::diagnostic::line(&source.text, key.span.start),
                missing: (!reached.arguments.contains(&argument)).then_some("is given in no test"),
            });
        }
    }
}
