//! Programs that run other programs: what they run is read in turn.

mod awk;
mod builtin;
mod client;
mod each;
mod flags;
mod git;
mod interpreter;
mod printed;
mod remote;
mod runner;
mod sed;
mod shell;
mod user;
mod wrapper;

pub(super) use printed::printed;

use std::sync::Arc;

use super::parse::unescape;
use super::state::State;
use super::word::Word;
use super::{CommandError, Construct, MAX_DEPTH, Redirect, RedirectKind, Simple, names};
use wrapper::Wrapper;

type Result<T> = std::result::Result<T, CommandError>;

/// Reads what a command runs, and adds it behind the command.
pub(super) fn unwrap(state: &mut State, number: usize, depth: usize) -> Result<()> {
    let Some(simple) = state.out.commands.get(number) else { return Ok(()) };
    let Some(program) = &simple.program else { return Ok(()) };
    if depth > MAX_DEPTH {
        return Err(CommandError::TooLarge { what: "nested too deeply" });
    }
    let Some(name) = program.known().map(names::base) else {
        if !program.is_known || program.has_glob {
            state.out.constructs.insert(Construct::Opaque);
        }
        return Ok(());
    };
    let writes = || names::writing_flag(name).filter(|flag| flag.is_among(&simple.words)).map(Family::Writes);
    let family = Family::of(name).or_else(writes);
    let danger = flags::of(name).map(|flags| flags.among(&simple.words)).unwrap_or_default();
    if danger.is_there || is_opaque(simple, name) {
        state.out.constructs.insert(Construct::Opaque);
    }
    let in_variables = codes_in_variables(simple, name);
    if family.is_none() && danger.values.is_empty() && in_variables.is_empty() {
        return Ok(());
    }
    // It stays among the commands, where what it runs may look for it.
    let (name, simple) = (name.to_owned(), simple.clone());
    let mut unwrapping = Unwrapping { state, number, simple: &simple, name: &name, depth };
    for value in danger.values.iter().chain(&in_variables) {
        unwrapping.supposed_codes_of(value)?;
    }
    let Some(family) = family else { return Ok(()) };
    let through = state.through.iter().cloned().chain([Arc::from(name.as_str())]).collect();
    let outer = std::mem::replace(&mut state.through, through);
    let result = Unwrapping { state, number, simple: &simple, name: &name, depth }.run(family);
    state.through = outer;
    result
}

/// How a program runs others.
enum Family {
    Wrapper(Wrapper),
    Shell,
    /// A shell of Windows.
    ForeignShell,
    Eval,
    Trap,
    Alias,
    ReadsLines,
    Source,
    Declare,
    Printf,
    Xargs,
    Parallel,
    Find,
    Watch,
    Flock,
    User,
    Ssh,
    Container,
    Socket,
    Git,
    /// It runs the command among its words in surroundings of its own.
    Runner,
    /// A client of a database.
    Client,
    Sed,
    Awk,
    /// What stands on its standard input is code.
    ReadsCode,
    /// It writes the file that is the value of a flag.
    Writes(names::WritingFlag),
    /// It writes the file that is its second operand.
    WritesSecond,
    /// Of another language, with the flags behind which code stands.
    Interpreter(&'static [&'static str]),
}

