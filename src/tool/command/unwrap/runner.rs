//! Programs that run a command with something of their own around it: an environment, a namespace, a terminal.

use super::{Result, Unwrapping};
use crate::tool::command::Word;

/// How such a program is given the command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// As words.
    Words,
    /// As words, and only behind `--`.
    BehindDashes,
    /// As code, in one word or several.
    Code,
    /// As code, each word for itself.
    EachCode,
}

/// A program that runs others.
struct Runner {
    /// What it has to be told first, word by word; empty where nothing.
    verbs: &'static [&'static str],
    /// Flags that take the next word.
    valued: &'static [&'static str],
    /// Flags that take the next two.
    doubly: &'static [&'static str],
    /// Words of its own before the command.
    skip: usize,
    how: How,
    /// Flags whose value is code.
    code: &'static [&'static str],
    /// Whether the command certainly is what runs, so that a list has to allow it as well.
    is_certain: bool,
}

const WORDS: Runner =
    Runner { verbs: &[], valued: &[], doubly: &[], skip: 0, how: How::Words, code: &[], is_certain: false };

#[rustfmt::skip]
fn of(name: &str) -> Option<Runner> {
    Some(match name {
        "ip" => Runner { verbs: &["netns exec", "vrf exec"], valued: &["-n", "-netns", "-f", "-family"], skip: 1, is_certain: true, ..WORDS },
        "bwrap" => Runner {
            valued: &[
                "--dev", "--proc", "--tmpfs", "--dir", "--mqueue", "--chdir", "--unsetenv", "--uid", "--gid", "--hostname", "--args", "--seccomp", "--add-seccomp-fd", "--exec-label",
                "--file-label", "--lock-file", "--sync-fd", "--info-fd", "--json-status-fd", "--block-fd", "--userns-block-fd", "--userns", "--userns2", "--pidns", "--cap-add", "--cap-drop",
                "--perms", "--size", "--remount-ro", "--overlay-src", "--argv0",
            ],
            doubly: &[
                "--bind", "--ro-bind", "--dev-bind", "--bind-try", "--ro-bind-try", "--dev-bind-try", "--symlink", "--setenv", "--file", "--bind-data", "--ro-bind-data", "--chmod",
                "--bind-fd", "--ro-bind-fd",
            ],
            is_certain: true, ..WORDS
        },
        "ssh-agent" => Runner { valued: &["-a", "-E", "-O", "-P", "-t"], is_certain: true, ..WORDS },
        "cgexec" => Runner { valued: &["-g"], is_certain: true, ..WORDS },
        "choom" => Runner { valued: &["-n", "--adjust", "-p", "--pid"], is_certain: true, ..WORDS },
        "runcon" | "setuidgid" | "s6-setuidgid" | "faketime" => Runner { skip: 1, is_certain: true, ..WORDS },
        "eatmydata" | "systemd-cat" | "dbus-launch" | "steam-run" | "uclampset" | "chpst" | "softlimit" | "flatpak-spawn" =>
            Runner { valued: &["-t", "--identifier", "-p", "--priority", "-u", "-m", "-M"], is_certain: true, ..WORDS },
        name if ["ld-linux", "ld.so", "ld-musl", "ld64.so"].iter().any(|begin| name.starts_with(begin)) => Runner {
            valued: &["--library-path", "--preload", "--audit", "--inhibit-rpath", "--argv0", "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask"],
            is_certain: true, ..WORDS
        },
        "uv" => Runner {
            verbs: &["run", "tool run"],
            valued: &["-p", "--python", "--with", "--group", "--env-file", "--project", "--directory", "--extra", "--package", "--index", "--with-requirements", "--from"],
            ..WORDS
        },
        "uvx" | "pipx" | "bunx" => Runner { verbs: if name == "pipx" { &["run"] } else { &[] }, valued: &["--from", "--with", "--spec", "--python"], ..WORDS },
        "poetry" | "pipenv" | "pdm" | "hatch" | "rye" | "pixi" | "volta" | "dotenvx" =>
            Runner { verbs: &["run"], valued: &["-C", "--directory", "-P", "--project", "-p", "-e", "--environment", "-f", "--env-file"], ..WORDS },
        "dotenv" => Runner { verbs: &["run", ""], valued: &["-f", "--file", "-e", "-c", "-v"], ..WORDS },
        "conda" | "mamba" | "micromamba" => Runner { verbs: &["run"], valued: &["-n", "--name", "-p", "--prefix", "--cwd"], ..WORDS },
        "bundle" | "bundler" | "rbenv" | "pyenv" | "asdf" | "nodenv" => Runner { verbs: &["exec"], ..WORDS },
        "rustup" => Runner { verbs: &["run"], skip: 1, ..WORDS },
        "nvm" | "fnm" => Runner { verbs: &["exec"], valued: &["--using"], skip: usize::from(name == "nvm"), ..WORDS },
        "npx" => Runner { valued: &["-p", "--package", "-w", "--workspace"], code: &["-c", "--call"], ..WORDS },
        "npm" | "pnpm" | "yarn" | "bun" => Runner {
            verbs: &["exec", "x", "dlx"], valued: &["-p", "--package", "-w", "--workspace", "-C", "--prefix", "--cwd"], code: &["-c", "--call"], ..WORDS
        },
        "mise" | "rtx" => Runner { verbs: &["exec", "x"], how: How::BehindDashes, code: &["-c", "--command"], ..WORDS },
        "direnv" => Runner { verbs: &["exec"], skip: 1, ..WORDS },
        "doppler" | "op" | "infisical" | "teller" | "devbox" | "akeyless" => Runner { verbs: &["run"], how: How::BehindDashes, code: &["--command"], ..WORDS },
        "aws-vault" => Runner { verbs: &["exec"], valued: &["-d", "--duration", "--region"], skip: 1, ..WORDS },
        "chamber" | "lxc-attach" | "distrobox" | "distrobox-enter" | "toolbox" => Runner { how: How::BehindDashes, ..WORDS },
        "sops" => Runner { verbs: &["exec-env", "exec-file"], skip: 1, how: How::Code, ..WORDS },
        "nix-shell" | "nix" => Runner { how: How::BehindDashes, code: &["--run", "--command", "-c"], ..WORDS },
        "flatpak" => Runner { verbs: &["run"], how: How::BehindDashes, code: &["--command"], ..WORDS },
        "tmux" => Runner {
            verbs: &[
                "new", "new-session", "neww", "new-window", "splitw", "split-window", "split-pane", "respawn-pane", "respawnp", "respawn-window", "respawnw", "run", "run-shell", "popup",
                "display-popup", "if", "if-shell", "send", "send-keys", "pipep", "pipe-pane",
            ],
            valued: &["-s", "-n", "-c", "-t", "-x", "-y", "-e", "-F", "-f", "-L", "-S", "-l", "-p", "-w", "-h"], how: How::Code, ..WORDS
        },
        "screen" => Runner { valued: &["-S", "-c", "-e", "-h", "-s", "-t", "-T", "-p", "-L"], code: &["-X"], ..WORDS },
        "hyperfine" | "concurrently" => Runner {
            valued: &["-w", "--warmup", "-r", "--runs", "-m", "-M", "-L", "-P", "--parameter-list", "--export-json", "--export-markdown", "-n", "--names", "-N", "-S", "--shell"],
            how: How::EachCode, code: &["-p", "--prepare", "-s", "--setup", "-c", "--cleanup", "--conclude"], ..WORDS
        },
        "watchexec" | "cargo-watch" => Runner {
            valued: &["-w", "--watch", "-e", "--exts", "-i", "--ignore", "-f", "--filter", "-s", "--signal", "-d", "--debounce"], how: How::Code, code: &["-x", "--exec", "--shell-command"], ..WORDS
        },
        "cargo" => Runner { verbs: &["watch"], how: How::BehindDashes, code: &["-s", "--shell"], ..WORDS },
        "nodemon" | "chokidar" => Runner { how: How::BehindDashes, code: &["-x", "--exec", "-c", "--command"], ..WORDS },
        "expect" => Runner { how: How::BehindDashes, code: &["-c"], ..WORDS },
        "vagrant" | "gcloud" => Runner { how: How::BehindDashes, code: &["-c", "--command"], ..WORDS },
        "ansible" => Runner { how: How::BehindDashes, code: &["-a", "--args"], ..WORDS },
        "pdsh" | "dsh" | "pssh" | "parallel-ssh" => Runner { valued: &["-w", "-x", "-g", "-l", "-h", "-H", "-m"], how: How::Code, ..WORDS },
        _ => return None,
    })
}

