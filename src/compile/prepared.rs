//! What of the default bundle is compiled when it is written, not when it is used: its rules, their scanner, and its policies.
//!
//! `prepared.bin` is made from `policies/` by a test, which also fails when it is not what compiling gives:
//! `RINGFENCE_BLESS=1 cargo test prepared` writes it anew. A build whose policies were changed without that does not trust it, and
//! compiles everything at start.

use std::sync::Arc;

use serde::Deserialize;

use crate::bundle;
use crate::cedar;
use crate::rule::Rule;
use crate::text::Scanner;

const BYTES: &[u8] = include_bytes!("prepared.bin");

/// Rules of the default bundle with what finds them.
#[derive(Deserialize)]
pub(super) struct Prepared {
    /// Digest of the bundle.
    pub(super) digest: String,
    pub(super) packs: Vec<String>,
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) scanner: Scanner,
    pub(super) policies: cedar::Prepared,
}

impl Prepared {
    /// `None` where it was made from other sources than this program holds.
    pub(super) fn load() -> Option<Self> {
        let (fingerprint, rest) = BYTES.split_first_chunk()?;
        if u64::from_le_bytes(*fingerprint) != bundle::fingerprint() {
            return None;
        }
        postcard::from_bytes(rest).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::compile::{CompileOptions, compile};
    use crate::engine::Engine;

    #[test]
    fn prepared_is_what_compiling_gives() {
        let bundle = Bundle::embedded();
        let options = CompileOptions { trusted: true, ..CompileOptions::default() };
        let Engine(inner) = compile(&bundle, &options).unwrap().engine;
        let mut packs: Vec<&str> = Vec::new();
        for rule in &inner.rules {
            if packs.last() != Some(&&*rule.pack) {
                packs.push(&rule.pack);
            }
        }
        let rest = (bundle.digest(), packs, &inner.rules, &*inner.scanner, inner.policies.prepare());
        let rest = postcard::to_allocvec(&rest).unwrap();
        let fresh = [bundle::fingerprint().to_le_bytes().as_slice(), &rest].concat();
        if std::env::var_os("RINGFENCE_BLESS").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/compile/prepared.bin");
            std::fs::write(file, &fresh).unwrap();
        } else {
            assert!(fresh == BYTES, "prepared.bin is not up to date: RINGFENCE_BLESS=1 cargo test prepared");
            assert_eq!(Prepared::load().map(|prepared| prepared.rules.len()), Some(inner.rules.len()));
        }
    }

    /// What a bundle's examples made is given back: most of its rules find nothing for as long as it is used.
    #[test]
    fn nothing_is_kept_of_finders_that_were_proven() {
        let starter = bundle::starter();
        let Engine(inner) = compile(&starter, &CompileOptions::default()).unwrap().engine;
        let finders: Vec<_> = inner.rules.iter().filter_map(|rule| rule.finder()).collect();
        assert!(!finders.is_empty() && !finders.iter().any(|finder| finder.is_made()));
    }
}
