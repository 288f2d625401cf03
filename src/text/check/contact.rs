//! Addresses of people and machines.

use std::net::IpAddr;

use super::Wrong;
use super::number::{is_repeated, number};

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
    is_host(host)
        && (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
}

/// Of what is no mail address: whether that is for its host.
pub(super) fn wrong_host(text: &str) -> Option<Wrong> {
    let (local, host) = text.trim_end().rsplit_once('@')?;
    (!is_host(host)).then_some(Wrong::From(local.len()))
}

fn is_host(host: &str) -> bool {
    let Some((_, top)) = host.rsplit_once('.') else { return false };
    // Most often this tells.
    let named = (2..=24).contains(&top.len()) && top.chars().all(char::is_alphabetic);
    let coded = top.len() > 5 && top.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    if !(named || coded) {
        return false;
    }
    let label =
        |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    host.len() <= 253
        && host.split('.').all(label)
        && !FILE_ENDINGS.iter().any(|ending| ending.eq_ignore_ascii_case(top))
}

/// An address of version 4 or 6 as the standard library parses it (strict: four decimal octets, RFC 4291 forms), but
/// not the unspecified ones `0.0.0.0` and `::`, which name no machine.
pub(super) fn ip(text: &str) -> bool {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    text.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified())
}

/// The same with those: whatever parses.
pub(super) fn ip_any(text: &str) -> bool {
    text.trim().parse::<IpAddr>().is_ok()
}

/// Country calling codes with the shortest and longest national number (ITU-T E.164 and the national numbering plans
/// that ITU publishes); those that are not listed have three digits and 6 to 12 behind them.
const COUNTRIES: &[(u32, usize, usize)] = &[
    (1, 10, 10),
    (7, 10, 10),
    (20, 8, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 9),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 6, 11),
    (40, 9, 9),
    (41, 9, 9),
    (43, 6, 13),
    (44, 9, 10),
    (45, 8, 8),
    (46, 7, 10),
    (47, 8, 8),
    (48, 9, 9),
    (49, 6, 13),
    (51, 8, 9),
    (52, 10, 11),
    (53, 6, 8),
    (54, 10, 11),
    (55, 10, 11),
    (56, 9, 9),
    (57, 8, 10),
    (58, 10, 10),
    (60, 8, 10),
    (61, 9, 9),
    (62, 8, 12),
    (63, 8, 10),
    (64, 8, 10),
    (65, 8, 8),
    (66, 8, 9),
    (81, 9, 10),
    (82, 8, 11),
    (84, 9, 10),
    (86, 9, 12),
    (90, 10, 10),
    (91, 10, 10),
    (92, 9, 10),
    (93, 9, 9),
    (94, 9, 9),
    (95, 7, 10),
    (98, 10, 10),
];

/// Codes of islands where five digits are enough.
const SMALL: &[u32] = &[247, 290, 500, 677, 682, 683, 688, 690];

