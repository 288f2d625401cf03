//! Addresses of people and machines.

use std::net::IpAddr;

/// Endings of file names that follow an `@` in code and prose more often than a host does.
const FILE_ENDINGS: &[&str] = &[
    "avif", "bmp", "css", "csv", "gif", "htm", "html", "ico", "jpeg", "jpg", "js", "json", "jsx", "less",
    "lock", "map", "md", "mjs", "pdf", "php", "png", "py", "rb", "rs", "scss", "svg", "toml", "ts", "tsx",
    "txt", "webp", "xml", "yaml", "yml",
];

/// A mail address (the usual subset of RFC 5321): labels of 1 to 63, a top-level domain of letters or punycode that
/// is no file ending.
pub(super) fn email(text: &str) -> bool {
    let Some((local, host)) = text.trim().rsplit_once('@') else { return false };
    let labels: Vec<&str> = host.split('.').collect();
    let label =
        |label: &&str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    let Some(top) = labels.last() else { return false };
    let lower = top.to_ascii_lowercase();
    let plausible = (2..=24).contains(&top.len()) && top.chars().all(char::is_alphabetic)
        || lower.starts_with("xn--") && top.len() > 5;
    (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && labels.len() > 1
        && host.len() <= 253
        && labels.iter().all(label)
        && plausible
        && !FILE_ENDINGS.contains(&lower.as_str())
}

/// An address of version 4 or 6 as the standard library parses it (strict: four decimal octets, RFC 4291 forms), but
/// not the unspecified ones `0.0.0.0` and `::`, which name no machine.
pub(super) fn ip(text: &str) -> bool {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    text.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified())
}

/// Country calling codes (ITU-T E.164) of one and two digits; those of three digits begin with the rest.
const SHORT_CODES: &[u32] = &[
    1, 7, 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57,
    58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

/// A telephone number: international with a country code (E.164: 8 to 15 digits), or of the North American form, three
/// digits, three and four. Two- and three-digit groups as in dates, one digit repeated, and runs without separators that
/// the North American plan can't assign do not count.
pub(super) fn phone(text: &str) -> bool {
    let text = text.trim();
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.iter().all(|digit| Some(digit) == digits.first()) || text.parse::<IpAddr>().is_ok() {
        return false;
    }
    let number = |from: usize, length: usize| {
        digits.iter().skip(from).take(length).fold(0, |number, digit| number * 10 + digit)
    };
    if text.starts_with('+') || text.starts_with("00") {
        let skip = if text.starts_with("00") { 2 } else { 0 };
        let known = SHORT_CODES.contains(&number(skip, 1))
            || SHORT_CODES.contains(&number(skip, 2))
            || matches!(number(skip, 2), 21..=26 | 29 | 35 | 37 | 38 | 42 | 50 | 59 | 67..=69 | 85 | 87 | 88 | 96 | 97 | 99);
        return (8..=15).contains(&(digits.len() - skip)) && known;
    }
    let skip = match digits.len() {
        10 => 0,
        11 if digits.first() == Some(&1) => 1,
        _ => return false,
    };
    let separated = text.contains(|c: char| !c.is_ascii_digit());
    let starts_well = |at: usize| digits.get(at).is_some_and(|digit| *digit > 1);
    // With separators the form itself says what it is, and invented numbers (555-123-4567) are numbers too.
    let groups: Vec<usize> =
        text.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect();
    let formed = matches!(groups.as_slice(), [3, 3, 4] | [1, 3, 3, 4] | [3, 7] | [6, 4]);
    if separated { formed && starts_well(skip) } else { starts_well(skip) && starts_well(skip + 3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail() {
        for good in
            ["ann@mail.example", "a.b+c@sub.example.com", "x@xn--bcher-kva.xn--p1ai", "jörg@müller.de"]
        {
            assert!(email(good), "{good}");
        }
        for bad in ["logo@2x.png", "a@b", "@example.com", "a..b@example.com", "a@-x.com", "a@b.c", "a@b.123"]
        {
            assert!(!email(bad), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        assert!(ip("10.1.2.3") && ip("2001:db8::1") && ip("[::1]"));
        assert!(!ip("1.2.3") && !ip("300.1.1.1") && !ip("0.0.0.0") && !ip("12:30:45"));
    }

    #[test]
    fn phones() {
        for good in [
            "555-123-4567",
            "(555) 123-4567",
            "555.123.4567",
            "+1 212 555 0100",
            "+44 20 7946 0958",
            "2125550100",
            "1-800-555-0199",
            "0049 30 901820",
        ] {
            assert!(phone(good), "{good}");
        }
        for bad in
            ["2026-11-22", "111-111-1111", "1234567890", "10.1.2.3", "+999 1", "12-3456-7890", "0551234567"]
        {
            assert!(!phone(bad), "{bad}");
        }
    }
}
