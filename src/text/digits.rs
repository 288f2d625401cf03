//! Where a text holds numbers that can begin a match.

use regex_syntax::hir::Hir;
use serde::{Deserialize, Serialize};

use super::block::{self, BLOCK};
use super::first::{ByteSet, Prefix, is_inside_word, is_word, prefix};
use super::places::{Gathered, Twin, Unit as UnitNumber};
use super::required::is_joiner;
use super::view::Text;

/// Places of a match that are looked at before its pattern is tried.
const PLACES: usize = 16;
/// Most digits that are told apart.
pub(super) const MAX_DIGITS: usize = 32;
/// Bytes before the first digit that are told apart.
const FAR: usize = 255;
/// Units of one group.
pub(super) const GROUP: usize = 64;

/// A unit whose matches hold digits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Unit {
    pub(super) unit: UnitNumber,
    /// Bytes before the first digit.
    pub(super) min: usize,
    pub(super) max: usize,
    /// The same where a text is of nothing but ASCII.
    #[serde(skip)]
    pub(super) lead: Lead,
    /// Digits with nothing but separators between them.
    pub(super) count: usize,
    /// What a match begins with; `None` for a pattern of the folded view, which alone is kept as it is.
    #[serde(skip)]
    pub(super) prefix: Option<Prefix<PLACES>>,
    /// Its finder reads decoded views.
    pub(super) decodes: bool,
}

/// What can stand before the first digit of a match.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// Most bytes.
    most: usize,
    /// Directly before it, behind the first byte of the match.
    last: ByteSet,
}

impl Lead {
    /// Anything, of so many bytes at most.
    pub(super) fn any(most: usize) -> Self {
        Self { most, last: ByteSet::ALL }
    }

    /// That of a pattern, of so many bytes at most.
    pub(super) fn new(hir: &Hir, most: usize) -> Self {
        const PLACES: usize = 31;
        if most > PLACES {
            return Self::any(most);
        }
        let places = prefix::<PLACES>(hir, false).sets;
        let last = places.iter().take(most).skip(1).fold(ByteSet::default(), |mut all, set| {
            all.insert_all(set);
            all
        });
        Self { most, last }
    }
}

/// Tables in a row.
pub(super) mod tables {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        tables: &[[u64; 256]],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        tables.as_flattened().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<[u64; 256]>, D::Error> {
        let flat: Vec<u64> = Vec::deserialize(from)?;
        Ok(flat.as_chunks().0.to_vec())
    }
}

/// Finds numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Digits {
    groups: Vec<Group>,
    folded: Vec<Unit>,
    /// Fewest digits of any unit.
    least: usize,
    /// The finder of some unit reads decoded views.
    decodes: bool,
}

/// Up to 64 units, each a bit.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) units: Vec<UnitNumber>,
    /// How far before a number they begin, in any text and in one of nothing but ASCII.
    reach: Reach,
    reach_in_ascii: Reach,
    /// By place and byte, the units whose match can have it there.
    #[serde(with = "tables")]
    places: Vec<[u64; 256]>,
    /// The same up to the first byte that is none of ASCII.
    #[serde(with = "tables")]
    ascii: Vec<[u64; 256]>,
    /// Units whose match can end at this place.
    over: [u64; PLACES],
    /// Units that begin with a word border: no word character of ASCII stands before one.
    border: u64,
    /// Units that begin where the text does.
    at_start: u64,
    /// By byte, the units whose match can begin with it, and those that can so behind a word character.
    #[serde(with = "tables")]
    begins: Vec<[u64; 256]>,
    /// By number of digits, the units that need no more.
    enough: Vec<u64>,
    /// Units whose finder reads decoded views.
    decoding: u64,
}

