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

/// Where an edited text comes from.
#[derive(Debug)]
pub struct Origins<'e> {
    /// Each edit, in order, and where its text begins in the edited text.
    edits: Vec<(usize, &'e Edit)>,
}

impl<'e> Origins<'e> {
    /// For the edits of one field, in order and without overlaps.
    #[must_use]
    pub fn new(edits: impl IntoIterator<Item = &'e Edit>) -> Self {
        let (mut from, mut at) = (0, 0);
        let place = |edit: &'e Edit| {
            let begins = at + edit.start.saturating_sub(from);
            at = begins + edit.with.len();
            from = edit.end;
            (begins, edit)
        };
        Self { edits: edits.into_iter().map(place).collect() }
    }

    /// The number of the last edit whose text begins at `at` or before, and where.
    fn before(&self, at: usize) -> Option<(usize, usize, &'e Edit)> {
        let number = self.edits.partition_point(|(begins, _)| *begins <= at).checked_sub(1)?;
        self.edits.get(number).map(|(begins, edit)| (number, *begins, *edit))
    }

    /// The range of the original that a range of the edited text comes from: what stands for several bytes stands for
    /// all of them.
    #[must_use]
    pub fn range(&self, start: usize, end: usize) -> std::ops::Range<usize> {
        let first = match self.before(start) {
            Some((_, begins, edit)) if start < begins + edit.with.len() => edit.start,
            Some((_, begins, edit)) => edit.end + (start - begins - edit.with.len()),
            None => start,
        };
        let last = match end.checked_sub(1).and_then(|last| self.before(last)) {
            Some((_, begins, edit)) if end <= begins + edit.with.len() => edit.end,
            Some((_, begins, edit)) => edit.end + (end - begins - edit.with.len()),
            None => end,
        };
        first..last
    }

    /// The number of the edit in whose text a range of the edited text lies.
    #[must_use]
    pub fn inside(&self, start: usize, end: usize) -> Option<usize> {
        self.before(start)
            .filter(|(_, begins, edit)| end <= begins + edit.with.len())
            .map(|(number, ..)| number)
    }
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
