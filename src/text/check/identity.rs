//! Numbers that states give to people.

use super::digits;

/// A US social security number that can have been issued: area not 000, 666 or 9xx, group not 00, serial not 0000
/// (Social Security Administration, number randomization rules), none of the numbers known from advertisements,
/// not one digit repeated.
pub(super) fn us_ssn(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let number = |from: usize, length: usize| {
        digits.iter().skip(from).take(length).fold(0, |number, digit| number * 10 + digit)
    };
    let (area, group, serial) = (number(0, 3), number(3, 2), number(5, 4));
    digits.len() == 9
        && !matches!(area, 0 | 666 | 900..)
        && group != 0
        && serial != 0
        && !matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999) | (123, 45, 6789))
        && digits.iter().any(|digit| Some(digit) != digits.first())
}

/// A US individual taxpayer identification number: 9xx, and a group of 50 to 65, 70 to 88, 90 to 92 or 94 to 99
/// (Internal Revenue Service).
pub(super) fn us_itin(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let group = digits.iter().skip(3).take(2).fold(0, |number, digit| number * 10 + digit);
    digits.len() == 9 && digits.first() == Some(&9) && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// A British NHS number: ten digits, the last a check modulo 11 (NHS Data Dictionary).
pub(super) fn nhs(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let sum: u32 = digits.iter().take(9).zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    let check = match 11 - sum % 11 {
        11 => 0,
        other => other,
    };
    digits.len() == 10 && sum != 0 && digits.last() == Some(&check)
}

/// A British National Insurance number: two letters that are given out, six digits, a suffix A to D (HMRC).
pub(super) fn nino(text: &str) -> bool {
    let compact: String =
        text.chars().filter(|c| !super::is_separator(*c)).collect::<String>().to_ascii_uppercase();
    let (Some(prefix), Some(number), Some(suffix)) = (compact.get(..2), compact.get(2..8), compact.get(8..))
    else {
        return false;
    };
    let mut letters = prefix.chars();
    let (first, second) = (letters.next().unwrap_or('D'), letters.next().unwrap_or('D'));
    let given = |c: char| c.is_ascii_uppercase() && !matches!(c, 'D' | 'F' | 'I' | 'Q' | 'U' | 'V');
    given(first)
        && given(second)
        && second != 'O'
        && !matches!(prefix, "BG" | "GB" | "KN" | "NK" | "NT" | "TN" | "ZZ")
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(suffix, "A" | "B" | "C" | "D")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn american() {
        assert!(us_ssn("536-90-4399") && us_ssn("536904399") && us_ssn("536 90 4399"));
        for bad in [
            "666-12-3456",
            "000-12-3456",
            "900-12-3456",
            "536-00-4399",
            "536-90-0000",
            "078-05-1120",
            "111111111",
        ] {
            assert!(!us_ssn(bad), "{bad}");
        }
        assert!(us_itin("912-70-1234") && !us_itin("912-69-1234") && !us_itin("812-70-1234"));
    }

    #[test]
    fn british() {
        assert!(nhs("943 476 5919") && !nhs("943 476 5918") && !nhs("0000000000"));
        assert!(nino("AB 12 34 56 C") && !nino("DA123456C") && !nino("AO123456C") && !nino("BG123456A"));
    }
}
