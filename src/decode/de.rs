//! A `serde` deserializer over [`Node`] that reports instead of stopping.

mod access;

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};

use self::access::{Fields, Items, Variant, WithSpan};
use super::Problem;
use super::node::{Kind, Node, Resolved};
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
