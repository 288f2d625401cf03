//! Text rules alone, over texts that are no events.

use std::sync::Arc;

use super::Engine;
use super::clean::{Cleaned, Editor, ROUNDS};
use super::find::Found;
use crate::event::{Part, Stage};
use crate::rule::Rule;
use crate::rule::replace::Replacement;
use crate::text::{Hit, Stopped};
use crate::verdict::{Action, Finding};

/// Rules with which texts are scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet(Vec<bool>);

impl RuleSet {
    /// Whether there is no rule in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    pub(super) fn has(&self, number: usize) -> bool {
        self.0.get(number).copied().unwrap_or_default()
    }
}

/// What the rules say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo<'e> {
    /// `pack/rule`.
    pub id: &'e str,
    /// The file that declares it.
    pub file: &'e str,
    /// Its line there, from 1.
    pub line: u32,
    /// What it does where it matches.
    pub action: Action,
}

/// Whether a rule is about texts at large, not only about the names of agents.
fn is_general(rule: &Rule) -> bool {
    let stages = [Stage::Input, Stage::ToolCall, Stage::ToolResult, Stage::Output];
    let parts = rule.parts.is_empty() || rule.parts.iter().any(|part| *part != Part::Name);
    rule.finder().is_some() && parts && stages.iter().any(|stage| rule.stages.contains(stage))
}

impl Engine {
    /// The text rules of these packs, with these tags, or these single rules, named `pack/rule`; all of them where none is
    /// named. Rules that are only about the names of agents are left out unless they are named.
    ///
    /// # Errors
    /// The first name that is neither a pack, a tag nor a rule.
    pub fn rule_set<'n>(&self, names: &'n [String]) -> Result<RuleSet, &'n str> {
        let rules = &self.0.rules;
        let named = |rule: &Rule, name: &str| {
            *rule.pack == *name || *rule.id == *name || rule.tags.iter().any(|tag| **tag == *name)
        };
        if let Some(unknown) = names.iter().find(|name| !rules.iter().any(|rule| named(rule, name))) {
            return Err(unknown);
        }
        let wanted = |rule: &Rule| match names {
            [] => is_general(rule),
            names => rule.finder().is_some() && names.iter().any(|name| named(rule, name)),
        };
        Ok(RuleSet(rules.iter().map(|rule| wanted(rule)).collect()))
    }

    /// The text rules of a stage, in whichever part of it.
    #[must_use]
    pub fn rules_of(&self, stage: Stage) -> RuleSet {
        let wanted = |rule: &Arc<Rule>| rule.finder().is_some() && rule.stages.contains(&stage);
        RuleSet(self.0.rules.iter().map(wanted).collect())
    }

    /// One rule.
    pub(crate) fn one_rule(&self, number: usize) -> RuleSet {
        RuleSet((0..self.0.rules.len()).map(|one| one == number).collect())
    }

    /// No rules.
    #[must_use]
    pub fn no_rules(&self) -> RuleSet {
        RuleSet(vec![false; self.0.rules.len()])
    }

    /// Whether a rule puts something in the place of a match that is known of its session only: a pseudonym.
    #[must_use]
    pub fn has_pseudonyms(&self, rule: &str) -> bool {
        let of = |one: &&Arc<Rule>| rule.is_empty() || *one.id == *rule;
        let rules = self.0.rules.iter().filter(of);
        rules.into_iter().any(|rule| matches!(rule.replacement, Replacement::Pseudonym(_)))
    }

    /// Packs and rules that [`Engine::rule_set`] knows.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleInfo<'_>> {
        let info = self.0.rules.iter();
        info.map(|rule| RuleInfo { id: &rule.id, file: &rule.file, line: rule.line, action: rule.action })
            .collect()
    }

    /// Everything that these rules find in a text, by start, end and rule. `field` of the findings is empty.
    #[must_use]
    pub fn scan(&self, text: &str, rules: &RuleSet) -> Vec<Finding> {
        self.found(text, rules).into_iter().map(|found| found.finding).collect()
    }

    /// A text with everything replaced that rules with the action redact find in it, and the findings in the text as it
    /// was. What the other rules find stays.
    #[must_use]
    pub fn clean(&self, text: &str, rules: &RuleSet) -> (String, Vec<Finding>) {
        let mut cleaned = Cleaned { text: text.to_owned(), own: Vec::new() };
        let mut findings = None;
        for _ in 0..ROUNDS {
            let found = self.found(&cleaned.text, rules);
            findings.get_or_insert_with(|| found.iter().map(|one| one.finding.clone()).collect());
            let mut editor = Editor::default();
            editor.keep(cleaned.own);
            cleaned = editor.push(&self.0, &cleaned.text, found);
            if !editor.edited {
                break;
            }
        }
        (cleaned.text, findings.unwrap_or_default())
    }

    fn found(&self, text: &str, rules: &RuleSet) -> Vec<Found> {
        let wanted = |number: usize| match rules.0.get(number) {
            Some(true) => self.0.rules.get(number)?.finder(),
            _ => None,
        };
        // Nothing stops it.
        let hits: Result<Vec<(usize, Hit)>, Stopped> = self.0.scanner.scan(&wanted, text, &|| false);
        let found = |(number, hit): (usize, Hit)| {
            let rule = self.0.rules.get(number)?;
            Some(Found {
                rule: number,
                finding: super::find::finding(rule, String::new(), hit.start, hit.end),
                matched: text.get(hit.start..hit.end).map(str::to_owned),
                action: rule.action,
                part: None,
            })
        };
        hits.unwrap_or_default().into_iter().filter_map(found).collect()
    }
}
