//! What tells a secret from a word.

use super::Wrong;

/// Fewest characters of which entropy is asked.
const LEAST: usize = 12;

/// Shannon entropy per character: at least 3.5 bits, 3.0 where all are hexadecimal digits (a UUID too), over 12 characters
/// or more.
pub(super) fn entropy(text: &str) -> bool {
    let text = text.trim();
    let total = text.len();
    if total < LEAST {
        return false;
    }
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of a short text")]
    let share = |count: u32| f64::from(count) / total as f64;
    // Each byte once.
    let once = text.bytes().filter_map(|byte| counts.get_mut(usize::from(byte)).map(std::mem::take));
    let bits: f64 = once.filter(|count| *count > 0).map(|count| -share(count) * share(count).log2()).sum();
    bits >= if are_hexadecimal(text.as_bytes()) { 3.0 } else { 3.5 }
}

/// Whether a text is of hexadecimal digits, in groups or not.
fn are_hexadecimal(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

/// Of what has too little entropy: whether it has too few different bytes for any beginning of it to have more.
pub(super) fn few_bytes(text: &str) -> Option<Wrong> {
    let bytes = text.trim_start().as_bytes();
    let mut seen = [false; 256];
    bytes.iter().for_each(|byte| seen.get_mut(usize::from(*byte)).into_iter().for_each(|seen| *seen = true));
    // log2(7) < 3.0 and log2(11) < 3.5: the latter where no beginning is hexadecimal.
    let few = if are_hexadecimal(bytes.get(..LEAST).unwrap_or(bytes)) { 7 } else { 11 };
    (seen.iter().filter(|seen| **seen).count() <= few).then_some(Wrong::Beginnings)
}

/// A JSON Web Token (RFC 7519) whose header decodes to a JSON object with `alg`.
pub(super) fn jwt(text: &str) -> bool {
    let header = text.trim().split('.').next().and_then(base64url);
    let header = header.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    header.is_some_and(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
}

/// Base64url without padding (RFC 4648, section 5).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        assert!(entropy("x9Fq2LpT7vKd0ZrW") && entropy("9f8a7c6d5e4b3a2f1c0d"));
        assert!(entropy("e1d2f4a6-44b0-4e1d-9d66-0d1f4e2b6a44"));
        assert_eq!(["ATCTT3xFf-ATCTT3xFf-", "abc123abc123abc1"].map(few_bytes), [Some(Wrong::Beginnings); 2]);
        assert_eq!(
            ["example-example-example", "0123456789ab-xyz0000000000"].map(few_bytes),
            [Some(Wrong::Beginnings), None]
        );
        assert!(!entropy("aaaaaaaaaaaaaaaa") && !entropy("password") && !entropy("example-example-example"));
        assert!(jwt("eyJhbGciOiJIUzI1NiJ9.e30.sig"));
        assert!(!jwt("eyJ0eXAiOiJ4In0.e30.sig") && !jwt("abc.def.ghi"));
    }
}
