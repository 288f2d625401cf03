//! Canonical JSON (RFC 8785): one value, one sequence of bytes, so that digests and signatures can be made of it.

mod write;

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::{Number, Value};

pub(super) use write::{NotCanonical, canonical_of};

/// Integers up to here are exact in every reader of JSON (2^53 − 1).
const MAX_EXACT: u64 = (1 << 53) - 1;

/// A number that a reader of JSON may round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an integer beyond 2^53 has no canonical form in JSON")]
pub struct Inexact;

/// The canonical form of a value.
///
/// # Errors
/// When an integer in it is beyond 2^53 − 1, which readers of JSON round.
pub fn canonical(value: &Value) -> Result<String, Inexact> {
    // A value has texts for keys, and no reason to fail but its numbers.
    canonical_of(value).map_err(|_| Inexact)
}

/// Whether every number in a value is exact.
pub(super) fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() || integer(number).is_some(),
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The order of keys: by UTF-16 code units, which is not that of bytes beyond the basic plane.
fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn integer(number: &Number) -> Option<i64> {
    number.as_i64().filter(|n| n.unsigned_abs() <= MAX_EXACT)
}

/// As ECMAScript prints a number.
fn float(n: f64, out: &mut String) {
    if n == 0.0 {
        out.push('0');
        return;
    }
    // The shortest digits that read back as the same number, with one digit before the point.
    let shortest = format!("{:e}", n.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if n < 0.0 {
        out.push('-');
    }
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let point = exponent + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i32| digits.split_at_checked(usize::try_from(at).unwrap_or(0)).unwrap_or((&digits, ""));
    let _ = match point {
        22.. | ..=-6 => {
            let (first, rest) = split(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if exponent > 0 { "+" } else { "-" };
            write!(out, "{first}{dot}{rest}e{sign}{}", exponent.abs())
        }
        _ if point >= count => write!(out, "{digits}{}", zeros(point - count)),
        1.. => {
            let (whole, rest) = split(point);
            write!(out, "{whole}.{rest}")
        }
        _ => write!(out, "0.{}{digits}", zeros(-point)),
    };
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    // All bytes are looked at, since a loop that stops at the first is slower than one that does not: hardly any text has one.
    let escapes = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
    if !text.as_bytes().iter().fold(false, |any, byte| any | escapes(byte)) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(copied..at).unwrap_or_default());
        copied = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        let value: Value = serde_json::from_str(
            r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#,
        )
        .unwrap();
        assert_eq!(
            canonical(&value).unwrap(),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        let keys = json!({ "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7 });
        assert_eq!(
            canonical(&keys).unwrap(),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
        );
        for (n, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (295_147_905_179_352_830_000.0, "295147905179352830000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-123.25, "-123.25"),
        ] {
            assert_eq!(canonical(&json!(n)).unwrap(), text);
        }
        assert_eq!(canonical(&json!(MAX_EXACT)).unwrap(), "9007199254740991");
        assert_eq!(canonical(&json!([MAX_EXACT + 1])), Err(Inexact));
        assert_eq!(canonical(&json!(i64::MIN)), Err(Inexact));
        assert!(!is_exact(&json!({ "a": [u64::MAX] })) && is_exact(&json!([1.5, -7])));
    }

    #[derive(serde::Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        One(Fields),
    }

    #[derive(serde::Serialize)]
    enum Plain {
        Unit,
        New(u8),
        Tuple(u8, bool),
        Struct { z: u8, a: u8 },
    }

    #[derive(serde::Serialize)]
    struct Fields {
        zebra: u8,
        #[serde(rename = "\u{e9}")]
        accent: Option<char>,
        empty: (),
        apple: Vec<Plain>,
        at: jiff::Timestamp,
        map: std::collections::HashMap<String, f32>,
    }

    /// What is written at once is what a tree of values gives.
    #[test]
    fn anything_that_serializes() {
        let fields = Fields {
            zebra: 1,
            accent: Some('"'),
            empty: (),
            apple: vec![Plain::Unit, Plain::New(2), Plain::Tuple(3, true), Plain::Struct { z: 4, a: 5 }],
            at: jiff::Timestamp::UNIX_EPOCH,
            map: [("b".to_owned(), 1.5), ("a".to_owned(), -0.0)].into(),
        };
        assert_eq!(
            canonical_of(&Tagged::One(fields)).unwrap(),
            r#"{"apple":["Unit",{"New":2},{"Tuple":[3,true]},{"Struct":{"a":5,"z":4}}],"at":"1970-01-01T00:00:00Z","empty":null,"kind":"One","map":{"a":0,"b":1.5},"zebra":1,"é":"\""}"#
        );
        assert!(matches!(canonical_of(&[u64::MAX]), Err(NotCanonical::Inexact(Inexact))));
        let keys = std::collections::BTreeMap::from([(1, 2)]);
        assert!(matches!(canonical_of(&keys), Err(NotCanonical::Other(_))));
        assert_eq!(canonical_of(&f64::NAN).unwrap(), "null");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(n in any::<f64>(), text in ".*", m in -9_007_199_254_740_991_i64..9_007_199_254_740_991) {
            prop_assume!(n.is_finite());
            prop_assert_eq!(canonical(&json!(n)).unwrap().parse::<f64>().unwrap(), n);
            let value = json!({ text.clone(): [m, text], "": { "b": m, "a": [] } });
            let written = canonical(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        }
    }
}
