//! Whether every content that a record says was kept is there, or was removed by a run or erasure that the log tells of.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::numbers::numbers;
use super::{Retention, RetentionError};
use crate::audit::LogError;
use crate::store::{Field, Order, Query, Read, StoreError, Visit};

/// Records that are read at once.
const PAGE: usize = 1024;
/// Numbers that are listed of each kind.
const LISTED: usize = 20;

/// What became of the contents of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Contents that records tell of.
    pub kept: u64,
    /// Contents that are there.
    pub there: u64,
    /// Contents that runs and erasures have removed.
    pub removed: u64,
    /// Contents that are neither: somebody took them away by another way. The first twenty.
    pub missing: Vec<u64>,
    /// Contents that are there although a record says that they were removed, or of which no record tells. The first twenty.
    pub surplus: Vec<u64>,
}

impl Account {
    /// Whether everything is accounted for.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }
}

#[derive(Deserialize)]
struct Batch {
    numbers: String,
}

#[derive(Deserialize)]
struct Verdict {
    kept: Option<serde::de::IgnoredAny>,
}

impl Retention {
    /// Accounts for every content. It relies on the records: verify the log first.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn account(&mut self) -> Result<Account, RetentionError> {
        Ok(self.ledger.read(|rows| {
            let removed = Ranges::of(rows)?;
            let there = contents(rows)?;
            let mut account = Account { there: there.len() as u64, ..Account::default() };
            let mut next = there.iter().copied().peekable();
            let list = |to: &mut Vec<u64>, number| {
                if to.len() < LISTED {
                    to.push(number);
                }
            };
            each(rows, "verdict", |index, body| {
                let kept = serde_json::from_str::<Verdict>(body).is_ok_and(|verdict| verdict.kept.is_some());
                // What no verdict tells of, before this one.
                while let Some(other) = next.next_if(|other| *other < index) {
                    list(&mut account.surplus, other);
                }
                let is_there = next.next_if_eq(&index).is_some();
                match (kept, is_there, removed.holds(index)) {
                    (true, true, false) => account.kept += 1,
                    (true, false, true) => {
                        (account.kept, account.removed) = (account.kept + 1, account.removed + 1)
                    }
                    (true, false, false) => {
                        account.kept += 1;
                        list(&mut account.missing, index);
                    }
                    (_, true, _) => {
                        account.kept += u64::from(kept);
                        list(&mut account.surplus, index);
                    }
                    (false, false, _) => {}
                }
            })?;
            for other in next {
                list(&mut account.surplus, other);
            }
            Ok(account)
        })?)
    }
}

/// Numbers that runs and erasures have removed: the first and last of each run of them.
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    fn of(rows: &dyn Read) -> Result<Self, LogError> {
        let mut ranges = BTreeMap::new();
        each(rows, "retention_batch", |_, body| {
            let Ok(batch) = serde_json::from_str::<Batch>(body) else { return };
            for (first, last) in numbers(&batch.numbers) {
                let end = ranges.entry(first).or_insert(last);
                *end = last.max(*end);
            }
        })?;
        Ok(Self(ranges))
    }

    fn holds(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, last)| number <= *last)
    }
}

/// Every record of a kind, in order.
fn each(rows: &dyn Read, kind: &str, mut see: impl FnMut(u64, &str)) -> Result<(), StoreError> {
    let labels = vec![(Field::Kind, kind.to_owned())];
    let mut query = Query { labels, order: Order::OldestFirst, limit: PAGE, ..Query::default() };
    loop {
        let page = rows.page(&query)?;
        for row in &page {
            see(row.index, &row.body);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => query.from = last.index + 1,
            _ => return Ok(()),
        }
    }
}

/// The numbers of all contents, in order.
fn contents(rows: &dyn Read) -> Result<Vec<u64>, StoreError> {
    let mut all = Vec::new();
    for (class, tenant) in rows.groups()? {
        rows.of_group((&class, &tenant), i64::MAX, (i64::MIN, 0), &mut |kept| {
            all.push(kept.index);
            Visit::More
        })?;
    }
    all.sort_unstable();
    Ok(all)
}
