//! What Cedar can know of an argument: the shape that its JSON Schema gives it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cedar_policy::RestrictedExpression;
use serde_json::{Value, json};

/// Deepest nesting of a shape; below it, presence only.
const MAX_DEPTH: usize = 8;

/// The shape of an argument.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Text; with the values that it can have, where the schema lists them.
    String(Option<Vec<String>>),
    Long,
    Decimal,
    Bool,
    Ip,
    Datetime,
    Set(Box<Shape>),
    Record(BTreeMap<String, (Shape, Presence)>),
    /// What Cedar can't type: unions, maps, anything. Present but empty, so that looking inside is an error.
    Opaque,
}

/// Whether a property is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// An argument that its type can't hold: a number out of range, say. Holds no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfit;

impl Shape {
    /// The shape of a tool's arguments.
    pub(crate) fn of_arguments(schema: &Value) -> Shape {
        match Shape::of(schema, schema, 0) {
            (record @ Shape::Record(_), _) => record,
            _ => Shape::Record(BTreeMap::new()),
        }
    }

    /// The shape of a schema, and whether null is allowed too.
    fn of(schema: &Value, root: &Value, depth: usize) -> (Shape, bool) {
        let Value::Object(map) = schema else { return (Shape::Opaque, true) };
        if depth > MAX_DEPTH {
            return (Shape::Opaque, true);
        }
        if let Some(target) = map.get("$ref").and_then(Value::as_str) {
            let resolved = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return match resolved {
                Some(resolved) if map.len() == 1 => Shape::of(resolved, root, depth + 1),
                _ => (Shape::Opaque, true),
            };
        }
        if ["anyOf", "oneOf", "allOf", "not", "if", "prefixItems"].iter().any(|key| map.contains_key(*key)) {
            return (Shape::Opaque, true);
        }
        let (kind, nullable) = match map.get("type") {
            Some(Value::String(kind)) => (kind.as_str(), false),
            Some(Value::Array(kinds)) => {
                let named: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
                let others: Vec<&str> = named.iter().copied().filter(|kind| *kind != "null").collect();
                match others.as_slice() {
                    [one] => (*one, named.len() > 1),
                    _ => return (Shape::Opaque, true),
                }
            }
            None if map.contains_key("properties") => ("object", false),
            None if named(map).is_some() => ("string", values(map).iter().any(|value| value.is_null())),
            _ => return (Shape::Opaque, true),
        };
        let shape = match kind {
            "string" => match map.get("format").and_then(Value::as_str) {
                Some("ipv4" | "ipv6") => Shape::Ip,
                Some("date-time") => Shape::Datetime,
                // What is not text among the values can't be given where the type is text.
                _ => Shape::String((!values(map).is_empty()).then(|| strings(map))),
            },
            "integer" => Shape::Long,
            "number" => Shape::Decimal,
            "boolean" => Shape::Bool,
            "array" => match map.get("items").map(|items| Shape::of(items, root, depth + 1)) {
                Some((Shape::Opaque, _) | (_, true)) | None => Shape::Opaque,
                Some((item, false)) => Shape::Set(Box::new(item)),
            },
            "object" => match map.get("properties") {
                Some(Value::Object(properties)) => {
                    let required: Vec<&str> = map
                        .get("required")
                        .and_then(Value::as_array)
                        .map(|names| names.iter().filter_map(Value::as_str).collect())
                        .unwrap_or_default();
                    let field = |(name, schema): (&String, &Value)| {
                        let (shape, nullable) = Shape::of(schema, root, depth + 1);
                        // Null means absent, so what may be null may be absent; an opaque value is present when it is.
                        let sure = required.contains(&name.as_str()) && (!nullable || shape == Shape::Opaque);
                        let presence = if sure { Presence::Required } else { Presence::Optional };
                        (name.clone(), (shape, presence))
                    };
                    Shape::Record(properties.iter().map(field).collect())
                }
                _ => Shape::Opaque,
            },
            _ => Shape::Opaque,
        };
        (shape, nullable)
    }

