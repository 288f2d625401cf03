//! JSON text to a [`Node`], refusing duplicate keys.
//!
//! Two readers that disagree about which of two equal keys counts are a way past any policy, so there may be none.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::Problem;
use super::node::{Key, Kind, Node, Resolved};
use crate::diagnostic::Code;

/// Deepest nesting of arrays and objects that is read.
pub const MAX_JSON_DEPTH: usize = 64;

/// Members for which an object has room from its first on.
const FEW: usize = 4;

/// Reads strict JSON into a value: one document, no duplicate keys, at most [`MAX_JSON_DEPTH`] levels.
///
/// # Errors
/// Says what is wrong and at which byte, without repeating any of the text.
pub fn from_json(text: &str) -> Result<Value, Problem> {
    read(text)
}

/// Reads strict JSON into a tree. Positions are those of the whole text: JSON of an event is one line.
pub(crate) fn node_from_json(text: &str) -> Result<Node, Problem> {
    read(text)
}

fn read<T: Tree>(text: &str) -> Result<T, Problem> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Seed { depth: 0, end: text.len(), fault: &fault, tree: PhantomData };
    let read = seed.deserialize(&mut reader).and_then(|tree| reader.end().map(|()| tree));
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

/// What JSON is read into.
trait Tree: Sized {
    type Members: Default;

    fn scalar(kind: Kind, end: usize) -> Self;
    fn sequence(items: Vec<Self>, end: usize) -> Self;
    fn mapping(members: Self::Members, end: usize) -> Self;

    /// Adds a member, whose value is read only where there is none of its name yet; says whether it was added.
    fn add<E>(
        members: &mut Self::Members,
        name: String,
        end: usize,
        value: impl FnOnce() -> Result<Self, E>,
    ) -> Result<bool, E>;
}

impl Tree for Value {
    type Members = Map<String, Value>;

    fn scalar(kind: Kind, end: usize) -> Self {
        match kind {
            Kind::Bool(value) => Value::Bool(value),
            Kind::Number(number) => Value::Number(number),
            Kind::Text(text) => Value::String(text),
            other => to_value(&Node { span: 0..end, kind: other }),
        }
    }

    fn sequence(items: Vec<Self>, _: usize) -> Self {
        Value::Array(items)
    }

    fn mapping(members: Self::Members, _: usize) -> Self {
        Value::Object(members)
    }

    fn add<E>(
        members: &mut Self::Members,
        name: String,
        _: usize,
        value: impl FnOnce() -> Result<Self, E>,
    ) -> Result<bool, E> {
        if members.is_empty() {
            // Room for what most objects have, so that the table is not built anew with the second and fourth member.
            *members = Map::with_capacity(FEW);
        }
        match members.entry(name) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(place) => {
                place.insert(value()?);
                Ok(true)
            }
        }
    }
}

/// Members of an object, and their names once they are more than a handful.
#[derive(Default)]
struct NodeMembers {
    entries: Vec<(Key, Node)>,
    many: BTreeSet<String>,
}

impl Tree for Node {
    type Members = NodeMembers;

    fn scalar(kind: Kind, end: usize) -> Self {
        Node { span: 0..end, kind }
    }

    fn sequence(items: Vec<Self>, end: usize) -> Self {
        Node { span: 0..end, kind: Kind::Sequence(items) }
    }

    fn mapping(members: Self::Members, end: usize) -> Self {
        Node { span: 0..end, kind: Kind::Mapping(members.entries) }
    }

    fn add<E>(
        members: &mut Self::Members,
        text: String,
        end: usize,
        value: impl FnOnce() -> Result<Self, E>,
    ) -> Result<bool, E> {
        let NodeMembers { entries, many } = members;
        // A handful of keys is compared one by one; beyond that a set keeps the cost from growing with the square.
        let is_new = if entries.len() < 16 {
            !entries.iter().any(|(key, _)| key.text == text)
        } else {
            if many.is_empty() {
                many.extend(entries.iter().map(|(key, _)| key.text.clone()));
            }
            many.insert(text.clone())
        };
        if is_new {
            entries.push((Key { text, span: 0..end }, value()?));
        }
        Ok(is_new)
    }
}

struct Seed<'a, T> {
    depth: usize,
    end: usize,
    fault: &'a Cell<Option<Fault>>,
    tree: PhantomData<T>,
}

// Derived, they would ask the same of what is read into.
impl<T> Clone for Seed<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Seed<'_, T> {}

impl<T: Tree> Seed<'_, T> {
    fn made(self, kind: Kind) -> T {
        T::scalar(kind, self.end)
    }

    /// For what stands inside.
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_JSON_DEPTH {
            self.fault.set(Some(Fault::Depth));
            return Err(E::custom("too deep"));
        }
        Ok(Seed { depth: self.depth + 1, ..self })
    }
}

impl<'de, T: Tree> DeserializeSeed<'de> for Seed<'_, T> {
    type Value = T;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Tree> Visitor<'de> for Seed<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(self.made(Kind::Null))
    }
    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(self.made(Kind::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(self.made(Kind::Number(value.into())))
    }
    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(self.made(Kind::Number(value.into())))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        let number = serde_json::Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(self.made(Kind::Number(number)))
    }
    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(self.made(Kind::Text(value.to_owned())))
    }
    fn visit_string<E>(self, value: String) -> Result<T, E> {
        Ok(self.made(Kind::Text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(T::sequence(items, self.end))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let inner = self.deeper()?;
        let mut members = T::Members::default();
        while let Some(name) = map.next_key::<String>()? {
            if !T::add(&mut members, name, self.end, || map.next_value_seed(inner))? {
                self.fault.set(Some(Fault::Duplicate));
                return Err(de::Error::custom("duplicate key"));
            }
        }
        Ok(T::mapping(members, self.end))
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
