//! Programs that run other programs: what they run is read in turn.

use super::parse::unescape;
use super::state::State;
use super::word::{UNKNOWN, Word};
use super::{CommandError, Construct, MAX_DEPTH, RedirectKind, Simple, names};

type Result<T> = std::result::Result<T, CommandError>;

/// A program that runs the command behind its own words.
struct Wrapper {
    /// Short flags that take a value.
    valued: &'static str,
    /// Words of its own before the command.
    skip: usize,
    /// Whether it does nothing but run the command, as the same user and in the same surroundings.
    is_plain: bool,
}

const fn wrapper(valued: &'static str, skip: usize, is_plain: bool) -> Option<Wrapper> {
    Some(Wrapper { valued, skip, is_plain })
}

fn of(name: &str) -> Option<Wrapper> {
    match name {
        "command" | "builtin" | "nohup" | "setsid" | "coproc" => wrapper("", 0, true),
        "exec" => wrapper("a", 0, true),
        "time" | "gtime" => wrapper("fo", 0, true),
        "nice" => wrapper("n", 0, true),
        "ionice" => wrapper("cnpPu", 0, true),
        "timeout" | "gtimeout" => wrapper("ks", 1, true),
        "stdbuf" => wrapper("ioe", 0, true),
        "env" => wrapper("uCP", 0, true),
        "sudo" => wrapper("CDghpRrTtUu", 0, false),
        "doas" => wrapper("Cu", 0, false),
        "pkexec" | "run0" | "please" => wrapper("u", 0, false),
        "busybox" | "toybox" => wrapper("", 0, false),
        "chrt" | "taskset" | "cpulimit" => wrapper("pTPDlci", 1, false),
        "chroot" | "gosu" | "su-exec" | "setarch" => wrapper("", 1, false),
        "unshare" => wrapper("RSGw", 0, false),
        "nsenter" => wrapper("tSGw", 0, false),
        "setpriv" | "prlimit" | "numactl" | "fakeroot" | "proot" | "firejail" | "xvfb-run" | "unbuffer"
        | "chronic" | "caffeinate" | "dbus-run-session" | "tini" | "dumb-init" | "linux32" | "linux64"
        | "torsocks" | "torify" | "proxychains" | "proxychains4" | "rlwrap" | "winpty" | "catchsegv"
        | "systemd-inhibit" => wrapper("spbrSR", 0, false),
        "systemd-run" => wrapper("pHMuE", 0, false),
        "sshpass" => wrapper("pfde", 0, false),
        "strace" | "ltrace" | "valgrind" => wrapper("oepsuaEIOPSXb", 0, false),
        _ => None,
    }
}

/// Reads what a command runs, and adds it behind the command.
pub(super) fn unwrap(state: &mut State, number: usize, simple: Simple, depth: usize) -> Result<()> {
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
    let name = name.to_owned();
    state.through.push(name.clone());
    let result = Unwrapping { state, number, simple: &simple, name: &name, depth }.run();
    state.through.pop();
    result
}

struct Unwrapping<'s> {
    state: &'s mut State,
    number: usize,
    simple: &'s Simple,
    name: &'s str,
    depth: usize,
}