/// How far before a number the units of a group begin.
#[derive(Debug, Serialize, Deserialize)]
struct Reach {
    /// Most bytes.
    most: usize,
    /// By bytes before the first digit, the units that can begin so far before it.
    units: Vec<u64>,
    /// By byte, the units that can have it directly before the first digit, behind the first byte of a match.
    #[serde(with = "tables")]
    last: Vec<[u64; 256]>,
}

impl Reach {
    fn new<'l>(leads: impl Iterator<Item = &'l Lead>) -> Self {
        let mut reach = Self { most: 0, units: vec![0; FAR + 1], last: vec![[0; 256]] };
        for (bit, lead) in leads.enumerate() {
            let bit = 1_u64 << bit;
            reach.most = reach.most.max(lead.most);
            reach.units.iter_mut().take(lead.most.saturating_add(1)).for_each(|units| *units |= bit);
            let can_stand = (0..=u8::MAX).zip(reach.last.iter_mut().flatten());
            can_stand.filter(|(byte, _)| lead.last.contains(*byte)).for_each(|(_, units)| *units |= bit);
        }
        let far = reach.units.iter().rposition(|units| *units != 0);
        reach.units.truncate(far.map_or(0, |far| far + 1));
        reach
    }

    /// Those of some units that can begin so far before a number.
    fn at(&self, far: usize, units: u64) -> u64 {
        units & self.units.get(far.min(FAR)).copied().unwrap_or_default()
    }

    /// Those of some units that can begin farther before a number than one byte, and how far.
    fn farther(&self, before: Option<&u8>, units: u64) -> (u64, usize) {
        let last = before.zip(self.last.first()).and_then(|(byte, last)| last.get(usize::from(*byte)));
        let units = units & last.copied().unwrap_or_default();
        // The farther, the fewer.
        let far = self.units.partition_point(|all| all & units != 0).saturating_sub(1);
        (units, if far == FAR { self.most } else { far })
    }
}

impl Group {
    pub(super) fn new(units: &[&Unit]) -> Self {
        let leads: Vec<Lead> = units.iter().map(|unit| Lead::any(unit.max)).collect();
        let mut group = Self {
            units: units.iter().map(|unit| unit.unit).collect(),
            reach: Reach::new(leads.iter()),
            reach_in_ascii: Reach::new(units.iter().map(|unit| &unit.lead)),
            places: vec![[0; 256]; PLACES],
            ascii: vec![[0; 256]; PLACES],
            over: [0; PLACES],
            border: 0,
            at_start: 0,
            begins: vec![[0; 256]; 2],
            enough: vec![0; MAX_DIGITS + 1],
            decoding: 0,
        };
        for (bit, unit) in units.iter().enumerate() {
            let bit = 1_u64 << bit;
            group.decoding |= if unit.decodes { bit } else { 0 };
            let Some(prefix) = &unit.prefix else { continue };
            for (tables, sets) in [(&mut group.places, &prefix.sets), (&mut group.ascii, &prefix.ascii)] {
                for (table, set) in tables.iter_mut().zip(sets) {
                    let stands = (0..=u8::MAX).zip(table).filter(|(byte, _)| set.contains(*byte));
                    stands.for_each(|(_, units)| *units |= bit);
                }
            }
            group.over.iter_mut().skip(prefix.least).for_each(|units| *units |= bit);
            if prefix.border {
                group.border |= bit;
            }
            if prefix.at_start {
                group.at_start |= bit;
            }
            group.enough.iter_mut().skip(unit.count).for_each(|units| *units |= bit);
            for (inside, table) in [false, true].into_iter().zip(&mut group.begins) {
                for (byte, units) in (0..=u8::MAX).zip(table) {
                    let set = if byte.is_ascii() { &prefix.ascii } else { &prefix.sets };
                    let stands = set.first().is_some_and(|set| set.contains(byte));
                    let border = inside && prefix.border && is_word(byte);
                    *units |= if stands && !border { bit } else { 0 };
                }
            }
        }
        group
    }

