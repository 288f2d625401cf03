//! `replace:`: what stands in place of a match.

use std::fmt::Write as _;
use std::ops::Range;

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Reporter;
use super::pack::Scope;
use crate::diagnostic::{Code, Diagnostic};

/// What stands in place of a match: a text, or a way to make one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "snake_case")]
#[schemars(untagged, rename = "Replace")]
pub(crate) enum ReplaceSpec {
    /// This text.
    Scalar(String),
    /// Made from the match.
    Mapping(ReplaceHow),
}

/// A way to make a replacement from a match.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplaceHow {
    /// Letters and digits become `*`, but for those named; separators stay.
    Mask(Mask),
    /// A keyed hash: equal values stay recognisable as equal, under one key. Needs a key from the host.
    Hash,
    /// `<NAME_1>`: the same value has the same number within a session. Needs a key from the host.
    Pseudonym(String),
    /// The match, made harmless for a reader of that kind.
    Escape(Escape),
    /// Nothing.
    Remove,
}

/// What a mask keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mask {
    /// The last four letters or digits.
    Last4,
    /// Nothing.
    All,
}

/// For whom a match is made harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Escape {
    /// `&`, `<`, `>`, `"` and `'` become entities.
    Html,
}

/// A replacement as used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Replacement {
    Text(String),
    Mask(Mask),
    Hash,
    Pseudonym(String),
    Escape(Escape),
    Remove,
}

impl Default for Replacement {
    fn default() -> Self {
        Replacement::Text("[REMOVED]".to_owned())
    }
}

impl ReplaceSpec {
    pub(crate) fn compile(
        self,
        at: Range<usize>,
        scope: &Scope<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Replacement> {
        let replacement = match self {
            ReplaceSpec::Scalar(text) => Replacement::Text(text),
            ReplaceSpec::Mapping(ReplaceHow::Mask(mask)) => Replacement::Mask(mask),
            ReplaceSpec::Mapping(ReplaceHow::Hash) => Replacement::Hash,
            ReplaceSpec::Mapping(ReplaceHow::Pseudonym(name)) => Replacement::Pseudonym(name),
            ReplaceSpec::Mapping(ReplaceHow::Escape(escape)) => Replacement::Escape(escape),
            ReplaceSpec::Mapping(ReplaceHow::Remove) => Replacement::Remove,
        };
        if let Replacement::Pseudonym(name) = &replacement {
            let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            if name.is_empty() || !name.bytes().all(plain) {
                reporter.push(
                    Diagnostic::new(
                        Code::BadValue,
                        "a pseudonym's name is of upper-case letters, digits and `_`",
                    )
                    .at(reporter.span(at), ""),
                );
                return None;
            }
        }
        if matches!(replacement, Replacement::Hash | Replacement::Pseudonym(_)) && !scope.has_key {
            reporter.push(
                Diagnostic::new(Code::KeyRequired, "hashes and pseudonyms need a key that the host gives")
                    .at(reporter.span(at), "")
                    .help("give one with `CompileOptions::with_key`, on the command line with `--key-file FILE`"),
            );
            return None;
        }
        Some(replacement)
    }
}

/// What making replacements needs beyond the match.
pub(crate) trait Replacing {
    /// The host's key.
    fn key(&self) -> &[u8];
    /// The number that a value has, or now gets, among the pseudonyms of one name in this session.
    fn number(&mut self, name: &str, digest: [u8; 16], value: &str) -> u32;
}

impl Replacement {
    /// Some of the match stays in it.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Replacement::Escape(_)) || self.masks()
    }

    /// It is a mask.
    pub(crate) fn masks(&self) -> bool {
        matches!(self, Replacement::Mask(_))
    }

    /// What stands in place of `matched`.
    pub(crate) fn make(&self, matched: &str, replacing: &mut dyn Replacing) -> String {
        match self {
            Replacement::Text(text) => text.clone(),
            Replacement::Remove => String::new(),
            Replacement::Escape(Escape::Html) => escape_html(matched),
            Replacement::Mask(Mask::All) => mask(matched, 0),
            Replacement::Mask(Mask::Last4) => mask(matched, 4),
            Replacement::Hash => {
                let digest = digest(replacing.key(), "hash", matched);
                digest.iter().fold("hash:".to_owned(), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                })
            }
            Replacement::Pseudonym(name) => {
                let digest = digest(replacing.key(), name, matched);
                format!("<{name}_{}>", replacing.number(name, digest, matched))
            }
        }
    }
}

/// HMAC-SHA-256 (RFC 2104) of a value under the host's key, cut to 128 bits. The name keeps uses apart.
fn digest(key: &[u8], name: &str, value: &str) -> [u8; 16] {
    let mut digest = [0; 16];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        for (to, from) in digest.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
    }
    digest
}

fn mask(text: &str, keep: usize) -> String {
    let total = text.chars().filter(|c| c.is_alphanumeric()).count();
    // A short value shows nothing: its last four would be most of it.
    let keep = if total > 2 * keep { keep } else { 0 };
    let mut seen = 0;
    text.chars()
        .map(|c| {
            if !c.is_alphanumeric() {
                return c;
            }
            seen += 1;
            if seen > total - keep { c } else { '*' }
        })
        .collect()
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers(Vec<[u8; 16]>);
    impl Replacing for Numbers {
        fn key(&self) -> &[u8] {
            b"a key of the host"
        }
        fn number(&mut self, _: &str, digest: [u8; 16], _: &str) -> u32 {
            let at = self.0.iter().position(|known| *known == digest).unwrap_or_else(|| {
                self.0.push(digest);
                self.0.len() - 1
            });
            u32::try_from(at).unwrap() + 1
        }
    }

    #[test]
    fn makes_each_kind() {
        let mut numbers = Numbers(Vec::new());
        let mut make = |replacement: Replacement, text: &str| replacement.make(text, &mut numbers);
        assert_eq!(make(Replacement::default(), "x"), "[REMOVED]");
        assert_eq!(make(Replacement::Mask(Mask::Last4), "4111-1111-1111-1234"), "****-****-****-1234");
        assert_eq!(make(Replacement::Mask(Mask::Last4), "12345678"), "********");
        assert_eq!(make(Replacement::Mask(Mask::All), "a.b@c.de"), "*.*@*.**");
        assert_eq!(make(Replacement::Escape(Escape::Html), "<b a='1'>&"), "&lt;b a=&#39;1&#39;&gt;&amp;");
        assert_eq!(make(Replacement::Remove, "x"), "");
        let email = || Replacement::Pseudonym("EMAIL".to_owned());
        assert_eq!(make(email(), "a@b.example"), "<EMAIL_1>");
        assert_eq!(make(email(), "c@b.example"), "<EMAIL_2>");
        assert_eq!(make(email(), "a@b.example"), "<EMAIL_1>");
        let hash = make(Replacement::Hash, "a@b.example");
        assert_eq!((hash.len(), hash.as_str()), (37, make(Replacement::Hash, "a@b.example").as_str()));
        assert_ne!(hash, make(Replacement::Hash, "c@b.example"));
    }
}
