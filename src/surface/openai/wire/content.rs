//! Content of messages and results: texts, and what is none.

use serde_json::Value;

use super::{Memory, Openings, Place, Slot, Unfit, below, fields, is_absent, unfit};
use crate::event::Body;

/// Texts of content that is a string or a list of parts, and where they stand.
pub(super) struct Content {
    pub(super) texts: Vec<(String, String)>,
    /// Whether it is a list: then the value that is decided about is one too.
    is_list: bool,
}

/// How parts that hold text are called, and the member with the text.
pub(super) type PartNames = &'static [(&'static str, &'static str)];

impl Content {
    /// Reads content. Attachments are refused unless the host lets them through.
    pub(super) fn read(value: &Value, at: &str, parts: PartNames, open: &Openings) -> Result<Self, Unfit> {
        let items = match value {
            Value::String(text) => {
                return Ok(Self { texts: vec![(at.to_owned(), text.clone())], is_list: false });
            }
            Value::Array(items) => items,
            Value::Null => return Ok(Self { texts: Vec::new(), is_list: false }),
            _ => return unfit(at, "is neither a text nor a list of parts"),
        };
        let mut texts = Vec::new();
        for (index, part) in items.iter().enumerate() {
            let at = format!("{at}/{index}");
            let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
            match parts.iter().find(|(name, _)| *name == kind) {
                Some((_, member)) => {
                    let known = ["type", member, "annotations", "logprobs", "prompt_cache_breakpoint"];
                    fields::only(part, &at, &known)?;
                    for name in ["annotations", "logprobs"] {
                        // Copies of what models wrote, sent back: they repeat text, and nobody needs them.
                        if !is_absent(part.get(name)) {
                            return unfit(below(&at, name), "is not sent back: leave it out");
                        }
                    }
                    let Some(text) = part.get(*member).and_then(Value::as_str) else {
                        return unfit(below(&at, member), "is no text");
                    };
                    texts.push((below(&at, member), text.to_owned()));
                }
                None if open.attachments => attachment(part, kind, &at, &mut texts)?,
                None => {
                    return unfit(
                        at,
                        "is no text part; what nothing reads goes through only where the client is built with `attachments`",
                    );
                }
            }
        }
        Ok(Self { texts, is_list: true })
    }

    pub(super) fn slot(self, body: impl FnOnce(Value) -> Body, memory: Memory) -> Option<Slot> {
        let (pointers, mut texts): (Vec<_>, Vec<_>) =
            self.texts.into_iter().map(|(at, text)| (at, Value::String(text))).unzip();
        let value = match texts.len() {
            0 if !self.is_list => return None,
            0 => return None,
            1 => texts.remove(0),
            _ => Value::Array(texts),
        };
        Some(Slot { body: body(value), place: Place::Texts(pointers), memory })
    }
}

/// An attachment that the host lets through: what of it is text is read all the same.
fn attachment(part: &Value, kind: &str, at: &str, texts: &mut Vec<(String, String)>) -> Result<(), Unfit> {
    let readable: &[&str] = match kind {
        "image_url" => &["image_url/url"],
        "input_image" => &["image_url"],
        "file" => &["file/filename"],
        "input_file" => &["filename", "file_url"],
        "input_audio" => &[],
        _ => return unfit(at, "is a part of a kind that is not known here"),
    };
    for name in readable {
        let at = format!("{at}/{name}");
        if let Some(Value::String(text)) = part.pointer(&format!("/{name}"))
            && !text.starts_with("data:")
        {
            texts.push((at, text.clone()));
        }
    }
    Ok(())
}
