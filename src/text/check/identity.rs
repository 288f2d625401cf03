//! Numbers that the United States and Britain give to people.

use super::number::{is_repeated, luhn, number, weighted};
use super::{compact, digits};

/// A US social security number that can have been issued: area not 000, 666 or 9xx, group not 00, serial not 0000
/// (Social Security Administration, number randomization rules), none of the numbers known from advertisements,
/// not one digit repeated, and one kind of separator.
pub(super) fn us_ssn(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let mut signs = text.trim().chars().filter(|c| !c.is_ascii_digit());
    let first = signs.next();
    let mixed = signs.any(|sign| Some(sign) != first);
    let (area, group, serial) = (number(&digits, 0, 3), number(&digits, 3, 2), number(&digits, 5, 4));
    digits.len() == 9
        && !mixed
        && !matches!(area, 0 | 666 | 900..)
        && group != 0
        && serial != 0
        && !matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999) | (123, 45, 6789))
        && !is_repeated(&digits)
}

/// A US individual taxpayer identification number: 9xx, and a group of 50 to 65, 70 to 88, 90 to 92 or 94 to 99
/// (Internal Revenue Service).
pub(super) fn us_itin(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let group = number(&digits, 3, 2);
    digits.len() == 9 && digits.first() == Some(&9) && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// A British NHS number: ten digits, the last a check modulo 11 (NHS Data Dictionary).
pub(super) fn nhs(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let sum = weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
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

/// An American national provider identifier: ten digits, the first 1 or 2, Luhn with 80840 before them (CMS).
pub(super) fn us_npi(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 10) else { return false };
    let whole: Vec<u32> = [8, 0, 8, 4, 0].into_iter().chain(digits.iter().copied()).collect();
    matches!(digits.first(), Some(1 | 2)) && !is_repeated(digits.get(..9).unwrap_or_default()) && luhn(&whole)
}

/// An American certificate of the Drug Enforcement Administration: a kind of registrant, an initial or 9, and seven
/// digits, of which the last is the sum of the odd places and twice the even ones (21 CFR 1301).
pub(super) fn us_dea(text: &str) -> bool {
    let text = compact(text);
    let [kind, initial, rest @ ..] = text.as_slice() else { return false };
    let digits: Option<Vec<u32>> = rest.iter().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 7) else { return false };
    "ABCDEFGHJKLMPRSTUX".contains(*kind)
        && (initial.is_ascii_uppercase() || *initial == '9')
        && !is_repeated(&digits)
        && digits.last() == Some(&(weighted(&digits, &[1, 2, 1, 2, 1, 2]) % 10))
}

/// A British driving licence: five letters of the name, the year of birth around month and day, a month with 50 added
/// for women, initials and check characters (DVLA).
pub(super) fn uk_driving_licence(text: &str) -> bool {
    let text = compact(text);
    let digits: Option<Vec<u32>> = text.iter().skip(5).take(6).map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|_| text.len() == 16) else { return false };
    // A short name is filled up with nines at its end.
    let name: String = text.iter().take(5).collect();
    let letters = name.trim_end_matches('9');
    !letters.is_empty()
        && letters.chars().all(|c| c.is_ascii_uppercase())
        && matches!(number(&digits, 1, 2), 1..=12 | 51..=62)
        && matches!(number(&digits, 3, 2), 1..=31)
}

/// A British number plate as given since 2001: an area, the half-year of its issue, and three letters (DVLA).
pub(super) fn uk_vehicle_registration(text: &str) -> bool {
    let text = compact(text);
    let age: Option<u32> = text.iter().skip(2).take(2).try_fold(0, |age, c| Some(age * 10 + c.to_digit(10)?));
    text.len() == 7
        && matches!(age, Some(2..=29 | 51..=79))
        && text.iter().take(2).all(|c| c.is_ascii_uppercase() && !matches!(c, 'I' | 'Q' | 'Z'))
        && text.iter().skip(4).all(|c| c.is_ascii_uppercase() && !matches!(c, 'I' | 'Q'))
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
        // CMS and the DEA's own examples.
        assert!(
            us_npi("1234567893") && !us_npi("1234567890") && !us_npi("3234567893") && !us_npi("1111111111")
        );
        assert!(us_dea("BB1388568") && us_dea("F91234563") && !us_dea("BB1388567") && !us_dea("NB1388568"));
    }

    #[test]
    fn british() {
        assert!(nhs("943 476 5919") && !nhs("943 476 5918") && !nhs("0000000000"));
        assert!(nino("AB 12 34 56 C") && !nino("DA123456C") && !nino("AO123456C") && !nino("BG123456A"));
        assert!(uk_driving_licence("MORGA657054SM9IJ") && uk_driving_licence("FO999 757054 S99AB"));
        assert!(!uk_driving_licence("MORGA650054SM9IJ") && !uk_driving_licence("99999657054SM9IJ"));
        assert!(uk_vehicle_registration("BD51 SMR") && !uk_vehicle_registration("BD80 SMR"));
    }
}
