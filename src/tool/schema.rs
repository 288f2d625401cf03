//! JSON Schema (draft 2020-12), strict about what it does not list, and silent about values.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

/// Deepest nesting of a schema.
const MAX_DEPTH: usize = 32;
/// Most faults that are told at once.
const MAX_FAULTS: usize = 8;

/// A JSON Schema, compiled.
///
/// Two things differ from the standard, both to the strict side: an object that lists `properties` and says nothing
/// about others refuses them (`additionalProperties: true` lets them in), and `format` is checked. `pattern` is
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
    #[error("the schema is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A reference that leaves the document.
    #[error("`$ref` may only point into the same document, with `#/…`")]
    ForeignReference,
    /// It is not a valid schema.
    #[error("not a JSON Schema: {message}")]
    Invalid {
        /// What is wrong with it.
        message: String,
    },
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

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When it is not a valid 2020-12 schema, is too deep, or refers outside itself.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        let mut names = BTreeSet::new();
        inspect(schema, 0, &mut names)?;
        let strict = close(schema.clone());
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            .build(&strict)
            .map_err(|error| SchemaError::Invalid { message: first_line(&error.to_string()) })?;
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

/// Collects declared names, and refuses depth and foreign references.
fn inspect(schema: &Value, depth: usize, names: &mut BTreeSet<String>) -> Result<(), SchemaError> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::TooDeep);
    }
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                let reference = matches!(key.as_str(), "$ref" | "$dynamicRef");
                if reference && value.as_str().is_some_and(|target| !target.starts_with('#')) {
                    return Err(SchemaError::ForeignReference);
                }
                if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                    names.extend(properties.keys().cloned());
                }
                if let ("required", Value::Array(required)) = (key.as_str(), value) {
                    names.extend(required.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                inspect(value, depth + 1, names)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| inspect(item, depth + 1, names)),
        _ => Ok(()),
    }
}

/// Closes every object schema that lists properties and leaves others open by saying nothing.
fn close(schema: Value) -> Value {
    let Value::Object(mut map) = schema else { return schema };
    for key in ["items", "additionalProperties", "unevaluatedItems", "contains"] {
        if let Some(inner) = map.remove(key) {
            map.insert(key.to_owned(), close(inner));
        }
    }
    for key in ["properties", "patternProperties"] {
        if let Some(Value::Object(properties)) = map.remove(key) {
            let closed: Map<String, Value> =
                properties.into_iter().map(|(name, inner)| (name, close(inner))).collect();
            map.insert(key.to_owned(), Value::Object(closed));
        }
    }
    if let Some(Value::Array(items)) = map.remove("prefixItems") {
        map.insert("prefixItems".to_owned(), Value::Array(items.into_iter().map(close).collect()));
    }
    let says = ["additionalProperties", "unevaluatedProperties", "patternProperties"]
        .iter()
        .any(|key| map.contains_key(*key));
    // Branches see only their own properties: only a keyword that looks across them can close the whole.
    let composed =
        ["allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "$dynamicRef", "dependentSchemas"]
            .iter()
            .any(|key| map.contains_key(*key));
    if !says {
        if composed {
            map.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
        } else if map.contains_key("properties") {
            map.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn checks_formats() {
        let schema = json!({ "properties": { "when": { "type": "string", "format": "date-time" } } });
        assert_eq!(kinds(schema.clone(), json!({ "when": "2026-11-22T10:00:00Z" })), []);
        assert_eq!(kinds(schema, json!({ "when": "tomorrow" })), [("/when".to_owned(), FaultKind::Mismatch)]);
    }
}
