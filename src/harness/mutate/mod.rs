//! What tests notice: the bundle is made weaker in one place after another, and a test has to fail each time.
//!
//! Only what a change concerns is compiled again, and only tests that touch it run, until one fails. Gates on labelled data are
//! not run: they measure a pack, and no single rule decides them.

mod rules;
mod tools;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::JsonSchema;
use serde::Serialize;

use super::Suite;
use super::run::{Touched, passes, touched};
use super::spec::Case;
use super::stated::Stated;
use crate::bundle::Bundle;
use crate::cedar::{Alteration, PolicyEffect};
use crate::compile::{Changeable, CompileOptions};
use crate::engine::Engine;
use rules::RuleChange;
use tools::ToolChange;

/// A change to a bundle that makes it weaker or wider, and whether a test noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mutant {
    /// `policy`, `rule` or `tool`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What was done to it.
    pub change: String,
    /// The part of it that was changed; empty where it is the whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// The file that holds it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The test that failed, or `its own examples`; absent where nothing noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noticed_by: Option<String>,
}

/// What was changed, and what was noticed of it.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Mutation {
    /// Every change, in the order of policies, rules and tools.
    pub mutants: Vec<Mutant>,
}

impl Mutation {
    /// Changes that no test noticed.
    pub fn survivors(&self) -> impl Iterator<Item = &Mutant> {
        self.mutants.iter().filter(|mutant| mutant.noticed_by.is_none())
    }

    /// How many were noticed.
    #[must_use]
    pub fn noticed(&self) -> usize {
        self.mutants.len() - self.survivors().count()
    }

    /// The share that was noticed, in percent; 100 where nothing can be changed.
    #[must_use]
    pub fn score(&self) -> f64 {
        super::share(self.noticed(), self.mutants.len()).map_or(100.0, |share| share * 100.0)
    }
}

/// Changes a bundle in one place after another, on as many threads as there are cores. `progress` is told how many are done, of how
/// many. `None` where the bundle is not the engine's.
#[must_use]
pub fn mutate(
    bundle: &Bundle,
    options: &CompileOptions,
    engine: &Engine,
    suite: &Suite,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Option<Mutation> {
    let changeable = Changeable::new(bundle, options, engine)?;
    let examples = crate::compile::examples(bundle);
    let cases: Vec<(&Case, Touched)> =
        suite.cases.iter().filter_map(|case| Some((case, touched(engine, case)?))).collect();
    let place = Places { bundle, engine };
    let mut changes: Vec<(Mutant, Change)> = Vec::new();
    for alteration in engine.0.policies.alterations() {
        changes.extend(place.policy(&alteration).map(|mutant| (mutant, Change::Policy(alteration))));
    }
    for change in rules::changes(engine) {
        changes.extend(place.rule(&change).map(|mutant| (mutant, Change::Rule(change))));
    }
    for change in tools::changes(bundle, &engine.0.policies) {
        changes.push((change.mutant(bundle), Change::Tool(change)));
    }
    let runner =
        Runner { changeable: &changeable, engine, cases: &cases, stated: &suite.stated, examples: &examples };
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let noticed: Mutex<BTreeMap<usize, String>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((mutant, change)) = changes.get(index) else { break };
                    if let Some(by) = runner.notice(mutant, change) {
                        noticed.lock().unwrap_or_else(PoisonError::into_inner).insert(index, by);
                    }
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, changes.len());
                }
            });
        }
    });
    let mut noticed = noticed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mutants = changes
        .into_iter()
        .enumerate()
        .map(|(index, (mutant, _))| Mutant { noticed_by: noticed.remove(&index), ..mutant });
    Some(Mutation { mutants: mutants.collect() })
}

enum Change {
    Policy(Alteration),
    Rule(RuleChange),
    Tool(ToolChange),
}

/// Where parts of a bundle stand.
struct Places<'a> {
    bundle: &'a Bundle,
    engine: &'a Engine,
}

