//! What parts of a conversation are remembered by.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::wire::value_of;
use crate::event::Body;

/// What a part is remembered by. A result is one of its call: the same text from another call is decided again.
pub(super) fn key_of(name: &str, body: &Body) -> [u8; 32] {
    match body {
        Body::ToolResult { tool, call, result } => key(name, &json!([tool, call, result])),
        body => key(name, value_of(body)),
    }
}

pub(super) fn key(name: &str, value: &Value) -> [u8; 32] {
    let mut digest = Sha256::new();
    text_into(&mut digest, name);
    value_into(&mut digest, value);
    digest.finalize().into()
}

/// Each kind of value begins in its own way and says how long it is, so that no two values are digested alike.
fn value_into(digest: &mut Sha256, value: &Value) {
    let count = |digest: &mut Sha256, kind: u8, count: usize| {
        digest.update([kind]);
        digest.update((count as u64).to_le_bytes());
    };
    match value {
        Value::Null => digest.update([0]),
        Value::Bool(flag) => digest.update([1, u8::from(*flag)]),
        Value::Number(number) => {
            digest.update([2]);
            text_into(digest, &number.to_string());
        }
        Value::String(text) => {
            digest.update([3]);
            text_into(digest, text);
        }
        Value::Array(items) => {
            count(digest, 4, items.len());
            items.iter().for_each(|item| value_into(digest, item));
        }
        Value::Object(entries) => {
            count(digest, 5, entries.len());
            for (name, item) in entries {
                text_into(digest, name);
                value_into(digest, item);
            }
        }
    }
}

fn text_into(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_le_bytes());
    digest.update(text.as_bytes());
}
