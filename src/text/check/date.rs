//! Days.

use super::number::is_date;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A day of the calendar from 1850 on, in figures or with an English month: year first, or the year last and day and
/// month in either order.
pub(super) fn date(text: &str) -> bool {
    // A time of day follows a digit, and has a colon behind its hour.
    let time = text.char_indices().find(|(at, c)| {
        let (before, after) = text.split_at_checked(*at).unwrap_or((text, ""));
        matches!(c, 'T' | 't' | ' ')
            && before.ends_with(|c: char| c.is_ascii_digit())
            && after.as_bytes().get(3) == Some(&b':')
    });
    let text = time.and_then(|(at, _)| text.get(..at)).unwrap_or(text);
    let parts: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let numbers: Vec<u32> = parts.iter().filter_map(|part| figure(part)).collect();
    let month = parts.iter().find_map(|part| {
        let part = part.to_lowercase();
        MONTHS.iter().position(|month| part.starts_with(month))
    });
    let is_day = |year: u32, month: u32, day: u32| {
        let year = if year < 100 { 1900 + year } else { year };
        (1850..=2150).contains(&year) && (is_date(year, month, day) || is_date(year + 4, month, day))
    };
    match (numbers.as_slice(), month) {
        ([one, other], Some(month)) => {
            let month = u32::try_from(month + 1).unwrap_or_default();
            is_day(*other, month, *one) || is_day(*one, month, *other)
        }
        ([one, two, three], None) => {
            is_day(*one, *two, *three) || is_day(*three, *two, *one) || is_day(*three, *one, *two)
        }
        _ => false,
    }
}

/// A number, of a day also with its ending: 1st, 2nd, 3rd, 4th.
fn figure(part: &str) -> Option<u32> {
    let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = part.get(digits.len()..)?;
    if !matches!(ending.to_ascii_lowercase().as_str(), "" | "st" | "nd" | "rd" | "th") || digits.len() > 4 {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        for good in [
            "1984-07-23",
            "23.07.1984",
            "07/23/1984",
            "July 23rd, 1984",
            "23 Jul 84",
            "29-FEB-2024",
            "1984-07-23T10:30:00Z",
            "1984-07-23 10:30",
            "20 August 1984",
        ] {
            assert!(date(good), "{good}");
        }
        for bad in ["1984-13-23", "32.07.1984", "30 February 1984", "1.2.3000", "July 1984", "23 foo 1984"] {
            assert!(!date(bad), "{bad}");
        }
    }
}
