//! Names of programs, and what is known of them.

/// A program without its folder.
pub(super) fn base(program: &str) -> &str {
    program.rsplit(['/', '\\']).next().unwrap_or(program)
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

/// Flags of known programs with which they run another program, read settings that make them do so, or write files. Each
/// begins such a word.
pub(super) fn flags_that_run(name: &str) -> &'static [&'static str] {
    match name {
        "git" => &[
            "--config-env",
            "--exec-path",
            "--upload-pack",
            "--receive-pack",
            "--exec",
            "--extcmd",
            "--open-files-in-pager",
            "--ext-diff",
            "--textconv",
            "--output",
            "--git-dir",
            "--work-tree",
        ],
        "find" | "gfind" => &["-delete", "-fprint", "-fls"],
        "rg" => &["--pre", "--hostname-bin"],
        "tar" | "bsdtar" | "gtar" => &[
            "--to-command",
            "--checkpoint-action",
            "-I",
            "--use-compress-program",
            "--rsh-command",
            "--info-script",
            "--new-volume-script",
        ],
        "rsync" => &["-e", "--rsh", "--rsync-path"],
        "scp" | "sftp" | "ssh" => &["-o", "-S", "-F", "-D"],
        "sort" => &["--compress-program"],
        "man" => &["-P", "--pager", "-H"],
        "zip" => &["-TT", "--unzip-command"],
        "less" | "more" | "vi" | "vim" | "nvim" | "view" | "ex" | "emacs" => &["+", "-c", "--cmd", "--eval"],
        "make" | "gmake" => &["--eval", "SHELL="],
        "cargo" => &["--config"],
        "npm" | "pnpm" | "yarn" => &["--script-shell"],
        "go" => &["-exec", "-toolexec"],
        "pip" | "pip3" => &["--index-url", "--extra-index-url"],
        "gdb" => &["-ex", "-x", "--eval-command"],
        "curl" => &["-K", "--config"],
        "wget" => &["--use-askpass", "-e", "--execute"],
        _ => &[],
    }
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
            | "PYTHONPATH"
            | "RUBYOPT"
            | "NODE_OPTIONS"
            | "LESSOPEN"
            | "TAR_OPTIONS"
            | "RUSTC_WRAPPER"
            | "MAKEFLAGS"
    ) || ["GIT_", "LD_", "DYLD_", "BASH_FUNC_", "CARGO_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// Whether a program is given code of a language of its own as its first word.
pub(super) fn has_language(name: &str) -> bool {
    matches!(name, "awk" | "gawk" | "mawk" | "nawk" | "sed" | "gsed")
}

/// Words of a command in which a builtin evaluates the indices of arrays.
pub(super) fn evaluated(simple: &super::Simple) -> impl Iterator<Item = &super::Word> {
    let most = match simple.name() {
        Some(
            "test" | "[" | "read" | "let" | "declare" | "typeset" | "local" | "export" | "readonly" | "unset"
            | "mapfile" | "readarray" | "wait" | "getopts",
        ) => usize::MAX,
        Some("printf") if simple.words.first().is_some_and(|word| word.text.starts_with("-v")) => 2,
        _ => 0,
    };
    simple.words.iter().take(most)
}

/// Whether that code has a way out of it.
pub(super) fn script_escapes(name: &str, script: &str) -> bool {
    match name {
        "awk" | "gawk" | "mawk" | "nawk" => {
            ["system", "getline", "|", "print >", "print>", "@load"].iter().any(|sign| script.contains(sign))
        }
        "sed" | "gsed" => sed_escapes(script),
        _ => false,
    }
}

/// Commands of sed that run others or write files: `e`, `w`, and these as flags of `s`.
fn sed_escapes(script: &str) -> bool {
    script.split([';', '\n', '}', '{']).any(|command| {
        let command = command.trim_start_matches(|sign: char| {
            sign.is_ascii_digit() || matches!(sign, ' ' | ',' | '$' | '!' | '~' | '+')
        });
        let command = match command.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
            Some((_, rest)) => rest.trim_start(),
            None => command,
        };
        if let Some(rest) = command.strip_prefix('s')
            && let Some(sign) = rest.chars().next()
        {
            return rest.rsplit(sign).next().is_some_and(|flags| flags.contains(['e', 'w']));
        }
        command.starts_with(['e', 'w', 'W'])
    })
}

/// Letters of flags that take what stands behind them in the same word as their value.
pub(super) fn valued_letters(name: &str) -> &'static [char] {
    match name {
        "git" => &['C', 'c', 'b', 'B', 'm', 'o', 'e', 'U'],
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
