//! Whether the index says of each record what the record says.

use std::collections::HashMap;
use std::sync::mpsc::Receiver;

use super::Problem;
use crate::audit::entry::Summary;
use crate::store::index::{Gathered, SEGMENT, each_recent, postings};
use crate::store::{Block, Name, Read, Row, StoreError};

/// Records of one segment, and what the index has for it.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) number: u64,
    pub(super) rows: Vec<Row>,
    stored: Option<Vec<u8>>,
}

impl Records {
    pub(super) fn with_stored(mut self, rows: &dyn Read) -> Result<Self, StoreError> {
        self.stored = rows.segment(self.number)?;
        Ok(self)
    }
}

/// What the index should hold, and whether its segments do.
#[derive(Debug, Default)]
pub(super) struct Indexed {
    /// A segment does not say what its records say.
    wrong: bool,
    /// A record stands under another time than it says.
    wrong_time: bool,
    /// The first segment.
    first: Option<u64>,
    /// Of each value, how many records of complete segments have it, and the last of these.
    values: HashMap<u64, (u64, u64)>,
    blocks: Vec<Block>,
    /// Behind the complete segments: number and time of each record, and its values.
    recent: Vec<(u64, i64, Vec<u64>)>,
}

impl Indexed {
    pub(super) fn of(names: &[Name], segments: &Receiver<Records>) -> Self {
        let ids: HashMap<(u8, &str), u64> =
            names.iter().map(|name| ((name.field, name.text.as_str()), name.id)).collect();
        let mut indexed = Self::default();
        for records in segments {
            indexed.segment(&ids, records);
        }
        indexed
    }

    fn segment(&mut self, ids: &HashMap<(u8, &str), u64>, Records { number, rows, stored }: Records) {
        self.first.get_or_insert(number);
        let mut gathered = Gathered::default();
        let mut times: Option<(i64, i64)> = None;
        let mut values = Vec::new();
        for row in &rows {
            values.clear();
            // What is no record can't be looked up by anything; that it is none, its hash tells.
            if let Some(summary) = Summary::read(&row.body) {
                self.wrong_time |= summary.at() != Some(row.at);
                for (field, text) in summary.labels() {
                    match ids.get(&(field as u8, text)) {
                        Some(id) => values.push(*id),
                        None => self.wrong = true,
                    }
                }
                values.sort_unstable();
            }
            let (earliest, latest) = times.unwrap_or((row.at, row.at));
            times = Some((earliest.min(row.at), latest.max(row.at)));
            if stored.is_some() {
                gathered.add(row.index % SEGMENT, &values);
            } else if (self.recent.len() as u64) < SEGMENT {
                self.recent.push((row.index, row.at, values.clone()));
            } else {
                // A segment is missing.
                self.wrong = true;
            }
        }
        let Some(stored) = stored else { return };
        if let Some((earliest, latest)) = times {
            self.blocks.push(Block { number, earliest, latest });
        }
        let mut told = postings(number, &stored);
        for (value, records, count) in gathered.groups() {
            let last = self.values.get(&value).map(|(_, last)| *last);
            let fits = told.next().and_then(Result::ok).is_some_and(|told| {
                told.value == value
                    && told.count == count
                    && told.records() == records
                    && goes_back(told.before, last, self.first)
            });
            self.wrong |= !fits;
            let sum = self.values.entry(value).or_default();
            *sum = (sum.0 + count, number);
        }
        self.wrong |= told.next().is_some();
    }

    pub(super) fn compare(
        &self,
        rows: &dyn Read,
        names: &[Name],
        size: u64,
        problems: &mut Vec<Problem>,
    ) -> Result<(), StoreError> {
        let (recent, recent_times) = self.compare_recent(rows)?;
        let last = |id: &u64| self.values.get(id).map(|(_, last)| *last);
        let led = names.iter().all(|name| match last(&name.id) {
            None => goes_back(name.last, None, self.first),
            last => name.last == last,
        });
        if self.wrong || !recent || !led || rows.indexed()? != size {
            problems.push(Problem::Index { what: "the fields by which records are found" });
        }
        let count = |id: &u64| self.values.get(id).map_or(0, |(count, _)| *count);
        if names.iter().any(|name| count(&name.id) != name.count) {
            problems.push(Problem::Index { what: "how many records have a value" });
        }
        if self.wrong_time || !recent_times || rows.blocks()? != self.blocks {
            problems.push(Problem::Index { what: "the times by which records are found" });
        }
        Ok(())
    }

    /// Whether what the index says of the records behind the last segment fits: values, and times.
    fn compare_recent(&self, rows: &dyn Read) -> Result<(bool, bool), StoreError> {
        let (mut fits, mut times) = (true, true);
        let mut records = self.recent.iter();
        for recent in rows.recent()? {
            let mut span: Option<(i64, i64)> = None;
            let read = each_recent(&recent.values, |place, values| {
                let record = records.next();
                fits &= record.is_some_and(|(index, _, said)| {
                    recent.from.checked_add(place) == Some(*index) && said == values
                });
                if let Some((_, at, _)) = record {
                    let (earliest, latest) = span.unwrap_or((*at, *at));
                    span = Some((earliest.min(*at), latest.max(*at)));
                }
            });
            fits &= read.is_ok_and(|count| recent.from.checked_add(count) == Some(recent.to));
            times &= span == Some((recent.earliest, recent.latest));
        }
        Ok((fits && records.next().is_none(), times))
    }
}

/// Whether a value that stood last in one segment is said to have. Where it has not been met yet, it may have stood in records that are
/// there no more.
fn goes_back(said: Option<u64>, last: Option<u64>, first: Option<u64>) -> bool {
    said == last || last.is_none() && said.zip(first).is_some_and(|(said, first)| said < first)
}
