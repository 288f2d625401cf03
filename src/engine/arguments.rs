//! Arguments that are declared a command, a path or a URL: what they may be, and what rules find in them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::find::{Findings, Found, finding};
use super::{Engine, Inner, Tool};
use crate::event::{Body, Event, Stage};
use crate::rule::argument::{Argument, CommandList, Kind};
use crate::rule::{ArgumentFinder, Find, Rule};
use crate::tool::{
    Access, CommandError, CommandIndex, CommandLine, Looked, PathIndex, ResolvedPath, normalised, path_forms,
};
use crate::verdict::{Finding, Reason, ReasonCode};

/// Texts of one argument at most.
const MAX_TEXTS: usize = 1024;

/// Rules about arguments, by what they are about.
#[derive(Debug, Default)]
pub(crate) struct ArgumentRules {
    commands: CommandIndex,
    paths: PathIndex,
    urls: Vec<usize>,
}

impl ArgumentRules {
    pub(crate) fn new(rules: &[Arc<Rule>]) -> Self {
        let (mut commands, mut paths, mut urls) = (Vec::new(), PathIndex::default(), Vec::new());
        for (number, rule) in rules.iter().enumerate() {
            let Find::Argument(finder) = &*rule.find else { continue };
            match &**finder {
                ArgumentFinder::Command(finder) => commands.push((number, &**finder)),
                ArgumentFinder::Path(finder) => paths.add(number, finder),
                ArgumentFinder::Url(_) => urls.push(number),
            }
        }
        Self { commands: CommandIndex::new(commands), paths, urls }
    }
}

/// An argument as it is read.
pub(super) struct Read<'a> {
    argument: &'a Argument,
    /// JSON Pointer into the event.
    field: String,
    what: What<'a>,
}

enum What<'a> {
    Command {
        line: Result<CommandLine, CommandError>,
        is_text: bool,
    },
    Text(&'a str),
    Value(&'a Value),
    /// Neither a text nor a list of texts.
    Other,
}

/// Paths of an event by their place, with where they lead.
pub(crate) type ResolvedPaths = BTreeMap<String, ResolvedPath>;

impl Engine {
    /// Paths of which a host has to say where they lead before the event can be decided: each with its place in the event.
    pub(crate) fn paths_to_resolve(&self, event: &Event) -> Vec<(String, String)> {
        let Some((tool, arguments)) = self.0.declared_call(event) else { return Vec::new() };
        let wanted = tool.arguments.iter().filter(|argument| argument.kind.needs_resolving());
        let read = wanted.flat_map(|argument| read(argument, arguments));
        read.filter_map(|read| match read.what {
            What::Text(path) => normalised(path).ok().map(|path| (read.field, path)),
            _ => None,
        })
        .collect()
    }
}

/// What rules find in arguments, for those who have an argument and no event. `field` of the findings is empty.
impl Engine {
    /// Everything that rules about commands find in a command line.
    #[must_use]
    pub fn scan_command(&self, line: &CommandLine) -> Vec<Finding> {
        self.0.findings_in(Seen::Command(line))
    }

    /// Everything that rules about paths find in a path with which this is done.
    #[must_use]
    pub fn scan_path(&self, path: &str, access: Access) -> Vec<Finding> {
        self.0.findings_in(Seen::Path(path, access))
    }

    /// Everything that rules about URLs find in a URL.
    #[must_use]
    pub fn scan_url(&self, url: &str) -> Vec<Finding> {
        self.0.findings_in(Seen::Url(url))
    }
}

impl Inner {
    fn findings_in(&self, seen: Seen<'_>) -> Vec<Finding> {
        let found = self.find_in(seen).into_iter();
        found
            .filter_map(|(number, span, _)| {
                Some(finding(self.rules.get(number)?, String::new(), span.start, span.end))
            })
            .collect()
    }

    fn declared_call<'a>(&'a self, event: &'a Event) -> Option<(&'a Tool, &'a Value)> {
        match &event.body {
            Body::ToolCall { tool, arguments, .. } => Some((self.tools.get(tool)?, arguments)),
            _ => None,
        }
    }

    /// The arguments of a call that are declared to be of a kind.
    pub(super) fn read_arguments<'a>(&'a self, event: &'a Event) -> Vec<Read<'a>> {
        match self.declared_call(event) {
            Some((tool, arguments)) => {
                tool.arguments.iter().flat_map(|argument| read(argument, arguments)).collect()
            }
            None => Vec::new(),
        }
    }

    /// Everything in which arguments are not what they may be.
    pub(super) fn check_arguments(
        &self,
        event: &Event,
        read: &[Read<'_>],
        paths: &ResolvedPaths,
    ) -> Vec<Reason> {
        let Some((tool, _)) = self.declared_call(event) else { return Vec::new() };
        let refused = read.iter().filter_map(|read| {
            let message = read.refused(paths)?;
            Some(Reason {
                file: Some(tool.file.clone()),
                line: Some(read.argument.line),
                field: Some(read.field.clone()),
                ..Reason::new(ReasonCode::Argument, message)
            })
        });
        refused.collect()
    }

    /// What rules find in arguments.
    pub(super) fn find_in_arguments(&self, read: &[Read<'_>], findings: &mut Findings) {
        for read in read {
            let (seen, is_text) = match (&read.what, &read.argument.kind) {
                (What::Command { line: Ok(line), is_text }, _) => (Seen::Command(line), *is_text),
                (What::Text(path), Kind::Path(policy)) => (Seen::Path(path, policy.access()), true),
                (What::Text(url), Kind::Url(_)) => (Seen::Url(url), true),
                _ => continue,
            };
            for (number, span, part) in self.find_in(seen) {
                let Some(rule) = self.rules.get(number) else { continue };
                let (start, end) = if is_text { (span.start, span.end) } else { (0, 0) };
                findings.found.push(Found {
                    rule: number,
                    finding: finding(rule, read.field.clone(), start, end),
                    matched: None,
                    action: rule.action,
                    part: Some(part).filter(|part| !part.is_empty()),
                });
            }
        }
    }

    /// Rules that find something, where, and in which command.
    fn find_in(&self, seen: Seen<'_>) -> Vec<(usize, Range<usize>, String)> {
        let look = |number: usize, find: &Looks<'_>| {
            let rule = self.rules.get(number).filter(|rule| rule.applies(Stage::ToolCall, None))?;
            match &*rule.find {
                Find::Argument(finder) => {
                    let (span, part) = find(finder)?;
                    Some((number, span, part))
                }
                Find::Text(_) | Find::Threshold(_) => None,
            }
        };
        let all = |numbers: &[usize], find: &Looks<'_>| {
            numbers.iter().filter_map(|&number| look(number, find)).collect()
        };
        let rules = &self.argument_rules;
        match seen {
            Seen::Command(line) => {
                let looked = Looked::new(line);
                let candidates = rules.commands.candidates(&looked);
                let of_rules = candidates.chunk_by(|one, next| one.0 == next.0);
                let found = of_rules.filter_map(|pairs| {
                    let (number, _) = pairs.first()?;
                    look(*number, &|finder| match finder {
                        ArgumentFinder::Command(finder) => {
                            let commands = pairs.iter().map(|(_, command)| *command);
                            let found = finder.search_among(&looked, commands)?;
                            Some((found.span, found.part))
                        }
                        ArgumentFinder::Path(_) | ArgumentFinder::Url(_) => None,
                    })
                });
                found.collect()
            }
            Seen::Path(path, access) => {
                let forms = path_forms(path);
                all(&rules.paths.candidates(&forms), &|finder| match finder {
                    ArgumentFinder::Path(finder) => {
                        finder.fits_in(&forms, access).then(|| (0..path.len(), String::new()))
                    }
                    ArgumentFinder::Command(_) | ArgumentFinder::Url(_) => None,
                })
            }
            Seen::Url(url) => all(&rules.urls, &|finder| match finder {
                ArgumentFinder::Url(finder) => finder.fits(url).then(|| (0..url.len(), String::new())),
                ArgumentFinder::Command(_) | ArgumentFinder::Path(_) => None,
            }),
        }
    }
}

