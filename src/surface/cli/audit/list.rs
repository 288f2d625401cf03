//! `ringfence audit list` and `show`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::Value;

use super::Recorded;
use super::filter::Filter;
use crate::audit::{Entry, LogReader};
use crate::store::{Order, Query};
use crate::surface::cli::Exit;
use crate::surface::cli::report::{self, Out, visible};

/// List records, the latest first
///
/// A page ends with the number from which the next one goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence audit list log.db --decision deny --since 24h
  ringfence audit list log.db --user ann --tool send_mail
  ringfence audit list log.db --tag pii --limit 500 --format json | jq -r .session
  ringfence audit list log.db --kind log_read")]
pub(super) struct List {
    /// The log.
    log: PathBuf,
    #[command(flatten)]
    filter: Filter,
    /// At most so many records.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only records with a number below, as the end of a page says.
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// Only records with a number above: the oldest first, as they were written.
    #[arg(long, value_name = "NUMBER", conflicts_with = "before")]
    after: Option<u64>,
    /// How records are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    recorded: Recorded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line for each.
    Text,
    /// The records, one JSON object per line.
    Json,
}

impl List {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let (order, from) = match self.after {
            Some(after) => (Order::OldestFirst, after.saturating_add(1)),
            None => (Order::NewestFirst, 0),
        };
        let limit = self.limit.saturating_add(1);
        let query = Query { below: self.before, from, order, limit, ..self.filter.query() };
        let mut entries = LogReader::open(&self.log)?.page(&query)?;
        let more = entries.len() > self.limit;
        entries.truncate(self.limit);
        self.recorded.record(&self.log, "list", self.filter.recorded(), entries.len() as u64)?;
        for entry in &entries {
            match self.format {
                Format::Text => out.line(&line(entry))?,
                Format::Json => out.line(&entry.text)?,
            }
        }
        if let (true, Some(last)) = (more, entries.last()) {
            let next = if self.after.is_some() { "--after" } else { "--before" };
            report::note(&format!("there are more: {next} {}", last.index));
        }
        Ok(Exit::Fine)
    }
}

/// A record on one line.
fn line(entry: &Entry) -> String {
    let Ok(record) = serde_json::from_str::<Value>(&entry.text) else {
        return format!("{:>8}  (not readable: run ringfence audit verify)", entry.index);
    };
    let text = |name: &str| record.get(name).and_then(Value::as_str).map(visible);
    let at: String = text("at").unwrap_or_default().chars().take(19).collect();
    let kind = text("kind").unwrap_or_default();
    let mut line = format!("{:>8}  {at}  ", entry.index);
    if kind == "verdict" {
        let (decision, enforced) =
            (text("decision").unwrap_or_default(), text("enforced").unwrap_or_default());
        let done = if decision == enforced { decision } else { format!("{decision}, done {enforced}") };
        line += &format!("{done:<6} {:<11} ", text("stage").unwrap_or_default());
        let who = [text("user"), text("agent"), text("tool")];
        line += &who.into_iter().flatten().collect::<Vec<_>>().join(" > ");
        if let Some(reason) = record.pointer("/reasons/0") {
            let part = |name: &str| reason.get(name).and_then(Value::as_str);
            let by = part("policy").or(part("rule")).or(part("code")).unwrap_or_default();
            line += &format!("  by {}", visible(by));
        }
        let mut rules: Vec<&str> = record
            .get("findings")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|finding| finding.get("rule")?.as_str())
            .collect();
        rules.sort_unstable();
        rules.dedup();
        if !rules.is_empty() {
            line += &format!("  found {}", visible(&rules.join(", ")));
        }
    } else {
        line += &kind;
        for name in ["by", "verb", "event", "name", "version", "origin"] {
            if let Some(part) = text(name) {
                line += &format!(" {part}");
            }
        }
    }
    line
}

/// Show one record whole
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ringfence audit show log.db 17")]
pub(super) struct Show {
    /// The log.
    log: PathBuf,
    /// The record's number.
    number: u64,
    #[command(flatten)]
    recorded: Recorded,
}

impl Show {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let entry = LogReader::open(&self.log)?.show(self.number)?;
        let filter = BTreeMap::from([("number", self.number.to_string())]);
        self.recorded.record(&self.log, "show", filter, 1)?;
        let record: Value = serde_json::from_str(&entry.text)?;
        out.line(&visible_lines(&serde_json::to_string_pretty(&record)?))?;
        Ok(Exit::Fine)
    }
}

/// A text of several lines with everything escaped that is not seen.
fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}
