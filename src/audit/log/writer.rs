//! One transaction after the other: what others have added, records, a checkpoint where one is due.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::checkpoint::Checkpoint;
use super::super::content::Sealed;
use super::super::entry::{self, Prepared};
use super::super::key::SigningKey;
use super::super::tree::{Node, Tree};
use super::handover::{Flush, Shared, Slot, Task, lock};
use super::outside::Outside;
use super::stored::Stored;
use super::{LogError, LogOptions};
use crate::store::{Append, Hash, Row, Store, StoreError};

/// Most records of one transaction.
const MAX_BATCH: usize = 1024;

/// What belongs into a transaction beside its records.
pub(in crate::audit) type Work<'a> = dyn FnMut(&mut dyn Append, u64) -> Result<Vec<String>, LogError> + 'a;

pub(in crate::audit) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(in crate::audit) store: Box<dyn Store>,
    pub(in crate::audit) origin: String,
    tree: Tree,
    /// Hash of the last record.
    last: Hash,
    pub(in crate::audit) key: Option<SigningKey>,
    outside: Option<Outside>,
    every: u64,
    after: Duration,
    /// Records that a checkpoint covers.
    signed: u64,
    unsigned_since: Option<Instant>,
}

impl Writer {
    pub(in crate::audit) fn new(mut store: Box<dyn Store>, options: LogOptions) -> Result<Self, LogError> {
        let origin = store.origin().to_owned();
        let outside = options.outside.map(|path| Outside::open(path, &origin)).transpose()?;
        let known = outside.as_ref().and_then(|outside| outside.latest.clone());
        let (tree, signed, last) = load(store.as_mut(), known)?;
        entry::index(store.as_mut())?;
        Ok(Self {
            shared: Arc::default(),
            store,
            origin,
            tree,
            last,
            key: options.key,
            outside,
            every: options.every,
            after: options.after,
            signed,
            unsigned_since: None,
        })
    }

    pub(super) fn run(&mut self) {
        loop {
            let Task { jobs, flushes, closing } = self.next();
            let mut records: Vec<Prepared> = Vec::with_capacity(jobs.len());
            let mut answers: Vec<Option<Arc<Slot>>> = Vec::with_capacity(jobs.len());
            let mut contents: Vec<(usize, Sealed)> = Vec::new();
            for job in jobs {
                contents.extend(job.sealed.map(|sealed| (records.len(), sealed)));
                records.push(job.record);
                answers.push(job.answer);
            }
            let sign = flushes.iter().any(|flush| flush.sign) || self.is_late();
            let count = records.len() as u64;
            let idle = records.is_empty() && !sign;
            let mut keep = |log: &mut dyn Append, size: u64| {
                for (at, sealed) in &contents {
                    log.keep(&sealed.kept_at(size + *at as u64), &sealed.bytes)?;
                }
                Ok(Vec::new())
            };
            let done = if idle {
                Ok(self.tree.size())
            } else {
                self.commit_with(records, sign, &mut keep).map_err(Arc::new)
            };
            if done.is_err() && self.unsigned_since.is_some() {
                // What could not be signed now is tried again in as long, not at once.
                self.unsigned_since = Some(Instant::now());
            }
            let mut untold = None;
            let first = done.as_ref().map_or(0, |size| size - count);
            for (at, answer) in answers.into_iter().enumerate() {
                match (answer, &done) {
                    (Some(slot), Ok(_)) => slot.fill(Ok(first + at as u64)),
                    (Some(slot), Err(error)) => slot.fill(Err(Arc::clone(error))),
                    (None, Err(error)) => untold = Some(Arc::clone(error)),
                    (None, Ok(_)) => {}
                }
            }
            let mut queue = lock(&self.shared.queue);
            if untold.is_some() {
                queue.failed = untold;
            }
            if !flushes.is_empty() {
                // Told now, and not again.
                let failed = queue.failed.take();
                for Flush { slot, .. } in flushes {
                    slot.fill(match (&done, &failed) {
                        (Err(error), _) | (Ok(_), Some(error)) => Err(Arc::clone(error)),
                        (Ok(size), None) => Ok(*size),
                    });
                }
            }
            if closing {
                queue.closed = true;
                self.shared.room.notify_all();
                return;
            }
        }
    }

