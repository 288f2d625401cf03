//! Runs cases, and says which policies, rules and tools decide none of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::Suite;
use super::accuracy::{Accuracy, Gate};
use super::coverage::Coverage;
use super::spec::{Case, ExpectSpec};
use super::stated::Stated;
use crate::engine::{Engine, Revealing, Trace};
use crate::event::{Body, Event};
use crate::guard::{Guard, NoLinks, To};
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
    /// Every case, in the order of the files, then what is stated of rules, then every gate.
    pub outcomes: Vec<Outcome>,
    /// Policies that decide no step.
    pub unreached_policies: Vec<String>,
    /// Rules that decide none.
    pub unreached_rules: Vec<String>,
    /// Tools of which no step expects a decision.
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

    /// Whether some policy, rule or tool decides no step.
    #[must_use]
    pub fn has_untested(&self) -> bool {
        let lists = [&self.unreached_policies, &self.unreached_rules, &self.unreached_tools];
        lists.iter().any(|list| !list.is_empty())
    }
}

/// Runs the cases and gates whose name contains `filter`, each case in a session of its own, on as many threads as there
/// are cores.
#[must_use]
pub fn run(engine: &Engine, suite: &Suite, filter: &str) -> Report {
    let cases: Vec<&Case> = suite.cases.iter().filter(|case| case.name.contains(filter)).collect();
    let gates: Vec<&Gate> = suite.gates.iter().filter(|gate| gate.name.contains(filter)).collect();
    let stated: Vec<&Stated> = suite.stated.iter().filter(|stated| stated.name.contains(filter)).collect();
    let count = cases.len() + stated.len() + gates.len();
    let next = AtomicUsize::new(0);
    let done = Mutex::new((Vec::with_capacity(count), Coverage::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let one = |index: usize| {
        let mut coverage = Coverage::default();
        let behind = index.saturating_sub(cases.len());
        let outcome = match (cases.get(index), stated.get(behind)) {
            (Some(case), _) => run_case(engine, case, &mut coverage),
            (None, Some(stated)) => stated.run(engine),
            (None, None) => gates.get(behind - stated.len())?.run(engine),
        };
        Some((outcome, coverage))
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, (outcome, coverage))) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|index| Some((index, one(index)?)))
                {
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.0.push((index, outcome));
                    done.1.extend(coverage);
                }
            });
        }
    });
    let (mut outcomes, coverage) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    let untested = coverage.untested(engine);
    Report {
        outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
        unreached_policies: untested.policies,
        unreached_rules: untested.rules,
        unreached_tools: untested.tools,
    }
}

fn run_case(engine: &Engine, case: &Case, coverage: &mut Coverage) -> Outcome {
    let guard = Guard::builder(engine.clone()).no_time_limit().resolver(Arc::new(NoLinks)).build();
    let mut failures = Vec::new();
    for (number, (event, expect)) in case.steps.iter().enumerate() {
        let went = Went::new(&guard, event, expect.as_ref());
        let Some(expect) = expect else { continue };
        let step = if case.steps.len() > 1 { format!("step {}: ", number + 1) } else { String::new() };
        let differences = compare(expect, event, &went);
        if differences.is_empty() {
            coverage.add(expect, &went);
        }
        failures.extend(differences.into_iter().map(|failure| format!("{step}{failure}")));
    }
    let (name, file) = (case.name.clone(), case.file.to_string());
    Outcome { name, file, line: case.line, failures, accuracy: None }
}

/// Whether a case goes as expected; it ends with the first step that does not.
pub(super) fn passes(engine: &Engine, case: &Case) -> bool {
    let guard = Guard::builder(engine.clone()).no_time_limit().resolver(Arc::new(NoLinks)).build();
    case.steps.iter().all(|(event, expect)| {
        let went = Went::new(&guard, event, expect.as_ref());
        expect.as_ref().is_none_or(|expect| compare(expect, event, &went).is_empty())
    })
}

/// Whether a step goes as expected.
pub(super) fn step_passes(expect: &ExpectSpec, event: &Event, went: &Went) -> bool {
    compare(expect, event, went).is_empty()
}

/// How a step went.
pub(super) struct Went {
    pub(super) verdict: Verdict,
    pub(super) trace: Trace,
    /// Where that is expected: the text or arguments with the values that policy reveals. None where the event is refused.
    revealed: Option<Value>,
    /// Of each rule whose pseudonyms there are, the policies that reveal them.
    pub(super) reveals: Vec<Vec<String>>,
}

