//! Numbers that states of Europe give to people and firms; those of Germany and Britain have files of their own.

use super::number::{is_date, is_repeated, is_short_date, luhn, number, weighted};
use super::{compact, digits};

/// A Spanish tax number of a person, NIF or NIE: the letter is the number modulo 23 (Agencia Tributaria).
pub(super) fn es_nif(text: &str) -> bool {
    let text = compact(text);
    let Some((letter, rest)) = text.split_last() else { return false };
    let (first, rest) = match rest {
        ['X', rest @ ..] => (0, rest),
        ['Y', rest @ ..] => (1, rest),
        ['Z', rest @ ..] => (2, rest),
        rest => (0, rest),
    };
    let rest: Option<Vec<u32>> = rest.iter().map(|c| c.to_digit(10)).collect();
    let Some(rest) = rest.filter(|rest| matches!(rest.len(), 7 | 8)) else { return false };
    let value = if rest.len() == 7 { first * 10_000_000 } else { 0 } + number(&rest, 0, 8);
    value > 0 && "TRWAGMYFPDXBNJZSQVHLCKE".chars().nth((value % 23) as usize) == Some(*letter)
}

/// An Italian fiscal code: sixteen characters, the last by the tables of the decree of 12 March 1974. Digits may be
/// replaced by letters where two persons would have the same code.
pub(super) fn it_fiscal_code(text: &str) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let text = compact(text);
    let Some((check, rest)) = text.split_last() else { return false };
    let value =
        |c: &char| c.to_digit(10).or_else(|| c.is_ascii_uppercase().then(|| u32::from(*c) - u32::from('A')));
    let sum = rest.iter().enumerate().map(|(index, c)| {
        let value = value(c)?;
        // The first place is odd: places are counted from one.
        if index % 2 == 0 { ODD.get(value as usize).copied() } else { Some(value) }
    });
    let sum: Option<u32> = sum.sum();
    text.len() == 16 && check.is_ascii_uppercase() && sum.map(|sum| sum % 26) == value(check)
}

/// An Italian VAT number: eleven digits, Luhn (Agenzia delle Entrate).
pub(super) fn it_vat_code(text: &str) -> bool {
    let text = text.trim();
    let text = text.strip_prefix("IT").or_else(|| text.strip_prefix("it")).unwrap_or(text);
    digits(text).is_some_and(|digits| digits.len() == 11 && !is_repeated(&digits) && luhn(&digits))
}

