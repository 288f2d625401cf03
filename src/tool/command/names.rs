//! Names of programs, and what is known of them.

/// A program without its folder.
pub(super) fn base(program: &str) -> &str {
    let folder = program.bytes().rposition(|byte| matches!(byte, b'/' | b'\\'));
    folder.and_then(|at| program.get(at + 1..)).unwrap_or(program)
}

/// Shells whose code is read.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "dash" | "zsh" | "ksh" | "mksh" | "ash" | "rbash")
}

/// Shells of Windows.
pub(super) fn foreign_shell(name: &str) -> Option<&'static str> {
    let stem = match name.len().checked_sub(4).and_then(|at| name.split_at_checked(at)) {
        Some((stem, end)) if end.eq_ignore_ascii_case(".exe") => stem,
        _ => name,
    };
    let is = |known: &str| stem.eq_ignore_ascii_case(known);
    if is("powershell") || is("pwsh") {
        return Some("PowerShell");
    }
    (is("cmd") || is("command.com")).then_some("cmd")
}

/// A name like `Remove-Item`: a verb that PowerShell approves of, and a noun.
pub(super) fn is_cmdlet(name: &str) -> bool {
    const VERBS: &[&str] = &[
        "Add",
        "Clear",
        "ConvertFrom",
        "ConvertTo",
        "Copy",
        "Disable",
        "Enable",
        "Export",
        "ForEach",
        "Format",
        "Get",
        "Import",
        "Install",
        "Invoke",
        "Move",
        "New",
        "Out",
        "Register",
        "Remove",
        "Rename",
        "Restart",
        "Resume",
        "Select",
        "Send",
        "Set",
        "Start",
        "Stop",
        "Suspend",
        "Test",
        "Uninstall",
        "Unregister",
        "Update",
        "Where",
        "Write",
    ];
    name.split_once('-').is_some_and(|(verb, noun)| {
        VERBS.contains(&verb)
            && noun.starts_with(|first: char| first.is_ascii_uppercase())
            && noun.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Programs that run code of another language, given as a word behind one of these flags.
pub(super) fn code_flags(name: &str) -> Option<&'static [&'static str]> {
    let stem = name.trim_end_matches(|byte: char| byte.is_ascii_digit() || byte == '.');
    Some(match stem {
        "python" | "pypy" | "py" | "ipython" => &["-c"],
        "perl" => &["-e", "-E", "-pe", "-ne", "-pi", "-ie"],
        "ruby" | "jruby" => &["-e"],
        "node" | "nodejs" | "bun" => &["-e", "--eval", "-p", "--print", "-pe"],
        "deno" => &["eval"],
        "php" => &["-r", "-B", "-R", "-E"],
        "lua" | "luajit" | "julia" | "Rscript" | "R" | "osascript" | "elixir" | "groovy" | "scala"
        | "swift" | "racket" | "guile" | "clojure" | "ghc" | "iex" => &["-e", "--eval", "-E"],
        "fish" | "csh" | "tcsh" | "nu" | "elvish" | "xonsh" => &["-c", "--command"],
        _ => return None,
    })
}

/// Variables by which a program runs other code than it would without them.
pub(crate) fn changes_what_runs(variable: &str) -> bool {
    matches!(
        variable,
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
            | "PYTHONHOME"
            | "PYTHONBREAKPOINT"
            | "PERL5DB"
            | "SSH_ASKPASS"
            | "SUDO_ASKPASS"
            | "LESSCLOSE"
            | "RSYNC_RSH"
            | "MANROFFOPT"
            | "JAVA_TOOL_OPTIONS"
            | "FZF_DEFAULT_COMMAND"
            | "FZF_DEFAULT_OPTS"
            | "PYTHONPATH"
            | "RUBYOPT"
            | "NODE_OPTIONS"
            | "LESSOPEN"
            | "TAR_OPTIONS"
            | "RUSTC_WRAPPER"
            | "MAKEFLAGS"
    ) || ["GIT_", "LD_", "DYLD_", "BASH_FUNC_", "CARGO_", "npm_config_", "NPM_CONFIG_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

/// Words of a command in which a builtin evaluates the indices of arrays.
pub(super) fn evaluated<'w>(
    name: Option<&str>,
    words: &'w [super::Word],
) -> impl Iterator<Item = &'w super::Word> + use<'w> {
    let most = match name {
        Some(
            "test" | "[" | "read" | "let" | "declare" | "typeset" | "local" | "export" | "readonly" | "unset"
            | "mapfile" | "readarray" | "wait" | "getopts",
        ) => usize::MAX,
        Some("printf") if words.first().is_some_and(|word| word.text.starts_with("-v")) => 2,
        _ => 0,
    };
    words.iter().take(most)
}

/// Variables whose value a program runs as code.
pub(super) fn holds_code(variable: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "PAGER",
        "EDITOR",
        "VISUAL",
        "BROWSER",
        "LESSOPEN",
        "LESSCLOSE",
        "PROMPT_COMMAND",
        "PS4",
        "_COMMAND",
        "_SSH",
        "_RSH",
        "_ASKPASS",
        "_EXTERNAL_DIFF",
        "_SHELL",
        "_RUNNER",
        "_WRAPPER",
        "TAR_OPTIONS",
        "MAKEFLAGS",
        "_CMD",
    ];
    ENDINGS.iter().any(|ending| variable.ends_with(ending))
}

/// A flag whose value is a file that the program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WritingFlag {
    pub(super) short: char,
    pub(super) long: &'static str,
}

impl WritingFlag {
    /// Whether a word is this flag, and its value the next word.
    pub(super) fn is(self, word: &str) -> bool {
        word == self.long || word.strip_prefix('-').is_some_and(|letter| letter.chars().eq([self.short]))
    }

    /// Whether it may stand among these words, glued or shortened too.
    pub(super) fn is_among(self, words: &[super::Word]) -> bool {
        words.iter().any(|word| word.text.starts_with('-') && word.text.contains(self.short))
    }
}

pub(super) fn writing_flag(name: &str) -> Option<WritingFlag> {
    matches!(name, "sort" | "gsort" | "shuf" | "iconv" | "tree")
        .then_some(WritingFlag { short: 'o', long: "--output" })
}

/// Letters of flags that take what stands behind them in the same word as their value.
pub(super) fn valued_letters(name: &str) -> &'static [char] {
    match name {
        "git" => &['C', 'c', 'b', 'B', 'm', 'o', 'e', 'U'],
        "grep" | "egrep" | "fgrep" | "rg" => &['e', 'f', 'm', 'A', 'B', 'C', 'd', 'D', 'g', 't', 'T'],
        "curl" => &['o', 'd', 'H', 'X', 'u', 'A', 'F', 'T'],
        "sudo" => &['u', 'g', 'C', 'D', 'p'],
        "tar" | "gtar" | "bsdtar" => &['f', 'C', 'T'],
        _ => &[],
    }
}

