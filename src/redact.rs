//! Applies edits, and finds back where an edited text comes from.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::verdict::Edit;

/// `text` with the edits of one field made. Overlapping edits must have been united before; one that does not lie on
/// character boundaries, or overlaps the one before it, takes the rest of the text with it rather than leave a byte
/// of what it covers.
#[must_use]
pub fn apply<'e>(text: &str, edits: impl IntoIterator<Item = &'e Edit>) -> String {
    let mut ordered: Vec<&Edit> = edits.into_iter().collect();
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

/// Where a range of an edited text comes from: what stands for several bytes stands for all of them. `edits` are those
/// of one field, in order and without overlaps.
#[must_use]
pub fn original<'e>(
    edits: impl IntoIterator<Item = &'e Edit>,
    start: usize,
    end: usize,
) -> std::ops::Range<usize> {
    // Before the edits that are passed, `from` bytes of the original became `at` bytes.
    let (mut from, mut at) = (0, 0);
    let (mut first, mut last) = (None, None);
    for edit in edits {
        let kept = edit.start.saturating_sub(from);
        if start < at + kept {
            first.get_or_insert(from + start.saturating_sub(at));
        }
        if end <= at + kept {
            last.get_or_insert(from + end.saturating_sub(at));
        }
        at += kept;
        if start < at + edit.with.len() {
            first.get_or_insert(edit.start);
        }
        if end <= at + edit.with.len() {
            last.get_or_insert(edit.end);
        }
        at += edit.with.len();
        from = edit.end;
    }
    first.unwrap_or(from + start.saturating_sub(at))..last.unwrap_or(from + end.saturating_sub(at))
}

impl Event {
    /// The event as its verdict lets it go on: with every edit made.
    ///
    /// An edit of a field that the event does not have is left out; the guard makes no such edits.
    #[must_use]
    pub fn with_edits(&self, edits: &[Edit]) -> Event {
        let mut edited = self.clone();
        let mut by_field: BTreeMap<&str, Vec<&Edit>> = BTreeMap::new();
        for edit in edits {
            by_field.entry(&edit.field).or_default().push(edit);
        }
        for (field, edits) in by_field {
            if let Some(text) = edited.text_mut(field) {
                *text = apply(text, edits);
            }
        }
        edited
    }
}
