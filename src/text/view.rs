//! A text with its views, made when first asked for.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use super::Hit;
use super::block::within;
use super::fold;
use super::near::{Starts, Windows};

/// A way to look at a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum View {
    /// As it is.
    Raw,
    /// NFKC, lower case, without invisible characters, look-alike letters as Latin, runs of white space as one space.
    Folded,
    /// Base64 decoded.
    Base64,
    /// Hexadecimal decoded.
    Hex,
    /// Percent-encoding decoded.
    Percent,
    /// HTML entities and escapes of strings decoded.
    Html,
    /// ROT13.
    Rot13,
    /// Read from the end.
    Reversed,
    /// Digits and signs for letters.
    Leet,
    /// Letters spaced apart joined.
    Spaced,
}

/// A set of views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Views(u16);

impl Views {
    pub(super) fn with(self, view: View) -> Self {
        Self(self.0 | 1 << view as u16)
    }

    pub(super) fn holds(self, all: Views) -> bool {
        all.0 & !self.0 == 0
    }

    pub(super) fn and(self, others: Views) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there is one besides the raw text. Of decoded ones, `folded` names what nobody sees.
    pub(super) fn decodes(self) -> bool {
        !Views::default().with(View::Raw).holds(self)
    }

    /// Whether there is one of what can be seen.
    pub(super) fn decodes_visible(self) -> bool {
        !Views::default().with(View::Raw).with(View::Folded).holds(self)
    }
}

impl FromIterator<View> for Views {
    fn from_iter<I: IntoIterator<Item = View>>(views: I) -> Self {
        views.into_iter().fold(Self::default(), Views::with)
    }
}

impl View {
    /// The name in YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            View::Raw => "raw",
            View::Folded => "folded",
            View::Base64 => "base64",
            View::Hex => "hex",
            View::Percent => "percent",
            View::Html => "html",
            View::Rot13 => "rot13",
            View::Reversed => "reversed",
            View::Leet => "leet",
            View::Spaced => "spaced",
        }
    }
}

/// A text and its views.
#[derive(Debug)]
pub struct Text<'a> {
    raw: &'a str,
    /// What `raw` is the end of.
    around: &'a str,
    /// It goes on behind what is known of it.
    open: bool,
    /// It begins where a long run of white space or invisible characters is broken.
    broken: bool,
    clean: OnceCell<bool>,
    breaks: OnceCell<bool>,
    folded: OnceCell<Mapped>,
    squashed: OnceCell<Mapped>,
    windows: Windows,
    starts: Starts,
}

impl<'a> Text<'a> {
    /// A text of which no view has been made yet.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        Self {
            raw,
            around: raw,
            open: false,
            broken: false,
            clean: OnceCell::new(),
            breaks: OnceCell::new(),
            folded: OnceCell::new(),
            squashed: OnceCell::new(),
            windows: Windows::default(),
            starts: Starts::default(),
        }
    }

    /// The part of a stream from `at` on, which goes on behind it if `open`.
    pub(super) fn part(around: &'a str, at: usize, open: bool, broken: bool) -> Self {
        // One way of looking at it, whatever it holds.
        let clean = OnceCell::from(false);
        let raw = around.get(at..).unwrap_or_default();
        Self { around, open, broken, clean, ..Self::new(raw) }
    }

    /// The text with what is known of the text before it, and how many bytes that is.
    pub(super) fn around(&self) -> (&'a str, usize) {
        (self.around, self.around.len() - self.raw.len())
    }

    /// What stands near matches.
    pub(super) fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Where words begin near matches.
    pub(super) fn starts(&self) -> &Starts {
        &self.starts
    }

    /// The folded view, if it was made.
    pub(super) fn into_folded(self) -> Option<Mapped> {
        self.folded.into_inner()
    }

    /// Whether it goes on behind what is known of it.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// The text itself.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Nothing but ASCII that can be seen, and white space: the folded view differs in case and in runs of white space.
    pub(super) fn is_clean(&self) -> bool {
        *self.clean.get_or_init(|| is_plain(self.raw.as_bytes()))
    }

    /// Whether a range of it holds other white space of ASCII than spaces.
    pub(super) fn has_breaks(&self, range: Range<usize>) -> bool {
        let breaks = |bytes: &[u8]| {
            // Without a branch per byte, so that it is done many bytes at a time.
            bytes.iter().fold(false, |any, byte| any | matches!(byte, b'\t'..=b'\r'))
        };
        *self.breaks.get_or_init(|| breaks(self.raw.as_bytes()))
            && self.raw.as_bytes().get(range).is_none_or(breaks)
    }

    pub(super) fn folded(&self) -> &Mapped {
        self.folded.get_or_init(|| {
            let plain = Some(self.raw).filter(|_| !self.open && self.is_clean()).and_then(fold::fold_plain);
            let mut folded = plain.unwrap_or_else(|| fold::fold(self.raw, self.broken));
            if self.open {
                folded.leave_unsettled();
            } else {
                folded.end = self.raw.len();
            }
            folded
        })
    }

    /// The folded view with every run that is neither letter nor digit as one space.
    pub(super) fn squashed(&self) -> &Mapped {
        self.squashed.get_or_init(|| fold::squash(self.folded(), self.open))
    }
}

