//! The bundles compiled into the binary.

use super::Bundle;

macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name)))),+]
    };
}

/// The default bundle, `policies/`, with its tests: `ringfence init --full` writes them out too.
const DEFAULT: &[(&str, &str)] = files!(
    "policies": "ringfence.yaml", "directory.yaml", "tools.yaml", "retention.yaml", "access.cedar", "creation.cedar",
    "tools.cedar", "waivers.cedar", "packs/commands.yaml", "packs/delimiters.yaml", "packs/moderation.yaml", "packs/names.yaml", "packs/output.yaml", "packs/paths.yaml",
    "packs/pii-americas-africa.yaml", "packs/pii-asia-pacific.yaml", "packs/pii-bare.yaml", "packs/pii-europe.yaml",
    "packs/pii-germany.yaml", "packs/pii.yaml", "packs/prompts.yaml", "packs/secrets.yaml", "packs/urls.yaml", "tests/access.yaml", "tests/accuracy.yaml", "tests/arguments.yaml", "tests/commands.yaml",
    "tests/delimiters.yaml", "tests/output.yaml", "tests/pii.yaml", "tests/prompts.yaml", "tests/rules.yaml", "tests/secrets.jsonl", "tests/secrets.yaml",
    "tests/texts.yaml", "tests/tools.yaml",
);

/// What `ringfence init` writes, `starter/`.
const STARTER: &[(&str, &str)] = files!(
    "starter": "ringfence.yaml", "directory.yaml", "tools.yaml", "retention.yaml", "access.cedar", "packs/pii.yaml", "tests/access.yaml",
);

/// What tells the sources of the default bundle from others: quick to compute, and no proof of anything.
pub(crate) fn fingerprint() -> u64 {
    let mix = |state: u64, word: u64| (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    DEFAULT.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]).fold(0, |state, bytes| {
        let (words, rest) = bytes.as_chunks();
        let rest = rest.iter().fold(1, |word, byte| word << 8 | u64::from(*byte));
        let state = mix(mix(state, bytes.len() as u64), rest);
        words.iter().fold(state, |state, word| mix(state, u64::from_le_bytes(*word)))
    })
}

impl Bundle {
    /// The default bundle.
    #[must_use]
    pub fn embedded() -> Bundle {
        Bundle::from_sources("built-in", DEFAULT.iter().copied())
    }
}

/// The bundle that `ringfence init` writes out to be edited.
#[must_use]
pub fn starter() -> Bundle {
    Bundle::from_sources("starter", STARTER.iter().copied())
}
