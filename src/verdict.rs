//! What the guard answers: a decision with its reasons, the findings behind it and the edits to make.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Stage;

/// What may happen to an event. Ordered: the strictest wins.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may go on, with the verdict's edits.
    Allow,
    /// A person has to approve it first.
    Ask,
    /// It must not happen.
    Deny,
}

impl Decision {
    /// The name in JSON and YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Ask => "ask",
            Decision::Deny => "deny",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a rule asks for when it matches. Ordered by strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing but the finding itself, which policies can read.
    Flag,
    /// Replace what matched.
    Redact,
    /// A person has to approve the event.
    Ask,
    /// Refuse the event.
    Deny,
}

impl Action {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// How bad a match is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Should not pass unseen.
    High,
    /// Should not pass.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        })
    }
}

/// One rule that matched, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule, as `pack/rule`.
    pub rule: String,
    /// JSON Pointer (RFC 6901) into the event.
    pub field: String,
    /// First byte of the match in that string (UTF-8).
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// What the rule asks for.
    pub action: Action,
    /// Whether a policy waived that.
    pub waived: bool,
    /// How bad it is.
    pub severity: Severity,
    /// Tags of the rule and its pack.
    pub tags: Vec<String>,
}

/// A replacement of a span of a field: how redaction is expressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// JSON Pointer (RFC 6901) into the event.
    pub field: String,
    /// First byte to replace in that string (UTF-8).
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// What stands there instead.
    pub with: String,
}

/// Why a verdict is not a plain allow. Stable; the names are in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// The event does not fit its schema.
    BadEvent,
    /// A role that the directory lacks.
    UnknownRole,
    /// A user that the directory lacks, where the directory lists all users.
    UnknownUser,
    /// An agent that the directory lacks.
    UnknownAgent,
    /// A model that the directory lacks.
    UnknownModel,
    /// A tool that the bundle does not declare, and that the manifest does not let in.
    UnlistedTool,
    /// An argument that the tool's schema does not list.
    UndeclaredArgument,
    /// Arguments, or an agent's JSON, that do not fit their schema.
    BadArguments,
    /// An argument that is not what `args` allows.
    Argument,
    /// A limit of the manifest.
    Limit,
    /// A text rule.
    Rule,
    /// A policy forbids it.
    Forbid,
    /// A policy wants a person to approve it.
    Ask,
    /// No policy permits it.
    NothingPermits,
    /// A policy could not be evaluated.
    PolicyError,
    /// A fact that a threshold needs was not stated.
    MissingFact,
    /// Deciding took longer than the manifest allows.
    TimeLimit,
    /// The engine or a part of the host panicked.
    Panic,
    /// The record could not be written.
    AuditFailed,
}

impl ReasonCode {
    /// Every code there is.
    pub const ALL: [ReasonCode; 19] = [
        ReasonCode::BadEvent,
        ReasonCode::UnknownRole,
        ReasonCode::UnknownUser,
        ReasonCode::UnknownAgent,
        ReasonCode::UnknownModel,
        ReasonCode::UnlistedTool,
        ReasonCode::UndeclaredArgument,
        ReasonCode::BadArguments,
        ReasonCode::Argument,
        ReasonCode::Limit,
        ReasonCode::Rule,
        ReasonCode::Forbid,
        ReasonCode::Ask,
        ReasonCode::NothingPermits,
        ReasonCode::PolicyError,
        ReasonCode::MissingFact,
        ReasonCode::TimeLimit,
        ReasonCode::Panic,
        ReasonCode::AuditFailed,
    ];

    /// The name in JSON and YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ReasonCode::BadEvent => "bad-event",
            ReasonCode::UnknownRole => "unknown-role",
            ReasonCode::UnknownUser => "unknown-user",
            ReasonCode::UnknownAgent => "unknown-agent",
            ReasonCode::UnknownModel => "unknown-model",
            ReasonCode::UnlistedTool => "unlisted-tool",
            ReasonCode::UndeclaredArgument => "undeclared-argument",
            ReasonCode::BadArguments => "bad-arguments",
            ReasonCode::Argument => "argument",
            ReasonCode::Limit => "limit",
            ReasonCode::Rule => "rule",
            ReasonCode::Forbid => "forbid",
            ReasonCode::Ask => "ask",
            ReasonCode::NothingPermits => "nothing-permits",
            ReasonCode::PolicyError => "policy-error",
            ReasonCode::MissingFact => "missing-fact",
            ReasonCode::TimeLimit => "time-limit",
            ReasonCode::Panic => "panic",
            ReasonCode::AuditFailed => "audit-failed",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One reason of a verdict: the code, and the policy or rule with its place in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What kind of reason.
    pub code: ReasonCode,
    /// The `@id` of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The rule, as `pack/rule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The file of the bundle that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its line there, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The field of the event that it concerns, as a JSON Pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// One line for the agent or its user.
    pub message: String,
}

impl Reason {
    /// A reason that no policy or rule stands behind.
    #[must_use]
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { code, policy: None, rule: None, file: None, line: None, field: None, message: message.into() }
    }

    /// Whether `name` is this reason's policy, rule or code: what `by:` of a policy test compares.
    #[must_use]
    pub fn is_by(&self, name: &str) -> bool {
        self.policy.as_deref() == Some(name) || self.rule.as_deref() == Some(name) || self.code.name() == name
    }
}

/// The answer to one event.
#[must_use = "an event may only go on as its verdict says"]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence verdict")]
pub struct Verdict {
    /// The session, where the event names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Number of the event within its session, from 1; 0 where there is no session.
    pub seq: u64,
    /// The stage, where the event names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// What the bundle decides.
    pub decision: Decision,
    /// What is to be done: the same, but in shadow mode.
    pub enforced: Decision,
    /// What decided, the deciding reason first. Empty where the decision is allow.
    pub reasons: Vec<Reason>,
    /// The rules that matched.
    pub findings: Vec<Finding>,
    /// The replacements to make before the event goes on.
    pub edits: Vec<Edit>,
    /// What to tell the agent or user instead, where the event does not simply go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// At `access`: the tools that remain of those offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// What policies in shadow would have done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<Reason>,
    /// Digest of the bundle that decided.
    pub bundle: String,
}

impl Verdict {
    /// Whether the event may go on, with [`Verdict::edits`] applied.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.enforced == Decision::Allow
    }
}
