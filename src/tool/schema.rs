//! JSON Schema (draft 2020-12), strict about what it does not list, and silent about values.

mod close;
mod impossible;
mod inspect;

pub(crate) use impossible::{Impossible, Of, find as impossible};

use std::collections::BTreeSet;

use email_address::{EmailAddress, Options};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::diagnostic::did_you_mean;

/// The types of JSON Schema.
const TYPES: &[&str] = &["null", "boolean", "object", "array", "number", "string", "integer"];
/// Most faults that are told at once.
const MAX_FAULTS: usize = 8;

/// A JSON Schema, compiled.
///
/// Three things differ from the standard, all to the strict side. Members of objects that are not listed are refused,
/// at any depth (`additionalProperties: true` lets them in), and so are objects in lists whose `items` are not
/// described. `format` is checked. Keywords and formats that the standard does not have are errors, but for annotations
/// that begin with `x-`. `pattern` is
/// matched in linear time; look-around and back-references are refused. Only references within the document are
/// followed.
///
/// ```
/// use ringfence::tool::Schema;
/// use serde_json::json;
///
/// let schema = Schema::new(&json!({
///     "type": "object", "required": ["path"],
///     "properties": { "path": { "type": "string", "maxLength": 200 } },
/// })).unwrap();
/// assert!(schema.check(&json!({ "path": "a.txt" })).is_empty());
/// assert_eq!(schema.check(&json!({ "path": "a.txt", "mode": "w" })).len(), 1);
/// ```
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    /// Names that the schema itself uses: only these may stand in a message.
    names: BTreeSet<String>,
}

/// Why a schema can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It is nested too deeply.
    #[error("the schema is nested deeper than {} levels", inspect::MAX_DEPTH)]
    TooDeep,
    /// A reference that leaves the document.
    #[error("`$ref` may only point into the same document, with `#/…`")]
    ForeignReference,
    /// A keyword that 2020-12 does not have: it would hold nothing.
    #[error("JSON Schema has no keyword `{keyword}`{}", place(.pointer))]
    UnknownKeyword {
        /// JSON Pointer to the schema that has it.
        pointer: String,
        /// The keyword.
        keyword: String,
        /// What may be meant.
        help: Option<String>,
    },
    /// A format that is not checked.
    #[error("JSON Schema has no format `{format}`{}", place(.pointer))]
    UnknownFormat {
        /// JSON Pointer to the schema that has it.
        pointer: String,
        /// The format.
        format: String,
        /// What may be meant.
        help: Option<String>,
    },
    /// A schema that is defined by itself, and so lets everything in.
    #[error("the schema{} refers back to itself", place(.pointer))]
    Circular {
        /// JSON Pointer to the schema.
        pointer: String,
    },
    /// Branches within branches that would have a value checked too often.
    #[error("the schema{} has too many branches within branches", place(.pointer))]
    TooManyBranches {
        /// JSON Pointer to the schema.
        pointer: String,
    },
    /// It is not a valid schema.
    #[error("not a JSON Schema{}: {message}", place(.pointer))]
    Invalid {
        /// JSON Pointer to the part that is wrong.
        pointer: String,
        /// What is wrong with it.
        message: String,
        /// What may be meant.
        help: Option<String>,
    },
}

impl SchemaError {
    /// JSON Pointer to what is to be changed; empty where it is the whole schema.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self {
            SchemaError::UnknownKeyword { pointer, keyword, .. } => {
                format!("{pointer}/{}", crate::decode::pointer_segment(keyword))
            }
            SchemaError::UnknownFormat { pointer, .. } => format!("{pointer}/format"),
            SchemaError::Circular { pointer }
            | SchemaError::TooManyBranches { pointer }
            | SchemaError::Invalid { pointer, .. } => pointer.clone(),
            SchemaError::TooDeep | SchemaError::ForeignReference => String::new(),
        }
    }

    /// What may be meant.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            SchemaError::UnknownKeyword { help, .. }
            | SchemaError::UnknownFormat { help, .. }
            | SchemaError::Invalid { help, .. } => help.as_deref(),
            _ => None,
        }
    }
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!(" at `{pointer}`") }
}

/// One way in which a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer into the value; names that the schema does not know are shown as `*`.
    pub pointer: String,
    /// What kind of fault.
    pub kind: FaultKind,
    /// One line that names keywords and declared names, never values.
    pub message: String,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A property that the schema does not list.
    Undeclared,
    /// Anything else.
    Mismatch,
}

