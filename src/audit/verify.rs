//! Recomputes a log: every hash, the chain, the tree, the checkpoints, and the index by which records are looked up.

mod index;

use std::collections::HashMap;
use std::sync::mpsc::sync_channel;

use self::index::{Indexed, Records};
use super::checkpoint::Checkpoint;
use super::cut::Beginning;
use super::entry;
use super::key::PublicKey;
use super::tree::{Node, Tree};
use crate::store::index::SEGMENT;
use crate::store::{Hash, Read, Row, StoreError, Visit};

/// Problems of one kind that are listed.
const LISTED: usize = 20;

/// What a log is verified against.
#[derive(Debug, Clone, Default)]
pub struct Verify {
    /// Checkpoints that were kept outside the database.
    pub checkpoints: Vec<Checkpoint>,
    /// Keys of which one has to have signed every checkpoint. Without any, signatures are not checked.
    pub keys: Vec<PublicKey>,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Problem {
    /// A record is not what was written.
    Altered {
        /// Its number.
        index: u64,
    },
    /// Records are not there, and later ones are.
    Removed {
        /// The first of them.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// The log ends before what a checkpoint covers.
    Truncated {
        /// How many records there are.
        size: u64,
        /// How many the checkpoint covers.
        signed: u64,
        /// Whether the checkpoint came from outside the database.
        outside: bool,
    },
    /// The records fit each other, but not a checkpoint: they were written anew, with all their hashes.
    Rewritten {
        /// The first record that can be another one: those before fit an earlier checkpoint.
        from: u64,
        /// How many records the checkpoint covers.
        size: u64,
        /// Whether the checkpoint came from outside the database.
        outside: bool,
    },
    /// The log says that its oldest records were removed, and none of the given keys has signed that, or it does not fit the log.
    Cut,
    /// A checkpoint is of another log.
    OtherLog {
        /// The log that it is of.
        origin: String,
    },
    /// A checkpoint is signed by none of the given keys.
    Signature {
        /// How many records it covers.
        size: u64,
        /// Whether it came from outside the database.
        outside: bool,
    },
    /// A text in the place of a checkpoint is none.
    NoCheckpoint {
        /// Which of those in the database, from 0.
        number: usize,
    },
    /// A hash of the tree that is stored is not that of its records.
    Tree {
        /// The first record that it covers.
        from: u64,
        /// The first record behind.
        to: u64,
    },
    /// What a record is looked up by is not what it says.
    Index {
        /// What differs.
        what: &'static str,
    },
}

/// What verifying has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// Records before the first that retention has removed, as a signed statement in the log says.
    pub removed: u64,
    /// Records that were read.
    pub records: u64,
    /// Records that a checkpoint covers which fits, and is signed by a given key where one was given.
    pub signed: u64,
    /// Of these, those that a checkpoint from outside the database covers.
    pub signed_outside: u64,
    /// Checkpoints in the database.
    pub checkpoints: usize,
    /// Hash of the last record, by which the next would be chained.
    pub last: Hash,
    /// What is wrong, in the order of records; empty where nothing is.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether everything fits.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A checkpoint and where it came from.
struct Claim {
    checkpoint: Checkpoint,
    outside: bool,
    /// Whether a given key has signed it, or none was given.
    trusted: bool,
}

impl Verify {
    pub(super) fn run(
        &self,
        rows: &dyn Read,
        origin: &str,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Report, StoreError> {
        let mut problems = Vec::new();
        let notes = rows.checkpoints()?;
        let beginning = Beginning::of(rows, origin, &self.keys)?.unwrap_or_else(|| {
            problems.push(Problem::Cut);
            Beginning::genesis(origin)
        });
        let start = beginning.start;
        let claims = self.claims(&notes, origin, start, &mut problems);
        let names = rows.names()?;
        let (to, segments) = sync_channel::<Records>(4);
        let (walk, index) = std::thread::scope(|scope| -> Result<_, StoreError> {
            let names = &names;
            let indexed = scope.spawn(move || Indexed::of(names, &segments));
            let mut walk = Walk::new(origin, &claims, beginning);
            let mut records = Records::default();
            let mut failed = None;
            rows.rows(0, &mut |row| {
                walk.record(&row);
                let number = row.index / SEGMENT;
                if number != records.number && !records.rows.is_empty() {
                    progress(walk.read);
                    let done = std::mem::take(&mut records).with_stored(rows);
                    match done.map(|done| to.send(done)) {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return Visit::Stop,
                        Err(error) => {
                            failed = Some(error);
                            return Visit::Stop;
                        }
                    }
                }
                records.number = number;
                records.rows.push(row);
                Visit::More
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
            if !records.rows.is_empty() {
                let _ = to.send(records.with_stored(rows)?);
            }
            drop(to);
            Ok((walk, indexed.join().unwrap_or_default()))
        })?;
        walk.nodes(rows, &mut problems)?;
        index.compare(rows, &names, walk.next, &mut problems)?;
        let (signed, signed_outside) = walk.claims(&mut problems);
        let size = walk.next;
        let (read, last) = (walk.read, walk.last);
        problems.extend(walk.problems);
        problems.sort_by_key(|problem| (place(problem, size), problem.clone()));
        problems.dedup();
        Ok(Report {
            origin: origin.to_owned(),
            removed: start,
            records: read,
            signed: signed.saturating_sub(start),
            signed_outside: signed_outside.saturating_sub(start),
            checkpoints: notes.len(),
            last,
            problems,
        })
    }

    /// Checkpoints of the database and those given, the smaller first.
    fn claims(&self, notes: &[String], origin: &str, start: u64, problems: &mut Vec<Problem>) -> Vec<Claim> {
        let mut claims = Vec::new();
        let mut add = |checkpoint: Checkpoint, outside, problems: &mut Vec<Problem>| {
            if checkpoint.origin != origin {
                problems.push(Problem::OtherLog { origin: checkpoint.origin });
                return;
            }
            let trusted = self.keys.is_empty() || checkpoint.is_signed_by(&self.keys);
            // One says what has happened; there may be thousands.
            let told = |known: &Problem| matches!(known, Problem::Signature { outside: from, .. } if *from == outside);
            if !trusted && !problems.iter().any(told) {
                problems.push(Problem::Signature { size: checkpoint.size, outside });
            }
            // What was removed can't be compared any more: what was signed when it was takes its place.
            if checkpoint.size >= start {
                claims.push(Claim { checkpoint, outside, trusted });
            }
        };
        for (number, note) in notes.iter().enumerate() {
            match Checkpoint::parse(note) {
                Ok(checkpoint) => add(checkpoint, false, problems),
                Err(_) => problems.push(Problem::NoCheckpoint { number }),
            }
        }
        for checkpoint in &self.checkpoints {
            add(checkpoint.clone(), true, problems);
        }
        claims.sort_by_key(|claim| claim.checkpoint.size);
        claims
    }
}

/// Where in the log a problem begins.
fn place(problem: &Problem, size: u64) -> u64 {
    match problem {
        Problem::Altered { index } => *index,
        Problem::Removed { from, .. } | Problem::Rewritten { from, .. } | Problem::Tree { from, .. } => *from,
        Problem::Truncated { .. } | Problem::Signature { .. } | Problem::NoCheckpoint { .. } => size,
        Problem::OtherLog { .. } | Problem::Cut => 0,
        Problem::Index { .. } => size + 1,
    }
}

/// One walk over the records.
struct Walk<'a> {
    origin: &'a str,
    claims: &'a [Claim],
    /// The first claim whose size is not reached yet.
    claim: usize,
    /// Whether each claim that was reached fits.
    fits: Vec<bool>,
    tree: Tree,
    nodes: Vec<Node>,
    last: Hash,
    /// The number that the next record should have.
    next: u64,
    read: u64,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn new(origin: &'a str, claims: &'a [Claim], beginning: Beginning) -> Self {
        let mut walk = Self {
            origin,
            claims,
            claim: 0,
            fits: Vec::new(),
            tree: beginning.tree,
            nodes: Vec::new(),
            last: beginning.last,
            next: beginning.start,
            read: 0,
            problems: Vec::new(),
        };
        walk.reach();
        walk
    }

    fn record(&mut self, row: &Row) {
        if row.index != self.next {
            self.add(Problem::Removed { from: self.next, to: row.index });
            // The tree goes on at the right place, with hashes that nothing can be the hash of.
            let missing = (row.index - self.next).min(SEGMENT);
            for _ in 0..missing {
                self.push([0; 32]);
            }
            self.next = row.index;
            // What stood before can't be known, so that this record's own hash is taken.
            self.last = row.hash;
        } else {
            let hash = entry::hash(self.origin, row.index, &self.last, &row.body);
            if hash != row.hash {
                self.add(Problem::Altered { index: row.index });
            }
            // As stored, so that one bad record does not make all after it look bad.
            self.last = row.hash;
        }
        self.read += 1;
        self.next = row.index + 1;
        self.push(row.hash);
    }

    fn push(&mut self, hash: Hash) {
        let nodes = &mut self.nodes;
        self.tree.push(hash, |node| nodes.push(node));
        self.reach();
    }

    fn add(&mut self, problem: Problem) {
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        }
    }

    /// Compares the tree with the claims about just as many records.
    fn reach(&mut self) {
        while let Some(claim) = self.claims.get(self.claim)
            && claim.checkpoint.size <= self.tree.size()
        {
            self.fits
                .push(claim.checkpoint.size == self.tree.size() && claim.checkpoint.root == self.tree.root());
            self.claim += 1;
        }
    }

    /// Compares stored hashes of subtrees.
    fn nodes(&self, rows: &dyn Read, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
        let mut levels: HashMap<u32, Vec<Hash>> = HashMap::new();
        for node in &self.nodes {
            let stored = match levels.entry(node.level) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let all = rows.nodes(node.level, 0, self.tree.size() >> node.level)?;
                    entry.insert(all)
                }
            };
            let at = usize::try_from(node.index).unwrap_or(usize::MAX);
            // After a bad record the rest follows; a bad record is what is told.
            if stored.get(at) != Some(&node.hash) && self.problems.is_empty() {
                let (from, to) = (node.index << node.level, (node.index + 1) << node.level);
                problems.push(Problem::Tree { from, to });
                break;
            }
        }
        Ok(())
    }

    /// What the checkpoints say of the records; how many records are covered by any, and by one from outside.
    fn claims(&self, problems: &mut Vec<Problem>) -> (u64, u64) {
        let (mut signed, mut outside, mut from) = (0, 0, 0);
        for (number, claim) in self.claims.iter().enumerate() {
            let size = claim.checkpoint.size;
            match self.fits.get(number) {
                Some(true) if claim.trusted => {
                    (signed, from) = (signed.max(size), from.max(size));
                    outside = if claim.outside { outside.max(size) } else { outside };
                }
                Some(true) => {}
                // Where a record is bad, or missing, the root differs for that reason.
                Some(false) if self.problems.iter().any(|bad| place(bad, 0) < size) => {}
                Some(false) => {
                    problems.push(Problem::Rewritten { from, size, outside: claim.outside });
                    break;
                }
                None => {
                    let outside = claim.outside;
                    problems.push(Problem::Truncated { size: self.next, signed: size, outside });
                }
            }
        }
        // Of several, the one that misses most says it all.
        let most = problems.iter().filter_map(|problem| match problem {
            Problem::Truncated { signed, .. } => Some(*signed),
            _ => None,
        });
        if let Some(most) = most.max() {
            problems
                .retain(|problem| !matches!(problem, Problem::Truncated { signed, .. } if *signed < most));
        }
        (signed, outside)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let which =
            |outside: &bool| if *outside { "the given checkpoint" } else { "the checkpoint in the database" };
        match self {
            Problem::Altered { index } => write!(f, "altered: record {index} is not what was written"),
            Problem::Removed { from, to } if *to == from + 1 => {
                write!(f, "removed: record {from} is missing, and later ones are there")
            }
            Problem::Removed { from, to } => {
                write!(f, "removed: records {from} to {} are missing, and later ones are there", to - 1)
            }
            Problem::Truncated { size, signed, outside } => write!(
                f,
                "truncated: the log ends after {size} records, and {} covers {signed}: records from {size} on are missing",
                which(outside)
            ),
            Problem::Rewritten { from, size, outside } => write!(
                f,
                "rewritten: the records fit each other but not {} of the first {size}: the first bad record is {from} or one after it",
                which(outside)
            ),
            Problem::Cut => write!(
                f,
                "removed: the first records, and what states that retention has removed them is signed by none of the given keys, or does not fit"
            ),
            Problem::OtherLog { origin } => {
                write!(
                    f,
                    "another log: a checkpoint is of `{origin}`: another database stands in the place of that log"
                )
            }
            Problem::Signature { size, outside } => write!(
                f,
                "unsigned: {} of the first {size} records is signed by none of the given keys: the key was replaced, or the checkpoint forged",
                which(outside)
            ),
            Problem::NoCheckpoint { number } => {
                write!(f, "altered: checkpoint {number} in the database is none")
            }
            Problem::Tree { from, to } => {
                write!(f, "altered: the stored hash over records {from} to {} is not theirs", to - 1)
            }
            Problem::Index { what } => {
                write!(f, "index: {what} do not fit the records, so that `audit list` may miss some")
            }
        }
    }
}
