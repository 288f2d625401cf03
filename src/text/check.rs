//! Named checks: whether a match is more than its shape. Separators (space, dash, dot, slash) do not matter.

mod contact;
mod finance;
mod identity;
mod secret;

/// A check of a matched text.
pub type Check = fn(&str) -> bool;

const TABLE: &[(&str, Check)] = &[
    ("aba", finance::aba),
    ("card", finance::card),
    ("email", contact::email),
    ("entropy", secret::entropy),
    ("iban", finance::iban),
    ("ip", contact::ip),
    ("jwt", secret::jwt),
    ("luhn", finance::luhn),
    ("nhs", identity::nhs),
    ("nino", identity::nino),
    ("phone", contact::phone),
    ("us_itin", identity::us_itin),
    ("us_ssn", identity::us_ssn),
];

/// The names of all checks, in order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    TABLE.iter().map(|(name, _)| *name).collect()
}

/// The check of a name.
#[must_use]
pub fn named(name: &str) -> Option<Check> {
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, check)| *check)
}

/// The digits of a text as numbers; `None` where it holds anything but digits and separators.
fn digits(text: &str) -> Option<Vec<u32>> {
    let mut digits = Vec::with_capacity(20);
    for c in text.trim().chars() {
        match c.to_digit(10) {
            Some(digit) => digits.push(digit),
            None if is_separator(c) => {}
            None => return None,
        }
    }
    Some(digits)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '/' | '\u{2010}'..='\u{2015}')
}
