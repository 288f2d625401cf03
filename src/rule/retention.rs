//! `retention.yaml`: classes of data and how long each is kept. Read and checked here.

mod class;
mod cover;

pub use class::{Class, Data};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Reporter;
use crate::bundle::Period;
use crate::decode::{Entries, List, Spanned};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::event::Stage;

/// The retention classes. The first that matches a piece of data is its class.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence retention (retention.yaml)", deny_unknown_fields)]
pub(crate) struct RetentionSpec {
    /// The classes, in order.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "dialogue", "stages": ["input", "output"], "keep": "30d", "then": "anonymise"}]]))]
    pub(crate) classes: List<ClassSpec>,
    /// Periods of single tenants by class.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"acme": {"dialogue": "14d"}}]))]
    pub(crate) tenants: Entries<Entries<Spanned<Period>>>,
}

/// A class of data.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Class", deny_unknown_fields)]
pub(crate) struct ClassSpec {
    /// Its name.
    #[schemars(extend("examples" = ["dialogue"]))]
    pub(crate) name: Spanned<String>,
    /// Whether it is about contents or about the records of the audit log.
    #[serde(default)]
    #[schemars(extend("default" = "content", "examples" = ["audit"]))]
    pub(crate) what: What,
    /// Stages; all where absent.
    #[serde(default)]
    #[schemars(extend("examples" = [["input", "output"]]))]
    pub(crate) stages: Vec<Stage>,
    /// Tags of findings, any of which makes it match; all data where absent.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["pii"]]))]
    pub(crate) tags: Vec<Spanned<String>>,
    /// Agents; all where absent.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["billing"]]))]
    pub(crate) agents: Vec<Spanned<String>>,
    /// Tools; all where absent.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["transfer"]]))]
    pub(crate) tools: Vec<Spanned<String>>,
    /// How long it is kept, or `never`.
    #[schemars(extend("examples" = ["30d", "never"]))]
    pub(crate) keep: Spanned<Period>,
    /// How long it must be kept, whoever asks for its erasure.
    #[schemars(extend("examples" = ["1d"]))]
    pub(crate) minimum: Option<Spanned<Period>>,
    /// The duty behind `minimum`, as a receipt of an erasure tells it.
    #[schemars(extend("examples" = ["tax law"]))]
    pub(crate) duty: Option<Spanned<String>>,
    /// What happens then.
    #[schemars(extend("examples" = ["shred"]))]
    pub(crate) then: Option<Spanned<Then>>,
    /// From when on.
    #[serde(default)]
    #[schemars(extend("default" = "created", "examples" = ["last_activity"]))]
    pub(crate) from: From,
    /// Whether a tenant may keep it longer than `keep`.
    #[serde(default)]
    #[schemars(extend("examples" = ["allowed"]))]
    pub(crate) longer: Longer,
}

/// What a class is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Texts, arguments and results.
    #[default]
    Content,
    /// Records of the audit log.
    Audit,
}

/// What happens at the end of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Then {
    /// The data is deleted.
    #[default]
    Erase,
    /// What was said and by whom is deleted; role, time and length stay.
    Anonymise,
    /// The data is deleted, and backups forget it soon: the key that it is encrypted under is for a short span of time, and destroyed.
    Shred,
}

/// From when on a period runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum From {
    /// Its creation.
    #[default]
    Created,
    /// The last event of its session.
    LastActivity,
    /// The end of its session.
    SessionEnd,
}

/// Whether a tenant may keep data longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Longer {
    /// No.
    #[default]
    Refused,
    /// Yes.
    Allowed,
}

/// Names that classes may use; `None` where an error keeps some of them from being known.
pub(crate) struct Names<'a> {
    pub(crate) tags: Option<Vec<&'a str>>,
    pub(crate) agents: Option<Vec<&'a str>>,
    pub(crate) tools: Option<Vec<&'a str>>,
}

impl RetentionSpec {
    /// Reports every contradiction.
    pub(crate) fn check(&self, names: &Names<'_>, reporter: &mut Reporter<'_>) {
        for (index, class) in self.classes.0.iter().enumerate() {
            let earlier = self.classes.0.get(..index).unwrap_or_default();
            class.check(earlier, names, reporter);
        }
        for (tenant, periods) in &self.tenants.0 {
            for (class, period) in &periods.0 {
                self.check_tenant(&tenant.value, class, period, reporter);
            }
        }
    }

    fn check_tenant(
        &self,
        tenant: &str,
        name: &Spanned<String>,
        period: &Spanned<Period>,
        reporter: &mut Reporter<'_>,
    ) {
        let Some(class) = self.classes.0.iter().find(|class| class.name.value == name.value) else {
            let known = self.classes.0.iter().map(|class| class.name.value.as_str());
            reporter.push(
                Diagnostic::new(
                    Code::UndeclaredName,
                    format!("no retention class is called `{}`", name.value),
                )
                .at(reporter.span(name.range()), "")
                .maybe_help(did_you_mean(&name.value, known)),
            );
            return;
        };
        if class.what == What::Audit {
            reporter.push(
                Diagnostic::new(
                    Code::RetentionConflict,
                    format!("`{}` is about the records of all tenants", name.value),
                )
                .at(reporter.span(name.range()), "")
                .help("give a tenant whose records are kept for another time a log of its own"),
            );
            return;
        }
        let class_span = reporter.span(class.keep.range());
        let conflict = |message: String, help: &str| {
            Diagnostic::new(Code::RetentionConflict, message)
                .at(reporter.span(period.range()), "")
                .related(class_span.clone(), "of the class")
                .help(help)
        };
        let (keep, asked) = (class.keep.value, period.value);
        if asked > keep && class.longer == Longer::Refused {
            let found = conflict(
                format!("`{tenant}` keeps `{}` for {asked}, longer than the class: {keep}", name.value),
                "a tenant may only shorten, unless the class says `longer: allowed`",
            );
            reporter.push(found);
        } else if class.minimum.as_ref().is_some_and(|minimum| asked < minimum.value) {
            let found = conflict(
                format!("`{tenant}` keeps `{}` for {asked}, less than its minimum", name.value),
                "keep it for the minimum at least, or lower the minimum of the class",
            );
            reporter.push(found);
        }
    }
}

