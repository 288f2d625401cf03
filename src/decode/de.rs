//! A `serde` deserializer over [`Node`] that reports instead of stopping.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::{StrDeserializer, UsizeDeserializer};
use serde::de::{
    self, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::Problem;
use super::node::{Key, Kind, Node, Resolved};
use super::shape::{SHAPE, SPANNED};
use crate::diagnostic::{Code, did_you_mean};

/// The way from the root to a node.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(parent, key) => write!(f, "{parent}/{}", super::pointer_segment(key)),
            Path::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// A place in the tree, and where its problems go.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) node: &'a Node,
    pub(super) path: Path<'a>,
    pub(super) problems: &'a RefCell<Vec<Problem>>,
}

/// Why a value could not be read.
#[derive(Debug)]
pub(super) enum Failure {
    /// Said already.
    Reported,
    /// To be said of the node at which it is caught.
    Here { code: Code, message: String, help: Option<String> },
}

impl Failure {
    fn bad(message: impl Into<String>) -> Self {
        Failure::Here { code: Code::BadValue, message: message.into(), help: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Reported => f.write_str("reported"),
            Failure::Here { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Failure::bad(message.to_string())
    }
    // The default texts repeat the offending value.
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Failure::bad(format!("expected {expected}"))
    }
    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Failure::bad(format!("expected {expected}"))
    }
    fn missing_field(field: &'static str) -> Self {
        Failure::Here { code: Code::MissingKey, message: format!("`{field}` is missing"), help: None }
    }
}

impl Cursor<'_> {
    pub(super) fn report(&self, failure: Failure) {
        if let Failure::Here { code, message, help } = failure {
            self.problems.borrow_mut().push(Problem {
                code,
                message,
                span: self.node.span.clone(),
                pointer: self.path.to_string(),
                help,
                first: None,
            });
        }
    }

    fn expected(&self, what: &str) -> Failure {
        Failure::bad(format!("expected {what}, found {}", self.node.describe()))
    }

    fn number<T>(&self, what: &str, read: impl Fn(&serde_json::Number) -> Option<T>) -> Result<T, Failure> {
        match self.node.kind.resolved() {
            Resolved::Number(number) => {
                read(&number).ok_or_else(|| Failure::bad(format!("expected {what} in range")))
            }
            _ => Err(self.expected(what)),
        }
    }

    fn text(&self) -> Option<&str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            Kind::Plain(text) if !matches!(self.node.kind.resolved(), Resolved::Null) => Some(text),
            _ => None,
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $what:literal $read:expr),+ $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let read: fn(&serde_json::Number) -> Option<_> = $read;
            visitor.$visit(self.number($what, read)?)
        }
    )+};
}

