//! Numbers of values in the index, remembered.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{error, unsigned};
use crate::store::{Field, StoreError};

/// Values whose numbers are remembered at most.
const MAX: usize = 100_000;

/// Numbers of values that were looked up before.
#[derive(Debug, Default)]
pub(super) struct Names {
    fields: [HashMap<String, u64>; Field::ALL.len()],
    count: usize,
    /// The first segment when they were looked up. Values go only where segments do, so that while it stays what was known is so.
    first: Option<i64>,
}

impl Names {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what may no longer be so, within a new transaction.
    pub(super) fn renew(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let first = connection
            .prepare_cached("SELECT min(number) FROM segment")
            .and_then(|mut found| found.query_row([], |row| row.get(0)))
            .map_err(error)?;
        if first != self.first || self.count > MAX {
            self.clear();
            self.first = first;
        }
        Ok(())
    }

    /// The number of a value, which it is given where it has none.
    pub(super) fn number(
        &mut self,
        connection: &Connection,
        field: Field,
        text: &str,
    ) -> Result<u64, StoreError> {
        let known = self.fields.get(field as usize).and_then(|texts| texts.get(text));
        if let Some(number) = known {
            return Ok(*number);
        }
        let number = match known_as(connection, field, text)? {
            Some((number, _, _)) => number,
            None => connection
                .prepare_cached("INSERT INTO name (field, text, count) VALUES (?1, ?2, 0)")
                .and_then(|mut insert| insert.insert(params![field as u8, text]))
                .map(unsigned)
                .map_err(error)?,
        };
        if let Some(texts) = self.fields.get_mut(field as usize) {
            texts.insert(text.to_owned(), number);
            self.count += 1;
        }
        Ok(number)
    }
}

/// The number of a value, how many records of complete segments have it, and the last of these.
pub(super) fn known_as(
    connection: &Connection,
    field: Field,
    text: &str,
) -> Result<Option<(u64, u64, Option<u64>)>, StoreError> {
    connection
        .prepare_cached("SELECT id, count, last FROM name WHERE field = ?1 AND text = ?2")
        .and_then(|mut found| {
            found
                .query_row(params![field as u8, text], |row| {
                    let last: Option<i64> = row.get(2)?;
                    Ok((unsigned(row.get(0)?), unsigned(row.get(1)?), last.map(unsigned)))
                })
                .optional()
        })
        .map_err(error)
}
