//! Adding to the log within a transaction. What belongs to indexes is gathered and written at its end, in order, so that pages are
//! touched once.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::names::Names;
use super::reading::Rows;
use super::{error, signed, unsigned};
use crate::store::index::{Gathered, SEGMENT, add_recent, each_recent, postings};
use crate::store::{Append, Block, Field, Hash, Name, Query, Read, Recent, Row, StoreError, Visit};

pub(super) struct Writing<'a> {
    pub(super) rows: Rows<'a>,
    names: &'a mut Names,
    /// What the index is to say of this transaction's records, by segment.
    recent: Vec<Recent>,
    values: Vec<u64>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(connection: &'a Connection, names: &'a mut Names) -> Self {
        Self { rows: Rows(connection), names, recent: Vec::new(), values: Vec::new() }
    }

    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        for recent in std::mem::take(&mut self.recent) {
            if recent.to.is_multiple_of(SEGMENT) {
                self.complete(&recent)?;
                continue;
            }
            let times = (recent.earliest, recent.latest);
            self.rows
                .0
                .prepare_cached("INSERT INTO recent VALUES (?1, ?2, ?3, ?4, ?5)")
                .and_then(|mut insert| {
                    let (from, to) = (signed(recent.from), signed(recent.to));
                    insert.execute(params![from, to, times.0, times.1, recent.values])
                })
                .map_err(error)?;
        }
        Ok(())
    }

    /// Writes a segment of which these are the last records.
    fn complete(&mut self, last: &Recent) -> Result<(), StoreError> {
        let number = (last.to - 1) / SEGMENT;
        let (mut gathered, mut times) = (Gathered::default(), (last.earliest, last.latest));
        for recent in self.rows.recent()?.iter().chain([last]) {
            each_recent(&recent.values, |place, values| gathered.add(recent.from + place, values))?;
            times = (times.0.min(recent.earliest), times.1.max(recent.latest));
        }
        let connection = self.rows.0;
        let written = (|| {
            let mut before = connection.prepare_cached("SELECT last FROM name WHERE id = ?1")?;
            let mut count =
                connection.prepare_cached("UPDATE name SET count = count + ?2, last = ?3 WHERE id = ?1")?;
            let postings = gathered.encode(number, |value, records| {
                let last: Option<i64> = before.query_row([signed(value)], |row| row.get(0))?;
                count.execute([signed(value), signed(records), signed(number)])?;
                Ok::<_, rusqlite::Error>(last.map(unsigned))
            })?;
            let mut insert = connection.prepare_cached("INSERT INTO segment VALUES (?1, ?2)")?;
            insert.execute(params![signed(number), postings])?;
            let mut insert = connection.prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3)")?;
            insert.execute([signed(number), times.0, times.1])?;
            connection.prepare_cached("DELETE FROM recent")?.execute([])
        })();
        written.map(drop).map_err(error)
    }
}

impl Writing<'_> {
    /// Removes what the index has of a segment, and values that no other record has.
    fn remove_segment(&mut self, number: u64) -> Result<(), StoreError> {
        let connection = self.rows.0;
        let mut used = HashSet::new();
        for recent in self.rows.recent()? {
            each_recent(&recent.values, |_, values| used.extend(values.iter().copied()))?;
        }
        let bytes = self.rows.segment(number)?.unwrap_or_default();
        let removed = (|| {
            let mut count = connection.prepare_cached("UPDATE name SET count = count - ?2 WHERE id = ?1")?;
            let mut remove = connection.prepare_cached("DELETE FROM name WHERE id = ?1 AND count <= 0")?;
            // What can't be read was changed by somebody; verifying has told.
            for posting in postings(number, &bytes).flatten() {
                count.execute([signed(posting.value), signed(posting.count)])?;
                if !used.contains(&posting.value) {
                    remove.execute([signed(posting.value)])?;
                }
            }
            connection.prepare_cached("DELETE FROM segment WHERE number = ?1")?.execute([signed(number)])?;
            connection.prepare_cached("DELETE FROM block WHERE number = ?1")?.execute([signed(number)])
        })();
        // Their numbers are no more those of these values.
        self.names.clear();
        removed.map(drop).map_err(error)
    }
}

