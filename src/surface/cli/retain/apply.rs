//! `ringfence retain apply`.

use jiff::Timestamp;

use super::{Format, On, bytes};
use crate::schema::rows::RetentionRun;
use crate::surface::cli::Exit;
use crate::surface::cli::report::{self, Out, counted, visible};

/// Remove what is due
///
/// In transactions of a few milliseconds, each recorded, while other programs write. A run that is stopped is gone on with by the next.
/// Nothing under a hold goes, and nothing before the class's minimum. Where a class is about the records themselves, the oldest go too, with
/// the audit key: it signs what went, so that the rest still verifies. Exits with 1 where something of it is still left in a file because
/// another program was reading: run it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence retain apply --db log.db --payload-key payload.key
  ringfence retain apply --db log.db --bundle policies/ --payload-key env:PAYLOAD_KEY --audit-key audit.key --format json")]
pub(super) struct Apply {
    #[command(flatten)]
    on: On,
    /// How the outcome is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Apply {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let run = self.on.open()?.apply(Timestamp::now())?;
        if self.format == Format::Json {
            let row = RetentionRun {
                run: &run.name,
                removed: &run.removed,
                stayed: &run.stayed,
                keys: run.keys,
                clean: run.clean,
                batches: run.batches,
                longest_ms: run.longest.as_millis(),
            };
            out.line(&serde_json::to_string(&row)?)?;
        } else {
            let what = |class: &str| if run.records.as_deref() == Some(class) { "record" } else { "content" };
            for removed in &run.removed {
                let count = counted(removed.contents, what(&removed.class));
                out.line(&visible(&format!(
                    "{}: {count} removed ({}), {}",
                    removed.class,
                    removed.then,
                    bytes(removed.bytes)
                )))?;
            }
            for stayed in &run.stayed {
                let count = counted(stayed.contents, what(&stayed.class));
                out.line(&visible(&format!("{}: {count} due and kept: {}", stayed.class, stayed.why)))?;
            }
            if run.removed.is_empty() {
                out.line("nothing was due")?;
            }
            out.line(&format!(
                "run {}: {}, {} destroyed, writers held for {} ms at most",
                run.name,
                counted(run.batches, "transaction"),
                counted(run.keys, "data key"),
                run.longest.as_millis()
            ))?;
            self.on.note_missing_key();
        }
        if !run.clean {
            report::note(
                "another program was reading: something of what went may still lie in the log's -wal file; run this again",
            );
            return Ok(Exit::Found);
        }
        Ok(Exit::Fine)
    }
}
