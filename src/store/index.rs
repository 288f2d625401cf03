//! How the index is written: which records have which value, in bytes that every store keeps the same way.
//!
//! Values have numbers. Records come in segments of [`SEGMENT`]: a complete one has one text of bytes, which tells for each value that
//! a record in it has which these are, and in which segment before it the value stood last. Records behind the last complete
//! segment are *recent*: of each, its values are listed. So a record is added with a few bytes at one place, however many values it
//! has, and a value is found by going from segment to segment without a look at those that do not have it.
//!
//! Whoever writes the database may have left any bytes: what does not read is [`Damaged`], and never more than there are bytes.

use super::StoreError;

/// Records of one segment.
pub const SEGMENT: u64 = 1024;
/// Bytes of a set of records of a segment.
const BITMAP: usize = 128;
/// From so many records on, a set is written as a bitmap.
const MANY: usize = BITMAP / 2;

/// Bytes that are no part of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index of the audit log is damaged; run: ringfence audit verify")]
pub struct Damaged;

impl From<Damaged> for StoreError {
    fn from(_: Damaged) -> Self {
        Self::Damaged { what: "its index can't be read".to_owned() }
    }
}

fn write(mut n: u64, out: &mut Vec<u8>) {
    while let high @ 1.. = n >> 7 {
        out.push(n as u8 | 0x80);
        n = high;
    }
    out.push(n as u8);
}

fn read(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Damaged)?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(n);
        }
    }
    Err(Damaged)
}

/// Adds the values of a record behind those of the records before it. They are in order, each once.
pub fn add_recent(values: &[u64], out: &mut Vec<u8>) {
    write(values.len() as u64, out);
    let mut last = 0;
    for value in values {
        write(value.wrapping_sub(last), out);
        last = *value;
    }
}

/// The values of consecutive records, record by record; how many records there were.
///
/// # Errors
/// When the bytes are not those of recent records.
pub fn each_recent(mut bytes: &[u8], mut visit: impl FnMut(u64, &[u64])) -> Result<u64, Damaged> {
    let (mut values, mut records) = (Vec::new(), 0);
    while !bytes.is_empty() {
        values.clear();
        let (mut count, mut last) = (read(&mut bytes)?, 0_u64);
        while count > 0 {
            last = last.checked_add(read(&mut bytes)?).ok_or(Damaged)?;
            values.push(last);
            count -= 1;
        }
        visit(records, &values);
        records += 1;
    }
    Ok(records)
}

/// Some of the records of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records([u64; 16]);

impl Records {
    /// Every record.
    pub const ALL: Self = Self([u64::MAX; 16]);

    /// Those that are in both.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
        self
    }

    /// Their places in the segment, from the first on.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        let bits = |word: u64| (0..64_u64).filter(move |bit| word >> bit & 1 == 1);
        let words = self.0.iter().enumerate();
        words.flat_map(move |(number, word)| bits(*word).map(move |bit| number as u64 * 64 + bit))
    }

    fn insert(&mut self, place: u64) {
        if let Some(word) = self.0.get_mut((place / 64) as usize) {
            *word |= 1 << (place % 64);
        }
    }
}

/// What a segment says of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting<'a> {
    /// The value.
    pub value: u64,
    /// The segment before this one in which it stood last.
    pub before: Option<u64>,
    /// How many records have it.
    pub count: u64,
    places: &'a [u8],
}

impl Posting<'_> {
    /// The records that have it.
    #[must_use]
    pub fn records(&self) -> Records {
        let mut records = Records([0; 16]);
        if self.places.len() == BITMAP && self.count >= MANY as u64 {
            for (word, bytes) in records.0.iter_mut().zip(self.places.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        } else {
            for place in self.places.as_chunks::<2>().0 {
                records.insert(u16::from_le_bytes(*place).into());
            }
        }
        records
    }
}

/// Every posting of segment `number`, by value.
pub fn postings(number: u64, bytes: &[u8]) -> impl Iterator<Item = Result<Posting<'_>, Damaged>> {
    let (mut rest, mut last) = (bytes, 0_u64);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut one = || {
            let (step, back, count) = (read(&mut rest)?, read(&mut rest)?, read(&mut rest)?);
            last = last.checked_add(step).filter(|_| step > 0).ok_or(Damaged)?;
            let before = match back {
                0 => None,
                _ => Some(number.checked_sub(back).ok_or(Damaged)?),
            };
            let length = usize::try_from(count).ok().filter(|count| (1..=SEGMENT as usize).contains(count));
            let length = length.map(|count| (2 * count).min(BITMAP)).ok_or(Damaged)?;
            let (places, behind) = rest.split_at_checked(length).ok_or(Damaged)?;
            rest = behind;
            Ok(Posting { value: last, before, count, places })
        };
        let posting = one();
        if posting.is_err() {
            rest = &[];
        }
        Some(posting)
    })
}

