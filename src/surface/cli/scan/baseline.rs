//! Findings that are accepted.
//!
//! A line of the file names the rule, the file, a digest of the line with its matches masked, and 16 bits of a digest of
//! the match under a random key: enough to notice another value, too little to find this one.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use anyhow::{Context, bail};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Scanned;
use super::print::excerpt;
use crate::schema::rows::{Accepted, BaselineHeader};
use crate::verdict::Finding;

/// What a baseline accepts.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    key: String,
    known: BTreeSet<Accepted>,
}

fn digest(key: &str, text: &str, bytes: usize) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

impl Baseline {
    pub(super) fn new() -> Self {
        // Each state is seeded by the operating system.
        let random = || RandomState::new().hash_one(std::time::SystemTime::now());
        Self { key: format!("{:016x}{:016x}", random(), random()), known: BTreeSet::new() }
    }

    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("can't read `{name}`"))?;
        let mut lines = text.lines().enumerate();
        let header = lines.next().and_then(|(_, line)| serde_json::from_str::<BaselineHeader>(line).ok());
        let Some(BaselineHeader { ringfence_baseline: 1, key }) = header else {
            bail!("`{name}` is no baseline; make one with --write-baseline");
        };
        let mut known = BTreeSet::new();
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let accepted = serde_json::from_str(line);
            known.insert(accepted.with_context(|| format!("`{name}` line {} is no finding", number + 1))?);
        }
        Ok(Self { key, known })
    }

    fn accept(&self, scanned: &Scanned, finding: &Finding) -> Accepted {
        let matched = scanned.text.get(finding.start..finding.end).unwrap_or_default();
        Accepted {
            file: scanned.file.trim_start_matches("./").to_owned(),
            rule: finding.rule.clone(),
            line: digest(&self.key, &excerpt(&scanned.text, finding, &scanned.findings), 8),
            value: digest(&self.key, matched, 2),
        }
    }

    pub(super) fn add(&mut self, scanned: &Scanned) {
        for finding in &scanned.findings {
            let accepted = self.accept(scanned, finding);
            self.known.insert(accepted);
        }
    }

    /// Of each finding, whether it is known.
    pub(super) fn accepted(&self, scanned: &Scanned) -> Vec<bool> {
        scanned.findings.iter().map(|finding| self.known.contains(&self.accept(scanned, finding))).collect()
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<usize> {
        let mut text =
            serde_json::to_string(&BaselineHeader { ringfence_baseline: 1, key: self.key.clone() })?;
        text.push('\n');
        for accepted in &self.known {
            text.push_str(&serde_json::to_string(accepted)?);
            text.push('\n');
        }
        fs::write(path, text).with_context(|| format!("can't write `{}`", path.display()))?;
        Ok(self.known.len())
    }
}
