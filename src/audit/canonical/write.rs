//! Anything that serializes, written in canonical form at once, without a tree of values between.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use serde::ser::{self, Impossible, Serialize};

use super::{Inexact, MAX_EXACT, float, order, string};

/// Why something has no canonical form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotCanonical {
    #[error(transparent)]
    Inexact(#[from] Inexact),
    #[error("{0}")]
    Other(String),
}

impl ser::Error for NotCanonical {
    fn custom<T: Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}

type Result<T = ()> = std::result::Result<T, NotCanonical>;

/// The canonical form of what a value serializes as.
pub(crate) fn canonical_of(value: &impl Serialize) -> Result<String> {
    let mut out = String::with_capacity(1024);
    value.serialize(Writer { out: &mut out })?;
    Ok(out)
}

/// Writes one value behind what is there.
struct Writer<'o> {
    out: &'o mut String,
}

/// Writes the items of an array.
struct Items<'o> {
    out: &'o mut String,
    is_first: bool,
    end: &'static str,
}

/// Writes the members of an object as they come, and puts them in order at its end.
struct Members<'o> {
    out: &'o mut String,
    /// Where the first begins.
    start: usize,
    /// The key of each, and where it ends.
    ends: Vec<(Cow<'static, str>, usize)>,
    /// Whether all keys are ASCII, whose order is that of bytes.
    ascii: bool,
    key: Option<Cow<'static, str>>,
    end: &'static str,
}

impl<'o> Writer<'o> {
    fn integer(self, n: i128) -> Result {
        if n.unsigned_abs() > u128::from(MAX_EXACT) {
            return Err(Inexact.into());
        }
        let _ = write!(self.out, "{n}");
        Ok(())
    }

    fn items(self, end: &'static str) -> Items<'o> {
        self.out.push('[');
        Items { out: self.out, is_first: true, end }
    }

    fn members(self, count: usize, end: &'static str) -> Members<'o> {
        self.out.push('{');
        Members {
            start: self.out.len(),
            out: self.out,
            ends: Vec::with_capacity(count),
            ascii: true,
            key: None,
            end,
        }
    }

    /// `{"variant":`
    fn variant(&mut self, variant: &str) {
        self.out.push('{');
        string(variant, self.out);
        self.out.push(':');
    }
}

impl Items<'_> {
    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(',');
        }
        value.serialize(Writer { out: self.out })
    }

    fn close(self) -> Result {
        self.out.push_str(self.end);
        Ok(())
    }
}

impl Members<'_> {
    fn member(&mut self, key: Cow<'static, str>, value: &(impl Serialize + ?Sized)) -> Result {
        string(&key, self.out);
        self.out.push(':');
        value.serialize(Writer { out: self.out })?;
        self.out.push(',');
        self.ascii &= key.is_ascii();
        self.ends.push((key, self.out.len()));
        Ok(())
    }

    fn close(self) -> Result {
        let Self { out, start, mut ends, end, ascii, .. } = self;
        let order = |a: &str, b: &str| if ascii { a.cmp(b) } else { order(a, b) };
        if !ends.is_sorted_by(|(a, _), (b, _)| order(a, b).is_lt()) {
            let written = out.split_off(start);
            let mut from = start;
            let mut spans: Vec<(Cow<'static, str>, &str)> = Vec::with_capacity(ends.len());
            for (key, to) in ends.drain(..) {
                spans.push((key, written.get(from - start..to - start).unwrap_or_default()));
                from = to;
            }
            spans.sort_by(|(a, _), (b, _)| order(a, b));
            if spans.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                return Err(NotCanonical::Other("a key stands twice".to_owned()));
            }
            spans.iter().for_each(|(_, member)| out.push_str(member));
        }
        // The last comma.
        if out.len() > start {
            out.pop();
        }
        out.push_str(end);
        Ok(())
    }
}

impl<'o> ser::Serializer for Writer<'o> {
    type Ok = ();
    type Error = NotCanonical;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeTupleStruct = Items<'o>;
    type SerializeTupleVariant = Items<'o>;
    type SerializeMap = Members<'o>;
    type SerializeStruct = Members<'o>;
    type SerializeStructVariant = Members<'o>;

