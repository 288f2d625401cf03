//! Contents and holds.

use rusqlite::{OptionalExtension, params};

use super::reading::Rows;
use super::writing::Writing;
use super::{error, signed, unsigned};
use crate::store::{Anonymised, Held, Hold, Kept, KeyId, ReadPayloads, StoreError, Visit, WritePayloads};

const COLUMNS: &str = "idx, at, class, subject, tenant, session, role, keep, key, bytes";

fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        index: unsigned(row.get(0)?),
        at: row.get(1)?,
        class: row.get(2)?,
        subject: row.get(3)?,
        tenant: row.get(4)?,
        session: row.get(5)?,
        role: row.get(6)?,
        keep_seconds: unsigned(row.get(7)?),
        // Whoever has written into the file may have left anything there: what is no key opens nothing.
        key: row.get_ref(8)?.as_blob().ok().and_then(|key| KeyId::try_from(key).ok()).unwrap_or_default(),
        bytes: unsigned(row.get(9)?),
    })
}

impl Rows<'_> {
    /// Whether there are tables for contents: a log of the first version that is only read has none.
    fn has_payloads(&self) -> Result<bool, StoreError> {
        self.0
            .prepare_cached(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('payload', 'hold')",
            )
            .and_then(|mut found| found.query_row([], |row| row.get::<_, i64>(0)))
            .map(|tables| tables == 2)
            .map_err(error)
    }

    fn visit(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        visit: &mut dyn FnMut(Kept) -> Visit,
    ) -> Result<(), StoreError> {
        if !self.has_payloads()? {
            return Ok(());
        }
        let mut statement = self.0.prepare_cached(sql).map_err(error)?;
        let mut found = statement.query(values).map_err(error)?;
        while let Some(row) = found.next().map_err(error)? {
            if visit(kept(row).map_err(error)?) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }
}

impl ReadPayloads for Rows<'_> {
    fn groups(&self) -> Result<Vec<(String, String)>, StoreError> {
        if !self.has_payloads()? {
            return Ok(Vec::new());
        }
        // From one to the next by the index: there are few, and many contents of each.
        let mut statement = self
            .0
            .prepare_cached(
                "SELECT class, tenant FROM payload WHERE (class, tenant) > (?1, ?2) ORDER BY class, tenant LIMIT 1",
            )
            .map_err(error)?;
        let mut groups: Vec<(String, String)> = Vec::new();
        let first = "SELECT class, tenant FROM payload ORDER BY class, tenant LIMIT 1";
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let mut next = self.0.query_row(first, [], pair).optional().map_err(error)?;
        while let Some((class, tenant)) = next {
            next = statement.query_row(params![class, tenant], pair).optional().map_err(error)?;
            groups.push((class, tenant));
        }
        Ok(groups)
    }

    fn of_group(
        &self,
        (class, tenant): (&str, &str),
        before: i64,
        after: (i64, u64),
        visit: &mut dyn FnMut(Kept) -> Visit,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM payload WHERE class = ?1 AND tenant = ?2 AND at < ?3 AND (at, idx) > (?4, ?5)
             ORDER BY at, idx"
        );
        self.visit(&sql, params![class, tenant, before, after.0, signed(after.1)], visit)
    }

    fn of(&self, held: &Held, from: u64, visit: &mut dyn FnMut(Kept) -> Visit) -> Result<(), StoreError> {
        let column = match held {
            Held::User(_) => "subject",
            Held::Thread(_) => "session",
        };
        let sql = format!("SELECT {COLUMNS} FROM payload WHERE {column} = ?1 AND idx >= ?2 ORDER BY idx");
        self.visit(&sql, params![held.id(), signed(from)], visit)
    }

    fn first_kept(&self) -> Result<Option<u64>, StoreError> {
        if !self.has_payloads()? {
            return Ok(None);
        }
        let first: Option<i64> =
            self.0.query_row("SELECT min(idx) FROM payload", [], |row| row.get(0)).map_err(error)?;
        Ok(first.map(unsigned))
    }

    fn sealed(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.0
            .prepare_cached("SELECT sealed FROM payload WHERE idx = ?1")
            .and_then(|mut found| found.query_row([signed(index)], |row| row.get(0)).optional())
            .map_err(error)
    }

    fn is_used(&self, key: &KeyId) -> Result<bool, StoreError> {
        self.0
            .prepare_cached("SELECT 1 FROM payload WHERE key = ?1 LIMIT 1")
            .and_then(|mut found| found.exists([&key[..]]))
            .map_err(error)
    }

    fn anonymised(&self, from: u64, limit: usize) -> Result<Vec<Anonymised>, StoreError> {
        if !self.has_payloads()? {
            return Ok(Vec::new());
        }
        let mut statement = self
            .0
            .prepare_cached(
                "SELECT idx, at, role, bytes FROM anonymised WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
            )
            .map_err(error)?;
        statement
            .query_map(params![signed(from), signed(limit as u64)], |row| {
                Ok(Anonymised {
                    index: unsigned(row.get(0)?),
                    at: row.get(1)?,
                    role: row.get(2)?,
                    bytes: unsigned(row.get(3)?),
                })
            })
            .and_then(Iterator::collect)
            .map_err(error)
    }

    fn anonymised_count(&self) -> Result<u64, StoreError> {
        if !self.has_payloads()? {
            return Ok(0);
        }
        let count = self.0.query_row("SELECT count(*) FROM anonymised", [], |row| row.get(0));
        count.map(unsigned).map_err(error)
    }

    fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        if !self.has_payloads()? {
            return Ok(Vec::new());
        }
        let mut statement = self
            .0
            .prepare_cached("SELECT name, kind, held, reason, owner, placed, until FROM hold ORDER BY name")
            .map_err(error)?;
        statement
            .query_map([], |row| {
                let (kind, id): (String, String) = (row.get(1)?, row.get(2)?);
                Ok(Hold {
                    name: row.get(0)?,
                    on: if kind == "thread" { Held::Thread(id) } else { Held::User(id) },
                    reason: row.get(3)?,
                    owner: row.get(4)?,
                    placed: row.get(5)?,
                    until: row.get(6)?,
                })
            })
            .and_then(Iterator::collect)
            .map_err(error)
    }
}

