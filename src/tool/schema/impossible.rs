//! Schemas that nothing fits: bounds the wrong way round, required members that are not let in.

use serde_json::{Map, Value};

use super::inspect::{IN_PLACE, parts};

/// Deepest schema that is looked at; deeper ones do not compile.
const MAX_DEPTH: usize = super::inspect::MAX_DEPTH;

/// Something that no value fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Impossible {
    /// JSON Pointer to what is to be changed.
    pub(crate) pointer: String,
    /// One line.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: String,
}

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The arguments of a tool: always an object.
    Arguments,
    /// Any value.
    Value,
}

/// Everything in a schema that nothing fits.
pub(crate) fn find(schema: &Value, of: Of) -> Vec<Impossible> {
    let mut found = Vec::new();
    let one = |pointer: &str, message: &str, help: &str| Impossible {
        pointer: pointer.to_owned(),
        message: message.to_owned(),
        help: help.to_owned(),
    };
    if of == Of::Arguments {
        let help =
            "write `type: object` with `properties`, or leave `input` out for a tool without arguments";
        let object = |map: &Map<String, Value>| {
            kinds(map).is_none_or(|kinds| kinds.contains(&"object"))
                && values(map).is_none_or(|values| values.iter().any(|value| value.is_object()))
        };
        match schema {
            Value::Object(map) if !object(map) => {
                let key = if map.contains_key("type") { "/type" } else { "" };
                found.push(one(key, "arguments are always an object, and this lets none in", help));
                return found;
            }
            Value::Bool(false) => {
                found.push(one("", "`false` lets no call in", help));
                return found;
            }
            _ => {}
        }
    } else if *schema == Value::Bool(false) {
        found.push(one("", "`false` lets nothing in", "describe what may come, or remove it"));
    }
    inspect(schema, "", Members::Here, 0, &mut found);
    found
}

/// Where the members of an object are declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Members {
    Here,
    /// The schema is a branch of another, which may declare them.
    Elsewhere,
}

fn inspect(schema: &Value, at: &str, members: Members, depth: usize, found: &mut Vec<Impossible>) {
    let Value::Object(map) = schema else { return };
    if depth > MAX_DEPTH {
        return;
    }
    bounds(map, at, found);
    listed(map, at, found);
    required(map, at, members, found);
    let skipped = |key: &str| matches!(key, "not" | "if" | "then" | "else" | "contains" | "dependentSchemas");
    for (pointer, part) in parts(map, at, |key| !skipped(key)) {
        let key = pointer.get(at.len() + 1..).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let branch = IN_PLACE.contains(&key) || matches!(key, "$defs" | "definitions");
        let members = if branch { Members::Elsewhere } else { Members::Here };
        inspect(part, &pointer, members, depth + 1, found);
    }
}

fn bounds(map: &Map<String, Value>, at: &str, found: &mut Vec<Impossible>) {
    let pairs = [
        ("minimum", "maximum", false),
        ("minimum", "exclusiveMaximum", true),
        ("exclusiveMinimum", "maximum", true),
        ("exclusiveMinimum", "exclusiveMaximum", true),
        ("minLength", "maxLength", false),
        ("minItems", "maxItems", false),
        ("minProperties", "maxProperties", false),
    ];
    for (low, high, strict) in pairs {
        let number = |key: &str| map.get(key).and_then(Value::as_f64);
        let (Some(least), Some(most)) = (number(low), number(high)) else { continue };
        if least > most || (strict && least >= most) {
            found.push(Impossible {
                pointer: format!("{at}/{low}"),
                message: format!("nothing fits `{low}: {least}` and `{high}: {most}`"),
                help: "are the two the wrong way round?".to_owned(),
            });
        }
    }
}

