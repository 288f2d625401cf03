//! Two answers to one event: whether they differ, how, and through what.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::Trace;
use super::decide::Evaluation;
use crate::verdict::{Action, Decision, Edit, Finding, Reason, ReasonCode, Verdict};

/// Most names and reasons that are told of what a candidate does otherwise.
const MOST: usize = 16;

/// What is done with an event, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It goes on as it is.
    Allow,
    /// It goes on with parts replaced.
    Edit,
    /// A person has to approve it.
    Ask,
    /// It is refused.
    Deny,
}

impl Effect {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Edit => "edit",
            Effect::Ask => "ask",
            Effect::Deny => "deny",
        }
    }

    fn of(decision: Decision, edits: &[Edit]) -> Self {
        match decision {
            Decision::Allow if edits.is_empty() => Effect::Allow,
            Decision::Allow => Effect::Edit,
            Decision::Ask => Effect::Ask,
            Decision::Deny => Effect::Deny,
        }
    }
}

/// How a verdict changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It goes on now, and did not before; or as it is, where parts were replaced.
    NewlyAllowed,
    /// Less of it is replaced than before.
    LessEdited,
    /// It is refused now.
    NewlyDenied,
    /// A person has to approve it now.
    NewlyAsked,
    /// Parts are replaced now, and nothing was before.
    NewlyEdited,
    /// More of it is replaced than before.
    MoreEdited,
    /// The same is replaced by another text.
    OtherEdits,
    /// Other tools remain of those offered.
    OtherTools,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::NewlyAllowed,
        Kind::LessEdited,
        Kind::NewlyDenied,
        Kind::NewlyAsked,
        Kind::NewlyEdited,
        Kind::MoreEdited,
        Kind::OtherEdits,
        Kind::OtherTools,
    ];

    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::NewlyAllowed => "newly-allowed",
            Kind::LessEdited => "less-edited",
            Kind::NewlyDenied => "newly-denied",
            Kind::NewlyAsked => "newly-asked",
            Kind::NewlyEdited => "newly-edited",
            Kind::MoreEdited => "more-edited",
            Kind::OtherEdits => "other-edits",
            Kind::OtherTools => "other-tools",
        }
    }

    /// Whether something goes on that did not before.
    #[must_use]
    pub const fn allows_more(self) -> bool {
        matches!(self, Kind::NewlyAllowed | Kind::LessEdited)
    }
}

/// A match that only one of the bundles finds or acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Differing {
    /// Which: `old` or `new`.
    pub in_bundle: Which,
    /// The rule.
    pub rule: String,
    /// JSON Pointer into the event.
    pub field: String,
    /// First byte.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

/// One of the two bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one in force.
    Old,
    /// The one that is looked at.
    New,
}

/// What a candidate, a bundle that is tried beside the one in force, would have done otherwise with an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Otherwise {
    /// Digest of the candidate.
    pub bundle: String,
    /// How its answer differs.
    pub change: Kind,
    /// What it would have done.
    pub effect: Effect,
    /// Policies, rules or reason codes that make the difference, 16 of them at most.
    pub through: Vec<String>,
    /// Why, where it would not simply have let the event go on; 16 reasons at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What of an answer is compared.
pub(crate) struct Answered<'a> {
    decision: Decision,
    reasons: &'a [Reason],
    findings: &'a [Finding],
    edits: &'a [Edit],
    tools: Option<&'a [String]>,
    trace: &'a Trace,
}

impl<'a> Answered<'a> {
    /// Of a verdict, of which this decision counts.
    pub(crate) fn of(decision: Decision, verdict: &'a Verdict, trace: &'a Trace) -> Self {
        let Verdict { reasons, findings, edits, tools, .. } = verdict;
        Self { decision, reasons, findings, edits, tools: tools.as_deref(), trace }
    }

    fn effect(&self) -> Effect {
        Effect::of(self.decision, self.edits)
    }
}

/// How two answers differ.
pub(crate) struct Contrast {
    pub(crate) change: Kind,
    pub(crate) before: Effect,
    pub(crate) after: Effect,
    pub(crate) through: Vec<String>,
}

/// Compares two answers to one event; `None` where they come to the same.
pub(crate) fn contrast(old: &Answered<'_>, new: &Answered<'_>) -> Option<Contrast> {
    let (before, after) = (old.effect(), new.effect());
    let change = kind(before, after, old, new)?;
    Some(Contrast { change, before, after, through: through(before, after, old, new) })
}

/// Compares the answer of a candidate with the one of the bundle in force. What is done counts; where nothing is, because both are
/// in shadow, what would be.
pub(crate) fn otherwise(
    bundle: &str,
    both_in_shadow: bool,
    live: &Evaluation,
    candidate: &Evaluation,
) -> Option<Otherwise> {
    let answered = |evaluation: &'_ Evaluation| -> Decision {
        if both_in_shadow { evaluation.decision } else { evaluation.enforced }
    };
    let (old, new) = (live.answered(answered(live)), candidate.answered(answered(candidate)));
    let Contrast { change, after, mut through, .. } = contrast(&old, &new)?;
    through.truncate(MOST);
    let reasons = candidate.reasons.iter().take(MOST).cloned().collect();
    Some(Otherwise { bundle: bundle.to_owned(), change, effect: after, through, reasons })
}

