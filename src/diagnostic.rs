//! What a policy author is told: a stable code, a severity, one line, and where it is.
//!
//! A [`Diagnostic`] is plain data. It is made while a bundle is read and compiled, and rendered by a surface
//! (`ringfence check` prints source excerpts). It never holds text of an event: only what stands in the bundle.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The bundle loads; its author probably meant something else.
    Warning,
    /// The bundle does not load.
    Error,
}

/// A range of bytes in a named source of the bundle, half-open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Name of the source, relative to the bundle's root, with `/` between folders.
    pub file: Arc<str>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range `start..end` of `file`.
    #[must_use]
    pub fn new(file: &Arc<str>, start: usize, end: usize) -> Self {
        Self { file: Arc::clone(file), start, end: end.max(start) }
    }

    /// The beginning of `file`, for what concerns the file as a whole.
    #[must_use]
    pub fn whole(file: &Arc<str>) -> Self {
        Self::new(file, 0, 0)
    }
}

/// A span with the words that stand beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Label {
    /// Where.
    #[serde(flatten)]
    pub span: Span,
    /// What is there; may be empty.
    pub message: String,
}

/// One thing that a policy author should know about their bundle; a line of `check --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnostic {
    /// Stable name of this kind of diagnostic.
    pub code: Code,
    /// Whether the bundle loads in spite of it.
    pub severity: Severity,
    /// One line: what is wrong, the author's own words in backticks.
    pub message: String,
    /// The offender.
    pub primary: Option<Label>,
    /// Other places that explain the verdict: the first declaration, the line that judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Label>,
    /// Further facts, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic with the severity that its code has by default.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// Points at the offender.
    #[must_use]
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.primary = Some(Label { span, message: label.into() });
        self
    }

    /// Points at another place that explains it.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push(Label { span, message: label.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, where there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        if help.is_some() {
            self.help = help;
        }
        self
    }

    /// Whether the bundle can't load with this.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}[{}]: {}", self.code, self.message)?;
        if let Some(label) = &self.primary {
            write!(f, " ({})", label.span.file)?;
        }
        if let Some(help) = &self.help {
            write!(f, "; help: {help}")?;
        }
        Ok(())
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $title:literal),+ $(,)?) => {
        /// Stable name of a kind of diagnostic, as in `error[undeclared-name]`.
        ///
        /// Every code has a folder in `tests/diagnostics/` with a broken bundle and the text that it earns.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $variant),+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The name as printed and as used in `--format json`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// What the code means, in one sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),+ }
            }

            /// The severity that it has unless the finder says otherwise.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity),+ }
            }
        }
    };
}