    /// The type in Cedar's JSON schema format.
    pub(super) fn to_schema(&self) -> Value {
        match self {
            Shape::String(_) => json!({ "type": "String" }),
            Shape::Long => json!({ "type": "Long" }),
            Shape::Bool => json!({ "type": "Boolean" }),
            Shape::Decimal => json!({ "type": "Extension", "name": "decimal" }),
            Shape::Ip => json!({ "type": "Extension", "name": "ipaddr" }),
            Shape::Datetime => json!({ "type": "Extension", "name": "datetime" }),
            Shape::Set(item) => json!({ "type": "Set", "element": item.to_schema() }),
            Shape::Opaque => json!({ "type": "Record", "attributes": {} }),
            Shape::Record(fields) => {
                let attributes: serde_json::Map<String, Value> = fields
                    .iter()
                    .map(|(name, (shape, presence))| {
                        let mut attribute = shape.to_schema();
                        if let Value::Object(map) = &mut attribute {
                            map.insert("required".to_owned(), Value::Bool(*presence == Presence::Required));
                        }
                        (name.clone(), attribute)
                    })
                    .collect();
                json!({ "type": "Record", "attributes": attributes })
            }
        }
    }

    /// The shape at a path of property names.
    pub(super) fn at<'s>(&'s self, path: &[String]) -> Option<&'s Shape> {
        match (path.split_first(), self) {
            (None, shape) => Some(shape),
            (Some((name, rest)), Shape::Record(fields)) => fields.get(name)?.0.at(rest),
            (Some(_), _) => None,
        }
    }

    /// The value as Cedar sees it. Nulls and undeclared properties are absent.
    pub(super) fn convert(&self, value: &Value) -> Result<RestrictedExpression, Unfit> {
        match (self, value) {
            (Shape::String(_), Value::String(text)) => Ok(RestrictedExpression::new_string(text.clone())),
            (Shape::Bool, Value::Bool(flag)) => Ok(RestrictedExpression::new_bool(*flag)),
            (Shape::Long, Value::Number(number)) => number
                .as_i64()
                .or_else(|| whole(number.as_f64()?))
                .map(RestrictedExpression::new_long)
                .ok_or(Unfit),
            (Shape::Decimal, Value::Number(number)) => {
                decimal(number).map(RestrictedExpression::new_decimal).ok_or(Unfit)
            }
            (Shape::Ip, Value::String(text)) => {
                let address: std::net::IpAddr = text.parse().map_err(|_| Unfit)?;
                Ok(RestrictedExpression::new_ip(address.to_string()))
            }
            (Shape::Datetime, Value::String(text)) => {
                let at: jiff::Timestamp = text.parse().map_err(|_| Unfit)?;
                Ok(datetime(at.as_millisecond()))
            }
            (Shape::Set(item), Value::Array(items)) => {
                let items: Result<Vec<_>, _> = items.iter().map(|value| item.convert(value)).collect();
                Ok(RestrictedExpression::new_set(items?))
            }
            (Shape::Record(fields), Value::Object(map)) => {
                let mut pairs = Vec::with_capacity(fields.len());
                for (name, (shape, _)) in fields {
                    match map.get(name) {
                        None => {}
                        Some(Value::Null) if *shape != Shape::Opaque => {}
                        Some(value) => pairs.push((name.clone(), shape.convert(value)?)),
                    }
                }
                RestrictedExpression::new_record(pairs).map_err(|_| Unfit)
            }
            (Shape::Opaque, _) => RestrictedExpression::new_record([]).map_err(|_| Unfit),
            _ => Err(Unfit),
        }
    }
}

/// The values that a schema lists, with `enum` or `const`.
fn values(map: &serde_json::Map<String, Value>) -> Vec<&Value> {
    match (map.get("enum"), map.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().collect(),
        (_, Some(value)) => vec![value],
        _ => Vec::new(),
    }
}

fn strings(map: &serde_json::Map<String, Value>) -> Vec<String> {
    values(map).into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The texts that a schema without a type lists, where it lists nothing but texts and null.
fn named(map: &serde_json::Map<String, Value>) -> Option<Vec<String>> {
    let fits = values(map).iter().all(|value| value.is_string() || value.is_null());
    Some(strings(map)).filter(|texts| fits && !texts.is_empty())
}

/// `3.0` is 3 (JSON Schema counts it as an integer).
#[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53, which is checked")]
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

/// A number with four places, as Cedar's `decimal` reads it.
fn decimal(number: &serde_json::Number) -> Option<String> {
    if let Some(whole) = number.as_i64() {
        return (whole.unsigned_abs() <= 922_337_203_685_476).then(|| format!("{whole}.0"));
    }
    let value = number.as_f64()?;
    (value.abs() < 922_337_203_685_477.0).then(|| format!("{value:.4}"))
}

/// A time in milliseconds since 1970, in the one form that Cedar reads.
pub(super) fn datetime(milliseconds: i64) -> RestrictedExpression {
    let at = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let mut text = String::with_capacity(24);
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year().max(0),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    );
    RestrictedExpression::new_datetime(text)
}