impl Append for Writing<'_> {
    fn record(&mut self, row: &Row) -> Result<(), StoreError> {
        self.rows
            .0
            .prepare_cached("INSERT INTO record VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| {
                insert.execute(params![signed(row.index), row.at, &row.hash[..], row.body])
            })
            .map(drop)
            .map_err(error)
    }

    fn index(&mut self, index: u64, at: i64, labels: &[(Field, &str)]) -> Result<(), StoreError> {
        self.values.clear();
        for (field, text) in labels {
            self.values.push(self.names.number(self.rows.0, *field, text)?);
        }
        self.values.sort_unstable();
        self.values.dedup();
        let fresh = match self.recent.last() {
            Some(last) => last.to.is_multiple_of(SEGMENT),
            None => true,
        };
        if fresh {
            let (earliest, latest) = (at, at);
            self.recent.push(Recent { from: index, to: index, earliest, latest, values: Vec::new() });
        }
        if let Some(last) = self.recent.last_mut() {
            add_recent(&self.values, &mut last.values);
            last.to += 1;
            (last.earliest, last.latest) = (last.earliest.min(at), last.latest.max(at));
        }
        Ok(())
    }

    fn cut(&mut self, size: u64, at: i64, note: &str) -> Result<(), StoreError> {
        self.rows
            .0
            .prepare_cached("INSERT INTO cut VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![signed(size), at, note]))
            .map(drop)
            .map_err(error)
    }

    fn remove_cut(&mut self, limit: usize) -> Result<Option<u64>, StoreError> {
        let (connection, start) = (self.rows.0, self.rows.start()?);
        let removed = connection
            .prepare_cached(
                "DELETE FROM record WHERE idx IN (SELECT idx FROM record WHERE idx < ?1 ORDER BY idx LIMIT ?2)",
            )
            .and_then(|mut delete| delete.execute([signed(start), signed(limit as u64)]))
            .map_err(error)?;
        if removed > 0 {
            return Ok(Some(removed as u64));
        }
        let first: Option<i64> = connection
            .prepare_cached("SELECT min(number) FROM segment WHERE number < ?1")
            .and_then(|mut found| found.query_row([signed(start / SEGMENT)], |row| row.get(0)))
            .map_err(error)?;
        match first.map(unsigned) {
            Some(number) => self.remove_segment(number).map(|()| Some(0)),
            None => Ok(None),
        }
    }

    fn node(&mut self, level: u32, index: u64, hash: &Hash) -> Result<(), StoreError> {
        self.rows
            .0
            .prepare_cached("INSERT INTO node VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![level, signed(index), &hash[..]]))
            .map(drop)
            .map_err(error)
    }

    fn checkpoint(&mut self, size: u64, at: i64, note: &str) -> Result<(), StoreError> {
        // Two programs may sign the same state; the first is kept.
        self.rows
            .0
            .prepare_cached("INSERT OR IGNORE INTO checkpoint VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![signed(size), at, note]))
            .map(drop)
            .map_err(error)
    }
}

impl Read for Writing<'_> {
    fn size(&self) -> Result<u64, StoreError> {
        self.rows.size()
    }
    fn row(&self, index: u64) -> Result<Option<Row>, StoreError> {
        self.rows.row(index)
    }
    fn hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        self.rows.hashes(from, to)
    }
    fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        self.rows.nodes(level, from, to)
    }
    fn rows(&self, from: u64, visit: &mut dyn FnMut(Row) -> Visit) -> Result<(), StoreError> {
        self.rows.rows(from, visit)
    }
    fn page(&self, query: &Query) -> Result<Vec<Row>, StoreError> {
        self.rows.page(query)
    }
    fn counts(&self, field: Field, limit: usize) -> Result<Vec<(String, u64)>, StoreError> {
        self.rows.counts(field, limit)
    }
    fn start(&self) -> Result<u64, StoreError> {
        self.rows.start()
    }
    fn cuts(&self) -> Result<Vec<String>, StoreError> {
        self.rows.cuts()
    }
    fn indexed(&self) -> Result<u64, StoreError> {
        self.rows.indexed()
    }
    fn names(&self) -> Result<Vec<Name>, StoreError> {
        self.rows.names()
    }
    fn segment(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows.segment(number)
    }
    fn recent(&self) -> Result<Vec<Recent>, StoreError> {
        self.rows.recent()
    }
    fn blocks(&self) -> Result<Vec<Block>, StoreError> {
        self.rows.blocks()
    }
    fn checkpoints(&self) -> Result<Vec<String>, StoreError> {
        self.rows.checkpoints()
    }
    fn latest_checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.rows.latest_checkpoint()
    }
    fn bytes(&self) -> Result<u64, StoreError> {
        self.rows.bytes()
    }
}
