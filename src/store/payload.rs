//! Contents that are kept apart from records, holds on them, and the keys that they are encrypted under.

use super::{StoreError, Visit};

/// Names a data key.
pub type KeyId = [u8; 16];

/// A content without its bytes: what decides how long it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The number of its record.
    pub index: u64,
    /// When its event happened, in microseconds of Unix time.
    pub at: i64,
    /// The retention class.
    pub class: String,
    /// The user whose event it was.
    pub subject: String,
    /// The user's tenant; empty where there is none.
    pub tenant: String,
    /// The session.
    pub session: String,
    /// Who spoke: `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// How long its class kept it when it was written, in seconds: for classes that no bundle declares any more.
    pub keep_seconds: u64,
    /// The key that it is encrypted under.
    pub key: KeyId,
    /// Length of the content in bytes.
    pub bytes: u64,
}

/// Of a message, what is left when it is anonymised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anonymised {
    /// The number of its record.
    pub index: u64,
    /// When it was, in microseconds of Unix time.
    pub at: i64,
    /// Who spoke.
    pub role: String,
    /// How long it was, in bytes.
    pub bytes: u64,
}

/// What a hold is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// All contents of a user.
    User(String),
    /// All contents of a session.
    Thread(String),
}

impl Held {
    /// `user` or `thread`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Held::User(_) => "user",
            Held::Thread(_) => "thread",
        }
    }

    /// The user's or the session's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Held::User(id) | Held::Thread(id) => id,
        }
    }
}

/// A hold: what is under it is neither removed nor changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub name: String,
    /// What it is on.
    pub on: Held,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// When it was placed, in microseconds of Unix time.
    pub placed: i64,
    /// When it ends by itself.
    pub until: Option<i64>,
}

impl Hold {
    /// Whether it holds at a time.
    #[must_use]
    pub fn is_in_force(&self, at: i64) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// What can be read of contents.
pub trait ReadPayloads {
    /// Classes and tenants of which contents are kept.
    ///
    /// # Errors
    /// When the store fails.
    fn groups(&self) -> Result<Vec<(String, String)>, StoreError>;

    /// Contents of a class and tenant from before a time, the oldest first, after a place in that order: time and number.
    ///
    /// # Errors
    /// When the store fails.
    fn of_group(
        &self,
        group: (&str, &str),
        before: i64,
        after: (i64, u64),
        visit: &mut dyn FnMut(Kept) -> Visit,
    ) -> Result<(), StoreError>;

    /// Contents of a user or session, as they were written, from a number on.
    ///
    /// # Errors
    /// When the store fails.
    fn of(&self, held: &Held, from: u64, visit: &mut dyn FnMut(Kept) -> Visit) -> Result<(), StoreError>;

    /// The first record that has a content.
    ///
    /// # Errors
    /// When the store fails.
    fn first_kept(&self) -> Result<Option<u64>, StoreError>;

    /// The encrypted bytes of a content.
    ///
    /// # Errors
    /// When the store fails.
    fn sealed(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether a content is kept under a key.
    ///
    /// # Errors
    /// When the store fails.
    fn is_used(&self, key: &KeyId) -> Result<bool, StoreError>;

    /// What is left of contents that were anonymised, from a number on.
    ///
    /// # Errors
    /// When the store fails.
    fn anonymised(&self, from: u64, limit: usize) -> Result<Vec<Anonymised>, StoreError>;

    /// How many contents were anonymised.
    ///
    /// # Errors
    /// When the store fails.
    fn anonymised_count(&self) -> Result<u64, StoreError>;

    /// Every hold.
    ///
    /// # Errors
    /// When the store fails.
    fn holds(&self) -> Result<Vec<Hold>, StoreError>;
}

/// What can be done with contents within a transaction.
pub trait WritePayloads: ReadPayloads {
    /// Keeps a content.
    ///
    /// # Errors
    /// When the store fails.
    fn keep(&mut self, kept: &Kept, sealed: &[u8]) -> Result<(), StoreError>;

    /// Removes a content; whether it was there.
    ///
    /// # Errors
    /// When the store fails.
    fn remove(&mut self, index: u64) -> Result<bool, StoreError>;

    /// Leaves of a content what [`Anonymised`] has.
    ///
    /// # Errors
    /// When the store fails.
    fn anonymise(&mut self, kept: &Kept) -> Result<bool, StoreError>;

    /// Replaces the encrypted bytes of a content by the same under another key.
    ///
    /// # Errors
    /// When the store fails.
    fn reseal(&mut self, index: u64, key: &KeyId, sealed: &[u8]) -> Result<(), StoreError>;

    /// Places a hold.
    ///
    /// # Errors
    /// When the store fails.
    fn hold(&mut self, hold: &Hold) -> Result<(), StoreError>;

    /// Takes a hold away; whether it was there.
    ///
    /// # Errors
    /// When the store fails.
    fn release(&mut self, name: &str) -> Result<bool, StoreError>;
}

/// Whose contents a data key is for: those of a user in a class whose events happened in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyOf {
    /// The user.
    pub subject: String,
    /// The tenant; empty where there is none.
    pub tenant: String,
    /// The class.
    pub class: String,
    /// From this time on, in microseconds of Unix time.
    pub since: i64,
    /// Before this time.
    pub until: i64,
}

/// A data key as it is stored: encrypted under the key that the host holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its name.
    pub id: KeyId,
    /// What it is for.
    pub of: KeyOf,
    /// When it was made, in microseconds of Unix time.
    pub made: i64,
    /// Which key it is encrypted under.
    pub under: [u8; 8],
    /// The encrypted key.
    pub wrapped: Vec<u8>,
}

/// Where data keys lie: apart from the log, so that a copy of the log does not hold them.
pub trait Keys: Send {
    /// A number that is another one once another program has changed the keys.
    ///
    /// # Errors
    /// When the store fails.
    fn version(&mut self) -> Result<u64, StoreError>;

    /// The key for something.
    ///
    /// # Errors
    /// When the store fails.
    fn find(&mut self, of: &KeyOf) -> Result<Option<WrappedKey>, StoreError>;

    /// The key of a name.
    ///
    /// # Errors
    /// When the store fails.
    fn named(&mut self, id: &KeyId) -> Result<Option<WrappedKey>, StoreError>;

    /// Adds a key, durably, unless another program has added one for the same meanwhile; the one that is there.
    ///
    /// # Errors
    /// When the store fails.
    fn add(&mut self, key: &WrappedKey) -> Result<WrappedKey, StoreError>;

    /// Every key.
    ///
    /// # Errors
    /// When the store fails.
    fn all(&mut self) -> Result<Vec<WrappedKey>, StoreError>;

    /// Replaces how keys are encrypted, all or none.
    ///
    /// # Errors
    /// When the store fails.
    fn rewrap(&mut self, keys: &[WrappedKey]) -> Result<(), StoreError>;

    /// Destroys keys: once this returns nothing of them is left in any file of the store, and `false` where another program kept
    /// that from being so yet. How many there were.
    ///
    /// # Errors
    /// When the store fails.
    fn destroy(&mut self, ids: &[KeyId]) -> Result<(u64, bool), StoreError>;
}
