//! Removing what is due, a little at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::numbers::ranges;
use super::period::{Holds, Period, Times, name};
use super::{Retention, RetentionError};
use crate::audit::{BatchRecord, ENGINE, LogError, Record, Removed, RunRecord, Stayed, run_name};
use crate::rule::{From, Then};
use crate::store::{Append, Kept, KeyId, StoreError, Visit};

/// Contents of one transaction, at the least and at most.
const LEAST: usize = 8;
const MOST: usize = 1024;
/// How long the work of a transaction should take: below the first it takes more, above the second it takes less. What the disk takes
/// to make it durable comes on top, whatever its size.
const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_millis(4);
/// The longest pause between two transactions, in which writers have their turn.
const PAUSE: Duration = Duration::from_millis(20);
/// A data key that is not in use is destroyed so long after it was made at the earliest: a writer may just be about to use it.
const IN_USE: i64 = 60 * 1_000_000;

/// What a run has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its name, which its records carry.
    pub name: String,
    /// What went, by class.
    pub removed: Vec<Removed>,
    /// The class that is about records and not contents, where the bundle has one.
    pub records: Option<String>,
    /// What was due and stayed.
    pub stayed: Vec<Stayed>,
    /// Data keys that were destroyed. None are without the payload key.
    pub keys: u64,
    /// Whether nothing of what went is left in any file; not so yet where another program was reading. The next run sees to it.
    pub clean: bool,
    /// The longest time for which writers had to wait for it.
    pub longest: Duration,
    /// Transactions.
    pub batches: u64,
}

/// One removal, under way.
pub(super) struct Removal {
    pub(super) name: String,
    pub(super) cause: &'static str,
    pub(super) now: Timestamp,
    pub(super) removed: BTreeMap<(String, &'static str), (u64, u64)>,
    pub(super) longest: Duration,
    pub(super) batches: u64,
    size: usize,
}

impl Removal {
    pub(super) fn new(cause: &'static str, now: Timestamp) -> Result<Self, LogError> {
        let (removed, longest) = (BTreeMap::new(), Duration::ZERO);
        Ok(Self { name: run_name()?, cause, now, removed, longest, batches: 0, size: 32 })
    }

    /// How many contents the next transaction takes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Learns from how long one worked and took, and lets writers have their turn.
    pub(super) fn pace(&mut self, worked: Duration, took: Duration) {
        self.batches += 1;
        self.longest = self.longest.max(took);
        if worked < SHORT {
            self.size = (self.size * 2).min(MOST);
        } else if worked > LONG {
            self.size = (self.size / 2).max(LEAST);
        }
        std::thread::sleep(took.clamp(Duration::from_millis(1), PAUSE));
    }

    pub(super) fn removed(&self) -> Vec<Removed> {
        let all = self.removed.iter().map(|((class, then), (contents, bytes))| Removed {
            class: class.clone(),
            then: (*then).to_owned(),
            contents: *contents,
            bytes: *bytes,
        });
        all.collect()
    }

    /// Removes contents of one class within a transaction; its record, where anything went. `stays` says what does not.
    pub(super) fn batch(
        &self,
        log: &mut dyn Append,
        contents: &[Kept],
        then: Then,
        stays: &mut dyn FnMut(&dyn Append, &Kept) -> Result<bool, StoreError>,
    ) -> Result<(Vec<String>, u64, u64), LogError> {
        let (mut numbers, mut bytes) = (Vec::new(), 0);
        for kept in contents {
            if stays(&*log, kept)? {
                continue;
            }
            let gone = match then {
                Then::Anonymise => log.anonymise(kept)?,
                Then::Erase | Then::Shred => log.remove(kept.index)?,
            };
            if gone {
                numbers.push(kept.index);
                bytes += kept.bytes;
            }
        }
        let count = numbers.len() as u64;
        let Some(class) = contents.first().map(|kept| kept.class.as_str()).filter(|_| count > 0) else {
            return Ok((Vec::new(), 0, 0));
        };
        let record = Record::RetentionBatch(BatchRecord {
            at: self.now,
            run: &self.name,
            cause: self.cause,
            class,
            then: name(then),
            contents: count,
            bytes,
            numbers: ranges(numbers),
            engine: ENGINE,
        });
        Ok((vec![record.to_json()?], count, bytes))
    }

