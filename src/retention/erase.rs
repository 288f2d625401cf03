//! Erasing what is kept of one user, but what somebody has to keep.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::apply::Removal;
use super::hold::{count, stays};
use super::period::{Holds, Period, Times};
use super::receipt::Receipt;
use super::{Retention, RetentionError};
use crate::audit::{ENGINE, ErasureRecord, LogError, Record, SigningKey, Stayed};
use crate::rule::Then;
use crate::store::{Held, Kept, KeyId, Read, StoreError, Visit};

impl Retention {
    /// Erases the contents of a user, in every class, but what a hold or the `minimum` of a class keeps; destroys the data keys that
    /// they were encrypted under, so that no copy of the log can be read either; and says what went and what stayed, signed by `key`.
    /// Records stay: they hold no content.
    ///
    /// # Errors
    /// Without the payload key, and when the log can't be read or written. What was removed until then is recorded; ask again for the
    /// rest.
    pub fn erase(&mut self, user: &str, now: Timestamp, key: &SigningKey) -> Result<Receipt, RetentionError> {
        self.vault()?;
        let mut removal = Removal::new("erasure", now)?;
        let on = Held::User(user.to_owned());
        for class in self.classes_of(&on)? {
            self.erase_class(&on, &class, &mut removal)?;
        }
        let mut stayed = BTreeMap::new();
        let (old, left) = self.what_stays(&on, now, &mut stayed)?;
        self.reseal(user, left)?;
        let (keys, no_keys_left) = self.vault()?.destroy(&old)?;
        let clean = self.ledger.clean()? && no_keys_left;
        let removed = removal.removed();
        let stayed: Vec<Stayed> = stayed.into_values().collect();
        let mut receipt = Receipt {
            log: self.origin().to_owned(),
            record: 0,
            at: now,
            run: removal.name.clone(),
            user: user.to_owned(),
            by: self.by.clone(),
            removed,
            stayed,
            keys,
            clean,
            note: String::new(),
        };
        let body = Record::Erasure(ErasureRecord {
            at: now,
            run: &receipt.run,
            user,
            by: &receipt.by,
            removed: &receipt.removed,
            stayed: &receipt.stayed,
            keys,
            engine: ENGINE,
        });
        let body = body.to_json().map_err(LogError::from)?;
        let mut index = 0;
        self.ledger.write(&mut |_, size| {
            index = size;
            Ok(vec![body.clone()])
        })?;
        self.ledger.sign()?;
        receipt.record = index;
        receipt.sign(key)?;
        Ok(receipt)
    }

    /// Classes and tenants of which a user has contents.
    fn classes_of(&mut self, on: &Held) -> Result<Vec<(String, String)>, RetentionError> {
        Ok(self.ledger.read(|rows| {
            let mut classes = BTreeMap::new();
            rows.of(on, 0, &mut |kept| {
                classes.insert((kept.class, kept.tenant), ());
                Visit::More
            })?;
            Ok(classes.into_keys().collect())
        })?)
    }

    fn erase_class(
        &mut self,
        on: &Held,
        (class, tenant): &(String, String),
        removal: &mut Removal,
    ) -> Result<(), RetentionError> {
        let period = Period::of(&self.engine, class, tenant);
        let now = removal.now;
        let mut from = 0;
        loop {
            let size = removal.size();
            let batch: Vec<Kept> = self.ledger.read(|rows| {
                let mut batch = Vec::with_capacity(size);
                rows.of(on, from, &mut |kept| {
                    if kept.class == *class && kept.tenant == *tenant {
                        batch.push(kept);
                    }
                    if batch.len() >= size { Visit::Stop } else { Visit::More }
                })?;
                Ok(batch)
            })?;
            let Some(last) = batch.last() else { return Ok(()) };
            from = last.index + 1;
            let (mut contents, mut bytes) = (0, 0);
            let (mut began, mut worked) = (Instant::now(), Duration::ZERO);
            self.ledger.write(&mut |log, _| {
                began = Instant::now();
                let (holds, mut times) = (Holds::read(&*log, now)?, Times::default());
                let mut stays = |log: &dyn crate::store::Append, kept: &Kept| {
                    Ok(holds.on(kept).is_some()
                        || period.bound(kept, &mut times, log)? > now.as_microsecond())
                };
                let records;
                (records, contents, bytes) = removal.batch(log, &batch, Then::Erase, &mut stays)?;
                worked = began.elapsed();
                Ok(records)
            })?;
            removal.count(class, Then::Erase, contents, bytes);
            removal.pace(worked, began.elapsed());
        }
    }