/// A telephone number: international with a country code and a number as long as that country has (E.164), or of the
/// North American form, three digits, three and four. Two- and three-digit groups as in dates, one digit repeated, and
/// runs without separators that the North American plan can't assign do not count.
pub(super) fn phone(text: &str) -> bool {
    let text = text.trim();
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    if is_repeated(&digits) || text.parse::<IpAddr>().is_ok() {
        return false;
    }
    if text.starts_with('+') || text.starts_with("00") {
        let skip = if text.starts_with("00") { 2 } else { 0 };
        // A national prefix in brackets is no part of the number.
        let prefix = usize::from(text.contains("(0)"));
        return international(digits.get(skip..).unwrap_or_default(), prefix);
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

fn international(digits: &[u32], prefix: usize) -> bool {
    let known = COUNTRIES.iter().find(|(code, ..)| {
        let length = if *code < 10 { 1 } else { 2 };
        number(digits, 0, length) == *code
    });
    let national = |code: usize| digits.len().saturating_sub(code + prefix);
    let long_enough = match known {
        Some((code, shortest, longest)) => {
            (*shortest..=*longest).contains(&national(if *code < 10 { 1 } else { 2 }))
        }
        None => {
            matches!(number(digits, 0, 2), 21..=26 | 29 | 35 | 37 | 38 | 42 | 50 | 59 | 67..=69 | 85 | 87 | 88 | 96 | 97 | 99)
                && (if SMALL.contains(&number(digits, 0, 3)) { 5..=12 } else { 6..=12 })
                    .contains(&national(3))
        }
    };
    long_enough && (8..=15 + prefix).contains(&digits.len())
}

/// A Turkish number: a mobile or area code and seven digits, with or without the national prefix or that of the country
/// (BTK).
pub(super) fn tr_phone(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let skip = match digits.len() {
        10 => 0,
        11 if digits.first() == Some(&0) => 1,
        12 if number(&digits, 0, 2) == 90 => 2,
        13 if number(&digits, 0, 3) == 90 => 3,
        _ => return false,
    };
    let area = number(&digits, skip, 3);
    let tens = area / 10;
    matches!(tens, 50 | 53..=56 | 59)
        || matches!(
            area,
            561 | 212
                | 216
                | 222
                | 224
                | 226
                | 228
                | 232
                | 236
                | 242
                | 246
                | 248
                | 252
                | 256
                | 258
                | 262
                | 264
                | 266
                | 272
                | 274
                | 276
                | 282
                | 284
                | 286
                | 288
                | 312
                | 318
                | 322
                | 324
                | 326
                | 328
                | 332
                | 338
                | 342
                | 344
                | 346
                | 348
                | 352
                | 354
                | 356
                | 358
                | 362
                | 364
                | 366
                | 368
                | 370
                | 372
                | 374
                | 376
                | 378
                | 380
                | 382
                | 384
                | 386
                | 388
                | 392
                | 412
                | 414
                | 416
                | 422
                | 424
                | 426
                | 428
                | 432
                | 434
                | 436
                | 438
                | 442
                | 446
                | 452
                | 454
                | 456
                | 458
                | 462
                | 464
                | 466
                | 472
                | 474
                | 476
                | 478
                | 482
                | 484
                | 486
                | 488
                | 850
        )
}

/// The address of a network interface (IEEE 802): 48 bits, neither all zero nor all one, with one kind of separator.
pub(super) fn mac(text: &str) -> bool {
    let text = text.trim();
    let signs: Vec<char> = text.chars().filter(|c| !c.is_ascii_hexdigit()).collect();
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    let one_kind = signs.iter().all(|sign| Some(sign) == signs.first());
    digits.len() == 12 && one_kind && !(is_repeated(&digits) && matches!(digits.first(), Some(0 | 15)))
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
        assert_eq!(["logo@2x.png", " a@b@c "].map(wrong_host), [4, 4].map(Wrong::From).map(Some));
        assert_eq!(["a..b@example.com", "@example.com", "example.com"].map(wrong_host), [None; 3]);
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
            "+44 (0)20 7946 0958",
            "+353 1 234 5678",
            "+677 74410",
        ] {
            assert!(phone(good), "{good}");
        }
        for bad in [
            "2026-11-22",
            "111-111-1111",
            "1234567890",
            "10.1.2.3",
            "+999 1",
            "12-3456-7890",
            "0551234567",
            "+1 212 555 010",
            "+65 6123 45678",
            "+262 14301",
        ] {
            assert!(!phone(bad), "{bad}");
        }
        assert!(tr_phone("0532 123 45 67") && tr_phone("+90 212 123 45 67") && !tr_phone("612 345 67 89"));
    }

    #[test]
    fn interfaces() {
        assert!(mac("00:1B:44:11:3A:B7") && mac("00-1b-44-11-3a-b7") && mac("001b.4411.3ab7"));
        assert!(!mac("00:00:00:00:00:00") && !mac("ff:ff:ff:ff:ff:ff") && !mac("00:1B-44:11:3A:B7"));
    }
}
