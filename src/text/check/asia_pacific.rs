//! Numbers that states of Asia and the Pacific give to people and firms.

use super::number::{is_date, is_repeated, is_short_date, number, verhoeff, weighted};
use super::{compact, digits};

/// An Indian Aadhaar number: twelve digits, the first two or more, Verhoeff, no palindrome (UIDAI).
pub(super) fn in_aadhaar(text: &str) -> bool {
    let Some(digits) = digits(&text.replace(':', " ")).filter(|digits| digits.len() == 12) else {
        return false;
    };
    let palindrome = digits.iter().eq(digits.iter().rev());
    digits.first().is_some_and(|first| *first > 1) && !palindrome && verhoeff(&digits)
}

/// An Indian goods and services tax number: a state, a permanent account number, and its own number, `Z` and a check
/// character (GST Network).
pub(super) fn in_gstin(text: &str) -> bool {
    let text = compact(text);
    let state: Option<u32> = text.iter().take(2).try_fold(0, |state, c| Some(state * 10 + c.to_digit(10)?));
    text.len() == 15 && matches!(state, Some(1..=38 | 97 | 99)) && state != Some(38)
}

/// An Australian business number: eleven digits, one less in the first, modulo 89 (Australian Business Register).
pub(super) fn au_abn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let sum = weighted(&digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    digits.first().is_some_and(|first| *first != 0) && sum >= 10 && (sum - 10).is_multiple_of(89)
}

/// An Australian company number: nine digits, the last by the weights 8 to 1 (ASIC).
pub(super) fn au_acn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 9) else { return false };
    let check = (10 - weighted(&digits, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10) % 10;
    !is_repeated(&digits) && digits.last() == Some(&check)
}

/// An Australian tax file number: nine digits, modulo 11 (Australian Taxation Office).
pub(super) fn au_tfn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 9) else { return false };
    !is_repeated(&digits) && weighted(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

/// An Australian Medicare card: ten digits, the first 2 to 6, the ninth by the weights 1 3 7 9 (Services Australia).
pub(super) fn au_medicare(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| matches!(digits.len(), 10 | 11)) else { return false };
    let check = weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    matches!(digits.first(), Some(2..=6)) && digits.get(8) == Some(&check)
}

/// A Singaporean NRIC or FIN: a letter, seven digits and a check letter (Immigration & Checkpoints Authority).
pub(super) fn sg_nric(text: &str) -> bool {
    let text = compact(text);
    let (Some((prefix, rest)), Some(check)) = (text.split_first(), text.last()) else { return false };
    let digits: Option<Vec<u32>> = rest.iter().take(7).map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|_| text.len() == 9) else { return false };
    let sum = weighted(&digits, &[2, 7, 6, 5, 4, 3, 2]);
    let (add, letters) = match prefix {
        'S' => (0, "JZIHGFEDCBA"),
        'T' => (4, "JZIHGFEDCBA"),
        'F' => (0, "XWUTRQPNMLK"),
        'G' => (4, "XWUTRQPNMLK"),
        'M' => (3, "XWUTRQPNJLK"),
        _ => return false,
    };
    letters.chars().nth(((sum + add) % 11) as usize) == Some(*check)
}

/// A Singaporean number of an entity in one of its three forms (ACRA).
pub(super) fn sg_uen(text: &str) -> bool {
    const ALPHABET: &str = "ABCDEFGHJKLMNPQRSTUVWX0123456789";
    let text = compact(text);
    let Some((check, rest)) = text.split_last() else { return false };
    let digits: Option<Vec<u32>> = rest.iter().map(|c| c.to_digit(10)).collect();
    let letter = match (&digits, rest.len()) {
        (Some(digits), 8) => {
            "XMKECAWLJDB".chars().nth((weighted(digits, &[10, 4, 9, 3, 8, 2, 7, 1]) % 11) as usize)
        }
        (Some(digits), 9) if matches!(number(digits, 0, 2), 18..=20) => {
            "ZKCMDNERGWH".chars().nth((weighted(digits, &[10, 8, 6, 4, 9, 7, 5, 3, 1]) % 11) as usize)
        }
        (None, 9) if matches!(rest.first(), Some('R' | 'S' | 'T')) => {
            let values = rest.iter().map(|c| ALPHABET.chars().position(|other| other == *c));
            let sum: Option<usize> = values
                .zip([4, 3, 5, 3, 10, 2, 2, 5, 7])
                .map(|(value, weight)| value.map(|value| value * weight))
                .sum();
            sum.and_then(|sum| ALPHABET.chars().nth((sum + 11 - 5) % 11))
        }
        _ => None,
    };
    letter == Some(*check)
}

/// A Korean resident registration number of a citizen: a date, and a digit of century and sex. Numbers given since
/// October 2020 have no check digit (Ministry of the Interior and Safety).
pub(super) fn kr_rrn(text: &str) -> bool {
    korean(text).is_some_and(|sex| matches!(sex, 1..=4))
}

/// The same of a foreigner.
pub(super) fn kr_frn(text: &str) -> bool {
    korean(text).is_some_and(|sex| matches!(sex, 5..=8))
}