impl Unwrapping<'_> {
    fn run(&mut self) -> Result<()> {
        let words = self.simple.words.as_slice();
        let is_opaque = self.is_opaque();
        if is_opaque {
            self.state.out.constructs.insert(Construct::Opaque);
        }
        if let Some(wrapper) = of(self.name) {
            return self.wrapper(&wrapper);
        }
        match self.name {
            name if names::is_shell(name) => self.shell(),
            name if names::foreign_shell(name).is_some() => {
                self.opaque();
                self.supposed_code(words)
            }
            "eval" => {
                self.transparent();
                self.joined(words.iter().skip_while(|word| word.text == "--"))
            }
            "trap" => self.trap(),
            "alias" => {
                for word in words {
                    if let Some((_, code)) = word.text.split_once('=') {
                        self.code(code, word.is_known)?;
                    }
                }
                Ok(())
            }
            "mapfile" | "readarray" => match words.iter().position(|word| word.text == "-C") {
                Some(at) => self.joined(words.iter().skip(at + 1).take(1)),
                None => Ok(()),
            },
            "source" | "." => {
                let file = words.first();
                let plain = file
                    .and_then(Word::known)
                    .is_some_and(|file| !file.starts_with("/dev/") && !file.starts_with("/proc/"));
                if !plain {
                    self.opaque();
                    if let Some(text) = self.given_text() {
                        self.state.try_code(&text, self.simple.span.clone(), self.depth + 1)?;
                    }
                }
                Ok(())
            }
            "export" | "declare" | "local" | "typeset" | "readonly" => {
                for word in words {
                    if let Some((name, value)) = word.text.split_once('=')
                        && word.is_known
                    {
                        self.state.variable(name, value.to_owned());
                    }
                }
                let refers = words.iter().any(|word| word.text.starts_with('-') && word.text.contains('n'));
                for word in words.iter().filter(|_| refers) {
                    // A name that stands for another variable is given that one's values.
                    if let Some((name, of)) = word.text.split_once('=') {
                        for value in self.state.values(of) {
                            self.state.variable(name, value);
                        }
                    }
                }
                Ok(())
            }
            "printf" if words.first().is_some_and(|word| word.text == "-v") => {
                if let Some(name) = words.get(1) {
                    let rest =
                        Simple { words: words.get(2..).unwrap_or_default().to_vec(), ..self.simple.clone() };
                    if let Some(value) = printed(&rest) {
                        self.state.variable(&name.text, value);
                    }
                }
                Ok(())
            }
            "xargs" => self.xargs(),
            "parallel" => self.parallel(),
            "find" | "gfind" | "fd" | "fdfind" => self.find(),
            "watch" | "entr" => {
                let rest = self.behind_flags("nd", 0);
                self.joined(rest.iter())
            }
            "flock" => {
                let rest = self.behind_flags("wE", 1);
                match rest.first() {
                    Some(flag) if flag.text == "-c" || flag.text == "--command" => {
                        self.joined(rest.iter().skip(1))
                    }
                    Some(_) => self.inner(rest),
                    None => Ok(()),
                }
            }
            "su" | "runuser" | "script" | "sg" => {
                let code = words.iter().position(|word| matches!(word.text.as_str(), "-c" | "--command"));
                match code {
                    Some(at) => self.joined(words.iter().skip(at + 1).take(1)),
                    None => words.iter().try_for_each(|word| match word.text.strip_prefix("--command=") {
                        Some(code) => self.code(code, word.is_known),
                        None => Ok(()),
                    }),
                }
            }
            "ssh" | "mosh" | "rsh" => {
                let rest = self.behind_flags("BbcDEeFIiJLlmOopQRSWw", 1);
                if rest.is_empty() {
                    return Ok(());
                }
                self.opaque();
                self.supposed_code(&rest)
            }
            "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "lxc" | "chroot" => self.container(),
            "rsync" => {
                let mut next_is_code = false;
                for word in words {
                    let code = if next_is_code {
                        Some(word.text.as_str())
                    } else {
                        word.text.strip_prefix("--rsh=")
                    };
                    if let Some(code) = code {
                        let code = Word { text: code.to_owned(), ..word.clone() };
                        self.supposed_code(&[code])?;
                    }
                    next_is_code = matches!(word.text.as_str(), "-e" | "--rsh");
                }
                Ok(())
            }
            "socat" | "ncat" | "nc" => {
                for word in words {
                    let upper = word.text.to_ascii_uppercase();
                    for sign in ["EXEC:", "SYSTEM:", "--SH-EXEC=", "--EXEC="] {
                        if let Some(at) = upper.find(sign) {
                            let code = word.text.get(at + sign.len()..).unwrap_or_default();
                            let code = code.trim_matches(['\'', '"', '\\']).replace("\\\"", "\"");
                            self.opaque();
                            self.supposed_code(&[Word::new(code)])?;
                        }
                    }
                }
                Ok(())
            }
            "git" => self.git(),
            name => match names::code_flags(name) {
                Some(flags) => self.interpreter(flags),
                None => Ok(()),
            },
        }
    }

    /// Whether the command runs more than can be read from it, for reasons other than code that it is given.
    fn is_opaque(&self) -> bool {
        let words = &self.simple.words;
        let by_setting = self.simple.assignments.iter().any(|(name, _)| {
            matches!(
                name.as_str(),
                "BASH_ENV"
                    | "ENV"
                    | "PROMPT_COMMAND"
                    | "PS4"
                    | "PATH"
                    | "SHELLOPTS"
                    | "BASHOPTS"
                    | "IFS"
                    | "PAGER"
                    | "EDITOR"
                    | "VISUAL"
                    | "BROWSER"
                    | "MANPAGER"
                    | "PERL5OPT"
                    | "PERL5LIB"
                    | "PYTHONSTARTUP"
                    | "PYTHONPATH"
                    | "RUBYOPT"
                    | "NODE_OPTIONS"
                    | "LESSOPEN"
                    | "TAR_OPTIONS"
                    | "RUSTC_WRAPPER"
                    | "MAKEFLAGS"
            ) || ["GIT_", "LD_", "DYLD_", "BASH_FUNC_", "CARGO_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        });
        // `-c` before what git is told to do sets anything that its configuration can, programs to run among it.
        let by_option = self.name == "git" && {
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
        by_setting
            || by_option
            || words.iter().any(|word| names::runs_others(self.name, &word.text))
            || words
                .iter()
                .filter(|word| !word.text.starts_with('-'))
                .take(2)
                .any(|word| names::script_escapes(self.name, &word.text))
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

    /// The words behind flags and their values, `skip` words of the program's own, and assignments.
    fn behind_flags(&self, valued: &str, skip: usize) -> Vec<Word> {
        let mut words = self.simple.words.iter().peekable();
        while let Some(word) = words.peek() {
            let text = word.text.as_str();
            if text == "--" {
                words.next();
                break;
            }
            if !(text.starts_with('-') || (text.starts_with('+') && self.name == "watch")) {
                break;
            }
            words.next();
            let takes_next = if let Some(long) = text.strip_prefix("--") {
                is_valued_long(self.name, long)
            } else {
                // The last flag of a cluster takes its value from the next word, one before it from the cluster.
                text.char_indices()
                    .skip(1)
                    .find(|(_, flag)| valued.contains(*flag))
                    .is_some_and(|(at, flag)| at + flag.len_utf8() == text.len())
            };
            if takes_next {
                words.next();
            }
        }
        words.skip(skip).cloned().collect()
    }

    fn wrapper(&mut self, wrapper: &Wrapper) -> Result<()> {
        let flags: Vec<&str> =
            self.simple.words.iter().map(Word::text).take_while(|text| text.starts_with('-')).collect();
        if self.name == "command" && flags.iter().any(|flag| flag.contains(['v', 'V'])) {
            return Ok(());
        }
        if self.name == "sudo"
            && flags.iter().any(|flag| {
                matches!(
                    *flag,
                    "-e" | "--edit" | "-l" | "-v" | "-k" | "-K" | "-V" | "--version" | "--help" | "-h"
                )
            })
        {
            return Ok(());
        }
        let mut rest = self.behind_flags(wrapper.valued, wrapper.skip);
        let mut is_plain = wrapper.is_plain;
        if self.name == "env" {
            is_plain &= flags.iter().all(|flag| matches!(*flag, "-" | "-i" | "--" | "--ignore-environment"));
            if let Some(words) = self.split_string()? {
                rest = words;
                self.opaque();
            }
        }
        if self.name == "unshare" || self.name == "exec" {
            is_plain &= flags.is_empty();
        }
        let mut assignments = self.simple.assignments.clone();
        if matches!(self.name, "env" | "sudo" | "doas") {
            let end = rest.iter().position(|word| !is_assignment(&word.text)).unwrap_or(rest.len());
            for word in rest.drain(..end) {
                if let Some((name, value)) = word.text.split_once('=') {
                    if word.is_known {
                        self.state.variable(name, value.to_owned());
                        // A function that is handed over by its name in the environment.
                        if name.starts_with("BASH_FUNC_") {
                            let body = value.trim_start().trim_start_matches("()").trim_start().to_owned();
                            self.supposed_code(&[Word::new(body)])?;
                        }
                    }
                    let value = Word { text: value.to_owned(), ..word.clone() };
                    assignments.push((name.to_owned(), value));
                }
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        if is_plain {
            self.transparent();
        }
        self.inner_with(rest, assignments)
    }

    /// The words that `env -S` makes of one.
    fn split_string(&self) -> Result<Option<Vec<Word>>> {
        let words = &self.simple.words;
        for (at, word) in words.iter().enumerate() {
            let text = word.text.as_str();
            let code = if matches!(text, "-S" | "--split-string" | "-vS" | "-iS") {
                words.get(at + 1).map(|next| (next.text.as_str(), at + 2))
            } else {
                text.strip_prefix("-S").or(text.strip_prefix("--split-string=")).map(|code| (code, at + 1))
            };
            if let Some((code, next)) = code {
                let mut split: Vec<Word> =
                    code.split_whitespace().map(|part| Word::new(part.trim_matches(['"', '\'']))).collect();
                split.extend(words.get(next..).unwrap_or_default().iter().cloned());
                return Ok(Some(split));
            }
            if !text.starts_with('-') {
                break;
            }
        }
        Ok(None)
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

    fn shell(&mut self) -> Result<()> {
        let mut words = self.simple.words.iter();
        let (mut has_code, mut reads_input, mut runs_nothing) = (false, true, false);
        let mut code = None;
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if text == "--" || text == "-" {
                code = words.next();
                break;
            }
            if !text.starts_with(['-', '+']) || !word.is_known {
                code = Some(word);
                break;
            }
            if matches!(text, "--rcfile" | "--init-file") {
                self.opaque();
                words.next();
            } else if !text.starts_with("--") {
                has_code |= text.starts_with('-') && text.contains('c');
                reads_input = reads_input && !text.contains('c');
                runs_nothing |= text.contains('n');
                if text.ends_with(['o', 'O']) {
                    words.next();
                }
            }
            if text.starts_with('-') && !text.starts_with("--") && text.contains('s') {
                // What follows are parameters.
                code = None;
                break;
            }
        }
        let rest: Vec<Word> = words.cloned().collect();
        if runs_nothing {
            return Ok(());
        }
        if has_code {
            let Some(code) = code else { return Ok(()) };
            self.transparent();
            let (text, is_known) = (code.text.clone(), code.is_known && !code.has_glob);
            // Parameters are known, or as good as known.
            let (span, depth) = (self.simple.span.clone(), self.depth + 1);
            if !is_known {
                self.opaque();
            }
            return self.state.with_variables(|state| {
                for (number, word) in rest.iter().enumerate().filter(|(_, word)| word.is_known) {
                    state.set(&number.to_string(), word.text.clone());
                }
                let all: Vec<&str> = rest.iter().skip(1).map(|word| word.text.as_str()).collect();
                if !all.is_empty() {
                    state.set("@", all.join(" "));
                    state.set("*", all.join(" "));
                }
                if is_known {
                    state.code(&text, Some(span), depth)
                } else {
                    state.try_code(&text, span, depth)
                }
            });
        }
        if code.is_some_and(|script| {
            script.known().is_none() || script.text.starts_with("/dev/") || script.text.starts_with("/proc/")
        }) {
            // A script that is no file: `bash <(curl …)`, `bash /dev/stdin`.
            self.opaque();
        } else if code.is_some() {
            return Ok(());
        }
        if reads_input && (self.has_input() || code.is_some()) {
            match self.given_text() {
                Some(text) if !text.contains(UNKNOWN) => {
                    self.transparent();
                    let (span, depth) = (self.simple.span.clone(), self.depth + 1);
                    let upstream = std::mem::take(&mut self.state.upstream);
                    let result = self.state.try_code(&text, span, depth);
                    self.state.upstream = upstream;
                    result?;
                }
                Some(text) => {
                    self.opaque();
                    let (span, depth) = (self.simple.span.clone(), self.depth + 1);
                    self.state.try_code(&text, span, depth)?;
                }
                None => self.opaque(),
            }
        }
        Ok(())
    }

    fn trap(&mut self) -> Result<()> {
        let mut words = self.simple.words.iter().filter(|word| word.text != "--");
        match words.next() {
            Some(code)
                if words.next().is_some()
                    && code.text != "-"
                    && !code.text.starts_with('-')
                    && !code.text.is_empty() =>
            {
                self.transparent();
                self.joined(std::iter::once(code))
            }
            _ => Ok(()),
        }
    }

    fn interpreter(&mut self, flags: &[&str]) -> Result<()> {
        let words = &self.simple.words;
        let mut codes: Vec<Word> = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let text = word.text.as_str();
            let is_short_cluster = |flag: &str| {
                // `-Ic'…'`, `-e'…'`: flags without values may stand before the one that takes the code.
                let letter = flag.strip_prefix('-').filter(|letter| letter.len() == 1)?;
                let cluster = text.strip_prefix('-').filter(|cluster| !cluster.starts_with('-'))?;
                let (before, code) = cluster.split_once(letter)?;
                before.bytes().all(|byte| byte.is_ascii_alphabetic()).then_some(code)
            };
            if flags.contains(&text) {
                codes.extend(words.get(at + 1).cloned());
                break;
            }
            let attached = flags.iter().find_map(|flag| {
                text.strip_prefix(flag)
                    .and_then(|rest| rest.strip_prefix('='))
                    .or_else(|| is_short_cluster(flag))
            });
            match attached {
                Some("") => {
                    codes.extend(words.get(at + 1).cloned());
                    break;
                }
                Some(code) => {
                    codes.push(Word { text: code.to_owned(), ..word.clone() });
                    break;
                }
                None if !text.starts_with('-') && text != "eval" => break,
                None => {}
            }
        }
        let has_script = words.iter().any(|word| !word.text.starts_with('-'));
        let reads = codes.is_empty() && (!has_script || words.iter().any(|word| word.text == "-"));
        if reads && self.has_input() {
            self.opaque();
            if let (Some(text), Some(program)) = (self.given_text(), &self.simple.program) {
                return self.supposed(vec![program.clone(), Word::new("-c"), Word::new(text)]);
            }
        }
        if codes.is_empty() {
            return Ok(());
        }
        self.opaque();
        for code in codes {
            self.foreign_code(&code.text)?;
        }
        Ok(())
    }

    /// Texts within code of another language that runs commands: each may be one.
    fn foreign_code(&mut self, code: &str) -> Result<()> {
        const RUNS: &[&str] = &[
            "system",
            "exec",
            "popen",
            "Popen",
            "subprocess",
            "spawn",
            "child_process",
            "shell",
            "`",
            "%x",
            "os.",
            "Kernel",
            "ProcessBuilder",
            "proc_open",
        ];
        if self.name == "fish"
            || names::is_shell(self.name)
            || matches!(self.name, "csh" | "tcsh" | "nu" | "elvish" | "xonsh")
        {
            return self.supposed_code(&[Word::new(code)]);
        }
        if !RUNS.iter().any(|sign| code.contains(sign)) {
            // A line that is no program of the language may be a command all the same.
            return if code.starts_with("rm ") { self.supposed_code(&[Word::new(code)]) } else { Ok(()) };
        }
        let texts = quoted_texts(code);
        let together = texts.join(" ");
        for text in texts.iter().take(16) {
            let decoded = unescape(text).unwrap_or_else(|| text.clone());
            self.supposed_code(&[Word::new(decoded)])?;
            if let Some(plain) = from_base64(text) {
                self.supposed_code(&[Word::new(plain)])?;
            }
        }
        if texts.len() > 1 {
            self.supposed_code(&[Word::new(together)])?;
        }
        Ok(())
    }

    fn xargs(&mut self) -> Result<()> {
        const VALUED: &str = "IJnPLsadERS";
        let rest = self.behind_flags(VALUED, 0);
        let words = &self.simple.words;
        let flags = words.get(..words.len() - rest.len()).unwrap_or_default();
        let mut replaced = None;
        for (at, word) in flags.iter().enumerate() {
            let value = || flags.get(at + 1).map(|word| word.text.clone());
            match word.text.as_str() {
                "-I" | "-J" => replaced = value(),
                "-i" | "--replace" => replaced = Some("{}".to_owned()),
                text => {
                    if let Some(sign) = text.strip_prefix("-I").or(text.strip_prefix("--replace=")) {
                        replaced = Some(sign.to_owned());
                    }
                }
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.transparent();
        let given = self.given_text();
        let with = |given: Option<&str>| -> Vec<Word> {
            let mut words: Vec<Word> = Vec::new();
            for word in &rest {
                match &replaced {
                    Some(sign) if !sign.is_empty() && word.text.contains(sign.as_str()) => {
                        let value = given
                            .map_or(UNKNOWN.to_string(), |given| given.trim_end_matches('\n').to_owned());
                        let is_known = word.is_known && given.is_some();
                        words.push(Word {
                            text: word.text.replace(sign.as_str(), &value),
                            is_known,
                            has_glob: false,
                        });
                    }
                    _ => words.push(word.clone()),
                }
            }
            if replaced.is_none() {
                match given {
                    Some(given) => words.extend(split_input(given).into_iter().map(Word::new)),
                    None => words.push(Word::unknown()),
                }
            }
            words
        };
        let certain = with(None);
        let upstream = std::mem::take(&mut self.state.upstream);
        let mut result = self.inner(certain);
        if let (Some(given), Ok(())) = (given, &result) {
            let words = with(Some(&given));
            result = self.supposed(words);
        }
        self.state.upstream = upstream;
        result
    }

    fn parallel(&mut self) -> Result<()> {
        let rest = self.behind_flags("jSNPILlna", 0);
        let at = rest
            .iter()
            .position(|word| matches!(word.text.as_str(), ":::" | "::::" | ":::+"))
            .unwrap_or(rest.len());
        let (command, given) = rest.split_at(at);
        let mut given: Vec<String> = given
            .iter()
            .filter(|word| !word.text.starts_with(":::"))
            .take(8)
            .map(|word| word.text.clone())
            .collect();
        if given.is_empty() {
            given.extend(
                self.given_text()
                    .into_iter()
                    .flat_map(|text| text.lines().take(8).map(str::to_owned).collect::<Vec<_>>()),
            );
        }
        self.opaque();
        let template = command.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        if given.is_empty() {
            given.push(UNKNOWN.to_string());
        }
        for value in given {
            let code = if template.is_empty() {
                value
            } else if template.contains('{') {
                let mut code = template.clone();
                for sign in ["{}", "{.}", "{1}", "{2}", "{3}", "{/}", "{//}"] {
                    code = code.replace(sign, &value);
                }
                code
            } else {
                format!("{template} {value}")
            };
            self.supposed_code(&[Word::new(code)])?;
        }
        Ok(())
    }

    fn find(&mut self) -> Result<()> {
        let words = &self.simple.words;
        let roots: Vec<&Word> =
            words.iter().take_while(|word| !word.text.starts_with(['-', '(', '!'])).take(4).collect();
        let roots: Vec<Word> = roots.into_iter().cloned().collect();
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            if !matches!(
                word.text.as_str(),
                "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch"
            ) {
                continue;
            }
            let mut command: Vec<Word> = Vec::new();
            while let Some(word) = words.get(at) {
                at += 1;
                if word.text == ";"
                    || (word.text == "+" && command.last().is_some_and(|last| last.text == "{}"))
                {
                    break;
                }
                command.push(word.clone());
            }
            let with = |value: &Word| -> Vec<Word> {
                let fill = |word: &Word| match word.text.contains("{}") {
                    true => Word {
                        text: word.text.replace("{}", &value.text),
                        is_known: value.is_known && word.is_known,
                        has_glob: false,
                    },
                    false => word.clone(),
                };
                command.iter().map(fill).collect()
            };
            if command.is_empty() {
                continue;
            }
            self.inner(with(&Word::unknown()))?;
            for root in &roots {
                // Where everything below a folder is handed over, the folder may be as well.
                let words = with(root);
                self.supposed(words)?;
            }
        }
        Ok(())
    }

    /// `docker exec NAME command`, `docker run IMAGE command`, `kubectl exec NAME -- command`.
    fn container(&mut self) -> Result<()> {
        let words = &self.simple.words;
        let verb = words.iter().position(|word| matches!(word.text.as_str(), "exec" | "run"));
        let Some(verb) = verb else { return Ok(()) };
        let dashes = words.iter().position(|word| word.text == "--");
        let rest: Vec<Word> = match dashes {
            Some(at) => words.iter().skip(at + 1).cloned().collect(),
            None if self.name == "kubectl" || self.name == "oc" => Vec::new(),
            None => {
                let mut rest = words.iter().skip(verb + 1).peekable();
                while let Some(word) = rest.next_if(|word| word.text.starts_with('-')) {
                    let valued = [
                        "-e",
                        "-v",
                        "-u",
                        "-w",
                        "-p",
                        "-h",
                        "-l",
                        "-m",
                        "-c",
                        "--name",
                        "--env",
                        "--volume",
                        "--user",
                        "--workdir",
                        "--network",
                        "--entrypoint",
                        "--publish",
                        "--mount",
                    ];
                    if valued.contains(&word.text.as_str()) {
                        rest.next();
                    }
                }
                rest.skip(1).cloned().collect()
            }
        };
        if rest.is_empty() {
            return Ok(());
        }
        self.opaque();
        self.supposed(rest)
    }

    /// `git -c alias.x='!code'`, and what `bisect run`, `rebase --exec` and `submodule foreach` run.
    fn git(&mut self) -> Result<()> {
        let words = &self.simple.words;
        for word in words {
            if let Some((_, code)) = word.text.split_once("=!") {
                self.opaque();
                self.supposed_code(&[Word::new(code)])?;
            }
        }
        let texts: Vec<&str> = words.iter().map(Word::text).collect();
        let at = texts
            .windows(2)
            .position(|pair| matches!(pair, ["bisect", "run"] | ["submodule", "foreach"]))
            .map(|at| at + 2);
        let at = at.or(texts
            .iter()
            .position(|text| matches!(*text, "--exec" | "--tree-filter" | "--index-filter"))
            .map(|at| at + 1));
        match at.and_then(|at| words.get(at..)) {
            Some(code) if !code.is_empty() => {
                self.opaque();
                self.supposed_code(code)
            }
            _ => Ok(()),
        }
    }
}

fn is_valued_long(name: &str, long: &str) -> bool {
    let flags: &[&str] = match name {
        "sudo" => &[
            "user",
            "group",
            "host",
            "prompt",
            "chdir",
            "chroot",
            "role",
            "type",
            "other-user",
            "close-from",
            "command-timeout",
        ],
        "env" => &["unset", "chdir", "split-string"],
        "nice" => &["adjustment"],
        "timeout" => &["kill-after", "signal"],
        "stdbuf" => &["input", "output", "error"],
        "xargs" => &[
            "max-args",
            "max-procs",
            "max-lines",
            "max-chars",
            "arg-file",
            "delimiter",
            "eof",
            "process-slot-var",
        ],
        "parallel" => &[
            "jobs",
            "sshlogin",
            "results",
            "joblog",
            "arg-file",
            "delimiter",
            "colsep",
            "timeout",
            "workdir",
            "tmpdir",
            "max-args",
        ],
        "flock" => &["timeout", "wait", "conflict-exit-code"],
        "time" => &["format", "output"],
        "systemd-run" => {
            &["unit", "property", "uid", "gid", "working-directory", "setenv", "slice", "description"]
        }
        _ => &[],
    };
    flags.contains(&long)
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && !name.starts_with('-') && !name.contains(['/', ' ']))
}

/// What `echo` and `printf` print, where that is known.
pub(super) fn printed(simple: &Simple) -> Option<String> {
    let known = |word: &Word| word.known().map(str::to_owned);
    match simple.name()? {
        // A new file or folder, of which only the place is known.
        "mktemp"
            if simple
                .words
                .iter()
                .all(|word| matches!(word.text.as_str(), "-d" | "-t" | "--directory" | "-q")) =>
        {
            Some("/tmp/tmp.new".to_owned())
        }
        "echo" => {
            let mut words = simple.words.iter().peekable();
            let (mut escapes, mut breaks) = (false, true);
            while let Some(flag) = words.next_if(|word| {
                word.text.strip_prefix('-').is_some_and(|flags| {
                    !flags.is_empty() && flags.bytes().all(|flag| b"neE".contains(&flag))
                })
            }) {
                escapes = (escapes || flag.text.contains('e')) && !flag.text.contains('E');
                breaks &= !flag.text.contains('n');
            }
            let words: Option<Vec<String>> = words.map(known).collect();
            let text = words?.join(" ");
            let text = if escapes { unescape(&text)? } else { text };
            Some(if breaks { text + "\n" } else { text })
        }
        "printf" => {
            let mut words = simple.words.iter().skip_while(|word| word.text == "--");
            let format = unescape(words.next()?.known()?)?;
            let mut values = words.map(known).collect::<Option<Vec<String>>>()?.into_iter();
            let mut text = String::new();
            let parts: Vec<&str> = format.split('%').collect();
            let mut parts = parts.into_iter();
            text.push_str(parts.next()?);
            let mut literal = false;
            for part in parts {
                if std::mem::take(&mut literal) {
                    text.push_str(part);
                    continue;
                }
                match part.chars().next() {
                    Some('s') => text.push_str(&values.next().unwrap_or_default()),
                    Some('b') => text.push_str(&unescape(&values.next().unwrap_or_default())?),
                    None => {
                        text.push('%');
                        literal = true;
                        continue;
                    }
                    _ => return None,
                }
                text.push_str(part.get(1..)?);
            }
            Some(text)
        }
        _ => None,
    }
}

/// Words of standard input as `xargs` splits them.
fn split_input(text: &str) -> Vec<String> {
    text.split_whitespace().take(64).map(|word| word.trim_matches(['\'', '"']).to_owned()).collect()
}

/// Texts between quotes in code.
fn quoted_texts(code: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut signs = code.char_indices();
    while let Some((start, quote)) = signs.next() {
        if !matches!(quote, '\'' | '"' | '`') {
            continue;
        }
        let mut escaped = false;
        for (end, sign) in signs.by_ref() {
            if escaped {
                escaped = false;
            } else if sign == '\\' {
                escaped = true;
            } else if sign == quote {
                texts.extend(code.get(start + 1..end).filter(|text| !text.is_empty()).map(str::to_owned));
                break;
            }
        }
    }
    texts
}

/// A text that base64 stands for.
fn from_base64(text: &str) -> Option<String> {
    if text.len() < 8 || text.len() > 4096 {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    text.chars().all(|sign| !sign.is_control() || sign == '\n').then_some(text)
}
