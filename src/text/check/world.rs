//! Numbers that states of the Americas and Africa give to people and firms; those of the United States have a file of
//! their own.

use super::digits;
use super::number::{is_repeated, is_short_date, luhn, number, verhoeff, weighted};

/// A Canadian social insurance number: nine digits, the first neither 0 nor 8, Luhn (Service Canada).
pub(super) fn ca_sin(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 9) else { return false };
    matches!(digits.first(), Some(1..=7 | 9)) && !is_repeated(&digits) && luhn(&digits)
}

/// A South African identity number: a date, a serial number, a digit of citizenship, and Luhn (Department of Home
/// Affairs).
pub(super) fn za_id_number(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 13) else { return false };
    is_short_date(number(&digits, 0, 2), number(&digits, 2, 2), number(&digits, 4, 2))
        && digits.get(10).is_some_and(|citizenship| *citizenship < 3)
        && digits.get(11).is_some_and(|race| *race > 7)
        && luhn(&digits)
}

/// A Nigerian national identification number: eleven digits, Verhoeff (NIMC).
pub(super) fn ng_nin(text: &str) -> bool {
    let digits = digits(text).filter(|digits| digits.len() == 11);
    digits.is_some_and(|digits| !is_repeated(&digits) && verhoeff(&digits))
}

/// A Brazilian tax number of a person: eleven digits, the last two modulo 11 (Receita Federal).
pub(super) fn br_cpf(text: &str) -> bool {
    digits(text).is_some_and(|digits| {
        digits.len() == 11
            && !is_repeated(&digits)
            && brazilian(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2], 9)
            && brazilian(&digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 10)
    })
}

/// A Brazilian tax number of a firm: fourteen digits, the last two modulo 11 (Receita Federal).
pub(super) fn br_cnpj(text: &str) -> bool {
    digits(text).is_some_and(|digits| {
        digits.len() == 14
            && !is_repeated(&digits)
            && brazilian(&digits, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 12)
            && brazilian(&digits, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 13)
    })
}

fn brazilian(digits: &[u32], weights: &[u32], at: usize) -> bool {
    let check = match weighted(digits, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    digits.get(at) == Some(&check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn american() {
        assert!(ca_sin("193-456-787") && !ca_sin("193-456-788") && !ca_sin("046 454 286"));
        assert!(br_cpf("390.533.447-05") && !br_cpf("231.002.999-00") && !br_cpf("111.111.111-11"));
        assert!(br_cnpj("16.727.230/0001-97") && !br_cnpj("16.727.230.0001-98"));
    }

    #[test]
    fn african() {
        assert!(za_id_number("7503305044089") && za_id_number("8001015009087"));
        assert!(!za_id_number("8503305044089") && !za_id_number("8001015009086") && !za_id_number("9125568"));
        assert!(ng_nin("12345678902") && !ng_nin("12345678901") && !ng_nin("11111111111"));
    }
}