    /// The units for which a number has digits enough.
    pub(super) fn enough(&self, digits: usize) -> u64 {
        self.enough.get(digits.min(MAX_DIGITS)).copied().unwrap_or(u64::MAX)
    }

    /// Those of some units whose match can begin here; behind the end of an `open` text anything may stand.
    pub(super) fn at(&self, bytes: &[u8], start: usize, units: u64, open: bool) -> u64 {
        // Most end within a few bytes.
        let ahead = bytes.get(start..).and_then(|rest| rest.first_chunk::<PLACES>());
        let mut units = match ahead.and_then(|known| self.in_ascii(known, units)) {
            Some(units) => units,
            None => self.anywhere(bytes, start, units, open),
        };
        if units & self.border != 0 && is_inside_word(bytes, start) {
            units &= !self.border;
        }
        if start > 0 {
            units &= !self.at_start;
        }
        units
    }

    /// `None` if it takes more than bytes of ASCII to tell.
    #[inline]
    fn in_ascii(&self, known: &[u8; PLACES], mut units: u64) -> Option<u64> {
        for (table, byte) in self.ascii.iter().zip(known) {
            units &= table.get(usize::from(*byte)).copied().unwrap_or_default();
            if !byte.is_ascii() {
                return None;
            }
            if units == 0 {
                break;
            }
        }
        Some(units)
    }

    #[inline(never)]
    fn anywhere(&self, bytes: &[u8], start: usize, mut units: u64, open: bool) -> u64 {
        let mut ascii = true;
        for (place, ((table, of_ascii), over)) in
            self.places.iter().zip(&self.ascii).zip(&self.over).enumerate()
        {
            if units == 0 {
                break;
            }
            units &= match bytes.get(start + place) {
                Some(byte) => {
                    ascii &= byte.is_ascii();
                    let table = if ascii { of_ascii } else { table };
                    table.get(usize::from(*byte)).copied().unwrap_or_default()
                }
                None if open => u64::MAX,
                None => *over,
            };
        }
        units
    }

    /// Calls `found` with each unit whose match can begin so far before a number that it is long enough for, and where.
    fn each(
        &self,
        bytes: &[u8],
        (first, last, digits): (usize, usize, usize),
        (clean, open, decoded): (bool, bool, bool),
        found: &mut dyn FnMut(UnitNumber, usize),
    ) {
        let mut enough = self.enough(digits) & if decoded { self.decoding } else { u64::MAX };
        if enough == 0 {
            return;
        }
        let [apart, within] = self.begins.as_slice() else { return };
        // Most often it is a space, and few can begin farther away.
        let reach = if clean { &self.reach_in_ascii } else { &self.reach };
        let (farther, before) =
            reach.farther(first.checked_sub(1).and_then(|before| bytes.get(before)), enough);
        let from = first.saturating_sub(before.max(1));
        if from > 0 {
            enough &= !self.at_start;
        }
        if enough == 0 {
            return;
        }
        let mut inside =
            from.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|byte| is_word(*byte));
        let mut look = |start: usize, byte: u8, reach: u64| {
            let begins = if inside { within } else { apart };
            let begun = reach & begins.get(usize::from(byte)).copied().unwrap_or_default();
            inside = is_word(byte);
            let mut units = if begun == 0 { 0 } else { self.at(bytes, start, begun, open) };
            while units != 0 {
                let bit = units.trailing_zeros() as usize;
                units &= units - 1;
                self.units.get(bit).into_iter().for_each(|unit| found(*unit, start));
            }
        };
        for (start, byte) in (from..).zip(bytes.get(from..first).unwrap_or_default()) {
            let far = first - start;
            look(start, *byte, reach.at(far, if far > 1 { enough & farther } else { enough }));
        }
        let here = reach.at(0, enough);
        for (start, byte) in (first..).zip(bytes.get(first..=last).unwrap_or_default()) {
            look(start, *byte, here);
        }
    }
}

