//! How much of a stream is held back.

use super::decoded::{BLOCK, MIN_LINES, OVERLAP};
use super::fold::{MAX_GAP_BYTES, MAX_RUN};
use super::matcher::Leaf;
use super::pattern::{MAX_PART, Pattern, SEARCH_AGAIN};
use super::stream::{STEP, WAIT};
use super::{Finder, Scanner};

/// Bytes of the text that a byte of the folded view stands for at most, where no run of white space or marks is long.
const FOLDED: usize = 4;
/// The same whatever comes: a character with marks, and a run that folds to nothing.
const FLOODED: usize = 2 * MAX_RUN + 8;

/// Two parts that are decoded, of which the second begins in the first: a match in both may be one.
const DECODED: usize = 2 * BLOCK - OVERLAP;
/// Lines that are together shorter than this are looked at once; then the line that has begun holds a stream back.
pub const SHORT_LINES: usize = MIN_LINES;

/// How text is counted that folds to nothing, or to one space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// White space, marks and invisible characters come one by one, and spell nothing.
    Short,
    /// They come in runs as long as a run is taken for one.
    Long,
}

/// The most bytes that one open match of a finder holds back, from its first byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Where white space, marks and invisible characters come one by one, and spell nothing.
    pub short: usize,
    /// Where they come in runs as long as a run is taken for one.
    pub long: usize,
    /// The longest match, or part of one, that comes out then.
    pub longest: usize,
}

impl Finder {
    /// What one open match of this finder holds back.
    #[must_use]
    pub fn held(&self) -> Held {
        let (mut short, mut long) = (0, 0);
        self.each_leaf(|_, leaf| {
            short = short.max(leaf.hold_back(Runs::Short));
            long = long.max(leaf.hold_back(Runs::Long));
        });
        let most = |undecoded: usize, decodes: bool| {
            let bytes = undecoded.saturating_add(self.near_bytes());
            let decoded = if decodes { DECODED } else { 0 };
            bytes.max(decoded).saturating_add(bytes / WAIT).saturating_add(STEP)
        };
        let decodes = self.views.decodes();
        Held {
            // Hidden text is not decoded where nothing is hidden.
            short: most(short, self.holds_lines()),
            long: most(long, decodes),
            longest: long.max(if decodes { BLOCK } else { 0 }),
        }
    }
}

impl Leaf {
    fn hold_back(&self, runs: Runs) -> usize {
        let (folded, gap) = match runs {
            Runs::Short => (FOLDED, 0),
            Runs::Long => (FLOODED, FLOODED),
        };
        let raw = self.pattern(false).map(|pattern| open(pattern, 1));
        let view = self.pattern(true).map(|pattern| open(pattern, folded));
        let words = match self {
            Leaf::Pattern(..) => None,
            Leaf::Phrases(phrases) => {
                let bytes = |phrase: &String| {
                    let gaps = phrase.trim().matches(' ').count();
                    phrase.len() * folded + gaps * (MAX_GAP_BYTES + gap)
                };
                phrases.words().iter().map(bytes).max()
            }
        };
        // What may yet get a mark, or be part of a run, is not folded.
        raw.max(view).max(words).unwrap_or(0).saturating_add(folded)
    }
}

/// Bytes from the beginning of a match of a pattern to where it is decided, or given in parts.
fn open(pattern: &Pattern, each: usize) -> usize {
    let decided = pattern.bound().saturating_mul(each);
    if pattern.is_endless() { decided.max(SEARCH_AGAIN) + MAX_PART } else { decided + each * 4 }
}

impl Scanner {
    /// Bytes that are held back where nothing that was seen can be in a match.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.tails.calm_bytes() + STEP + FOLDED
    }
}
