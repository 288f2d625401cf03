//! Letters that stand apart: `i g n o r e`, `i.g.n.o.r.e`, `i-g-n-o-r-e`.

use super::super::pattern::floor_boundary;
use super::super::view::Mapped;
use super::region::Piece;

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

/// Calls `found` with every row of letters that stand apart.
fn chains(text: &str, found: &mut dyn FnMut(&[(usize, char)])) {
    let mut chain: Chain = Vec::new();
    let mut gap = 0;
    let mut before: Option<char> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_letter = c.is_alphanumeric();
        let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        if is_letter && !in_word(before) && !in_word(chars.peek().map(|(_, next)| *next)) {
            if gap > MAX_GAP {
                found(&chain);
                chain.clear();
            }
            chain.push((at, c));
            gap = 0;
        } else if is_letter {
            found(&chain);
            chain.clear();
        } else {
            gap += 1;
        }
        before = Some(c);
    }
    found(&chain);
}

/// The row of letters around a place, if they look spaced apart: all of them within sight.
pub(super) fn chain_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let from = floor_boundary(text, at.saturating_sub(AROUND));
    let to = floor_boundary(text, text.len().min(at + 8 + AROUND));
    let mut around = None;
    chains(text.get(from..to)?, &mut |chain| {
        if let (Some((first, _)), Some((last, c))) = (chain.first(), chain.last())
            && chain.len() >= MIN_LETTERS as usize
            && chain.iter().filter(|(_, c)| c.is_alphabetic()).count() >= MIN_ALPHABETIC
            && from + last >= at
            && from + first < at + 8
            && around.is_none()
        {
            around = Some((from + first, from + last + c.len_utf8()));
        }
    });
    around
}

/// What stands between two neighbours.
fn between<'t>(text: &'t str, one: &(usize, char), other: &(usize, char)) -> &'t str {
    text.get(one.0 + one.1.len_utf8()..other.0).unwrap_or_default()
}

/// Every row of such letters joined. A gap that is longer or other than the shortest ends a word.
pub(super) fn decode(text: &str, piece: Piece) -> Option<Mapped> {
    let part = text.get(piece.start..piece.end)?;
    let mut decoded = Mapped::with_capacity(part.len());
    let mut same = 0;
    let mut joined = false;
    chains(part, &mut |chain| {
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else { return };
        if chain.len() < MIN_JOINED {
            return;
        }
        let gaps = || chain.windows(2).filter_map(|two| Some(between(part, two.first()?, two.last()?)));
        let Some(shortest) = gaps().min_by_key(|gap| gap.chars().count()) else { return };
        joined = true;
        decoded.push_same(part.get(same..first.0).unwrap_or_default(), piece.start + same);
        for (number, (at, c)) in chain.iter().enumerate() {
            let gap =
                number.checked_sub(1).and_then(|before| Some(between(part, chain.get(before)?, &(*at, *c))));
            if let Some(gap) = gap.filter(|gap| *gap != shortest) {
                decoded.push_decoded(' ', (piece.start + at - gap.len(), piece.start + at));
            }
            decoded.push(*c, (piece.start + at, piece.start + at + c.len_utf8()));
        }
        same = last.0 + last.1.len_utf8();
    });
    decoded.push_same(part.get(same..)?, piece.start + same);
    joined.then_some(decoded)
}
