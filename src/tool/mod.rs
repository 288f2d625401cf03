//! What an argument may be; one file for each kind of check, each usable alone.

mod schema;

pub use schema::{Fault, FaultKind, Schema, SchemaError};
pub(crate) use schema::{Impossible, Of, impossible};
