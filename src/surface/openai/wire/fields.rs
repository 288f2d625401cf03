//! Members of requests: which are only settings, which hold content, which are not let through.

use std::fmt;

use serde_json::Value;

use super::{Memory, Place, Slot, Unfit, below, input, is_absent, text, unfit};
use crate::event::InputPart;

/// Longest string of a setting. What is longer is content.
const LONGEST_SETTING: usize = 64;
/// Most strings of a setting.
const MOST_STRINGS: usize = 512;

/// Longest word or name in an answer.
const LONGEST_WORD: usize = 128;

/// What a member of a request is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    /// Read by the API's own code.
    Own,
    /// Numbers, flags and short words.
    Setting,
    /// A text that reaches the provider.
    Text,
    /// JSON whose strings reach the model.
    Json,
    /// Not let through, and why. Absent values are.
    Refused(&'static str),
}

/// Holds a request to a table. Members that the table lacks are refused: they could carry anything.
pub(super) fn check(document: &Value, table: &[(&str, Field)], slots: &mut Vec<Slot>) -> Result<(), Unfit> {
    let Some(request) = document.as_object() else { return unfit("", "the request is no object") };
    for (name, value) in request {
        let at = || below("", name);
        match table.iter().find(|(known, _)| known == name) {
            None => return unfit(at(), "is not known here, so that it is not let through"),
            Some((_, Field::Own)) => {}
            Some((_, Field::Refused(why))) if !is_absent(Some(value)) => return unfit(at(), *why),
            Some((_, Field::Refused(_))) => {}
            Some((_, Field::Setting)) => setting(value).or_else(|what| unfit(at(), what))?,
            Some((_, Field::Text)) => match value {
                Value::Null => {}
                Value::String(written) => {
                    slots.push(text(input(InputPart::Instructions), at(), written, Memory::Known("setting")));
                }
                _ => return unfit(at(), "is no text"),
            },
            Some((_, Field::Json)) if value.is_null() => {}
            Some((_, Field::Json)) => slots.push(Slot {
                body: input(InputPart::Instructions)(value.clone()),
                place: Place::Value(at()),
                memory: Memory::Known("setting"),
            }),
        }
    }
    Ok(())
}

/// A setting holds no content.
fn setting(value: &Value) -> Result<(), &'static str> {
    let mut left = MOST_STRINGS;
    if short(value, &mut left) { Ok(()) } else { Err("holds more than a setting does") }
}

fn short(value: &Value, left: &mut usize) -> bool {
    let mut word = |text: &str| {
        *left = left.saturating_sub(1);
        *left > 0 && text.len() <= LONGEST_SETTING
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => word(text),
        Value::Array(items) => items.iter().all(|item| short(item, left)),
        Value::Object(entries) => {
            entries.keys().all(|key| word(key)) && entries.values().all(|item| short(item, left))
        }
    }
}

/// A list; one that is absent is empty.
pub(super) fn list<'a>(value: Option<&'a Value>, at: &str) -> Result<&'a [Value], Unfit> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => unfit(at, "is no list"),
    }
}

/// Whether a text is a word of the API or a name that it gave (an id, a model, a state), by its looks: nobody writes to
/// people in such words.
pub(crate) fn is_word(text: &str) -> bool {
    text.len() <= LONGEST_WORD && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Holds members of an answer to be words: what else stands there is a text where none belongs.
pub(super) fn words(object: &Value, at: impl fmt::Display, names: &[&str]) -> Result<(), Unfit> {
    let below = |name: &str| below(&at.to_string(), name);
    for name in names {
        match object.get(name) {
            Some(Value::String(text)) if !is_word(text) => {
                return unfit(below(name), "is a text where none belongs");
            }
            Some(Value::Array(_) | Value::Object(_)) => {
                return unfit(below(name), "is no word");
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Names of the members of an answer, beside what the model said, that hold more than words and numbers.
pub(crate) fn texts(document: &Value, said: &[&str]) -> Vec<String> {
    let members = document.as_object().into_iter().flatten();
    let wordy = members.filter(|(name, value)| !said.contains(&name.as_str()) && !only_words(value));
    wordy.map(|(name, _)| name.clone()).collect()
}

fn only_words(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => is_word(text),
        Value::Array(items) => items.iter().all(only_words),
        Value::Object(entries) => entries.iter().all(|(name, item)| is_word(name) && only_words(item)),
    }
}

/// Refuses members that are not in a list. Absent values are none.
pub(super) fn only(object: &Value, at: &str, known: &[&str]) -> Result<(), Unfit> {
    let Some(entries) = object.as_object() else { return unfit(at, "is no object") };
    match entries.iter().find(|(name, value)| !known.contains(&name.as_str()) && !is_absent(Some(value))) {
        Some((name, _)) => {
            // A name may be a text too, which is not repeated.
            let name = if is_word(name) { name } else { "*" };
            unfit(below(at, name), "is not known here, so that it is not let through")
        }
        None => Ok(()),
    }
}

/// Drops members of a response that are not known here: whatever they are, they were not looked at. Says whether there were any.
pub(crate) fn drops(object: &mut Value, known: &[&str]) -> bool {
    let Some(entries) = object.as_object_mut() else { return false };
    let drops = entries.keys().any(|name| !known.contains(&name.as_str()));
    if drops {
        entries.retain(|name, _| known.contains(&name.as_str()));
    }
    drops
}
