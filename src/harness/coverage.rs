//! What a suite tests: the policies, rules and tools that decide one of its steps.
//!
//! A step tests what could not be taken away without failing it. So a permit counts where it alone permits, a forbid where
//! it is the only reason or the one that `by:` names; that something was satisfied or matched on the way is not enough.

use std::collections::BTreeSet;

use super::run::Went;
use super::spec::ExpectSpec;
use crate::engine::{Engine, Item};
use crate::verdict::{Action, Decision, Finding, Reason, ReasonCode};

/// What the steps so far are decided by.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    policies: BTreeSet<String>,
    rules: BTreeSet<String>,
    tools: BTreeSet<String>,
}

/// What no step is decided by, in the order of the bundle.
#[derive(Debug, Default)]
pub(super) struct Untested {
    pub(super) policies: Vec<String>,
    pub(super) rules: Vec<String>,
    pub(super) tools: Vec<String>,
}

impl Coverage {
    /// Adds what decides a step that went as expected.
    pub(super) fn add(&mut self, expect: &ExpectSpec, went: &Went) {
        let Went { verdict, trace, reveals, .. } = went;
        for permits in reveals {
            if let [permit] = permits.as_slice() {
                self.policies.insert(permit.clone());
            }
        }
        let says_outcome = expect.decision.is_some() || expect.enforced.is_some() || expect.by.is_some();
        let alone = verdict.reasons.len() == 1 && says_outcome;
        let named = |name: &str| expect.by.as_ref().is_some_and(|by| by.value == name);
        for Reason { policy, rule, .. } in &verdict.reasons {
            self.policies.extend(policy.iter().filter(|id| alone || named(id)).cloned());
            self.rules.extend(rule.iter().filter(|id| alone || named(id)).cloned());
        }
        if let [permit] = trace.permits.as_slice() {
            // Without any permit a forbid would not be the reason.
            let by_forbid = verdict.reasons.iter().any(|reason| {
                matches!(reason.code, ReasonCode::Forbid | ReasonCode::Ask)
                    && reason.policy.as_deref().is_some_and(named)
            });
            if by_forbid || (says_outcome && verdict.decision != Decision::Deny) {
                self.policies.insert(permit.clone());
            }
        }
        let shadows = expect.shadow.iter().flatten().map(|policy| policy.value.clone());
        self.policies.extend(shadows);
        self.rules.extend(expect.found.iter().flatten().map(|rule| rule.value.clone()));
        if says_outcome {
            self.tools.extend(trace.tool.clone());
        }
        let shows_text = expect.shows_text() && verdict.enforced == Decision::Allow;
        let edits = |finding: &&Finding| finding.action == Action::Redact && !finding.waived;
        if shows_text {
            let replaced: Vec<&Finding> = verdict.findings.iter().filter(edits).collect();
            let covers_alone = |one: &&Finding| {
                let overlaps = |other: &&&Finding| {
                    other.rule != one.rule
                        && other.field == one.field
                        && other.start < one.end
                        && one.start < other.end
                };
                !replaced.iter().any(|other| overlaps(&other))
            };
            self.rules.extend(replaced.iter().filter(|one| covers_alone(one)).map(|one| one.rule.clone()));
        }
        if let [waiver] = trace.waivers.as_slice() {
            let drops = |finding: &Finding| {
                finding.waived && if finding.action == Action::Redact { shows_text } else { says_outcome }
            };
            if verdict.findings.iter().any(drops) {
                self.policies.insert(waiver.clone());
            }
        }
    }

    pub(super) fn policies(&self) -> &BTreeSet<String> {
        &self.policies
    }

    /// Adds what decides other steps.
    pub(super) fn extend(&mut self, other: Coverage) {
        self.policies.extend(other.policies);
        self.rules.extend(other.rules);
        self.tools.extend(other.tools);
    }

    /// What is left of the bundle.
    pub(super) fn untested(&self, engine: &Engine) -> Untested {
        let missing = |items: &[Item], tested: &BTreeSet<String>| {
            items.iter().map(|item| &item.name).filter(|name| !tested.contains(*name)).cloned().collect()
        };
        let inventory = engine.inventory();
        Untested {
            policies: missing(&inventory.policies, &self.policies),
            rules: missing(&inventory.rules, &self.rules),
            tools: missing(&inventory.tools, &self.tools),
        }
    }
}
