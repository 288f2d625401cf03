//! `ringfence audit verify`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::audit::{Checkpoint, LogReader, PublicKey, Verify};
use crate::schema::rows::{AuditProblem, AuditReport};
use crate::surface::cli::Exit;
use crate::surface::cli::report::{self, Out, visible};

/// Recompute the whole log, and tell what is wrong with it
///
/// Every hash, the chain, the tree, every checkpoint, and the index by which records are found. Without --public-key, whoever can write
/// the database can sign what they like; without --checkpoints, they can take away the last records unnoticed. Exits with 1 where
/// something is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence audit verify log.db --public-key audit.key.pub --checkpoints checkpoints.txt")]
pub(super) struct VerifyVerb {
    /// The log.
    log: PathBuf,
    /// A key that may have signed; may be given several times, after a change of keys.
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// A file of checkpoints that were kept outside the database; may be given several times.
    #[arg(long, value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// How the outcome is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line for each problem, and a summary.
    Text,
    /// One object.
    Json,
}

impl VerifyVerb {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let mut against = Verify::default();
        for path in &self.public_key {
            against.keys.push(PublicKey::read(path)?);
        }
        for path in &self.checkpoints {
            let name = path.display();
            let text = std::fs::read_to_string(path).with_context(|| format!("can't read `{name}`"))?;
            let all = Checkpoint::all_of(&text);
            if all.is_empty() {
                bail!(
                    "`{name}` holds no checkpoint; it is the file that --checkpoints of `ringfence eval` appends to"
                );
            }
            against.checkpoints.extend(all);
        }
        let bar = (report::stderr_is_terminal() && self.format == Format::Text)
            .then(|| indicatif::ProgressBar::new_spinner().with_message("records"));
        let mut progress = |done| {
            if let Some(bar) = &bar {
                bar.set_position(done);
                bar.set_message(format!("{done} records"));
            }
        };
        let found = LogReader::open(&self.log)?.verify(&against, &mut progress)?;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        if self.format == Format::Json {
            let problems = found.problems.iter().map(|problem| {
                let message = problem.to_string();
                AuditProblem { kind: message.split(':').next().unwrap_or_default().to_owned(), message }
            });
            let row = AuditReport {
                log: &found.origin,
                removed: found.removed,
                records: found.records,
                signed: found.signed,
                signed_outside: found.signed_outside,
                checkpoints: found.checkpoints,
                signatures_checked: !against.keys.is_empty(),
                problems: problems.collect(),
            };
            out.line(&serde_json::to_string(&row)?)?;
        } else {
            for problem in &found.problems {
                out.line(&visible(&problem.to_string()))?;
            }
            let verdict = if found.is_good() { "ok" } else { "NOT OK" };
            let before = match found.removed {
                0 => String::new(),
                removed => format!(" (after {removed} that retention has removed)"),
            };
            out.line(&format!(
                "{verdict}: {} records of {}{before}, {} of them signed, {} by a checkpoint kept outside",
                found.records, found.origin, found.signed, found.signed_outside
            ))?;
            if against.keys.is_empty() {
                report::note("note: signatures were not checked: give --public-key FILE");
            }
            if against.checkpoints.is_empty() {
                report::note(
                    "note: whether the last records are missing can't be told without a checkpoint kept outside: give --checkpoints FILE",
                );
            }
        }
        Ok(if found.is_good() { Exit::Fine } else { Exit::Found })
    }
}
