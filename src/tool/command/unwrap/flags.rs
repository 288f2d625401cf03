//! Flags by which a program runs another one, reads code or settings from a file, or writes a file of its own.

use crate::tool::command::Word;

/// Such flags of one program.
pub(super) struct Flags {
    /// Long ones. Programs take any beginning of one that stands for no other, so every beginning counts.
    long: &'static [&'static str],
    /// Long ones that are whole themselves, though they begin one of those.
    harmless: &'static [&'static str],
    /// Short ones, also within a cluster.
    short: &'static str,
    /// Short ones that take what stands behind them as their value, so that it is no cluster.
    valued: &'static str,
    /// What else such a word begins with.
    begins: &'static [&'static str],
    /// Whether long flags are also written with one dash.
    one_dash: bool,
}

const NONE: Flags = Flags { long: &[], harmless: &[], short: "", valued: "", begins: &[], one_dash: false };

/// What a command has of them.
#[derive(Default)]
pub(super) struct Danger {
    pub(super) is_there: bool,
    /// Their values, which may be code.
    pub(super) values: Vec<Word>,
}

#[rustfmt::skip]
pub(super) fn of(name: &str) -> Option<Flags> {
    Some(match name {
        "find" | "gfind" => Flags { begins: &["-delete", "-fprint", "-fls"], ..NONE },
        "rg" => Flags { long: &["pre", "hostname-bin"], ..NONE },
        "ag" | "ack" | "bat" | "batcat" | "delta" => Flags { long: &["pager"], ..NONE },
        "tar" | "bsdtar" | "gtar" => Flags {
            long: &["to-command", "checkpoint-action", "use-compress-program", "rsh-command", "rmt-command", "info-script", "new-volume-script", "files-from"],
            harmless: &["checkpoint"],
            short: "IFT",
            valued: "fCXbgKLNHV",
            ..NONE
        },
        "cpio" => Flags { long: &["rsh-command", "rmt-command"], ..NONE },
        "rsync" => Flags { long: &["rsh", "rsync-path", "config", "daemon"], short: "e", valued: "fBTM", ..NONE },
        "ssh" => Flags { short: "oSFDI", valued: "BbcEeiJLlmOpQRWw", ..NONE },
        "scp" | "sftp" => Flags { short: "oSFDb", valued: "cBiJlPRsX", ..NONE },
        "sort" => Flags { long: &["compress-program", "output"], short: "o", valued: "kStT", ..NONE },
        "split" | "gsplit" => Flags { long: &["filter"], ..NONE },
        "man" => Flags { long: &["pager", "html", "config-file"], harmless: &["path"], short: "PHC", valued: "RLmMSsEerpTZ", ..NONE },
        "zip" => Flags { long: &["unzip-command"], begins: &["-TT"], ..NONE },
        "less" | "more" => Flags { long: &["lesskey-file", "lesskey-src", "lesskey-content", "log-file", "LOG-FILE"], short: "koO", begins: &["+"], ..NONE },
        "vi" | "vim" | "nvim" | "view" | "ex" | "vimdiff" | "gvim" =>
            Flags { long: &["cmd", "remote-expr", "remote-send", "startuptime", "listen"], short: "cSuUswWl", valued: "iTrt", begins: &["+", "-sc", "-Esc", "-esc", "-ec", "-Ec"], ..NONE },
        "emacs" | "emacsclient" => Flags { long: &["eval", "execute", "load", "script", "funcall", "batch"], short: "lfe", begins: &["+"], one_dash: true, ..NONE },
        "nano" => Flags { long: &["speller", "rcfile"], short: "sf", ..NONE },
        "make" | "gmake" => Flags { long: &["eval", "file", "makefile"], short: "Ef", valued: "CIjloW", ..NONE },
        "cargo" => Flags { long: &["config"], begins: &["linker=", "-Clinker"], ..NONE },
        "npm" | "pnpm" | "yarn" => Flags {
            long: &["script-shell", "node-options", "userconfig", "globalconfig", "init-module", "onload-script", "editor", "shell", "viewer", "git"], ..NONE
        },
        "go" => Flags { long: &["exec", "toolexec", "vettool", "overlay", "modfile", "ldflags", "gccgoflags"], one_dash: true, ..NONE },
        "pip" | "pip3" => Flags { long: &["index-url", "extra-index-url", "find-links", "config-settings", "global-option"], short: "if", valued: "ret", ..NONE },
        "gdb" | "lldb" => Flags {
            long: &["ex", "eval-command", "x", "command", "ix", "iex", "init-command", "init-eval-command", "args", "one-line", "source", "batch"],
            short: "xosOSP", one_dash: true, ..NONE
        },
        "gcc" | "g++" | "cc" | "c++" | "clang" | "clang++" => Flags { begins: &["-wrapper", "-fplugin", "-specs", "-B", "-Xclang", "@"], ..NONE },
        "openssl" => Flags { begins: &["-engine", "-provider-path", "-config", "engine"], ..NONE },
        "curl" => Flags { long: &["config"], short: "K", valued: "oDdHXuAFTbcCeEmQrtUwxyYzP", ..NONE },
        "wget" | "wget2" => Flags { long: &["use-askpass", "execute", "config"], short: "e", valued: "oaiBtOTwQPUldARDI", ..NONE },
        "tcpdump" => Flags { long: &["postrotate-command"], short: "zw", valued: "BcCEFGijmMrsTVy", ..NONE },
        "nmap" => Flags { long: &["script"], ..NONE },
        "apt" | "apt-get" | "apt-cache" | "aptitude" => Flags { long: &["option", "config-file"], short: "oc", valued: "at", ..NONE },
        "dnf" | "yum" => Flags { long: &["setopt", "config"], short: "c", ..NONE },
        "kubectl" | "oc" | "helm" => Flags { long: &["kubeconfig", "post-renderer"], ..NONE },
        "hg" => Flags { long: &["config"], ..NONE },
        "svn" => Flags { long: &["config-option", "config-dir", "diff-cmd", "diff3-cmd", "editor-cmd"], ..NONE },
        "pdflatex" | "latex" | "pdftex" | "tex" | "xelatex" | "lualatex" | "latexmk" =>
            Flags { long: &["shell-escape", "enable-write18", "output-directory", "latex", "pdflatex"], harmless: &["pdf"], short: "e", one_dash: true, ..NONE },
        "fzf" => Flags { long: &["preview", "bind", "with-shell"], harmless: &["preview-window"], ..NONE },
        _ => return None,
    })
}

