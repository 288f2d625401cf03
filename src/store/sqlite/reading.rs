//! Reading one state of the log.

use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::{error, signed, unsigned};
use crate::store::{BLOCK, Block, Field, Hash, Order, Query, Read, Row, StoreError, Visit};

pub(super) struct Rows<'a>(pub(super) &'a Connection);

fn row(found: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    // Whoever has written into the file may have left anything there: what does not fit is no hash and no text, and fails to verify.
    let hash = found.get_ref(2)?.as_blob().ok().and_then(|hash| Hash::try_from(hash).ok());
    let body = found.get_ref(3)?.as_bytes().map(|body| String::from_utf8_lossy(body).into_owned());
    Ok(Row {
        index: unsigned(found.get(0)?),
        at: found.get(1).unwrap_or(i64::MIN),
        hash: hash.unwrap_or_default(),
        body: body.unwrap_or_default(),
    })
}

impl Rows<'_> {
    fn hashes_of(&self, sql: &str, values: &[i64]) -> Result<Vec<Hash>, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(error)?;
        let found = statement
            .query_map(params_from_iter(values), |row| row.get::<_, Hash>(0))
            .and_then(Iterator::collect);
        found.map_err(error)
    }

    /// Numbers of records that can lie within the times of a query: from the first to the last block that does.
    fn bounds(&self, query: &Query) -> Result<(u64, u64), StoreError> {
        let (mut from, mut below) = (query.from, query.below.unwrap_or(u64::MAX >> 1));
        if query.since.is_some() || query.until.is_some() {
            let (since, until) = (query.since.unwrap_or(i64::MIN), query.until.unwrap_or(i64::MAX));
            let blocks: (Option<i64>, Option<i64>) = self
                .0
                .prepare_cached(
                    "SELECT min(number), max(number) FROM block WHERE latest >= ?1 AND earliest < ?2",
                )
                .and_then(|mut found| found.query_row([since, until], |row| Ok((row.get(0)?, row.get(1)?))))
                .map_err(error)?;
            let (Some(first), Some(last)) = blocks else { return Ok((0, 0)) };
            from = from.max(unsigned(first) * BLOCK);
            below = below.min((unsigned(last) + 1) * BLOCK);
        }
        Ok((from, below))
    }
}

