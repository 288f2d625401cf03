//! `args:` of a tool: what single arguments may be.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Reporter;
use super::find::unsupported;
use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic};
use crate::tool::{
    Access, CommandLine, CommandPolicy, Construct, Glob, PathPolicy, ResolvedPath, Schema, Symlinks,
    UrlPolicy,
};

/// What one argument may be: at most one of `command`, `path` and `url`, and a `schema` besides. A list of texts is
/// checked text by text, but for a command, where it is one command with its words unless `list: lines` says otherwise.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Argument", deny_unknown_fields)]
pub(crate) struct ArgumentSpec {
    /// A command line.
    #[schemars(extend("examples" = [{"allow": ["git status", "ls {path}"], "under": ["."]}]))]
    command: Option<Spanned<CommandSpec>>,
    /// A path.
    #[schemars(extend("examples" = [{"under": ["."]}]))]
    path: Option<Spanned<PathSpec>>,
    /// A URL.
    #[schemars(extend("examples" = [{"hosts": ["*.example.com"]}]))]
    url: Option<Spanned<UrlSpec>>,
    /// JSON Schema (2020-12) of this argument, besides that of the tool.
    #[schemars(extend("examples" = [{"type": "string", "maxLength": 100}]))]
    schema: Option<Spanned<Value>>,
    /// Not yet in this version.
    sql: Option<Spanned<Value>>,
    /// Whether its value may stand in the audit record.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) log: bool,
}

const HOST_HELP: &str = "`*.example.com` is all below example.com, and not example.com itself";

/// What a command line may be.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "CommandArgument", deny_unknown_fields)]
pub(crate) struct CommandSpec {
    /// Patterns, one of which each simple command has to fit: `git status`, `git log **`, `ls -la {path}`, `curl -sS {url}`. Any
    /// command where absent.
    #[schemars(extend("examples" = [["git status", "git log **", "ls {path}"]]))]
    allow: Option<Vec<Spanned<String>>>,
    /// Programs that are refused wherever they stand.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["rm", "sudo"]]))]
    deny_programs: Vec<Spanned<String>>,
    /// Constructs that are allowed; where absent, none beside `allow`, and all without.
    #[schemars(extend("examples" = [["pipe", "glob"]]))]
    constructs: Option<Vec<Construct>>,
    /// Variables that may be set for a command.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["LANG"]]))]
    assignments: Vec<Spanned<String>>,
    /// Folders below which `{path}` and the files of redirections may be.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["."]]))]
    under: Vec<Spanned<String>>,
    /// Hosts that `{url}` may name: `api.example.com`, `*.example.com`. Any public one where absent.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["api.example.com"]]))]
    hosts: Vec<Spanned<String>>,
    /// What a list of texts is.
    #[serde(default)]
    #[schemars(extend("examples" = ["lines"]))]
    list: CommandList,
    /// Command lines that are allowed and refused, proved whenever the bundle is compiled.
    #[schemars(extend("examples" = [{"allow": ["git status"], "refuse": ["git push"]}]))]
    examples: Option<ProofSpec>,
}

/// What a list of texts is, where a command is expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CommandList {
    /// One command: its program and its words, run without a shell.
    #[default]
    Argv,
    /// Command lines, one after the other.
    Lines,
}

/// What a path may be.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "PathArgument", deny_unknown_fields)]
pub(crate) struct PathSpec {
    /// Folders below which it is; relative paths count below a relative folder, as `.` is. Anywhere where empty.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["."]]))]
    under: Vec<Spanned<String>>,
    /// Globs of paths that are refused.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["**/.env"]]))]
    deny: Vec<Spanned<String>>,
    /// What symbolic links on the way may do.
    #[serde(default)]
    #[schemars(extend("examples" = ["refuse"]))]
    symlinks: Symlinks,
    /// What the tool does with it.
    #[serde(default)]
    #[schemars(extend("examples" = ["write"]))]
    access: Access,
    /// Paths that are allowed and refused, proved whenever the bundle is compiled.
    #[schemars(extend("examples" = [{"allow": ["a.txt"], "refuse": ["../a.txt"]}]))]
    examples: Option<ProofSpec>,
}

/// What a URL may be.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "UrlArgument", deny_unknown_fields)]
pub(crate) struct UrlSpec {
    /// Schemes (default `https` and `http`).
    #[schemars(extend("default" = ["https", "http"], "examples" = [["https"]]))]
    schemes: Option<Vec<Spanned<String>>>,
    /// Hosts: names, `*.` and a name for all below it, addresses. Any where empty.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["*.example.com"]]))]
    hosts: Vec<Spanned<String>>,
    /// Ports. Any where empty.
    #[serde(default)]
    #[schemars(extend("examples" = [[443]]))]
    ports: Vec<u16>,
    /// Whether it may lead to addresses that are not public.
    #[serde(default)]
    #[schemars(extend("examples" = ["allow"]))]
    private_addresses: PrivateAddresses,
    /// Bits of entropy per character that a value of the query has at most.
    #[schemars(extend("examples" = [4.5]))]
    query_entropy: Option<Spanned<f64>>,
    /// URLs that are allowed and refused, proved whenever the bundle is compiled.
    #[schemars(extend("examples" = [{"allow": ["https://api.example.com/"], "refuse": ["http://10.0.0.1/"]}]))]
    examples: Option<ProofSpec>,
}

