//! Programs that run other programs: what they run is read in turn.

mod builtin;
mod each;
mod git;
mod interpreter;
mod printed;
mod remote;
mod shell;
mod wrapper;

pub(super) use printed::printed;

use super::parse::unescape;
use super::state::State;
use super::word::Word;
use super::{CommandError, Construct, MAX_DEPTH, RedirectKind, Simple, names};
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
    let family = Family::of(name);
    if is_opaque(simple, name) {
        state.out.constructs.insert(Construct::Opaque);
    }
    let Some(family) = family else { return Ok(()) };
    // It stays among the commands, where what it runs may look for it.
    let (name, simple) = (name.to_owned(), simple.clone());
    let through = state.through.iter().cloned().chain([name.clone()]).collect();
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
    Rsync,
    Socket,
    Git,
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
            "rsync" => Self::Rsync,
            "socat" | "ncat" | "nc" => Self::Socket,
            "git" => Self::Git,
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
            Family::User => {
                let code = words.iter().position(|word| matches!(word.text.as_str(), "-c" | "--command"));
                match code {
                    Some(at) => self.joined(words.iter().skip(at + 1).take(1)),
                    None => words.iter().try_for_each(|word| match word.text.strip_prefix("--command=") {
                        Some(code) => self.code(code, word.is_known),
                        None => Ok(()),
                    }),
                }
            }
            Family::Ssh => self.ssh(),
            Family::Container => self.container(),
            Family::Rsync => self.rsync(),
            Family::Socket => self.socket(),
            Family::Git => self.git(),
            Family::Interpreter(flags) => self.interpreter(flags),
        }
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
            Some(text) => Some(text.target.text.clone()),
            None if self.simple.words.first().is_some_and(|file| file.text.starts_with("/dev/fd/")) => {
                self.state.last_text()
            }
            None => self.state.constant_output(&self.state.upstream),
        }
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
    // `-c` before what git is told to do sets anything that its configuration can, programs to run among it.
    let by_option = || {
        let valued = names::valued_before_subcommand("git");
        let mut words = words.iter().map(Word::text);
        let mut sets = false;
        while let Some(flag) = words.next().filter(|text| text.starts_with('-')) {
            sets |= flag.starts_with("-c");
            if valued.contains(&flag) {
                words.next();
            }
        }
        sets
    };
    let flags = names::flags_that_run(name);
    let runs = |word: &Word| flags.iter().any(|flag| word.text.starts_with(flag));
    simple.assignments.iter().any(|(name, _)| names::changes_what_runs(name))
        || (name == "git" && by_option())
        || (!flags.is_empty() && words.iter().any(runs))
        || (names::has_language(name)
            && words
                .iter()
                .filter(|word| !word.text.starts_with('-'))
                .take(2)
                .any(|word| names::script_escapes(name, &word.text)))
}