/// Nothing but ASCII that can be seen, and white space.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks();
    let plain = |block| within::<b' ', b'~'>(block) | within::<b'\t', b'\r'>(block) == u64::MAX;
    blocks.iter().all(plain) && rest.iter().all(|byte| matches!(byte, b'\t'..=b'\r' | b' '..=b'~'))
}

/// A made-up text, and where each part of it comes from.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) text: String,
    segments: Vec<Segment>,
    /// How much of it stays as it is whatever follows, here and in the original.
    settled: (usize, usize),
    /// Where it ends in the original.
    end: usize,
    /// Where runs were broken, in the original.
    breaks: Vec<usize>,
    /// The segment that was asked for last: the next one is most often that or the one behind it.
    latest: AtomicUsize,
}

/// A part of a made-up text.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Where it begins there.
    at: u32,
    /// The range of the original that it stands for.
    from: u32,
    to: u32,
    /// Byte for byte; otherwise all of it stands for all of the range.
    copy: bool,
}

/// Offsets fit: an event is far smaller than 4 GiB, and beyond that spans saturate rather than wrap.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Mapped {
    /// What it shows and what that stands for.
    #[cfg(test)]
    pub(super) fn shown(&self) -> (&str, Vec<(u32, u32, u32, bool)>) {
        let segments = self.segments.iter().map(|one| (one.at, one.from, one.to, one.copy));
        (&self.text, segments.collect())
    }

    /// A plain text in lower case: white space is a space, and so is each of these runs of it.
    pub(super) fn plain(text: &str, runs: &[(usize, usize)]) -> Self {
        let bytes = text.as_bytes();
        let (mut shown, mut segments) =
            (Vec::with_capacity(bytes.len()), Vec::with_capacity(2 * runs.len() + 1));
        let mut segment = |at: usize, from: usize, to: usize, copy: bool| {
            segments.push(Segment { at: offset(at), from: offset(from), to: offset(to), copy });
        };
        let mut at = 0;
        for (start, end) in runs.iter().copied().chain([(bytes.len(), bytes.len())]) {
            if at < start {
                segment(shown.len(), at, start, true);
                let copied = shown.len();
                shown.extend_from_slice(bytes.get(at..start).unwrap_or_default());
                // Many bytes at a time.
                shown.iter_mut().skip(copied).for_each(|byte| *byte = byte.to_ascii_lowercase().max(b' '));
            }
            if start < end {
                segment(shown.len(), start, end, false);
                shown.push(b' ');
            }
            at = end;
        }
        // ASCII it is.
        Self { text: String::from_utf8(shown).unwrap_or_default(), segments, ..Self::default() }
    }

    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ..Self::default() }
    }

    /// Appends a character that stands for a range of the original.
    pub(super) fn push(&mut self, c: char, from: (usize, usize)) {
        let (from, to) = (offset(from.0), offset(from.1));
        let copy = c.len_utf8() == to.saturating_sub(from) as usize;
        self.segment(from, to, copy);
        self.text.push(c);
    }

    /// Appends a character that was decoded from all of a range of the original.
    pub(super) fn push_decoded(&mut self, c: char, from: (usize, usize)) {
        self.segment(offset(from.0), offset(from.1), false);
        self.text.push(c);
    }

    /// Appends text that stands for as many bytes of the original.
    pub(super) fn push_same(&mut self, text: &str, from: usize) {
        if !text.is_empty() {
            self.segment(offset(from), offset(from + text.len()), true);
            self.text.push_str(text);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends ASCII that stands for as many bytes of the original, in lower case.
    pub(super) fn push_lower(&mut self, ascii: &str, from: usize) {
        self.segment(offset(from), offset(from + ascii.len()), true);
        let at = self.text.len();
        self.text.push_str(ascii);
        if let Some(pushed) = self.text.get_mut(at..) {
            pushed.make_ascii_lowercase();
        }
    }

    /// Lets the last character, of one byte, stand for what follows too.
    pub(super) fn widen(&mut self, to: usize) {
        let at = offset(self.text.len().saturating_sub(1));
        let Some(last) = self.segments.last_mut() else { return };
        let from = if last.copy { last.to.saturating_sub(1) } else { last.from };
        if last.at == at {
            last.to = offset(to);
            last.copy = false;
        } else {
            if last.copy {
                last.to = from;
            }
            self.segments.push(Segment { at, from, to: offset(to), copy: false });
        }
    }

    /// What stands before this, here and in the original, stays as it is whatever follows.
    pub(super) fn settle(&mut self, here: usize, original: usize) {
        self.settled = (here, original);
    }

    /// Appends the space that breaks a long run.
    pub(super) fn push_break(&mut self, from: (usize, usize)) {
        self.breaks.push(from.0);
        self.push(' ', from);
    }

    /// The last place up to `original` at which a run is broken.
    pub(super) fn last_break(&self, original: usize) -> Option<usize> {
        self.breaks.iter().rev().find(|at| **at <= original).copied()
    }

    fn leave_unsettled(&mut self) {
        let (here, original) = self.settled;
        self.text.truncate(here);
        self.segments.retain(|segment| (segment.at as usize) < here);
        if let Some(last) = self.segments.last_mut().filter(|last| last.copy) {
            last.to = last.from + offset(here - last.at as usize);
        }
        self.end = original;
    }

    /// The place of the original that a place here stands for, and how many bytes here stand before it for the same.
    pub(super) fn anchor(&self, at: usize) -> (usize, usize) {
        let segment = self.segment_at(at).filter(|_| at < self.text.len());
        let Some(segment) = segment else { return (self.end, 0) };
        let inside = if segment.copy { at - segment.at as usize } else { 0 };
        let original = segment.from as usize + inside;
        (original, at.saturating_sub(self.place(original)))
    }

    /// Where what stands for a place of the original begins, or for the next one that is shown.
    pub(super) fn place(&self, original: usize) -> usize {
        let number = self.segments.partition_point(|segment| segment.to as usize <= original);
        self.segments.get(number).map_or(self.text.len(), |segment| {
            let inside = if segment.copy { original.saturating_sub(segment.from as usize) } else { 0 };
            segment.at as usize + inside
        })
    }

    /// The first place here all of whose original stands at `original` or behind it.
    pub(super) fn place_behind(&self, original: usize) -> usize {
        let number = self.segments.partition_point(|segment| segment.to as usize <= original);
        let mut rest = self.segments.get(number..).unwrap_or_default().iter();
        let behind = rest.find(|segment| segment.copy || segment.from as usize >= original);
        behind.map_or(self.text.len(), |segment| {
            let inside = if segment.copy { original.saturating_sub(segment.from as usize) } else { 0 };
            segment.at as usize + inside
        })
    }

    fn segment(&mut self, from: u32, to: u32, copy: bool) {
        match self.segments.last_mut() {
            Some(last) if copy && last.copy && last.to == from => last.to = to,
            Some(last) if !copy && !last.copy && (last.from, last.to) == (from, to) => {}
            _ => self.segments.push(Segment { at: offset(self.text.len()), from, to, copy }),
        }
    }

    /// A range of this text, on character boundaries, as a range of the original.
    pub(super) fn original(&self, start: usize, end: usize) -> Option<Hit> {
        if start >= end || end > self.text.len() {
            return None;
        }
        let first = self.segment_at(start)?;
        let last = self.segment_at(end - 1)?;
        let inside = |segment: &Segment, at: usize| segment.from as usize + (at - segment.at as usize);
        Some(Hit {
            start: if first.copy { inside(first, start) } else { first.from as usize },
            end: if last.copy { inside(last, end) } else { last.to as usize },
        })
    }

    fn segment_at(&self, at: usize) -> Option<&Segment> {
        self.last_from(at, |segment| segment.at as usize)
    }

    /// The last segment that begins up to a place, here or in the original.
    fn last_from(&self, at: usize, begins: impl Fn(&Segment) -> usize) -> Option<&Segment> {
        let latest = self.latest.load(Relaxed);
        let near = self.segments.get(latest..)?.iter().take(3);
        let behind = match near.take_while(|segment| begins(segment) <= at).count() {
            few @ 1..3 => latest + few,
            // It stands before them, or one more would be needed to tell where it ends.
            _ => self.segments.partition_point(|segment| begins(segment) <= at),
        };
        let number = behind.checked_sub(1)?;
        self.latest.store(number, Relaxed);
        self.segments.get(number)
    }

    /// Where a byte of the original went, one that was copied.
    pub(super) fn position(&self, original: usize) -> usize {
        let segment = self.last_from(original, |segment| segment.from as usize);
        segment.map_or(0, |segment| {
            let inside = if segment.copy { original - segment.from as usize } else { 0 };
            (segment.at as usize + inside).min(self.text.len())
        })
    }

    /// Where a range of the original stands here that was copied as it is, in one piece.
    pub(super) fn copy_of(&self, from: usize, to: usize) -> Option<usize> {
        let segment = self.last_from(from, |segment| segment.from as usize)?;
        (segment.copy && to <= segment.to as usize)
            .then(|| segment.at as usize + (from - segment.from as usize))
    }

    /// The parts that are other than in the original, but for the case of ASCII and for white space. Where something is left out
    /// there, that is the character before.
    pub(super) fn changes(&self, original: &[u8]) -> Vec<Range<usize>> {
        let mut changes: Vec<Range<usize>> = Vec::new();
        let mut add = |start: usize, end: usize| match changes.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => changes.push(start..end),
        };
        let ends = self.segments.iter().skip(1).map(|next| next.at as usize).chain([self.text.len()]);
        let mut known = 0;
        for (segment, end) in self.segments.iter().zip(ends) {
            let start = segment.at as usize;
            if segment.from > known && start > 0 {
                add(start - 1, start);
            }
            known = segment.to;
            let shown = self.text.as_bytes().get(start..end).unwrap_or_default();
            let stands_for = original.get(segment.from as usize..segment.to as usize).unwrap_or_default();
            if !segment.copy || stands_for.len() != shown.len() {
                if shown != b" " {
                    add(start, end);
                }
                continue;
            }
            const TOGETHER: usize = 32;
            let same = |original: u8, shown: u8| {
                original.to_ascii_lowercase() == shown || (shown == b' ' && matches!(original, b'\t'..=b'\r'))
            };
            for (at, (original, shown)) in
                (start..).step_by(TOGETHER).zip(stands_for.chunks(TOGETHER).zip(shown.chunks(TOGETHER)))
            {
                let pairs = || original.iter().zip(shown).map(|(original, shown)| same(*original, *shown));
                // Without a branch per byte, so that it is done many bytes at a time.
                if !pairs().fold(true, |all, same| all & same) {
                    (at..).zip(pairs()).filter(|(_, same)| !same).for_each(|(at, _)| add(at, at + 1));
                }
            }
        }
        changes
    }

    /// Every character with where it stands here and what it stands for.
    pub(super) fn chars(&self) -> impl Iterator<Item = (char, (usize, usize))> {
        self.text.char_indices().map(|(at, c)| {
            let hit = self.original(at, at + c.len_utf8());
            (c, hit.map_or((0, 0), |hit| (hit.start, hit.end)))
        })
    }
}
