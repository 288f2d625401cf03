//! A record with its place in the log, which is what is hashed: the members `_index`, `_log` and `_prev` before those of the record,
//! still canonical JSON. `_prev` is the hash of the record before, so that the records form a chain; the same hash is the record's
//! leaf in the tree.

use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

use super::digest::hex;
use super::tree::leaf;
use super::{AuditError, Record, VerdictRecord};
use crate::store::{Field, Hash, Store, StoreError, Visit};
use crate::verdict::Reason;

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

/// A record on its way into a log: made ready by who hands it in, so that the one thread that writes has little to do for each.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) body: String,
    /// When it happened, in microseconds of Unix time.
    pub(super) at: i64,
    /// What it is looked up by: texts one after the other, and of each its field and where it ends.
    text: String,
    ends: Vec<(Field, usize)>,
}

impl Prepared {
    /// # Errors
    /// When it can't be written as canonical JSON.
    pub(super) fn of(record: &Record<'_>) -> Result<Self, AuditError> {
        let body = record.to_json()?;
        // Most records are verdicts; these are not read again to know what they say.
        let Record::Verdict(verdict) = record else { return Ok(Self::new(body)) };
        let (text, ends) = joined(&Summary::of(verdict).labels());
        let at = verdict.at.as_microsecond();
        debug_assert_eq!(
            Summary::read(&body).map(|read| (read.at(), joined(&read.labels()))),
            Some((Some(at), (text.clone(), ends.clone()))),
            "a verdict is found by what verifying reads of it"
        );
        Ok(Self { body, at, text, ends })
    }

    pub(super) fn new(body: String) -> Self {
        let (at, (text, ends)) = match Summary::read(&body) {
            Some(summary) => (summary.at().unwrap_or_default(), joined(&summary.labels())),
            None => Default::default(),
        };
        Self { body, at, text, ends }
    }

    pub(super) fn labels(&self) -> Vec<(Field, &str)> {
        let mut start = 0;
        let label = |(field, end): &(Field, usize)| {
            let label = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            (*field, label)
        };
        self.ends.iter().map(label).collect()
    }
}

/// Labels with their texts as one.
fn joined(labels: &[(Field, &str)]) -> (String, Vec<(Field, usize)>) {
    let mut text = String::with_capacity(labels.iter().map(|(_, label)| label.len()).sum());
    let ends = labels.iter().map(|(field, label)| {
        text.push_str(label);
        (*field, text.len())
    });
    let ends = ends.collect();
    (text, ends)
}

/// Most records that are added to the index in one transaction.
const MAX_INDEXED: usize = 8 * 1024;
/// Most records that are missing one after the other for the index to go on behind them.
const MAX_MISSING: u64 = 64 * 1024;

/// Brings the index up to the records, where an earlier version of the program has written some.
pub(super) fn index(store: &mut dyn Store) -> Result<(), StoreError> {
    let mut behind = false;
    store.read(&mut |rows| {
        behind = rows.indexed()? < rows.size()?;
        Ok(())
    })?;
    while behind {
        store.append(&mut |log| {
            let from = log.indexed()?;
            let mut rows = Vec::new();
            log.rows(from, &mut |row| {
                rows.push((row.index, row.at, row.body));
                if rows.len() < MAX_INDEXED { Visit::More } else { Visit::Stop }
            })?;
            behind = rows.len() == MAX_INDEXED;
            let mut next = from;
            for (index, at, body) in rows {
                if index - next > MAX_MISSING {
                    behind = false;
                    break;
                }
                // What is missing is looked up by nothing. That it is missing, verifying tells.
                for missing in next..index {
                    log.index(missing, at, &[])?;
                }
                let summary = Summary::read(&body);
                log.index(index, at, &summary.as_ref().map(Summary::labels).unwrap_or_default())?;
                next = index + 1;
            }
            Ok(())
        })?;
    }
    Ok(())
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
    /// What [`Summary::read`] reads of a verdict's JSON.
    fn of(verdict: &'a VerdictRecord<'_>) -> Self {
        let name = |name: &'a str| Name(Cow::Borrowed(name));
        let because = |reasons: &'a [Reason]| {
            let because = reasons.iter().map(|reason| Because {
                code: name(reason.code.name()),
                policy: reason.policy.as_deref().map(name),
                rule: reason.rule.as_deref().map(name),
            });
            because.collect()
        };
        let findings = verdict.findings.iter().map(|finding| Found {
            rule: name(finding.rule),
            tags: finding.tags.iter().map(|tag| name(tag)).collect(),
            waived: finding.waived,
        });
        Self {
            kind: name("verdict"),
            at: name(""),
            decision: Some(name(verdict.decision.name())),
            stage: verdict.stage.map(|stage| name(stage.name())),
            user: verdict.user.map(name),
            tenant: verdict.tenant.map(name),
            agent: verdict.agent.map(name),
            tool: verdict.tool.map(name),
            session: verdict.session.map(name),
            by: None,
            edits: verdict.edits as u64,
            approved_by: verdict.approved_by.map(name),
            candidate: verdict.candidate.map(|_| serde::de::IgnoredAny),
            reasons: because(verdict.reasons),
            shadow: because(verdict.shadow),
            findings: findings.collect(),
            waivers: verdict.waivers.iter().map(|policy| name(policy)).collect(),
        }
    }

    pub(super) fn read(body: &'a str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// When it happened, in microseconds of Unix time.
    pub(super) fn at(&self) -> Option<i64> {
        Some(self.at.0.parse::<Timestamp>().ok()?.as_microsecond())
    }

    /// What it is looked up by, each once.
    pub(super) fn labels(&self) -> Vec<(Field, &str)> {
        let mut labels: Vec<(Field, &str)> = Vec::with_capacity(16);
        labels.push((Field::Kind, &self.kind.0));
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
        for policy in self.shadow.iter().filter_map(|reason| reason.policy.as_ref()) {
            labels.push((Field::Shadow, &policy.0));
        }
        for policy in &self.waivers {
            labels.extend([(Field::Policy, &*policy.0), (Field::Waiver, &*policy.0)]);
        }
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
