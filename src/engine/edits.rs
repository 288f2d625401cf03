//! Findings to edits: what matched is replaced, whatever overlaps.

use std::collections::BTreeMap;

use super::Inner;
use super::find::Found;
use crate::rule::Replacing;
use crate::session::Session;
use crate::verdict::{Action, Edit};

/// A number given to a value in this event.
pub(crate) type Pseudonym = (String, [u8; 16], u32);

/// Numbers of pseudonyms: those of the session, and those given now.
struct Numbers<'a> {
    key: &'a [u8],
    session: &'a Session,
    given: &'a mut Vec<Pseudonym>,
}

impl Replacing for Numbers<'_> {
    fn key(&self) -> &[u8] {
        self.key
    }

    fn number(&mut self, name: &str, digest: [u8; 16]) -> u32 {
        if let Some(number) = self.session.pseudonym(name, digest) {
            return number;
        }
        let of_name = || self.given.iter().filter(|(known, ..)| known == name);
        if let Some((_, _, number)) = of_name().find(|(_, known, _)| *known == digest) {
            return *number;
        }
        let last = of_name().map(|(.., number)| *number).max();
        let number = last.unwrap_or_else(|| self.session.last_pseudonym(name)).saturating_add(1);
        self.given.push((name.to_owned(), digest, number));
        number
    }
}

impl Inner {
    /// The edits that these findings ask for. Where some overlap, one edit covers their union; its text comes from the
    /// highest severity, then the longest, then the first rule id.
    pub(super) fn edits<'f>(
        &self,
        found: impl Iterator<Item = &'f Found>,
        session: &Session,
        given: &mut Vec<Pseudonym>,
    ) -> Vec<Edit> {
        let mut by_field: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
        for one in found {
            if one.action == Action::Redact && !one.finding.waived && one.matched.is_some() {
                by_field.entry(&one.finding.field).or_default().push(one);
            }
        }
        let mut numbers = Numbers { key: &self.key, session, given };
        let mut edits = Vec::new();
        for (field, mut group) in by_field {
            group.sort_by_key(|one| (one.finding.start, one.finding.end));
            let mut rest = group.as_slice();
            while let Some((first, others)) = rest.split_first() {
                let mut end = first.finding.end;
                let overlapping = others.iter().take_while(|one| {
                    let overlaps = one.finding.start < end;
                    if overlaps {
                        end = end.max(one.finding.end);
                    }
                    overlaps
                });
                let count = overlapping.count() + 1;
                let (united, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                let wins = united.iter().min_by_key(|one| {
                    let length = one.finding.end - one.finding.start;
                    (std::cmp::Reverse((one.finding.severity, length)), &one.finding.rule)
                });
                if let Some(winner) = wins {
                    let with = match (self.rules.get(winner.rule), &winner.matched) {
                        (Some(rule), Some(matched)) => rule.replacement.make(matched, &mut numbers),
                        _ => String::new(),
                    };
                    edits.push(Edit { field: field.to_owned(), start: first.finding.start, end, with });
                }
                rest = later;
            }
        }
        edits
    }
}
