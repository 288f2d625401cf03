//! What is recorded of contents that go, stay or are handed out, and of what people did.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Contents that were removed in one transaction, with this record.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BatchRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The run or erasure that it belongs to.
    pub run: &'a str,
    /// `retention` or `erasure`.
    pub cause: &'static str,
    /// The class.
    pub class: &'a str,
    /// What was done: `erase`, `anonymise` or `shred`.
    pub then: &'static str,
    /// How many contents.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Numbers of their records: `2-9,12`.
    pub numbers: String,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A run of retention, at its end.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RunRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Its name, which its batches carry.
    pub run: &'a str,
    /// Who ran it.
    pub by: &'a str,
    /// What went, by class.
    pub removed: &'a [Removed],
    /// What was due and stayed.
    pub stayed: &'a [Stayed],
    /// Data keys that were destroyed.
    pub keys: u64,
    /// Whether nothing of it is left in any file.
    pub clean: bool,
    /// Digest of the bundle whose classes were applied.
    pub bundle: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// The oldest records of the log were removed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RemovedRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The run that did it.
    pub run: &'a str,
    /// Who ran it.
    pub by: &'a str,
    /// The class of `retention.yaml` that is about records.
    pub class: &'a str,
    /// How many records were removed by this run.
    pub records: u64,
    /// The number of the first record that is left.
    pub first: u64,
    /// Root of the tree over all records before that one, in hexadecimal.
    pub root: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// Contents of a class that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removed {
    /// The class.
    pub class: String,
    /// What was done: `erase`, `anonymise` or `shred`.
    pub then: String,
    /// How many contents.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Contents of a class that stayed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stayed {
    /// The class.
    pub class: String,
    /// How many contents.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why: `hold NAME: reason`, or the duty of the class.
    pub why: String,
    /// Until when (RFC 3339), where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

/// A hold that was placed or released.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HoldRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Its name.
    pub name: &'a str,
    /// The user that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The session that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// Why it was placed or released.
    pub reason: &'a str,
    /// Who answers for it.
    pub owner: &'a str,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// Who did it.
    pub by: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// The erasure of a user's contents, at its end: what its receipt says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ErasureRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Its name, which its batches carry.
    pub run: &'a str,
    /// Whose contents.
    pub user: &'a str,
    /// Who asked for it.
    pub by: &'a str,
    /// What went, by class.
    pub removed: &'a [Removed],
    /// What stayed, and why.
    pub stayed: &'a [Stayed],
    /// Data keys that were destroyed.
    pub keys: u64,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A user's contents were handed out.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AccessRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Whose contents.
    pub user: &'a str,
    /// Who has them now.
    pub by: &'a str,
    /// How many contents.
    pub contents: u64,
    /// Version of the engine.
    pub engine: &'static str,
}

/// Data keys were encrypted under another key.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeyRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who did it.
    pub by: &'a str,
    /// How many data keys.
    pub keys: u64,
    /// Id of the key that they are encrypted under from here on, in hexadecimal.
    pub under: String,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A session has ended, from which on a class keeps its contents.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SessionEndRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The session.
    pub session: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// Somebody was given, or refused, the values behind pseudonyms.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RevealRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The session whose pseudonyms they are.
    pub session: &'a str,
    /// The user.
    pub user: &'a str,
    /// The agent of the session.
    pub agent: &'a str,
    /// The tool that was to have them, and not the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<&'a str>,
    /// Pseudonyms whose values were given, the first sixteen.
    pub revealed: Vec<&'a str>,
    /// Pseudonyms that stayed, the first sixteen.
    pub kept: Vec<&'a str>,
    /// How many of both there were.
    pub pseudonyms: usize,
    /// Digest of the bundle that decided.
    pub bundle: &'a str,
    /// Version of the engine.
    pub engine: &'static str,
}

/// A person answered a question.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ApprovalRecord<'a> {
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who.
    pub by: &'a str,
    /// The session.
    pub session: &'a str,
    /// The number of the verdict that asked.
    pub asked: u64,
    /// The number of the verdict that the answer led to, in this session.
    pub seq: u64,
    /// Whether it counted: the question was open, and about this event as it is now.
    pub counted: bool,
    /// Version of the engine.
    pub engine: &'static str,
}
