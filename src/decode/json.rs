//! JSON text to a [`Node`], refusing duplicate keys.
//!
//! Two readers that disagree about which of two equal keys counts are a way past any policy, so there may be none.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Problem;
use super::node::{Key, Kind, Node, Resolved};
use crate::diagnostic::Code;

/// Deepest nesting of arrays and objects that is read.
pub const MAX_JSON_DEPTH: usize = 64;

/// Reads strict JSON into a value: one document, no duplicate keys, at most [`MAX_JSON_DEPTH`] levels.
///
/// # Errors
/// Says what is wrong and at which byte, without repeating any of the text.
pub fn from_json(text: &str) -> Result<Value, Problem> {
    node_from_json(text).map(|node| to_value(&node))
}

/// Reads strict JSON into a tree. Positions are those of the whole text: JSON of an event is one line.
pub(crate) fn node_from_json(text: &str) -> Result<Node, Problem> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Seed { depth: 0, end: text.len(), fault: &fault };
    let read = seed.deserialize(&mut reader).and_then(|node| reader.end().map(|()| node));
    read.map_err(|error| Problem {
        code: Code::BadValue,
        message: match (fault.get(), error.classify()) {
            (Some(Fault::Duplicate), _) => "the same key stands twice in one JSON object".to_owned(),
            (Some(Fault::Depth), _) => format!("JSON is nested deeper than {MAX_JSON_DEPTH} levels"),
            (None, serde_json::error::Category::Eof) => "the JSON ends too early".to_owned(),
            (None, _) => format!("not valid JSON at line {}, column {}", error.line(), error.column()),
        },
        span: 0..text.len(),
        pointer: String::new(),
        help: None,
        first: None,
    })
}

/// The tree as a JSON value; plain scalars of YAML are resolved by the core schema.
pub(crate) fn to_value(node: &Node) -> Value {
    match &node.kind {
        Kind::Sequence(items) => Value::Array(items.iter().map(to_value).collect()),
        Kind::Mapping(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.text.clone(), to_value(value))).collect())
        }
        scalar => match scalar.resolved() {
            Resolved::Bool(value) => Value::Bool(value),
            Resolved::Number(number) => Value::Number(number),
            Resolved::Text(text) => Value::String(text.to_owned()),
            Resolved::Null | Resolved::Sequence | Resolved::Mapping => Value::Null,
        },
    }
}

#[derive(Clone, Copy)]
enum Fault {
    Duplicate,
    Depth,
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    depth: usize,
    end: usize,
    fault: &'a Cell<Option<Fault>>,
}

impl Seed<'_> {
    fn node(self, kind: Kind) -> Node {
        Node { span: 0..self.end, kind }
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_JSON_DEPTH {
            self.fault.set(Some(Fault::Depth));
            return Err(E::custom("too deep"));
        }
        Ok(Seed { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(self.node(Kind::Null))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(self.node(Kind::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(self.node(Kind::Number(value.into())))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(self.node(Kind::Number(value.into())))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        let number = serde_json::Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(self.node(Kind::Number(number)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(self.node(Kind::Text(value.to_owned())))
    }
    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(self.node(Kind::Text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(self.node(Kind::Sequence(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut many: BTreeSet<String> = BTreeSet::new();
        while let Some(text) = map.next_key::<String>()? {
            // A handful of keys is compared one by one; beyond that a set keeps the cost from growing with the square.
            let seen = if entries.len() < 16 {
                entries.iter().any(|(key, _)| key.text == text)
            } else {
                if many.is_empty() {
                    many.extend(entries.iter().map(|(key, _)| key.text.clone()));
                }
                !many.insert(text.clone())
            };
            if seen {
                self.fault.set(Some(Fault::Duplicate));
                return Err(de::Error::custom("duplicate key"));
            }
            let value = map.next_value_seed(inner)?;
            entries.push((Key { text, span: 0..self.end }, value));
        }
        Ok(self.node(Kind::Mapping(entries)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_duplicates_at_any_depth_and_number_of_keys() {
        assert!(from_json(r#"{"a":{"b":1,"b":2}}"#).is_err());
        let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":1")).collect();
        assert!(from_json(&format!("{{{}}}", many.join(","))).is_ok());
        assert!(from_json(&format!("{{{},\"k3\":2}}", many.join(","))).is_err());
        assert!(from_json(&format!("{{{},\"k39\":2}}", many.join(","))).is_err());
    }

    #[test]
    fn refuses_depth_and_trailing_text() {
        let deep = format!("{}1{}", "[".repeat(MAX_JSON_DEPTH), "]".repeat(MAX_JSON_DEPTH));
        assert!(from_json(&deep).is_ok());
        assert!(from_json(&format!("[{deep}]")).is_err());
        assert!(from_json("{} x").is_err());
        assert!(from_json("").is_err());
    }

    #[test]
    fn messages_repeat_nothing() {
        let problem = from_json(r#"{"secret-4711": tru}"#).unwrap_err();
        assert!(!problem.message.contains("4711"), "{}", problem.message);
    }
}