impl Family {
    fn of(name: &str) -> Option<Self> {
        if let Some(wrapper) = wrapper::of(name) {
            return Some(Self::Wrapper(wrapper));
        }
        Some(match name {
            name if names::is_shell(name) => Self::Shell,
            "eval" => Self::Eval,
            "trap" => Self::Trap,
            "alias" => Self::Alias,
            "mapfile" | "readarray" => Self::ReadsLines,
            "source" | "." => Self::Source,
            "export" | "declare" | "local" | "typeset" | "readonly" => Self::Declare,
            "printf" => Self::Printf,
            "xargs" => Self::Xargs,
            "parallel" => Self::Parallel,
            "find" | "gfind" | "fd" | "fdfind" => Self::Find,
            "watch" | "entr" => Self::Watch,
            "flock" => Self::Flock,
            "su" | "runuser" | "script" | "sg" => Self::User,
            "ssh" | "mosh" | "rsh" => Self::Ssh,
            "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "lxc" => Self::Container,
            "socat" | "ncat" | "nc" => Self::Socket,
            "git" => Self::Git,
            "sed" | "gsed" => Self::Sed,
            "awk" | "gawk" | "mawk" | "nawk" => Self::Awk,
            "at" | "batch" | "ed" | "red" | "make" | "gmake" | "gdb" | "lldb" => Self::ReadsCode,
            "uniq" | "xxd" => Self::WritesSecond,
            name if runner::is_one(name) => Self::Runner,
            name if client::is_one(name) => Self::Client,
            name if names::foreign_shell(name).is_some() => Self::ForeignShell,
            name => Self::Interpreter(names::code_flags(name)?),
        })
    }
}

struct Unwrapping<'s> {
    state: &'s mut State,
    number: usize,
    simple: &'s Simple,
    name: &'s str,
    depth: usize,
}

