//! Numbers of records in few words: `2-9,12`.

use std::fmt::Write as _;

/// Numbers in order, runs of them as one.
pub(super) fn ranges(mut numbers: Vec<u64>) -> String {
    numbers.sort_unstable();
    numbers.dedup();
    let mut out = String::new();
    for run in numbers.chunk_by(|a, b| a + 1 == *b) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let comma = if out.is_empty() { "" } else { "," };
        let _ = write!(out, "{comma}{first}");
        if last > first {
            let _ = write!(out, "-{last}");
        }
    }
    out
}

/// The first and last of each run; what is no number is passed over.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = (u64, u64)> {
    text.split(',').filter_map(|run| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        Some((first.parse().ok()?, last.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_one() {
        assert_eq!(ranges(vec![12, 2, 3, 4, 9, 10, 2]), "2-4,9-10,12");
        assert_eq!(ranges(vec![7]), "7");
        assert_eq!(ranges(vec![]), "");
        assert_eq!(numbers("2-4,9-10,12").collect::<Vec<_>>(), [(2, 4), (9, 10), (12, 12)]);
        assert_eq!(numbers("").count(), 0);
    }
}
