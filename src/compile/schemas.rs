//! JSON Schemas of a bundle: compiled, or told about at the place in which they are wrong.

use std::ops::Range;

use serde_json::Value;

use super::Compiler;
use crate::bundle::{Role, Source};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::tool::{Impossible, Of, Schema, impossible};
use crate::yaml;

/// Where a schema stands.
pub(super) struct Place<'a> {
    /// The file that has it or names the file that has it, and where.
    pub(super) source: &'a Source,
    pub(super) at: Range<usize>,
    /// The file that it names.
    pub(super) file: Option<&'a str>,
}

impl Compiler<'_> {
    /// Compiles a schema; reports everything that is wrong with it.
    pub(super) fn schema(&mut self, what: &str, schema: &Value, of: Of, place: &Place<'_>) -> Option<Schema> {
        match Schema::new(schema) {
            Ok(compiled) => {
                let found = impossible(schema, of);
                for Impossible { pointer, message, help } in &found {
                    let message = format!("{what}: {message}");
                    let diagnostic = self.at(Diagnostic::new(Code::BadSchema, message), pointer, place);
                    self.out.push(diagnostic.help(help));
                }
                found.is_empty().then_some(compiled)
            }
            Err(error) => {
                let diagnostic = Diagnostic::new(Code::BadSchema, format!("{what}: {error}"));
                let diagnostic = self.at(diagnostic, &error.pointer(), place);
                self.out.push(diagnostic.maybe_help(error.help().map(str::to_owned)));
                None
            }
        }
    }

    /// Points at a part of a schema, by its JSON Pointer.
    fn at(&self, diagnostic: Diagnostic, pointer: &str, place: &Place<'_>) -> Diagnostic {
        let named = Span::new(&place.source.name, place.at.start, place.at.end);
        let file = place.file.and_then(|name| self.bundle.source(name));
        match file.filter(|source| source.role() == Role::Schema) {
            Some(source) => {
                let part = yaml::place(&source.text, None, pointer);
                let span = part.map_or_else(
                    || Span::whole(&source.name),
                    |at| Span::new(&source.name, at.start, at.end),
                );
                diagnostic.at(span, "").related(named, "named here")
            }
            None => {
                let part = yaml::place(&place.source.text, Some(&place.at), pointer);
                let span = part.map_or(named, |at| Span::new(&place.source.name, at.start, at.end));
                diagnostic.at(span, "")
            }
        }
    }
}
