//! Data keys in a file of SQLite of their own.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{begin, clean, error, not_a_log, write_ahead};
use crate::store::{KeyId, KeyOf, Keys, StoreError, WrappedKey};

/// Marks a file of SQLite as a file of keys: `RFKY`.
const APPLICATION: i32 = 0x5246_4B59;

const TABLES: &str = "
    CREATE TABLE log (origin TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE data_key (
        id BLOB PRIMARY KEY,
        subject TEXT NOT NULL,
        tenant TEXT NOT NULL,
        class TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        made INTEGER NOT NULL,
        under BLOB NOT NULL,
        wrapped BLOB NOT NULL
    );
    CREATE UNIQUE INDEX data_key_of ON data_key (subject, tenant, class, since, until);
";

const COLUMNS: &str = "id, subject, tenant, class, since, until, made, under, wrapped";

/// Data keys in a file of SQLite of their own.
#[derive(Debug)]
pub struct SqliteKeys {
    connection: Connection,
    wait: Duration,
}

impl SqliteKeys {
    /// Opens the keys of a log, or makes the file. Other programs' locks are waited for so long.
    ///
    /// # Errors
    /// When the file can't be opened or made, or holds something else or the keys of another log.
    pub fn open(path: &Path, origin: &str, wait: Duration) -> Result<Self, StoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Keys {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(|error| failed(error.into()))?;
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(error.into()))?;
        connection.busy_timeout(wait).map_err(error)?;
        let ready = connection
            .execute_batch(
                "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;",
            )
            .and_then(|()| write_ahead(&connection, wait))
            .and_then(|()| connection.execute_batch("PRAGMA synchronous = FULL;"));
        ready.map_err(|source| failed(source.into()))?;
        let known = {
            let transaction = begin(&connection, wait)?;
            let (application, tables): (i32, i64) = transaction
                .query_row(
                    "SELECT (SELECT * FROM pragma_application_id), count(*) FROM sqlite_schema",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .map_err(error)?;
            match (application, tables) {
                (APPLICATION, _) => {}
                (0, 0) => {
                    transaction.execute_batch(TABLES).map_err(error)?;
                    transaction.execute("INSERT INTO log VALUES (?1)", [origin]).map_err(error)?;
                    transaction.pragma_update(None, "application_id", APPLICATION).map_err(error)?;
                    transaction.pragma_update(None, "user_version", 1).map_err(error)?;
                }
                _ => return Err(not_a_log(path)),
            }
            let known: String =
                transaction.query_row("SELECT origin FROM log", [], |row| row.get(0)).map_err(error)?;
            transaction.commit().map_err(error)?;
            known
        };
        if known != origin {
            return Err(StoreError::OtherKeys { path: path.to_owned(), origin: known });
        }
        Ok(Self { connection, wait })
    }
}

fn key(row: &rusqlite::Row<'_>) -> rusqlite::Result<WrappedKey> {
    Ok(WrappedKey {
        id: row.get(0)?,
        of: KeyOf {
            subject: row.get(1)?,
            tenant: row.get(2)?,
            class: row.get(3)?,
            since: row.get(4)?,
            until: row.get(5)?,
        },
        made: row.get(6)?,
        under: row.get(7)?,
        wrapped: row.get(8)?,
    })
}

fn find(connection: &Connection, of: &KeyOf) -> Result<Option<WrappedKey>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM data_key
         WHERE subject = ?1 AND tenant = ?2 AND class = ?3 AND since = ?4 AND until = ?5"
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut found| {
            found.query_row(params![of.subject, of.tenant, of.class, of.since, of.until], key).optional()
        })
        .map_err(error)
}

impl Keys for SqliteKeys {
    fn version(&mut self) -> Result<u64, StoreError> {
        self.connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut found| found.query_row([], |row| row.get::<_, i64>(0)))
            .map(super::unsigned)
            .map_err(error)
    }

    fn find(&mut self, of: &KeyOf) -> Result<Option<WrappedKey>, StoreError> {
        find(&self.connection, of)
    }

    fn named(&mut self, id: &KeyId) -> Result<Option<WrappedKey>, StoreError> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM data_key WHERE id = ?1"))
            .and_then(|mut found| found.query_row([&id[..]], key).optional())
            .map_err(error)
    }

    fn add(&mut self, key: &WrappedKey) -> Result<WrappedKey, StoreError> {
        let transaction = begin(&self.connection, self.wait)?;
        if let Some(there) = find(&transaction, &key.of)? {
            return Ok(there);
        }
        let of = &key.of;
        transaction
            .prepare_cached("INSERT INTO data_key VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
            .and_then(|mut insert| {
                insert.execute(params![
                    &key.id[..],
                    of.subject,
                    of.tenant,
                    of.class,
                    of.since,
                    of.until,
                    key.made,
                    &key.under[..],
                    key.wrapped
                ])
            })
            .map_err(error)?;
        transaction.commit().map_err(error)?;
        Ok(key.clone())
    }

    fn all(&mut self) -> Result<Vec<WrappedKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM data_key");
        let mut statement = self.connection.prepare_cached(&sql).map_err(error)?;
        statement.query_map([], key).and_then(Iterator::collect).map_err(error)
    }

    fn rewrap(&mut self, keys: &[WrappedKey]) -> Result<(), StoreError> {
        let transaction = begin(&self.connection, self.wait)?;
        for key in keys {
            transaction
                .prepare_cached("UPDATE data_key SET under = ?2, wrapped = ?3 WHERE id = ?1")
                .and_then(|mut update| update.execute(params![&key.id[..], &key.under[..], key.wrapped]))
                .map_err(error)?;
        }
        transaction.commit().map_err(error)?;
        self.rebuild().map(drop)
    }

    fn destroy(&mut self, ids: &[KeyId]) -> Result<(u64, bool), StoreError> {
        let transaction = begin(&self.connection, self.wait)?;
        let mut destroyed = 0;
        for id in ids {
            destroyed += transaction
                .prepare_cached("DELETE FROM data_key WHERE id = ?1")
                .and_then(|mut delete| delete.execute([&id[..]]))
                .map_err(error)? as u64;
        }
        transaction.commit().map_err(error)?;
        Ok((destroyed, self.rebuild()?))
    }
}

impl SqliteKeys {
    /// Writes the file anew. A removed row is overwritten where it lies, but the database may have moved it before, and what it left
    /// behind then is not.
    fn rebuild(&mut self) -> Result<bool, StoreError> {
        match self.connection.execute_batch("VACUUM").map_err(error) {
            Ok(()) => clean(&self.connection, self.wait),
            Err(StoreError::Locked) => Ok(false),
            Err(failed) => Err(failed),
        }
    }
}