pub(super) fn is_one(name: &str) -> bool {
    of(name).is_some() || matches!(name, "capsh" | "start-stop-daemon" | "coreutils")
}

impl Unwrapping<'_> {
    pub(super) fn runner(&mut self) -> Result<()> {
        let words = self.simple.words.as_slice();
        match self.name {
            // `capsh -- -c code`: what stands behind is for bash.
            "capsh" => {
                let behind =
                    words.iter().skip_while(|word| !matches!(word.text.as_str(), "--" | "==")).skip(1);
                let bash: Vec<Word> = std::iter::once(Word::new("bash")).chain(behind.cloned()).collect();
                return if bash.len() > 1 { self.inner(bash) } else { Ok(()) };
            }
            "coreutils" => {
                let program = words
                    .first()
                    .and_then(|word| word.text.split_once('='))
                    .filter(|(flag, _)| flag.starts_with("--c"));
                let Some((_, program)) = program else { return self.inner(words.to_vec()) };
                let program = Word::new(program);
                return self.inner(std::iter::once(program).chain(words.iter().skip(1).cloned()).collect());
            }
            "start-stop-daemon" => return self.daemon(),
            _ => {}
        }
        let Some(runner) = of(self.name) else { return Ok(()) };
        let Some((flags, rest)) = runner.command(words) else { return Ok(()) };
        for (at, word) in flags.iter().enumerate() {
            let text = word.text.as_str();
            let code = if runner.code.contains(&text) {
                // Some take all words behind the flag.
                let rest = words.get(words.len() - rest.len() - flags.len() + at + 1..).unwrap_or_default();
                Some(rest.to_vec())
            } else {
                let glued = runner.code.iter().find_map(|flag| match flag.starts_with("--") {
                    true => text.strip_prefix(flag)?.strip_prefix('='),
                    false => text.strip_prefix(flag).filter(|code| !code.is_empty()),
                });
                glued.map(|code| vec![word.with(code)])
            };
            let Some(code) = code else { continue };
            self.opaque();
            self.supposed_codes(&code)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        match runner.how {
            How::Words | How::BehindDashes if runner.is_certain => self.inner(rest.to_vec()),
            How::Words | How::BehindDashes => self.supposed(rest.to_vec()),
            How::Code => {
                self.opaque();
                self.supposed_codes(rest)
            }
            How::EachCode => {
                self.opaque();
                rest.iter().try_for_each(|word| self.supposed_code(std::slice::from_ref(word)))
            }
        }
    }

    /// Code of one word, and of that word with those behind it.
    fn supposed_codes(&mut self, words: &[Word]) -> Result<()> {
        if let Some(first) = words.first() {
            for code in super::flags::codes_in(&first.text) {
                self.supposed_code(&[first.with(code)])?;
            }
        }
        if words.len() > 1 {
            self.supposed_code(words)?;
        }
        Ok(())
    }

    /// `start-stop-daemon --start --exec PROGRAM -- words`
    fn daemon(&mut self) -> Result<()> {
        let words = self.simple.words.as_slice();
        let behind = words.iter().skip_while(|word| word.text != "--").skip(1);
        let behind: Vec<Word> = behind.cloned().collect();
        for (at, word) in words.iter().enumerate().take_while(|(_, word)| word.text != "--") {
            let text = word.text.as_str();
            let program = match text {
                "-x" | "--exec" | "-a" | "--startas" => words.get(at + 1).cloned(),
                _ => ["--exec=", "--startas=", "-x", "-a"]
                    .iter()
                    .find_map(|flag| text.strip_prefix(flag))
                    .filter(|_| !text.starts_with("--a"))
                    .map(|program| word.with(program)),
            };
            if let Some(program) = program {
                self.inner(std::iter::once(program).chain(behind.clone()).collect())?;
            }
        }
        Ok(())
    }
}

