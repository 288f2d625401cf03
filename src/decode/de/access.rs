//! What a list, a mapping and a variant hold, one after the other.

use std::cell::RefCell;

use serde::de::value::{StrDeserializer, UsizeDeserializer};
use serde::de::{
    self, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{Cursor, Failure, Path, list};
use crate::decode::Problem;
use crate::decode::node::{Key, Kind, Node, Resolved};
use crate::decode::shape::SPANNED;
use crate::diagnostic::{Code, did_you_mean};

/// A node as (start, end, value).
pub(super) struct WithSpan<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) next: u8,
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
/// `Vec` stops there, [`crate::decode::List`] goes on.
pub(super) struct Items<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) items: std::slice::Iter<'a, Node>,
    pub(super) index: usize,
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
pub(super) struct Fields<'a> {
    cursor: Cursor<'a>,
    entries: std::slice::Iter<'a, (Key, Node)>,
    known: Option<&'static [&'static str]>,
    value: Option<(&'a Key, &'a Node)>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        cursor: Cursor<'a>,
        entries: &'a [(Key, Node)],
        known: Option<&'static [&'static str]>,
    ) -> Self {
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

pub(super) struct Variant<'a> {
    pub(super) name: &'static str,
    pub(super) content: Option<Cursor<'a>>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Failure;
    type Variant = Content<'a>;
    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a>), Failure> {
        let name: StrDeserializer<'_, Failure> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content { name: self.name, cursor: self.content }))
    }
}

pub(super) struct Content<'a> {
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