    pub(super) fn count(&mut self, class: &str, then: Then, contents: u64, bytes: u64) {
        if contents > 0 {
            let sum = self.removed.entry((class.to_owned(), name(then))).or_default();
            *sum = (sum.0 + contents, sum.1 + bytes);
        }
    }
}

impl Retention {
    /// Removes what is due, contents and, where a class is about them, the oldest records, in transactions of a few milliseconds. Other programs may write meanwhile. One that is stopped is gone
    /// on with by the next: what it has done is done and recorded.
    ///
    /// # Errors
    /// When the log can't be read or written. What was removed until then is recorded.
    pub fn apply(&mut self, now: Timestamp) -> Result<Run, RetentionError> {
        let mut removal = Removal::new("retention", now)?;
        let mut stayed = BTreeMap::new();
        let groups = self.ledger.read(|rows| Ok(rows.groups()?))?;
        for group in &groups {
            self.apply_to((&group.0, &group.1), &mut removal, &mut stayed)?;
        }
        let keys = self.destroy_idle_keys(now)?;
        let (gone, kept) = self.remove_records(&mut removal)?;
        let clean = self.ledger.clean()? && keys.1;
        let removed: Vec<Removed> = removal.removed().into_iter().chain(gone).collect();
        let stayed: Vec<Stayed> = stayed.into_values().chain(kept).collect();
        let record = RunRecord {
            at: now,
            run: &removal.name,
            by: &self.by,
            removed: &removed,
            stayed: &stayed,
            keys: keys.0,
            clean,
            bundle: self.engine.bundle_digest(),
            engine: ENGINE,
        };
        let body = Record::RetentionRun(record).to_json().map_err(LogError::from)?;
        self.ledger.write(&mut |_, _| Ok(vec![body.clone()]))?;
        self.ledger.sign()?;
        let Removal { name, longest, batches, .. } = removal;
        let records = self.engine.retention().iter().find(|class| class.of_records);
        let records = records.map(|class| class.name.clone());
        Ok(Run { name, removed, records, stayed, keys: keys.0, clean, longest, batches })
    }

    fn apply_to(
        &mut self,
        group: (&str, &str),
        removal: &mut Removal,
        stayed: &mut BTreeMap<(String, String), Stayed>,
    ) -> Result<(), RetentionError> {
        let period = Period::of(&self.engine, group.0, group.1);
        let now = removal.now;
        let mut after = (i64::MIN, 0);
        loop {
            let size = removal.size();
            let mut batch: Vec<Kept> = Vec::with_capacity(size);
            let (held, place) = self.ledger.read(|rows| {
                let holds = Holds::read(rows, now)?;
                let (mut times, mut place, mut held, mut failed) = (Times::default(), None, Vec::new(), None);
                batch.clear();
                rows.of_group(group, period.cutoff(now), after, &mut |kept| {
                    place = Some((kept.at, kept.index));
                    match period.due(&kept, &mut times, rows) {
                        Ok(due) if due > now.as_microsecond() => {}
                        Ok(_) => match holds.on(&kept) {
                            Some(hold) => held.push((hold.clone(), kept.bytes)),
                            None => batch.push(kept),
                        },
                        Err(error) => failed = Some(error),
                    }
                    // What stays is passed over in bounded steps too.
                    let full = batch.len() >= size || held.len() >= MOST || failed.is_some();
                    if full { Visit::Stop } else { Visit::More }
                })?;
                failed.map_or(Ok((held, place)), |error| Err(error.into()))
            })?;
            for (hold, bytes) in held {
                super::hold::stays(stayed, group.0, &hold, bytes);
            }
            let Some(place) = place else { return Ok(()) };
            after = place;
            if batch.is_empty() {
                continue;
            }
            let (mut contents, mut bytes) = (0, 0);
            let (mut began, mut worked) = (Instant::now(), Duration::ZERO);
            let period = &period;
            self.ledger.write(&mut |log, _| {
                began = Instant::now();
                // As things are now that nobody else writes.
                let (holds, mut times) = (Holds::read(&*log, now)?, Times::default());
                let mut stays = |log: &dyn Append, kept: &Kept| {
                    let active = period.from != From::Created
                        && period.due(kept, &mut times, log)? > now.as_microsecond();
                    Ok(active || holds.on(kept).is_some())
                };
                let records;
                (records, contents, bytes) = removal.batch(log, &batch, period.then, &mut stays)?;
                worked = began.elapsed();
                Ok(records)
            })?;
            removal.count(group.0, period.then, contents, bytes);
            removal.pace(worked, began.elapsed());
        }
    }

    /// Destroys data keys under which nothing is kept and nothing will be: with them every copy of what was goes.
    pub(super) fn destroy_idle_keys(&mut self, now: Timestamp) -> Result<(u64, bool), RetentionError> {
        let Some(vault) = self.ledger.vault() else { return Ok((0, true)) };
        let now = now.as_microsecond();
        let all = vault.keys()?;
        let over = all.iter().filter(|key| key.of.until <= now && key.made.saturating_add(IN_USE) <= now);
        let over: Vec<KeyId> = over.map(|key| key.id).collect();
        let idle = self.ledger.read(|rows| {
            let mut idle = Vec::new();
            for id in &over {
                if !rows.is_used(id)? {
                    idle.push(*id);
                }
            }
            Ok(idle)
        })?;
        if idle.is_empty() {
            return Ok((0, true));
        }
        Ok(self.vault()?.destroy(&idle)?)
    }
}
