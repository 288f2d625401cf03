//! `ringfence retain init-key` and `rotate-key`.

use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;

use super::On;
use crate::audit::{KeySource, PayloadKey};
use crate::surface::cli::Exit;
use crate::surface::cli::report::{self, Out, counted};

/// Make the key under which contents are kept
///
/// Writes FILE, readable by you alone. Whoever has it, the log and the file of data keys can read what is kept; without it nobody can, so
/// keep a copy where the log's administrators can't read it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence retain init-key payload.key
  ringfence retain apply --db log.db --payload-key payload.key
  ringfence retain apply --db log.db --payload-key env:PAYLOAD_KEY
  ringfence retain apply --db log.db --payload-key 'command:vault kv get -field=key secret/ringfence'")]
pub(super) struct InitKey {
    /// The file to write; nothing is overwritten.
    file: PathBuf,
}

impl InitKey {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let key = PayloadKey::write_new(&self.file)?;
        out.line(&id(&key))?;
        report::note(&format!("wrote {} (keep it secret, and away from the log)", self.file.display()));
        Ok(Exit::Fine)
    }
}

/// Encrypt every data key under another payload key
///
/// Contents are not touched. Stop the programs that keep contents before, and start them with the new key after. From then on the old key
/// opens nothing but copies of the file of data keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence retain init-key new.key
  ringfence retain rotate-key --db log.db --payload-key old.key --to new.key")]
pub(super) struct RotateKey {
    #[command(flatten)]
    on: On,
    /// The new key: a file, `env:NAME`, or `command:PROGRAM ARGUMENT…`.
    #[arg(long, value_name = "SOURCE")]
    to: KeySource,
}

impl RotateKey {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let to = PayloadKey::read(&self.to).context("the new key can't be read")?;
        let name = id(&to);
        let keys = self.on.open()?.rotate_key(to, Timestamp::now())?;
        out.line(&format!("{} encrypted under {name}", counted(keys, "data key")))?;
        Ok(Exit::Fine)
    }
}

/// What tells a key from others.
fn id(key: &PayloadKey) -> String {
    key.id().iter().map(|byte| format!("{byte:02x}")).collect()
}