impl Digits {
    pub(super) fn new(units: Vec<Unit>) -> Self {
        let (raw, folded): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(|unit| unit.prefix.is_some());
        let raw: Vec<&Unit> = {
            let mut raw: Vec<&Unit> = raw.iter().collect();
            // Those that are tried for the same numbers stand together.
            raw.sort_by_key(|unit| {
                let at_start = unit.prefix.as_ref().is_some_and(|prefix| prefix.at_start);
                (at_start, unit.count, unit.max)
            });
            raw
        };
        let all = || raw.iter().copied().chain(&folded);
        Self {
            least: all().map(|unit| unit.count.min(MAX_DIGITS)).min().unwrap_or(usize::MAX),
            decodes: all().any(|unit| unit.decodes),
            groups: raw.chunks(GROUP).map(Group::new).collect(),
            folded,
        }
    }

    /// Notes where units can begin in a raw text; in a clean one, also where they can in its folded view. In a `decoded` one only those
    /// whose finder reads such.
    pub(super) fn find(&self, text: &Text<'_>, decoded: bool, gathered: &mut Gathered) {
        if decoded && !self.decodes {
            return;
        }
        let (bytes, open) = (text.raw().as_bytes(), text.is_open());
        let clean = Some(text).filter(|text| text.is_clean());
        self.numbers(bytes, open, &mut |first, last, digits| {
            for group in &self.groups {
                let number = (first, last, digits);
                group.each(bytes, number, (clean.is_some(), open, decoded), &mut |unit, start| {
                    gathered.range(unit, start, start, Twin::None);
                });
            }
            if let Some(text) = clean.filter(|_| !self.folded.is_empty()) {
                let folded = text.folded();
                self.folded(folded.position(first), folded.position(last), digits, decoded, gathered);
            }
        });
    }

    /// Notes where units can begin in a folded view.
    pub(super) fn find_folded(&self, text: &Text<'_>, decoded: bool, gathered: &mut Gathered) {
        if self.folded.iter().any(|unit| !decoded || unit.decodes) {
            self.numbers(text.folded().text.as_bytes(), text.is_open(), &mut |first, last, digits| {
                self.folded(first, last, digits, decoded, gathered);
            });
        }
    }

    fn folded(&self, first: usize, last: usize, digits: usize, decoded: bool, gathered: &mut Gathered) {
        let units = self.folded.iter().filter(|unit| !decoded || unit.decodes);
        for unit in units.filter(|unit| unit.count.min(MAX_DIGITS) <= digits) {
            if let Some(last) = last.checked_sub(unit.min) {
                gathered.range(unit.unit, first.saturating_sub(unit.max), last, Twin::None);
            }
        }
    }

    /// Calls `found` with the first and last digit of each run of digits and separators, and how many digits it has:
    /// any number, where it may go on behind the end of an `open` text.
    fn numbers(&self, bytes: &[u8], open: bool, found: &mut dyn FnMut(usize, usize, usize)) {
        if self.least == usize::MAX {
            return;
        }
        let mut at = 0;
        while let Some(first) = next_digit(bytes, at) {
            let (mut last, mut digits) = (first, 0_usize);
            at = first;
            while let Some(byte) = bytes.get(at) {
                if byte.is_ascii_digit() {
                    last = at;
                    digits += 1;
                } else if !is_joiner(*byte) {
                    break;
                }
                at += 1;
            }
            if open && at == bytes.len() {
                digits = MAX_DIGITS;
            }
            if digits >= self.least {
                found(first, last, digits);
            }
        }
    }
}