impl Evaluation {
    fn answered(&self, decision: Decision) -> Answered<'_> {
        let Self { reasons, findings, edits, tools, trace, .. } = self;
        Answered { decision, reasons, findings, edits, tools: tools.as_deref(), trace }
    }
}

fn kind(before: Effect, after: Effect, old: &Answered<'_>, new: &Answered<'_>) -> Option<Kind> {
    match (before, after) {
        (Effect::Edit, Effect::Edit) => edits(old.edits, new.edits),
        (before, after) if before == after => {
            (after == Effect::Allow && old.tools != new.tools).then_some(Kind::OtherTools)
        }
        (_, Effect::Deny) => Some(Kind::NewlyDenied),
        (_, Effect::Ask) => Some(Kind::NewlyAsked),
        (Effect::Allow, Effect::Edit) => Some(Kind::NewlyEdited),
        (_, Effect::Edit | Effect::Allow) => Some(Kind::NewlyAllowed),
    }
}

/// How two lists of edits differ.
fn edits(old: &[Edit], new: &[Edit]) -> Option<Kind> {
    if old == new {
        return None;
    }
    let covers = |by: &[Edit], of: &[Edit]| {
        of.iter().all(|one| {
            let mut at = one.start;
            let mut there: Vec<&Edit> = by.iter().filter(|edit| edit.field == one.field).collect();
            there.sort_by_key(|edit| edit.start);
            for edit in there {
                if edit.start <= at && edit.end > at {
                    at = edit.end;
                }
            }
            at >= one.end
        })
    };
    Some(match (covers(new, old), covers(old, new)) {
        (false, _) => Kind::LessEdited,
        (true, false) => Kind::MoreEdited,
        (true, true) => Kind::OtherEdits,
    })
}

/// The name under which a reason is counted.
pub(crate) fn name(reason: &Reason) -> &str {
    reason.policy.as_deref().or(reason.rule.as_deref()).unwrap_or(reason.code.name())
}

fn replaces(finding: &&Finding) -> bool {
    finding.action == Action::Redact && !finding.waived
}

/// What makes the difference: the reasons of the stricter side that the other lacks, or the permits, waivers or rules of edits.
fn through(before: Effect, after: Effect, old: &Answered<'_>, new: &Answered<'_>) -> Vec<String> {
    let stricter_is_new = after >= before;
    let (strict, mild) = if stricter_is_new { (new, old) } else { (old, new) };
    let known: BTreeSet<&str> = mild.reasons.iter().map(name).collect();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for reason in strict.reasons.iter().filter(|reason| !known.contains(name(reason))) {
        if reason.code == ReasonCode::NothingPermits {
            let here: BTreeSet<&String> = strict.trace.permits.iter().collect();
            let permits: Vec<&String> =
                mild.trace.permits.iter().filter(|permit| !here.contains(permit)).collect();
            if !permits.is_empty() {
                names.extend(permits.into_iter().cloned());
                continue;
            }
        }
        names.insert(name(reason).to_owned());
    }
    if names.is_empty() || matches!((before, after), (Effect::Edit, Effect::Edit)) {
        let rules = |answered: &Answered<'_>| -> BTreeSet<String> {
            answered.findings.iter().filter(replaces).map(|finding| finding.rule.clone()).collect()
        };
        let (of_strict, of_mild) = (rules(strict), rules(mild));
        names.extend(of_strict.symmetric_difference(&of_mild).cloned());
        let waived = |trace: &Trace| trace.waivers.iter().cloned().collect::<BTreeSet<String>>();
        names.extend(waived(strict.trace).symmetric_difference(&waived(mild.trace)).cloned());
    }
    if names.is_empty() {
        let tools = |answered: &Answered<'_>| -> BTreeSet<String> {
            answered.tools.into_iter().flatten().map(|tool| format!("tool {tool}")).collect()
        };
        names.extend(tools(old).symmetric_difference(&tools(new)).cloned());
    }
    names.into_iter().collect()
}

/// Findings that only one side has, or that the two act on in different ways.
pub(crate) fn differing(old: &[Finding], new: &[Finding]) -> Vec<Differing> {
    let key = |finding: &Finding| {
        (
            finding.field.clone(),
            finding.start,
            finding.end,
            finding.rule.clone(),
            finding.action,
            finding.waived,
        )
    };
    let of = |findings: &[Finding]| -> BTreeMap<_, ()> {
        findings.iter().map(|finding| (key(finding), ())).collect()
    };
    let (before, after) = (of(old), of(new));
    let only = |in_bundle, here: &BTreeMap<_, ()>, there: &BTreeMap<_, ()>| -> Vec<Differing> {
        here.keys()
            .filter(|key| !there.contains_key(*key))
            .map(|(field, start, end, rule, _, _): &(String, usize, usize, String, Action, bool)| Differing {
                in_bundle,
                rule: rule.clone(),
                field: field.clone(),
                start: *start,
                end: *end,
            })
            .collect()
    };
    let mut found = only(Which::Old, &before, &after);
    found.extend(only(Which::New, &after, &before));
    found
}