fn kinds(map: &Map<String, Value>) -> Option<Vec<&str>> {
    match map.get("type")? {
        Value::String(kind) => Some(vec![kind]),
        Value::Array(kinds) => Some(kinds.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn values(map: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (map.get("enum"), map.get("const")) {
        (Some(Value::Array(values)), _) => Some(values.iter().collect()),
        (_, Some(value)) => Some(vec![value]),
        _ => None,
    }
}

fn listed(map: &Map<String, Value>, at: &str, found: &mut Vec<Impossible>) {
    let (Some(values), kinds) = (values(map), kinds(map)) else { return };
    let key = if map.contains_key("enum") { "enum" } else { "const" };
    let fits = |value: &&&Value| {
        kinds.as_ref().is_none_or(|kinds| {
            kinds.iter().any(|kind| match (*kind, **value) {
                ("string", Value::String(_))
                | ("number", Value::Number(_))
                | ("boolean", Value::Bool(_))
                | ("null", Value::Null)
                | ("array", Value::Array(_))
                | ("object", Value::Object(_)) => true,
                ("integer", Value::Number(number)) => number.as_f64().is_some_and(|n| n.fract() == 0.0),
                _ => false,
            })
        })
    };
    if values.iter().find(fits).is_none() {
        let (message, help) = match values.is_empty() {
            true => ("an empty `enum` lets nothing in".to_owned(), "list the values that may come"),
            false => {
                (format!("no value of `{key}` is of the type that `type` asks for"), "correct one of the two")
            }
        };
        found.push(Impossible { pointer: format!("{at}/{key}"), message, help: help.to_owned() });
    }
}

fn required(map: &Map<String, Value>, at: &str, members: Members, found: &mut Vec<Impossible>) {
    let Some(Value::Array(names)) = map.get("required") else { return };
    let properties = match map.get("properties") {
        Some(Value::Object(properties)) => Some(properties),
        _ => None,
    };
    let open = map.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    let elsewhere = ["$ref", "$dynamicRef", "patternProperties", "unevaluatedProperties"];
    let declared_elsewhere = members == Members::Elsewhere
        || open
        || elsewhere.iter().chain(IN_PLACE).any(|key| map.contains_key(*key));
    for (number, name) in names.iter().enumerate() {
        let Some(name) = name.as_str() else { continue };
        let pointer = format!("{at}/required/{number}");
        match properties.and_then(|properties| properties.get(name)) {
            Some(Value::Bool(false)) => found.push(Impossible {
                pointer,
                message: format!("`{name}` is required, and its schema lets nothing in"),
                help: "take it out of `required`, or describe it under `properties`".to_owned(),
            }),
            Some(_) => {}
            None if declared_elsewhere => {}
            None => {
                let known = properties.into_iter().flat_map(Map::keys).map(String::as_str);
                let help = crate::diagnostic::did_you_mean(name, known).unwrap_or_else(|| {
                    "declare it under `properties`, or say `additionalProperties: true`".to_owned()
                });
                let message = format!("`{name}` is required and not declared, so it is always refused");
                found.push(Impossible { pointer, message, help });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Schema;
    use super::*;

    #[test]
    fn what_nothing_fits_is_found_where_it_stands() {
        let cases = [
            (json!(false), ""),
            (json!({ "type": "string" }), "/type"),
            (json!({ "const": 1 }), ""),
            (json!({ "properties": { "a": { "minimum": 5, "maximum": 1 } } }), "/properties/a/minimum"),
            (
                json!({ "properties": { "a": { "items": { "minLength": 2, "maxLength": 1 } } } }),
                "/properties/a/items/minLength",
            ),
            (
                json!({ "properties": { "a": { "exclusiveMinimum": 1, "maximum": 1 } } }),
                "/properties/a/exclusiveMinimum",
            ),
            (json!({ "properties": { "a": {} }, "required": ["a", "b"] }), "/required/1"),
            (json!({ "type": "object", "required": ["b"] }), "/required/0"),
            (json!({ "properties": { "a": false }, "required": ["a"] }), "/required/0"),
            (json!({ "properties": { "a": { "enum": [] } } }), "/properties/a/enum"),
            (json!({ "properties": { "a": { "type": "string", "enum": [1, 2] } } }), "/properties/a/enum"),
        ];
        for (schema, pointer) in cases {
            let found: Vec<String> =
                find(&schema, Of::Arguments).into_iter().map(|one| one.pointer).collect();
            assert_eq!(found, [pointer], "{schema}");
        }
        let value = json!({ "properties": { "a": {} }, "required": ["b"] });
        assert!(!Schema::new(&value).unwrap().check(&json!({ "b": 1 })).is_empty());
    }

    #[test]
    fn what_something_fits_is_left_alone() {
        for schema in [
            json!({}),
            json!(true),
            json!({ "properties": { "a": { "minimum": 1, "maximum": 1 } }, "required": ["a"] }),
            json!({ "required": ["b"], "additionalProperties": true }),
            json!({ "required": ["b"], "patternProperties": { "^b": {} } }),
            json!({ "required": ["b"], "allOf": [{ "properties": { "b": {} } }] }),
            json!({ "properties": { "a": {}, "b": {} }, "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
            json!({ "type": ["object", "null"] }),
            json!({ "properties": { "a": { "type": ["string", "null"], "enum": ["x", null] }, "n": { "type": "integer", "const": 3.0 } } }),
            json!({ "properties": { "a": { "not": { "enum": [] } } } }),
        ] {
            assert_eq!(find(&schema, Of::Arguments), [], "{schema}");
        }
        assert_eq!(find(&json!({ "type": "string" }), Of::Value), []);
    }
}
