//! Finding records: recent ones by a look at each, the others from segment to segment.

use std::collections::BTreeSet;

use rusqlite::params;

use super::names::known_as;
use super::reading::{Rows, row};
use super::{error, signed, unsigned};
use crate::store::index::{Damaged, Records, SEGMENT, each_recent, find};
use crate::store::{Order, Query, Read, Row, StoreError, Visit};

/// A page that is being filled.
struct Page<'a> {
    rows: &'a Rows<'a>,
    query: &'a Query,
    /// Numbers of records that can be meant: by the query itself, and by the times of segments.
    from: u64,
    below: u64,
    /// Numbers of the values that are asked for, in order, each once.
    values: Vec<u64>,
    rarest: Rarest,
    found: Vec<Row>,
}

/// The value that the fewest records of complete segments have: how many, and the last of these segments.
#[derive(Clone, Copy)]
struct Rarest {
    value: u64,
    count: u64,
    last: Option<u64>,
}

pub(super) fn page(rows: &Rows<'_>, query: &Query) -> Result<Vec<Row>, StoreError> {
    let (from, below) = rows.bounds(query)?;
    if from >= below || query.limit == 0 {
        return Ok(Vec::new());
    }
    let mut values = BTreeSet::new();
    let mut rarest = Rarest { value: 0, count: u64::MAX, last: None };
    for (field, text) in &query.labels {
        let Some((value, count, last)) = known_as(rows.0, *field, text)? else { return Ok(Vec::new()) };
        values.insert(value);
        if count < rarest.count {
            rarest = Rarest { value, count, last };
        }
    }
    let values: Vec<u64> = values.into_iter().collect();
    let mut page = Page { rows, query, from, below, values, rarest, found: Vec::new() };
    if page.values.is_empty() {
        page.any()?;
    } else if query.order == Order::NewestFirst {
        page.recent()?;
        page.segments()?;
    } else {
        page.segments()?;
        page.recent()?;
    }
    Ok(page.found)
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.query.limit
    }

    /// Without values, the records themselves are gone through.
    fn any(&mut self) -> Result<(), StoreError> {
        let order = match self.query.order {
            Order::NewestFirst => "DESC",
            Order::OldestFirst => "ASC",
        };
        let sql = format!(
            "SELECT idx, at, hash, body FROM record WHERE idx >= ?1 AND idx < ?2 AND at >= ?3 AND at < ?4
             ORDER BY idx {order} LIMIT ?5"
        );
        let values = params![
            signed(self.from),
            signed(self.below),
            self.query.since.unwrap_or(i64::MIN),
            self.query.until.unwrap_or(i64::MAX),
            signed(self.query.limit as u64)
        ];
        let mut statement = self.rows.0.prepare_cached(&sql).map_err(error)?;
        self.found = statement.query_map(values, row).and_then(Iterator::collect).map_err(error)?;
        Ok(())
    }

    /// Takes a record that has every value, where it lies within the query.
    fn take(&mut self, index: u64) -> Result<Visit, StoreError> {
        if self.is_full() {
            return Ok(Visit::Stop);
        }
        if (self.from..self.below).contains(&index)
            && let Some(row) = self.rows.row_at(index)?
            && self.query.since.is_none_or(|since| row.at >= since)
            && self.query.until.is_none_or(|until| row.at < until)
        {
            self.found.push(row);
        }
        Ok(Visit::More)
    }

    /// Takes records, given as they were written.
    fn take_all(&mut self, mut indexes: Vec<u64>) -> Result<(), StoreError> {
        if self.query.order == Order::NewestFirst {
            indexes.reverse();
        }
        for index in indexes {
            if self.take(index)? == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn recent(&mut self) -> Result<(), StoreError> {
        if self.is_full() {
            return Ok(());
        }
        let mut those = Vec::new();
        for recent in self.rows.recent()? {
            if recent.to <= self.from || recent.from >= self.below {
                continue;
            }
            each_recent(&recent.values, |place, values| {
                if self.values.iter().all(|value| values.binary_search(value).is_ok()) {
                    those.push(recent.from.saturating_add(place));
                }
            })?;
        }
        self.take_all(those)
    }

    fn segments(&mut self) -> Result<(), StoreError> {
        let Rarest { count, last: Some(last), .. } = self.rarest else { return Ok(()) };
        let first = self.from / SEGMENT;
        let end = last.min((self.below - 1) / SEGMENT);
        if first > end {
            return Ok(());
        }
        // A rare value leads from segment to segment; a frequent one is in almost every one.
        if count <= (end - first) / 2 { self.led(first) } else { self.along(first, end) }
    }

    /// Goes through all segments of a range.
    fn along(&mut self, first: u64, last: u64) -> Result<(), StoreError> {
        let order = match self.query.order {
            Order::NewestFirst => "DESC",
            Order::OldestFirst => "ASC",
        };
        let sql = format!(
            "SELECT number, postings FROM segment WHERE number >= ?1 AND number <= ?2 ORDER BY number {order}"
        );
        let mut statement = self.rows.0.prepare_cached(&sql).map_err(error)?;
        let mut segments = statement.query([signed(first), signed(last)]).map_err(error)?;
        while !self.is_full()
            && let Some(segment) = segments.next().map_err(error)?
        {
            let number = unsigned(segment.get(0).map_err(error)?);
            self.segment(number, segment.get_ref(1).map_err(error)?.as_bytes().unwrap_or_default())?;
        }
        Ok(())
    }

    /// Goes back from the last segment that has the rarest value to each before it that does.
    fn led(&mut self, first: u64) -> Result<(), StoreError> {
        let mut next = self.rarest.last;
        let mut way = Vec::new();
        while let Some(number) = next.filter(|number| *number >= first)
            && !self.is_full()
        {
            let Some(bytes) = self.rows.segment(number)? else { break };
            let postings = find(number, &bytes, &[self.rarest.value])?;
            next = postings.first().copied().flatten().ok_or(Damaged)?.before;
            match self.query.order {
                Order::NewestFirst => self.segment(number, &bytes)?,
                Order::OldestFirst => way.push(number),
            }
        }
        for number in way.into_iter().rev() {
            if self.is_full() {
                break;
            }
            if let Some(bytes) = self.rows.segment(number)? {
                self.segment(number, &bytes)?;
            }
        }
        Ok(())
    }

    fn segment(&mut self, number: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let found = find(number, bytes, &self.values)?;
        let mut all = found.iter().map(|posting| posting.map(|posting| posting.records()));
        let both = all.try_fold(Records::ALL, |both, one| Some(both.and(&one?)));
        match both {
            Some(records) => {
                let start = number.saturating_mul(SEGMENT);
                self.take_all(records.iter().map(|place| start.saturating_add(place)).collect())
            }
            None => Ok(()),
        }
    }
}
