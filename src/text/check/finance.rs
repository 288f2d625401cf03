//! Cards, accounts and routing numbers.

use super::{digits, is_separator, number};

/// The check digit of ISO/IEC 7812-1 (Luhn), over at least two digits that are not all zero.
pub(super) fn luhn(text: &str) -> bool {
    digits(text).is_some_and(|digits| number::luhn(&digits))
}

/// A payment card: prefix and length of a known brand (published issuer ranges), and the Luhn digit.
pub(super) fn card(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let prefix = |length: usize| digits.iter().take(length).fold(0, |number, digit| number * 10 + digit);
    let brand = match (digits.len(), prefix(1), prefix(2), prefix(3), prefix(4)) {
        (13 | 16 | 19, 4, ..) => true,          // Visa
        (16, _, 51..=55, ..) => true,           // Mastercard
        (16, _, _, _, 2221..=2720) => true,     // Mastercard, 2-series
        (15, _, 34 | 37, ..) => true,           // American Express
        (14..=19, _, 36 | 38 | 39, ..) => true, // Diners Club
        (14..=19, _, _, 300..=305, _) => true,  // Diners Club
        (15, _, _, _, 1800 | 2131) => true,     // JCB
        (16..=19, _, 35, ..) => true,           // JCB
        (16..=19, _, 50 | 56..=58, ..) => true, // Maestro
        (16, _, _, _, 2200..=2204) => true,     // Mir
        (16, _, 81 | 82, ..) => true,           // RuPay
        (15, 1, ..) => true,                    // UATP
        (16..=19, 6, ..) => true,               // Discover, UnionPay, Maestro, RuPay
        _ => false,
    };
    brand && number::luhn(&digits)
}

/// An American bank routing number: the checksum of the American Bankers Association, and a first digit that its prefixes
/// have.
pub(super) fn aba(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let sum: u32 = digits.iter().zip([3, 7, 1, 3, 7, 1, 3, 7, 1]).map(|(digit, weight)| digit * weight).sum();
    digits.len() == 9 && sum != 0 && sum.is_multiple_of(10) && matches!(digits.first(), Some(0..=3 | 6..=8))
}

/// Countries of the IBAN registry (SWIFT, ISO 13616) with the length of their numbers.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// An international bank account number: length by country, and 1 modulo 97 (ISO 13616, ISO 7064).
pub(super) fn iban(text: &str) -> bool {
    let compact = || text.trim().chars().filter(|c| !is_separator(*c));
    let mut country = compact().map(|c| u8::try_from(c).unwrap_or_default().to_ascii_uppercase());
    let (Some(one), Some(other)) = (country.next(), country.next()) else { return false };
    let known = IBAN_LENGTHS.iter().find(|(known, _)| known.as_bytes() == [one, other]);
    if known.is_none_or(|(_, length)| *length != compact().count()) {
        return false;
    }
    let mut rearranged = compact().skip(4).chain(compact().take(4));
    let remainder = rearranged.try_fold(0u32, |remainder, c| {
        let value = c.to_digit(36)?;
        Some(if value < 10 { (remainder * 10 + value) % 97 } else { (remainder * 100 + value) % 97 })
    });
    remainder == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards() {
        for good in ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "6011111111111117"] {
            assert!(card(good), "{good}");
        }
        for bad in
            ["4111 1111 1111 1112", "1234 5678 9012 3452", "0000 0000 0000 0000", "4111 1111", "4111x1111"]
        {
            assert!(!card(bad), "{bad}");
        }
    }

    #[test]
    fn accounts() {
        assert!(iban("GB82 WEST 1234 5698 7654 32"));
        assert!(iban("de89370400440532013000"));
        assert!(!iban("GB82 WEST 1234 5698 7654 33"));
        assert!(!iban("ZZ82 WEST 1234 5698 7654 32"));
        assert!(aba("021000021"));
        assert!(!aba("021000022"));
        assert!(!aba("000000000"));
    }
}
