//! `ringfence audit stats`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use jiff::Timestamp;

use super::Recorded;
use crate::audit::LogReader;
use crate::schema::rows::AuditStats;
use crate::store::Field;
use crate::surface::cli::Exit;
use crate::surface::cli::report::{Out, visible};

/// Count what the log holds
///
/// The ten most frequent values of each field.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ringfence audit stats log.db")]
pub(super) struct StatsVerb {
    /// The log.
    log: PathBuf,
    /// How the counts are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    recorded: Recorded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// To read.
    Text,
    /// One object.
    Json,
}

/// What a field is called.
fn name(field: Field) -> &'static str {
    match field {
        Field::Kind => "kinds",
        Field::Decision => "decisions",
        Field::Stage => "stages",
        Field::User => "users",
        Field::Tenant => "tenants",
        Field::Agent => "agents",
        Field::Tool => "tools",
        Field::Session => "sessions",
        Field::Rule => "rules",
        Field::Tag => "tags",
        Field::Policy => "policies",
        Field::Reason => "reasons",
        Field::Mark => "marks",
        Field::Waiver => "waivers",
        Field::Shadow => "shadow",
    }
}

impl StatsVerb {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let stats = LogReader::open(&self.log)?.stats()?;
        self.recorded.record(&self.log, "stats", BTreeMap::new(), 0)?;
        let time = |at: i64| Timestamp::from_microsecond(at).map(|at| at.to_string()).unwrap_or_default();
        let times = stats.times.map(|(first, last)| [time(first), time(last)]);
        if self.format == Format::Json {
            let counts =
                stats.counts.iter().map(|(field, counts)| (name(*field), counts.iter().cloned().collect()));
            let row = AuditStats {
                log: &stats.origin,
                records: stats.records,
                removed: stats.removed,
                signed: stats.signed,
                bytes: stats.bytes,
                times,
                most_frequent: counts.collect(),
            };
            out.line(&serde_json::to_string(&row)?)?;
            return Ok(Exit::Fine);
        }
        out.line(&format!("log      {}", stats.origin))?;
        out.line(&format!("records  {} ({} of them signed)", stats.records, stats.signed))?;
        if stats.removed > 0 {
            out.line(&format!("removed  {} before them, by retention", stats.removed))?;
        }
        out.line(&format!("bytes    {}", stats.bytes))?;
        if let Some([first, last]) = times {
            out.line(&format!("times    {first} to {last}"))?;
        }
        for (field, counts) in stats.counts.iter().filter(|(_, counts)| !counts.is_empty()) {
            out.line(&format!("\n{}", name(*field)))?;
            for (value, count) in counts {
                out.line(&format!("{count:>9}  {}", visible(value)))?;
            }
        }
        Ok(Exit::Fine)
    }
}
