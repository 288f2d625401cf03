//! Sizes and durations as people write them: `1MiB`, `30d`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number of bytes: `512`, `64KiB`, `1MiB`, `2GiB` (or `kB`, `MB`, `GB` of 1000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

/// A period of whole seconds: `90s`, `15m`, `12h`, `30d`, `4w`, `2y` of 365 days, or `never`: none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period {
    pub(crate) seconds: u64,
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

const BYTE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

const PERIOD_UNITS: &[(&str, u64)] =
    &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 7 * 86_400), ("y", 365 * 86_400)];

struct TextVisitor<T> {
    expecting: &'static str,
    read: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for TextVisitor<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::custom(format_args!("expected {}", self.expecting)))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| parse(text, BYTE_UNITS).map(ByteSize);
        deserializer.deserialize_str(TextVisitor { expecting: "a size such as `64KiB` or `1MiB`", read })
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match text {
            "never" => Some(Period { seconds: 0 }),
            _ => parse(text, PERIOD_UNITS).map(|seconds| Period { seconds }),
        };
        let expecting = "a period such as `12h`, `30d` or `never`";
        deserializer.deserialize_str(TextVisitor { expecting, read })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 0 {
            return f.write_str("never");
        }
        let fits = PERIOD_UNITS
            .iter()
            .rev()
            .find(|(name, factor)| *name != "y" && self.seconds.is_multiple_of(*factor));
        match fits {
            Some((unit, factor)) => write!(f, "{}{unit}", self.seconds / factor),
            None => write!(f, "{}s", self.seconds),
        }
    }
}

macro_rules! text_schema {
    ($type:ident $name:literal $pattern:literal $description:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({
                    "type": ["string", "integer"], "pattern": $pattern, "description": $description
                })
            }
        }
    };
}

text_schema!(ByteSize "ByteSize" "^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)?$" "A number of bytes: 512, 64KiB, 1MiB.");
text_schema!(Period "Period" "^([0-9]+ ?[smhdwy]|never)$" "A period: 90s, 15m, 12h, 30d, 4w, 2y, or never.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units() {
        assert_eq!(parse("1MiB", BYTE_UNITS), Some(1 << 20));
        assert_eq!(parse("200", BYTE_UNITS), Some(200));
        assert_eq!(parse("1 MiB", BYTE_UNITS), Some(1 << 20));
        assert_eq!(parse("MiB", BYTE_UNITS), None);
        assert_eq!(parse("99999999999999999999", BYTE_UNITS), None);
        assert_eq!(parse("30d", PERIOD_UNITS), Some(30 * 86_400));
        assert_eq!(parse("30", PERIOD_UNITS), None);
        assert_eq!(Period { seconds: 14 * 86_400 }.to_string(), "2w");
    }
}
