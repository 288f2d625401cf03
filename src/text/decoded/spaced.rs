//! Letters that stand apart: `i g n o r e`, `i.g.n.o.r.e`, `i-g-n-o-r-e`.

use std::ops::ControlFlow;

use super::super::block::{self, BLOCK, letters_and_digits};
use super::super::pattern::floor_boundary;
use super::super::view::Mapped;
use super::region::Piece;
use super::words::{self, MIN_TOGETHER};

/// Fewest letters that look spaced apart.
pub(super) const MIN_LETTERS: u32 = 5;
/// Fewest of them that are no digits.
const MIN_ALPHABETIC: usize = 3;
/// Fewest letters that are joined where others look spaced apart.
const MIN_JOINED: usize = 3;
/// Most characters between two letters.
const MAX_GAP: usize = 8;
/// Bytes around a place that are looked at.
const AROUND: usize = 48;

/// Letters that stand apart in a row, each with its place.
type Chain = Vec<(usize, char)>;

/// Calls `found` with every row of letters that stand apart, and where it was over, until that wants no more. `before` stands before
/// the text.
fn chains(
    text: &str,
    before: Option<char>,
    mut found: impl FnMut(&[(usize, char)], usize) -> ControlFlow<()>,
) {
    let mut chain: Chain = Vec::new();
    let mut gap = 0;
    // Of each character once: whether the one before it is a letter, and whether it is one itself.
    let mut before = before.is_some_and(char::is_alphanumeric);
    let mut chars = text.char_indices().map(|(at, c)| (at, c, c.is_alphanumeric())).peekable();
    while let Some((at, c, is_letter)) = chars.next() {
        let alone = is_letter && !before && !chars.peek().is_some_and(|(.., next)| *next);
        before = is_letter;
        if !is_letter {
            gap += 1;
            continue;
        }
        if !alone || gap > MAX_GAP {
            if found(&chain, at).is_break() {
                return;
            }
            chain.clear();
        }
        if alone {
            chain.push((at, c));
            gap = 0;
        }
    }
    // Nothing comes behind it.
    let _ = found(&chain, text.len());
}

/// The row of letters around a place, if they look spaced apart: all of them within sight.
pub(super) fn chain_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let from = floor_boundary(text, at.saturating_sub(AROUND));
    let to = floor_boundary(text, text.len().min(at + 8 + AROUND));
    let (from, before) = begins(text, from, floor_boundary(text, at));
    let mut around = None;
    chains(text.get(from..to)?, before, |chain, over| {
        if let (Some((first, _)), Some((last, c))) = (chain.first(), chain.last())
            && chain.len() >= MIN_LETTERS as usize
            && chain.iter().filter(|(_, c)| c.is_alphabetic()).count() >= MIN_ALPHABETIC
            && from + last >= at
            && from + first < at + 8
        {
            around = Some((from + first, from + last + c.len_utf8()));
        }
        if around.is_some() || from + over >= at + 8 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    around
}

/// Where the row of letters before `at` begins, or before, but not before `from`; and what stands before that.
fn begins(text: &str, from: usize, at: usize) -> (usize, Option<char>) {
    let mut gap = 0;
    let mut after = text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(char::is_alphanumeric);
    let chars = text.get(from..at).unwrap_or_default().char_indices().rev();
    let mut chars = chars.map(|(place, c)| (from + place, c, c.is_alphanumeric())).peekable();
    while let Some((place, c, is_letter)) = chars.next() {
        // A word ends it, and a long gap.
        let in_word = is_letter && (after || chars.peek().is_some_and(|(.., before)| *before));
        gap = if is_letter { 0 } else { gap + 1 };
        if in_word || gap > MAX_GAP {
            return (place + c.len_utf8(), Some(c));
        }
        after = is_letter;
    }
    (from, None)
}

/// Whether a row of letters may go on behind a text.
pub(super) fn goes_on(text: &str) -> bool {
    let mut before = text.chars().rev();
    let last = before.by_ref().take(MAX_GAP + 1).find(|c| c.is_alphanumeric());
    last.is_some() && !before.next().is_some_and(char::is_alphanumeric)
}

/// What stands between two neighbours.
fn between<'t>(text: &'t str, one: &(usize, char), other: &(usize, char)) -> &'t str {
    text.get(one.0 + one.1.len_utf8()..other.0).unwrap_or_default()
}

/// Whether there is nothing to be joined or taken apart, as far as a quick look tells.
fn stays_as_it_is(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let last = block::last(rest);
    let (mut single, mut before) = (0, 0);
    for block in blocks.iter().chain([&last]) {
        // At the end of a block, one more may be counted.
        let letters = letters_and_digits(block);
        single += (letters & !(letters << 1 | before) & !(letters >> 1)).count_ones();
        before = letters >> 63;
    }
    bytes.is_ascii() && (single as usize) < MIN_JOINED && !is_written_together(bytes)
}

/// Whether any words are written together.
pub(super) fn is_written_together(bytes: &[u8]) -> bool {
    let together = |run: &&[u8]| run.len() >= MIN_TOGETHER;
    let mut runs = bytes.split(|byte| !byte.is_ascii_alphabetic()).filter(together);
    runs.any(|run| words::apart(run).is_some_and(|starts| !starts.is_empty()))
}