/// A Polish PESEL: a date whose month tells the century, and a check digit with the weights 1 3 7 9
/// (Ministerstwo Cyfryzacji).
pub(super) fn pl_pesel(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let century = match number(&digits, 2, 2) / 20 {
        4 => 1800,
        0 => 1900,
        1 => 2000,
        2 => 2100,
        _ => 2200,
    };
    let check = (10 - weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10;
    is_date(century + number(&digits, 0, 2), number(&digits, 2, 2) % 20, number(&digits, 4, 2))
        && digits.last() == Some(&check)
}

/// A Finnish personal identity code: a date, a sign of the century, a number, and a character that is all nine digits
/// modulo 31 (Digital and Population Data Services Agency).
pub(super) fn fi_hetu(text: &str) -> bool {
    let text: Vec<char> = text.trim().to_ascii_uppercase().chars().collect();
    let (Some(date), Some(sign), Some(serial), Some(check)) =
        (text.get(..6), text.get(6), text.get(7..10), text.get(10))
    else {
        return false;
    };
    let digits: Option<Vec<u32>> = date.iter().chain(serial).map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits else { return false };
    let century = match sign {
        '+' => 1800,
        '-' | 'U'..='Y' => 1900,
        'A'..='F' => 2000,
        _ => return false,
    };
    let value = number(&digits, 0, 9);
    text.len() == 11
        && is_date(century + number(&digits, 4, 2), number(&digits, 2, 2), number(&digits, 0, 2))
        && number(&digits, 6, 3) > 1
        && "0123456789ABCDEFHJKLMNPRSTUVWXY".chars().nth((value % 31) as usize) == Some(*check)
}

/// The last ten digits of a Swedish number, which may have a plus for a hundred years and the century before it.
fn swedish(text: &str) -> Option<Vec<u32>> {
    let digits = digits(&text.replace('+', "-"))?;
    match digits.len() {
        10 => Some(digits),
        12 if matches!(number(&digits, 0, 2), 16 | 18..=20) => Some(digits.get(2..)?.to_vec()),
        _ => None,
    }
}

/// A Swedish personal or coordination number: a date, of the latter with 60 added to the day, and Luhn (Skatteverket).
pub(super) fn se_personnummer(text: &str) -> bool {
    let Some(digits) = swedish(text) else { return false };
    let day = number(&digits, 4, 2);
    let day = if day > 60 { day - 60 } else { day };
    is_short_date(number(&digits, 0, 2), number(&digits, 2, 2), day) && luhn(&digits)
}

/// A Swedish number of an organisation: the third digit is two or more, and Luhn (Bolagsverket).
pub(super) fn se_organisationsnummer(text: &str) -> bool {
    swedish(text).is_some_and(|digits| {
        digits.first() != Some(&0) && digits.get(2).is_some_and(|digit| *digit > 1) && luhn(&digits)
    })
}

/// A Turkish identity number: the tenth digit from odd and even places, the eleventh from the sum
/// (Nüfus ve Vatandaşlık İşleri).
pub(super) fn tr_national_id(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let odd = weighted(&digits, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(&digits, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let sum: u32 = digits.iter().take(10).sum();
    digits.first().is_some_and(|first| *first != 0)
        && digits.get(9) == Some(&((odd * 7 + 90 - even) % 10))
        && digits.get(10) == Some(&(sum % 10))
}

/// A French social security number (INSEE): sex, year and month of birth, place, serial number, and a key of two digits,
/// 97 less the rest modulo 97. Corsica's 2A and 2B count as 19 and 18.
pub(super) fn fr_nir(text: &str) -> bool {
    let text: String = compact(text).into_iter().collect();
    let text = match text.get(5..7) {
        Some("2A") => format!("{}19{}", text.get(..5).unwrap_or_default(), text.get(7..).unwrap_or_default()),
        Some("2B") => format!("{}18{}", text.get(..5).unwrap_or_default(), text.get(7..).unwrap_or_default()),
        _ => text,
    };
    let Ok(value) = text.parse::<u64>() else { return false };
    let (body, key) = (value / 100, value % 100);
    let month = body / 100_000_000 % 100;
    text.len() == 15
        && matches!(body / 1_000_000_000_000, 1..=4 | 7 | 8)
        && matches!(month, 1..=12 | 20 | 30..=42 | 50..=99)
        && key == 97 - body % 97
}

/// A Dutch citizen service number: nine digits, the "eleven test" with the last weight negative (Rijksdienst voor
/// Identiteitsgegevens).
pub(super) fn nl_bsn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 9) else { return false };
    let sum = weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]);
    !is_repeated(&digits) && digits.last().is_some_and(|last| sum % 11 == *last % 11)
}

/// A Belgian national register number: a date, a serial number, and 97 less the rest modulo 97, with a two before it for
/// those born from 2000 on (Rijksregister).
pub(super) fn be_national_number(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let (body, key) = (u64::from(number(&digits, 0, 9)), u64::from(number(&digits, 9, 2)));
    let fits = |body: u64| 97 - body % 97 == key;
    is_short_date(number(&digits, 0, 2), number(&digits, 2, 2) % 20, number(&digits, 4, 2))
        && (fits(body) || fits(2_000_000_000 + body))
}

/// A Swiss AHV number: 756 and ten digits, with the check digit of EAN-13 (Zentrale Ausgleichsstelle).
pub(super) fn ch_ahv(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 13) else { return false };
    let check = (10 - weighted(&digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]) % 10) % 10;
    number(&digits, 0, 3) == 756 && digits.last() == Some(&check)
}

/// A Norwegian birth number: a date, of temporary numbers with 40 added to the day, and two check digits modulo 11
/// (Skatteetaten).
pub(super) fn no_fodselsnummer(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let day = number(&digits, 0, 2);
    let day = if day > 40 { day - 40 } else { day };
    let check = |weights: &[u32]| (11 - weighted(&digits, weights) % 11) % 11;
    is_short_date(number(&digits, 4, 2), number(&digits, 2, 2), day)
        && digits.get(9) == Some(&check(&[3, 7, 6, 1, 8, 9, 4, 5, 2]))
        && digits.get(10) == Some(&check(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]))
}

