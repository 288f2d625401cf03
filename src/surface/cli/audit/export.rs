//! `ringfence audit export`.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::Value;

use super::Recorded;
use super::filter::Filter;
use super::ocsf;
use crate::audit::LogReader;
use crate::store::{Order, Query};
use crate::surface::cli::Exit;
use crate::surface::cli::report::Out;

/// Records that are read at once.
const PAGE: usize = 1000;

/// The columns of CSV.
const COLUMNS: [&str; 20] = [
    "number",
    "at",
    "kind",
    "session",
    "seq",
    "stage",
    "user",
    "tenant",
    "agent",
    "tool",
    "call",
    "decision",
    "enforced",
    "reasons",
    "policies",
    "rules",
    "tags",
    "edits",
    "approved_by",
    "bundle",
];

/// Write records out, in the order in which they were written
///
/// JSON lines are the records whole, as they are hashed: `_prev` of each is the RFC 6962 leaf hash of the line before it in the log.
/// CSV is one line for each, without spans and digests; a value that a spreadsheet would run as a formula has a `'` before it.
/// OCSF is what most security data lakes read; each event holds the record in `raw_data`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence audit export log.db > log.jsonl
  ringfence audit export log.db --format csv --decision deny --since 2026-11-01 > denied.csv
  ringfence audit export log.db --format ocsf | your-shipper")]
pub(super) struct Export {
    /// The log.
    log: PathBuf,
    #[command(flatten)]
    filter: Filter,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    #[command(flatten)]
    recorded: Recorded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON lines.
    Jsonl,
    /// Comma-separated values (RFC 4180), with a header.
    Csv,
    /// Events of OCSF 1.8, one JSON object per line.
    Ocsf,
}

impl Export {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let mut reader = LogReader::open(&self.log)?;
        let mut query = Query { order: Order::OldestFirst, limit: PAGE, ..self.filter.query() };
        // What is shown is recorded before it is, so that the end has to be known: later records are for the next export.
        let last = Query { order: Order::NewestFirst, limit: 1, ..query.clone() };
        let end = reader.page(&last)?.last().map_or(0, |entry| entry.index + 1);
        query.below = Some(end);
        let mut filter = self.filter.recorded();
        filter.insert("below", end.to_string());
        self.recorded.record(&self.log, "export", filter, 0)?;
        if self.format == Format::Csv {
            out.line(&COLUMNS.join(","))?;
        }
        loop {
            let page = reader.page(&query)?;
            for entry in &page {
                let record = || -> anyhow::Result<Value> {
                    serde_json::from_str(&entry.text).with_context(|| {
                        format!("record {} is not readable: run ringfence audit verify", entry.index)
                    })
                };
                match self.format {
                    Format::Jsonl => out.line(&entry.text)?,
                    Format::Csv => out.line(&csv(entry.index, &record()?))?,
                    Format::Ocsf => {
                        out.line(&ocsf::event(entry.index, &record()?, &entry.text).to_string())?
                    }
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => query.from = last.index + 1,
                _ => return Ok(Exit::Fine),
            }
        }
    }
}

/// A record as a line of CSV.
fn csv(number: u64, record: &Value) -> String {
    let list = |name: &str, part: &str| {
        let items = record.get(name).and_then(Value::as_array).into_iter().flatten();
        let mut parts: Vec<&str> = Vec::new();
        for item in items {
            match item.get(part) {
                Some(Value::String(text)) => parts.push(text),
                Some(Value::Array(all)) => parts.extend(all.iter().filter_map(Value::as_str)),
                _ => {}
            }
        }
        parts.sort_unstable();
        parts.dedup();
        parts.join(" ")
    };
    let field = |name: &&str| match *name {
        "number" => number.to_string(),
        "reasons" => list("reasons", "code"),
        "policies" => list("reasons", "policy"),
        "rules" => list("findings", "rule"),
        "tags" => list("findings", "tags"),
        name => match record.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        },
    };
    COLUMNS.iter().map(field).map(quoted).collect::<Vec<_>>().join(",")
}

fn quoted(mut text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        text.insert(0, '\'');
    }
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_stay_in_their_column_and_run_nowhere() {
        let record = json!({ "kind": "verdict", "user": "a,\"b\"\nc", "agent": "=1+1", "seq": 3,
            "reasons": [{ "code": "forbid", "policy": "p" }], "findings": [{ "rule": "a/b", "tags": ["y", "x"] }] });
        assert_eq!(csv(7, &record), "7,,verdict,,3,,\"a,\"\"b\"\"\nc\",,'=1+1,,,,,forbid,p,a/b,x y,,,");
    }
}
