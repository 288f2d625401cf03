//! What is due, without touching it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::period::{Holds, Period, Times, name};
use super::{Retention, RetentionError};
use crate::audit::LogError;
use crate::rule::From;
use crate::store::Visit;

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "Ringfence retention plan")]
pub struct Plan {
    /// The log's name.
    pub log: String,
    /// As of when (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Classes, by tenant.
    pub groups: Vec<Group>,
    /// Contents that were anonymised before.
    pub anonymised: u64,
    /// The records themselves, where a class is about them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsPlan>,
}

/// Contents of a class and tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Group {
    /// The class.
    pub class: String,
    /// The tenant; empty where there is none.
    pub tenant: String,
    /// Whether the bundle has the class; where not, each content keeps the period that it was written with.
    pub declared: bool,
    /// What happens then: `erase`, `anonymise` or `shred`.
    pub then: &'static str,
    /// From when on: `created`, `last_activity` or `session_end`.
    pub from: &'static str,
    /// Seconds that it is kept.
    pub keep_seconds: u64,
    /// Contents.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents that are due and would go.
    pub due: u64,
    /// Their bytes.
    pub due_bytes: u64,
    /// Contents that are due and stay, because of a hold.
    pub held: u64,
    /// How old all of them are.
    pub ages: Ages,
}

/// How many contents are how old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Ages {
    /// Up to a day.
    pub day: u64,
    /// Up to a week.
    pub week: u64,
    /// Up to thirty days.
    pub month: u64,
    /// Up to ninety.
    pub quarter: u64,
    /// Up to 365.
    pub year: u64,
    /// Older.
    pub older: u64,
}

impl Ages {
    fn add(&mut self, seconds: i64) {
        let day = 86_400;
        *match seconds {
            s if s <= day => &mut self.day,
            s if s <= 7 * day => &mut self.week,
            s if s <= 30 * day => &mut self.month,
            s if s <= 90 * day => &mut self.quarter,
            s if s <= 365 * day => &mut self.year,
            _ => &mut self.older,
        } += 1;
    }
}

/// The records of the log. They go from the oldest on, whole segments of 1,024 at a time, and with the audit key, which signs that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordsPlan {
    /// The class that is about them.
    pub class: String,
    /// Seconds that they are kept.
    pub keep_seconds: u64,
    /// Records.
    pub records: u64,
    /// Records of whole segments at the beginning of the log that are older than that.
    pub past: u64,
    /// Of these, those that would go.
    pub due: u64,
    /// Why others stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Retention {
    /// What a run would do at a time. Nothing is changed or recorded.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn plan(&mut self, now: Timestamp) -> Result<Plan, RetentionError> {
        let (engine, log) = (self.engine.clone(), self.origin().to_owned());
        Ok(self.ledger.read(|rows| {
            let holds = Holds::read(rows, now)?;
            let mut groups = Vec::new();
            for (class, tenant) in rows.groups()? {
                let period = Period::of(&engine, &class, &tenant);
                let mut times = Times::default();
                let mut failed = None;
                let mut group = Group {
                    declared: period.declared,
                    then: name(period.then),
                    from: from(period.from),
                    keep_seconds: period.keep,
                    class: class.clone(),
                    tenant: tenant.clone(),
                    contents: 0,
                    bytes: 0,
                    due: 0,
                    due_bytes: 0,
                    held: 0,
                    ages: Ages::default(),
                };
                rows.of_group((&class, &tenant), i64::MAX, (i64::MIN, 0), &mut |kept| {
                    group.contents += 1;
                    group.bytes += kept.bytes;
                    group.ages.add(now.as_microsecond().saturating_sub(kept.at) / 1_000_000);
                    if !period.declared {
                        group.keep_seconds = group.keep_seconds.max(kept.keep_seconds);
                    }
                    match period.due(&kept, &mut times, rows) {
                        Ok(due) if due > now.as_microsecond() => {}
                        Ok(_) if holds.on(&kept).is_some() => group.held += 1,
                        Ok(_) => {
                            group.due += 1;
                            group.due_bytes += kept.bytes;
                        }
                        Err(error) => {
                            failed = Some(error);
                            return Visit::Stop;
                        }
                    }
                    Visit::More
                })?;
                if let Some(error) = failed {
                    return Err(LogError::from(error));
                }
                groups.push(group);
            }
            let records = engine.retention().iter().find(|class| class.of_records).map(|class| {
                let due = super::records::due(rows, class, now)?;
                Ok::<_, LogError>(RecordsPlan {
                    class: class.name.clone(),
                    keep_seconds: class.keep_seconds,
                    records: rows.size()? - due.start,
                    past: due.past,
                    due: due.until - due.start,
                    why: due.why,
                })
            });
            let (log, records) = (log.clone(), records.transpose()?);
            Ok(Plan { log, at: now, groups, anonymised: rows.anonymised_count()?, records })
        })?)
    }
}

/// The name in YAML.
fn from(from: From) -> &'static str {
    match from {
        From::Created => "created",
        From::LastActivity => "last_activity",
        From::SessionEnd => "session_end",
    }
}
