//! What an argument may be; one file for each kind of check, each usable alone.

mod command;
mod path;
mod schema;
mod signs;
mod url;

pub use command::{
    CommandError, CommandFind, CommandFinder, CommandFound, CommandLine, CommandPolicy, Construct,
    Constructs, MAX_BYTES, PatternError, Redirect, RedirectKind, Refused, Simple, Word,
};
pub(crate) use command::{CommandIndex, Looked, changes_what_runs};
pub use path::{
    Access, Glob, GlobError, PathFind, PathFinder, PathPolicy, PathRefused, ResolvedPath, Symlinks, is_under,
    lexical, normalised,
};
pub(crate) use path::{Index as PathIndex, forms as path_forms};
pub use schema::{Fault, FaultKind, Schema, SchemaError};
pub(crate) use schema::{Impossible, Of, impossible};
pub use url::{
    AddressKind, HostError, UrlFind, UrlFinder, UrlPolicy, UrlRefused, kind_of as kind_of_address,
};
