//! What a schema may say: keywords and formats that exist, within bounds, and nothing outside the document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::SchemaError;
use crate::diagnostic::did_you_mean;

/// Deepest nesting of a schema.
pub(super) const MAX_DEPTH: usize = 32;
/// Most schemas, those of all branches together, that are applied to one value.
const MAX_WEIGHT: u64 = 1024;

/// Keywords whose value is a schema, a list of schemas, and an object of schemas.
const SCHEMA: &[&str] = &[
    "items",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "contentSchema",
];
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED: &[&str] = &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/// The other keywords of 2020-12, and annotations.
const PLAIN: &[&str] = &[
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "format",
    "contentEncoding",
    "contentMediaType",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$schema",
    "$id",
    "$anchor",
    "$ref",
    "$dynamicRef",
    "$dynamicAnchor",
    "$vocabulary",
];
/// Formats that are checked.
const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];
/// Keywords that apply a schema to the very same value.
pub(super) const IN_PLACE: &[&str] =
    &["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// Schemas inside a schema, with their pointers.
pub(super) fn parts<'s>(
    map: &'s Map<String, Value>,
    at: &str,
    of: impl Fn(&str) -> bool,
) -> Vec<(String, &'s Value)> {
    let mut parts = Vec::new();
    for (key, value) in map.iter().filter(|(key, _)| of(key)) {
        let at = format!("{at}/{}", crate::decode::pointer_segment(key));
        match value {
            Value::Array(items) if SCHEMAS.contains(&key.as_str()) => {
                parts.extend(items.iter().enumerate().map(|(number, item)| (format!("{at}/{number}"), item)));
            }
            Value::Object(named) if NAMED.contains(&key.as_str()) => {
                let named = named.iter();
                parts.extend(
                    named.map(|(name, one)| (format!("{at}/{}", crate::decode::pointer_segment(name)), one)),
                );
            }
            _ if SCHEMA.contains(&key.as_str()) => parts.push((at, value)),
            _ => {}
        }
    }
    parts
}

/// The names that a schema declares.
///
/// # Errors
/// When it says what is not understood, is too deep, or refers elsewhere or to itself.
pub(super) fn names(schema: &Value) -> Result<BTreeSet<String>, SchemaError> {
    let mut names = BTreeSet::new();
    inspect(schema, schema, "", 0, &mut names, &mut Weights::new())?;
    Ok(names)
}

/// Collects declared names, and refuses what is not understood, too deep, or refers elsewhere or to itself.
fn inspect(
    root: &Value,
    schema: &Value,
    at: &str,
    depth: usize,
    names: &mut BTreeSet<String>,
    weights: &mut Weights,
) -> Result<(), SchemaError> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::TooDeep);
    }
    let Value::Object(map) = schema else { return Ok(()) };
    for (key, value) in map {
        let key = key.as_str();
        let known = [SCHEMA, SCHEMAS, NAMED, PLAIN].iter().any(|list| list.contains(&key));
        if !known && !key.starts_with("x-") {
            let keywords = [SCHEMA, SCHEMAS, NAMED, PLAIN].into_iter().flatten().copied();
            return Err(SchemaError::UnknownKeyword {
                pointer: at.to_owned(),
                keyword: key.to_owned(),
                help: did_you_mean(key, keywords),
            });
        }
        if let ("format", Some(format)) = (key, value.as_str())
            && !FORMATS.contains(&format)
        {
            return Err(SchemaError::UnknownFormat {
                pointer: at.to_owned(),
                format: format.to_owned(),
                help: did_you_mean(format, FORMATS.iter().copied()),
            });
        }
        let local = |target: &str| target == "#" || target.starts_with("#/");
        if matches!(key, "$ref" | "$dynamicRef") && value.as_str().is_some_and(|target| !local(target)) {
            return Err(SchemaError::ForeignReference);
        }
        if let ("properties", Value::Object(properties)) = (key, value) {
            names.extend(properties.keys().cloned());
        }
        if let ("required", Value::Array(required)) = (key, value) {
            names.extend(required.iter().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    weigh(root, schema, at, &mut Vec::new(), weights)?;
    parts(map, at, |_| true)
        .into_iter()
        .try_for_each(|(at, part)| inspect(root, part, &at, depth + 1, names, weights))
}

/// How many schemas are applied to one value, those of all branches together, by pointer.
type Weights = BTreeMap<String, u64>;

/// Refuses a schema that applies itself to the same value again, which would say nothing, and one whose branches
/// multiply beyond what a value can be checked against in good time.
fn weigh(
    root: &Value,
    schema: &Value,
    at: &str,
    above: &mut Vec<String>,
    known: &mut Weights,
) -> Result<u64, SchemaError> {
    if let Some(weight) = known.get(at) {
        return Ok(*weight);
    }
    if above.iter().any(|known| known == at) {
        return Err(SchemaError::Circular { pointer: at.to_owned() });
    }
    if above.len() > MAX_DEPTH {
        return Err(SchemaError::TooDeep);
    }
    let Value::Object(map) = schema else { return Ok(1) };
    above.push(at.to_owned());
    let mut weight = 1_u64;
    for key in ["$ref", "$dynamicRef"] {
        let target = map.get(key).and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        if let Some((target, found)) = target.and_then(|target| Some((target, root.pointer(target)?))) {
            weight = weight.saturating_add(weigh(root, found, target, above, known)?);
        }
    }
    for (at, part) in parts(map, at, |key| IN_PLACE.contains(&key)) {
        weight = weight.saturating_add(weigh(root, part, &at, above, known)?);
    }
    above.pop();
    if weight > MAX_WEIGHT {
        return Err(SchemaError::TooManyBranches { pointer: at.to_owned() });
    }
    known.insert(at.to_owned(), weight);
    Ok(weight)
}
