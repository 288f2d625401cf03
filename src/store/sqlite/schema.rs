//! The tables, version by version.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{Access, error, not_a_log, write_ahead};
use crate::store::StoreError;

/// Marks a file of SQLite as an audit log: `RFAL`.
const APPLICATION: i32 = 0x5246_414C;

/// What makes each version of the one before. A version that was released is never changed.
const VERSIONS: &[&[&str]] = &[&["
    CREATE TABLE log (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE record (
        idx INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        hash BLOB NOT NULL,
        body TEXT NOT NULL
    );
    -- Hashes of complete subtrees of 256, 65536, … records.
    CREATE TABLE node (level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, idx)) WITHOUT ROWID;
    CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, at INTEGER NOT NULL, note TEXT NOT NULL);
    -- What records are looked up by: each value of a field once, and the records that have it.
    CREATE TABLE name (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL);
    CREATE UNIQUE INDEX name_text ON name (field, text);
    CREATE TABLE label (name INTEGER, idx INTEGER, PRIMARY KEY (name, idx)) WITHOUT ROWID;
    CREATE TABLE block (number INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
    -- Against mistakes; whoever can write the file can drop them, and `audit verify` does not rely on them.
    CREATE TRIGGER record_stays BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
    CREATE TRIGGER record_remains BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'records are never removed'); END;
    CREATE TRIGGER checkpoint_stays BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
    CREATE TRIGGER checkpoint_remains BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never removed'); END;
"], &["
    -- Contents, apart from records and encrypted under keys that lie elsewhere. What is long comes last.
    CREATE TABLE payload (
        idx INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        class TEXT NOT NULL,
        subject TEXT NOT NULL,
        tenant TEXT NOT NULL,
        session TEXT NOT NULL,
        role TEXT NOT NULL,
        keep INTEGER NOT NULL,
        key BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        sealed BLOB NOT NULL
    );
    CREATE INDEX payload_age ON payload (class, tenant, at);
    CREATE INDEX payload_subject ON payload (subject);
    CREATE INDEX payload_session ON payload (session);
    CREATE INDEX payload_key ON payload (key);
    CREATE TABLE anonymised (idx INTEGER PRIMARY KEY, at INTEGER NOT NULL, role TEXT NOT NULL, bytes INTEGER NOT NULL);
    CREATE TABLE hold (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        held TEXT NOT NULL,
        reason TEXT NOT NULL,
        owner TEXT NOT NULL,
        placed INTEGER NOT NULL,
        until INTEGER
    ) WITHOUT ROWID;
"], &[OLD_INDEX_GOES, INDEX, CUTS]];

/// The index of the first versions: a row for each value of each record.
const OLD_INDEX_GOES: &str = "DROP TABLE label; DROP TABLE name; DROP TABLE block;";

/// What records are looked up by (`crate::store::index`). Whoever opens the log to write brings it up to the records.
const INDEX: &str = "
    -- Each value of a field once, how many records of complete segments have it, and the last of these.
    CREATE TABLE name (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL, last INTEGER);
    CREATE UNIQUE INDEX name_text ON name (field, text);
    -- Complete segments of 1,024 records: which have which value, and the times that they span.
    CREATE TABLE segment (number INTEGER PRIMARY KEY, postings BLOB NOT NULL);
    CREATE TABLE block (number INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
    -- The records behind, as they were added together.
    CREATE TABLE recent (
        idx INTEGER PRIMARY KEY,
        until INTEGER NOT NULL,
        earliest INTEGER NOT NULL,
        latest INTEGER NOT NULL,
        labels BLOB NOT NULL
    );
    -- What states that the records before one were removed.
    CREATE TABLE cut (size INTEGER PRIMARY KEY, at INTEGER NOT NULL, note TEXT NOT NULL);
";

/// Records go only where a cut says so.
const CUTS: &str = "
    DROP TRIGGER record_remains;
    CREATE TRIGGER record_remains BEFORE DELETE ON record WHEN old.idx >= (SELECT ifnull(max(size), 0) FROM cut)
        BEGIN SELECT RAISE(ABORT, 'records are never removed'); END;
    CREATE TRIGGER cut_stays BEFORE UPDATE ON cut BEGIN SELECT RAISE(ABORT, 'cuts are never changed'); END;
    CREATE TRIGGER cut_remains BEFORE DELETE ON cut BEGIN SELECT RAISE(ABORT, 'cuts are never removed'); END;
";

/// Where the index lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// In the log.
    Within,
    /// In tables of this connection alone: the log is one of an earlier version, and only read.
    Apart,
}

/// Makes a connection ready, and the log where there is none yet; its name.
pub(super) fn prepare(
    connection: &mut Connection,
    path: &Path,
    access: Access,
    origin: &str,
    wait: Duration,
) -> Result<(String, Index), StoreError> {
    let told = |failed: rusqlite::Error| match failed.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_a_log(path),
        _ => error(failed),
    };
    connection
        .execute_batch(
            "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -16000;",
        )
        .map_err(told)?;
    if access != Access::Read {
        // Before any table is made: pages of removed rows are overwritten from the first on.
        connection.execute_batch("PRAGMA secure_delete = ON;").map_err(told)?;
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(told)?;
        if mode != "wal" {
            write_ahead(connection, wait).map_err(told)?;
        }
        connection.execute_batch("PRAGMA synchronous = FULL;").map_err(told)?;
    }
    let known = u32::try_from(VERSIONS.len()).unwrap_or(u32::MAX);
    let mut found = version(connection, path).map_err(|failed| failed.unwrap_or_else(told))?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found < known {
        match access {
            Access::Create => {}
            Access::Write if found > 0 => {}
            // What is older is read as it is; its index is made anew, apart from it.
            Access::Read if found > 0 => {
                let apart = INDEX
                    .replace("CREATE TABLE ", "CREATE TEMP TABLE ")
                    .replace("CREATE UNIQUE INDEX ", "CREATE UNIQUE INDEX temp.");
                connection.execute_batch(&apart).map_err(told)?;
                return Ok((name(connection).map_err(told)?, Index::Apart));
            }
            Access::Read | Access::Write => return Err(not_a_log(path)),
        }
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error)?;
        // Another program may have made it meanwhile.
        found = version(&transaction, path).map_err(|failed| failed.unwrap_or_else(error))?;
        for step in VERSIONS.iter().skip(found as usize).copied().flatten() {
            transaction.execute_batch(step).map_err(error)?;
        }
        if found == 0 {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|failed| StoreError::Database(failed.into()))?;
            let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            transaction
                .execute("INSERT INTO log VALUES ('origin', ?1)", [format!("{origin}/{id}")])
                .map_err(error)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(error)?;
        transaction.pragma_update(None, "user_version", known).map_err(error)?;
        transaction.commit().map_err(error)?;
    }
    Ok((name(connection).map_err(told)?, Index::Within))
}

fn name(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("SELECT value FROM log WHERE key = 'origin'", [], |row| row.get(0))
}

/// The version of the log in a file; 0 for an empty one.
fn version(connection: &Connection, path: &Path) -> Result<u32, Result<StoreError, rusqlite::Error>> {
    let (application, version, tables): (i32, u32, i64) = connection
        .query_row(
            "SELECT (SELECT * FROM pragma_application_id), (SELECT * FROM pragma_user_version), count(*) FROM sqlite_schema",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(Err)?;
    match (application, version) {
        (APPLICATION, 1..) => Ok(version),
        (0, 0) if tables == 0 => Ok(0),
        _ => Err(Ok(not_a_log(path))),
    }
}
