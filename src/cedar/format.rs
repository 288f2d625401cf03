//! Cedar text as everybody writes it: laid out by Cedar's own formatter, with comments where they were.

use cedar_policy::PolicySet;
use cedar_policy_formatter::{Config, policies_str_to_pretty};

/// Widest line, in characters.
const LINE_WIDTH: usize = 110;
/// Characters by which a part is set in.
const INDENT_WIDTH: isize = 4;

/// Why a text is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFormatted {
    /// It is not Cedar.
    #[error("it is not valid Cedar")]
    Invalid,
    /// What came of it would not say the same, or lose a comment.
    #[error("the formatter would change more than its layout")]
    Changed,
}

/// The text laid out anew: the same policies in the same order, with every comment.
pub(crate) fn format(text: &str) -> Result<String, NotFormatted> {
    let before: PolicySet = text.parse().map_err(|_| NotFormatted::Invalid)?;
    let config = Config { line_width: LINE_WIDTH, indent_width: INDENT_WIDTH };
    // It compares the policies itself; what it does not look at are comments.
    let formatted = policies_str_to_pretty(text, &config).map_err(|_| NotFormatted::Changed)?;
    let after: PolicySet = formatted.parse().map_err(|_| NotFormatted::Changed)?;
    let json = |policies: PolicySet| policies.to_json().map_err(|_| NotFormatted::Changed);
    let is_same = json(before)? == json(after)? && comments(text) == comments(&formatted);
    if is_same { Ok(formatted) } else { Err(NotFormatted::Changed) }
}

/// The comments of a text, in order.
fn comments(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        let (_, from) = rest.split_at(at);
        if from.starts_with("//") {
            let (comment, behind) = from.split_once('\n').unwrap_or((from, ""));
            all.push(comment.trim_end());
            rest = behind;
        } else if let Some(quoted) = from.strip_prefix('"') {
            rest = behind_quote(quoted);
        } else {
            rest = from.get(1..).unwrap_or_default();
        }
    }
    all
}

/// What stands behind the end of a quoted text.
fn behind_quote(quoted: &str) -> &str {
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '"' if !escaped => return quoted.get(at + 1..).unwrap_or_default(),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_changes_and_nothing_else() {
        let text = "// who\n@id(\"a\") permit(principal in Role::\"user\",action,resource)  // all\n\nwhen{ context.x == \"// no\\\"comment\" };\n// end";
        let formatted = format(text).unwrap();
        assert!(formatted.contains("@id(\"a\")\npermit"), "{formatted}");
        assert_eq!(comments(&formatted), ["// who", "// all", "// end"]);
        assert_eq!(format(&formatted).unwrap(), formatted);
        assert_eq!(format("permit("), Err(NotFormatted::Invalid));
    }

    #[test]
    fn the_default_policies_are_laid_out_so_and_stay_so() {
        for source in
            crate::bundle::Bundle::embedded().sources().filter(|source| source.name.ends_with(".cedar"))
        {
            let formatted = format(&source.text).unwrap();
            assert_eq!(format(&formatted).unwrap(), formatted, "{}", source.name);
            assert_eq!(comments(&formatted), comments(&source.text));
        }
    }
}
