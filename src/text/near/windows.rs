//! What stands near matches, as words are looked for in it: many rules look at the same.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::humps;
use crate::text::fold::{MAX_GAP_BYTES, squash_short};
use crate::text::phrases::Phrases;
use crate::text::view::Text;

/// So many are remembered: of most texts all, and of any text no more than a few megabytes.
const MOST: usize = 1 << 14;

/// The windows of a text that were looked at, by where they begin and how long they are.
#[derive(Debug, Default)]
pub(in crate::text) struct Windows(RefCell<HashMap<(usize, usize), Rc<Window>>>);

/// A part of a text.
#[derive(Debug)]
pub(super) struct Window {
    views: Views,
    /// With its names in camel case taken apart, if it has any.
    apart: OnceCell<Option<Views>>,
}

#[derive(Debug)]
struct Views {
    folded: Box<str>,
    squashed: Box<str>,
}

impl Views {
    fn of(text: &str) -> Self {
        let shown = Text::new(text);
        let folded = shown.folded().text.as_str();
        let squashed =
            if text.len() <= MAX_GAP_BYTES { squash_short(folded) } else { shown.squashed().text.clone() };
        Self { folded: folded.into(), squashed: squashed.into() }
    }
}

impl Windows {
    /// The part of a text that begins at a place.
    pub(super) fn at(&self, start: usize, text: &str) -> Rc<Window> {
        let mut known = self.0.borrow_mut();
        if known.len() >= MOST {
            known.clear();
        }
        let window = || Rc::new(Window { views: Views::of(text), apart: OnceCell::new() });
        Rc::clone(known.entry((start, text.len())).or_insert_with(window))
    }
}

impl Window {
    /// Whether any of the `words` stands in it, which shows a text.
    pub(super) fn holds(&self, text: &str, words: &Phrases) -> bool {
        let stand = |Views { folded, squashed }: &Views| words.are_in(folded, squashed);
        let apart = || self.apart.get_or_init(|| humps(text).as_deref().map(Views::of));
        stand(&self.views) || apart().as_ref().is_some_and(stand)
    }
}
