//! Numbers that Germany gives to people and firms.

use super::number::{cross_sum, icao_9303, is_repeated, is_short_date, mod_11_10, number, weighted};
use super::{compact, digits};

/// A tax identification number (§ 139b AO): eleven digits, the first not zero, ISO/IEC 7064 MOD 11,10, and no digit more
/// than three times among the first ten.
pub(super) fn de_tax_id(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let times = |digit: u32| digits.iter().take(10).filter(|other| **other == digit).count();
    digits.len() == 11
        && digits.first().is_some_and(|first| *first != 0)
        && (0..10).all(|digit| times(digit) <= 3)
        && mod_11_10(&digits)
}

/// A VAT identification number: `DE` and nine digits, ISO/IEC 7064 MOD 11,10 (European Commission, VIES).
pub(super) fn de_vat_id(text: &str) -> bool {
    let text = compact(text);
    let Some(['D', 'E', rest @ ..]) = text.get(..) else { return false };
    let digits: Option<Vec<u32>> = rest.iter().map(|c| c.to_digit(10)).collect();
    digits.is_some_and(|digits| digits.len() == 9 && digits.first() != Some(&0) && mod_11_10(&digits))
}

/// A pension insurance number (§ 147 SGB VI, VKVV): area, day of birth, initial, serial number, and a check digit with
/// the weights 2 1 2 5 7 1 2 1 2 1 2 1 over digits, the letter as two.
pub(super) fn de_social_security(text: &str) -> bool {
    let text = compact(text);
    let Some(letter) = text.get(8).filter(|c| c.is_ascii_uppercase()) else { return false };
    let place = u32::from(*letter) - u32::from('A') + 1;
    let other =
        |from: usize, to: usize| text.get(from..to).unwrap_or_default().iter().map(|c| c.to_digit(10));
    let all: Option<Vec<u32>> =
        other(0, 8).chain([Some(place / 10), Some(place % 10)]).chain(other(9, 12)).collect();
    let Some(digits) = all.filter(|digits| digits.len() == 13 && text.len() == 12) else { return false };
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| cross_sum(digit * weight)).sum();
    // Where two persons would have the same number, the day is counted from 51 on.
    let day = number(&digits, 2, 2);
    let day = if day > 50 { day - 50 } else { day };
    is_short_date(number(&digits, 6, 2), number(&digits, 4, 2), day) && digits.last() == Some(&(sum % 10))
}

/// A health insurance number (§ 290 SGB V): a letter and nine digits, the last by the weights 1 and 2 in turn, the letter
/// as two digits.
pub(super) fn de_health_insurance(text: &str) -> bool {
    let text = compact(text);
    let Some((letter, rest)) = text.split_first().filter(|(letter, _)| letter.is_ascii_uppercase()) else {
        return false;
    };
    let place = u32::from(*letter) - u32::from('A') + 1;
    let rest: Option<Vec<u32>> = rest.iter().map(|c| c.to_digit(10)).collect();
    let Some(rest) = rest.filter(|rest| rest.len() == 9) else { return false };
    let digits = [place / 10, place % 10].into_iter().chain(rest.iter().copied().take(8));
    let sum: u32 =
        digits.zip([1, 2].into_iter().cycle()).map(|(digit, weight)| cross_sum(digit * weight)).sum();
    rest.last() == Some(&(sum % 10))
}

/// An identity card or passport: a letter that authorities have, letters without vowels and digits, and the check digit
/// of ICAO 9303 in the ninth or tenth place.
pub(super) fn de_document(text: &str) -> bool {
    let text = compact(text);
    let given = |c: char| c.is_ascii_digit() || "CFGHJKLMNPRTVWXYZ".contains(c);
    matches!(text.len(), 9 | 10)
        && text.first().is_some_and(char::is_ascii_uppercase)
        && text.iter().all(|c| given(*c))
        && icao_9303(&text)
}

/// A doctor's number for life (KBV): six digits, a check digit with the weights 4 and 9 in turn, and two of the field.
pub(super) fn de_lanr(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let check = (10 - weighted(&digits, &[4, 9, 4, 9, 4, 9]) % 10) % 10;
    digits.len() == 9 && !is_repeated(&digits) && digits.get(6) == Some(&check) && number(&digits, 7, 2) != 0
}

/// A practice's number (KBV): nine digits that begin with the code of a regional association, and are no one digit
/// repeated.
pub(super) fn de_bsnr(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let region = number(&digits, 0, 2);
    digits.len() == 9
        && !is_repeated(&digits)
        && matches!(region, 1..=3 | 5..=13 | 17 | 20 | 21 | 24 | 25 | 27 | 28 | 31 | 35..=47 | 50..=62 | 70..=74 | 78..=81 | 83 | 85..=88 | 91..=99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taxes() {
        // Bundeszentralamt für Steuern, and the VAT numbers of Volkswagen and of published examples.
        assert!(de_tax_id("86095742719") && de_tax_id("47 036 892 816"));
        assert!(!de_tax_id("86095742718") && !de_tax_id("06095742719") && !de_tax_id("11111111111"));
        assert!(de_vat_id("DE136695976") && de_vat_id("de 115 235 681"));
        assert!(!de_vat_id("DE136695978") && !de_vat_id("DE13669597") && !de_vat_id("AT136695976"));
    }

    #[test]
    fn insurance() {
        // Deutsche Rentenversicherung and gematik.
        assert!(de_social_security("15 070649 C 103") && de_social_security("65170839J003"));
        assert!(!de_social_security("15070649C104") && !de_social_security("15074049C103"));
        assert!(de_health_insurance("A123456780") && !de_health_insurance("A123456787"));
        assert!(!de_health_insurance("1123456780"));
    }

    #[test]
    fn documents() {
        // The specimens of the Bundesdruckerei.
        assert!(de_document("T220001293") && de_document("C01X00T478") && de_document("L01X00T471"));
        assert!(!de_document("T220001294") && !de_document("A01234567") && !de_document("C01X00T4"));
    }

    #[test]
    fn health_care() {
        assert!(de_lanr("123456601") && !de_lanr("123456701") && !de_lanr("123456600"));
        assert!(de_bsnr("381234567") && !de_bsnr("000000000") && !de_bsnr("041234567"));
    }
}
