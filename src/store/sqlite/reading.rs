//! Reading one state of the log.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::{error, page, signed, unsigned};
use crate::store::index::{SEGMENT, each_recent};
use crate::store::{Block, Field, Hash, Name, Query, Read, Recent, Row, StoreError, Visit};

pub(super) struct Rows<'a>(pub(super) &'a Connection);

pub(super) fn row(found: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
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

    /// A record, whether or not it was removed.
    pub(super) fn row_at(&self, index: u64) -> Result<Option<Row>, StoreError> {
        self.0
            .prepare_cached("SELECT idx, at, hash, body FROM record WHERE idx = ?1")
            .and_then(|mut found| found.query_row([signed(index)], row).optional())
            .map_err(error)
    }

    /// Numbers of records that can lie within a query, the last of them excluded: by its times, from the first segment that lies within
    /// them to the last. Records behind the last segment are not left out.
    pub(super) fn bounds(&self, query: &Query) -> Result<(u64, u64), StoreError> {
        let (mut from, mut below) = (query.from.max(self.start()?), query.below.unwrap_or(u64::MAX >> 1));
        if query.since.is_some() || query.until.is_some() {
            let (since, until) = (query.since.unwrap_or(i64::MIN), query.until.unwrap_or(i64::MAX));
            let (first, last, segments): (Option<i64>, Option<i64>, Option<i64>) = self
                .0
                .prepare_cached(
                    "SELECT min(number), max(number), (SELECT max(number) + 1 FROM block)
                     FROM block WHERE latest >= ?1 AND earliest < ?2",
                )
                .and_then(|mut found| {
                    found.query_row([since, until], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                })
                .map_err(error)?;
            let (earliest, latest): (Option<i64>, Option<i64>) = self
                .0
                .prepare_cached("SELECT min(earliest), max(latest) FROM recent")
                .and_then(|mut found| found.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
                .map_err(error)?;
            let behind = segments.map_or(0, unsigned) * SEGMENT;
            let recent = latest.is_some_and(|at| at >= since) && earliest.is_some_and(|at| at < until);
            from = from.max(first.map_or(behind, |first| unsigned(first) * SEGMENT));
            if !recent {
                below = below.min(last.map_or(0, |last| (unsigned(last) + 1) * SEGMENT));
            }
        }
        Ok((from, below))
    }
}

fn recent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Recent> {
    Ok(Recent {
        from: unsigned(row.get(0)?),
        to: unsigned(row.get(1)?),
        earliest: row.get(2)?,
        latest: row.get(3)?,
        // What is no bytes can't be read either.
        values: row.get_ref(4)?.as_bytes().map_or_else(|_| vec![0x80], <[u8]>::to_vec),
    })
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

    fn start(&self) -> Result<u64, StoreError> {
        let start: Option<i64> = self
            .0
            .prepare_cached("SELECT max(size) FROM cut")
            .and_then(|mut found| found.query_row([], |row| row.get(0)))
            .map_err(error)?;
        Ok(start.map_or(0, unsigned))
    }

    fn cuts(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT note FROM cut ORDER BY size").map_err(error)?;
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(error)
    }

    fn row(&self, index: u64) -> Result<Option<Row>, StoreError> {
        if index < self.start()? {
            return Ok(None);
        }
        self.row_at(index)
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
        let mut found = statement.query([signed(from.max(self.start()?))]).map_err(error)?;
        while let Some(one) = found.next().map_err(error)? {
            if visit(row(one).map_err(error)?) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn page(&self, query: &Query) -> Result<Vec<Row>, StoreError> {
        page::page(self, query)
    }

    fn counts(&self, field: Field, limit: usize) -> Result<Vec<(String, u64)>, StoreError> {
        let mut recent: HashMap<u64, u64> = HashMap::new();
        for one in self.recent()? {
            each_recent(&one.values, |_, values| {
                values.iter().for_each(|value| *recent.entry(*value).or_default() += 1);
            })?;
        }
        let mut statement =
            self.0.prepare_cached("SELECT id, text, count FROM name WHERE field = ?1").map_err(error)?;
        let mut names = statement.query([field as u8]).map_err(error)?;
        // The most frequent of those seen so far, the most frequent first.
        let mut most: BTreeSet<(Reverse<u64>, String)> = BTreeSet::new();
        while let Some(name) = names.next().map_err(error)? {
            let read = (|| Ok((unsigned(name.get(0)?), unsigned(name.get(2)?))))();
            let (id, count) = read.map_err(error)?;
            let count = count + recent.get(&id).copied().unwrap_or(0);
            let enough = most.len() >= limit && most.last().is_some_and(|(least, _)| Reverse(count) > *least);
            if count > 0 && !enough {
                most.insert((Reverse(count), name.get(1).map_err(error)?));
                if most.len() > limit {
                    most.pop_last();
                }
            }
        }
        Ok(most.into_iter().map(|(Reverse(count), text)| (text, count)).collect())
    }

    fn indexed(&self) -> Result<u64, StoreError> {
        let (recent, segment): (Option<i64>, Option<i64>) = self
            .0
            .prepare_cached(
                "SELECT (SELECT until FROM recent ORDER BY idx DESC LIMIT 1), (SELECT max(number) FROM segment)",
            )
            .and_then(|mut found| found.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(error)?;
        Ok(recent.map_or(0, unsigned).max(segment.map_or(0, |number| (unsigned(number) + 1) * SEGMENT)))
    }

    fn names(&self) -> Result<Vec<Name>, StoreError> {
        let mut statement =
            self.0.prepare_cached("SELECT id, field, text, count, last FROM name").map_err(error)?;
        let name = |row: &rusqlite::Row<'_>| {
            let last: Option<i64> = row.get(4)?;
            Ok(Name {
                id: unsigned(row.get(0)?),
                field: row.get(1)?,
                text: row.get(2)?,
                count: unsigned(row.get(3)?),
                last: last.map(unsigned),
            })
        };
        statement.query_map([], name).and_then(Iterator::collect).map_err(error)
    }

    fn segment(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        // What is no bytes can't be read as a segment either.
        let bytes = |row: &rusqlite::Row<'_>| {
            Ok(row.get_ref(0)?.as_bytes().map_or_else(|_| vec![0x80], <[u8]>::to_vec))
        };
        self.0
            .prepare_cached("SELECT postings FROM segment WHERE number = ?1")
            .and_then(|mut found| found.query_row([signed(number)], bytes).optional())
            .map_err(error)
    }

    fn recent(&self) -> Result<Vec<Recent>, StoreError> {
        let mut statement = self
            .0
            .prepare_cached("SELECT idx, until, earliest, latest, labels FROM recent ORDER BY idx")
            .map_err(error)?;
        statement.query_map([], recent).and_then(Iterator::collect).map_err(error)
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
