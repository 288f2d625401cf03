//! What is kept of a verdict, and of what else happens to a guard and its log: everything that explains it, and no text but
//! the arguments that a bundle says may be logged.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::AuditError;
use super::canonical::{canonical, canonical_of};
use super::content::KeptRecord;
use super::digest::{self, RecordedText};
use super::logged;
use super::retained::{
    AccessRecord, ApprovalRecord, BatchRecord, ErasureRecord, HoldRecord, KeyRecord, RemovedRecord,
    RevealRecord, RunRecord, SessionEndRecord,
};
use super::stated::StatedRecord;
use crate::bundle::Mode;
use crate::engine::{Engine, Kind, Otherwise, Trace};
use crate::event::{Event, Stage};
use crate::verdict::{Action, Decision, Finding, Reason, Severity, Verdict};

/// Version of the engine, as it stands in records.
pub(crate) const ENGINE: &str = env!("CARGO_PKG_VERSION");

/// One record of the audit log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(title = "Ringfence audit record")]
#[non_exhaustive]
pub enum Record<'a> {
    /// An event was decided.
    Verdict(Box<VerdictRecord<'a>>),
    /// A program opened the log to write to it.
    Start(LifecycleRecord),
    /// It closed the log.
    Stop(LifecycleRecord),
    /// A guard decides by this bundle from here on.
    BundleLoaded(BundleRecord<'a>),
    /// A bundle did not load.
    BundleRefused(RefusedBundleRecord<'a>),
    /// A bundle that had refused far more than the one before it was taken back.
    BundleReturned(ReturnRecord<'a>),
    /// A guard tries this bundle beside the one in force from here on.
    CandidateLoaded(BundleRecord<'a>),
    /// It tries it no longer.
    CandidateEnded(CandidateRecord<'a>),
    /// Somebody read the log through the program.
    LogRead(ReadRecord<'a>),
    /// The host reported an event of its own.
    SecurityEvent(SecurityRecord<'a>),
    /// Contents were removed.
    RetentionBatch(BatchRecord<'a>),
    /// A run of retention has ended.
    RetentionRun(RunRecord<'a>),
    /// The oldest records of the log were removed.
    RecordsRemoved(RemovedRecord<'a>),
    /// A hold was placed.
    Hold(HoldRecord<'a>),
    /// A hold was released.
    Release(HoldRecord<'a>),
    /// A user's contents were erased.
    Erasure(ErasureRecord<'a>),
    /// A user's contents were handed out.
    AccessRequest(AccessRecord<'a>),
    /// Data keys were encrypted under another key.
    KeyRotation(KeyRecord<'a>),
    /// A session has ended.
    SessionEnd(SessionEndRecord<'a>),
    /// Values behind pseudonyms were given or refused.
    Reveal(RevealRecord<'a>),
    /// A person answered a question.
    Approval(ApprovalRecord<'a>),
}

/// A verdict as recorded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VerdictRecord<'a> {
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
    /// The user's tenant, where the event states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<&'a str>,
    /// The tool of a call or result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<&'a str>,
    /// The id that pairs a call with its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<&'a str>,
    /// Names and JSON types of a tool call's arguments. Absent where the event was refused before every rule had searched it; a
    /// name in which a rule matched is left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<&'a str, &'static str>,
    /// The arguments of a tool call that the bundle says may be logged (`log: true`), by their JSON Pointer into the
    /// arguments. One in which a rule matched, that a sensitive parameter names, that is longer than 4 KiB or that holds an
    /// integer beyond 2^53 is left out, and all of them are where the event was refused before every rule had searched it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<&'a str, &'a Value>,
    /// Digests of its texts as they came, where the log has a key for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<RecordedText>,
    /// What the event stated beside its content. Absent where it was refused before every rule had searched it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated: Option<StatedRecord<'a>>,
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
    /// What the guard's candidate would have done otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<&'a Otherwise>,
    /// Policies that waived a rule.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub waivers: &'a [String],
    /// Who approved the event, where a person had to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<&'a str>,
    /// What is kept of its content beside the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<&'a KeptRecord>,
    /// Digest of the bundle that decided.
    pub bundle: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// The start or stop of a program that writes the log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LifecycleRecord {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Id of the process.
    pub process: u32,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A bundle that a guard decides by.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BundleRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
    /// Its digest.
    pub bundle: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A bundle that did not load.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RefusedBundleRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Where it came from.
    pub origin: &'a str,
    /// Its digest; empty where it could not be read.
    pub bundle: &'a str,
    /// Codes of the errors in it, each once; or one word for what is wrong with the whole, as `unreadable`.
    pub errors: Vec<&'a str>,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A bundle that was taken back.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReturnRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Digest of the bundle that was taken back.
    pub from: &'a str,
    /// Digest of the one before it, which decides again.
    pub to: &'a str,
    /// Events that the first had decided.
    pub events: u64,
    /// How many of them it had refused.
    pub denied: u64,
    /// The latest events of the one before it.
    pub events_before: u64,
    /// How many of them that one had refused.
    pub denied_before: u64,
    /// Percentage points by which the share of refused events may rise, as the manifest of the first says.
    pub percent: u8,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A candidate that is tried no longer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CandidateRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Digest of the candidate.
    pub bundle: &'a str,
    /// Events that it has decided too.
    pub events: u64,
    /// Events that it could not decide in time, and that were not compared.
    pub unfinished: u64,
    /// Events that it would have decided otherwise, by how.
    pub changes: BTreeMap<Kind, u64>,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A read of the log through the program.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReadRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who, as the program was told or the operating system says.
    pub by: &'a str,
    /// The verb: `list`, `show`, `stats`, `export` or `prove`; `replay` where contents were read to decide them again.
    pub verb: &'a str,
    /// What was asked for, by name.
    pub filter: BTreeMap<&'a str, String>,
    /// How many records were shown.
    pub records: u64,
    /// Version of the engine.
    pub engine: &'static str,
}

/// Something that the host reported.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SecurityRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What happened, in the host's word.
    pub event: &'a str,
    /// What the host tells of it, without the members that the bundle calls sensitive.
    pub details: Value,
    /// Digest of the bundle in force.
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
    /// Tags of the rule and its pack.
    pub tags: &'a [String],
}

impl<'a> Record<'a> {
    /// The record of a verdict. Without an event (a line that is none), it holds what the verdict knows; without a whole
    /// scan no arguments, since nobody knows what is in them; without a key no digests of texts.
    #[must_use]
    pub fn verdict(
        at: Timestamp,
        engine: &'a Engine,
        event: Option<&'a Event>,
        verdict: &'a Verdict,
        trace: &'a Trace,
        digest_key: Option<&[u8]>,
    ) -> Self {
        let call = event.filter(|_| trace.scanned);
        Self::Verdict(Box::new(VerdictRecord {
            at,
            session: verdict.session.as_deref(),
            seq: verdict.seq,
            stage: verdict.stage,
            user: event.map(|event| event.user.id.as_str()),
            tenant: event.and_then(|event| event.user.tenant.as_deref()),
            agent: event.and_then(|event| event.agent.as_deref()),
            tool: event.and_then(Event::tool),
            call: event.and_then(Event::call),
            parameters: logged::parameters(call, verdict),
            arguments: logged::arguments(engine, call, verdict),
            texts: event.zip(digest_key).map(|(event, key)| digest::of(event, key)).unwrap_or_default(),
            stated: call.map(StatedRecord::of),
            decision: verdict.decision,
            enforced: verdict.enforced,
            reasons: &verdict.reasons,
            findings: verdict.findings.iter().map(RecordedFinding::from).collect(),
            edits: verdict.edits.len(),
            shadow: &verdict.shadow,
            candidate: trace.candidate.as_deref(),
            waivers: &trace.waivers,
            approved_by: trace.approved_by.as_deref(),
            kept: None,
            bundle: &verdict.bundle,
            engine: ENGINE,
        }))
    }

    /// Says what is kept of the content.
    #[must_use]
    pub(crate) fn keeping(mut self, kept: Option<&'a KeptRecord>) -> Self {
        if let Self::Verdict(verdict) = &mut self {
            verdict.kept = kept;
        }
        self
    }

    /// This program has opened the log.
    #[must_use]
    pub fn start(at: Timestamp) -> Self {
        Self::Start(LifecycleRecord { at, process: std::process::id(), engine: ENGINE })
    }

    /// This program closes the log.
    #[must_use]
    pub fn stop(at: Timestamp) -> Self {
        Self::Stop(LifecycleRecord { at, process: std::process::id(), engine: ENGINE })
    }

    /// A guard decides by this bundle.
    #[must_use]
    pub fn bundle_loaded(at: Timestamp, engine: &'a Engine) -> Self {
        Self::BundleLoaded(BundleRecord::of(at, engine))
    }

    /// A guard tries this bundle beside the one in force.
    #[must_use]
    pub fn candidate_loaded(at: Timestamp, engine: &'a Engine) -> Self {
        Self::CandidateLoaded(BundleRecord::of(at, engine))
    }

    /// A bundle did not load.
    #[must_use]
    pub fn bundle_refused(
        at: Timestamp,
        origin: &'a str,
        bundle: &'a str,
        errors: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut errors: Vec<&str> = errors.into_iter().collect();
        errors.sort_unstable();
        errors.dedup();
        Self::BundleRefused(RefusedBundleRecord { at, origin, bundle, errors, engine: ENGINE })
    }

    /// Somebody has read the log.
    #[must_use]
    pub fn log_read(
        at: Timestamp,
        by: &'a str,
        verb: &'a str,
        filter: BTreeMap<&'a str, String>,
        records: u64,
    ) -> Self {
        Self::LogRead(ReadRecord { at, by, verb, filter, records, engine: ENGINE })
    }

    /// What a host reports.
    ///
    /// # Errors
    /// When the details are longer than 4 KiB or hold an integer beyond 2^53.
    pub fn security_event(
        at: Timestamp,
        engine: &'a Engine,
        event: &'a str,
        details: &Value,
    ) -> Result<Self, AuditError> {
        let details = logged::without_sensitive(engine, details);
        if canonical(&details)?.len() + event.len() > logged::MAX_VALUE {
            return Err(AuditError::TooLong);
        }
        let bundle = engine.bundle_digest();
        Ok(Self::SecurityEvent(SecurityRecord { at, event, details, bundle, engine: ENGINE }))
    }

    /// As canonical JSON (RFC 8785), without a line end.
    ///
    /// # Errors
    /// When a number in it is not exact, which no record has that is made here.
    pub fn to_json(&self) -> Result<String, AuditError> {
        Ok(canonical_of(self)?)
    }
}

impl<'a> BundleRecord<'a> {
    fn of(at: Timestamp, engine: &'a Engine) -> Self {
        let mode = match engine.0.mode {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        };
        let (name, version, bundle) = (engine.name(), engine.version(), engine.bundle_digest());
        Self { at, name, version, mode, bundle, engine: ENGINE }
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
            tags: &finding.tags,
        }
    }
}
