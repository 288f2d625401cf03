//! The policy workbench: what changes between two bundles, what tests prove, why a verdict came out as it did.

#[path = "workbench/diff.rs"]
mod diff;
#[path = "workbench/explain.rs"]
mod explain;
#[path = "workbench/fmt.rs"]
mod fmt;
#[path = "workbench/mistakes.rs"]
mod mistakes;
#[path = "workbench/mutate.rs"]
mod mutate;
#[path = "workbench/used.rs"]
mod used;
