//! Conversations without what was said.

use jiff::Timestamp;
use serde_json::Value;

/// What stands in the place of a content.
pub const ANONYMISED: &str = "[anonymised]";

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// When.
    pub at: Timestamp,
    /// What is said.
    pub content: Value,
}

/// A conversation of which only who spoke when is left. What rules find in a text is not all that tells who wrote it, so that nothing
/// of a text stays.
///
/// ```
/// use ringfence::retention::{Message, anonymise};
///
/// let said = Message { role: "user".into(), at: "2026-11-22T10:00:00Z".parse()?, content: "I am Ann".into() };
/// let left = anonymise([said.clone()]);
/// assert_eq!(left, [Message { content: "[anonymised]".into(), ..said }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn anonymise(conversation: impl IntoIterator<Item = Message>) -> Vec<Message> {
    conversation.into_iter().map(|message| Message { content: ANONYMISED.into(), ..message }).collect()
}
