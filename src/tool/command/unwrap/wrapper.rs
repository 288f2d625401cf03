//! Programs that run the command behind their own words: `sudo`, `env`, `timeout`.

use super::{Result, Unwrapping};
use crate::tool::command::{Construct, Redirect, RedirectKind, Word};

/// A program that runs the command behind its own words.
pub(super) struct Wrapper {
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

pub(super) fn of(name: &str) -> Option<Wrapper> {
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

impl Unwrapping<'_> {
    /// The words behind flags and their values, `skip` words of the program's own, and assignments.
    pub(super) fn behind_flags(&self, valued: &str, skip: usize) -> Vec<Word> {
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

    pub(super) fn wrapper(&mut self, wrapper: &Wrapper) -> Result<()> {
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
        if matches!(self.name, "time" | "gtime") {
            // A program of its own, unlike the word of the shell: it can write.
            is_plain &= flags
                .iter()
                .all(|flag| matches!(*flag, "-p" | "-v" | "-q" | "--verbose" | "--portability" | "--quiet"));
            let own = self.simple.words.len().saturating_sub(rest.len());
            self.files_of_flag(own, 'o', "--output", RedirectKind::Write);
        }
        if self.name == "env" {
            is_plain &= flags.iter().all(|flag| matches!(*flag, "-" | "-i" | "--" | "--ignore-environment"));
            if let Some(words) = self.split_string() {
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
                    let value = word.with(value);
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
        let folder = match self.name {
            "env" | "sudo" => self.chdir().map(|folder| crate::tool::path::lexical(folder).into()),
            _ => None,
        };
        let Some(folder) = folder else { return self.inner_with(rest, assignments) };
        let before = self.state.folder.replace(folder);
        let result = self.inner_with(rest, assignments);
        self.state.folder = before;
        result
    }

    /// The values of a flag among its first words are files, as if they stood behind a redirection.
    pub(super) fn files_of_flag(&mut self, own: usize, short: char, long: &str, kind: RedirectKind) {
        let words = self.simple.words.get(..own).unwrap_or_default();
        let mut files = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let next = || words.get(at + 1).cloned();
            let text = word.text.as_str();
            let glued = |rest: &str| word.with(rest);
            if text.starts_with("--") {
                let (flag, value) =
                    text.split_once('=').map_or((text, None), |(flag, value)| (flag, Some(value)));
                // Programs take the beginning of a long flag for all of it.
                if flag.len() > 2 && long.starts_with(flag) {
                    files.extend(value.map(glued).or_else(next));
                }
            } else if let Some((_, rest)) = text.strip_prefix('-').and_then(|flags| flags.split_once(short)) {
                files.extend(if rest.is_empty() { next() } else { Some(glued(rest)) });
            }
        }
        if files.is_empty() {
            return;
        }
        self.state.out.constructs.insert(Construct::Redirect);
        if let Some(one) = self.state.out.commands.get_mut(self.number) {
            one.redirects.extend(files.into_iter().map(|target| Redirect { kind, target }));
        }
    }

    /// The words that `env -S` makes of one.
    fn split_string(&self) -> Option<Vec<Word>> {
        let words = &self.simple.words;
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            at += 1;
            if !text.starts_with('-') || text == "--" {
                return None;
            }
            let glued = if let Some(long) = text.strip_prefix("--") {
                let (name, value) = long.split_once('=').unwrap_or((long, ""));
                (!name.is_empty() && "split-string".starts_with(name)).then_some(value)
            } else {
                // Flags without a value may stand before it in one word.
                text.get(1..).and_then(|cluster| {
                    let (before, code) = cluster.split_once('S')?;
                    (!before.contains(['u', 'C', 'P'])).then_some(code)
                })
            };
            if let Some(code) = glued {
                let code = if code.is_empty() {
                    at += 1;
                    words.get(at - 1)?.text.as_str()
                } else {
                    code
                };
                let mut split: Vec<Word> =
                    code.split_whitespace().map(|part| Word::new(part.trim_matches(['"', '\'']))).collect();
                split.extend(words.get(at..).unwrap_or_default().iter().cloned());
                return Some(split);
            }
            if matches!(text, "-u" | "-C" | "-P" | "--unset" | "--chdir") {
                at += 1;
            }
        }
        None
    }

    /// The folder to which `env` goes before it runs the command.
    fn chdir(&self) -> Option<&str> {
        let flags = self.simple.words.iter().map(Word::text);
        let mut pairs = flags.clone().zip(flags.skip(1).map(Some).chain([None]));
        pairs.find_map(|(flag, next)| match flag {
            "-C" | "-D" | "--chdir" => next,
            flag => flag.strip_prefix("--chdir=").or(flag.strip_prefix("-C")),
        })
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
