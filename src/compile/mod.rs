//! A bundle to an engine, or every diagnostic.

mod change;
mod declared;
mod legible;
mod names;
mod prepared;
mod sandbox;
mod schemas;
mod unused;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bundle::{
    AuditSpec, Bundle, DIRECTORY, DirectorySpec, MANIFEST, ManifestSpec, Mode, RETENTION, ReturnSpec, Role,
    Source, TOOLS, UnlistedSpec,
};
use crate::cedar::{self, Checks, Policies, Unread, Vocabulary};
use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::engine::{ArgumentRules, Engine, Inner, Limits, Named, Nothing, ReturnWhen};
use crate::rule::pack::{self, Examples, Fact, PackSpec, Scope};
use crate::rule::retention::{Names as RetentionNames, RetentionSpec};
use crate::rule::tool::ToolsSpec;
use crate::rule::{Find, Reporter, Rule};
use crate::text::Scanner;
use crate::yaml;

pub(crate) use change::{Changeable, OwnExamples, examples};
use prepared::Prepared;

/// Bytes that an event may have where the manifest says nothing.
const DEFAULT_EVENT_BYTES: u64 = 1 << 20;
/// Milliseconds to decide an event where the manifest says nothing.
const DEFAULT_DECIDE_MS: u64 = 50;

/// A new bundle on trial, where the manifest wants one and says no more.
const DEFAULT_TRIAL_EVENTS: u64 = 100;
const DEFAULT_TRIAL_USERS: u64 = 3;
const DEFAULT_TRIAL_SECONDS: u64 = 600;
/// The longest trial.
const MAX_TRIAL_SECONDS: u64 = 30 * 86_400;

/// What compiling needs beyond the bundle: `CompileOptions::default()`, or with what its methods add.
#[derive(Clone, Default)]
pub struct CompileOptions {
    key: Option<Vec<u8>>,
    trusted: bool,
}

impl CompileOptions {
    /// With the key for hashes and pseudonyms; a bundle that makes such does not compile without one. Whoever knows the
    /// key can test guesses against a hash: keep it as secret as what it hides, and use 32 random bytes.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl std::fmt::Debug for CompileOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompileOptions").field("key", &self.key.as_ref().map(|_| "…")).finish_non_exhaustive()
    }
}

/// A compiled bundle with what its author should know.
#[derive(Debug)]
pub struct Compiled {
    /// The engine.
    pub engine: Engine,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Why a bundle does not compile.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the bundle has {} errors; the first: {}", self.errors(), self.first())]
pub struct CompileError {
    /// Every error and warning.
    pub diagnostics: Vec<Diagnostic>,
}

impl CompileError {
    fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }

    fn first(&self) -> String {
        self.diagnostics
            .iter()
            .find(|diagnostic| diagnostic.is_error())
            .map_or_else(String::new, ToString::to_string)
    }
}

/// Compiles a bundle: reads every file, checks everything, and makes it ready to decide.
///
/// # Errors
/// With every diagnostic where at least one is an error.
pub fn compile(bundle: &Bundle, options: &CompileOptions) -> Result<Compiled, CompileError> {
    compile_with(bundle, options, None)
}

fn compile_with(
    bundle: &Bundle,
    options: &CompileOptions,
    prepared: Option<Prepared>,
) -> Result<Compiled, CompileError> {
    let mut out = Vec::new();
    let engine = Compiler { bundle, options, out: &mut out }.run(prepared);
    out.sort_by_cached_key(|diagnostic: &Diagnostic| {
        (std::cmp::Reverse(diagnostic.severity), diagnostic.primary.as_ref().map(|label| label.span.clone()))
    });
    match engine {
        Some(engine) if !out.iter().any(Diagnostic::is_error) => Ok(Compiled { engine, warnings: out }),
        _ => Err(CompileError { diagnostics: out }),
    }
}

impl Engine {
    /// The default bundle, compiled. Its own build has proved its examples and checked its policies, so that this is
    /// much faster than [`compile`].
    ///
    /// # Errors
    /// Never, unless the build's tests were skipped.
    pub fn embedded() -> Result<Engine, CompileError> {
        Self::of_embedded(&Bundle::embedded())
    }

    /// The same of the default bundle as it was loaded before, or of one with its digest.
    pub(crate) fn of_embedded(bundle: &Bundle) -> Result<Engine, CompileError> {
        let options = CompileOptions { trusted: true, ..CompileOptions::default() };
        compile_with(bundle, &options, Prepared::load()).map(|compiled| compiled.engine)
    }
}

