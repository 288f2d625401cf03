//! `ringfence retain`.

mod account;
mod apply;
mod erase;
mod export;
mod hold;
mod key;
mod plan;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::Exit;
use super::bundle::{Key, Signatures};
use super::report::{self, Out};
use crate::audit::{KeySource, LogOptions, PayloadKey, SigningKey};
use crate::retention::Retention;

/// Decide what is kept of contents, remove what is due, and prove it
///
/// A log that `eval --audit FILE.db --payload-key KEY` or a host application writes keeps what was said (texts, arguments, results) apart
/// from its records, where a class of retention.yaml keeps it: encrypted under data keys in a file of their own, LOG.keys. What is due is
/// removed a little at a time, while programs go on writing; every run, hold, erasure and export is recorded in the log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence retain init-key payload.key
  ringfence eval sessions.jsonl --audit log.db --audit-key audit.key --payload-key payload.key
  ringfence retain plan --db log.db                                   what is due, changing nothing
  ringfence retain apply --db log.db --payload-key payload.key        remove it; from a timer, once an hour or a day
  ringfence retain hold --db log.db --user ann --reason 'case 17' --owner legal
  ringfence retain erase --db log.db --payload-key payload.key --audit-key audit.key --user ann > receipt.txt
  ringfence retain check-receipt receipt.txt --public-key audit.key.pub
  ringfence retain export --db log.db --payload-key payload.key --user ann > ann.jsonl")]
pub(super) struct Retain {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    InitKey(key::InitKey),
    Plan(plan::PlanVerb),
    Apply(apply::Apply),
    Hold(hold::HoldVerb),
    Release(hold::Release),
    Holds(hold::Holds),
    Erase(erase::Erase),
    CheckReceipt(erase::CheckReceipt),
    Export(export::Export),
    Check(account::Check),
    RotateKey(key::RotateKey),
}

impl Retain {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::InitKey(verb) => verb.run(out),
            Verb::Plan(verb) => verb.run(out),
            Verb::Apply(verb) => verb.run(out),
            Verb::Hold(verb) => verb.run(out),
            Verb::Release(verb) => verb.run(out),
            Verb::Holds(verb) => verb.run(out),
            Verb::Erase(verb) => verb.run(out),
            Verb::CheckReceipt(verb) => verb.run(out),
            Verb::Export(verb) => verb.run(out),
            Verb::Check(verb) => verb.run(out),
            Verb::RotateKey(verb) => verb.run(out),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// To read.
    Text,
    /// One JSON object per line.
    Json,
}

/// The log, the bundle and the keys.
#[derive(Debug, clap::Args)]
struct On {
    /// The log, a database.
    #[arg(long, value_name = "LOG")]
    db: PathBuf,
    /// The bundle whose retention classes count [default: ./policies or . with a ringfence.yaml, else the built-in one].
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    signatures: Signatures,
    #[command(flatten)]
    key: Key,
    /// The key that signs checkpoints and receipts (`ringfence audit init-key`).
    #[arg(long, value_name = "FILE")]
    audit_key: Option<PathBuf>,
    /// Append checkpoints to this file too.
    #[arg(long, value_name = "FILE", requires = "audit_key")]
    checkpoints: Option<PathBuf>,
    /// Who does this, as the record says [default: $USER].
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    keys: PayloadKeys,
}

/// The key under which contents are kept.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PayloadKeys {
    /// The key under which contents are kept: a file (`ringfence retain init-key`), `env:NAME`, or `command:PROGRAM ARGUMENT…`.
    #[arg(long, value_name = "SOURCE")]
    payload_key: Option<KeySource>,
    /// The file of data keys [default: the log's name and .keys]. Keep it out of backups of the log.
    #[arg(long, value_name = "FILE", requires = "payload_key")]
    data_keys: Option<PathBuf>,
}

impl PayloadKeys {
    pub(super) fn is_given(&self) -> bool {
        self.payload_key.is_some()
    }

    pub(super) fn add(&self, mut options: LogOptions) -> anyhow::Result<LogOptions> {
        if let Some(source) = &self.payload_key {
            options = options.payload_key(PayloadKey::read(source)?);
        }
        if let Some(file) = &self.data_keys {
            options = options.data_keys(file);
        }
        Ok(options)
    }
}

impl On {
    fn open(&self) -> anyhow::Result<Retention> {
        let (engine, _) = super::engine(self.bundle.as_deref(), &self.key.options()?, &self.signatures)?;
        let mut options = self.keys.add(LogOptions::default())?;
        if let Some(key) = &self.audit_key {
            options = options.key(SigningKey::read(key)?);
        }
        if let Some(file) = &self.checkpoints {
            options = options.checkpoints(file);
        }
        Ok(Retention::open(&self.db, &engine, options, self.by())?)
    }

    fn by(&self) -> String {
        let user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
        self.by.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned())
    }

    /// What a run without the payload key leaves undone.
    fn note_missing_key(&self) {
        if !self.keys.is_given() {
            report::note(
                "note: no data key is destroyed without --payload-key, so that backups still hold what goes",
            );
        }
    }
}

/// Bytes as people write them.
fn bytes(number: u64) -> String {
    match number {
        0..10_000 => format!("{number} B"),
        10_000..10_000_000 => format!("{} kB", number / 1_000),
        _ => format!("{} MB", number / 1_000_000),
    }
}

/// A period as people write it.
fn period(seconds: u64) -> String {
    match seconds {
        0 => "never".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ => format!("{seconds}s"),
    }
}
