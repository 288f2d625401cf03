//! The strictest of everything that asks or refuses, with its reasons.

use std::collections::BTreeSet;

use super::Inner;
use super::decide::Pass;
use super::find::Found;
use crate::bundle::Missing;
use crate::cedar::Answer;
use crate::rule::{ArgumentFinder, Find, Rule};
use crate::verdict::{Action, Decision, Reason, ReasonCode};

impl Inner {
    /// Everything that asks or refuses, in the order of the procedure.
    pub(super) fn levels(
        &self,
        answer: &Answer,
        found: &[Found],
        missing: &[(usize, Missing)],
    ) -> Vec<(Decision, Reason)> {
        let mut levels = Vec::new();
        let policies = |levels: &mut Vec<_>, decision, code, list: &[usize]| {
            for policy in list {
                levels.extend(self.policy_reason(code, *policy).map(|reason| (decision, reason)));
            }
        };
        policies(&mut levels, Decision::Deny, ReasonCode::PolicyError, &answer.errors);
        if answer.permits.is_empty() {
            levels.push((Decision::Deny, Reason::new(ReasonCode::NothingPermits, "no policy permits this")));
        }
        policies(&mut levels, Decision::Deny, ReasonCode::Forbid, &answer.forbids);
        for (number, missing) in missing {
            let Some(rule) = self.rules.get(*number) else { continue };
            let decision = if *missing == Missing::Ask { Decision::Ask } else { Decision::Deny };
            let message = "a fact that a rule needs was not stated";
            levels.push((decision, self.rule_reason(ReasonCode::MissingFact, rule, "/facts", message)));
        }
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for one in found.iter().filter(|one| !one.finding.waived) {
            let decision = match one.action {
                Action::Deny => Decision::Deny,
                Action::Ask => Decision::Ask,
                Action::Flag | Action::Redact => continue,
            };
            let Some(rule) = self.rules.get(one.rule).filter(|_| told.insert(one.rule)) else { continue };
            let message = rule.message.clone().unwrap_or_else(|| match rule.action {
                Action::Redact => format!("`{}` matched where nothing can be replaced", rule.id),
                _ => refused_by(rule, one.part.as_deref()),
            });
            levels.push((decision, self.rule_reason(ReasonCode::Rule, rule, &one.finding.field, &message)));
        }
        policies(&mut levels, Decision::Ask, ReasonCode::Ask, &answer.asks);
        levels
    }

    pub(super) fn policy_reason(&self, code: ReasonCode, policy: usize) -> Option<Reason> {
        let info = self.policies.list().get(policy)?;
        let message = match (code, &info.reason) {
            (ReasonCode::PolicyError, _) => format!("the policy `{}` could not be evaluated", info.id),
            (_, Some(reason)) => reason.clone(),
            (ReasonCode::Ask, None) => format!("the policy `{}` wants a person to approve this", info.id),
            (_, None) => format!("forbidden by the policy `{}`", info.id),
        };
        Some(Reason {
            policy: Some(info.id.clone()),
            file: Some(info.span.file.to_string()),
            line: Some(info.line),
            ..Reason::new(code, message)
        })
    }

    fn rule_reason(&self, code: ReasonCode, rule: &Rule, field: &str, message: &str) -> Reason {
        Reason {
            rule: Some(rule.id.to_string()),
            file: Some(rule.file.to_string()),
            line: Some(rule.line),
            field: Some(field.to_owned()),
            ..Reason::new(code, message)
        }
    }
}

/// What is refused, by which rule, and how to go on. Of the event nothing is repeated but what the rule itself names.
fn refused_by(rule: &Rule, part: Option<&str>) -> String {
    let mut message = format!("refused by the rule `{}`", rule.id);
    let Find::Argument(finder) = &*rule.find else { return message };
    if let Some(title) = &rule.title {
        message.push_str(&format!(": {title}"));
    }
    if let Some(part) = part {
        message.push_str(&format!(", in the command `{part}`"));
    }
    let proceed = match (rule.action, &**finder) {
        (Action::Ask, _) => "; a person has to approve it",
        (_, ArgumentFinder::Command(_)) => {
            "; what is left without that command is decided anew, and a person may run it"
        }
        (_, ArgumentFinder::Path(_)) => "; another path is accepted",
        (_, ArgumentFinder::Url(_)) => "; another address is accepted",
    };
    message.push_str(proceed);
    message
}

/// Adds the second decision, on the edited event, to the first: the strictest counts. What still asks to be replaced
/// after everything was replaced can't be made safe.
pub(super) fn combine(first: &mut Pass, again: Pass) {
    let mut reasons = again.reasons;
    let mut decision = again.decision;
    if let Some(left) = again.found.iter().find(|one| one.action == Action::Redact && !one.finding.waived) {
        decision = Decision::Deny;
        let message = format!("`{}` still matches after its edits", left.finding.rule);
        reasons.push(Reason {
            rule: Some(left.finding.rule.clone()),
            field: Some(left.finding.field.clone()),
            ..Reason::new(ReasonCode::Rule, message)
        });
    }
    first.trace.also.extend(again.trace.also);
    if decision > first.decision {
        let weaker = std::mem::replace(&mut first.reasons, reasons);
        first.trace.also.extend(weaker);
        first.decision = decision;
    } else if decision == first.decision {
        reasons.retain(|reason| !first.reasons.contains(reason));
        first.reasons.extend(reasons);
    } else {
        first.trace.also.extend(reasons);
    }
    for (mine, theirs) in [
        (&mut first.trace.forbids, again.trace.forbids),
        (&mut first.trace.asks, again.trace.asks),
        (&mut first.trace.shadows, again.trace.shadows),
        (&mut first.trace.waivers, again.trace.waivers),
    ] {
        mine.extend(theirs);
        mine.sort_unstable();
        mine.dedup();
    }
}
