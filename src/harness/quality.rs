//! How good rules are on labelled rows.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::decode;
use crate::engine::{Engine, RuleSet};

/// Labels of rows in which nothing should be found.
const NEGATIVE: &[&str] = &["benign", "safe", "negative", "clean", "ham", "normal"];

/// A text, and whether something should be found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The text.
    pub text: String,
    /// Whether something should be found.
    pub positive: bool,
    /// Where it comes from; `all` where the row does not say.
    pub source: String,
}

impl Row {
    /// A row from a line of JSON with `text`, `positive` (true or false) or `label`, and perhaps `source`. Other fields do not
    /// matter. The labels benign, safe, negative, clean, ham and normal are negative, all others positive.
    ///
    /// # Errors
    /// What is wrong with the line, without its text.
    pub fn read(line: &str) -> Result<Row, String> {
        let row = decode::from_json(line).map_err(|problem| problem.message)?;
        let Some(text) = row.get("text").and_then(Value::as_str) else {
            return Err("has no `text`".to_owned());
        };
        let positive = match (row.get("positive"), row.get("label")) {
            (Some(Value::Bool(positive)), _) => *positive,
            (None, Some(Value::String(label))) => !NEGATIVE.contains(&label.as_str()),
            _ => return Err("has neither `positive`, true or false, nor `label`".to_owned()),
        };
        let source = row.get("source").and_then(Value::as_str).unwrap_or("all").to_owned();
        Ok(Row { text: text.to_owned(), positive, source })
    }
}

/// Rows of one kind and how many of them had a finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Rows in which something should be found.
    pub positive: usize,
    /// Those in which something was.
    pub found: usize,
    /// Rows in which nothing should be found.
    pub negative: usize,
    /// Those in which something was.
    pub alarms: usize,
}

impl Count {
    fn add(&mut self, positive: bool, found: bool) {
        let (all, hit) = if positive {
            (&mut self.positive, &mut self.found)
        } else {
            (&mut self.negative, &mut self.alarms)
        };
        *all += 1;
        *hit += usize::from(found);
    }

    /// Share of the positive rows in which something was found; none without positive rows.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        share(self.found, self.positive)
    }

    /// Share of the negative rows in which something was found; none without negative rows.
    #[must_use]
    pub fn false_positives(&self) -> Option<f64> {
        share(self.alarms, self.negative)
    }

    /// Share of the rows with a finding that are positive.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share(self.found, self.found + self.alarms)
    }
}

/// `part` of `of`; none of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// A share for people: `64.9 %`, or `-`.
#[must_use]
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// How rules did on rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quality {
    /// On all of them.
    pub all: Count,
    /// By source.
    pub by_source: BTreeMap<String, Count>,
    /// By rule: rows in which it found something.
    pub by_rule: BTreeMap<String, Count>,
}

impl Quality {
    /// Scans one more row.
    pub fn add(&mut self, engine: &Engine, rules: &RuleSet, row: &Row) {
        let findings = engine.scan(&row.text, rules);
        let mut hit: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
        hit.sort_unstable();
        hit.dedup();
        self.all.add(row.positive, !hit.is_empty());
        self.by_source.entry(row.source.clone()).or_default().add(row.positive, !hit.is_empty());
        for rule in hit {
            self.by_rule.entry(rule.to_owned()).or_default().add(row.positive, true);
        }
    }

    /// The mean of the recalls of all sources that have positive rows.
    #[must_use]
    pub fn mean_recall(&self) -> Option<f64> {
        let recalls: Vec<f64> = self.by_source.values().filter_map(Count::recall).collect();
        let count = u32::try_from(recalls.len()).ok().filter(|count| *count > 0)?;
        Some(recalls.iter().sum::<f64>() / f64::from(count))
    }

    /// The highest share of false positives of any source.
    #[must_use]
    pub fn worst_false_positives(&self) -> Option<f64> {
        self.by_source.values().filter_map(Count::false_positives).reduce(f64::max)
    }
}
