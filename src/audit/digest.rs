//! Keyed digests of an event's texts, which tell whether a text is the one that was decided about and nothing else of it.

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use super::canonical::canonical;
use crate::event::{Body, Event};

/// A text of an event, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordedText {
    /// JSON Pointer into the event.
    pub field: &'static str,
    /// Its length in bytes; of JSON, as canonical JSON.
    pub bytes: usize,
    /// HMAC-SHA-256 of it under the log's key for digests, in hexadecimal.
    pub hmac: String,
}

/// The digests of an event's texts, as they came and before any edit.
pub(super) fn of(event: &Event, key: &[u8]) -> Vec<RecordedText> {
    let mut texts = Vec::new();
    let mut add = |field, value: &Value| {
        if let Some(text) = RecordedText::new(field, value, key) {
            texts.push(text);
        }
    };
    match &event.body {
        Body::Access(access) => {
            if let Some(instructions) = &access.instructions {
                add("/access/instructions", instructions);
            }
        }
        Body::Input { text, .. } | Body::Output { text } => add("/text", text),
        Body::ToolCall { arguments, .. } => add("/arguments", arguments),
        Body::ToolResult { result, .. } => add("/result", result),
    }
    texts
}

impl RecordedText {
    fn new(field: &'static str, value: &Value, key: &[u8]) -> Option<Self> {
        let json;
        let text = match value {
            Value::String(text) => text.as_str(),
            value => {
                json = canonical(value).unwrap_or_else(|_| value.to_string());
                &json
            }
        };
        Some(Self { field, bytes: text.len(), hmac: hex(&hmac(key, &[text.as_bytes()])?) })
    }
}

/// HMAC-SHA-256 (RFC 2104).
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit)));
        }
    }
    text
}

/// The 32 bytes of a text in hexadecimal.
#[cfg(feature = "audit")]
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digit = |at: usize| char::from(*text.as_bytes().get(at)?).to_digit(16);
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::try_from(digit(2 * at)? << 4 | digit(2 * at + 1)?).ok()?;
    }
    (text.len() == 64).then_some(bytes)
}
