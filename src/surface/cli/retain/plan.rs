//! `ringfence retain plan`.

use jiff::Timestamp;

use super::{Format, On, bytes, period};
use crate::retention::{Group, Plan};
use crate::surface::cli::Exit;
use crate::surface::cli::report::{Out, counted, visible};

/// Tell what is due, by class and age, and change nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence retain plan --db log.db
  ringfence retain plan --db log.db --bundle policies/ --at 2027-01-01T00:00:00Z
  ringfence retain plan --db log.db --format json | jq '.groups[] | {class, due}'")]
pub(super) struct PlanVerb {
    #[command(flatten)]
    on: On,
    /// As of this time, to look ahead [default: now].
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl PlanVerb {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let plan = self.on.open()?.plan(self.at.unwrap_or_else(Timestamp::now))?;
        if self.format == Format::Json {
            out.line(&serde_json::to_string(&plan)?)?;
            return Ok(Exit::Fine);
        }
        for group in &plan.groups {
            line(group, out)?;
        }
        if plan.groups.is_empty() {
            out.line("no content is kept")?;
        }
        tail(&plan, out)?;
        Ok(Exit::Fine)
    }
}

fn line(group: &Group, out: &mut Out) -> anyhow::Result<()> {
    let tenant = if group.tenant.is_empty() { String::new() } else { format!(" of {}", group.tenant) };
    let undeclared = if group.declared { "" } else { " (the bundle no longer has this class)" };
    out.line(&visible(&format!(
        "{}{tenant}: {}, {}; kept {} from {}, then {}{undeclared}",
        group.class,
        counted(group.contents, "content"),
        bytes(group.bytes),
        period(group.keep_seconds),
        group.from,
        group.then
    )))?;
    out.line(&format!("    due {} ({}), due and held {}", group.due, bytes(group.due_bytes), group.held))?;
    let ages = &group.ages;
    out.line(&format!(
        "    age: up to 1d {}, 7d {}, 30d {}, 90d {}, 365d {}, older {}",
        ages.day, ages.week, ages.month, ages.quarter, ages.year, ages.older
    ))
}

fn tail(plan: &Plan, out: &mut Out) -> anyhow::Result<()> {
    if plan.anonymised > 0 {
        out.line(&format!("anonymised before: {}", plan.anonymised))?;
    }
    if let Some(records) = &plan.records {
        out.line(&visible(&format!(
            "{}: {}, kept {}; {} past that in whole segments, due {}{}",
            records.class,
            counted(records.records, "record"),
            period(records.keep_seconds),
            records.past,
            records.due,
            records.why.iter().map(|why| format!("; others stay: {why}")).collect::<String>()
        )))?;
    }
    Ok(())
}