struct Compiler<'a> {
    bundle: &'a Bundle,
    options: &'a CompileOptions,
    out: &'a mut Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn read<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let source = self.bundle.source(name)?;
        let (value, diagnostics) = yaml::read(&source.name, &source.text);
        self.out.extend(diagnostics);
        value
    }

    fn reporter<'r>(&'r mut self, source: &'r Source) -> Reporter<'r> {
        Reporter { file: &source.name, text: &source.text, out: self.out }
    }

    fn errors(&self) -> usize {
        self.out.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }

    fn run(mut self, prepared: Option<Prepared>) -> Option<Engine> {
        self.out.extend_from_slice(self.bundle.problems());
        self.misplaced();
        if self.bundle.source(MANIFEST).is_none() {
            let told =
                |one: &Diagnostic| one.primary.as_ref().is_some_and(|label| &*label.span.file == MANIFEST);
            if self.bundle.problems().iter().any(told) {
                return None;
            }
            self.out.push(
                Diagnostic::new(Code::MissingManifest, "the bundle has no `ringfence.yaml`")
                    .help("`ringfence init DIR` writes a bundle to start from"),
            );
            return None;
        }
        let manifest: ManifestSpec = self.read(MANIFEST)?;
        let before = self.errors();
        let directory: DirectorySpec = if self.bundle.source(DIRECTORY).is_some() {
            self.read(DIRECTORY)?
        } else {
            DirectorySpec::default()
        };
        let directory_unread = self.errors() > before;
        let before = self.errors();
        let tools: ToolsSpec =
            if self.bundle.source(TOOLS).is_some() { self.read(TOOLS)? } else { ToolsSpec::default() };
        let tools_unread = self.errors() > before;
        if manifest.mode.value == Mode::Shadow {
            let file: Arc<str> = MANIFEST.into();
            self.out.push(
                Diagnostic::new(
                    Code::ShadowBundle,
                    "the bundle is in shadow: nothing that it decides is enforced",
                )
                .at(Span::new(&file, manifest.mode.start, manifest.mode.end), "")
                .help("`mode: enforce` puts it into force"),
            );
        }
        self.limits(&manifest);
        let sandbox = sandbox::policy(&manifest.sandbox, self.out);
        let before = self.errors();
        let (digest, pack_names, rules, ready) = match prepared {
            Some(Prepared { digest, packs, rules, scanner, policies }) => {
                (digest, packs, rules, Some((scanner, policies)))
            }
            None => {
                let (names, rules) = self.packs(&manifest);
                (self.bundle.digest().to_owned(), names, rules, None)
            }
        };
        let packs_unread = self.errors() > before;
        let names =
            names::Names::collect(self.bundle, &manifest, &directory, &tools, directory_unread, self.out);
        let before = self.errors();
        let tool_list = self.tools(&tools);
        let tools_unread = tools_unread || self.errors() > before;
        let unread = Unread { directory: directory_unread, packs: packs_unread, tools: tools_unread };
        let agents = self.agents(&directory);
        let vocabulary = names.vocabulary(&manifest, &directory, &tool_list, &pack_names, &rules, unread);
        let retention = self.retention(&vocabulary);
        let (scanner, policies) = ready.unzip();
        let policies = policies.and_then(|policies| cedar::trusted(policies, &vocabulary));
        let policies = policies.or_else(|| self.policies(&vocabulary))?;
        // What has an error is missing here, and so is what it uses.
        if !self.options.trusted && !self.out.iter().any(Diagnostic::is_error) {
            unused::report(self.bundle, &directory, &tools, &vocabulary, &policies, &rules, self.out);
            unused::waivers(&policies, &rules, self.out);
        }
        if self.out.iter().any(Diagnostic::is_error) {
            return None;
        }
        let inventory = Arc::new(declared::inventory(&policies, &rules, &tool_list));
        let cedar_schema = if self.options.trusted {
            String::new()
        } else {
            cedar::schema_text(&vocabulary).unwrap_or_default()
        };
        let numbers = |is: fn(&Find) -> bool| -> Vec<usize> {
            let rules = rules.iter().enumerate().filter(|(_, rule)| is(&rule.find));
            rules.map(|(number, _)| number).collect()
        };
        let thresholds = numbers(|find| matches!(find, Find::Threshold(_)));
        let argument_rules = ArgumentRules::new(&rules);
        let scanner = scanner.unwrap_or_else(|| {
            Scanner::new(rules.iter().enumerate().filter_map(|(number, rule)| Some((number, rule.finder()?))))
        });
        let limits = &manifest.limits;
        Some(Engine(Arc::new(Inner {
            digest,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            mode: manifest.mode.value,
            roles_from: manifest.roles,
            batched_audit: manifest.audit == AuditSpec::Batched,
            refused_calls: manifest.refused_calls,
            limits: Limits {
                event_bytes: limits.event_bytes.as_ref().map_or(DEFAULT_EVENT_BYTES, |size| size.value.0),
                calls: limits.calls.as_ref().map(|limit| limit.value),
                turns: limits.turns.as_ref().map(|limit| limit.value),
                tokens: limits.tokens.as_ref().map(|limit| limit.value),
                decide_ms: limits.decide_ms.as_ref().map_or(DEFAULT_DECIDE_MS, |limit| limit.value),
            },
            return_when: manifest.reload.return_when.as_ref().map(return_when),
            default_labels: manifest.session_default_labels.iter().map(|label| label.value.clone()).collect(),
            sensitive_parameters: manifest.sensitive_parameters.clone(),
            sandbox,
            facts: manifest.facts.0.iter().map(|(name, fact)| (name.value.clone(), fact.missing)).collect(),
            user_attributes: vocabulary.user_attributes.clone(),
            roles: vocabulary.roles.iter().map(|role| role.name.clone()).collect(),
            models: vocabulary.models.iter().map(|model| model.name.clone()).collect(),
            agents: Arc::new(agents),
            users: declared::users(&directory),
            tools: tool_list
                .into_iter()
                .map(|(declared, tool)| (declared.declared.name, Arc::new(tool)))
                .collect(),
            unlisted_reads: match &manifest.unlisted_tools {
                UnlistedSpec::Scalar(_) => None,
                UnlistedSpec::Mapping(unlisted) => {
                    Some(unlisted.reads.iter().map(|label| label.value.clone()).collect())
                }
            },
            thresholds,
            argument_rules: Arc::new(argument_rules),
            scanner: Arc::new(scanner),
            named: Arc::new(Named::default()),
            nothing: Nothing::default(),
            rules,
            policies: Arc::new(policies),
            retention,
            key: self.options.key.clone().unwrap_or_default(),
            inventory,
            cedar_schema: cedar_schema.into(),
        })))
    }

    fn policies(&mut self, vocabulary: &Vocabulary) -> Option<Policies> {
        let policies = self.bundle.with_role(Role::Policies);
        let sources: Vec<cedar::Source> = policies
            .map(|source| cedar::Source { file: Arc::clone(&source.name), text: Arc::clone(&source.text) })
            .collect();
        let checks = if self.options.trusted { Checks::Trusted } else { Checks::Full };
        cedar::compile(&sources, vocabulary, checks, self.out)
    }

    /// Limits that nothing can keep to.
    fn limits(&mut self, manifest: &ManifestSpec) {
        let limits = &manifest.limits;
        let bytes = limits.event_bytes.as_ref().map(|size| (size.value.0, size.range()));
        let count = |limit: &Option<Spanned<u64>>| limit.as_ref().map(|limit| (limit.value, limit.range()));
        let all = [
            ("event_bytes", bytes, "every event is refused"),
            ("calls", count(&limits.calls), "no tool can ever be called"),
            ("turns", count(&limits.turns), "no user message is ever let in"),
            ("tokens", count(&limits.tokens), "every session that states its tokens is refused"),
            ("decide_ms", count(&limits.decide_ms), "every event is refused for taking too long"),
        ];
        for (name, limit, effect) in all {
            let Some((0, at)) = limit else { continue };
            self.out.push(
                Diagnostic::new(Code::BadValue, format!("with `{name}: 0`, {effect}"))
                    .at(Span::new(&MANIFEST.into(), at.start, at.end), "")
                    .help("write a number above 0, or leave the limit out"),
            );
        }
        let Some(spec) = &manifest.reload.return_when else { return };
        let when = return_when(spec);
        let never = "with this number, a bundle is never taken back, or without need";
        let all = [
            (
                spec.more_denied_percent.range(),
                (1..100).contains(&when.percent),
                "write a number from 1 to 99",
            ),
            (range_of(&spec.events), (1..=2000).contains(&when.events), "write a number from 1 to 2000"),
            (range_of(&spec.users), (1..=1000).contains(&when.users), "write a number from 1 to 1000"),
            (
                range_of(&spec.within),
                (1..=MAX_TRIAL_SECONDS).contains(&when.seconds),
                "write a time such as `10m`, 30 days at most",
            ),
        ];
        for (at, _, help) in all.into_iter().filter(|(_, fits, _)| !fits) {
            self.out.push(
                Diagnostic::new(Code::BadValue, never)
                    .at(Span::new(&MANIFEST.into(), at.start, at.end), "")
                    .help(help),
            );
        }
    }

    /// Files that look like policy and are not read, or are of no known kind.
    fn misplaced(&mut self) {
        for source in self.bundle.sources() {
            let diagnostic = match source.role() {
                Role::Misplaced => {
                    let known = [MANIFEST, DIRECTORY, TOOLS, RETENTION];
                    let help = did_you_mean(&source.name, known).unwrap_or_else(|| {
                        "packs are in `packs/*.yaml`, tests in `tests/*.yaml`, policies in `*.cedar` beside the manifest".to_owned()
                    });
                    Diagnostic::new(
                        Code::BadFile,
                        format!("`{}` is not where Ringfence reads such a file", source.name),
                    )
                    .at(Span::whole(&source.name), "")
                    .help(help)
                }
                Role::Unknown => Diagnostic::new(Code::UnknownFile, format!("`{}` is not read", source.name))
                    .at(Span::whole(&source.name), ""),
                _ => continue,
            };
            self.out.push(diagnostic);
        }
    }

    /// The packs' names, and their rules.
    fn packs(&mut self, manifest: &ManifestSpec) -> (Vec<String>, Vec<Arc<Rule>>) {
        let facts: Vec<Fact> = manifest.facts.0.iter().map(Fact::new).collect();
        let examples = if self.options.trusted { Examples::Trust } else { Examples::Prove };
        let has_key = self.options.key.as_ref().is_some_and(|key| !key.is_empty());
        let scope = Scope { facts: &facts, has_key, examples };
        let mut known: Vec<(String, Span)> = Vec::new();
        let mut rules = Vec::new();
        let sources: Vec<&Source> = self.bundle.with_role(Role::Pack).collect();
        for source in sources {
            let Some(spec) = self.read::<PackSpec>(&source.name) else { continue };
            let pack = pack::compile(spec, &scope, &mut self.reporter(source));
            let span = Span::new(&source.name, pack.name.start, pack.name.end);
            if let Some((_, first)) = known.iter().find(|(name, _)| *name == pack.name.value) {
                self.out.push(
                    Diagnostic::new(
                        Code::DuplicateName,
                        format!("two packs are called `{}`", pack.name.value),
                    )
                    .at(span, "again here")
                    .related(first.clone(), "first here"),
                );
                continue;
            }
            known.push((pack.name.value, span));
            rules.extend(pack.rules);
        }
        (known.into_iter().map(|(name, _)| name).collect(), rules)
    }

    fn retention(&mut self, vocabulary: &Vocabulary) -> Vec<crate::rule::Class> {
        let Some(source) = self.bundle.source(RETENTION) else { return Vec::new() };
        let Some(spec) = self.read::<RetentionSpec>(RETENTION) else { return Vec::new() };
        let unread = vocabulary.unread;
        let names = RetentionNames {
            tags: (!unread.packs).then(|| vocabulary.tags.iter().map(String::as_str).collect()),
            agents: (!unread.directory)
                .then(|| vocabulary.agents.iter().map(|agent| agent.name.as_str()).collect()),
            tools: (!unread.tools)
                .then(|| vocabulary.tools.iter().map(|tool| tool.declared.name.as_str()).collect()),
        };
        spec.check(&names, &mut self.reporter(source));
        spec.classes()
    }
}

fn return_when(spec: &ReturnSpec) -> ReturnWhen {
    ReturnWhen {
        percent: spec.more_denied_percent.value,
        events: spec.events.as_ref().map_or(DEFAULT_TRIAL_EVENTS, |events| events.value),
        users: spec.users.as_ref().map_or(DEFAULT_TRIAL_USERS, |users| users.value),
        seconds: spec.within.as_ref().map_or(DEFAULT_TRIAL_SECONDS, |within| within.value.seconds),
    }
}

/// Where a value stands that a file may leave out.
fn range_of<T>(value: &Option<Spanned<T>>) -> std::ops::Range<usize> {
    value.as_ref().map_or(0..0, Spanned::range)
}

/// Tags of all rules, each once.
fn tags(rules: &[Arc<Rule>]) -> Vec<String> {
    let tags: BTreeSet<&str> = rules.iter().flat_map(|rule| rule.tags.iter().map(|tag| &**tag)).collect();
    tags.into_iter().map(str::to_owned).collect()
}