/// The postings of some values of a segment, each where the value is; values are in order, each once.
///
/// # Errors
/// When the bytes are not those of a segment.
pub fn find<'a>(number: u64, bytes: &'a [u8], values: &[u64]) -> Result<Vec<Option<Posting<'a>>>, Damaged> {
    let mut found = vec![None; values.len()];
    let mut wanted = values.iter().zip(&mut found).peekable();
    for posting in postings(number, bytes) {
        let posting = posting?;
        while wanted.next_if(|(value, _)| **value < posting.value).is_some() {}
        match wanted.peek_mut() {
            Some((value, place)) if **value == posting.value => **place = Some(posting),
            Some(_) => {}
            None => break,
        }
    }
    Ok(found)
}

/// The values of the records of one segment, on their way to its bytes.
#[derive(Debug, Default)]
pub struct Gathered(Vec<(u64, u16)>);

impl Gathered {
    /// Adds the values of the record at a place in the segment.
    pub fn add(&mut self, place: u64, values: &[u64]) {
        let place = (place % SEGMENT) as u16;
        self.0.extend(values.iter().map(|value| (*value, place)));
    }

    /// Each value with the places of the records that have it, by value.
    pub fn groups(&mut self) -> impl Iterator<Item = (u64, Records, u64)> + '_ {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.chunk_by(|(a, _), (b, _)| a == b).map(|group| {
            let mut records = Records([0; 16]);
            group.iter().for_each(|(_, place)| records.insert((*place).into()));
            (group.first().map_or(0, |(value, _)| *value), records, group.len() as u64)
        })
    }

    /// The bytes of the segment. `before` is asked for the segment in which a value stood last, and told how many records have it now.
    ///
    /// # Errors
    /// When `before` fails.
    pub fn encode<E>(
        &mut self,
        number: u64,
        mut before: impl FnMut(u64, u64) -> Result<Option<u64>, E>,
    ) -> Result<Vec<u8>, E> {
        let (mut out, mut last) = (Vec::with_capacity(8 * 1024), 0);
        for (value, records, count) in self.groups() {
            let back = before(value, count)?.map_or(0, |before| number.saturating_sub(before));
            write(value - last, &mut out);
            write(back, &mut out);
            write(count, &mut out);
            last = value;
            if count >= MANY as u64 {
                records.0.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
            } else {
                records.iter().for_each(|place| out.extend_from_slice(&(place as u16).to_le_bytes()));
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            records in prop::collection::vec(prop::collection::btree_set(prop_oneof![1_u64..9, 1_u64..300, 1..=u64::MAX], 0..12), 1..=1024),
            befores in prop::collection::vec(prop::option::of(0_u64..5000), 7),
        ) {
            let mut recent = Vec::new();
            let (mut gathered, mut by_value) = (Gathered::default(), BTreeMap::<u64, BTreeSet<u64>>::new());
            for (place, values) in (0..).zip(&records) {
                let values: Vec<u64> = values.iter().copied().collect();
                add_recent(&values, &mut recent);
                gathered.add(place, &values);
                for value in values {
                    by_value.entry(value).or_default().insert(place);
                }
            }
            let mut read = Vec::new();
            let count = each_recent(&recent, |place, values| {
                assert_eq!(place, read.len() as u64);
                read.push(values.iter().copied().collect::<BTreeSet<_>>());
            });
            prop_assert_eq!((count, &read), (Ok(records.len() as u64), &records));

            let before = |value: u64| befores[(value % 7) as usize];
            let bytes = gathered.encode(5000, |value, _| Ok::<_, Infallible>(before(value))).unwrap();
            let found: Vec<_> = postings(5000, &bytes).map(Result::unwrap).collect();
            prop_assert_eq!(found.len(), by_value.len());
            for (posting, (value, places)) in found.iter().zip(&by_value) {
                prop_assert_eq!((posting.value, posting.before, posting.count), (*value, before(*value), places.len() as u64));
                prop_assert_eq!(&posting.records().iter().collect::<BTreeSet<_>>(), places);
                prop_assert!(posting.records().iter().rev().eq(places.iter().rev().copied()));
            }
            let asked = [1, 2, 250, 400];
            for (value, posting) in asked.iter().zip(find(5000, &bytes, &asked).unwrap()) {
                prop_assert_eq!(posting, found.iter().find(|posting| posting.value == *value).copied());
            }
            // Half of it is none, or fewer values.
            let half = postings(5000, &bytes[..bytes.len() / 2]).collect::<Vec<_>>();
            prop_assert!(half.len() <= found.len() && (bytes.is_empty() || half.iter().flatten().count() < found.len()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), number in any::<u64>()) {
            let _ = each_recent(&bytes, |_, values| assert!(values.len() <= bytes.len()));
            for posting in postings(number, &bytes).flatten() {
                prop_assert!(posting.records().iter().count() as u64 <= SEGMENT);
            }
            let _ = find(number, &bytes, &[1, 5, 70]);
        }
    }
}
