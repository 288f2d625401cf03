//! The audit log: records in a chain and a tree, checkpoints signed, in a store.
//!
//! One thread writes. What callers hand in while it commits becomes its next transaction, so that the cost of making records
//! durable is shared; each caller is answered once its own record is. Other processes may write to the same log meanwhile: every
//! transaction begins with what they have added.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::checkpoint::Checkpoint;
use super::content::{Content, Sealed};
use super::entry::{self, Summary};
use super::key::{KeyError, SigningKey};
use super::payload_key::PayloadKey;
use super::tree::{self, Node, Nodes, Tree};
use super::vault::{Vault, VaultError};
use super::{AuditError, AuditSink, Durability, Record};
use crate::store::{Access, Append, Hash, Read, Row, SqliteStore, Store, StoreError};

/// Most records of one transaction.
const MAX_BATCH: usize = 1024;
/// Bytes at the end of the file outside that are searched for the latest checkpoint.
const MAX_TAIL: u64 = 64 * 1024;
/// Most records that wait for one.
const MAX_WAITING: usize = 16 * 1024;

/// Why the log could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store's own reason.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key's own reason.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log is not what it was when it was last seen: somebody has removed or changed records.
    #[error(
        "the audit log no longer holds the {size} records that it held before; run: ringfence audit verify"
    )]
    Rewritten {
        /// How many it held.
        size: u64,
    },
    /// The log does not fit a checkpoint of it.
    #[error(
        "the audit log does not fit the checkpoint of its first {size} records; run: ringfence audit verify"
    )]
    Unlike {
        /// How many records the checkpoint covers.
        size: u64,
    },
    /// The file outside the database holds checkpoints of another log.
    #[error("`{}` holds checkpoints of another log, `{origin}`; name another file", path.display())]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// The other log.
        origin: String,
    },
    /// The latest checkpoint could not be written outside the database.
    #[error("can't write the checkpoint to `{}`", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no record of this number.
    #[error("there is no record {index}: the log has {size}")]
    NoRecord {
        /// The number.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// No checkpoint covers the record.
    #[error("record {index} is not covered by a checkpoint yet; sign one with: ringfence audit checkpoint")]
    Unsigned {
        /// The number.
        index: u64,
    },
    /// A record can't be written as canonical JSON.
    #[error(transparent)]
    Record(#[from] AuditError),
    /// The log has contents, and their keys are not there.
    #[error("`{}`, with the data keys of the log's contents, is not there; name the file (--data-keys), or make an empty one to go on without what was kept", path.display())]
    NoDataKeys {
        /// The file.
        path: PathBuf,
    },
    /// A content can't be encrypted or decrypted.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Signing needs a key.
    #[error("a checkpoint needs a key: make one with `ringfence audit init-key FILE`")]
    NoKey,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
    /// The thread that writes could not be started.
    #[error("can't start the thread that writes the audit log")]
    Thread(#[source] std::io::Error),
}

/// How a log is written.
#[derive(Debug)]
#[must_use]
pub struct LogOptions {
    key: Option<SigningKey>,
    outside: Option<PathBuf>,
    every: u64,
    after: Duration,
    pub(super) wait: Duration,
    durability: Durability,
    create: bool,
    payload_key: Option<PayloadKey>,
    data_keys: Option<PathBuf>,
}

impl Default for LogOptions {
    /// Unsigned, every record durable before it is answered, made where it is not there.
    fn default() -> Self {
        Self {
            key: None,
            outside: None,
            every: 1024,
            after: Duration::from_secs(60),
            wait: Duration::from_secs(10),
            durability: Durability::EachRecord,
            create: true,
            payload_key: None,
            data_keys: None,
        }
    }
}

impl LogOptions {
    /// Keeps the contents that the bundle's retention classes keep, encrypted under data keys that are themselves encrypted under
    /// this key. Without one, no content is kept.
    pub fn payload_key(mut self, key: PayloadKey) -> Self {
        self.payload_key = Some(key);
        self
    }

    /// The file of data keys; otherwise the log's with `.keys` behind its name. A backup of the log must not hold it.
    pub fn data_keys(mut self, file: impl Into<PathBuf>) -> Self {
        self.data_keys = Some(file.into());
        self
    }

    /// The data keys of a log, where there is a key for them.
    pub(super) fn vault(&mut self, log: &Path, store: &mut dyn Store) -> Result<Option<Vault>, LogError> {
        let Some(key) = self.payload_key.take() else { return Ok(None) };
        let path = self.data_keys.take().unwrap_or_else(|| data_keys_of(log));
        let mut keeps = false;
        store.read(&mut |rows| {
            keeps = !rows.groups()?.is_empty();
            Ok(())
        })?;
        // Most likely they lie elsewhere: with new ones, nobody would find out until a content is asked for.
        if keeps && !path.exists() {
            return Err(LogError::NoDataKeys { path });
        }
        Ok(Some(Vault::open(&path, store.origin(), key, self.wait)?))
    }

    /// Signs checkpoints with a key; it also gives the key for digests of texts.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Appends each checkpoint to this file too. It should lie where who can write the database can't.
    pub fn checkpoints(mut self, file: impl Into<PathBuf>) -> Self {
        self.outside = Some(file.into());
        self
    }

    /// Signs a checkpoint after so many records, and so long after a record that no checkpoint covers.
    pub fn checkpoint_every(mut self, records: u64, after: Duration) -> Self {
        (self.every, self.after) = (records.max(1), after);
        self
    }

    /// Waits so long for other programs' locks.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Says when a record is answered.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Refuses to make a log where there is none.
    pub fn existing(mut self) -> Self {
        self.create = false;
        self
    }
}

/// The file of data keys of a log, where none is named.
#[must_use]
pub fn data_keys_of(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".keys");
    PathBuf::from(name)
}

/// An audit log that is written. Closed when it is dropped; [`Log::close`] also tells whether that went well.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    durability: Durability,
    digest_key: Option<Zeroizing<[u8; 32]>>,
    origin: String,
    vault: Option<Vault>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something for the writer.
    work: Condvar,
    /// There is room in the queue.
    room: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    flushes: Vec<Flush>,
    closing: bool,
    closed: bool,
    /// What failed that nobody waited for.
    failed: Option<Arc<LogError>>,
}

