//! A command line, parsed as bash would, down to every simple command that it can reach.

mod find;
mod index;
mod judge;
mod names;
mod parse;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod unwrap;
mod word;

pub use find::{CommandFind, CommandFinder, CommandFound};
pub(crate) use index::CommandIndex;
pub use judge::{CommandPolicy, PatternError, Refused};
pub(crate) use names::changes_what_runs;
pub(crate) use told::Looked;
pub use word::Word;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of a command line at most.
pub const MAX_BYTES: usize = 1 << 16;
/// Constructs within constructs, code within code, at most.
const MAX_DEPTH: usize = 24;
/// Simple commands at most, supposed ones included.
const MAX_COMMANDS: usize = 1024;
/// Words of all commands at most.
const MAX_WORDS: usize = 1 << 14;
/// Files that the commands write at most, each counted as often as it is written.
const MAX_FILES: usize = 1024;
/// Bytes that are parsed in all, code within code counted each time.
const MAX_PARSED: usize = 1 << 19;

/// A command line: every simple command that it can reach, in the order in which they begin.
///
/// ```
/// use ringfence::tool::CommandLine;
///
/// let line = CommandLine::parse("cd src && sudo bash -c 'rm -r x'").unwrap();
/// let programs: Vec<&str> = line.commands().iter().filter_map(|command| command.name()).collect();
/// assert_eq!(programs, ["cd", "sudo", "bash", "rm"]);
/// assert!(CommandLine::parse("echo 'open").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine {
    commands: Vec<Simple>,
    constructs: Constructs,
    functions: Vec<String>,
    /// Whether something else stands around its commands: a condition, a loop, a test, `!`.
    is_compound: bool,
    /// Whether a part of it may run again, or later than where it stands: a loop, a function, a trap.
    repeats: bool,
    /// Whether other shells read other commands in it than bash does.
    is_ambiguous: bool,
}

/// A simple command: what is run, with what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Simple {
    /// `NAME=value` before the program, and those that `env` and its like set.
    pub assignments: Vec<(String, Word)>,
    /// The program as written; none where there are only assignments or redirections.
    pub program: Option<Word>,
    /// The words after it.
    pub words: Vec<Word>,
    /// Its redirections.
    pub redirects: Vec<Redirect>,
    /// Whether it only runs the commands that follow it: `sudo`, `xargs`, `bash -c`.
    pub is_wrapper: bool,
    /// Whether this is what would run if variables still had the values that the line gave them, or what a program
    /// that prints a constant would give. Rules that refuse look at such commands, rules that allow never do.
    pub is_supposed: bool,
    /// The folder to which the line has changed, where it is known.
    pub folder: Option<Arc<str>>,
    /// Wrappers and programs through which it is run: `sudo`, `xargs`, `find`, `bash`.
    pub through: Arc<[Arc<str>]>,
    /// Whether it is started without end, by a function that calls itself or a loop that does not wait.
    pub is_endless: bool,
    /// Where it stands in the line; for code within code, the word that holds it.
    pub span: Range<usize>,
    /// Commands whose output it is given: through a pipe, a substitution or a file that they wrote.
    sources: Vec<usize>,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// What it does.
    pub kind: RedirectKind,
    /// The file, or the text of a here-document.
    pub target: Word,
}

/// What a redirection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectKind {
    /// `<`
    Read,
    /// `>`, `>>`, `>|`, `&>`, `<>`
    Write,
    /// `2>&1`, `<&3`, `>&-`
    Duplicate,
    /// `<<` and `<<<`
    Text,
}

/// What a command line is made of besides simple commands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Construct {
    /// `$(…)`, backticks, `<(…)`, variables and arithmetic: words known only at run time.
    Substitution,
    /// `a | b`
    Pipe,
    /// `> file`, `< file`, `2>&1`
    Redirect,
    /// `a &`
    Background,
    /// `( … )`
    Subshell,
    /// `*.txt`, `{a,b}`
    Glob,
    /// `<<EOF` and `<<<`
    HereDocument,
    /// Code that is not shell, or is known only at run time: `python -c`, `ssh host …`, `curl … | sh`.
    Opaque,
}

impl Construct {
    /// Every construct.
    pub const ALL: [Construct; 8] = [
        Construct::Substitution,
        Construct::Pipe,
        Construct::Redirect,
        Construct::Background,
        Construct::Subshell,
        Construct::Glob,
        Construct::HereDocument,
        Construct::Opaque,
    ];

