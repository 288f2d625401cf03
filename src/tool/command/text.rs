//! The text of a word, which mostly stands in the line as it is and then is no copy of it.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A text that costs next to nothing to copy.
#[derive(Clone)]
pub(super) enum Text {
    /// A part of a longer one.
    Part { whole: Arc<str>, from: u32, to: u32 },
    /// One that stands nowhere.
    Own(String),
}

impl Text {
    /// What stands there in a longer text; empty where it is no part of that.
    pub(super) fn part(whole: &Arc<str>, range: Range<usize>) -> Self {
        match (whole.get(range.clone()), u32::try_from(range.start), u32::try_from(range.end)) {
            (Some(_), Ok(from), Ok(to)) => Text::Part { whole: Arc::clone(whole), from, to },
            _ => Text::default(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Text::Part { whole, from, to } => whole.get(*from as usize..*to as usize).unwrap_or_default(),
            Text::Own(text) => text,
        }
    }

    pub(super) fn push_str(&mut self, more: &str) {
        if more.is_empty() {
            return;
        }
        match self {
            Text::Own(text) => text.push_str(more),
            Text::Part { .. } => {
                let before = self.as_str();
                let mut text = String::with_capacity(before.len() + more.len());
                text.push_str(before);
                text.push_str(more);
                *self = Text::Own(text);
            }
        }
    }

    pub(super) fn push(&mut self, sign: char) {
        self.push_str(sign.encode_utf8(&mut [0; 4]));
    }

    /// The same, of which copies cost nothing.
    pub(super) fn shared(self) -> Self {
        match self {
            Text::Own(text) if !text.is_empty() => {
                let whole: Arc<str> = text.into();
                Self::part(&whole, 0..whole.len())
            }
            other => other,
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::Own(String::new())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::Own(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::Own(text)
    }
}