fn korean(text: &str) -> Option<u32> {
    let digits = digits(text).filter(|digits| digits.len() == 13)?;
    let sex = *digits.get(6)?;
    let century = if matches!(sex, 3 | 4 | 7 | 8) { 2000 } else { 1900 };
    is_date(century + number(&digits, 0, 2), number(&digits, 2, 2), number(&digits, 4, 2)).then_some(sex)
}

/// A Korean business registration number: ten digits, the weights 1 3 7 1 3 7 1 3 5 (National Tax Service).
pub(super) fn kr_brn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 10) else { return false };
    let carry = digits.get(8).map_or(0, |digit| digit * 5 / 10);
    let sum = weighted(&digits, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + carry;
    number(&digits, 0, 3) > 100 && number(&digits, 3, 2) > 0 && digits.last() == Some(&((10 - sum % 10) % 10))
}

/// A Korean driving licence: the region of its office, the year, a number and a check (Korean National Police Agency).
pub(super) fn kr_driver_license(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 12) else { return false };
    (11..=28).contains(&number(&digits, 0, 2))
}

/// A Thai national number: thirteen digits, the first the kind of person, then a province, the last modulo 11
/// (Department of Provincial Administration, ISO 3166-2:TH).
pub(super) fn th_tnin(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 13) else { return false };
    let province = number(&digits, 1, 2);
    let sum = weighted(&digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    matches!(digits.first(), Some(1..=9))
        && matches!(province, 10..=27 | 30..=58 | 60..=67 | 70..=77 | 80..=86 | 90..=96)
        && digits.last() == Some(&((11 - sum % 11) % 10))
}

/// A Chinese resident identity number: an area, a date, a serial number and ISO 7064 MOD 11-2 (GB 11643).
pub(super) fn cn_resident_id(text: &str) -> bool {
    let text = compact(text);
    let Some((check, rest)) = text.split_last().filter(|(_, rest)| rest.len() == 17) else { return false };
    let digits: Option<Vec<u32>> = rest.iter().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits else { return false };
    let sum = weighted(&digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    matches!(number(&digits, 0, 2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
        && matches!(number(&digits, 6, 2), 18..=20)
        && is_date(number(&digits, 6, 4), number(&digits, 10, 2), number(&digits, 12, 2))
        && "10X98765432".chars().nth((sum % 11) as usize) == Some(*check)
}

/// A Japanese individual number: twelve digits, the last modulo 11 (Digital Agency).
pub(super) fn jp_my_number(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 12) else { return false };
    let check = match weighted(&digits, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    !is_repeated(&digits) && digits.last() == Some(&check)
}

/// A Malaysian identity card by its date and place of birth (Jabatan Pendaftaran Negara).
pub(super) fn my_nric(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 12) else { return false };
    is_short_date(number(&digits, 0, 2), number(&digits, 2, 2), number(&digits, 4, 2))
        && matches!(number(&digits, 6, 2), 1..=16 | 21..=59 | 60..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indian() {
        assert!(in_aadhaar("2341 2341 2346") && !in_aadhaar("2341 2341 2347"));
        assert!(!in_aadhaar("123412341234") && !in_aadhaar("222222222222"));
        assert!(in_gstin("27AAPFU0939F1ZV") && !in_gstin("38AAPFU0939F1ZV") && !in_gstin("00AAPFU0939F1ZV"));
    }

    #[test]
    fn australian() {
        assert!(au_abn("51 824 753 556") && !au_abn("51 824 753 557") && !au_abn("00 000 000 000"));
        assert!(au_acn("004 085 616") && au_acn("000 000 019") && !au_acn("004 085 617"));
        assert!(au_tfn("123 456 782") && !au_tfn("123 456 789") && !au_tfn("000 000 000"));
        assert!(au_medicare("2123 45670 1") && !au_medicare("2123 45680 1") && !au_medicare("1123456701"));
    }

    #[test]
    fn south_east() {
        assert!(sg_nric("S1234567D") && sg_nric("F1234567N") && sg_nric("T1234567J") && sg_nric("G1234567X"));
        assert!(sg_nric("M1234567K") && !sg_nric("S1234567E") && !sg_nric("A1234567D"));
        assert!(sg_uen("00192200M") && sg_uen("197401143C") && sg_uen("S16FC0121D") && sg_uen("T01FC6132D"));
        assert!(!sg_uen("00192200N") && !sg_uen("197401143D") && !sg_uen("S16FC0121E"));
        assert!(th_tnin("1-2345-45678-78-1") && !th_tnin("1-2345-45678-78-9") && !th_tnin("0000000000000"));
        assert!(my_nric("770305-02-1234") && !my_nric("771305-02-1234") && !my_nric("770305-17-1234"));
    }

    #[test]
    fn eastern() {
        assert!(kr_rrn("971013-1019311") && !kr_rrn("971313-1019311") && !kr_rrn("971013-9019311"));
        assert!(kr_frn("971013-5019311") && !kr_frn("971013-1019311"));
        assert!(kr_brn("116-82-00276") && kr_brn("124-81-00998") && !kr_brn("116-82-00275"));
        assert!(kr_driver_license("11-22-123456-12") && !kr_driver_license("10-22-123456-12"));
        assert!(cn_resident_id("11010519491231002X") && !cn_resident_id("110105194912310021"));
        assert!(jp_my_number("1234 5678 9018") && !jp_my_number("1234 5678 9019"));
    }
}
