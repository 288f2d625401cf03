//! `ringfence retain check`.

use super::{Format, On};
use crate::schema::rows::RetentionAccount;
use crate::surface::cli::Exit;
use crate::surface::cli::report::{Out, counted};

/// Account for every content: it is there, or a run or erasure in the log has removed it
///
/// Relies on the records, so verify the log first (`ringfence audit verify`). Exits with 1 where a content is missing that nothing in the log
/// has removed, or is there although it was removed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  ringfence audit verify log.db --public-key audit.key.pub && ringfence retain check --db log.db"
)]
pub(super) struct Check {
    #[command(flatten)]
    on: On,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Check {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let account = self.on.open()?.account()?;
        if self.format == Format::Json {
            let row = RetentionAccount {
                kept: account.kept,
                there: account.there,
                removed: account.removed,
                missing: &account.missing,
                surplus: &account.surplus,
            };
            out.line(&serde_json::to_string(&row)?)?;
        } else {
            for number in &account.missing {
                out.line(&format!(
                    "missing: content {number} is not there, and nothing in the log has removed it"
                ))?;
            }
            for number in &account.surplus {
                out.line(&format!("surplus: content {number} is there, and the log says that it is not"))?;
            }
            let verdict = if account.is_good() { "ok" } else { "NOT OK" };
            let all = counted(account.kept, "content");
            out.line(&format!(
                "{verdict}: {all} kept, {} of them there, {} removed",
                account.there, account.removed
            ))?;
        }
        Ok(if account.is_good() { Exit::Fine } else { Exit::Found })
    }
}