/// The same for git, by what it is told to do.
#[rustfmt::skip]
pub(super) fn of_git(verb: &str) -> Flags {
    let (short, valued) = match verb {
        "grep" => ("O", "efABCm"),
        "rebase" => ("x", "sXC"),
        "difftool" => ("x", "tSGOU"),
        "clone" => ("uc", "obj"),
        "format-patch" | "archive" => ("o", "vUn"),
        _ => ("", ""),
    };
    Flags {
        long: &[
            "config-env", "exec-path", "upload-pack", "receive-pack", "exec", "extcmd", "open-files-in-pager", "ext-diff", "textconv", "output", "git-dir", "work-tree", "template",
            "output-directory", "no-index", "smtp-server", "sendmail-cmd", "to-cmd", "cc-cmd", "config", "separate-git-dir", "tree-filter", "index-filter", "msg-filter", "env-filter",
            "commit-filter", "parent-filter", "tag-name-filter", "setup",
        ],
        harmless: &["text", "no", "set", "to", "exec-path"],
        short,
        valued,
        begins: &["ext::", "fd::"],
        one_dash: false,
    }
}

impl Flags {
    /// What of them stands among these words.
    pub(super) fn among(&self, words: &[Word]) -> Danger {
        let mut danger = Danger::default();
        for (at, word) in words.iter().enumerate() {
            let text = word.text.as_str();
            if text == "--" {
                // Some programs read on, so that what stands behind is looked at by what it begins with.
                continue;
            }
            let value = match self.value(text) {
                Some(value) => value,
                None => continue,
            };
            danger.is_there = true;
            match value {
                "" => danger.values.extend(words.get(at + 1).cloned()),
                value => danger.values.push(word.with(value)),
            }
        }
        danger
    }

    /// The value within a word that is one of these flags; empty where the value would be the next word.
    fn value<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let Some(begin) = self.begins.iter().find(|begin| text.starts_with(**begin)) {
            return text.get(begin.len()..);
        }
        if let Some(long) = text.strip_prefix("--") {
            return self.long_value(long, 1);
        }
        let cluster = text.strip_prefix('-').filter(|cluster| !cluster.is_empty())?;
        if self.one_dash
            && let Some(value) = self.long_value(cluster, 2)
        {
            return Some(value);
        }
        if self.begins.contains(&"-TT") && cluster.contains("TT") {
            return Some("");
        }
        let letter = cluster.find(|letter| self.short.contains(letter) || self.valued.contains(letter))?;
        let rest = cluster.get(letter..)?;
        let mut letters = rest.chars();
        letters.next().filter(|letter| self.short.contains(*letter)).map(|_| letters.as_str())
    }

    fn long_value<'t>(&self, long: &'t str, least: usize) -> Option<&'t str> {
        let (name, value) = long.split_once('=').unwrap_or((long, ""));
        let is_whole = self.long.contains(&name);
        let begins = || {
            name.len() >= least
                && !self.harmless.contains(&name)
                && self.long.iter().any(|long| long.starts_with(name))
        };
        (is_whole || begins()).then_some(value)
    }
}

/// Whether words in the old form of tar (`tar xfI a id`) have one that runs a program.
pub(super) fn old_form_of_tar(words: &[Word]) -> bool {
    words.first().is_some_and(|word| {
        !word.text.starts_with('-')
            && word.text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && word.text.contains(['I', 'F', 'T'])
    })
}

/// Texts within the value of such a flag that may be code: behind `!`, `shell`, `exec=` and the like.
pub(super) fn codes_in(value: &str) -> Vec<String> {
    let mut codes = vec![value.to_owned()];
    for sign in ["!", "shell ", "system ", "exec=", "exec:", "spawn ", "exec ", "$(shell ", "="] {
        if let Some((_, code)) = value.split_once(sign) {
            let code = code.trim_start_matches(['!', ':', '|']);
            codes.push(code.trim_end_matches(if sign.starts_with('$') { ')' } else { '\0' }).to_owned());
        }
    }
    if let Some(code) = value.strip_prefix('|') {
        codes.push(code.to_owned());
    }
    codes.retain(|code| !code.trim().is_empty());
    codes.dedup();
    codes
}

/// Files of code and of settings that clients of databases are given.
pub(super) const CLIENT_FILES: Flags = Flags {
    long: &[
        "file",
        "output",
        "pager",
        "init-command",
        "defaults-file",
        "defaults-extra-file",
        "plugin-dir",
        "init",
        "cmd",
    ],
    harmless: &[],
    short: "foL",
    valued: "cedhpPUuDS",
    begins: &["-init", "-cmd"],
    one_dash: false,
};