/// A mailbox of RFC 5321, section 4.1.2: no name before it, behind which another address could stand.
fn is_mailbox(text: &str) -> bool {
    EmailAddress::parse_with_options(text, Options::default().without_display_text()).is_ok()
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When it is not a valid 2020-12 schema, is too deep, or refers outside itself.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        let names = inspect::names(schema)?;
        let strict = close::closed(schema.clone());
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_format("email", is_mailbox)
            .with_format("idn-email", is_mailbox)
            .with_pattern_options(PatternOptions::regex())
            .build(&strict)
            .map_err(|error| SchemaError::Invalid {
                pointer: error.instance_path().to_string(),
                message: first_line(&error.to_string()),
                help: error
                    .instance()
                    .as_str()
                    .filter(|_| error.instance_path().to_string().ends_with("/type"))
                    .and_then(|kind| did_you_mean(kind, TYPES.iter().copied())),
            })?;
        Ok(Self { validator, names })
    }

    /// Everything in which `value` does not fit, up to a bound; empty where it fits.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<Fault> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        self.validator.iter_errors(value).take(MAX_FAULTS).map(|error| self.fault(&error)).collect()
    }

    fn fault(&self, error: &jsonschema::ValidationError<'_>) -> Fault {
        let pointer = self.sanitised(error.instance_path().as_str());
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let count = unexpected.len();
                let what = if count == 1 { "an argument" } else { "arguments" };
                let message = format!("{what} that the schema does not list");
                Fault { pointer, kind: FaultKind::Undeclared, message }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().filter(|name| self.names.contains(*name)).unwrap_or("*");
                Fault { pointer, kind: FaultKind::Mismatch, message: format!("`{name}` is missing") }
            }
            _ => {
                let path = error.schema_path().to_string();
                let keyword = path.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or("");
                // How a schema that lists no properties at all refuses one.
                if matches!(keyword, "additionalProperties" | "unevaluatedProperties") {
                    let pointer = pointer.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
                    let message = "an argument that the schema does not list".to_owned();
                    return Fault { pointer, kind: FaultKind::Undeclared, message };
                }
                let message = format!("does not fit `{keyword}` of its schema");
                Fault { pointer, kind: FaultKind::Mismatch, message }
            }
        }
    }

    fn sanitised(&self, pointer: &str) -> String {
        pointer
            .split('/')
            .map(|part| {
                let name = crate::decode::pointer_name(part);
                let index = part.len() < 7 && part.bytes().all(|byte| byte.is_ascii_digit());
                if part.is_empty() || index || self.names.contains(&name) { part } else { "*" }
            })
            .collect::<Vec<_>>()
            .join("/")
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn kinds(schema: Value, value: Value) -> Vec<(String, FaultKind)> {
        let faults = Schema::new(&schema).unwrap().check(&value);
        faults.into_iter().map(|fault| (fault.pointer, fault.kind)).collect()
    }

    #[test]
    fn undeclared_is_refused_at_any_depth_and_across_branches() {
        let schema = json!({ "type": "object", "properties": { "to": { "properties": { "iban": {} } } } });
        assert_eq!(kinds(schema.clone(), json!({ "to": { "iban": "x" } })), []);
        assert_eq!(kinds(schema.clone(), json!({ "x": 1 })), [(String::new(), FaultKind::Undeclared)]);
        assert_eq!(kinds(schema, json!({ "to": { "bic": 1 } })), [("/to".to_owned(), FaultKind::Undeclared)]);
        let composed = json!({ "properties": { "a": {} }, "anyOf": [{ "properties": { "b": {} } }] });
        assert_eq!(kinds(composed.clone(), json!({ "a": 1, "b": 2 })), []);
        assert_eq!(kinds(composed, json!({ "c": 1 }))[0].1, FaultKind::Undeclared);
        let referring = json!({ "properties": { "to": { "$ref": "#/$defs/to" } },
            "$defs": { "to": { "properties": { "iban": { "type": "string" } } } } });
        assert_eq!(kinds(referring.clone(), json!({ "to": { "iban": "x" } })), []);
        assert_eq!(
            kinds(referring, json!({ "to": { "bic": "x" } })),
            [("/to".to_owned(), FaultKind::Undeclared)]
        );
        let open = json!({ "properties": { "a": {} }, "additionalProperties": true });
        assert_eq!(kinds(open, json!({ "b": 1 })), []);
    }

    /// A name before an address, which some programs show and others send to, hides another one.
    #[test]
    fn addresses_have_no_name_before_them() {
        let schema = Schema::new(&json!({ "type": "string", "format": "email" })).unwrap();
        for good in ["a@corp.example", "a.b+c@corp.example", "\"a b\"@corp.example", "a@[192.0.2.1]"] {
            assert_eq!(schema.check(&json!(good)), [], "{good}");
        }
        for bad in [
            "a@corp.example <evil@bad.example>",
            "\"a@corp.example\" <evil@bad.example>",
            "<evil@bad.example>",
            "a@corp.example, evil@bad.example",
            "a@corp.example\nBcc: evil@bad.example",
            "a b@corp.example",
        ] {
            assert_eq!(schema.check(&json!(bad)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn faults_repeat_no_value_and_no_foreign_name() {
        let schema = Schema::new(&json!({
            "type": "object", "required": ["path"],
            "properties": { "path": { "type": "string", "maxLength": 3 }, "env": { "type": "object",
                "additionalProperties": { "type": "string" } } },
        }))
        .unwrap();
        let faults = schema
            .check(&json!({ "path": "hunter2-secret", "env": { "536-90-4399": 1 }, "sk-live-4711": 1 }));
        let shown = format!("{faults:?}");
        for secret in ["hunter2", "536-90", "sk-live"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert_eq!(faults.len(), 3);
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        assert_eq!(
            Schema::new(&json!({ "$ref": "https://example.com/x.json" })).unwrap_err(),
            SchemaError::ForeignReference
        );
        assert!(Schema::new(&json!({ "type": "strnig" })).is_err());
        assert!(Schema::new(&json!({ "pattern": "(?=x)y" })).is_err());
        let deep = (0..100).fold(json!({}), |inner, _| json!({ "items": inner }));
        assert_eq!(Schema::new(&deep).unwrap_err(), SchemaError::TooDeep);
    }

    #[test]
    fn what_is_not_described_is_undeclared() {
        let undeclared = |schema: Value, value: Value| {
            let faults = Schema::new(&schema).unwrap().check(&value);
            faults.iter().any(|fault| fault.kind == FaultKind::Undeclared)
        };
        assert!(undeclared(json!({}), json!({ "a": 1 })));
        assert!(undeclared(json!({ "type": "object" }), json!({ "a": 1 })));
        assert!(undeclared(
            json!({ "properties": { "m": { "type": "object" } } }),
            json!({ "m": { "a": 1 } })
        ));
        assert!(undeclared(json!({ "properties": { "m": true } }), json!({ "m": { "a": 1 } })));
        assert!(undeclared(
            json!({ "properties": { "m": { "not": { "required": ["z"] } } } }),
            json!({ "m": { "a": 1 } })
        ));
        let pattern =
            json!({ "properties": { "a": {} }, "patternProperties": { "^x-": { "type": "string" } } });
        assert!(undeclared(pattern.clone(), json!({ "evil": "x" })));
        assert_eq!(kinds(pattern, json!({ "a": 1, "x-y": "z" })), []);
        let branch = json!({ "allOf": [{ "properties": { "to": { "properties": { "iban": {} } } } }] });
        assert_eq!(kinds(branch.clone(), json!({ "to": { "iban": 1 } })), []);
        assert!(undeclared(branch, json!({ "to": { "bic": 1 } })));
        let list = json!({ "properties": { "list": { "type": "array" } } });
        assert_eq!(kinds(list.clone(), json!({ "list": [1, "a", null] })), []);
        assert_eq!(kinds(list, json!({ "list": [{ "a": 1 }] })).len(), 1);
        let any = json!({ "properties": { "m": { "type": "object", "additionalProperties": true } } });
        assert_eq!(kinds(any, json!({ "m": { "a": { "b": 1 } } })), []);
        let tree = json!({ "properties": { "root": { "$ref": "#/$defs/node" } }, "$defs": { "node": {
            "type": "object", "properties": { "next": { "$ref": "#/$defs/node" } } } } });
        assert_eq!(kinds(tree.clone(), json!({ "root": { "next": { "next": {} } } })), []);
        assert!(undeclared(tree, json!({ "root": { "next": { "evil": {} } } })));
    }

    #[test]
    fn what_the_standard_does_not_have_is_refused() {
        let error = |schema: Value| Schema::new(&schema).unwrap_err().to_string();
        let schema = json!({ "properties": { "a": { "type": "string", "maxlenght": 5 } } });
        assert_eq!(error(schema), "JSON Schema has no keyword `maxlenght` at `/properties/a`");
        assert_eq!(error(json!({ "requried": ["a"] })), "JSON Schema has no keyword `requried`");
        assert_eq!(error(json!({ "format": "emial" })), "JSON Schema has no format `emial`");
        assert!(
            Schema::new(&json!({ "properties": { "maxlenght": {} }, "x-note": 1, "default": { "b": 1 } }))
                .is_ok()
        );
        for circular in [
            json!({ "$ref": "#" }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/b" }] }, "b": { "$ref": "#/$defs/a" } } }),
            json!({ "properties": { "a": { "anyOf": [{ "$ref": "#/properties/a" }] } } }),
        ] {
            assert!(matches!(Schema::new(&circular), Err(SchemaError::Circular { .. })), "{circular}");
        }
        let mut defs = Map::new();
        for level in 0..12 {
            let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
            defs.insert(format!("d{level}"), json!({ "anyOf": [next.clone(), next] }));
        }
        defs.insert("d12".to_owned(), json!({ "type": "string" }));
        let bomb = json!({ "$ref": "#/$defs/d0", "$defs": defs });
        assert!(matches!(Schema::new(&bomb), Err(SchemaError::TooManyBranches { .. })));
    }

    #[test]
    fn checks_formats() {
        let schema = json!({ "properties": { "when": { "type": "string", "format": "date-time" } } });
        assert_eq!(kinds(schema.clone(), json!({ "when": "2026-11-22T10:00:00Z" })), []);
        assert_eq!(kinds(schema, json!({ "when": "tomorrow" })), [("/when".to_owned(), FaultKind::Mismatch)]);
    }
}
