//! The JSON Schemas tell an editor what every key means, what it is without one, and how one looks.

use ringfence::schema::{NAMES, named};
use serde_json::{Map, Value};

/// Files that people write.
const WRITTEN: &[&str] = &["manifest", "directory", "tools", "pack", "retention", "test", "script"];

/// Keys that only say that they are not there yet.
const WITHOUT: &[&str] = &["/$defs/ArgumentSpec/sql", "/$defs/FindSpec/sql"];

/// Every property below a schema, with where it stands and the object that has it.
fn properties<'v>(schema: &'v Value, at: &str, found: &mut Vec<(String, &'v Value, &'v Map<String, Value>)>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(named)) = members.get("properties") {
                found
                    .extend(named.iter().map(|(name, property)| (format!("{at}/{name}"), property, members)));
            }
            for (name, member) in members {
                // What is written there are values.
                if !["examples", "default", "const", "enum"].contains(&name.as_str()) {
                    let at = if name == "properties" { at.to_owned() } else { format!("{at}/{name}") };
                    properties(member, &at, found);
                }
            }
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(number, item)| properties(item, &format!("{at}/{number}"), found));
        }
        _ => {}
    }
}

fn is_described(property: &Value, of: &Map<String, Value>) -> bool {
    let says =
        |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    // What tells kinds of objects apart is described with the object; so is the one key of an object that is one of several.
    let alone = of.get("properties").and_then(Value::as_object).is_some_and(|all| all.len() == 1);
    says(property.get("description"))
        || ((property.get("const").is_some() || alone) && says(of.get("description")))
}

#[test]
fn every_key_says_what_it_is() {
    let mut all = 0;
    for name in NAMES {
        let schema = named(name).unwrap();
        let mut found = Vec::new();
        properties(&schema, "", &mut found);
        all += found.len();
        let silent: Vec<&String> =
            found.iter().filter(|(_, property, of)| !is_described(property, of)).map(|(at, ..)| at).collect();
        assert!(silent.is_empty(), "{name}: {silent:#?}");
    }
    assert!(all > 700, "{all}");
}

#[test]
fn every_key_that_people_write_has_an_example_that_fits() {
    let mut wrong = Vec::new();
    for name in WRITTEN {
        let schema = named(name).unwrap();
        let mut found = Vec::new();
        properties(&schema, "", &mut found);
        for (at, property, of) in found {
            let alone = of.get("properties").and_then(Value::as_object).is_some_and(|all| all.len() == 1);
            let examples = property.get("examples").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if WITHOUT.contains(&at.as_str()) || (alone && at.contains("/oneOf/")) {
                continue;
            }
            if examples.is_empty() {
                wrong.push(format!("{name}: {at} has no example"));
            }
            let mut whole = property.as_object().unwrap().clone();
            whole.insert("$defs".to_owned(), schema.get("$defs").cloned().unwrap_or_default());
            if whole["$defs"].is_null() {
                whole.remove("$defs");
            }
            let validator = jsonschema::validator_for(&Value::Object(whole)).unwrap();
            for value in examples.iter().chain(property.get("default")) {
                let errors = validator.iter_errors(value);
                wrong.extend(errors.map(|error| format!("{name}: {at}: {value}: {error}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
