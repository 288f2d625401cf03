//! Where the records of a verb's verdicts go.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use super::bundle::Applied;
use super::report;
use super::retain::PayloadKeys;
use crate::audit::{AuditError, AuditSink, Durability, JsonlSink, Log, LogOptions, Record, SigningKey};
use crate::compile::{CompileOptions, compile};
use crate::guard::Guard;

/// Which audit log is written, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Records {
    /// Append a record of each verdict to this audit log: a database where the name ends in .db or .sqlite, else JSON lines.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// The key that signs the database's checkpoints (`ringfence audit init-key`).
    #[arg(long, value_name = "FILE", requires = "audit")]
    audit_key: Option<PathBuf>,
    /// Append the database's checkpoints to this file too: keep it where who can write the database can't.
    #[arg(long, value_name = "FILE", requires = "audit_key")]
    checkpoints: Option<PathBuf>,
    #[command(flatten)]
    keys: PayloadKeys,
}

/// An audit log, open.
pub(super) enum Sink {
    Lines(Arc<JsonlSink>),
    Log(Arc<Log>),
}

impl Sink {
    pub(super) fn for_guard(&self) -> Arc<dyn AuditSink> {
        match self {
            Sink::Lines(sink) => Arc::clone(sink) as Arc<dyn AuditSink>,
            Sink::Log(log) => Arc::clone(log) as Arc<dyn AuditSink>,
        }
    }

    /// Makes everything durable. Whoever writes to it has to be gone.
    pub(super) fn close(self) -> Result<(), AuditError> {
        match self {
            // Each line is durable already.
            Sink::Lines(_) => Ok(()),
            Sink::Log(log) => Arc::into_inner(log).map_or(Ok(()), Log::close),
        }
    }
}

impl Records {
    pub(super) fn keys(&self) -> &PayloadKeys {
        &self.keys
    }

    /// Opens the log, where there is to be one. The keys may be there to read another one (`reads`).
    pub(super) fn open(&self, batched: bool, reads: bool) -> anyhow::Result<Option<Sink>> {
        let Some(path) = &self.audit else {
            if self.keys.is_given() && !reads {
                anyhow::bail!("contents are kept beside an audit log: give --audit FILE.db");
            }
            return Ok(None);
        };
        if !is_database(path) {
            if self.keys.is_given() && !reads {
                anyhow::bail!("contents are kept in a database: name the audit log FILE.db");
            }
            let sink = JsonlSink::create(path).context("can't open the audit file")?;
            return Ok(Some(Sink::Lines(Arc::new(sink))));
        }
        let durability = if batched { Durability::OnFlush } else { Durability::EachRecord };
        let mut options = LogOptions::default().durability(durability);
        match &self.audit_key {
            Some(key) => options = options.key(SigningKey::read(key)?),
            None => report::note(
                "note: nothing signs the audit log: make a key with `ringfence audit init-key FILE` and give it with --audit-key",
            ),
        }
        if let Some(file) = &self.checkpoints {
            // A verb may change its folder while the log is open.
            options = options.checkpoints(std::path::absolute(file).context("can't find the checkpoints")?);
        }
        options = self.keys.add(options)?;
        let path = std::path::absolute(path).context("can't find the audit log")?;
        Ok(Some(Sink::Log(Arc::new(Log::open(&path, options)?))))
    }

    /// Says what the bundle keeps and this run does not.
    pub(super) fn note_unkept(&self, guard: &Guard) {
        let unkept = guard.unkept_classes();
        if self.audit.as_deref().is_some_and(is_database) && !unkept.is_empty() {
            report::note(&format!(
                "note: no content is kept ({}): make a key with `ringfence retain init-key FILE` and give it with --payload-key",
                unkept.join(", ")
            ));
        }
    }

    /// A bundle that does not load is recorded where a log is written; that it can't be is told beside the reason.
    pub(super) fn bundle_refused(&self, applied: &Applied, options: &CompileOptions) {
        let Ok(Some(sink)) = self.open(false, true) else { return };
        let Ok((bundle, _)) = super::open(applied.path.as_deref()) else { return };
        let untrusted =
            applied.signatures.trust().ok().flatten().and_then(|trust| trust.check(&bundle).err());
        let codes: Vec<&str> = match (untrusted, compile(&bundle, options)) {
            (Some(untrusted), _) => vec![untrusted.code()],
            (None, Err(refused)) => {
                let errors = refused.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
                errors.map(|diagnostic| diagnostic.code.name()).collect()
            }
            (None, Ok(_)) => return,
        };
        let record = Record::bundle_refused(Timestamp::now(), bundle.origin(), bundle.digest(), codes);
        if let Err(error) = sink.for_guard().write(&record).and_then(|()| sink.close()) {
            report::error(&anyhow::Error::new(error));
        }
    }
}

/// Whether a file is to be a database, by its name.
fn is_database(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["db", "sqlite", "sqlite3"].contains(&extension))
}