/// Whether addresses that are not public are let through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PrivateAddresses {
    /// They are not.
    #[default]
    Refuse,
    /// They are.
    Allow,
}

/// Values that an argument may and may not have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "ArgumentExamples", deny_unknown_fields)]
pub(crate) struct ProofSpec {
    /// Values that are allowed.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["git status"]]))]
    allow: Vec<Spanned<String>>,
    /// Values that are refused.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["git push"]]))]
    refuse: Vec<Spanned<String>>,
}

/// An argument with what it may be.
#[derive(Debug)]
pub(crate) struct Argument {
    /// JSON Pointer into the arguments.
    pub(crate) pointer: String,
    pub(crate) kind: Kind,
    /// Line of the pointer in `tools.yaml`, from 1.
    pub(crate) line: u32,
}

/// What an argument may be.
#[derive(Debug)]
pub(crate) enum Kind {
    Command { policy: CommandPolicy, list: CommandList },
    Path(PathPolicy),
    Url(UrlPolicy),
    Schema(Schema),
}

impl ArgumentSpec {
    /// Whether it is declared a command, path or URL.
    pub(crate) fn kind_name(&self) -> Option<&'static str> {
        let kinds =
            [("command", self.command.is_some()), ("path", self.path.is_some()), ("url", self.url.is_some())];
        kinds.into_iter().find(|(_, there)| *there).map(|(name, _)| name)
    }

    /// What it may be, and diagnostics for what can't be used.
    pub(crate) fn compile(&self, pointer: &Spanned<String>, reporter: &mut Reporter<'_>) -> Vec<Argument> {
        if let Some(sql) = &self.sql {
            reporter.push(unsupported("sql", reporter, sql.range()));
        }
        let given = [
            self.command.as_ref().map(Spanned::range),
            self.path.as_ref().map(Spanned::range),
            self.url.as_ref().map(Spanned::range),
        ];
        let mut given = given.into_iter().flatten();
        if let (Some(_), Some(second)) = (given.next(), given.next()) {
            reporter.push(
                Diagnostic::new(Code::BadValue, format!("`{}` can't be of two kinds at once", pointer.value))
                    .at(reporter.span(second), "")
                    .help("keep one of `command`, `path` and `url`"),
            );
            return Vec::new();
        }
        if !pointer.value.starts_with('/') {
            // No argument is at such a place, so that what is said of it would never be asked.
            reporter.push(
                Diagnostic::new(Code::BadValue, format!("`{}` is no JSON Pointer", pointer.value))
                    .at(reporter.span(pointer.range()), "")
                    .help(format!("write `/{}`", pointer.value)),
            );
        }
        let line = reporter.line(pointer.start);
        let kinds = [
            self.command.as_ref().and_then(|spec| spec.value.compile(reporter)),
            self.path.as_ref().and_then(|spec| spec.value.compile(reporter)),
            self.url.as_ref().and_then(|spec| spec.value.compile(reporter)),
            self.schema.as_ref().and_then(|schema| compiled_schema(schema, reporter)),
        ];
        let argument = |kind| Argument { pointer: pointer.value.clone(), kind, line };
        kinds.into_iter().flatten().map(argument).collect()
    }
}

fn bad(message: String, at: std::ops::Range<usize>, help: &str, reporter: &mut Reporter<'_>) {
    reporter.push(Diagnostic::new(Code::BadValue, message).at(reporter.span(at), "").help(help));
}

fn compiled_schema(schema: &Spanned<Value>, reporter: &mut Reporter<'_>) -> Option<Kind> {
    match Schema::new(&schema.value) {
        Ok(schema) => Some(Kind::Schema(schema)),
        Err(error) => {
            reporter.push(
                Diagnostic::new(Code::BadSchema, error.to_string())
                    .at(reporter.span(schema.range()), "")
                    .maybe_help(error.help().map(str::to_owned)),
            );
            None
        }
    }
}

fn names(list: &[Spanned<String>]) -> impl Iterator<Item = &str> {
    list.iter().map(|name| name.value.as_str())
}