codes! {
    // Files and YAML.
    BadFile "bad-file" Error "a file of the bundle can't be used: not UTF-8, too large, or not where Ringfence reads such a file",
    MissingManifest "missing-manifest" Error "the bundle has no `ringfence.yaml`",
    UnknownFile "unknown-file" Warning "Ringfence does not read this file, so nothing in it has any effect",
    YamlSyntax "yaml-syntax" Error "the file is not valid YAML",
    YamlLimit "yaml-limit" Error "the file is too deep, has too many values or expands too many aliases",
    UnknownKey "unknown-key" Error "no such key exists here, so it would have no effect",
    DuplicateKey "duplicate-key" Error "the same key stands twice in one mapping",
    MissingKey "missing-key" Error "a required key is missing",
    BadValue "bad-value" Error "the value is not of the kind that this key takes",
    // Names.
    DuplicateName "duplicate-name" Error "two entries of one kind have the same name",
    UndeclaredName "undeclared-name" Error "nothing in the bundle declares this name",
    ReservedName "reserved-name" Error "the name is one that Ringfence itself uses",
    ParentCycle "parent-cycle" Error "an entry is its own ancestor",
    AttributeType "attribute-type" Error "an attribute has no single type across the entries that carry it",
    UnusedName "unused-name" Warning "nothing uses this tool, role, label, rule or fact",
    // Text rules.
    BadPattern "bad-pattern" Error "the regular expression can't be used",
    BadFind "bad-find" Error "the rule does not say in one way what to find",
    BadRule "bad-rule" Error "the parts of a rule do not fit together",
    UnknownCheck "unknown-check" Error "there is no check of this name",
    ExampleFails "example-fails" Error "a rule does not do what its own example says",
    NoNearMiss "no-near-miss" Error "no `ignore` example comes close to the rule",
    KeyRequired "key-required" Error "a rule hashes or pseudonymises, and the host gave no key",
    UnsupportedKind "unsupported-kind" Error "this version can't apply a matcher of this kind",
    // Tools.
    BadSchema "bad-schema" Error "a JSON Schema can't be used",
    // Retention.
    RetentionConflict "retention-conflict" Error "the durations of a retention class contradict each other",
    RetentionUnreachable "retention-unreachable" Error "an earlier class takes everything that this one names",
    // Cedar.
    CedarSyntax "cedar-syntax" Error "the file is not valid Cedar",
    CedarType "cedar-type" Error "the policy does not fit the schema of this bundle",
    NeverApplies "never-applies" Error "the policy can never apply to anything",
    DeadCondition "dead-condition" Error "a part of a condition can never be true",
    Template "template" Error "a policy template is never applied",
    UnknownAttribute "unknown-attribute" Error "nothing that the policy reaches has such an argument or attribute",
    UnknownEnumValue "unknown-enum-value" Error "the argument can never have this value",
    MissingId "missing-id" Error "a policy has no `@id`",
    DuplicateId "duplicate-id" Error "two policies have the same `@id`",
    UnknownAnnotation "unknown-annotation" Error "Ringfence knows no such annotation, so it would have no effect",
    BadAnnotation "bad-annotation" Error "the annotation has a value, or stands on a policy, that it can't have",
    UnscopedPermit "unscoped-permit" Error "a permit does not say which actions it permits",
    UnscopedWaiver "unscoped-waiver" Error "a waiver or reveal does not name a rule or pack in its scope",
    WaiverWithoutEffect "waiver-without-effect" Error "a waiver names rules that are never waived",
    MixedPermit "mixed-permit" Error "a permit mixes `waive` or `reveal` with other actions",
    Confusable "confusable" Error "a policy or a name holds characters that look like others or do not show",
    Expired "expired" Warning "the policy has expired and no longer applies",
    LikeOnPath "like-on-path" Warning "a policy compares a path, URL or command as text",
    InputForbidUnlisted "input-forbid-unlisted" Warning "a forbid that reads arguments never binds unlisted tools",
    UnsafeEnvironment "unsafe-environment" Warning "a variable that commands are given holds a secret, or can make them run something else",
    ShadowBundle "shadow-bundle" Warning "the bundle is in shadow: nothing is enforced",
    // Policy tests.
    BadTest "bad-test" Error "a policy test does not fit together",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The line of a byte of a text, from 1.
#[must_use]
pub(crate) fn line(text: &str, at: usize) -> u32 {
    Lines::new(text).of(at)
}

/// Lines of places in a text. Those that come in order cost one pass over it.
pub(crate) struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u32,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of a byte, from 1.
    pub(crate) fn of(&mut self, at: usize) -> u32 {
        let at = at.min(self.text.len());
        if at < self.at {
            *self = Self::new(self.text);
        }
        let passed = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        let more = passed.iter().filter(|byte| **byte == b'\n').count();
        self.at = at;
        self.line = self.line.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        self.line
    }
}

/// The declared name nearest to `wrong`, where it is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wrong.to_lowercase();
    names
        .into_iter()
        .filter(|name| *name != wrong)
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| {
            let length = wrong.chars().count().max(name.chars().count());
            *distance <= (length / 3).max(1) && *distance < length
        })
        .min_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(b.1)))
        .map(|(_, name)| name)
}

/// `did you mean …?`, where something near is declared.
#[must_use]
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, names).map(|name| format!("did you mean `{name}`?{}", disguise(wrong, name)))
}

/// Which letter of `wrong` is not what it seems, where the two names look the same.
fn disguise(wrong: &str, name: &str) -> String {
    let foreign = |c: char| {
        // Greek to Armenian, Georgian, Cherokee, marks and controls, full width, mathematical letters, tags.
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{300}'..='\u{58f}' | '\u{61c}' | '\u{10a0}'..='\u{10ff}'
                | '\u{13a0}'..='\u{13ff}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' | '\u{e0000}'..='\u{e0fff}')
    };
    if !name.is_ascii() {
        return String::new();
    }
    let Some((at, c)) = wrong.chars().enumerate().find(|(_, c)| foreign(*c)) else { return String::new() };
    let code = u32::from(c);
    match name.chars().nth(at) {
        Some(plain) if wrong.chars().count() == name.chars().count() => {
            format!(" The `{c}` written here is U+{code:04X}, not `{plain}` (U+{:04X})", u32::from(plain))
        }
        _ => format!(" U+{code:04X} stands in what is written here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        let names = ["support", "staff", "engineer"];
        assert_eq!(nearest("suport", names), Some("support"));
        assert_eq!(nearest("Staff", names), Some("staff"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn says_which_letter_is_not_what_it_seems() {
        let said = |wrong: &str| did_you_mean(wrong, ["engineer"]).unwrap();
        assert_eq!(said("enginer"), "did you mean `engineer`?");
        assert!(said("\u{435}ngineer").ends_with("is U+0435, not `e` (U+0065)"));
        assert!(said("engin\u{200b}eer").ends_with("U+200B stands in what is written here"));
    }
}
