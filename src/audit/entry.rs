//! A record with its place in the log, which is what is hashed: the members `_index`, `_log` and `_prev` before those of the record,
//! still canonical JSON. `_prev` is the hash of the record before, so that the records form a chain; the same hash is the record's
//! leaf in the tree.

use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

use super::digest::hex;
use super::tree::leaf;
use crate::store::{Field, Hash};

/// The hash before the first record: of the log's name, so that no log's beginning fits another.
pub(super) fn genesis(origin: &str) -> Hash {
    leaf(&[b"ringfence/audit/1\n", origin.as_bytes()])
}

/// What stands before a record's own members.
fn head(origin: &str, index: u64, previous: &Hash) -> String {
    // A log's name holds nothing that JSON would escape.
    format!("{{\"_index\":{index},\"_log\":\"{origin}\",\"_prev\":\"{}\",", hex(previous))
}

/// The hash of a record at its place.
pub(super) fn hash(origin: &str, index: u64, previous: &Hash, body: &str) -> Hash {
    leaf(&[head(origin, index, previous).as_bytes(), body.as_bytes().get(1..).unwrap_or_default()])
}

/// A record at its place, as canonical JSON: the bytes that [`hash`] is the leaf hash of.
pub(super) fn text(origin: &str, index: u64, previous: &Hash, body: &str) -> String {
    head(origin, index, previous) + body.get(1..).unwrap_or_default()
}

/// The place that the text of an entry states.
#[derive(Debug, Deserialize)]
pub(super) struct Place<'a> {
    #[serde(rename = "_index")]
    pub(super) index: u64,
    #[serde(rename = "_log", borrow)]
    pub(super) log: Cow<'a, str>,
}

/// What a record is looked up by, read of its canonical JSON, so that who writes it and who verifies it read the same.
#[derive(Debug, Deserialize)]
pub(super) struct Summary<'a> {
    #[serde(borrow)]
    kind: Name<'a>,
    #[serde(borrow)]
    at: Name<'a>,
    decision: Option<Name<'a>>,
    stage: Option<Name<'a>>,
    user: Option<Name<'a>>,
    tenant: Option<Name<'a>>,
    agent: Option<Name<'a>>,
    tool: Option<Name<'a>>,
    session: Option<Name<'a>>,
    /// Of a read of the log: who.
    by: Option<Name<'a>>,
    #[serde(default)]
    edits: u64,
    approved_by: Option<Name<'a>>,
    candidate: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    reasons: Vec<Because<'a>>,
    #[serde(default)]
    shadow: Vec<Because<'a>>,
    #[serde(default)]
    findings: Vec<Found<'a>>,
    #[serde(default)]
    waivers: Vec<Name<'a>>,
}

#[derive(Debug, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Debug, Deserialize)]
struct Because<'a> {
    #[serde(borrow)]
    code: Name<'a>,
    policy: Option<Name<'a>>,
    rule: Option<Name<'a>>,
}

#[derive(Debug, Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    rule: Name<'a>,
    #[serde(default)]
    tags: Vec<Name<'a>>,
    #[serde(default)]
    waived: bool,
}

impl<'a> Summary<'a> {
    pub(super) fn read(body: &'a str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// When it happened, in microseconds of Unix time.
    pub(super) fn at(&self) -> Option<i64> {
        Some(self.at.0.parse::<Timestamp>().ok()?.as_microsecond())
    }

    /// What it is looked up by, each once.
    pub(super) fn labels(&self) -> Vec<(Field, &str)> {
        let mut labels: Vec<(Field, &str)> = vec![(Field::Kind, &self.kind.0)];
        let fields = [
            (Field::Decision, &self.decision),
            (Field::Stage, &self.stage),
            (Field::User, &self.user),
            (Field::User, &self.by),
            (Field::Tenant, &self.tenant),
            (Field::Agent, &self.agent),
            (Field::Tool, &self.tool),
            (Field::Session, &self.session),
        ];
        labels.extend(fields.into_iter().filter_map(|(field, name)| Some((field, &*name.as_ref()?.0))));
        for reason in &self.reasons {
            labels.push((Field::Reason, &reason.code.0));
            labels.extend(reason.rule.iter().map(|rule| (Field::Rule, &*rule.0)));
        }
        for reason in self.reasons.iter().chain(&self.shadow) {
            labels.extend(reason.policy.iter().map(|policy| (Field::Policy, &*policy.0)));
        }
        labels.extend(self.waivers.iter().map(|policy| (Field::Policy, &*policy.0)));
        for finding in &self.findings {
            labels.push((Field::Rule, &finding.rule.0));
            labels.extend(finding.tags.iter().map(|tag| (Field::Tag, &*tag.0)));
        }
        let marks = [
            ("edited", self.edits > 0),
            ("waived", self.findings.iter().any(|finding| finding.waived)),
            ("shadow", !self.shadow.is_empty()),
            ("approved", self.approved_by.is_some()),
            ("candidate", self.candidate.is_some()),
        ];
        labels.extend(marks.into_iter().filter(|(_, is)| *is).map(|(mark, _)| (Field::Mark, mark)));
        labels.sort_unstable();
        labels.dedup();
        labels
    }
}
