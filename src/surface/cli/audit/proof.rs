//! `ringfence audit prove` and `check-proof`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;

use super::Recorded;
use crate::audit::{LogReader, Proof, PublicKey};
use crate::surface::cli::Exit;
use crate::surface::cli::report::{self, Out};

/// Prove that a record is in the log
///
/// Prints the record, its path in the Merkle tree and a signed checkpoint (C2SP tlog-proof), for somebody who has no access to the log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ringfence audit prove log.db 17 > 17.tlog-proof")]
pub(super) struct Prove {
    /// The log.
    log: PathBuf,
    /// The record's number.
    number: u64,
    #[command(flatten)]
    recorded: Recorded,
}

impl Prove {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let proof = LogReader::open(&self.log)?.prove(self.number)?;
        let filter = BTreeMap::from([("number", self.number.to_string())]);
        self.recorded.record(&self.log, "prove", filter, 1)?;
        out.raw(proof.text().as_bytes())?;
        Ok(Exit::Fine)
    }
}

/// Check a proof, without the log
///
/// Prints the record where the proof holds. Exits with 1 where it does not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence audit check-proof 17.tlog-proof --public-key audit.key.pub")]
pub(super) struct CheckProof {
    /// The proof.
    file: PathBuf,
    /// A key that may have signed; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    public_key: Vec<PathBuf>,
}

impl CheckProof {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let name = self.file.display();
        let text = std::fs::read_to_string(&self.file).with_context(|| format!("can't read `{name}`"))?;
        let keys = self.public_key.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>()?;
        let proof = Proof::parse(&text).with_context(|| format!("can't read `{name}`"))?;
        match proof.check(&keys) {
            Ok(record) => {
                out.line(record)?;
                let checkpoint = proof.checkpoint();
                report::note(&format!(
                    "ok: it is in the first {} records of {}",
                    checkpoint.size, checkpoint.origin
                ));
                Ok(Exit::Fine)
            }
            Err(error) => {
                report::error(&anyhow::Error::new(error));
                Ok(Exit::Found)
            }
        }
    }
}