impl<'de> Deserializer<'de> for Cursor<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.kind.resolved() {
            Resolved::Null => visitor.visit_unit(),
            Resolved::Bool(value) => visitor.visit_bool(value),
            Resolved::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, Some(value)) => visitor.visit_f64(value),
                _ => Err(Failure::bad("expected a number in range")),
            },
            Resolved::Text(text) => visitor.visit_str(text),
            Resolved::Sequence => self.deserialize_seq(visitor),
            Resolved::Mapping => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.kind.resolved() {
            Resolved::Bool(value) => visitor.visit_bool(value),
            _ => Err(self.expected("true or false")),
        }
    }

    numbers! {
        deserialize_i8 visit_i64 "a whole number" serde_json::Number::as_i64,
        deserialize_i16 visit_i64 "a whole number" serde_json::Number::as_i64,
        deserialize_i32 visit_i64 "a whole number" serde_json::Number::as_i64,
        deserialize_i64 visit_i64 "a whole number" serde_json::Number::as_i64,
        deserialize_u8 visit_u64 "a whole number" serde_json::Number::as_u64,
        deserialize_u16 visit_u64 "a whole number" serde_json::Number::as_u64,
        deserialize_u32 visit_u64 "a whole number" serde_json::Number::as_u64,
        deserialize_u64 visit_u64 "a whole number" serde_json::Number::as_u64,
        deserialize_f32 visit_f64 "a number" serde_json::Number::as_f64,
        deserialize_f64 visit_f64 "a number" serde_json::Number::as_f64,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.text() {
            Some(text) => visitor.visit_str(text),
            None => Err(self.expected("text")),
        }
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.kind.resolved() {
            Resolved::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.kind.resolved() {
            Resolved::Null => visitor.visit_unit(),
            _ => Err(self.expected("nothing")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == SPANNED {
            visitor.visit_seq(WithSpan { cursor: self, next: 0 })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Sequence(items) => visitor.visit_seq(Items { cursor: self, items: items.iter(), index: 0 }),
            _ => Err(self.expected("a list")),
        }
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Mapping(entries) => visitor.visit_map(Fields::new(self, entries, None)),
            _ => Err(self.expected("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Mapping(entries) => visitor.visit_map(Fields::new(self, entries, Some(fields))),
            _ => Err(self.expected("a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == SHAPE {
            let shape = match &self.node.kind {
                Kind::Sequence(_) => "sequence",
                Kind::Mapping(_) => "mapping",
                _ => "scalar",
            };
            return match variants.iter().find(|variant| **variant == shape) {
                Some(variant) => visitor.visit_enum(Variant { name: variant, content: Some(self) }),
                None => {
                    let wanted: Vec<&str> = variants
                        .iter()
                        .map(|variant| match *variant {
                            "sequence" => "a list",
                            "mapping" => "a mapping",
                            _ => "text",
                        })
                        .collect();
                    Err(self.expected(&wanted.join(" or ")))
                }
            };
        }
        let choose = |name: &str| {
            variants.iter().copied().find(|variant| *variant == name).ok_or_else(|| Failure::Here {
                code: Code::BadValue,
                message: format!("expected one of {}", list(variants)),
                help: did_you_mean(name, variants.iter().copied()),
            })
        };
        match &self.node.kind {
            Kind::Mapping(entries) => match entries.as_slice() {
                [(key, value)] => {
                    let name = choose(&key.text)?;
                    let path = self.path;
                    let content = Cursor { node: value, path: Path::Key(&path, &key.text), ..self };
                    visitor.visit_enum(Variant { name, content: Some(content) })
                }
                _ => Err(Failure::bad(format!("expected exactly one of {}", list(variants)))),
            },
            _ => match self.text() {
                Some(text) => visitor.visit_enum(Variant { name: choose(text)?, content: None }),
                None => Err(self.expected(&format!("one of {}", list(variants)))),
            },
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit_struct tuple_struct }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A node as (start, end, value).
struct WithSpan<'a> {
    cursor: Cursor<'a>,
    next: u8,
}

impl<'de> SeqAccess<'de> for WithSpan<'_> {
    type Error = Failure;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        self.next += 1;
        let number = |value: usize| -> UsizeDeserializer<Failure> { value.into_deserializer() };
        match self.next {
            1 => seed.deserialize(number(self.cursor.node.span.start)).map(Some),
            2 => seed.deserialize(number(self.cursor.node.span.end)).map(Some),
            3 => seed.deserialize(self.cursor).map(Some),
            _ => Ok(None),
        }
    }
}

/// The entries of a list. A broken one is reported and returned as a failure, after which the next may be asked for:
/// `Vec` stops there, [`super::List`] goes on.
struct Items<'a> {
    cursor: Cursor<'a>,
    items: std::slice::Iter<'a, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let parent = self.cursor.path;
        let cursor = Cursor { node, path: Path::Index(&parent, self.index), ..self.cursor };
        self.index += 1;
        seed.deserialize(cursor).map(Some).map_err(|failure| {
            cursor.report(failure);
            Failure::Reported
        })
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len().min(1024))
    }
}

/// The entries of a mapping; with `known`, those of a struct, of which unknown ones are reported and left out.
struct Fields<'a> {
    cursor: Cursor<'a>,
    entries: std::slice::Iter<'a, (Key, Node)>,
    known: Option<&'static [&'static str]>,
    value: Option<(&'a Key, &'a Node)>,
}