impl CommandSpec {
    fn compile(&self, reporter: &mut Reporter<'_>) -> Option<Kind> {
        let mut policy = CommandPolicy::any();
        if let Some(allow) = &self.allow {
            let mut is_good = true;
            for pattern in allow {
                if let Err(error) = CommandPolicy::new([pattern.value.as_str()]) {
                    is_good = false;
                    bad(
                        error.to_string(),
                        pattern.range(),
                        "write it as it is typed: `git status`, `git log **`, `ls -la {path}`",
                        reporter,
                    );
                }
                let program = pattern.value.split_whitespace().next().unwrap_or_default();
                if names(&self.deny_programs).any(|denied| denied == program) {
                    is_good = false;
                    bad(
                        format!("`{program}` is one of `deny_programs`, so this never applies"),
                        pattern.range(),
                        "take it out of one of the two",
                        reporter,
                    );
                }
            }
            if !is_good {
                return None;
            }
            policy = CommandPolicy::new(names(allow)).ok()?;
        }
        for program in self.deny_programs.iter().filter(|program| program.value.contains(['/', ' ', '*'])) {
            bad(
                format!("`{}` is not the name of a program", program.value),
                program.range(),
                "write the name without a folder",
                reporter,
            );
        }
        if let Some(constructs) = &self.constructs {
            policy = policy.with_constructs(constructs.iter().copied());
        }
        let mut policy = policy
            .with_deny_programs(names(&self.deny_programs))
            .with_assignments(names(&self.assignments))
            .with_under(names(&self.under));
        let mut is_good = true;
        for host in &self.hosts {
            match policy.clone().with_hosts([host.value.as_str()]) {
                Ok(with) => policy = with,
                Err(error) => {
                    is_good = false;
                    bad(error.to_string(), host.range(), HOST_HELP, reporter);
                }
            }
        }
        if !is_good {
            return None;
        }
        let refuses = |line: &str| match CommandLine::parse(line) {
            Ok(line) => policy.check(&line).map(|refused| refused.message),
            Err(error) => Some(error.to_string()),
        };
        prove(self.examples.as_ref(), refuses, reporter);
        Some(Kind::Command { policy, list: self.list })
    }
}

impl PathSpec {
    fn compile(&self, reporter: &mut Reporter<'_>) -> Option<Kind> {
        let mut globs = Vec::new();
        for glob in &self.deny {
            match Glob::new(&glob.value) {
                Ok(one) => globs.push(one),
                Err(error) => bad(
                    error.to_string(),
                    glob.range(),
                    "`**/.env` is every such file, `/etc/**` a folder with all in it",
                    reporter,
                ),
            }
        }
        for folder in self
            .under
            .iter()
            .filter(|folder| folder.value.is_empty() || folder.value.contains(['*', '\\', '%']))
        {
            bad(
                format!("`{}` is no folder", folder.value),
                folder.range(),
                "write a folder, such as `/srv/data` or `.`; all below it is meant",
                reporter,
            );
        }
        let policy = PathPolicy::under(names(&self.under))
            .with_deny(globs)
            .with_symlinks(self.symlinks)
            .with_access(self.access);
        prove(
            self.examples.as_ref(),
            |path| policy.check(path).err().map(|error| error.to_string()),
            reporter,
        );
        Some(Kind::Path(policy))
    }
}

impl UrlSpec {
    fn compile(&self, reporter: &mut Reporter<'_>) -> Option<Kind> {
        let mut policy = UrlPolicy::default();
        if let Some(schemes) = &self.schemes {
            policy = policy.with_schemes(names(schemes));
        }
        for host in &self.hosts {
            match policy.clone().with_hosts([host.value.as_str()]) {
                Ok(with) => policy = with,
                Err(error) => {
                    bad(error.to_string(), host.range(), HOST_HELP, reporter);
                    return None;
                }
            }
        }
        policy = policy.with_ports(self.ports.iter().copied());
        if self.private_addresses == PrivateAddresses::Allow {
            policy = policy.with_private_addresses();
        }
        if let Some(most) = &self.query_entropy {
            policy = policy.with_query_entropy(most.value);
        }
        prove(self.examples.as_ref(), |url| policy.check(url).err().map(|error| error.to_string()), reporter);
        Some(Kind::Url(policy))
    }
}

/// Holds an argument to its own examples.
fn prove(
    examples: Option<&ProofSpec>,
    refuses: impl Fn(&str) -> Option<String>,
    reporter: &mut Reporter<'_>,
) {
    let Some(examples) = examples else { return };
    for example in &examples.allow {
        if let Some(why) = refuses(&example.value) {
            reporter.push(
                Diagnostic::new(Code::ExampleFails, "an example that should be allowed is refused")
                    .at(reporter.span(example.range()), why),
            );
        }
    }
    for example in &examples.refuse {
        if refuses(&example.value).is_none() {
            reporter.push(
                Diagnostic::new(Code::ExampleFails, "an example that should be refused is allowed")
                    .at(reporter.span(example.range()), "allowed"),
            );
        }
    }
}

impl Kind {
    /// Where a path leads has to be known before it can be used.
    pub(crate) fn needs_resolving(&self) -> bool {
        matches!(self, Kind::Path(policy) if policy.needs_resolving())
    }

    /// Why a path may not be used, now that it is known where it leads.
    pub(crate) fn refuses_resolved(&self, resolved: &ResolvedPath) -> Option<String> {
        match self {
            Kind::Path(policy) => policy.check_resolved(resolved).err().map(|error| error.to_string()),
            _ => None,
        }
    }
}