    /// The user's data keys, and what is still kept under them, with why.
    fn what_stays(
        &mut self,
        on: &Held,
        now: Timestamp,
        stayed: &mut BTreeMap<(String, String), Stayed>,
    ) -> Result<(Vec<KeyId>, Vec<Kept>), RetentionError> {
        let all = self.vault()?.keys()?;
        let old = all.into_iter().filter(|key| key.of.subject == on.id()).map(|key| key.id).collect();
        let engine = self.engine.clone();
        let left = self.ledger.read(|rows| {
            let holds = Holds::read(rows, now)?;
            let (mut times, mut left, mut failed) = (Times::default(), Vec::new(), None);
            rows.of(on, 0, &mut |kept| {
                match why(&engine, &holds, &kept, &mut times, rows, stayed) {
                    Ok(()) => left.push(kept),
                    Err(error) => failed = Some(error),
                }
                if failed.is_some() { Visit::Stop } else { Visit::More }
            })?;
            failed.map_or(Ok(left), |error: StoreError| Err(error.into()))
        })?;
        Ok((old, left))
    }

    /// Encrypts what stays under new keys, so that the old ones can be destroyed.
    fn reseal(&mut self, user: &str, left: Vec<Kept>) -> Result<(), RetentionError> {
        let mut fresh: BTreeMap<(String, String), KeyId> = BTreeMap::new();
        for batch in left.chunks(64) {
            let mut anew = Vec::with_capacity(batch.len());
            for kept in batch {
                let of = (kept.tenant.clone(), kept.class.clone());
                let key = match fresh.get(&of) {
                    Some(key) => *key,
                    None => {
                        let (tenant, class) = of.clone();
                        let key = self.vault()?.fresh(user, &tenant, &class)?;
                        fresh.insert(of, key);
                        key
                    }
                };
                let index = kept.index;
                let found = self
                    .ledger
                    .read(|rows| Ok(rows.sealed(index)?.zip(crate::audit::commitment(rows, index)?)))?;
                let Some((sealed, commitment)) = found else { continue };
                match self.vault()?.reseal(index, &kept.key, &sealed, &commitment, &key) {
                    Ok(sealed) => anew.push((index, key, sealed)),
                    // What nobody could read any more before stays as it is.
                    Err(crate::audit::VaultError::Destroyed { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.ledger.write(&mut |log, _| {
                for (index, key, sealed) in &anew {
                    log.reseal(*index, key, sealed)?;
                }
                Ok(Vec::new())
            })?;
        }
        Ok(())
    }
}

/// Counts why a content stays.
fn why(
    engine: &crate::engine::Engine,
    holds: &Holds,
    kept: &Kept,
    times: &mut Times,
    rows: &dyn Read,
    stayed: &mut BTreeMap<(String, String), Stayed>,
) -> Result<(), StoreError> {
    if let Some(hold) = holds.on(kept) {
        stays(stayed, &kept.class, hold, kept.bytes);
        return Ok(());
    }
    let period = Period::of(engine, &kept.class, &kept.tenant);
    let until = Timestamp::from_microsecond(period.bound(kept, times, rows)?).ok();
    let (why, until) = match (&period.duty, period.minimum) {
        (Some(duty), 1..) => (format!("duty: {duty}"), until),
        (None, 1..) => (format!("class {} keeps it for {} s at least", kept.class, period.minimum), until),
        (_, 0) => ("written while it was erased; ask again".to_owned(), None),
    };
    count(stayed, &kept.class, why, until, kept.bytes);
    Ok(())
}
