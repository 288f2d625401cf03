//! A new bundle on trial: taken back where it refuses far more than the one before, as its manifest says.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

use jiff::{SignedDuration, Timestamp};

use super::reload::InForce;
use super::{Guard, Held, lock, write};
use crate::audit::{ENGINE, Record, ReturnRecord};
use crate::engine::ReturnWhen;

/// Bundles that were taken back and are remembered.
const MAX_RETURNS: usize = 64;
/// Events over which the share of refusals is kept: of more, older ones count ever less.
const WINDOW: u64 = 4096;

/// A bundle that was taken back, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// When.
    pub at: Timestamp,
    /// Digest of the bundle that was taken back.
    pub from: String,
    /// Digest of the bundle that decides again.
    pub to: String,
    /// Events that the first had decided.
    pub events: u64,
    /// How many of them it had refused.
    pub denied: u64,
    /// The latest events of the bundle before it.
    pub events_before: u64,
    /// How many of them that one had refused.
    pub denied_before: u64,
}

/// Bundles that were taken back, the latest last.
#[derive(Default)]
pub(super) struct Returns {
    latest: VecDeque<Return>,
    /// How many there were in all.
    pub(super) count: usize,
}

/// How many of the latest events were refused.
#[derive(Default)]
pub(super) struct Share(AtomicU64);

impl Share {
    fn parts(packed: u64) -> (u64, u64) {
        (packed >> 32, packed & u64::from(u32::MAX))
    }

    fn add(&self, denied: bool) {
        let add = |packed| {
            let (mut events, mut denials) = Self::parts(packed);
            if events >= WINDOW {
                (events, denials) = (events / 2, denials / 2);
            }
            Some((events + 1) << 32 | (denials + u64::from(denied)))
        };
        // It always gives a number.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Events, and how many of them were refused.
    fn read(&self) -> (u64, u64) {
        Self::parts(self.0.load(Ordering::Relaxed))
    }
}

/// A bundle that was put in the place of another one not long ago.
pub(super) struct Trial {
    when: ReturnWhen,
    new: Arc<InForce>,
    old: Arc<InForce>,
    /// Events, and refused ones, of the latest of the bundle before.
    before: (u64, u64),
    until: Timestamp,
    events: AtomicU64,
    denied: AtomicU64,
    /// Users of whom it has refused something, as far as they have to be told apart.
    users: Mutex<BTreeSet<u64>>,
}

impl Trial {
    /// The trial of a bundle, where its manifest wants one and there is something to compare it with: enough events of the bundle
    /// before it, or, where that one was on trial itself, of the one before that.
    pub(super) fn of(
        new: &Arc<InForce>,
        old: &Arc<InForce>,
        running: Option<&Trial>,
        now: Timestamp,
    ) -> Option<Self> {
        let when = new.engine.0.return_when?;
        let enough = |(events, _): &(u64, u64)| *events >= when.events;
        let before = Some(old.share.read()).filter(enough).or_else(|| {
            running.filter(|trial| Arc::ptr_eq(&trial.new, old)).map(|trial| trial.before).filter(enough)
        })?;
        let within = SignedDuration::from_secs(i64::try_from(when.seconds).ok()?);
        Some(Self {
            when,
            new: Arc::clone(new),
            old: Arc::clone(old),
            before,
            until: now.checked_add(within).ok()?,
            events: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            users: Mutex::default(),
        })
    }

    /// Counts an event; whether the bundle is to be taken back.
    fn add(&self, user: &str, is_denied: bool) -> bool {
        let events = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        if !is_denied {
            return false;
        }
        let denied = self.denied.fetch_add(1, Ordering::Relaxed) + 1;
        let users = {
            let mut users = lock(&self.users);
            if (users.len() as u64) < self.when.users {
                let mut hasher = DefaultHasher::new();
                user.hash(&mut hasher);
                users.insert(hasher.finish());
            }
            users.len() as u64
        };
        let (events_before, denied_before) = self.before;
        // denied/events - before > percent/100, in whole numbers: neither is beyond 2^53.
        let (events, denied) = (u128::from(events), u128::from(denied));
        let (events_before, denied_before) = (u128::from(events_before), u128::from(denied_before));
        events >= u128::from(self.when.events)
            && users >= self.when.users
            && denied * 100 * events_before
                > (denied_before * 100 + u128::from(self.when.percent) * events_before) * events
    }
}

impl Returns {
    /// The return of a bundle, where it is remembered.
    pub(super) fn of(&self, digest: &str) -> Option<&Return> {
        self.latest.iter().rev().find(|one| one.from == digest)
    }

    /// Those after the first `seen`.
    pub(super) fn after(&self, seen: usize) -> Vec<Return> {
        let new = self.count.saturating_sub(seen).min(self.latest.len());
        self.latest.iter().skip(self.latest.len() - new).cloned().collect()
    }

    fn add(&mut self, one: Return) {
        if self.latest.len() >= MAX_RETURNS {
            self.latest.pop_front();
        }
        self.latest.push_back(one);
        self.count += 1;
    }
}

impl Guard {
    /// Bundles that were taken back since the guard was made, the latest last and 64 of them at most: see `reload: return_when` of
    /// the manifest.
    #[must_use]
    pub fn returns(&self) -> Vec<Return> {
        lock(&self.returns).after(0)
    }

    /// Counts an event that was decided, and takes the bundle back where that is too much.
    pub(super) fn count(&self, held: &Held, user: &str, denied: bool) {
        held.share.add(denied);
        let trial = self.trial.load();
        let Some(trial) = trial.as_ref().filter(|trial| Arc::ptr_eq(&trial.new, held)) else { return };
        if self.stamp() >= trial.until {
            // Another one may have begun meanwhile.
            let over = Arc::clone(trial);
            self.trial.rcu(|now| now.clone().filter(|now| !Arc::ptr_eq(now, &over)));
        } else if trial.add(user, denied) {
            self.take_back(trial);
        }
    }

    fn take_back(&self, trial: &Arc<Trial>) {
        // Nobody waits: whoever reloads puts another bundle into force.
        let _one = match self.reloading.try_lock() {
            Ok(one) => one,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if !self.trial.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, trial)) {
            return;
        }
        let (from, to) = (trial.new.engine.bundle_digest(), trial.old.engine.bundle_digest());
        let (events_before, denied_before) = trial.before;
        let one = Return {
            at: self.stamp(),
            from: from.to_owned(),
            to: to.to_owned(),
            events: trial.events.load(Ordering::Relaxed),
            denied: trial.denied.load(Ordering::Relaxed),
            events_before,
            denied_before,
        };
        if let Some(sink) = &self.sink {
            let Return { at, events, denied, .. } = one;
            let percent = trial.when.percent;
            let record = ReturnRecord {
                at,
                from,
                to,
                events,
                denied,
                events_before,
                denied_before,
                percent,
                engine: ENGINE,
            };
            // The record comes first. One that can't be written has refused events already, and is tried again with the next.
            if write(sink.as_ref(), &Record::BundleReturned(record)).is_err() {
                return;
            }
        }
        self.in_force.store(Arc::clone(&trial.old));
        self.trial.store(None);
        // Last, so that nothing begins under a bundle whose return is told.
        lock(&self.returns).add(one);
    }
}
