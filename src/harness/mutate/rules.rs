//! Changes to rules: removed, milder, without a condition of what they find.

use crate::compile::OwnExamples;
use crate::engine::Engine;
use crate::rule::{Find, Rule};
use crate::text::{Finder, FinderSpec, Text};
use crate::verdict::Action;

/// A change to one rule.
pub(super) enum RuleChange {
    Remove(usize),
    Milder(usize, Action),
    /// Without one of the conditions of a match.
    Finds(usize, Condition),
}

/// A condition of a match beyond its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Check,
    Near,
    Not(usize),
}

/// Every change to rules.
pub(super) fn changes(engine: &Engine) -> Vec<RuleChange> {
    let mut all = Vec::new();
    for (number, rule) in engine.0.rules.iter().enumerate() {
        all.push(RuleChange::Remove(number));
        let milder = match rule.action {
            Action::Deny => Some(Action::Ask),
            Action::Ask | Action::Redact => Some(Action::Flag),
            Action::Flag => None,
        };
        all.extend(milder.map(|action| RuleChange::Milder(number, action)));
        if let Some(finder) = rule.finder() {
            let spec = finder.spec();
            let check = spec.check.as_ref().map(|_| Condition::Check);
            let near = spec.near.as_ref().map(|_| Condition::Near);
            let not = (0..spec.not.len()).map(Condition::Not);
            let conditions = check.into_iter().chain(near).chain(not);
            all.extend(conditions.map(|condition| RuleChange::Finds(number, condition)));
        }
    }
    all
}

impl RuleChange {
    pub(super) fn rule(&self) -> usize {
        match self {
            RuleChange::Remove(rule) | RuleChange::Milder(rule, _) | RuleChange::Finds(rule, _) => *rule,
        }
    }

    pub(super) fn what(&self) -> String {
        match self {
            RuleChange::Remove(_) => "removed".to_owned(),
            RuleChange::Milder(_, Action::Ask) => "asks instead of refusing".to_owned(),
            RuleChange::Milder(..) => "only noted, and nothing done".to_owned(),
            RuleChange::Finds(_, Condition::Check) => "without its `check`".to_owned(),
            RuleChange::Finds(_, Condition::Near) => "without its `near`".to_owned(),
            RuleChange::Finds(_, Condition::Not(number)) => {
                format!("without entry {} of its `not`", number + 1)
            }
        }
    }

    /// What the rule finds now, where that is more than before.
    pub(super) fn finder(&self, engine: &Engine) -> Option<Finder> {
        let RuleChange::Finds(number, condition) = self else { return None };
        let mut spec: FinderSpec = engine.0.rules.get(*number)?.finder()?.spec().clone();
        match condition {
            Condition::Check => spec.check = None,
            Condition::Near => spec.near = None,
            Condition::Not(entry) if *entry < spec.not.len() => drop(spec.not.remove(*entry)),
            Condition::Not(_) => return None,
        }
        Finder::new(&spec).ok()
    }

    /// Whether the rule's own examples tell that it was changed. Those of an unchanged rule hold.
    pub(super) fn fails_examples(&self, engine: &Engine, examples: Option<&OwnExamples>) -> bool {
        let (Some(finder), Some(examples)) = (self.finder(engine), examples) else { return false };
        examples.ignore.iter().any(|text| !finder.find(&Text::new(text)).is_empty())
            || examples.matching.iter().any(|text| finder.find(&Text::new(text)).is_empty())
    }

    pub(super) fn apply(&self, engine: &Engine) -> Option<Engine> {
        let rule = engine.0.rules.get(self.rule())?;
        Some(match self {
            RuleChange::Remove(number) => engine.without_rule(*number),
            RuleChange::Milder(number, action) => {
                engine.with_rule(*number, Rule { action: *action, ..(**rule).clone() })
            }
            RuleChange::Finds(number, _) => {
                let find = Find::Text(Box::new(self.finder(engine)?));
                engine.with_rule(*number, Rule { find: find.into(), ..(**rule).clone() })
            }
        })
    }
}
