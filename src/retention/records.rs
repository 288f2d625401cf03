//! Removing the records themselves, where a class is about them: the oldest, whole segments of the log at a time.
//!
//! Nothing is removed that a hold, a content or a later reader needs: records of a held user or session, records whose content is
//! still kept (which is opened by what its record commits to), and records that no checkpoint of this key covers.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::apply::Removal;
use super::{Retention, RetentionError};
use crate::audit::{Cut, ENGINE, LogError, Record, Removed, RemovedRecord, SigningKey, Stayed, is_signed};
use crate::rule::Class;
use crate::store::index::SEGMENT;
use crate::store::{Field, Held, Order, Query, Read};

/// Records that can go, and what keeps others that are due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Due {
    /// The first record of the log.
    pub(super) start: u64,
    /// Records at its beginning that are past their period.
    pub(super) past: u64,
    /// The first of them that stays.
    pub(super) until: u64,
    /// Why it does.
    pub(super) why: Option<String>,
}

/// What is due of the records.
pub(super) fn due(rows: &dyn Read, class: &Class, now: Timestamp) -> Result<Due, LogError> {
    if class.keep_seconds == 0 {
        // No bundle that compiles says so.
        let start = rows.start()?;
        return Ok(Due { start, until: start, ..Due::default() });
    }
    let keep = i64::try_from(class.keep_seconds.max(class.minimum_seconds))
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    let cutoff = now.as_microsecond().saturating_sub(keep);
    let start = rows.start()?;
    // Segments go whole, once the last of their records is due.
    let blocks = rows.blocks()?;
    let segments = blocks
        .iter()
        .filter(|block| block.number >= start / SEGMENT)
        .take_while(|block| block.latest < cutoff);
    let past = start + segments.count() as u64 * SEGMENT;
    let mut due = Due { start, past: past - start, until: past, why: None };
    let mut stays = |record: u64, why: &dyn Fn() -> String| {
        let until = record / SEGMENT * SEGMENT;
        if until < due.until {
            (due.until, due.why) = (until, Some(why()));
        }
    };
    if let Some(first) = rows.first_kept()? {
        stays(first, &|| "contents of later records are kept".to_owned());
    }
    for hold in rows.holds()?.into_iter().filter(|hold| hold.is_in_force(now.as_microsecond())) {
        let field = match &hold.on {
            Held::User(_) => Field::User,
            Held::Thread(_) => Field::Session,
        };
        let labels = vec![(field, hold.on.id().to_owned())];
        let query = Query { labels, order: Order::OldestFirst, limit: 1, ..Query::default() };
        if let Some(first) = rows.page(&query)?.first() {
            stays(first.index, &|| format!("hold {}: {}", hold.name, hold.reason));
        }
    }
    due.until = due.until.max(start);
    Ok(due)
}

impl Retention {
    /// Removes the records that are due; what went, and what was due and stayed.
    pub(super) fn remove_records(
        &mut self,
        removal: &mut Removal,
    ) -> Result<(Option<Removed>, Option<Stayed>), RetentionError> {
        let Some(class) = self.engine.retention().iter().find(|class| class.of_records).cloned() else {
            return Ok((None, None));
        };
        let now = removal.now;
        let mut due = self.ledger.read(|rows| due(rows, &class, now))?;
        if due.until > due.start && self.ledger.key().is_none() {
            (due.until, due.why) =
                (due.start, Some("records are removed with the audit key, which signs that".to_owned()));
        }
        if due.until > due.start && !self.cut(&class, &due, removal)? {
            (due.until, due.why) = (due.start, Some("the log has changed meanwhile".to_owned()));
        }
        // Also what an earlier run has left.
        let gone = self.remove_cut(removal)?;
        let count =
            |contents, why| Stayed { class: class.name.clone(), contents, bytes: 0, why, until: None };
        let stayed = due.past - (due.until - due.start);
        let removed =
            Removed { class: class.name.clone(), then: "erase".to_owned(), contents: gone, bytes: 0 };
        Ok(((gone > 0).then_some(removed), due.why.filter(|_| stayed > 0).map(|why| count(stayed, why))))
    }

    /// States what is about to go: from then on it is not read any more. Not so where something keeps it by now.
    fn cut(&mut self, class: &Class, due: &Due, removal: &Removal) -> Result<bool, RetentionError> {
        // What goes has to be signed, and what is signed to be what is there.
        self.ledger.sign()?;
        let (origin, now, size) = (self.ledger.origin().to_owned(), removal.now, due.until);
        let Some(public) = self.ledger.key().map(SigningKey::public) else { return Ok(false) };
        let cut = self.ledger.read(|rows| {
            let cut = Cut::of(rows, &origin, size, now, &removal.name)?;
            Ok(if is_signed(rows, size, &public)? { cut } else { None })
        })?;
        let (Some(cut), Some(key)) = (cut, self.ledger.key()) else { return Err(LogError::Altered.into()) };
        let note = cut.sign(key)?;
        let record = Record::RecordsRemoved(RemovedRecord {
            at: now,
            run: &removal.name,
            by: &self.by,
            class: &class.name,
            records: size - due.start,
            first: size,
            root: &cut.root,
            engine: ENGINE,
        });
        let body = record.to_json().map_err(LogError::from)?;
        let mut done = false;
        self.ledger.write(&mut |log, _| {
            // As things are now that nobody else writes: a hold may have been placed, another run been quicker.
            done = log.start()? == due.start && self::due(&*log, class, now)?.until >= size;
            if !done {
                return Ok(Vec::new());
            }
            log.cut(size, now.as_microsecond(), &note)?;
            Ok(vec![body.clone()])
        })?;
        self.ledger.sign()?;
        Ok(done)
    }

    /// Removes what is not read any more; how many records that were.
    fn remove_cut(&mut self, removal: &mut Removal) -> Result<u64, RetentionError> {
        let mut records = 0;
        if self.ledger.read(|rows| Ok(rows.start()?))? == 0 {
            return Ok(0);
        }
        loop {
            let size = removal.size();
            let (mut removed, mut began, mut worked) = (None, Instant::now(), Duration::ZERO);
            self.ledger.write(&mut |log, _| {
                began = Instant::now();
                removed = log.remove_cut(size)?;
                worked = began.elapsed();
                Ok(Vec::new())
            })?;
            let Some(count) = removed else { return Ok(records) };
            records += count;
            removal.pace(worked, began.elapsed());
        }
    }
}