    /// The name in YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Construct::Substitution => "substitution",
            Construct::Pipe => "pipe",
            Construct::Redirect => "redirect",
            Construct::Background => "background",
            Construct::Subshell => "subshell",
            Construct::Glob => "glob",
            Construct::HereDocument => "here_document",
            Construct::Opaque => "opaque",
        }
    }
}

impl fmt::Display for Construct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of constructs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Constructs(u8);

impl Constructs {
    /// Adds one.
    pub fn insert(&mut self, construct: Construct) {
        self.0 |= 1 << construct as u8;
    }

    /// Whether it is there.
    #[must_use]
    pub fn contains(self, construct: Construct) -> bool {
        self.0 & (1 << construct as u8) != 0
    }

    /// Whether all of them are among others.
    pub(crate) fn is_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// The constructs, in the order of [`Construct::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Construct> {
        Construct::ALL.into_iter().filter(move |construct| self.contains(*construct))
    }
}

impl FromIterator<Construct> for Constructs {
    fn from_iter<I: IntoIterator<Item = Construct>>(constructs: I) -> Self {
        let mut set = Self::default();
        constructs.into_iter().for_each(|construct| set.insert(construct));
        set
    }
}

/// Why a command line is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Longer than [`MAX_BYTES`], or nested or repeated too often.
    #[error("the command line is {what}")]
    TooLarge {
        /// In which way.
        what: &'static str,
    },
    /// Not what bash would accept, or in a form that is not read.
    #[error("the command line does not parse at byte {at}: {what}")]
    Syntax {
        /// The byte at which it went wrong.
        at: usize,
        /// What went wrong.
        what: &'static str,
    },
    /// A command of `cmd` or PowerShell.
    #[error("the command line is of {shell}, which is not read")]
    ForeignShell {
        /// Which shell.
        shell: &'static str,
    },
}

impl CommandLine {
    /// Parses a command line.
    ///
    /// # Errors
    /// Where bash would refuse it, where it holds something that can't be read with certainty, and where it is too
    /// long or too deeply nested.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        parse::line(text)
    }

    /// A command as its program is given it, without a shell.
    ///
    /// # Errors
    /// Where code within it does not parse, and where it is empty or too large.
    pub fn from_argv<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, CommandError> {
        parse::argv(words.into_iter())
    }

    /// Program and arguments, where the line is one simple command of known words and nothing else: it needs no shell.
    #[must_use]
    pub fn plain(&self) -> Option<(&str, Vec<&str>)> {
        let [one] = self.commands() else { return None };
        let plain = self.constructs().iter().next().is_none() && self.functions().is_empty();
        let bare =
            one.assignments.is_empty() && one.redirects.is_empty() && !one.is_wrapper && !one.is_supposed;
        let known: Option<Vec<&str>> = one.words.iter().map(|word| word.known()).collect();
        Some((one.program.as_ref()?.known()?, known?)).filter(|_| plain && bare && !self.is_compound)
    }

    /// The simple commands.
    #[must_use]
    pub fn commands(&self) -> &[Simple] {
        &self.commands
    }

    /// The constructs.
    #[must_use]
    pub fn constructs(&self) -> Constructs {
        self.constructs
    }

    /// Functions that it defines; their bodies are among the commands.
    #[must_use]
    pub fn functions(&self) -> &[String] {
        &self.functions
    }

    /// Every command whose output this one can be given, by any way.
    fn sources_of(&self, number: usize) -> Vec<usize> {
        let mut reached = Vec::new();
        let mut seen = vec![false; self.commands.len()];
        let mut open: Vec<usize> = self.commands.get(number).map_or(Vec::new(), |one| one.sources.clone());
        while let Some(next) = open.pop() {
            if let Some(seen @ false) = seen.get_mut(next) {
                *seen = true;
                reached.push(next);
                open.extend(self.commands.get(next).map_or(&[][..], |one| one.sources.as_slice()));
            }
        }
        reached
    }
}

impl Simple {
    /// The program's name without its folder, where it is known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let program = self.program.as_ref()?.known()?;
        Some(names::base(program))
    }

    /// The program with its words.
    fn all(&self) -> impl Iterator<Item = &Word> {
        self.program.iter().chain(&self.words)
    }
}