/// The next digit from `at` on.
fn next_digit(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        let digits = block::digits(block);
        if digits != 0 {
            return Some(at + digits.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    bytes.get(at..)?.iter().position(u8::is_ascii_digit).map(|behind| at + behind)
}

#[cfg(test)]
mod tests {
    use crate::text::dice::Dice;
    use crate::text::{Finder, FinderSpec, Kind, Scanner, scan};

    /// Borders, starts and optional parts are only a first look: what is found is what each pattern finds by itself.
    #[test]
    fn as_each_pattern_by_itself() {
        let patterns = [
            r"\b\d{9}\b",
            r"\b\d{3}[ -]?\d{3}[ -]?\d{3}\b",
            r"\A[\s(]{0,4}(?P<value>\d{4})[\s)]{0,4}\z",
            r"(?:\A|[^0-9A-Za-z.])(?P<value>(?:\d{1,3}\.){3}\d{1,3})\b",
            r"(?i)\b[A-Z]{2}\d{2}[ -]?[A-Z]{3}\b",
            r"\b\d{4}(?:[ -]?\d){8,15}\b",
            r"\b\d{7,8}[A-Z]?\b",
            r"\b(?:\d{2}/\d{3}|\d{5,6})\b",
            r"(?i)\b[A-Z]{6}\d[0-9LMNP-V]{2}[A-Z]\b",
            r"(?:\A|[^0-9A-Za-z_.]|[^0-9]\.|[A-Za-z]{2}\b)(?P<value>\(?\d{3}\)? ?\d{3}[ .-]\d{2})\b",
            r"(?i)\b[K-S][0-9A-Z]{3}\d{1,2}\b",
            r"[A-Zé]{1,3}[ -][A-Z]?\d{1,4}[EH]?\b",
            // Without what is not of ASCII, other digits come first.
            r"(?:23|é)bc\d{6}",
            r"[0-9é]{2}(?:bc|A)\d{6}",
        ];
        let finder =
            |pattern: &&str| Finder::new(&FinderSpec::new(Kind::Pattern((*pattern).to_owned()))).unwrap();
        let finders: Vec<Finder> = patterns.iter().map(finder).collect();
        let numbered = || finders.iter().enumerate();
        let scanner = Scanner::new(numbered());
        let parts = [
            "1",
            "23",
            "456",
            " ",
            "-",
            ".",
            "/",
            "A",
            "bc",
            "é",
            "(",
            ") ",
            "\n",
            "_",
            "78901234",
            "skN",
            "ſK",
            "\u{212a}A",
            "L",
        ];
        let mut dice = Dice(7);
        for length in 0..3000 {
            let mut text = String::new();
            for _ in 0..=length % 24 {
                text.push_str(dice.pick(&parts));
            }
            let fast = scanner.scan(&|number| finders.get(number), &text, &|| false).unwrap();
            assert_eq!(fast, scan(numbered(), &text, &|| false).unwrap(), "{text:?}");
        }
    }

    /// Of what can stand before a number, nothing is left out.
    #[test]
    fn however_a_match_begins() {
        let cases = [
            // Farther than is told apart.
            (r"[a-f][a-z ]{0,400}\d{9}", format!("a{}123456789", " x".repeat(150))),
            (r"(?is).{0,300}\d{4,9}", format!("{}é 1234", "- ".repeat(140))),
            // Without what is not of ASCII, other digits come first.
            (r"(?:12|é)[a-z]{3}\d{6}", "12abc345678".to_owned()),
            (r"[0-9é]{2}[a-z]{3}\d{6}", " 12abc345678".to_owned()),
            (r"[a-z](?:\d{1}|[é٣])[a-z ]{2}\d{6}", "a1bc345678".to_owned()),
        ];
        for (pattern, text) in cases {
            let finders = [Finder::new(&FinderSpec::new(Kind::Pattern(pattern.to_owned()))).unwrap()];
            let numbered = || finders.iter().enumerate();
            let found =
                Scanner::new(numbered()).scan(&|number| finders.get(number), &text, &|| false).unwrap();
            let plain = scan(numbered(), &text, &|| false).unwrap();
            assert!(!plain.is_empty(), "{pattern}");
            assert_eq!(found, plain, "{pattern}");
        }
    }
}