impl Unwrapping<'_> {
    fn run(&mut self, family: Family) -> Result<()> {
        let words = self.simple.words.as_slice();
        match family {
            Family::Wrapper(wrapper) => self.wrapper(&wrapper),
            Family::Shell => self.shell(),
            Family::ForeignShell => {
                self.opaque();
                self.supposed_code(words)
            }
            Family::Eval => {
                self.transparent();
                self.joined(words.iter().skip_while(|word| word.text == "--"))
            }
            Family::Trap => self.trap(),
            Family::Alias => self.alias(),
            Family::ReadsLines => match words.iter().position(|word| word.text == "-C") {
                Some(at) => self.joined(words.iter().skip(at + 1).take(1)),
                None => Ok(()),
            },
            Family::Source => self.source(),
            Family::Declare => {
                self.declare();
                Ok(())
            }
            Family::Printf => {
                self.print_into();
                Ok(())
            }
            Family::Xargs => self.xargs(),
            Family::Parallel => self.parallel(),
            Family::Find => self.find(),
            Family::Watch => {
                let rest = self.behind_flags("nd", 0);
                self.joined(rest.iter())
            }
            Family::Flock => {
                let rest = self.behind_flags("wE", 1);
                match rest.first() {
                    Some(flag) if flag.text == "-c" || flag.text == "--command" => {
                        self.joined(rest.iter().skip(1))
                    }
                    Some(_) => self.inner(rest),
                    None => Ok(()),
                }
            }
            Family::User => self.user(),
            Family::Ssh => self.ssh(),
            Family::Container => self.container(),
            Family::Socket => self.socket(),
            Family::Git => self.git(),
            Family::Runner => self.runner(),
            Family::Client => self.client(),
            Family::Sed => {
                let script = sed::read(words);
                if script.escapes {
                    self.opaque();
                }
                let codes: Vec<Word> = script.codes.into_iter().map(Word::new).collect();
                codes.iter().try_for_each(|code| self.supposed_code(std::slice::from_ref(code)))
            }
            Family::Awk => {
                let program = awk::read(words);
                if program.escapes {
                    self.opaque();
                    let texts: Vec<Word> = program.texts.into_iter().take(16).map(Word::new).collect();
                    texts.iter().try_for_each(|text| self.supposed_code(std::slice::from_ref(text)))?;
                    self.runs_given("-f")?;
                }
                Ok(())
            }
            Family::ReadsCode => match self.name {
                "at" | "batch" => self.runs_given(""),
                "ed" | "red" => self.script_of_ed(),
                "make" | "gmake" => self.runs_given("-f"),
                _ => self.runs_given("-x"),
            },
            Family::Writes(flag) => {
                self.files_of_flag(words.len(), flag.short, flag.long, RedirectKind::Write);
                Ok(())
            }
            Family::WritesSecond => {
                self.writes_second();
                Ok(())
            }
            Family::Interpreter(flags) => self.interpreter(flags),
        }
    }

    /// Behind `!` stands code, in each line of what `ed` is given.
    fn script_of_ed(&mut self) -> Result<()> {
        let Some(script) = self.given_text() else { return Ok(()) };
        self.opaque();
        let codes = script.lines().filter_map(|line| line.split_once('!')).map(|(_, code)| code);
        codes.take(64).try_for_each(|code| self.supposed_code(&[Word::new(code)]))
    }

    fn writes_second(&mut self) {
        let valued: &[&str] = match self.name {
            "uniq" => &["-f", "-s", "-w", "--skip-fields", "--skip-chars", "--check-chars"],
            _ => &["-c", "-l", "-g", "-o", "-s", "-n", "-R", "-cols", "-len", "-seek", "-name"],
        };
        let mut words = self.simple.words.iter();
        let mut operands = Vec::new();
        let mut flags_end = false;
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if flags_end || !text.starts_with('-') || text == "-" {
                operands.push(word);
            } else if text == "--" {
                flags_end = true;
            } else if valued.contains(&text) {
                words.next();
            }
        }
        let Some(file) = operands.get(1) else { return };
        let redirect = Redirect { kind: RedirectKind::Write, target: Word::clone(file) };
        if let Some(one) = self.state.out.commands.get_mut(self.number) {
            one.redirects.push(redirect);
        }
        self.state.out.constructs.insert(Construct::Redirect);
    }

    fn opaque(&mut self) {
        self.state.out.constructs.insert(Construct::Opaque);
    }

    /// The program does nothing of its own: what it runs is judged in its place.
    fn transparent(&mut self) {
        let pinned = self.simple.program.as_ref().and_then(Word::known).is_some_and(|program| match program
            .rsplit_once('/')
        {
            None => true,
            Some((folder, _)) => matches!(folder, "/bin" | "/usr/bin" | "/sbin" | "/usr/sbin"),
        });
        if let Some(one) = self.state.out.commands.get_mut(self.number)
            && pinned
        {
            one.is_wrapper = true;
        }
    }

    /// Adds the command that these words are.
    fn inner(&mut self, words: Vec<Word>) -> Result<()> {
        self.inner_with(words, self.simple.assignments.clone())
    }

    fn inner_with(&mut self, words: Vec<Word>, assignments: Vec<(String, Word)>) -> Result<()> {
        let mut words = words.into_iter();
        let program = words.next();
        let simple = Simple {
            assignments,
            program,
            words: words.collect(),
            redirects: self.simple.redirects.clone(),
            span: self.simple.span.clone(),
            sources: self.simple.sources.clone(),
            ..Simple::default()
        };
        self.state.add(simple, self.depth + 1)
    }

    /// The same for a command that may be run.
    fn supposed(&mut self, words: Vec<Word>) -> Result<()> {
        let Self { number, simple, name, depth, .. } = *self;
        self.state.supposing(|state| Unwrapping { state, number, simple, name, depth }.inner(words))
    }

    /// Reads code that the command runs.
    fn code(&mut self, code: &str, is_known: bool) -> Result<()> {
        if !is_known {
            self.opaque();
            return self.state.try_code(code, self.simple.span.clone(), self.depth + 1);
        }
        self.state.code(code, Some(self.simple.span.clone()), self.depth + 1)
    }

    fn joined<'w>(&mut self, words: impl Iterator<Item = &'w Word>) -> Result<()> {
        let mut is_known = true;
        let parts: Vec<&str> = words
            .map(|word| {
                is_known &= word.is_known && !word.has_glob;
                word.text.as_str()
            })
            .collect();
        self.code(&parts.join(" "), is_known)
    }

    /// Code of which it is not certain that this shell runs it, or any: rules that refuse look at it.
    fn supposed_code(&mut self, words: &[Word]) -> Result<()> {
        let code = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let (span, depth) = (self.simple.span.clone(), self.depth + 1);
        self.state.supposing(|state| state.try_code(&code, span, depth))
    }

    /// The text on the command's standard input, where it is a constant of the line.
    fn given_text(&self) -> Option<String> {
        let given = self.simple.redirects.iter().rev().find(|redirect| redirect.kind == RedirectKind::Text);
        match given {
            Some(text) => Some(text.target.text.to_string()),
            None if self.simple.words.first().is_some_and(|file| file.text.starts_with("/dev/fd/")) => {
                self.state.last_text()
            }
            None => self.state.constant_output(&self.state.upstream),
        }
    }

    /// A program that runs what it is given as a shell would: where one of these flags says so, or always.
    fn runs_given(&mut self, flag: &str) -> Result<()> {
        let mut pairs = self.simple.words.iter().zip(self.simple.words.iter().skip(1));
        let is_told = flag.is_empty()
            || self
                .simple
                .words
                .iter()
                .any(|word| matches!(word.text.strip_prefix(flag), Some("-" | "/dev/stdin")))
            || pairs
                .any(|(word, next)| word.text == flag && matches!(next.text.as_str(), "-" | "/dev/stdin"));
        if !is_told || !self.has_input() {
            return Ok(());
        }
        self.opaque();
        self.supposed(vec![Word::new("sh")])
    }

    fn has_input(&self) -> bool {
        !self.state.upstream.is_empty()
            || self.simple.redirects.iter().any(|redirect| {
                matches!(redirect.kind, RedirectKind::Read | RedirectKind::Text | RedirectKind::Duplicate)
            })
    }
}

