//! Which characters a text holds, so that most patterns are told not to fit it without a look at it.

/// The bytes of a text, those that differ by 64 taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Signs(u64);

impl Signs {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().fold(0, |signs, byte| signs | 1 << (byte & 63)))
    }

    /// With those of another text.
    pub(super) fn and(self, text: &str) -> Self {
        Self(self.0 | Self::of(text).0)
    }

    pub(super) fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether a text with these may have all of those.
    pub(super) fn hold(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }
}

/// A pattern in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    first: String,
    between: Vec<String>,
    /// None where there is no `*`.
    last: Option<String>,
    needs: Signs,
}

impl Wildcard {
    pub(super) fn new(pattern: &str) -> Self {
        let mut parts = pattern.split('*').map(str::to_owned);
        let first = parts.next().unwrap_or_default();
        let last = parts.next_back();
        let between = parts.filter(|part| !part.is_empty()).collect();
        Self { first, between, last, needs: Signs::of(&pattern.replace('*', "")) }
    }

    /// Whether it may fit a text with these.
    pub(super) fn may_fit(&self, signs: Signs) -> bool {
        signs.hold(self.needs)
    }

    pub(super) fn fits(&self, text: &str, signs: Signs) -> bool {
        if !signs.hold(self.needs) {
            return false;
        }
        let Some(mut rest) = text.strip_prefix(self.first.as_str()) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() };
        for part in &self.between {
            match rest.find(part.as_str()) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }

    /// The same for a text at which nothing else looks.
    pub(super) fn fits_text(&self, text: &str) -> bool {
        match self.last {
            Some(_) => self.fits(text, Signs::of(text)),
            None => text == self.first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "é", true),
            ("a*", "a", true),
            ("*a", "ba", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*b*c*", "abxcx", true),
            ("*b*c", "acb", false),
            ("a**b", "ab", true),
            ("é*", "éa", true),
            ("*ab*b", "ab", false),
        ] {
            assert_eq!(Wildcard::new(pattern).fits_text(text), fits, "{pattern} {text}");
        }
    }
}