impl Runner {
    /// Flags of its own, and the command; `None` where it is told to do something else.
    fn command<'w>(&self, words: &'w [Word]) -> Option<(&'w [Word], &'w [Word])> {
        let start = match self.verbs {
            [] => 0,
            verbs => verbs.iter().find_map(|verb| self.behind_verb(verb, words))?,
        };
        // Of all networks: there is no name of one.
        let for_all = self.verbs.contains(&"netns exec")
            && words.iter().any(|word| matches!(word.text.as_str(), "-a" | "-all"));
        let words = words.get(start..)?;
        let mut left = if for_all { 0 } else { self.skip };
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            if text == "--" {
                at += 1;
                return Some((words.get(..at - 1)?, words.get(at..)?));
            }
            if text.starts_with('-') && text.len() > 1 {
                at += 1;
                let is_code = self.code.contains(&text);
                at += if self.doubly.contains(&text) {
                    2
                } else {
                    usize::from(is_code || self.valued.contains(&text) || self.ends_valued(text))
                };
                continue;
            }
            if self.how == How::BehindDashes {
                at += 1;
                continue;
            }
            if left > 0 {
                left -= 1;
                at += 1;
                continue;
            }
            return Some((words.get(..at)?, words.get(at..)?));
        }
        Some((words, &[]))
    }

    /// A cluster whose last letter takes the next word: `screen -dmS name`.
    fn ends_valued(&self, text: &str) -> bool {
        let letter = text.chars().next_back().filter(|letter| letter.is_ascii_alphabetic());
        !text.starts_with("--")
            && text.len() > 2
            && text.bytes().skip(1).all(|byte| byte.is_ascii_alphabetic())
            && letter.is_some_and(|letter| {
                self.valued.iter().any(|flag| {
                    let mut letters = flag.chars().skip(1);
                    letters.next() == Some(letter) && letters.next().is_none()
                })
            })
    }

    /// Where the words behind a verb begin.
    fn behind_verb(&self, verb: &str, words: &[Word]) -> Option<usize> {
        let mut at = 0;
        for wanted in verb.split(' ').filter(|wanted| !wanted.is_empty()) {
            loop {
                let text = words.get(at)?.text.as_str();
                at += 1;
                if !text.starts_with('-') {
                    if text != wanted {
                        return None;
                    }
                    break;
                }
                at += usize::from(self.valued.contains(&text));
            }
        }
        Some(at)
    }
}