impl<'a> Fields<'a> {
    fn new(cursor: Cursor<'a>, entries: &'a [(Key, Node)], known: Option<&'static [&'static str]>) -> Self {
        Self { cursor, entries: entries.iter(), known, value: None }
    }

    fn report_unknown(&self, key: &Key, known: &[&str]) {
        // The key of an event may be a secret too: only what looks like a key is repeated.
        let plain = key.text.len() <= 40
            && key.text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && !key.text.is_empty();
        let message = if plain { format!("unknown key `{}`", key.text) } else { "unknown key".to_owned() };
        let help = did_you_mean(&key.text, known.iter().copied())
            .unwrap_or_else(|| format!("the keys here are {}", list(known)));
        self.cursor.problems.borrow_mut().push(Problem {
            code: Code::UnknownKey,
            message,
            span: key.span.clone(),
            pointer: self.cursor.path.to_string(),
            help: Some(help),
            first: None,
        });
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Failure;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        while let Some((key, value)) = self.entries.next() {
            if let Some(known) = self.known
                && !known.contains(&key.text.as_str())
            {
                self.report_unknown(key, known);
                continue;
            }
            self.value = Some((key, value));
            return seed.deserialize(KeyCursor { key }).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        let Some((key, node)) = self.value.take() else { return Err(Failure::Reported) };
        let parent = self.cursor.path;
        let cursor = Cursor { node, path: Path::Key(&parent, &key.text), ..self.cursor };
        seed.deserialize(cursor).map_err(|failure| {
            cursor.report(failure);
            Failure::Reported
        })
    }
}

/// A key, as text or with its position.
struct KeyCursor<'a> {
    key: &'a Key,
}

impl<'de> Deserializer<'de> for KeyCursor<'_> {
    type Error = Failure;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(&self.key.text)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == SPANNED {
            let node = Node { span: self.key.span.clone(), kind: Kind::Text(self.key.text.clone()) };
            let problems = RefCell::new(Vec::new());
            visitor.visit_seq(WithSpan {
                cursor: Cursor { node: &node, path: Path::Root, problems: &problems },
                next: 0,
            })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Variant<'a> {
    name: &'static str,
    content: Option<Cursor<'a>>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Failure;
    type Variant = Content<'a>;
    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a>), Failure> {
        let name: StrDeserializer<'_, Failure> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content { name: self.name, cursor: self.content }))
    }
}

struct Content<'a> {
    name: &'static str,
    cursor: Option<Cursor<'a>>,
}

impl<'a> Content<'a> {
    fn inner(self) -> Result<Cursor<'a>, Failure> {
        self.cursor
            .ok_or_else(|| Failure::bad(format!("`{}` takes a value: write `{}: …`", self.name, self.name)))
    }

    fn caught<T>(cursor: Cursor<'_>, read: Result<T, Failure>) -> Result<T, Failure> {
        read.map_err(|failure| {
            cursor.report(failure);
            Failure::Reported
        })
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Failure;
    fn unit_variant(self) -> Result<(), Failure> {
        match self.cursor {
            Some(cursor) if !matches!(cursor.node.kind.resolved(), Resolved::Null) => {
                Err(Failure::bad(format!("`{}` takes no value", self.name)))
            }
            _ => Ok(()),
        }
    }
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        let cursor = self.inner()?;
        Self::caught(cursor, seed.deserialize(cursor))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        let cursor = self.inner()?;
        Self::caught(cursor, cursor.deserialize_seq(visitor))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let cursor = self.inner()?;
        Self::caught(cursor, cursor.deserialize_struct("", fields, visitor))
    }
}