/// What the writer does at once.
struct Task {
    jobs: Vec<Job>,
    flushes: Vec<Flush>,
    closing: bool,
}

#[derive(Debug)]
struct Job {
    body: String,
    sealed: Option<Sealed>,
    answer: Option<Arc<Slot>>,
}

/// Somebody who waits for everything before to be written, and signed where they want that.
#[derive(Debug)]
struct Flush {
    slot: Arc<Slot>,
    sign: bool,
}

type Answer = Result<u64, Arc<LogError>>;

/// Where one caller waits.
#[derive(Debug, Default)]
struct Slot {
    answer: Mutex<Option<Answer>>,
    ready: Condvar,
}

impl Slot {
    fn fill(&self, answer: Answer) {
        *lock(&self.answer) = Some(answer);
        self.ready.notify_one();
    }

    fn wait(&self) -> Answer {
        let mut answer = lock(&self.answer);
        loop {
            if let Some(answer) = answer.take() {
                return answer;
            }
            answer = self.ready.wait(answer).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Opens a log in a file of SQLite, and records that.
    ///
    /// # Errors
    /// When the file can't be opened or written, does not fit its latest checkpoint, or that is signed by none.
    pub fn open(path: &Path, mut options: LogOptions) -> Result<Self, LogError> {
        let name = options.key.as_ref().map_or("ringfence-audit", SigningKey::name);
        let access = if options.create { Access::Create } else { Access::Write };
        let mut store = SqliteStore::open(path, access, name, options.wait)?;
        let vault = options.vault(path, &mut store)?;
        Self::over(Box::new(store), options, vault)
    }

    /// The same over any store, with the data keys for contents where such are kept.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn over(store: Box<dyn Store>, options: LogOptions, vault: Option<Vault>) -> Result<Self, LogError> {
        let durability = options.durability;
        let digest_key = options.key.as_ref().and_then(SigningKey::digest_key);
        let mut writer = Writer::new(store, options)?;
        let (shared, origin) = (Arc::clone(&writer.shared), writer.origin.clone());
        // What can't be written should be known before the first event.
        writer.commit(&[Record::start(Timestamp::now()).to_json()?], false)?;
        let thread = std::thread::Builder::new().name("ringfence-audit".to_owned());
        let handle = thread.spawn(move || writer.run()).map_err(LogError::Thread)?;
        Ok(Self { shared, writer: Mutex::new(Some(handle)), durability, digest_key, origin, vault })
    }

    /// Adds one record to a log that is there, without staying to write more; its number.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn append_once(path: &Path, options: LogOptions, record: &Record<'_>) -> Result<u64, LogError> {
        let body = record.to_json()?;
        let store = SqliteStore::open(path, Access::Write, "", options.wait)?;
        Ok(Writer::new(Box::new(store), options)?.commit(&[body], false)? - 1)
    }

    /// Signs a log that is there as it is; how many records that covers.
    ///
    /// # Errors
    /// As [`Log::open`], and when the options name no key.
    pub fn checkpoint_once(path: &Path, options: LogOptions) -> Result<u64, LogError> {
        if options.key.is_none() {
            return Err(LogError::NoKey);
        }
        let store = SqliteStore::open(path, Access::Write, "", options.wait)?;
        Writer::new(Box::new(store), options)?.commit(&[], true)
    }

