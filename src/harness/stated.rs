//! What rules are to do, as `rules:` of a test file states it: each has to, with what it is shown of its own examples.

use std::collections::BTreeMap;

use super::{Outcome, unknown};
use crate::bundle::Source;
use crate::compile::OwnExamples;
use crate::decode::Entries;
use crate::diagnostic::{Diagnostic, Span};
use crate::engine::Engine;
use crate::verdict::Action;

/// What some rules are to do.
#[derive(Debug)]
pub(crate) struct Stated {
    pub(super) name: String,
    file: String,
    line: u32,
    action: Action,
    /// Their numbers, and a text that each matches.
    rules: BTreeMap<usize, Option<String>>,
}

/// What a file states of rules: of single ones (`pack/rule`), or of all of a pack (`pack/*`) but those that it names.
pub(super) fn stated(
    entries: Entries<Action>,
    source: &Source,
    engine: &Engine,
    examples: &BTreeMap<String, OwnExamples>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Stated> {
    let rules = &engine.0.rules;
    let named: Vec<String> = entries.0.iter().map(|(name, _)| name.value.clone()).collect();
    let mut all = Vec::new();
    for (name, action) in entries.0 {
        let pack = name.value.strip_suffix("/*");
        let is_meant = |id: &str, of: &str| match pack {
            Some(pack) => of == pack && !named.iter().any(|name| name == id),
            None => id == name.value,
        };
        let meant = rules.iter().enumerate().filter(|(_, rule)| is_meant(&rule.id, &rule.pack));
        let example = |id: &str| examples.get(id).and_then(|examples| examples.matching.first().cloned());
        let rules_meant: BTreeMap<usize, Option<String>> =
            meant.map(|(number, rule)| (number, example(&rule.id))).collect();
        if rules_meant.is_empty() {
            let mut known: Vec<String> = rules.iter().map(|rule| format!("{}/*", rule.pack)).collect();
            known.dedup();
            known.extend(rules.iter().map(|rule| rule.id.to_string()));
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let span = Span::new(&source.name, name.start, name.end);
            out.push(unknown(span, "rule", &name.value, &known));
            continue;
        }
        all.push(Stated {
            name: format!("{}: {}", name.value, action.name()),
            file: source.name.to_string(),
            line: crate::diagnostic::line(&source.text, name.start),
            action,
            rules: rules_meant,
        });
    }
    all
}

impl Stated {
    /// Whether every rule does it.
    pub(super) fn run(&self, engine: &Engine) -> Outcome {
        let failures = self.rules.iter().filter_map(|(number, example)| {
            let done = engine.action_of(*number, example.as_deref());
            let id = engine.0.rules.get(*number).map_or("", |rule| &rule.id);
            let got = done.map_or("nothing", Action::name);
            (done != Some(self.action)).then(|| format!("{id}: expected {}, got {got}", self.action.name()))
        });
        let failures = failures.collect();
        Outcome {
            name: self.name.clone(),
            file: self.file.clone(),
            line: self.line,
            failures,
            accuracy: None,
        }
    }

    /// Whether it speaks of a rule that does something else.
    pub(super) fn notices(&self, engine: &Engine, number: usize) -> bool {
        let example = self.rules.get(&number);
        example.is_some_and(|example| engine.action_of(number, example.as_deref()) != Some(self.action))
    }
}
