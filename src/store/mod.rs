//! Where the rows of the audit log lie. The only module that names a database.
//!
//! A store keeps what it is given and knows nothing of what it means: which hash follows from which is the log's business
//! (`crate::audit`). Rows are never changed. [`Store::append`] is one transaction that no other writer of any process can come
//! between; [`Store::read`] sees one state of the log, whatever is appended meanwhile.

pub mod index;
mod payload;
mod sqlite;

use std::error::Error;
use std::path::PathBuf;

pub use payload::{
    Anonymised, Held, Hold, Kept, KeyId, KeyOf, Keys, ReadPayloads, WrappedKey, WritePayloads,
};
pub use sqlite::{Access, SqliteKeys, SqliteStore};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such file, or it can't be opened or made.
    #[error("can't open the audit log `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is something else.
    #[error("`{}` is no audit log", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// A later version of the program has written it.
    #[error("a later version of ringfence has written `{}` (format {found}; this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format of this version.
        known: u32,
    },
    /// The file of data keys can't be opened or made.
    #[error("can't open the data keys `{}`", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file holds the data keys of another log.
    #[error("`{}` holds the data keys of another log, `{origin}`; name another file", path.display())]
    OtherKeys {
        /// The file.
        path: PathBuf,
        /// The other log.
        origin: String,
    },
    /// Another program holds the log's lock for longer than is waited.
    #[error("another program keeps the audit log locked")]
    Locked,
    /// The log may only be read.
    #[error("the audit log can't be written: it, or its folder, is read-only")]
    ReadOnly,
    /// There is no room.
    #[error("the disk of the audit log is full")]
    Full,
    /// A row that has to be there is not, or can't be read.
    #[error("the audit log is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// The database's own reason.
    #[error("the audit log's database failed")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// What the caller's part of a transaction failed with; nothing was written.
    #[error(transparent)]
    Caller(Box<dyn Error + Send + Sync>),
}

/// What a record can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Field {
    /// Its kind.
    Kind = 0,
    /// The decision.
    Decision = 1,
    /// The stage.
    Stage = 2,
    /// The user.
    User = 3,
    /// The tenant.
    Tenant = 4,
    /// The agent.
    Agent = 5,
    /// The tool.
    Tool = 6,
    /// The session.
    Session = 7,
    /// A rule that matched or decided.
    Rule = 8,
    /// A tag of such a rule.
    Tag = 9,
    /// A policy that decided, waived or would have decided.
    Policy = 10,
    /// The code of a reason.
    Reason = 11,
    /// `edited`, `waived`, `shadow`, `approved`: what else there was.
    Mark = 12,
    /// A policy that waived a rule.
    Waiver = 13,
    /// A policy in shadow that would have decided.
    Shadow = 14,
}

impl Field {
    /// Every field.
    pub const ALL: [Field; 15] = [
        Field::Kind,
        Field::Decision,
        Field::Stage,
        Field::User,
        Field::Tenant,
        Field::Agent,
        Field::Tool,
        Field::Session,
        Field::Rule,
        Field::Tag,
        Field::Policy,
        Field::Reason,
        Field::Mark,
        Field::Waiver,
        Field::Shadow,
    ];
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number in the log, from 0.
    pub index: u64,
    /// When it happened, in microseconds of Unix time.
    pub at: i64,
    /// Its hash.
    pub hash: Hash,
    /// What it says.
    pub body: String,
}

/// Which records are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// What they all have.
    pub labels: Vec<(Field, String)>,
    /// The earliest time.
    pub since: Option<i64>,
    /// The time before which they happened.
    pub until: Option<i64>,
    /// Only records with a number from here on.
    pub from: u64,
    /// Only records with a number below.
    pub below: Option<u64>,
    /// In which order.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
}

/// The order of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The latest first.
    #[default]
    NewestFirst,
    /// As they were written.
    OldestFirst,
}

/// The times that the records of a complete segment span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The segment's number: that of its first record by [`index::SEGMENT`].
    pub number: u64,
    /// The earliest time.
    pub earliest: i64,
    /// The latest.
    pub latest: i64,
}

/// A value that the index knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its number in the index.
    pub id: u64,
    /// The number of its field.
    pub field: u8,
    /// The value.
    pub text: String,
    /// How many records of complete segments have it.
    pub count: u64,
    /// The last complete segment with such a record.
    pub last: Option<u64>,
}

/// What the index says of the records behind the last complete segment, as they were added together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The number of the first.
    pub from: u64,
    /// The number behind the last.
    pub to: u64,
    /// The earliest time.
    pub earliest: i64,
    /// The latest.
    pub latest: i64,
    /// Their values, as [`index::each_recent`] reads them.
    pub values: Vec<u8>,
}

/// Where a log's rows lie.
pub trait Store: Send {
    /// The log's name, which no other log has.
    fn origin(&self) -> &str;

