//! `ringfence retain erase` and `check-receipt`.

use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;

use super::On;
use crate::audit::{PublicKey, SigningKey};
use crate::retention::Receipt;
use crate::surface::cli::Exit;
use crate::surface::cli::report::{self, Out, counted, visible};

/// Erase what is kept of a user, and print a signed receipt
///
/// Everything goes but what a hold or a class's minimum keeps, and the data keys that it was encrypted under are destroyed, so that backups
/// of the log can't be read either. The receipt says what went, what stayed and why. Records of decisions stay: they hold no content.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence retain erase --db log.db --payload-key payload.key --audit-key audit.key --user ann > receipt.txt
  ringfence retain check-receipt receipt.txt --public-key audit.key.pub")]
pub(super) struct Erase {
    #[command(flatten)]
    on: On,
    /// The user.
    #[arg(long)]
    user: String,
}

impl Erase {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let key = self.on.audit_key.as_deref().context("a receipt is signed: give --audit-key FILE")?;
        if !self.on.keys.is_given() {
            anyhow::bail!("keys are destroyed with what they encrypt: give --payload-key SOURCE");
        }
        let key = SigningKey::read(key)?;
        let receipt = self.on.open()?.erase(&self.user, Timestamp::now(), &key)?;
        out.raw(receipt.note().as_bytes())?;
        if !receipt.clean {
            report::note(
                "another program was reading: encrypted bytes of what went may still lie in the log's -wal file until the next `retain apply`; their keys are gone",
            );
        }
        Ok(Exit::Fine)
    }
}

/// Check a receipt, without the log
///
/// Prints what it says. Exits with 1 where it was changed or is signed by another key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ringfence retain check-receipt receipt.txt --public-key audit.key.pub")]
pub(super) struct CheckReceipt {
    /// The receipt.
    receipt: PathBuf,
    /// A key that may have signed it; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    public_key: Vec<PathBuf>,
}

impl CheckReceipt {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let name = self.receipt.display();
        let text = std::fs::read_to_string(&self.receipt).with_context(|| format!("can't read `{name}`"))?;
        let keys = self.public_key.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>()?;
        let receipt = match Receipt::check(&text, &keys) {
            Ok(receipt) => receipt,
            Err(error) => {
                out.line(&format!("NOT OK: {error}"))?;
                return Ok(Exit::Found);
            }
        };
        out.line(&visible(&format!(
            "ok: {} of log {} erased {} at {}, by {}: record {}",
            receipt.run, receipt.log, receipt.user, receipt.at, receipt.by, receipt.record
        )))?;
        for removed in &receipt.removed {
            out.line(&visible(&format!(
                "gone    {}: {}",
                removed.class,
                counted(removed.contents, "content")
            )))?;
        }
        for stayed in &receipt.stayed {
            let until = stayed.until.map_or_else(String::new, |until| format!(", until {until}"));
            out.line(&visible(&format!(
                "stays   {}: {}: {}{until}",
                stayed.class,
                counted(stayed.contents, "content"),
                stayed.why
            )))?;
        }
        out.line(&format!("keys    {} destroyed", counted(receipt.keys, "data key")))?;
        Ok(Exit::Fine)
    }
}
