//! Arithmetic that check digits share.

/// The digits from `from` on as one number.
pub(super) fn number(digits: &[u32], from: usize, length: usize) -> u32 {
    digits.iter().skip(from).take(length).fold(0, |number, digit| number * 10 + digit)
}

/// The sum of digits, each times its weight.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The sum of the digits of a number.
pub(super) fn cross_sum(mut number: u32) -> u32 {
    let mut sum = 0;
    while number > 0 {
        sum += number % 10;
        number /= 10;
    }
    sum
}

/// Whether one digit is all there is.
pub(super) fn is_repeated(digits: &[u32]) -> bool {
    digits.iter().all(|digit| Some(digit) == digits.first())
}

/// The check digit of ISO/IEC 7812-1 (Luhn), over at least two digits that are not all zero.
pub(super) fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| if index % 2 == 0 { *digit } else { cross_sum(digit * 2) })
        .sum();
    digits.len() > 1 && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// The check digit of ISO/IEC 7064, MOD 11,10.
pub(super) fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, digit| {
        let sum = match (digit + product) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// The check digit of J. Verhoeff, "Error detecting decimal codes" (1969).
pub(super) fn verhoeff(digits: &[u32]) -> bool {
    const SHUFFLE: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let shuffled = |digit: u32, times: usize| {
        (0..times).fold(digit, |digit, _| SHUFFLE.get(digit as usize).copied().unwrap_or(digit))
    };
    // The symmetries of a pentagon: below five turns, from five on reflections.
    let then = |one: u32, other: u32| match (one < 5, other < 5) {
        (true, true) => (one + other) % 5,
        (true, false) => (one + other) % 5 + 5,
        (false, true) => (one - other) % 5 + 5,
        (false, false) => (one + 5 - other) % 5,
    };
    let state = digits.iter().rev().enumerate().fold(0, |state, (index, digit)| {
        let digit = shuffled(*digit, index % 8);
        then(state, digit)
    });
    digits.len() > 1 && state == 0
}

/// The check digit of machine-readable travel documents (ICAO 9303, part 3: weights 7, 3, 1), which comes last.
pub(super) fn icao_9303(characters: &[char]) -> bool {
    let Some((check, rest)) = characters.split_last() else { return false };
    let values = rest.iter().zip([7, 3, 1].into_iter().cycle());
    let sum = values.map(|(c, weight)| c.to_digit(36).map(|value| value * weight)).sum::<Option<u32>>();
    sum.is_some() && check.to_digit(10) == sum.map(|sum| sum % 10)
}

/// A day of the Gregorian calendar.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// A day whose century is not told: one that was in 1900 or 2000.
pub(super) fn is_short_date(year: u32, month: u32, day: u32) -> bool {
    is_date(1900 + year, month, day) || is_date(2000 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u32> {
        text.chars().filter_map(|c| c.to_digit(10)).collect()
    }

    #[test]
    fn check_digits() {
        assert!(luhn(&digits("79927398713")) && !luhn(&digits("79927398710")) && !luhn(&digits("0000")));
        assert!(verhoeff(&digits("2363")) && !verhoeff(&digits("2364")) && !verhoeff(&digits("2633")));
        assert!(mod_11_10(&digits("07945")) && !mod_11_10(&digits("07946")));
        let passport: Vec<char> = "L898902C36".chars().collect();
        assert!(icao_9303(&passport) && !icao_9303(&['L', '8', '9']));
    }

    #[test]
    fn days() {
        assert!(
            is_date(2000, 2, 29) && !is_date(1900, 2, 29) && !is_date(2026, 13, 1) && !is_date(2026, 4, 31)
        );
        assert!(is_short_date(0, 2, 29) && !is_short_date(1, 2, 29));
    }
}
