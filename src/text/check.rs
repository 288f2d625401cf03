//! Named checks: whether a match is more than its shape. Separators (space, dash, dot, slash, underscore) do not matter.

mod asia_pacific;
mod contact;
mod crypto;
mod date;
mod europe;
mod finance;
mod germany;
mod identity;
mod number;
mod secret;
mod world;

/// A check of a matched text.
pub type Check = fn(&str) -> bool;

const TABLE: &[(&str, Check)] = &[
    ("aba", finance::aba),
    ("au_abn", asia_pacific::au_abn),
    ("au_acn", asia_pacific::au_acn),
    ("au_medicare", asia_pacific::au_medicare),
    ("au_tfn", asia_pacific::au_tfn),
    ("be_national_number", europe::be_national_number),
    ("br_cnpj", world::br_cnpj),
    ("br_cpf", world::br_cpf),
    ("ca_sin", world::ca_sin),
    ("card", finance::card),
    ("ch_ahv", europe::ch_ahv),
    ("cn_resident_id", asia_pacific::cn_resident_id),
    ("crypto", crypto::crypto),
    ("date", date::date),
    ("de_bsnr", germany::de_bsnr),
    ("de_document", germany::de_document),
    ("de_health_insurance", germany::de_health_insurance),
    ("de_lanr", germany::de_lanr),
    ("de_social_security", germany::de_social_security),
    ("de_tax_id", germany::de_tax_id),
    ("de_vat_id", germany::de_vat_id),
    ("dk_cpr", europe::dk_cpr),
    ("email", contact::email),
    ("entropy", secret::entropy),
    ("es_nif", europe::es_nif),
    ("fi_hetu", europe::fi_hetu),
    ("fr_nir", europe::fr_nir),
    ("iban", finance::iban),
    ("ie_pps", europe::ie_pps),
    ("in_aadhaar", asia_pacific::in_aadhaar),
    ("in_gstin", asia_pacific::in_gstin),
    ("ip", contact::ip),
    ("ip_any", contact::ip_any),
    ("it_fiscal_code", europe::it_fiscal_code),
    ("it_vat_code", europe::it_vat_code),
    ("jp_my_number", asia_pacific::jp_my_number),
    ("jwt", secret::jwt),
    ("kr_brn", asia_pacific::kr_brn),
    ("kr_driver_license", asia_pacific::kr_driver_license),
    ("kr_frn", asia_pacific::kr_frn),
    ("kr_rrn", asia_pacific::kr_rrn),
    ("luhn", finance::luhn),
    ("mac", contact::mac),
    ("my_nric", asia_pacific::my_nric),
    ("ng_nin", world::ng_nin),
    ("nhs", identity::nhs),
    ("nino", identity::nino),
    ("nl_bsn", europe::nl_bsn),
    ("no_fodselsnummer", europe::no_fodselsnummer),
    ("phone", contact::phone),
    ("pl_pesel", europe::pl_pesel),
    ("pt_nif", europe::pt_nif),
    ("se_organisationsnummer", europe::se_organisationsnummer),
    ("se_personnummer", europe::se_personnummer),
    ("sg_nric", asia_pacific::sg_nric),
    ("sg_uen", asia_pacific::sg_uen),
    ("th_tnin", asia_pacific::th_tnin),
    ("tr_national_id", europe::tr_national_id),
    ("tr_phone", contact::tr_phone),
    ("uk_driving_licence", identity::uk_driving_licence),
    ("uk_vehicle_registration", identity::uk_vehicle_registration),
    ("us_dea", identity::us_dea),
    ("us_itin", identity::us_itin),
    ("us_npi", identity::us_npi),
    ("us_ssn", identity::us_ssn),
    ("za_id_number", world::za_id_number),
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

/// How much of a text that a check refuses is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Any beginning of it, too.
    Beginnings,
    /// What stands from here on, whatever stands before it.
    From(usize),
}

/// Tells of what a check refused how much of it is wrong, where it can: so that less is tried in its place.
pub(super) type Explain = fn(&str) -> Option<Wrong>;

/// What a check of a name tells so.
pub(super) fn explained(name: &str) -> Option<Explain> {
    match name {
        "email" => Some(contact::wrong_host),
        "entropy" => Some(secret::few_bytes),
        _ => None,
    }
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

/// The letters and digits of a text in upper case, without separators.
fn compact(text: &str) -> Vec<char> {
    text.trim().chars().filter(|c| !is_separator(*c)).map(|c| c.to_ascii_uppercase()).collect()
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '/' | '_' | '\u{2010}'..='\u{2015}')
}
