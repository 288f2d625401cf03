//! Runs cases, and says which policies, rules and tools none of them reached.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::Suite;
use super::accuracy::{Accuracy, Gate};
use super::spec::{Case, ExpectSpec};
use crate::engine::{Engine, Trace};
use crate::event::{Body, Event};
use crate::guard::Guard;
use crate::verdict::Verdict;

/// How one case or gate went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// The file that holds it.
    pub file: String,
    /// Its line there, from 1.
    pub line: u32,
    /// What was not as expected; empty where all was.
    pub failures: Vec<String>,
    /// What was measured, where it is a gate on labelled data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
}

/// How a suite went.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Every case, in the order of the files, then every gate.
    pub outcomes: Vec<Outcome>,
    /// Policies that decided no step with an `expect`.
    pub unreached_policies: Vec<String>,
    /// Rules that matched in none.
    pub unreached_rules: Vec<String>,
    /// Tools that none was about.
    pub unreached_tools: Vec<String>,
}

impl Report {
    /// Number of cases and gates that went as expected.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.failures.is_empty()).count()
    }

    /// Number of cases that did not.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.len() - self.passed()
    }
}

/// Runs the cases and gates whose name contains `filter`, each case in a session of its own, on as many threads as there
/// are cores.
#[must_use]
pub fn run(engine: &Engine, suite: &Suite, filter: &str) -> Report {
    let cases: Vec<&Case> = suite.cases.iter().filter(|case| case.name.contains(filter)).collect();
    let gates: Vec<&Gate> = suite.gates.iter().filter(|gate| gate.name.contains(filter)).collect();
    let count = cases.len() + gates.len();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome, Vec<Trace>)>> = Mutex::new(Vec::with_capacity(count));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let one = |index: usize| match cases.get(index) {
        Some(case) => Some(run_case(engine, case)),
        None => Some((gates.get(index - cases.len())?.run(engine), Vec::new())),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, (outcome, traces))) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|index| Some((index, one(index)?)))
                {
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome, traces));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, ..)| *index);
    let mut report = Report::default();
    let mut policies: BTreeSet<String> = BTreeSet::new();
    let mut rules: BTreeSet<String> = BTreeSet::new();
    let mut tools: BTreeSet<String> = BTreeSet::new();
    for (_, outcome, traces) in done {
        report.outcomes.push(outcome);
        for trace in traces {
            let Trace { permits, forbids, asks, shadows, waivers, rules: found, tool, .. } = trace;
            policies.extend([permits, forbids, asks, shadows, waivers].into_iter().flatten());
            rules.extend(found);
            tools.extend(tool);
        }
    }
    let missing = |items: &[crate::engine::Item], reached: &BTreeSet<String>| {
        items.iter().map(|item| item.name.clone()).filter(|name| !reached.contains(name)).collect::<Vec<_>>()
    };
    let inventory = engine.inventory();
    report.unreached_policies = missing(&inventory.policies, &policies);
    report.unreached_rules = missing(&inventory.rules, &rules);
    report.unreached_tools = missing(&inventory.tools, &tools);
    report
}

fn run_case(engine: &Engine, case: &Case) -> (Outcome, Vec<Trace>) {
    let guard = Guard::builder(engine.clone()).no_time_limit().build();
    let mut failures = Vec::new();
    let mut traces = Vec::new();
    for (number, (event, expect)) in case.steps.iter().enumerate() {
        let (verdict, trace) = guard.examine(event);
        let Some(expect) = expect else { continue };
        traces.push(trace);
        let step = if case.steps.len() > 1 { format!("step {}: ", number + 1) } else { String::new() };
        failures
            .extend(compare(expect, event, &verdict).into_iter().map(|failure| format!("{step}{failure}")));
    }
    let (name, file) = (case.name.clone(), case.file.to_string());
    let outcome = Outcome { name, file, line: case.line, failures, accuracy: None };
    (outcome, traces)
}

fn compare(expect: &ExpectSpec, event: &Event, verdict: &Verdict) -> Vec<String> {
    let mut failures = Vec::new();
    let mut differ = |what: &str, expected: String, actual: String| {
        if expected != actual {
            failures.push(format!("{what}: expected {expected}, got {actual}"));
        }
    };
    if let Some(decision) = expect.decision {
        differ("decision", decision.to_string(), verdict.decision.to_string());
    }
    if let Some(enforced) = expect.enforced {
        differ("enforced", enforced.to_string(), verdict.enforced.to_string());
    }
    if let Some(by) = &expect.by
        && !verdict.reasons.iter().any(|reason| reason.is_by(&by.value))
    {
        let names: Vec<&str> = verdict
            .reasons
            .iter()
            .map(|reason| reason.policy.as_deref().or(reason.rule.as_deref()).unwrap_or(reason.code.name()))
            .collect();
        let actual = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        differ("by", by.value.clone(), actual);
    }
    if let Some(found) = &expect.found {
        let expected: BTreeSet<&str> = found.iter().map(|rule| rule.value.as_str()).collect();
        let actual: BTreeSet<&str> = verdict.findings.iter().map(|finding| finding.rule.as_str()).collect();
        differ("found", format!("{expected:?}"), format!("{actual:?}"));
    }
    if let Some(tools) = &expect.tools {
        differ("tools", format!("{tools:?}"), format!("{:?}", verdict.tools.clone().unwrap_or_default()));
    }
    if let Some(message) = &expect.message {
        differ("message", message.clone(), verdict.message.clone().unwrap_or_default());
    }
    let edited = event.with_edits(&verdict.edits);
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let (mut text, mut result, mut arguments, mut name, mut instructions) = (None, None, None, None, None);
    match &edited.body {
        Body::Input { text: value, .. } | Body::Output { text: value } => text = Some(value),
        Body::ToolResult { result: value, .. } => result = Some(value),
        Body::ToolCall { arguments: value, .. } => arguments = Some(value),
        Body::Access(access) => {
            name = access.name.as_deref();
            instructions = access.instructions.as_ref();
        }
    }
    let values = [
        ("text", &expect.text, text),
        ("result", &expect.result, result),
        ("arguments", &expect.arguments, arguments),
        ("instructions", &expect.instructions, instructions),
    ];
    for (what, expected, actual) in values {
        if expected.is_some() {
            differ(what, show(expected.as_ref()), show(actual));
        }
    }
    if let Some(expected) = &expect.name {
        differ("name", expected.clone(), name.unwrap_or_default().to_owned());
    }
    failures
}