/// A Danish personal number by its date alone, since the check digit was given up in 2007 (CPR-kontoret).
pub(super) fn dk_cpr(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 10) else { return false };
    is_short_date(number(&digits, 4, 2), number(&digits, 2, 2), number(&digits, 0, 2))
}

/// An Irish personal public service number: seven digits and a letter that is their sum modulo 23, with a second letter
/// that counts nine times (Department of Social Protection).
pub(super) fn ie_pps(text: &str) -> bool {
    let text = compact(text);
    let digits: Option<Vec<u32>> = text.iter().take(7).map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits else { return false };
    let place = |c: &char| c.is_ascii_uppercase().then(|| u32::from(*c) - u32::from('A') + 1);
    let second = match text.get(8) {
        // Letters of the old form, which do not count.
        None | Some('W' | 'T' | 'X') => Some(0),
        Some(letter) => place(letter).map(|place| place * 9),
    };
    let sum = weighted(&digits, &[8, 7, 6, 5, 4, 3, 2]);
    let check = text.get(7).and_then(place).map(|place| place % 23);
    matches!(text.len(), 8 | 9) && check.is_some() && check == second.map(|second| (sum + second) % 23)
}

/// A Portuguese tax number: nine digits, the last modulo 11 (Autoridade Tributária).
pub(super) fn pt_nif(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 9) else { return false };
    let check = match weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    matches!(digits.first(), Some(1 | 2 | 3 | 5 | 6 | 8 | 9)) && digits.last() == Some(&check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn southern() {
        // Numbers of the agencies' own manuals, and of the documentation of open-source validators.
        assert!(es_nif("12345678Z") && es_nif("X-1234567-L") && es_nif("54362315-K"));
        assert!(!es_nif("12345678A") && !es_nif("X1234567A") && !es_nif("00000000T"));
        assert!(it_fiscal_code("RCCMNL83S18D969H") && it_fiscal_code("rssmra85t10a562s"));
        assert!(!it_fiscal_code("RCCMNL83S18D969A") && !it_fiscal_code("RCCMNL83S18D969"));
        assert!(it_vat_code("00743110157") && !it_vat_code("00743110158") && !it_vat_code("00000000000"));
        assert!(pt_nif("501964843") && !pt_nif("501964842"));
    }

    #[test]
    fn western() {
        assert!(fr_nir("2 95 10 99 126 111 93") && !fr_nir("2 95 10 99 126 111 94"));
        assert!(nl_bsn("111222333") && !nl_bsn("111252333") && !nl_bsn("000000000"));
        assert!(be_national_number("85.07.30-033.28") && !be_national_number("85.07.30-033.29"));
        assert!(ch_ahv("756.9217.0769.85") && !ch_ahv("756.9217.0769.84"));
        assert!(ie_pps("6433435F") && ie_pps("6433435OA") && ie_pps("6433435FT") && !ie_pps("6433435E"));
    }

    #[test]
    fn northern() {
        assert!(fi_hetu("131052-308T") && fi_hetu("010594Y9032"));
        assert!(!fi_hetu("131052-308U") && !fi_hetu("310252-308T") && !fi_hetu("131052/308T"));
        assert!(se_personnummer("811228-9874") && se_personnummer("19811228-9874"));
        assert!(!se_personnummer("811228-9873") && !se_personnummer("811328-9874"));
        assert!(se_organisationsnummer("212000-0142") && !se_organisationsnummer("212000-0143"));
        assert!(no_fodselsnummer("151086 95088") && !no_fodselsnummer("151086 95077"));
        assert!(dk_cpr("211062-5629") && !dk_cpr("321062-5629"));
    }

    #[test]
    fn eastern() {
        assert!(pl_pesel("44051401359") && !pl_pesel("44051401358") && !pl_pesel("44133401358"));
        assert!(
            tr_national_id("10000000146") && !tr_national_id("10000000145") && !tr_national_id("01000000146")
        );
    }
}
