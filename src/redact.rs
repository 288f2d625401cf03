//! Applies edits.

use crate::event::Event;
use crate::verdict::Edit;

/// `text` with the edits of one field made. Overlapping edits must have been united before; one that does not lie on
/// character boundaries, or overlaps the one before it, takes the rest of the text with it rather than leave a byte
/// of what it covers.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    ordered.sort_by_key(|edit| (edit.start, edit.end));
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for edit in ordered {
        let Some(kept) = text.get(done..edit.start) else { return out };
        out.push_str(kept);
        out.push_str(&edit.with);
        done = edit.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

impl Event {
    /// The event as its verdict lets it go on: with every edit made.
    ///
    /// An edit of a field that the event does not have is left out; the guard makes no such edits.
    #[must_use]
    pub fn with_edits(&self, edits: &[Edit]) -> Event {
        let mut edited = self.clone();
        let mut fields: Vec<&str> = edits.iter().map(|edit| edit.field.as_str()).collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            let of_field: Vec<Edit> = edits.iter().filter(|edit| edit.field == field).cloned().collect();
            if let Some(text) = edited.text_mut(field) {
                *text = apply(text, &of_field);
            }
        }
        edited
    }
}
