//! What is kept of a verdict: everything that explains it, and no text but the arguments that a bundle says may be logged.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::logged;
use crate::engine::{Engine, Trace};
use crate::event::{Event, Stage};
use crate::verdict::{Action, Decision, Finding, Reason, Severity, Verdict};

/// One record of the audit log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Record")]
pub struct Record<'a> {
    /// When it was decided (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The session, where the event names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// Number of the event within its session.
    pub seq: u64,
    /// The stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<&'a str>,
    /// The tool of a call or result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<&'a str>,
    /// The id that pairs a call with its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<&'a str>,
    /// The arguments of a tool call that the bundle says may be logged (`log: true`), by their JSON Pointer into the
    /// arguments. One in which a rule matched, that a sensitive parameter names or that is longer than 4 KiB is left out, and all of
    /// them are where the event was refused before every rule had searched it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<&'a str, &'a Value>,
    /// What the bundle decided.
    pub decision: Decision,
    /// What was done.
    pub enforced: Decision,
    /// Why.
    pub reasons: &'a [Reason],
    /// What rules found.
    pub findings: Vec<RecordedFinding<'a>>,
    /// How many replacements were made.
    pub edits: usize,
    /// What policies in shadow would have done.
    #[serde(skip_serializing_if = "<[Reason]>::is_empty")]
    pub shadow: &'a [Reason],
    /// Policies that waived a rule.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub waivers: &'a [String],
    /// Who approved the event, where a person had to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<&'a str>,
    /// Digest of the bundle that decided.
    pub bundle: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A finding as recorded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RecordedFinding<'a> {
    /// The rule.
    pub rule: &'a str,
    /// The field.
    pub field: &'a str,
    /// First byte.
    pub start: usize,
    /// Length in bytes.
    pub length: usize,
    /// What the rule asks for.
    pub action: Action,
    /// Whether a policy waived that.
    pub waived: bool,
    /// How bad it is.
    pub severity: Severity,
}

impl<'a> Record<'a> {
    /// The record of a verdict. Without an event (a line that is none), it holds what the verdict knows; without a whole
    /// scan no arguments, since nobody knows what is in them.
    #[must_use]
    pub fn new(
        at: Timestamp,
        engine: &'a Engine,
        event: Option<&'a Event>,
        verdict: &'a Verdict,
        trace: &'a Trace,
    ) -> Self {
        Self {
            at,
            session: verdict.session.as_deref(),
            seq: verdict.seq,
            stage: verdict.stage,
            user: event.map(|event| event.user.id.as_str()),
            agent: event.and_then(|event| event.agent.as_deref()),
            tool: event.and_then(Event::tool),
            call: event.and_then(Event::call),
            arguments: if trace.scanned {
                logged::arguments(engine, event, verdict)
            } else {
                BTreeMap::new()
            },
            decision: verdict.decision,
            enforced: verdict.enforced,
            reasons: &verdict.reasons,
            findings: verdict.findings.iter().map(RecordedFinding::from).collect(),
            edits: verdict.edits.len(),
            shadow: &verdict.shadow,
            waivers: &trace.waivers,
            approved_by: trace.approved_by.as_deref(),
            bundle: &verdict.bundle,
            engine: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl<'a> From<&'a Finding> for RecordedFinding<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            rule: &finding.rule,
            field: &finding.field,
            start: finding.start,
            length: finding.end - finding.start,
            action: finding.action,
            waived: finding.waived,
            severity: finding.severity,
        }
    }
}