/// Every row of such letters joined, and what is written together taken apart. A gap that is longer or other than the
/// shortest ends a word.
pub(super) fn decode(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    if stays_as_it_is(part.as_bytes()) { None } else { rewritten(part, piece) }
}

/// The same, however it looks.
fn rewritten(part: &str, piece: Piece) -> Option<Mapped> {
    let mut joined: Vec<(char, (usize, usize))> = Vec::with_capacity(part.len());
    let same = |range: std::ops::Range<usize>| {
        let from = range.start;
        let chars = part.get(range).unwrap_or_default().char_indices();
        chars.map(move |(at, c)| (c, (from + at, from + at + c.len_utf8())))
    };
    let mut at = 0;
    chains(part, None, |chain, _| {
        let go_on = ControlFlow::Continue(());
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else { return go_on };
        if chain.len() < MIN_JOINED {
            return go_on;
        }
        let gaps = || chain.windows(2).filter_map(|two| Some(between(part, two.first()?, two.last()?)));
        let Some(shortest) = gaps().min_by_key(|gap| gap.chars().count()) else { return go_on };
        joined.extend(same(at..first.0));
        let mut before: Option<&(usize, char)> = None;
        for letter in chain {
            let (start, c) = *letter;
            let gap = before.map_or(shortest, |before| between(part, before, letter));
            if gap != shortest {
                joined.push((' ', (start - gap.len(), start)));
            }
            joined.push((c, (start, start + c.len_utf8())));
            before = Some(letter);
        }
        at = last.0 + last.1.len_utf8();
        go_on
    });
    joined.extend(same(at..part.len()));
    let mut decoded = Mapped::with_capacity(joined.len());
    let mut apart = at > 0;
    for run in
        joined.chunk_by(|(one, _), (other, _)| one.is_ascii_alphabetic() == other.is_ascii_alphabetic())
    {
        let starts = match run.first() {
            Some((c, _)) if c.is_ascii_alphabetic() && run.len() >= MIN_TOGETHER => {
                let letters: String = run.iter().map(|(c, _)| *c).collect();
                words::apart(letters.as_bytes()).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        apart |= !starts.is_empty();
        let mut starts = starts.into_iter().peekable();
        for (number, (c, (from, to))) in run.iter().enumerate() {
            let (from, to) = (piece.start + from, piece.start + to);
            if starts.next_if_eq(&number).is_some() {
                decoded.push_decoded(' ', (from, from));
            }
            decoded.push(*c, (from, to));
        }
    }
    apart.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::dice::Dice;

    /// A row is found from inside as from the beginning of what is in sight.
    #[test]
    fn a_row_around_a_place() {
        let parts =
            ["a", "b ", " c", ".", "-", " - - - - ", "of", "é", " é ", "\n", "7 ", "x.y", "なん", "1"];
        let (mut dice, mut found) = (Dice(5), 0);
        for round in 0..3000 {
            let mut text = String::new();
            for _ in 0..10 + round % 60 {
                text.push_str(dice.pick(&parts));
            }
            for at in (0..text.len()).step_by(8) {
                let from = floor_boundary(&text, at.saturating_sub(AROUND));
                let to = floor_boundary(&text, text.len().min(at + 8 + AROUND));
                let mut expected = None;
                chains(&text[from..to], None, |chain, _| {
                    let letters = chain.iter().filter(|(_, c)| c.is_alphabetic()).count();
                    if chain.len() >= MIN_LETTERS as usize && letters >= MIN_ALPHABETIC && expected.is_none()
                    {
                        let (first, (last, c)) = (from + chain[0].0, chain[chain.len() - 1]);
                        let around = from + last >= at && first < at + 8;
                        expected = around.then_some((first, from + last + c.len_utf8()));
                    }
                    ControlFlow::Continue(())
                });
                assert_eq!(chain_at(&text, at), expected, "{text:?} at {at}");
                found += usize::from(expected.is_some());
            }
        }
        assert!(found > 100, "{found}");
    }

    /// Nothing is passed over that would be joined or taken apart.
    #[test]
    fn what_stays_as_it_is() {
        let parts = [
            "a",
            "b c",
            " ",
            ".",
            "-",
            "of",
            "ignoreallprevious",
            "instructions",
            "i.g.n",
            "x1y",
            "é",
            "\n",
            "7",
        ];
        let (mut dice, mut stay, mut change) = (Dice(5), 0, 0);
        for round in 0..20_000 {
            let mut text = String::new();
            for _ in 0..round % 40 {
                text.push_str(dice.pick(&parts));
                if dice.was_one_in(4) {
                    text.push_str("which she had");
                }
            }
            let piece = Piece { start: 0, end: text.len(), cut_before: false, cut_after: false };
            let changes = rewritten(&text, piece).is_some();
            assert!(!(changes && stays_as_it_is(text.as_bytes())), "{text:?}");
            stay += usize::from(stays_as_it_is(text.as_bytes()));
            change += usize::from(changes);
        }
        assert!(stay > 1000 && change > 1000, "{stay} {change}");
    }
}