/// Whether a program runs what stands on its standard input.
pub(super) fn runs_input(name: &str, words: &[super::Word]) -> bool {
    if !(is_shell(name) || code_flags(name).is_some()) {
        return true;
    }
    let mut words = words.iter().map(super::Word::text).peekable();
    let flags: Vec<&str> =
        std::iter::from_fn(|| words.next_if(|text| text.starts_with('-') && text.len() > 1)).collect();
    let has_code = code_flags(name)
        .is_some_and(|with_code| flags.iter().any(|flag| with_code.contains(flag)))
        || (is_shell(name) && flags.iter().any(|flag| !flag.starts_with("--") && flag.contains('c')));
    let reads = is_shell(name) && flags.iter().any(|flag| !flag.starts_with("--") && flag.contains('s'));
    let script =
        words.next().filter(|script| *script != "-" && !script.starts_with(['/', super::word::UNKNOWN]));
    !has_code && (reads || script.is_none())
}

/// Flags that take the next word as their value and stand before what the program is told to do.
pub(super) fn valued_before_subcommand(name: &str) -> &'static [&'static str] {
    match name {
        "git" => &[
            "-C",
            "-c",
            "--git-dir",
            "--work-tree",
            "--namespace",
            "--exec-path",
            "--config-env",
            "--super-prefix",
        ],
        "docker" | "podman" | "nerdctl" => {
            &["-H", "--host", "--context", "-c", "-l", "--log-level", "--config"]
        }
        "docker-compose" => &["-f", "--file", "-p", "--project-name"],
        "kubectl" | "oc" | "helm" => &[
            "-n",
            "--namespace",
            "--context",
            "--kubeconfig",
            "-s",
            "--server",
            "--cluster",
            "--user",
            "--kube-context",
            "-v",
        ],
        "aws" => &["--profile", "--region", "--output", "--endpoint-url", "--query"],
        "gcloud" | "gsutil" => &["--project", "--account", "--configuration", "-o"],
        "npm" | "pnpm" | "yarn" => &["--prefix", "-C", "--dir", "--cwd"],
        "cargo" => &["--config", "-Z", "--color", "-C"],
        "systemctl" | "journalctl" => &["-H", "-M", "--host", "--machine"],
        "gh" => &["-R", "--repo"],
        "apt" | "apt-get" => &["-o", "-c"],
        "zfs" | "zpool" | "lvremove" | "vgremove" | "pvremove" => &["-o", "--reportformat", "--config"],
        _ => &[],
    }
}