impl ClassSpec {
    fn check(&self, earlier: &[ClassSpec], names: &Names<'_>, reporter: &mut Reporter<'_>) {
        if let Some(first) = earlier.iter().find(|first| first.name.value == self.name.value) {
            let message = format!("two retention classes are called `{}`", self.name.value);
            reporter.push(
                Diagnostic::new(Code::DuplicateName, message)
                    .at(reporter.span(self.name.range()), "again here")
                    .related(reporter.span(first.name.range()), "first here"),
            );
        }
        let lists = [
            ("tag", &self.tags, &names.tags),
            ("agent", &self.agents, &names.agents),
            ("tool", &self.tools, &names.tools),
        ];
        for (kind, list, known) in lists {
            let Some(known) = known else { continue };
            for name in list {
                if !known.contains(&name.value.as_str()) {
                    reporter.push(
                        Diagnostic::new(
                            Code::UndeclaredName,
                            format!("no {kind} is called `{}`", name.value),
                        )
                        .at(reporter.span(name.range()), "")
                        .maybe_help(did_you_mean(&name.value, known.iter().copied())),
                    );
                }
            }
        }
        if let Some(minimum) = &self.minimum
            && minimum.value > self.keep.value
        {
            let message = format!(
                "`{}` must be kept for {} and may be kept for {}",
                self.name.value, minimum.value, self.keep.value
            );
            reporter.push(
                Diagnostic::new(Code::RetentionConflict, message)
                    .at(reporter.span(minimum.range()), "the minimum")
                    .related(reporter.span(self.keep.range()), "the period")
                    .help("make `keep` at least as long as `minimum`"),
            );
        }
        if let (Some(duty), None) = (&self.duty, &self.minimum) {
            let message =
                format!("`{}` names a duty and no time for which it has to be kept", self.name.value);
            reporter.push(
                Diagnostic::new(Code::RetentionConflict, message)
                    .at(reporter.span(duty.range()), "the duty")
                    .help(
                        "add `minimum`, or remove `duty`: without a minimum everything can be erased at once",
                    ),
            );
        }
        if self.keep.value.seconds == 0
            && let Some(then) = &self.then
        {
            let message = format!("`{}` is never kept, so nothing happens to it later", self.name.value);
            reporter.push(
                Diagnostic::new(Code::RetentionConflict, message)
                    .at(reporter.span(then.range()), "what happens then")
                    .related(reporter.span(self.keep.range()), "never kept")
                    .help("remove `then`, or keep it for a time"),
            );
        }
        let whole =
            self.tags.is_empty() && self.tools.is_empty() && self.stages.is_empty() && self.agents.is_empty();
        if self.what == What::Audit && self.keep.value.seconds == 0 {
            reporter.push(
                Diagnostic::new(Code::RetentionConflict, "records of the audit log are kept for a time")
                    .at(reporter.span(self.keep.range()), "never kept")
                    .help("say for how long, or leave out the class: records then stay"),
            );
        }
        if self.what == What::Audit && !(whole && self.then.is_none() && self.from == From::Created) {
            reporter.push(
                Diagnostic::new(Code::RetentionConflict, "records of the audit log are kept as a whole")
                    .at(reporter.span(self.name.range()), "")
                    .help("leave out `stages`, `tags`, `agents`, `tools`, `then` and `from`: removing single records would break the chain"),
            );
        }
        if let Some(first) = earlier.iter().find(|first| first.takes_all_of(self)) {
            let message =
                format!("`{}` is never reached: `{}` takes all of it", self.name.value, first.name.value);
            reporter.push(
                Diagnostic::new(Code::RetentionUnreachable, message)
                    .at(reporter.span(self.name.range()), "never reached")
                    .related(reporter.span(first.name.range()), "takes it first")
                    .help("the first class that matches wins: put the narrower one first"),
            );
        } else if cover::by_all(self, earlier) {
            let message = format!(
                "`{}` is never reached: the classes before it together take all of it",
                self.name.value
            );
            reporter.push(
                Diagnostic::new(Code::RetentionUnreachable, message)
                    .at(reporter.span(self.name.range()), "never reached")
                    .help("the first class that matches wins: put it before them, or remove it"),
            );
        }
    }

    /// Whether everything that `other` matches matches this class too.
    fn takes_all_of(&self, other: &ClassSpec) -> bool {
        fn covers<T: PartialEq>(mine: &[T], others: &[T]) -> bool {
            mine.is_empty() || (!others.is_empty() && others.iter().all(|item| mine.contains(item)))
        }
        let values =
            |list: &[Spanned<String>]| list.iter().map(|name| name.value.clone()).collect::<Vec<_>>();
        self.what == other.what
            && covers(&self.stages, &other.stages)
            && covers(&values(&self.tags), &values(&other.tags))
            && covers(&values(&self.agents), &values(&other.agents))
            && covers(&values(&self.tools), &values(&other.tools))
    }
}
