//! Strict decoding of foreign documents: a tree with positions, and a reader of it that collects every mistake.
//!
//! YAML files and JSON events ([`crate::event`]) both become a tree of nodes, from which `decode` reads a `serde`
//! type from one. Compared with a format's own deserializer it keeps the position of every value, goes on after
//! a mistake (a broken list entry is reported and left out), suggests the key that was meant, and never repeats
//! a *value* in a message, since the values of an event may be secrets.

mod de;
mod json;
mod node;
mod shape;

pub(crate) use json::node_from_json;
#[cfg(feature = "cli")]
pub(crate) use json::to_value;
pub use json::{MAX_JSON_DEPTH, from_json};
pub(crate) use node::{Key, Kind, Node};
pub use shape::Spanned;
pub(crate) use shape::{Entries, List};

use std::cell::RefCell;
use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::diagnostic::Code;

/// One mistake in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of mistake.
    pub code: Code,
    /// One line that names keys but no values.
    pub message: String,
    /// Where, in bytes of the document.
    pub span: Range<usize>,
    /// The way there, as a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// What to do.
    pub help: Option<String>,
    /// The first of two duplicates.
    pub first: Option<Range<usize>>,
}

/// A name as a segment of a JSON Pointer (RFC 6901, section 3).
pub(crate) fn pointer_segment(name: &str) -> String {
    if !name.contains(['~', '/']) {
        return name.to_owned();
    }
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that a segment of a JSON Pointer stands for.
pub(crate) fn pointer_name(segment: &str) -> String {
    if !segment.contains('~') {
        return segment.to_owned();
    }
    segment.replace("~1", "/").replace("~0", "~")
}

/// Reads a `T` from a tree. The problems are all that were met; a `T` may come with some, then it is incomplete and
/// good only for finding more problems.
pub(crate) fn decode<T: DeserializeOwned>(node: &Node) -> (Option<T>, Vec<Problem>) {
    let problems = RefCell::new(Vec::new());
    let root = de::Cursor { node, path: de::Path::Root, problems: &problems };
    let value = match T::deserialize(root) {
        Ok(value) => Some(value),
        Err(failure) => {
            root.report(failure);
            None
        }
    };
    (value, problems.into_inner())
}