    /// The log's name, which no other log has.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds a record; its number, once it is durable.
    ///
    /// # Errors
    /// When it was not, or may not have been, written.
    pub fn append(&self, record: &Record<'_>) -> Result<u64, AuditError> {
        self.append_sealed(record.to_json()?, None)
    }

    fn append_sealed(&self, body: String, sealed: Option<Sealed>) -> Result<u64, AuditError> {
        let slot = Arc::new(Slot::default());
        self.enqueue(Job { body, sealed, answer: Some(Arc::clone(&slot)) })?;
        slot.wait().map_err(|error| AuditError::Store(error))
    }

    /// Signs what was written so far.
    ///
    /// # Errors
    /// When that fails, or something before it did. Without a key nothing is signed.
    pub fn checkpoint(&self) -> Result<(), AuditError> {
        self.wait_for_all(true)
    }

    /// Records that the log is closed, signs the last checkpoint and closes it.
    ///
    /// # Errors
    /// When that fails, or a write before it did that nobody was told of.
    pub fn close(self) -> Result<(), AuditError> {
        self.end()
    }

    fn end(&self) -> Result<(), AuditError> {
        let Some(handle) = lock(&self.writer).take() else { return Ok(()) };
        let stopped = self.append(&Record::stop(Timestamp::now())).map(drop);
        let flushed = self.wait_for_all(true);
        lock(&self.shared.queue).closing = true;
        self.shared.work.notify_all();
        let joined = handle.join().map_err(|_| AuditError::Closed);
        stopped.and(flushed).and(joined)
    }

    fn enqueue(&self, job: Job) -> Result<(), AuditError> {
        let queue = lock(&self.shared.queue);
        let full = |queue: &mut Queue| queue.jobs.len() >= MAX_WAITING && !queue.closed;
        let mut queue = self.shared.room.wait_while(queue, full).unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return Err(AuditError::Closed);
        }
        if job.answer.is_none()
            && let Some(error) = queue.failed.take()
        {
            return Err(AuditError::Store(error));
        }
        queue.jobs.push(job);
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }

    fn wait_for_all(&self, sign: bool) -> Result<(), AuditError> {
        let slot = Arc::new(Slot::default());
        {
            let mut queue = lock(&self.shared.queue);
            if queue.closed {
                return Err(AuditError::Closed);
            }
            queue.flushes.push(Flush { slot: Arc::clone(&slot), sign });
        }
        self.shared.work.notify_one();
        slot.wait().map(drop).map_err(|error| AuditError::Store(error))
    }
}

impl AuditSink for Log {
    fn write(&self, record: &Record<'_>) -> Result<(), AuditError> {
        self.write_with(record, None)
    }

    fn keeps_contents(&self) -> bool {
        self.vault.is_some()
    }

    fn seal(&self, content: &Content) -> Result<Option<Sealed>, AuditError> {
        let sealed = self.vault.as_ref().map(|vault| vault.seal(content)).transpose();
        sealed.map_err(|error| AuditError::Store(Arc::new(error)))
    }

    fn write_with(&self, record: &Record<'_>, sealed: Option<Sealed>) -> Result<(), AuditError> {
        let body = record.to_json()?;
        match self.durability {
            Durability::EachRecord => self.append_sealed(body, sealed).map(drop),
            Durability::OnFlush => self.enqueue(Job { body, sealed, answer: None }),
        }
    }

    fn digest_key(&self) -> Option<&[u8]> {
        self.digest_key.as_ref().map(|key| &key[..])
    }

    fn flush(&self) -> Result<(), AuditError> {
        self.wait_for_all(false)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Whoever wants to know has called `close`.
        let _ = self.end();
    }
}

/// Adapts a store to the tree.
pub(super) struct Stored<'a>(pub(super) &'a dyn Read);

