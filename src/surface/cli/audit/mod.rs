//! `ringfence audit`.

mod export;
mod filter;
mod key;
mod list;
mod ocsf;
mod proof;
mod stats;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;

use super::Exit;
use super::report::Out;
use crate::audit::{Log, LogOptions, Record};

/// Read, verify and prove the audit log
///
/// A log is a database that `eval --audit FILE.db` or a host application writes. Every record is chained to the one before and is a leaf of
/// a Merkle tree, whose state is signed now and then (a checkpoint) with a key that lies outside the database. Reads are recorded in
/// the log themselves.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence audit init-key audit.key
  ringfence eval sessions.jsonl --audit log.db --audit-key audit.key --checkpoints checkpoints.txt
  ringfence audit list log.db --decision deny --since 24h
  ringfence audit verify log.db --public-key audit.key.pub --checkpoints checkpoints.txt
  ringfence audit prove log.db 17 > 17.tlog-proof
  ringfence audit check-proof 17.tlog-proof --public-key audit.key.pub")]
pub(super) struct Audit {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    InitKey(key::InitKey),
    List(list::List),
    Show(list::Show),
    Stats(stats::StatsVerb),
    Export(export::Export),
    Verify(verify::VerifyVerb),
    Checkpoint(key::Checkpoint),
    Prove(proof::Prove),
    CheckProof(proof::CheckProof),
}

impl Audit {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::InitKey(verb) => verb.run(out),
            Verb::List(verb) => verb.run(out),
            Verb::Show(verb) => verb.run(out),
            Verb::Stats(verb) => verb.run(out),
            Verb::Export(verb) => verb.run(out),
            Verb::Verify(verb) => verb.run(out),
            Verb::Checkpoint(verb) => verb.run(out),
            Verb::Prove(verb) => verb.run(out),
            Verb::CheckProof(verb) => verb.run(out),
        }
    }
}

/// That a read is recorded, and as whose.
#[derive(Debug, clap::Args)]
struct Recorded {
    /// Do not record this read in the log.
    #[arg(long)]
    no_record: bool,
    /// Who reads, as the record says [default: $USER].
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
}

impl Recorded {
    /// Records a read before anything of it is shown.
    fn record(
        &self,
        log: &Path,
        verb: &str,
        filter: BTreeMap<&str, String>,
        records: u64,
    ) -> anyhow::Result<()> {
        if self.no_record {
            return Ok(());
        }
        let user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
        let by = self.by.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned());
        let record = Record::log_read(Timestamp::now(), &by, verb, filter, records);
        Log::append_once(log, LogOptions::default(), &record)
            .context("this read can't be recorded, so nothing is shown; --no-record reads without")?;
        Ok(())
    }
}