impl Went {
    pub(super) fn new(guard: &Guard, event: &Event, expect: Option<&ExpectSpec>) -> Self {
        let (verdict, trace) = guard.examine(event);
        let mut went = Self { verdict, trace, revealed: None, reveals: Vec::new() };
        if expect.is_some_and(|expect| expect.revealed.is_some()) && went.verdict.is_allowed() {
            went.reveal(guard, event);
        }
        went
    }

    fn reveal(&mut self, guard: &Guard, event: &Event) {
        let edited = event.with_edits(&self.verdict.edits);
        let (mut value, tool) = match &edited.body {
            Body::Output { text } => (text.clone(), None),
            Body::ToolCall { tool, arguments, .. } => (arguments.clone(), Some(tool.as_str())),
            Body::Access(_) | Body::Input { .. } | Body::ToolResult { .. } => return,
        };
        let to = To { user: &event.user, agent: event.agent.as_deref().unwrap_or_default(), tool };
        let at = event.at.unwrap_or_default();
        each_text(&mut value, &mut |text| {
            let (revealed, said) = guard.try_reveal(&event.session, to, at, text);
            for Revealing { permits, shadows } in said {
                self.reveals.push(permits);
                self.trace.shadows.extend(shadows);
            }
            *text = revealed;
        });
        self.revealed = Some(value);
    }
}

/// Does something to every text in a JSON value.
fn each_text(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| each_text(member, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a case is about.
pub(super) struct Touched {
    /// Policies that decide it.
    pub(super) policies: BTreeSet<String>,
    /// Rules that match in it.
    pub(super) rules: BTreeSet<String>,
    /// Tools that it calls, reads or offers.
    pub(super) tools: BTreeSet<String>,
    /// Actions that are asked about, by their names in policies.
    actions: BTreeSet<&'static str>,
}

impl Touched {
    /// Whether one of these actions is asked about.
    pub(super) fn asks_any(&self, actions: &[String]) -> bool {
        actions.iter().any(|action| match action.as_str() {
            "call_tool" | "call_unlisted_tool" => !self.tools.is_empty(),
            name => self.actions.contains(name) || self.tools.contains(name),
        })
    }
}

/// What a case is about; `None` where it does not go as expected.
pub(super) fn touched(engine: &Engine, case: &Case) -> Option<Touched> {
    let guard = Guard::builder(engine.clone()).no_time_limit().resolver(Arc::new(NoLinks)).build();
    let mut of = Touched {
        policies: BTreeSet::new(),
        rules: BTreeSet::new(),
        tools: BTreeSet::new(),
        actions: BTreeSet::new(),
    };
    let mut coverage = Coverage::default();
    for (event, expect) in &case.steps {
        let went = Went::new(&guard, event, expect.as_ref());
        if let Some(expect) = expect {
            if !compare(expect, event, &went).is_empty() {
                return None;
            }
            coverage.add(expect, &went);
            of.actions.extend(expect.revealed.is_some().then_some("reveal"));
        }
        let Went { verdict, trace, .. } = went;
        of.rules.extend(verdict.findings.iter().map(|finding| finding.rule.clone()));
        of.rules.extend(trace.rules);
        of.tools.extend(event.tool().map(str::to_owned));
        of.actions.insert(match &event.body {
            Body::Access(access) if access.kind == crate::event::AccessKind::Create => "create_agent",
            Body::Access(_) => "run_agent",
            Body::Input { .. } => "send_input",
            Body::Output { .. } => "send_output",
            Body::ToolResult { .. } => "read_result",
            Body::ToolCall { .. } => "call_tool",
        });
        if let Body::Access(access) = &event.body {
            of.tools.extend(access.tools.iter().flatten().cloned());
        }
    }
    of.policies = coverage.policies().clone();
    Some(of)
}

fn compare(expect: &ExpectSpec, event: &Event, went: &Went) -> Vec<String> {
    let verdict = &went.verdict;
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
    if let Some(shadow) = &expect.shadow {
        let expected: BTreeSet<&str> = shadow.iter().map(|policy| policy.value.as_str()).collect();
        let actual: BTreeSet<&str> =
            verdict.shadow.iter().filter_map(|reason| reason.policy.as_deref()).collect();
        differ("shadow", format!("{expected:?}"), format!("{actual:?}"));
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
        ("revealed", &expect.revealed, went.revealed.as_ref()),
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
