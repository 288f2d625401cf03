//! When a content is due, and what keeps it.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Retention, RetentionError};
use crate::audit::LogError;
use crate::engine::Engine;
use crate::rule::{Class, From, Then};
use crate::store::{Field, Held, Hold, Kept, Order, Query, Read, ReadPayloads, StoreError, Visit};

/// Sessions whose times are remembered at most.
const MAX_SESSIONS: usize = 10_000;
/// A session that nobody has ended counts as ended so long after its last event, in microseconds.
const ENDS_AFTER: i64 = 24 * 3_600 * 1_000_000;
/// Records of a session that are looked at for its last event: behind it there may be holds and its end.
const LOOKED_AT: usize = 64;

/// What is done with the contents of a class and tenant, and when.
#[derive(Debug, Clone)]
pub(super) struct Period {
    pub(super) then: Then,
    pub(super) from: From,
    /// Seconds; never less than `minimum`.
    pub(super) keep: u64,
    pub(super) minimum: u64,
    pub(super) duty: Option<String>,
    /// Whether the bundle has the class. Where it has not, contents keep the period that they were written with.
    pub(super) declared: bool,
}

impl Period {
    pub(super) fn of(engine: &Engine, class: &str, tenant: &str) -> Self {
        let known = engine.retention().iter().find(|known| known.name == class && !known.of_records);
        match known {
            Some(known) => Self::of_class(known, tenant),
            None => Self {
                then: Then::Erase,
                from: From::Created,
                keep: 0,
                minimum: 0,
                duty: None,
                declared: false,
            },
        }
    }

    fn of_class(class: &Class, tenant: &str) -> Self {
        let tenant = Some(tenant).filter(|tenant| !tenant.is_empty());
        Self {
            then: class.then,
            from: class.from,
            keep: class.keep_of(tenant).max(class.minimum_seconds),
            minimum: class.minimum_seconds,
            duty: class.duty.clone(),
            declared: true,
        }
    }

    /// The time before which a content has to be from for it to be due: necessary, and enough where the period runs from its creation.
    pub(super) fn cutoff(&self, now: Timestamp) -> i64 {
        if self.declared { minus(now.as_microsecond(), self.keep) } else { i64::MAX }
    }

    /// When a content is due, in microseconds.
    pub(super) fn due(&self, kept: &Kept, times: &mut Times, rows: &dyn Read) -> Result<i64, StoreError> {
        let keep = if self.declared { self.keep } else { kept.keep_seconds };
        Ok(plus(times.start(self.from, kept, rows)?, keep))
    }

    /// Until when a content has to be kept whoever wants it gone, in microseconds.
    pub(super) fn bound(&self, kept: &Kept, times: &mut Times, rows: &dyn Read) -> Result<i64, StoreError> {
        if self.minimum == 0 {
            return Ok(i64::MIN);
        }
        Ok(plus(times.start(self.from, kept, rows)?, self.minimum))
    }
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

fn plus(at: i64, seconds: u64) -> i64 {
    at.saturating_add(micros(seconds))
}

fn minus(at: i64, seconds: u64) -> i64 {
    // At the very time it is due.
    at.saturating_sub(micros(seconds)).saturating_add(1)
}

/// The name in YAML.
pub(super) fn name(then: Then) -> &'static str {
    match then {
        Then::Erase => "erase",
        Then::Anonymise => "anonymise",
        Then::Shred => "shred",
    }
}

/// When sessions were last active, and ended.
#[derive(Debug, Default)]
pub(super) struct Times {
    last: HashMap<String, i64>,
    end: HashMap<String, i64>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

impl Times {
    fn start(&mut self, from: From, kept: &Kept, rows: &dyn Read) -> Result<i64, StoreError> {
        Ok(match from {
            From::Created => kept.at,
            From::LastActivity => self.last(&kept.session, rows)?.max(kept.at),
            From::SessionEnd => self.end(&kept.session, rows)?.max(kept.at),
        })
    }