impl Nodes for Stored<'_> {
    type Error = StoreError;

    fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        if level == 0 { self.0.hashes(from, to) } else { self.0.nodes(level, from, to) }
    }

    fn missing(level: u32, index: u64) -> StoreError {
        let what = match level {
            0 => format!("record {index} is missing"),
            _ => format!("the hash of subtree {index} of level {level} is missing"),
        };
        StoreError::Damaged { what }
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
            last = rows.row(index)?.map(|row| row.hash).unwrap_or_default();
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

/// The file outside the database to which checkpoints are appended.
#[derive(Debug)]
struct Outside {
    path: PathBuf,
    file: File,
    latest: Option<Checkpoint>,
    /// One that could not be written yet.
    owed: Option<String>,
}

impl Outside {
    fn open(path: PathBuf, origin: &str) -> Result<Self, LogError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut bytes = Vec::new();
        let read = options.open(&path).and_then(|mut file| {
            // The end of the file is enough; what is no file (a pipe) has no end.
            let about = file.metadata()?;
            if about.is_file() {
                file.seek(SeekFrom::Start(about.len().saturating_sub(MAX_TAIL)))?;
                (&mut file).take(MAX_TAIL).read_to_end(&mut bytes)?;
            }
            Ok(file)
        });
        match read {
            Ok(file) => match Checkpoint::latest_of(&String::from_utf8_lossy(&bytes)) {
                Some(other) if other.origin != origin => {
                    Err(LogError::OtherLog { path, origin: other.origin })
                }
                latest => Ok(Self { path, file, latest, owed: None }),
            },
            Err(source) => Err(LogError::Checkpoint { path, source }),
        }
    }

    /// Writes what is owed.
    fn pay(&mut self) -> Result<(), LogError> {
        let Some(note) = &self.owed else { return Ok(()) };
        // In one write, and apart from what an interrupted one may have left.
        let written =
            self.file.write_all(format!("\n\n{note}").as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|source| LogError::Checkpoint { path: self.path.clone(), source })?;
        self.owed = None;
        Ok(())
    }
}

/// What belongs into a transaction beside its records.
pub(super) type Work<'a> = dyn FnMut(&mut dyn Append, u64) -> Result<Vec<String>, LogError> + 'a;

pub(super) struct Writer {
    shared: Arc<Shared>,
    pub(super) store: Box<dyn Store>,
    pub(super) origin: String,
    tree: Tree,
    /// Hash of the last record.
    last: Hash,
    key: Option<SigningKey>,
    outside: Option<Outside>,
    every: u64,
    after: Duration,
    /// Records that a checkpoint covers.
    signed: u64,
    unsigned_since: Option<Instant>,
}

impl Writer {
    pub(super) fn new(mut store: Box<dyn Store>, options: LogOptions) -> Result<Self, LogError> {
        let origin = store.origin().to_owned();
        let outside = options.outside.map(|path| Outside::open(path, &origin)).transpose()?;
        let known = outside.as_ref().and_then(|outside| outside.latest.clone());
        let (tree, signed, last) = load(store.as_mut(), known)?;
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

    fn run(&mut self) {
        loop {
            let Task { jobs, flushes, closing } = self.next();
            let mut bodies: Vec<String> = Vec::with_capacity(jobs.len());
            let mut answers: Vec<Option<Arc<Slot>>> = Vec::with_capacity(jobs.len());
            let mut contents: Vec<(usize, Sealed)> = Vec::new();
            for job in jobs {
                contents.extend(job.sealed.map(|sealed| (bodies.len(), sealed)));
                bodies.push(job.body);
                answers.push(job.answer);
            }
            let sign = flushes.iter().any(|flush| flush.sign) || self.is_late();
            let idle = bodies.is_empty() && !sign;
            let mut keep = |log: &mut dyn Append, size: u64| {
                for (at, sealed) in &contents {
                    log.keep(&sealed.kept_at(size + *at as u64), &sealed.bytes)?;
                }
                Ok(Vec::new())
            };
            let done = if idle {
                Ok(self.tree.size())
            } else {
                self.commit_with(&bodies, sign, &mut keep).map_err(Arc::new)
            };
            if done.is_err() && self.unsigned_since.is_some() {
                // What could not be signed now is tried again in as long, not at once.
                self.unsigned_since = Some(Instant::now());
            }
            let mut untold = None;
            let first = done.as_ref().map_or(0, |size| size - bodies.len() as u64);
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

    /// Writes records in one transaction, and a checkpoint where one is due; the size of the log then.
    fn commit(&mut self, bodies: &[String], sign: bool) -> Result<u64, LogError> {
        self.commit_with(bodies, sign, &mut |_, _| Ok(Vec::new()))
    }

    /// The same, with what else belongs into the transaction. That is told how many records there are before it, and gives more of them.
    pub(super) fn commit_with(
        &mut self,
        bodies: &[String],
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
                for body in bodies.iter().chain(&more) {
                    last = add(log, &mut tree, origin, &last, body)?;
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
    body: &str,
) -> Result<Hash, LogError> {
    let index = tree.size();
    let hash = entry::hash(origin, index, previous, body);
    let summary = Summary::read(body);
    let labels = summary.as_ref().map(Summary::labels).unwrap_or_default();
    let at = summary.as_ref().and_then(Summary::at).unwrap_or_default();
    log.record(&Row { index, at, hash, body: body.to_owned() }, &labels)?;
    let mut nodes: Vec<Node> = Vec::new();
    tree.push(hash, |node| nodes.push(node));
    for node in nodes {
        log.node(node.level, node.index, &node.hash)?;
    }
    Ok(hash)
}

/// The inclusion proof of a record in the latest checkpoint.
pub(super) fn inclusion(rows: &dyn Read, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
    tree::inclusion(&Stored(rows), index, size)
}