    fn serialize_bool(self, v: bool) -> Result {
        self.out.push_str(if v { "true" } else { "false" });
        Ok(())
    }
    fn serialize_i8(self, v: i8) -> Result {
        self.integer(v.into())
    }
    fn serialize_i16(self, v: i16) -> Result {
        self.integer(v.into())
    }
    fn serialize_i32(self, v: i32) -> Result {
        self.integer(v.into())
    }
    fn serialize_i64(self, v: i64) -> Result {
        self.integer(v.into())
    }
    fn serialize_i128(self, v: i128) -> Result {
        self.integer(v)
    }
    fn serialize_u8(self, v: u8) -> Result {
        self.integer(v.into())
    }
    fn serialize_u16(self, v: u16) -> Result {
        self.integer(v.into())
    }
    fn serialize_u32(self, v: u32) -> Result {
        self.integer(v.into())
    }
    fn serialize_u64(self, v: u64) -> Result {
        self.integer(v.into())
    }
    fn serialize_u128(self, v: u128) -> Result {
        self.integer(i128::try_from(v).map_err(|_| Inexact)?)
    }
    fn serialize_f32(self, v: f32) -> Result {
        self.serialize_f64(v.into())
    }
    fn serialize_f64(self, v: f64) -> Result {
        if v.is_finite() {
            float(v, self.out);
        } else {
            self.out.push_str("null");
        }
        Ok(())
    }
    fn serialize_char(self, v: char) -> Result {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result {
        string(v, self.out);
        Ok(())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result {
        let mut items = self.items("]");
        v.iter().try_for_each(|byte| items.item(byte))?;
        items.close()
    }
    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result {
        self.out.push_str("null");
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant);
        value.serialize(Writer { out: self.out })?;
        self.out.push('}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'o>> {
        Ok(self.items("]"))
    }
    fn serialize_tuple(self, _: usize) -> Result<Items<'o>> {
        Ok(self.items("]"))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'o>> {
        Ok(self.items("]"))
    }
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'o>> {
        self.variant(variant);
        Ok(self.items("]}"))
    }
    fn serialize_map(self, count: Option<usize>) -> Result<Members<'o>> {
        Ok(self.members(count.unwrap_or_default(), "}"))
    }
    fn serialize_struct(self, _: &'static str, count: usize) -> Result<Members<'o>> {
        Ok(self.members(count, "}"))
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Members<'o>> {
        self.variant(variant);
        Ok(self.members(count, "}}"))
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result {
        // What is printed here (a time, a number) holds nothing to escape; anything else goes the long way.
        let start = self.out.len();
        self.out.push('"');
        let _ = write!(self.out, "{value}");
        let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        if self.out.as_bytes().get(start + 1..).unwrap_or_default().iter().copied().all(is_plain) {
            self.out.push('"');
        } else {
            let text = self.out.split_off(start);
            string(text.get(1..).unwrap_or_default(), self.out);
        }
        Ok(())
    }
}

/// The traits of what has items, and of what has members with names known beforehand: one way to write each.
macro_rules! parts {
    ($($of:ident: $trait:ident, $add:ident($($key:ident)?) = $by:ident;)*) => {
        $(impl ser::$trait for $of<'_> {
            type Ok = ();
            type Error = NotCanonical;
            fn $add<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result {
                self.$by($(Cow::Borrowed($key),)? value)
            }
            fn end(self) -> Result {
                self.close()
            }
        })*
    };
}

parts! {
    Items: SerializeSeq, serialize_element() = item;
    Items: SerializeTuple, serialize_element() = item;
    Items: SerializeTupleStruct, serialize_field() = item;
    Items: SerializeTupleVariant, serialize_field() = item;
    Members: SerializeStruct, serialize_field(key) = member;
    Members: SerializeStructVariant, serialize_field(key) = member;
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = NotCanonical;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.key = Some(Cow::Owned(key.serialize(Key)?));
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let key = self.key.take().ok_or_else(|| NotCanonical::Other("a value without a key".to_owned()))?;
        self.member(key, value)
    }
    fn end(self) -> Result {
        self.close()
    }
}

/// Takes the text of a key; what is no text is none.
struct Key;

type Never = Impossible<String, NotCanonical>;

fn no_key<T>() -> Result<T> {
    Err(NotCanonical::Other("a key that is not a text".to_owned()))
}

macro_rules! no_keys {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, _: $type) -> Result<String> {
            no_key()
        })*
    };
}

impl ser::Serializer for Key {
    type Ok = String;
    type Error = NotCanonical;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    no_keys!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64, serialize_bytes: &[u8], serialize_unit_struct: &'static str
    );

    fn serialize_char(self, v: char) -> Result<String> {
        Ok(v.to_string())
    }
    fn serialize_str(self, v: &str) -> Result<String> {
        Ok(v.to_owned())
    }
    fn serialize_none(self) -> Result<String> {
        no_key()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<String> {
        no_key()
    }
    fn serialize_unit(self) -> Result<String> {
        no_key()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String> {
        Ok(variant.to_owned())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String> {
        value.serialize(Key)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String> {
        no_key()
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Never> {
        no_key()
    }
    fn serialize_tuple(self, _: usize) -> Result<Never> {
        no_key()
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never> {
        no_key()
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Never> {
        no_key()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Never> {
        no_key()
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never> {
        no_key()
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Never> {
        no_key()
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<String> {
        Ok(value.to_string())
    }
}
