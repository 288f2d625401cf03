//! What is kept of an event's content apart from its record: what the guard let go on, edited as it went on.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::canonical::canonical;
use super::logged;
use crate::engine::Engine;
use crate::event::{AccessKind, Body, Event, InputPart};
use crate::rule::{Data, Then};
use crate::verdict::Verdict;

/// A content that a retention class keeps.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The class.
    pub class: String,
    /// Seconds for which it is kept.
    pub keep_seconds: u64,
    /// The span of time, in seconds, whose contents of one user and class share a data key.
    pub key_seconds: u64,
    /// The user.
    pub subject: String,
    /// The user's tenant; empty where there is none.
    pub tenant: String,
    /// The session.
    pub session: String,
    /// Who speaks: `system`, `user`, `assistant` or `tool`.
    pub role: &'static str,
    /// When, in microseconds of Unix time.
    pub at: i64,
    /// The content as JSON.
    pub text: String,
    /// Whether it is what the event held: nothing was replaced or left out.
    pub whole: bool,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("class", &self.class)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// A content that was encrypted, on its way into a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What its record says of it.
    pub kept: KeptRecord,
    /// Where it belongs; the text is left out.
    pub(super) about: Content,
    /// The key's name.
    pub(super) key: [u8; 16],
    /// The encrypted bytes.
    pub(super) bytes: Vec<u8>,
}

/// What a record says of the content that is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptRecord {
    /// The retention class that keeps it.
    pub class: String,
    /// Its length in bytes, as JSON.
    pub bytes: usize,
    /// HMAC-SHA-256 of it under a random salt that is kept with it and deleted with it, in hexadecimal: nobody can tell afterwards
    /// whether a guess was right.
    pub commitment: String,
    /// Whether it is what the event held: nothing was replaced or left out.
    pub whole: bool,
}

impl Content {
    /// The content of an event that was allowed, where a class keeps it: as it went on, without members that the bundle calls
    /// sensitive. `tenant` is its user's.
    #[must_use]
    pub fn of(
        engine: &Engine,
        event: &Event,
        tenant: Option<&str>,
        verdict: &Verdict,
        at: Timestamp,
    ) -> Option<Self> {
        if engine.retention().is_empty() || !verdict.is_allowed() {
            return None;
        }
        let mut tags: Vec<&str> =
            verdict.findings.iter().flat_map(|finding| &finding.tags).map(String::as_str).collect();
        tags.sort_unstable();
        tags.dedup();
        let data =
            Data { stage: event.stage(), tags: &tags, agent: event.agent.as_deref(), tool: event.tool() };
        let class = engine.retention_class(&data)?;
        let keep_seconds = class.keep_of(tenant);
        if keep_seconds == 0 {
            return None;
        }
        let edited;
        let event = if verdict.edits.is_empty() {
            event
        } else {
            edited = event.with_edits(&verdict.edits);
            &edited
        };
        let (role, said) = said(event)?;
        let value = logged::without_sensitive(engine, &said);
        let whole = verdict.edits.is_empty() && value == said;
        // What has no canonical form is kept as it is written.
        let text = canonical(&value).unwrap_or_else(|_| value.to_string());
        Some(Self {
            class: class.name.clone(),
            keep_seconds,
            key_seconds: key_seconds(class.then, keep_seconds),
            subject: event.user.id.clone(),
            tenant: tenant.unwrap_or_default().to_owned(),
            session: event.session.clone(),
            role,
            at: at.as_microsecond(),
            text,
            whole,
        })
    }
}

/// How long a data key is used for new contents. A key can be destroyed when the last content under it is due, so that copies of
/// the log can be read for so much longer than the period: what is to be shredded has shorter ones, and more of them.
fn key_seconds(then: Then, keep_seconds: u64) -> u64 {
    const HOUR: u64 = 3_600;
    match then {
        Then::Shred => (keep_seconds / 64).clamp(HOUR, 24 * HOUR),
        Then::Erase | Then::Anonymise => (keep_seconds / 8).clamp(HOUR, 30 * 24 * HOUR),
    }
}

/// Who speaks, and what.
fn said(event: &Event) -> Option<(&'static str, Value)> {
    Some(match &event.body {
        Body::Access(access) => match access.kind {
            AccessKind::Create => {
                ("system", json!({ "name": access.name, "instructions": access.instructions }))
            }
            AccessKind::Run => return None,
        },
        Body::Input { part: InputPart::Instructions, text } => ("system", json!({ "text": text })),
        Body::Input { part: InputPart::User | InputPart::History, text } => ("user", json!({ "text": text })),
        Body::ToolCall { arguments, .. } => ("assistant", json!({ "arguments": arguments })),
        Body::ToolResult { result, .. } => ("tool", json!({ "result": result })),
        Body::Output { text } => ("assistant", json!({ "text": text })),
    })
}

/// What the record of a content commits to.
#[cfg(feature = "audit")]
pub(crate) fn commitment(
    rows: &dyn crate::store::Read,
    index: u64,
) -> Result<Option<crate::store::Hash>, crate::store::StoreError> {
    #[derive(serde::Deserialize)]
    struct Body {
        kept: Option<Commitment>,
    }

    #[derive(serde::Deserialize)]
    struct Commitment {
        commitment: String,
    }

    let Some(row) = rows.row(index)? else { return Ok(None) };
    let kept = serde_json::from_str::<Body>(&row.body).ok().and_then(|body| body.kept);
    Ok(kept.and_then(|kept| super::digest::unhex(&kept.commitment)))
}

#[cfg(feature = "audit")]
impl Sealed {
    /// As it is stored beside a record.
    pub(super) fn kept_at(&self, index: u64) -> crate::store::Kept {
        let about = &self.about;
        crate::store::Kept {
            index,
            at: about.at,
            class: about.class.clone(),
            subject: about.subject.clone(),
            tenant: about.tenant.clone(),
            session: about.session.clone(),
            role: about.role.to_owned(),
            keep_seconds: about.keep_seconds,
            key: self.key,
            bytes: self.kept.bytes as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_for_a_part_of_the_period() {
        let hours = |then, keep| key_seconds(then, keep) / 3_600;
        assert_eq!((hours(Then::Erase, 60), hours(Then::Shred, 60)), (1, 1));
        assert_eq!((hours(Then::Anonymise, 8 * 86_400), hours(Then::Shred, 8 * 86_400)), (24, 3));
        assert_eq!((hours(Then::Erase, u64::MAX), hours(Then::Shred, u64::MAX)), (720, 24));
    }
}