    fn last(&mut self, session: &str, rows: &dyn Read) -> Result<i64, StoreError> {
        if let Some(at) = self.last.get(session) {
            return Ok(*at);
        }
        let query = Query {
            labels: vec![(Field::Session, session.to_owned())],
            order: Order::NewestFirst,
            limit: LOOKED_AT,
            ..Query::default()
        };
        let page = rows.page(&query)?;
        let verdict =
            |body: &str| serde_json::from_str::<Kind>(body).is_ok_and(|record| record.kind == "verdict");
        let at = page.iter().find(|row| verdict(&row.body)).map_or(i64::MIN, |row| row.at);
        remember(&mut self.last, session, at);
        Ok(at)
    }

    fn end(&mut self, session: &str, rows: &dyn Read) -> Result<i64, StoreError> {
        if let Some(at) = self.end.get(session) {
            return Ok(*at);
        }
        let labels = vec![(Field::Session, session.to_owned()), (Field::Kind, "session_end".to_owned())];
        let query = Query { labels, order: Order::NewestFirst, limit: 1, ..Query::default() };
        let last = self.last(session, rows)?;
        let ended = rows.page(&query)?.first().map(|row| row.at).filter(|at| *at >= last);
        let at = ended.unwrap_or_else(|| last.saturating_add(ENDS_AFTER));
        remember(&mut self.end, session, at);
        Ok(at)
    }
}

fn remember(times: &mut HashMap<String, i64>, session: &str, at: i64) {
    if times.len() >= MAX_SESSIONS {
        times.clear();
    }
    times.insert(session.to_owned(), at);
}

/// The holds in force at a time.
pub(super) struct Holds {
    users: HashMap<String, Vec<Hold>>,
    threads: HashMap<String, Vec<Hold>>,
}

impl Holds {
    pub(super) fn read(rows: &(impl ReadPayloads + ?Sized), now: Timestamp) -> Result<Self, StoreError> {
        let mut holds = Self { users: HashMap::new(), threads: HashMap::new() };
        for hold in rows.holds()?.into_iter().filter(|hold| hold.is_in_force(now.as_microsecond())) {
            let on = match &hold.on {
                Held::User(id) => holds.users.entry(id.clone()),
                Held::Thread(id) => holds.threads.entry(id.clone()),
            };
            on.or_default().push(hold);
        }
        Ok(holds)
    }

    /// The holds on a content.
    pub(super) fn all_on(&self, kept: &Kept) -> impl Iterator<Item = &Hold> {
        let (user, thread) = (self.users.get(&kept.subject), self.threads.get(&kept.session));
        user.into_iter().chain(thread).flatten()
    }

    /// One of them.
    pub(super) fn on(&self, kept: &Kept) -> Option<&Hold> {
        self.all_on(kept).next()
    }
}

/// Whether the contents of a thread are to be retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether any of it is: not due yet, or under a hold.
    pub retain: bool,
    /// When the last of it is due.
    pub until: Option<Timestamp>,
    /// Names of the holds on it.
    pub holds: Vec<String>,
    /// How many contents there are.
    pub contents: u64,
}

impl Retention {
    /// Whether a thread (a session) is to be retained at a time. Without contents it is not.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn should_retain(&mut self, thread: &str, now: Timestamp) -> Result<Standing, RetentionError> {
        let engine = self.engine.clone();
        let on = Held::Thread(thread.to_owned());
        Ok(self.ledger.read(|rows| {
            let holds = Holds::read(rows, now)?;
            let (mut times, mut latest, mut contents) = (Times::default(), None::<i64>, 0);
            let (mut names, mut failed) = (Vec::new(), None);
            rows.of(&on, 0, &mut |kept| {
                contents += 1;
                names.extend(holds.all_on(&kept).map(|hold| hold.name.clone()));
                names.sort_unstable();
                names.dedup();
                match Period::of(&engine, &kept.class, &kept.tenant).due(&kept, &mut times, rows) {
                    Ok(due) => latest = latest.max(Some(due)),
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
            let waits = latest.is_some_and(|due| due > now.as_microsecond());
            let until = latest.and_then(|due| Timestamp::from_microsecond(due).ok());
            Ok(Standing {
                retain: waits || !names.is_empty(),
                until,
                holds: std::mem::take(&mut names),
                contents,
            })
        })?)
    }
}
