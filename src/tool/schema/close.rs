//! A schema that lets in only what it lists.

use serde_json::{Map, Value};

/// A schema as it stands, or of a member, closed; `true` would let anything in, `false` stays.
pub(super) fn closed(schema: Value) -> Value {
    match schema {
        Value::Bool(true) => close(Value::Object(Map::new())),
        Value::Object(_) => close(schema),
        other => other,
    }
}

/// Closes a schema: members of objects, and objects in lists, that it does not list are refused unless it says
/// `additionalProperties`, `unevaluatedProperties`, or `items` and the like.
fn close(schema: Value) -> Value {
    let mut map = match close_inside(schema) {
        Value::Object(map) => map,
        other => return other,
    };
    let says = |keys: &[&str], map: &Map<String, Value>| keys.iter().any(|key| map.contains_key(*key));
    // Branches see only their own properties: only a keyword that looks across them can close the whole.
    let composed = says(
        &["allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "$dynamicRef", "dependentSchemas"],
        &map,
    );
    let can_be = |kind: &str, map: &Map<String, Value>| match map.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        _ => !says(&["enum", "const"], map),
    };
    if can_be("object", &map) && !says(&["additionalProperties", "unevaluatedProperties"], &map) {
        let keyword = if composed { "unevaluatedProperties" } else { "additionalProperties" };
        map.insert(keyword.to_owned(), Value::Bool(false));
    }
    if can_be("array", &map) && !says(&["items", "prefixItems", "unevaluatedItems", "contains"], &map) {
        let keyword = if composed { "unevaluatedItems" } else { "items" };
        map.insert(
            keyword.to_owned(),
            serde_json::json!({ "type": ["null", "boolean", "number", "string"] }),
        );
    }
    Value::Object(map)
}

/// Closes the schemas of members and items, also of those that branches list, but not the branches themselves.
fn close_inside(schema: Value) -> Value {
    let Value::Object(map) = schema else { return schema };
    let all = |value: Value, how: fn(Value) -> Value| match value {
        Value::Array(list) => Value::Array(list.into_iter().map(how).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(name, one)| (name, how(one))).collect()),
        other => other,
    };
    let closed = map.into_iter().map(|(key, value)| {
        let value = match key.as_str() {
            "items" | "additionalProperties" | "unevaluatedItems" | "unevaluatedProperties"
                if value.is_object() =>
            {
                close(value)
            }
            "properties" | "patternProperties" | "prefixItems" => all(value, closed),
            "allOf" | "anyOf" | "oneOf" | "$defs" | "definitions" | "dependentSchemas" => {
                all(value, close_inside)
            }
            "then" | "else" => close_inside(value),
            _ => value,
        };
        (key, value)
    });
    Value::Object(closed.collect())
}