/// Where a rule finds something in an argument, and what it says of that.
type Looks<'f> = dyn Fn(&ArgumentFinder) -> Option<(Range<usize>, String)> + 'f;

/// An argument at which rules look.
enum Seen<'a> {
    Command(&'a CommandLine),
    Path(&'a str, Access),
    Url(&'a str),
}

/// The texts of an argument.
fn read<'a>(argument: &'a Argument, arguments: &'a Value) -> Vec<Read<'a>> {
    let Some(value) = arguments.pointer(&argument.pointer) else { return Vec::new() };
    let field = format!("/arguments{}", argument.pointer);
    let one = |what| vec![Read { argument, field: field.clone(), what }];
    let texts = |items: &'a [Value]| -> Option<Vec<&'a str>> {
        items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().filter(|texts| texts.len() <= MAX_TEXTS)
    };
    match (&argument.kind, value) {
        (Kind::Schema(_), value) => one(What::Value(value)),
        (Kind::Command { .. }, Value::String(text)) => {
            one(What::Command { line: CommandLine::parse(text), is_text: true })
        }
        (Kind::Command { list: CommandList::Argv, .. }, Value::Array(items)) => match texts(items) {
            Some(words) => one(What::Command { line: CommandLine::from_argv(words), is_text: false }),
            None => one(What::Other),
        },
        (Kind::Path(_) | Kind::Url(_), Value::String(text)) => one(What::Text(text)),
        (_, Value::Array(items)) => match texts(items) {
            Some(texts) => {
                let read = texts.into_iter().enumerate().map(|(number, text)| {
                    let what = match argument.kind {
                        Kind::Command { .. } => {
                            What::Command { line: CommandLine::parse(text), is_text: true }
                        }
                        _ => What::Text(text),
                    };
                    Read { argument, field: format!("{field}/{number}"), what }
                });
                read.collect()
            }
            None => one(What::Other),
        },
        // What is not there is for the tool's schema to say.
        (_, Value::Null) => Vec::new(),
        _ => one(What::Other),
    }
}

impl Read<'_> {
    /// Why the argument may not be this.
    fn refused(&self, paths: &ResolvedPaths) -> Option<String> {
        match (&self.argument.kind, &self.what) {
            (_, What::Other) => Some("the argument is neither a text nor a list of texts".to_owned()),
            (_, What::Command { line: Err(error), .. }) => Some(error.to_string()),
            (Kind::Command { policy, .. }, What::Command { line: Ok(line), .. }) => {
                policy.check(line).map(|refused| refused.message)
            }
            (Kind::Path(policy), What::Text(path)) => match policy.check(path) {
                Err(error) => Some(error.to_string()),
                Ok(_) if !policy.needs_resolving() => None,
                Ok(_) => match paths.get(&self.field) {
                    Some(resolved) => self.argument.kind.refuses_resolved(resolved),
                    None => Some("where the path leads was not stated".to_owned()),
                },
            },
            (Kind::Url(policy), What::Text(url)) => policy.check(url).err().map(|error| error.to_string()),
            (Kind::Schema(schema), What::Value(value)) => {
                schema.check(value).into_iter().next().map(|fault| fault.message)
            }
            _ => Some("the argument is not of its declared kind".to_owned()),
        }
    }
}