    /// What is to be done next, once there is something.
    fn next(&self) -> Task {
        let mut queue = lock(&self.shared.queue);
        while queue.jobs.is_empty() && queue.flushes.is_empty() && !queue.closing && !self.is_late() {
            let due = self.unsigned_since.map(|since| self.after.saturating_sub(since.elapsed()));
            queue = match due.filter(|_| self.key.is_some()) {
                Some(due) => {
                    let due = due.max(Duration::from_millis(1));
                    self.shared.work.wait_timeout(queue, due).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let rest = if queue.jobs.len() > MAX_BATCH { queue.jobs.split_off(MAX_BATCH) } else { Vec::new() };
        let jobs = std::mem::replace(&mut queue.jobs, rest);
        let all = queue.jobs.is_empty();
        let flushes = if all { std::mem::take(&mut queue.flushes) } else { Vec::new() };
        let closing = queue.closing && all;
        drop(queue);
        self.shared.room.notify_all();
        Task { jobs, flushes, closing }
    }

    /// Whether records have been without a checkpoint for too long.
    fn is_late(&self) -> bool {
        self.key.is_some() && self.unsigned_since.is_some_and(|since| since.elapsed() >= self.after)
    }

    /// Writes a record, and a checkpoint where one is due; the size of the log then.
    pub(super) fn commit(&mut self, body: Option<String>, sign: bool) -> Result<u64, LogError> {
        self.commit_with(body.map(Prepared::new).into_iter().collect(), sign, &mut |_, _| Ok(Vec::new()))
    }

    /// The same, with what else belongs into the transaction. That is told how many records there are before it, and gives more of them.
    pub(in crate::audit) fn commit_with(
        &mut self,
        mut records: Vec<Prepared>,
        sign: bool,
        work: &mut Work<'_>,
    ) -> Result<u64, LogError> {
        if let Some(outside) = &mut self.outside {
            outside.pay()?;
        }
        // What fails is undone in the store, and here by not being taken over.
        let (mut tree, mut last) = (self.tree.clone(), self.last);
        let (mut failed, mut note) = (None, None);
        let (origin, key, signed, every) = (&self.origin, self.key.as_ref(), self.signed, self.every);
        let done = self.store.append(&mut |log| {
            let mut run = || -> Result<(), LogError> {
                catch_up(log, &mut tree, &mut last)?;
                let more = work(log, tree.size())?;
                for mut record in records.drain(..).chain(more.into_iter().map(Prepared::new)) {
                    last = add(log, &mut tree, origin, &last, &mut record)?;
                }
                let size = tree.size();
                if let Some(key) = key
                    && size > signed
                    && (sign || size - signed >= every)
                {
                    let checkpoint = Checkpoint::sign(key, origin, size, &tree.root());
                    log.checkpoint(size, Timestamp::now().as_microsecond(), checkpoint.note())?;
                    note = Some(checkpoint.note().to_owned());
                }
                Ok(())
            };
            run().map_err(|error| match error {
                LogError::Store(error) => error,
                other => {
                    let text = other.to_string();
                    failed = Some(other);
                    StoreError::Caller(text.into())
                }
            })
        });
        match (done, failed) {
            (_, Some(error)) => return Err(error),
            (Err(error), None) => return Err(error.into()),
            (Ok(()), None) => {}
        }
        (self.tree, self.last) = (tree, last);
        if let Some(note) = note {
            (self.signed, self.unsigned_since) = (self.tree.size(), None);
            if let Some(outside) = &mut self.outside {
                outside.owed = Some(note);
                // Where this fails the records are written all the same, and the next write begins with it; who asked for a
                // checkpoint is told.
                let paid = outside.pay();
                if sign {
                    paid?;
                }
            }
        } else if self.tree.size() > self.signed {
            self.unsigned_since.get_or_insert_with(Instant::now);
        }
        Ok(self.tree.size())
    }
}

/// The tree as it lies in the store, how much of it is signed, and the last record's hash. What was signed has to be there still.
fn load(store: &mut dyn Store, outside: Option<Checkpoint>) -> Result<(Tree, u64, Hash), LogError> {
    let origin = store.origin().to_owned();
    let (mut tree, mut last, mut unlike, mut signed) = (Tree::default(), entry::genesis(&origin), None, 0);
    store.read(&mut |rows| {
        let size = rows.size()?;
        tree = Tree::load(&Stored(rows), size)?;
        if let Some(index) = size.checked_sub(1) {
            let row = rows.row(index)?;
            last =
                row.ok_or_else(|| StoreError::Damaged { what: format!("record {index} is missing") })?.hash;
        }
        let inside = rows.latest_checkpoint()?.and_then(|note| Checkpoint::parse(&note).ok());
        for checkpoint in inside.iter().chain(&outside) {
            let fits = checkpoint.size <= size
                && Tree::load(&Stored(rows), checkpoint.size)?.root() == checkpoint.root;
            if !fits {
                unlike = Some(checkpoint.size);
            }
            signed = signed.max(checkpoint.size);
        }
        Ok(())
    })?;
    match unlike {
        Some(size) => Err(LogError::Unlike { size }),
        None => Ok((tree, signed, last)),
    }
}

/// Takes over what other processes have added. What was there before has to be there still.
fn catch_up(log: &dyn Append, tree: &mut Tree, last: &mut Hash) -> Result<(), LogError> {
    let (known, size) = (tree.size(), log.size()?);
    let from = known.saturating_sub(1);
    if size == known && known > 0 && log.hashes(from, size)?.last() == Some(last) {
        return Ok(());
    }
    if size < known {
        return Err(LogError::Rewritten { size: known });
    }
    if from < log.start()? {
        // What this program has seen last was removed meanwhile, after a whole period of retention without a record of its own. What
        // came of it can't be told here.
        return Err(LogError::Outrun);
    }
    for at in (from..size).step_by(MAX_BATCH) {
        let to = size.min(at + MAX_BATCH as u64);
        let hashes = log.hashes(at, to)?;
        if hashes.len() as u64 != to - at {
            return Err(StoreError::Damaged { what: format!("a record from {at} to {to} is missing") }.into());
        }
        for (index, hash) in (at..).zip(hashes) {
            if index < known {
                if hash != *last {
                    return Err(LogError::Rewritten { size: known });
                }
            } else {
                // Whoever added it has stored the tree's nodes.
                tree.push(hash, |_| {});
                *last = hash;
            }
        }
    }
    Ok(())
}

/// Adds one record; its hash.
fn add(
    log: &mut dyn Append,
    tree: &mut Tree,
    origin: &str,
    previous: &Hash,
    record: &mut Prepared,
) -> Result<Hash, LogError> {
    let (index, at) = (tree.size(), record.at);
    let hash = entry::hash(origin, index, previous, &record.body);
    log.record(&Row { index, at, hash, body: std::mem::take(&mut record.body) })?;
    log.index(index, at, &record.labels())?;
    let mut nodes: Vec<Node> = Vec::new();
    tree.push(hash, |node| nodes.push(node));
    for node in nodes {
        log.node(node.level, node.index, &node.hash)?;
    }
    Ok(hash)
}