impl Writing<'_> {
    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<bool, StoreError> {
        self.rows
            .0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map(|rows| rows > 0)
            .map_err(error)
    }
}

impl WritePayloads for Writing<'_> {
    fn keep(&mut self, kept: &Kept, sealed: &[u8]) -> Result<(), StoreError> {
        let values = params![
            signed(kept.index),
            kept.at,
            kept.class,
            kept.subject,
            kept.tenant,
            kept.session,
            kept.role,
            signed(kept.keep_seconds),
            &kept.key[..],
            signed(kept.bytes),
            sealed
        ];
        self.run("INSERT INTO payload VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)", values)
            .map(drop)
    }

    fn remove(&mut self, index: u64) -> Result<bool, StoreError> {
        self.run("DELETE FROM payload WHERE idx = ?1", [signed(index)])
    }

    fn anonymise(&mut self, kept: &Kept) -> Result<bool, StoreError> {
        if !self.remove(kept.index)? {
            return Ok(false);
        }
        let values = params![signed(kept.index), kept.at, kept.role, signed(kept.bytes)];
        self.run("INSERT INTO anonymised VALUES (?1, ?2, ?3, ?4)", values)
    }

    fn reseal(&mut self, index: u64, key: &KeyId, sealed: &[u8]) -> Result<(), StoreError> {
        let sql = "UPDATE payload SET key = ?2, sealed = ?3 WHERE idx = ?1";
        self.run(sql, params![signed(index), &key[..], sealed]).map(drop)
    }

    fn hold(&mut self, hold: &Hold) -> Result<(), StoreError> {
        let values = params![
            hold.name,
            hold.on.kind(),
            hold.on.id(),
            hold.reason,
            hold.owner,
            hold.placed,
            hold.until
        ];
        self.run("INSERT INTO hold VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", values).map(drop)
    }

    fn release(&mut self, name: &str) -> Result<bool, StoreError> {
        self.run("DELETE FROM hold WHERE name = ?1", [name])
    }
}

impl ReadPayloads for Writing<'_> {
    fn groups(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.rows.groups()
    }
    fn of_group(
        &self,
        group: (&str, &str),
        before: i64,
        after: (i64, u64),
        visit: &mut dyn FnMut(Kept) -> Visit,
    ) -> Result<(), StoreError> {
        self.rows.of_group(group, before, after, visit)
    }
    fn of(&self, held: &Held, from: u64, visit: &mut dyn FnMut(Kept) -> Visit) -> Result<(), StoreError> {
        self.rows.of(held, from, visit)
    }
    fn first_kept(&self) -> Result<Option<u64>, StoreError> {
        self.rows.first_kept()
    }
    fn sealed(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows.sealed(index)
    }
    fn is_used(&self, key: &KeyId) -> Result<bool, StoreError> {
        self.rows.is_used(key)
    }
    fn anonymised(&self, from: u64, limit: usize) -> Result<Vec<Anonymised>, StoreError> {
        self.rows.anonymised(from, limit)
    }
    fn anonymised_count(&self) -> Result<u64, StoreError> {
        self.rows.anonymised_count()
    }
    fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        self.rows.holds()
    }
}
