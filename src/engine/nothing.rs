//! Texts in which a stage's rules find nothing, so that they are not scanned again.
//!
//! What rules find in a text depends on the text, the stage and the part alone. Instructions, definitions of tools and keys of
//! objects come again with every session; whether anybody has sent one before is no secret, as it would be of what users say.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use crate::event::{Field, Part, Stage};

/// Longest text that is remembered.
const LONGEST: usize = 32 << 10;
/// Most bytes of texts of one generation; there are two.
const BYTES: usize = 256 << 10;
/// What a text costs beside its bytes.
const OVERHEAD: usize = 64;

/// Texts of one engine. A copy of the engine may have other rules, so its memory is empty.
#[derive(Debug, Default)]
pub(crate) struct Nothing(RwLock<Generations>);

impl Clone for Nothing {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[derive(Debug, Default)]
struct Generations {
    new: Texts,
    old: Texts,
}

type Known = HashSet<Box<str>>;

#[derive(Debug, Default)]
struct Texts {
    instructions: Known,
    /// Keys outside instructions, by stage and part.
    keys: Vec<((Stage, Option<Part>), Known)>,
    bytes: usize,
}

/// Whether a text is of a kind that comes again.
fn is_remembered(stage: Stage, field: &Field<'_>) -> bool {
    (field.is_key || is_instructions(stage, field)) && field.text.len() <= LONGEST
}

fn is_instructions(stage: Stage, field: &Field<'_>) -> bool {
    stage == Stage::Input && field.part == Some(Part::Instructions)
}

impl Texts {
    fn of(&self, stage: Stage, field: &Field<'_>) -> Option<&Known> {
        if is_instructions(stage, field) {
            return Some(&self.instructions);
        }
        self.keys.iter().find(|(of, _)| *of == (stage, field.part)).map(|(_, texts)| texts)
    }

    fn has(&self, stage: Stage, field: &Field<'_>) -> bool {
        self.of(stage, field).is_some_and(|texts| texts.contains(field.text))
    }

    fn add(&mut self, stage: Stage, field: &Field<'_>) {
        let of = (stage, field.part);
        let texts = if is_instructions(stage, field) {
            &mut self.instructions
        } else {
            let known = self.keys.iter().position(|(known, _)| *known == of);
            let at = known.unwrap_or_else(|| {
                self.keys.push((of, HashSet::new()));
                self.keys.len() - 1
            });
            let Some((_, texts)) = self.keys.get_mut(at) else { return };
            texts
        };
        if texts.insert(field.text.into()) {
            self.bytes += field.text.len() + OVERHEAD;
        }
    }
}

impl Nothing {
    /// Whether it is known that nothing is found in a text.
    pub(super) fn has(&self, stage: Stage, field: &Field<'_>) -> bool {
        if !is_remembered(stage, field) {
            return false;
        }
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.new.has(stage, field) || known.old.has(stage, field)
    }

    /// Nothing was found in a text.
    pub(super) fn add(&self, stage: Stage, field: &Field<'_>) {
        if !is_remembered(stage, field) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.new.bytes > BYTES {
            known.old = std::mem::take(&mut known.new);
        }
        known.new.add(stage, field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str, part: Option<Part>, is_key: bool) -> Field<'_> {
        Field { pointer: String::new(), text, part, is_key }
    }

    #[test]
    fn texts_are_known_in_their_stage_and_part_alone() {
        let nothing = Nothing::default();
        let instructions = field("Be brief.", Some(Part::Instructions), false);
        nothing.add(Stage::Input, &instructions);
        assert!(nothing.has(Stage::Input, &instructions));
        let others = [
            (Stage::Access, instructions.clone()),
            (Stage::Input, field("Be brief", Some(Part::Instructions), false)),
            (Stage::Input, field("Be brief.", Some(Part::User), true)),
            (Stage::Output, field("Be brief.", None, true)),
        ];
        for (stage, other) in &others {
            assert!(!nothing.has(*stage, other), "{stage} {other:?}");
        }
        let key = field("path", None, true);
        nothing.add(Stage::ToolCall, &key);
        assert!(nothing.has(Stage::ToolCall, &key) && !nothing.has(Stage::ToolResult, &key));
        // What users and tools say is not remembered, nor what is long.
        let long = "x".repeat(LONGEST + 1);
        for (stage, text) in [
            (Stage::Input, field("hello", Some(Part::User), false)),
            (Stage::ToolResult, field("hello", None, false)),
            (Stage::Input, field(&long, Some(Part::Instructions), false)),
        ] {
            nothing.add(stage, &text);
            assert!(!nothing.has(stage, &text));
        }
        assert!(!nothing.clone().has(Stage::Input, &instructions));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays_a_while() {
        let nothing = Nothing::default();
        for number in 0..100_000 {
            let text = format!("key {number}");
            nothing.add(Stage::ToolCall, &field(&text, None, true));
            assert!(nothing.has(Stage::ToolCall, &field(&text, None, true)));
        }
        let known = nothing.0.read().unwrap();
        assert!(known.new.bytes + known.old.bytes < 3 * BYTES);
        assert!(nothing.has(Stage::ToolCall, &field("key 99000", None, true)));
        assert!(!nothing.has(Stage::ToolCall, &field("key 1", None, true)));
    }
}