    /// Runs one transaction that writes. Nothing of it is kept where `work` or the store fails, and all of it is durable once
    /// this returns.
    ///
    /// # Errors
    /// When the store fails, or `work` does.
    fn append(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Append) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Reads one state of the log.
    ///
    /// # Errors
    /// When the store fails, or `work` does.
    fn read(&mut self, work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Leaves nothing of what was removed in any file of the store; `false` where another program that reads keeps that from
    /// being so yet.
    ///
    /// # Errors
    /// When the store fails.
    fn clean(&mut self) -> Result<bool, StoreError>;
}

/// What can be read of a log.
pub trait Read: ReadPayloads {
    /// How many records there are: one more than the highest number.
    ///
    /// # Errors
    /// When the store fails.
    fn size(&self) -> Result<u64, StoreError>;

    /// A record; none where it was removed.
    ///
    /// # Errors
    /// When the store fails.
    fn row(&self, index: u64) -> Result<Option<Row>, StoreError>;

    /// Hashes of the records `from..to`, without those that are not there.
    ///
    /// # Errors
    /// When the store fails.
    fn hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError>;

    /// Stored hashes of subtrees `from..to` of a level, without those that are not there.
    ///
    /// # Errors
    /// When the store fails.
    fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, StoreError>;

    /// Every record from a number on that was not removed, in order, until `visit` says stop.
    ///
    /// # Errors
    /// When the store fails.
    fn rows(&self, from: u64, visit: &mut dyn FnMut(Row) -> Visit) -> Result<(), StoreError>;

    /// A page of records.
    ///
    /// # Errors
    /// When the store fails.
    fn page(&self, query: &Query) -> Result<Vec<Row>, StoreError>;

    /// How many records have each value of a field, the most frequent first.
    ///
    /// # Errors
    /// When the store fails.
    fn counts(&self, field: Field, limit: usize) -> Result<Vec<(String, u64)>, StoreError>;

    /// The first record that is still there: those before were removed, as the latest of [`Read::cuts`] states.
    ///
    /// # Errors
    /// When the store fails.
    fn start(&self) -> Result<u64, StoreError>;

    /// What states that the oldest records were removed, by how many there were.
    ///
    /// # Errors
    /// When the store fails.
    fn cuts(&self) -> Result<Vec<String>, StoreError>;

    /// How many records the index covers: all of them, but where an earlier version has written the log and nobody has yet brought the
    /// index up to it.
    ///
    /// # Errors
    /// When the store fails.
    fn indexed(&self) -> Result<u64, StoreError>;

    /// The values that the index knows.
    ///
    /// # Errors
    /// When the store fails.
    fn names(&self) -> Result<Vec<Name>, StoreError>;

    /// A complete segment, as [`index::postings`] reads it.
    ///
    /// # Errors
    /// When the store fails.
    fn segment(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// What the index says of the records behind, in order.
    ///
    /// # Errors
    /// When the store fails.
    fn recent(&self) -> Result<Vec<Recent>, StoreError>;

    /// The times of complete segments.
    ///
    /// # Errors
    /// When the store fails.
    fn blocks(&self) -> Result<Vec<Block>, StoreError>;

    /// The checkpoints that were stored, by size.
    ///
    /// # Errors
    /// When the store fails.
    fn checkpoints(&self) -> Result<Vec<String>, StoreError>;

    /// The latest checkpoint.
    ///
    /// # Errors
    /// When the store fails.
    fn latest_checkpoint(&self) -> Result<Option<String>, StoreError>;

    /// Bytes of the database.
    ///
    /// # Errors
    /// When the store fails.
    fn bytes(&self) -> Result<u64, StoreError>;
}

/// Whether a visit goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// It does.
    More,
    /// It does not.
    Stop,
}

/// What can be added to a log within a transaction.
pub trait Append: Read + WritePayloads {
    /// Adds a record.
    ///
    /// # Errors
    /// When the store fails.
    fn record(&mut self, row: &Row) -> Result<(), StoreError>;

    /// Says what the next record that the index does not cover is looked up by, and when it happened. Where the log may only be read, and an
    /// earlier version has written it, this is kept apart from it.
    ///
    /// # Errors
    /// When the store fails.
    fn index(&mut self, index: u64, at: i64, labels: &[(Field, &str)]) -> Result<(), StoreError>;

    /// Adds the hash of a subtree.
    ///
    /// # Errors
    /// When the store fails.
    fn node(&mut self, level: u32, index: u64, hash: &Hash) -> Result<(), StoreError>;

    /// Adds a checkpoint.
    ///
    /// # Errors
    /// When the store fails.
    fn checkpoint(&mut self, size: u64, at: i64, note: &str) -> Result<(), StoreError>;

    /// States that the records before one of a number, the first of a segment, are no more there: they are not read any more.
    ///
    /// # Errors
    /// When the store fails.
    fn cut(&mut self, size: u64, at: i64, note: &str) -> Result<(), StoreError>;

    /// Removes some of what is not read any more: at most so many records, whose number is given, or else what the index has of one
    /// segment of them, with the values that no other record has. `None` where nothing is left.
    ///
    /// # Errors
    /// When the store fails.
    fn remove_cut(&mut self, limit: usize) -> Result<Option<u64>, StoreError>;
}