/// Whether a command runs more than can be read from it, for reasons other than code that it is given.
fn is_opaque(simple: &Simple, name: &str) -> bool {
    let words = simple.words.as_slice();
    simple.assignments.iter().any(|(name, _)| names::changes_what_runs(name))
        || (matches!(name, "tar" | "gtar" | "bsdtar") && flags::old_form_of_tar(words))
        || (matches!(name, "make" | "gmake") && words.iter().any(|word| sets_for_make(&word.text)))
        || (matches!(name, "cargo" | "make" | "gmake" | "npm" | "pnpm" | "yarn" | "go")
            && is_elsewhere(words))
        || (name == "dc" && words.iter().any(|word| word.text.contains('!')))
}

/// Whether a build is told to run what another folder than one below says, or to write there.
fn is_elsewhere(words: &[Word]) -> bool {
    const FLAGS: [&str; 9] = [
        "-C",
        "--directory",
        "--manifest-path",
        "--target-dir",
        "--out-dir",
        "--artifact-dir",
        "--prefix",
        "--cwd",
        "--dir",
    ];
    let leads_out = |path: &str| {
        let path = crate::tool::path::lexical(path.trim_start_matches('='));
        path.starts_with(['/', '~', super::word::UNKNOWN]) || path == ".." || path.starts_with("../")
    };
    let next = words.iter().skip(1).map(Word::text).map(Some).chain([None]);
    words.iter().map(Word::text).take_while(|word| *word != "--").zip(next).any(|(word, next)| {
        let glued = FLAGS.iter().find_map(|flag| word.strip_prefix(flag));
        match glued {
            Some("") => next.is_some_and(leads_out),
            Some(value) => (word.starts_with("-C") || value.starts_with('=')) && leads_out(value),
            None => false,
        }
    })
}

/// A variable of make names programs, or is code by itself; a number is neither.
fn sets_for_make(text: &str) -> bool {
    !text.starts_with('-')
        && text.split_once('=').is_some_and(|(name, value)| {
            name.ends_with([':', '!', '+', '?']) || !value.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Values of variables that a program runs as code.
fn codes_in_variables(simple: &Simple, name: &str) -> Vec<Word> {
    let set =
        simple.assignments.iter().filter(|(name, _)| names::holds_code(name)).map(|(_, value)| value.clone());
    let mut codes: Vec<Word> = set.collect();
    if matches!(name, "export" | "declare" | "typeset" | "local" | "readonly" | "make" | "gmake") {
        codes.extend(simple.words.iter().filter_map(|word| {
            let (name, value) = word.text.split_once('=')?;
            let runs = names::holds_code(name) || value.contains("$(");
            runs.then(|| word.with(value))
        }));
    }
    codes
}
