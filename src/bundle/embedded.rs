//! The bundles compiled into the binary.

use super::Bundle;

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name)))),*]
    };
}

/// The default bundle, `policies/`.
const DEFAULT: &[(&str, &str)] = files!("policies":);

/// What `ringfence init` writes, `starter/`.
const STARTER: &[(&str, &str)] = files!("starter":);

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
