//! Adding to the log within a transaction. What belongs to indexes is gathered and written at its end, in order, so that pages are
//! touched once.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, params};

use super::reading::Rows;
use super::{error, signed};
use crate::store::{Append, BLOCK, Block, Field, Hash, Query, Read, Row, StoreError, Visit};

pub(super) struct Writing<'a> {
    pub(super) rows: Rows<'a>,
    names: &'a mut HashMap<(Field, String), i64>,
    labels: Vec<(i64, i64)>,
    blocks: BTreeMap<u64, (i64, i64)>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(connection: &'a Connection, names: &'a mut HashMap<(Field, String), i64>) -> Self {
        Self { rows: Rows(connection), names, labels: Vec::new(), blocks: BTreeMap::new() }
    }

    /// The number of a value in the index.
    fn name(&mut self, field: Field, text: &str) -> Result<i64, StoreError> {
        let key = (field, text.to_owned());
        if let Some(id) = self.names.get(&key) {
            return Ok(*id);
        }
        let connection = self.rows.0;
        let known = connection
            .prepare_cached("SELECT id FROM name WHERE field = ?1 AND text = ?2")
            .and_then(|mut found| found.query_row(params![field as u8, text], |row| row.get(0)).optional());
        let id = match known.map_err(error)? {
            Some(id) => id,
            None => connection
                .prepare_cached("INSERT INTO name (field, text, count) VALUES (?1, ?2, 0)")
                .and_then(|mut insert| insert.insert(params![field as u8, text]))
                .map_err(error)?,
        };
        self.names.insert(key, id);
        Ok(id)
    }

    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        let connection = self.rows.0;
        self.labels.sort_unstable();
        self.labels.dedup();
        let written = (|| {
            let mut insert = connection.prepare_cached("INSERT INTO label VALUES (?1, ?2)")?;
            for (name, index) in &self.labels {
                insert.execute([name, index])?;
            }
            let mut count = connection.prepare_cached("UPDATE name SET count = count + ?2 WHERE id = ?1")?;
            for of_one in self.labels.chunk_by(|(a, _), (b, _)| a == b) {
                if let Some((name, _)) = of_one.first() {
                    count.execute(params![name, signed(of_one.len() as u64)])?;
                }
            }
            let mut block = connection.prepare_cached(
                "INSERT INTO block VALUES (?1, ?2, ?3) ON CONFLICT (number) DO UPDATE
                 SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)",
            )?;
            for (number, (earliest, latest)) in &self.blocks {
                block.execute(params![signed(*number), earliest, latest])?;
            }
            Ok(())
        })();
        written.map_err(error)
    }
}

impl Append for Writing<'_> {
    fn record(&mut self, row: &Row, labels: &[(Field, &str)]) -> Result<(), StoreError> {
        for (field, text) in labels {
            let name = self.name(*field, text)?;
            self.labels.push((name, signed(row.index)));
        }
        let times = self.blocks.entry(row.index / BLOCK).or_insert((row.at, row.at));
        *times = (times.0.min(row.at), times.1.max(row.at));
        self.rows
            .0
            .prepare_cached("INSERT INTO record VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| {
                insert.execute(params![signed(row.index), row.at, &row.hash[..], row.body])
            })
            .map(drop)
            .map_err(error)
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
    fn names(&self) -> Result<Vec<(u64, u8, String, u64)>, StoreError> {
        self.rows.names()
    }
    fn labels(&self, visit: &mut dyn FnMut(u64, u64) -> Visit) -> Result<(), StoreError> {
        self.rows.labels(visit)
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