impl Read for Rows<'_> {
    fn size(&self) -> Result<u64, StoreError> {
        let last: Option<i64> = self
            .0
            .prepare_cached("SELECT max(idx) FROM record")
            .and_then(|mut found| found.query_row([], |row| row.get(0)))
            .map_err(error)?;
        Ok(last.map_or(0, |last| unsigned(last) + 1))
    }

    fn row(&self, index: u64) -> Result<Option<Row>, StoreError> {
        self.0
            .prepare_cached("SELECT idx, at, hash, body FROM record WHERE idx = ?1")
            .and_then(|mut found| found.query_row([signed(index)], row).optional())
            .map_err(error)
    }

    fn hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        self.hashes_of(
            "SELECT hash FROM record WHERE idx >= ?1 AND idx < ?2 ORDER BY idx",
            &[signed(from), signed(to)],
        )
    }

    fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        self.hashes_of(
            "SELECT hash FROM node WHERE level = ?3 AND idx >= ?1 AND idx < ?2 ORDER BY idx",
            &[signed(from), signed(to), i64::from(level)],
        )
    }

    fn rows(&self, from: u64, visit: &mut dyn FnMut(Row) -> Visit) -> Result<(), StoreError> {
        let mut statement = self
            .0
            .prepare_cached("SELECT idx, at, hash, body FROM record WHERE idx >= ?1 ORDER BY idx")
            .map_err(error)?;
        let mut found = statement.query([signed(from)]).map_err(error)?;
        while let Some(one) = found.next().map_err(error)? {
            if visit(row(one).map_err(error)?) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn page(&self, query: &Query) -> Result<Vec<Row>, StoreError> {
        let mut names: Vec<(i64, i64)> = Vec::new();
        for (field, text) in &query.labels {
            let known = self
                .0
                .prepare_cached("SELECT count, id FROM name WHERE field = ?1 AND text = ?2")
                .and_then(|mut found| {
                    found
                        .query_row(params![*field as u8, text], |row| Ok((row.get(0)?, row.get(1)?)))
                        .optional()
                });
            match known.map_err(error)? {
                Some(name) => names.push(name),
                None => return Ok(Vec::new()),
            }
        }
        // The rarest value leads, and each of its records is asked for the others.
        names.sort_unstable();
        let (from, below) = self.bounds(query)?;
        let mut values: Vec<Value> = vec![signed(from).into(), signed(below).into()];
        let mut sql = String::from("SELECT r.idx, r.at, r.hash, r.body FROM ");
        let mut conditions = String::new();
        let key = match names.split_first() {
            None => {
                sql.push_str("record r");
                "r.idx"
            }
            Some(((_, first), others)) => {
                sql.push_str("label l CROSS JOIN record r ON r.idx = l.idx");
                values.push((*first).into());
                let _ = write!(conditions, " AND l.name = ?{}", values.len());
                for (_, other) in others {
                    values.push((*other).into());
                    let number = values.len();
                    let _ = write!(
                        conditions,
                        " AND EXISTS (SELECT 1 FROM label WHERE name = ?{number} AND idx = l.idx)"
                    );
                }
                "l.idx"
            }
        };
        let mut time = |sign: &str, at: Option<i64>| {
            if let Some(at) = at {
                values.push(at.into());
                let _ = write!(conditions, " AND r.at {sign} ?{}", values.len());
            }
        };
        time(">=", query.since);
        time("<", query.until);
        let order = match query.order {
            Order::NewestFirst => "DESC",
            Order::OldestFirst => "ASC",
        };
        values.push(signed(query.limit as u64).into());
        let _ = write!(
            sql,
            " WHERE {key} >= ?1 AND {key} < ?2{conditions} ORDER BY {key} {order} LIMIT ?{}",
            values.len()
        );
        let mut statement = self.0.prepare_cached(&sql).map_err(error)?;
        statement.query_map(params_from_iter(values), row).and_then(Iterator::collect).map_err(error)
    }

    fn counts(&self, field: Field, limit: usize) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement = self
            .0
            .prepare_cached(
                "SELECT text, count FROM name WHERE field = ?1 ORDER BY count DESC, text LIMIT ?2",
            )
            .map_err(error)?;
        statement
            .query_map(params![field as u8, signed(limit as u64)], |row| {
                Ok((row.get(0)?, unsigned(row.get(1)?)))
            })
            .and_then(Iterator::collect)
            .map_err(error)
    }

    fn names(&self) -> Result<Vec<(u64, u8, String, u64)>, StoreError> {
        let mut statement =
            self.0.prepare_cached("SELECT id, field, text, count FROM name").map_err(error)?;
        statement
            .query_map([], |row| Ok((unsigned(row.get(0)?), row.get(1)?, row.get(2)?, unsigned(row.get(3)?))))
            .and_then(Iterator::collect)
            .map_err(error)
    }

    fn labels(&self, visit: &mut dyn FnMut(u64, u64) -> Visit) -> Result<(), StoreError> {
        let mut statement = self.0.prepare_cached("SELECT name, idx FROM label").map_err(error)?;
        let mut found = statement.query([]).map_err(error)?;
        while let Some(one) = found.next().map_err(error)? {
            let (name, index) = (one.get(0).map_err(error)?, one.get(1).map_err(error)?);
            if visit(unsigned(name), unsigned(index)) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn blocks(&self) -> Result<Vec<Block>, StoreError> {
        let mut statement = self
            .0
            .prepare_cached("SELECT number, earliest, latest FROM block ORDER BY number")
            .map_err(error)?;
        statement
            .query_map([], |row| {
                Ok(Block { number: unsigned(row.get(0)?), earliest: row.get(1)?, latest: row.get(2)? })
            })
            .and_then(Iterator::collect)
            .map_err(error)
    }

    fn checkpoints(&self) -> Result<Vec<String>, StoreError> {
        let mut statement =
            self.0.prepare_cached("SELECT note FROM checkpoint ORDER BY size").map_err(error)?;
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(error)
    }

    fn latest_checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.0
            .prepare_cached("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")
            .and_then(|mut found| found.query_row([], |row| row.get(0)).optional())
            .map_err(error)
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        let count: i64 = self
            .0
            .query_row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], |row| {
                row.get(0)
            })
            .map_err(error)?;
        Ok(unsigned(count))
    }
}
