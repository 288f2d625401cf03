//! `ringfence audit init-key` and `checkpoint`.

use std::path::PathBuf;

use crate::audit::{Log, LogOptions, SigningKey};
use crate::surface::cli::Exit;
use crate::surface::cli::report::{self, Out};

/// Make the key that signs checkpoints
///
/// Writes FILE, readable by you alone, and FILE.pub, which checks signatures and may be given to anybody. Keep FILE where those who
/// administer the database can't read it, and a copy of FILE.pub with those who verify.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence audit init-key audit.key --name acme.example/agents")]
pub(super) struct InitKey {
    /// The file to write; nothing is overwritten.
    file: PathBuf,
    /// The name with which those of its logs begin, as acme.example/agents.
    #[arg(long, default_value = "ringfence-audit")]
    name: String,
}

impl InitKey {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let key = SigningKey::generate(&self.name)?;
        let public = key.write_new(&self.file)?;
        out.line(&key.public().text())?;
        report::note(&format!(
            "wrote {} (keep it secret, and away from the database) and {} (for whoever verifies)",
            self.file.display(),
            public.display()
        ));
        Ok(Exit::Fine)
    }
}

/// Sign the log as it is now
///
/// Programs that write the log sign it now and then and when they end. This is for records that none has signed, as of reads of the
/// log. Prints how many records are covered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence audit checkpoint log.db --audit-key audit.key --checkpoints checkpoints.txt")]
pub(super) struct Checkpoint {
    /// The log.
    log: PathBuf,
    /// The key that signs.
    #[arg(long, value_name = "FILE")]
    audit_key: PathBuf,
    /// Append the checkpoint to this file too.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
}

impl Checkpoint {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let mut options = LogOptions::default().existing().key(SigningKey::read(&self.audit_key)?);
        if let Some(file) = self.checkpoints {
            options = options.checkpoints(file);
        }
        let size = Log::checkpoint_once(&self.log, options)?;
        out.line(&format!("signed: {size} records"))?;
        Ok(Exit::Fine)
    }
}