impl Places<'_> {
    fn policy(&self, alteration: &Alteration) -> Option<Mutant> {
        let info = self.engine.policies().get(alteration.policy)?;
        let line = self.line_of(&info.span.file, info.span.start, &alteration.part).unwrap_or(info.line);
        Some(Mutant {
            kind: "policy",
            name: info.id.clone(),
            change: alteration.what.to_owned(),
            part: alteration.part.clone(),
            file: info.span.file.to_string(),
            line,
            noticed_by: None,
        })
    }

    fn rule(&self, change: &RuleChange) -> Option<Mutant> {
        let item = self.engine.inventory().rules.get(change.rule())?;
        Some(Mutant {
            kind: "rule",
            name: item.name.clone(),
            change: change.what(),
            part: String::new(),
            file: item.file.clone(),
            line: item.line,
            noticed_by: None,
        })
    }

    /// The line of a part of a policy that begins at `from`, whatever the spacing and brackets in it.
    fn line_of(&self, file: &str, from: usize, part: &str) -> Option<u32> {
        let text = &self.bundle.source(file)?.text;
        let at = crate::cedar::place_of(text.get(from..)?, part)?.0;
        Some(crate::diagnostic::line(text, from + at))
    }
}

struct Runner<'a> {
    changeable: &'a Changeable<'a>,
    engine: &'a Engine,
    cases: &'a [(&'a Case, Touched)],
    stated: &'a [Stated],
    examples: &'a BTreeMap<String, crate::compile::OwnExamples>,
}

impl Runner<'_> {
    /// What notices a change.
    fn notice(&self, mutant: &Mutant, change: &Change) -> Option<String> {
        match change {
            Change::Policy(alteration) => {
                let engine = self.changeable.with_policy(alteration)?;
                let actions = self.engine.0.policies.actions_of(alteration.policy);
                let waives = self.is_waiver(alteration.policy);
                let first = |touched: &Touched| touched.policies.contains(&mutant.name);
                self.first_failing(&engine, &first, &|_, touched| match &actions {
                    None => true,
                    Some(_) if waives => !touched.rules.is_empty(),
                    Some(actions) => touched.asks_any(actions),
                })
            }
            Change::Rule(change) => {
                if change.fails_examples(self.engine, self.examples.get(&mutant.name)) {
                    return Some("its own examples".to_owned());
                }
                let engine = change.apply(self.engine)?;
                if let Some(stated) = self.stated.iter().find(|stated| stated.notices(&engine, change.rule()))
                {
                    return Some(stated.name.clone());
                }
                let found = |touched: &Touched| touched.rules.contains(&mutant.name);
                let wider = change.finder(self.engine);
                let finds = |case: &Case| wider.as_ref().is_some_and(|finder| case.finds(finder));
                self.first_failing(&engine, &found, &|case, _| finds(case))
            }
            Change::Tool(change) => {
                let Some(engine) = self.changeable.with_tools(&change.tools) else {
                    return Some("the bundle, which does not load so".to_owned());
                };
                let about = |touched: &Touched| change.tools.keys().any(|tool| touched.tools.contains(tool));
                self.first_failing(&engine, &about, &|_, _| false)
            }
        }
    }

    fn is_waiver(&self, policy: usize) -> bool {
        self.engine.policies().get(policy).is_some_and(|info| info.effect == PolicyEffect::Waiver)
    }

    /// The first test that fails, of those that `touches` selects; those that `first` selects run first.
    fn first_failing(
        &self,
        engine: &Engine,
        first: &dyn Fn(&Touched) -> bool,
        touches: &dyn Fn(&Case, &Touched) -> bool,
    ) -> Option<String> {
        let fails = |(case, _): &&(&Case, Touched)| !passes(engine, case);
        let likely = self.cases.iter().filter(|(_, touched)| first(touched)).find(fails);
        let other = || {
            let others = self.cases.iter().filter(|(_, touched)| !first(touched));
            others.filter(|(case, touched)| touches(case, touched)).find(fails)
        };
        likely.or_else(other).map(|(case, _)| case.name.clone())
    }
}
