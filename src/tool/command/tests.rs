mod bash;

use proptest::prelude::*;

use super::*;

/// The certain commands of a line: programs with their words, unknown parts as `?`.
fn commands(text: &str) -> Vec<String> {
    let line = CommandLine::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let certain = line.commands().iter().filter(|one| !one.is_supposed && one.program.is_some());
    certain
        .map(|one| one.all().map(|word| word.text().replace('\0', "?")).collect::<Vec<_>>().join(" "))
        .collect()
}

fn constructs(text: &str) -> Vec<Construct> {
    CommandLine::parse(text).unwrap().constructs().iter().collect()
}

fn supposed(text: &str, command: &str) -> bool {
    let line = CommandLine::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    line.commands().iter().any(|one| {
        one.all().map(|word| word.text()).collect::<Vec<_>>().join(" ").replace('\0', "?") == command
    })
}

/// Only what is one command and nothing else is run without a shell.
#[test]
fn what_is_more_than_a_command_needs_a_shell() {
    let plain = |text: &str| CommandLine::parse(text).unwrap().plain().is_some();
    assert!(plain("pwd") && plain("pwd;") && plain("ls 'a b'\n"));
    for text in [
        "[[ 1 -eq 2 ]] && pwd",
        "case a in b) pwd;; esac",
        "f() { pwd; }",
        "for i in 1 2 3; do pwd; done",
        "! pwd",
        "time pwd",
        "( pwd )",
        "{ pwd; }",
        "if ((0)); then pwd; fi",
        "pwd; ls",
        "x=1 pwd",
        "pwd &",
    ] {
        assert!(!plain(text), "{text}");
    }
}

/// An index that is evaluated holds code, which rules that refuse look at.
#[test]
fn indices_are_evaluated() {
    for text in [
        "[[ 'a[$(rm x)]' -eq 0 ]]",
        "[[ -v 'a[`rm x`]' ]]",
        "test -v 'a[$(rm x)]'",
        "printf -v 'a[$(rm x)]' y",
        "builtin let 'a[$(rm x)]'",
        "x='b[$(rm x)]'",
        "declare -i 'x=a[$(rm x)]'",
        "echo ${a['$(rm x)']}",
    ] {
        assert!(supposed(text, "rm x"), "{text}");
        assert!(constructs(text).contains(&Construct::Opaque), "{text}");
    }
    for text in ["echo 'a[$(rm x)]'", "[[ $x =~ [0-9]$ ]]", "printf '%s[$]' x"] {
        assert!(!supposed(text, "rm x") && !constructs(text).contains(&Construct::Opaque), "{text}");
    }
}

/// Short lines that stand for more than fits into memory are refused before they do.
#[test]
fn what_grows_is_bounded() {
    let doubling = (1..60).map(|n| format!("b{n}=$b{0}$b{0};", n - 1)).collect::<String>();
    let too_large = |text: &str| matches!(CommandLine::parse(text), Err(CommandError::TooLarge { .. }));
    assert!(too_large(&format!("b0=xxxxxxxx;{doubling}echo $b59")));
    assert!(too_large(&format!("b0=xxxxxxxx;{doubling}rm ${{y:-$b20}}")));
    assert!(too_large("ls {1..1000}") && too_large(&format!("ls {}", "{a,b}".repeat(20))));
    // Read once, however many indices begin in it.
    assert!(constructs(&format!("test {}", "[".repeat(60_000))).is_empty());
    // Longer, but of one meaning.
    assert!(CommandLine::parse(&format!("ls {}", "{".repeat(60_000))).is_ok());
    let all = |words: &[&str]| vec![words.join(" ")];
    for (text, words) in [
        (
            "ls {a..e..2} {05..1..2} {-1..-1..1} {c..a}",
            all(&["ls", "a", "c", "e", "05", "03", "01", "-1", "c", "b", "a"]),
        ),
        ("ls {a}{,/y} {a..3} {,}x {{a,b}", all(&["ls", "{a}", "{a}/y", "{a..3}", "x", "x", "{a", "{b"])),
    ] {
        assert_eq!(commands(text), words, "{text}");
    }
}

#[test]
fn every_simple_command_is_found() {
    let cases: &[(&str, &[&str])] = &[
        ("ls", &["ls"]),
        ("a; b\nc & d && e || f | g |& h", &["a", "b", "c", "d", "e", "f", "g", "h"]),
        ("(a; { b; }) && ! c", &["a", "b", "c"]),
        ("if a; then b; elif c; then d; else e; fi", &["a", "b", "c", "d", "e"]),
        ("for x in 1 2; do a; done; while b; do c; done; until d; do e; done", &["a", "b", "c", "d", "e"]),
        ("for ((i=0;i<3;i++)); do a; done", &["a"]),
        ("case x in a|b) c;; (*) d;; esac", &["c", "d"]),
        ("f() { a; }; function g { b; }; f", &["a", "b", "f"]),
        ("[[ -f x && $y == z* ]] && a", &["a"]),
        ("time -p a; time b", &["a", "b"]),
        ("coproc a; coproc n { b; }", &["a", "b"]),
        ("a $(b `c`) \"$(d)\" <(e) >(f)", &["c", "b ?", "d", "e", "f", "a ? ? ? ?"]),
        ("x=$(a) y=1 b >$(c)", &["a", "c", "b"]),
        ("a <<E\n$(b) `c`\nE\nd", &["b", "c", "a", "d"]),
        ("a <<'E' | b\n$(c)\nE\n", &["a", "b"]),
        ("a <<-E\n\tx\n\tE\nb", &["a", "b"]),
        ("a <<E <<F\n$(b)\nE\n$(c)\nF\n", &["b", "c", "a"]),
        ("a ${x:-$(b)} $((1+$(c)))", &["b", "c", "a ? ?"]),
        ("$(( 1 + 2 ))", &["?"]),
        ("a $( (b); (c) )", &["b", "c", "a ?"]),
        ("a # b; c\nd", &["a", "d"]),
        ("a\\\nb 'c d' \"e\"f\\ g", &["ab c d ef g"]),
        ("a $'x\\x41\\n'", &["a xA\n"]),
        ("{a,b}c {1..3}", &["ac bc 1 2 3"]),
        ("a 2>&1 >x </dev/null", &["a"]),
        ("x=(1 $(a) 2) b", &["a", "b"]),
        ("declare -a x=(1 $(a))", &["a", "declare -a x="]),
        ("a & wait", &["a", "wait"]),
    ];
    for (text, expected) in cases {
        assert_eq!(commands(text), *expected, "{text}");
    }
}

#[test]
fn wrappers_are_taken_off() {
    let cases: &[(&str, &str)] = &[
        ("sudo -u root -- rm x", "rm x"),
        ("env -i A=1 rm x", "rm x"),
        ("env -S 'rm x' y", "rm x y"),
        ("nohup nice -n 5 timeout -k 1 10s rm x", "rm x"),
        ("command -p rm x", "rm x"),
        ("exec -a name rm x", "rm x"),
        ("bash -c 'rm x'", "rm x"),
        ("bash -euo pipefail -c 'rm x'", "rm x"),
        ("sh -c -- 'rm x'", "rm x"),
        ("/bin/sh -lc \"sh -c 'rm x'\"", "rm x"),
        ("eval rm '\"x\"'", "rm x"),
        ("trap 'rm x' EXIT", "rm x"),
        ("xargs -n 1 -I {} rm {} x", "rm ? x"),
        ("find . -name x -exec rm {} +", "rm ?"),
        ("find . -type f -execdir rm x \\; -print", "rm x"),
        ("bash <<< 'rm x'", "rm x"),
        ("bash <<E\nrm x\nE\n", "rm x"),
        ("echo rm x | sh", "rm x"),
        ("printf 'rm %s\\n' x | bash -s", "rm x"),
        ("flock /tmp/l -c 'rm x'", "rm x"),
        ("su - root -c 'rm x'", "rm x"),
        ("busybox rm x", "rm x"),
        ("alias l='rm x'", "rm x"),
        ("watch -n 1 rm x", "rm x"),
        ("\\rm x", "rm x"),
        ("r'm' x", "rm x"),
        ("builtin command rm x", "rm x"),
        ("runuser -u root -- rm x", "rm x"),
        ("runuser -l root -c 'rm x'", "rm x"),
        ("su -c'rm x'", "rm x"),
        ("su root -lc 'rm x'", "rm x"),
        ("env -iS'rm x'", "rm x"),
        ("env -u A -C / -S 'rm x' y", "rm x y"),
        ("ip -n a netns exec b rm x", "rm x"),
        ("ip -all netns exec rm x", "rm x"),
        ("bwrap --bind / / --dev /dev rm x", "rm x"),
        ("capsh --drop=all -- -c 'rm x'", "rm x"),
        ("ssh-agent -t 60 rm x", "rm x"),
        ("start-stop-daemon --start --exec /bin/rm -- x", "/bin/rm x"),
        ("/lib64/ld-linux-x86-64.so.2 --library-path a /bin/rm x", "/bin/rm x"),
        ("coreutils --coreutils-prog=rm x", "rm x"),
    ];
    for (text, expected) in cases {
        assert!(commands(text).iter().any(|one| one == expected), "{text}: {:?}", commands(text));
    }
}

#[test]
fn what_most_likely_runs_is_supposed() {
    for (text, expected) in [
        ("x=rm; $x y", "rm y"),
        ("x='rm y'; $x z", "rm y z"),
        ("rm${IFS}-rf${IFS}/", "rm -rf /"),
        ("r$@m y", "rm y"),
        ("$(echo rm) y", "rm y"),
        ("for x in a b; do rm $x; done", "rm b"),
        ("echo 'rm y' | xargs -I{} bash -c {}", "rm y"),
        ("echo a b | xargs rm", "rm a b"),
        ("bash -c '\"$@\"' x rm y", "rm y"),
        ("bash -c 'rm $1' x y", "rm y"),
        ("ssh host rm y", "rm y"),
        ("parallel rm {} ::: y", "rm y"),
        ("find /x -exec rm {} \\;", "rm /x"),
        ("python -c \"import os; os.system('rm y')\"", "rm y"),
        ("node -e 'require(\"child_process\").execSync(\"rm y\")'", "rm y"),
        ("docker exec -it c rm y", "rm y"),
        ("git -c alias.x='!rm y' x", "rm y"),
        ("git -ccore.PAGER='rm y' log", "rm y"),
        ("git rebase --ex 'rm y' main", "rm y"),
        ("git submodule --quiet foreach --recursive rm y", "rm y"),
        ("git fetch 'ext::rm y'", "rm y"),
        ("uv run --with x rm y", "rm y"),
        ("npx -c 'rm y'", "rm y"),
        ("aws-vault exec p -- rm y", "rm y"),
        ("mise exec node@20 -- rm y", "rm y"),
        ("tmux new -d -s n 'rm y'", "rm y"),
        ("screen -dmS n rm y", "rm y"),
        ("hyperfine --warmup 3 a 'rm y'", "rm y"),
        ("expect -c 'spawn rm y'", "rm y"),
        ("nix-shell -p x --run 'rm y'", "rm y"),
        ("vim '+!rm y' x", "rm y"),
        ("gdb -batch -ex 'shell rm y'", "rm y"),
        ("psql -c '\\! rm y'", "rm y"),
        ("sqlite3 x '.shell rm y'", "rm y"),
        ("mysql -e 'system rm y'", "rm y"),
        ("PAGER='rm y' man ls", "rm y"),
        ("LESSOPEN='|rm y' less x", "rm y"),
        ("export GIT_SSH_COMMAND='rm y'", "rm y"),
        ("make 'x:=$(shell rm y)'", "rm y"),
        ("echo 'rm y' | at now", "rm y"),
        ("perl -we 'exec qw(rm y)'", "rm y"),
        ("sed '1e rm y' x", "rm y"),
        ("awk 'BEGIN{system(\"rm y\")}'", "rm y"),
        ("find a -name y -exec rm {} +", "rm a/y"),
        ("find a -name y | xargs rm", "rm a/y"),
        ("python -c 'shutil.rmtree(\"y\")'", "rm -rf y"),
        ("python -c 'shutil.rmtree(y)'", "rm -rf ?"),
    ] {
        assert!(supposed(text, expected), "{text}");
    }
}

#[test]
fn constructs_are_told() {
    use Construct::{Background, Glob, HereDocument, Opaque, Pipe, Redirect, Subshell, Substitution};
    let cases: &[(&str, &[Construct])] = &[
        ("a b", &[]),
        ("a | b", &[Pipe]),
        ("a > b", &[Redirect]),
        ("a &", &[Background]),
        ("(a)", &[Subshell]),
        ("a *.x", &[Glob]),
        ("a {b,c}", &[Glob]),
        ("a '*'", &[]),
        ("a $x", &[Substitution]),
        ("a \"$(b)\"", &[Substitution]),
        ("a <<< b", &[HereDocument]),
        ("python -c 1", &[Opaque]),
        ("python x.py", &[]),
        ("ssh h", &[]),
        ("ssh h ls", &[Opaque]),
        ("bash x.sh", &[]),
        ("a | bash", &[Pipe, Opaque]),
        ("bash -c \"$x\"", &[Substitution, Opaque]),
        ("$x", &[Substitution, Opaque]),
        ("git -c core.pager=x log", &[Opaque]),
        ("git -C . -c core.pager=x log", &[Opaque]),
        ("git commit -c HEAD", &[]),
        ("git log --output=x", &[Opaque]),
        ("find . -delete", &[Opaque]),
        ("awk '{print $1}' x", &[]),
        ("awk 'BEGIN{system(\"id\")}'", &[Opaque]),
        ("sed s/a/b/ x", &[]),
        ("sed 's/a/b/e' x", &[Opaque]),
        ("sed -n '1,5p' x", &[]),
        ("LD_PRELOAD=x a", &[Opaque]),
        ("source <(a)", &[Substitution, Opaque]),
        ("xargs bash -c", &[Opaque]),
        ("tar xf x.tar", &[]),
        ("tar xfI x id", &[Opaque]),
        ("tar --checkpoint=9 -cf x y", &[]),
        ("tar --checkpoint-act=exec=id -cf x y", &[Opaque]),
        ("git grep -nOid x", &[Opaque]),
        ("git grep -e O x", &[]),
        ("git diff --text", &[]),
        ("git log --outpu=x", &[Opaque]),
        ("sort -t o x", &[]),
        ("sort -uo x y", &[Redirect, Opaque]),
        ("uniq -f 1 x", &[]),
        ("uniq -c x y", &[Redirect]),
        ("xxd -c 8 x", &[]),
        ("cargo test --manifest-path a/Cargo.toml", &[]),
        ("cargo test --manifest-path=../a/Cargo.toml", &[Opaque]),
        ("make -C/tmp/x", &[Opaque]),
        ("rsync -aze 'ssh -p 1' a b", &[Opaque]),
        ("go test --exec id", &[Opaque]),
        ("make V=1 all", &[]),
        ("make CC=id", &[Opaque]),
        ("psql -c 'select 1'", &[]),
        ("psql -c '\\! id'", &[Opaque]),
        ("sqlite3 x .schema", &[]),
        ("sqlite3 x '.import |id t'", &[Opaque]),
        ("uv run pytest", &[]),
        ("tmux new id", &[Opaque]),
        ("{ bash; } < a", &[Redirect, Opaque]),
    ];
    for (text, expected) in cases {
        assert_eq!(constructs(text), *expected, "{text}");
    }
}

/// Whether the last command can be given the output of `a`.
fn reaches(text: &str) -> bool {
    let line = CommandLine::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let sources = line.sources_of(line.commands().len() - 1);
    sources.iter().any(|source| line.commands()[*source].name() == Some("a"))
}

#[test]
fn what_is_written_is_followed_to_who_reads_it() {
    for text in [
        "a | z",
        "a | b | z",
        "a > f; z f",
        "a > ./f; cd .; z < f",
        "{ a; } > f; z f",
        "(a; b) > f; z f",
        "for x in 1; do a; done > f; z f",
        "g() { a; }; g | z",
        "g() { a; }; g > f; z f",
        "exec 3>f; a >&3; z f",
        "exec 3>f; a 1>&3-; z f",
        "exec {fd}>f; a >&$fd; z f",
        "exec {fd}>f; a >&${fd}; z f",
        "exec {fd}>f; a > /dev/fd/10; z f",
        "exec {fd}>f; a >&\"$fd\"; z f",
        "exec 3>f 4>&3; a >&4; z f",
        "exec 3>f; a > /dev/fd/3; z f",
        "exec 3>f; a > /proc/self/fd/3; z f",
        "exec > f; a; z f",
        "{ a >&3; } 3>f; z f",
        "a > f; exec 3<f; z <&3",
        "a > f; exec 3<f; z /dev/fd/3",
        "a > f; exec <f; z",
        "z $(a)",
        "z <(a)",
    ] {
        assert!(reaches(text), "{text}");
    }
    for text in [
        "a; z",
        "a > f; z g",
        "exec 3>f; a >&2; z f",
        "exec 3>f; a >&3; z g",
        "{ b; } > f; a; z f",
        "g() { b; }; a; g | z",
        "a 2>&1; z 2>&1",
    ] {
        assert!(!reaches(text), "{text}");
    }
}

#[test]
fn what_does_not_parse_is_refused() {
    for text in [
        "",
        "a 'b",
        "a \"b",
        "a `b",
        "a $(b",
        "a ${b",
        "a |",
        "| a",
        "a ;; b",
        "&& a",
        "a && ",
        "(a",
        "a)",
        "{ a",
        "if a",
        "if a; then",
        "for x in a; do b",
        "case x in a) b",
        "a <<E",
        "a <<E\nb",
        "a > ",
        "a b(c)",
        "a !(b)",
        "a\0b",
        "fi",
        "do",
        "! ",
        "f() a",
        "x[$(a)]=1",
        "a <(b",
        "[[ a",
        "a <<E \"\n\"\nE\n",
        "a <<$x\nb\n$x\n",
    ] {
        if text.is_empty() {
            continue;
        }
        assert!(CommandLine::parse(text).is_err(), "{text}: {:?}", commands(text));
    }
    for text in ["Remove-Item -Recurse x", "del /s x", "dir %USERPROFILE%"] {
        assert!(matches!(CommandLine::parse(text), Err(CommandError::ForeignShell { .. })), "{text}");
    }
    assert!(CommandLine::parse(&"a".repeat(MAX_BYTES + 1)).is_err());
    for (open, close) in [
        ("$(", ")"),
        ("(", ")"),
        ("$((", "))"),
        ("{ ", "; }"),
        ("\"$(", ")\""),
        ("${x:-", "}"),
        ("if ", "; then a; fi"),
    ] {
        for depth in [100, 10_000] {
            let text = format!("a {} b {}", open.repeat(depth), close.repeat(depth));
            let _ = CommandLine::parse(&text);
            let text = format!("{} b {}", open.repeat(depth), close.repeat(depth));
            let _ = CommandLine::parse(&text);
        }
    }
    let mut code = "rm x".to_owned();
    for _ in 0..12 {
        code = format!("bash -c '{}'", code.replace('\'', r"'\''"));
        if code.len() > MAX_BYTES {
            break;
        }
        let _ = CommandLine::parse(&code);
    }
}

#[test]
fn policies() {
    let policy = CommandPolicy::new([
        "git status",
        "git log **",
        "ls -la {path}",
        "cargo test *",
        "cat *.md",
        "/usr/bin/id",
    ])
    .unwrap();
    let allowed =
        |policy: &CommandPolicy, text: &str| policy.check(&CommandLine::parse(text).unwrap()).is_none();
    for text in [
        "git status",
        "git  'status'",
        "git log",
        "git log -p -1 src",
        "ls -la src/x",
        "cargo test tool::",
        "git status; git log",
        "cat README.md",
        "/usr/bin/id",
        "nohup git status",
        "bash -c 'git status && git log'",
        "if git status; then git log; fi",
    ] {
        assert!(allowed(&policy, text), "{text}: {:?}", policy.check(&CommandLine::parse(text).unwrap()));
    }
    for text in [
        "git",
        "git status -s",
        "git push",
        "ls -la ../x",
        "ls -la /etc",
        "ls -la ~",
        "ls -la -R",
        "ls -la x y",
        "cargo test",
        "cargo test a b",
        "git log $(id)",
        "git log $x",
        "git log | cat",
        "git log > x",
        "git log &",
        "(git log)",
        "git log *",
        "/tmp/git status",
        "./git log",
        "FOO=1 git log",
        "sudo git status",
        "env PATH=/tmp git status",
        "git log --output=x",
        "git log\nrm x",
        "git status; rm x",
        "bash -c 'git status; rm x'",
        "id",
        "cat x.txt",
        "f() { rm x; }; f",
        "/tmp/bash -c 'git log'",
        "xargs git log",
        "git() { rm x; }; git log",
        "find . -exec git log {} \\;",
        "cd / && ls -la x",
        "eval git log '$(id)'",
        "python -c 1",
        "GIT_PAGER=x git log",
        "f() { git log; }; f",
        "git log | id() { git log; }; id",
        "id; id() { git log; }",
    ] {
        assert!(!allowed(&policy, text), "{text}");
    }
    let piped = policy.clone().with_constructs([Construct::Pipe, Construct::Redirect]).with_under(["/srv"]);
    assert!(allowed(&piped, "git log | git log > out.txt 2>/dev/null"));
    assert!(allowed(&piped, "git log > /srv/out.txt"));
    for text in [
        "git log | sh",
        "git log > ../x",
        "git log > /etc/x",
        "git log > ~/x",
        "git log > /srv/../etc/x",
        "git log 3<>/dev/tcp/a/1",
    ] {
        assert!(!allowed(&piped, text), "{text}");
    }
    let denying = CommandPolicy::any().with_deny_programs(["sudo", "curl"]);
    assert!(allowed(&denying, "ls | grep x > y"));
    for text in [
        "sudo ls",
        "ls; curl x",
        "bash -c 'curl x'",
        "/usr/bin/curl x",
        "$x",
        "x=curl; $x y",
        "ls | xargs curl",
    ] {
        assert!(!allowed(&denying, text), "{text}");
    }
    assert!(
        CommandPolicy::new(["** x"]).is_err()
            && CommandPolicy::new(["a | b"]).is_err()
            && CommandPolicy::new(["a {file}"]).is_err()
    );
}

#[test]
fn urls_of_allowed_commands_are_read_as_urls() {
    let any = CommandPolicy::new(["curl -sS {url}", "git clone {url} {path}"]).unwrap();
    let listed = any.clone().with_hosts(["*.example.com"]).unwrap();
    let allowed = |policy: &CommandPolicy, text: &str| match CommandLine::parse(text) {
        Ok(line) => policy.check(&line).is_none(),
        Err(_) => false,
    };
    for text in ["curl -sS 'https://api.example.com/v1?q=1'", "git clone 'https://git.example.com/a.git' a"] {
        assert!(allowed(&any, text) && allowed(&listed, text), "{text}");
    }
    assert!(
        allowed(&any, "curl -sS https://example.net/") && !allowed(&listed, "curl -sS https://example.net/")
    );
    for text in [
        "curl -sS http://127.0.0.1/",
        "curl -sS http://0x7f.1/",
        "curl -sS https://a@api.example.com/",
        "curl -sS file:///etc/passwd",
        "curl -sS api.example.com",
        "curl -sS -o",
        "curl -sS https://$HOST.example.com/",
        "curl -sS https://*.example.com/",
        "curl -sS 'https://{127.0.0.1,a.example.com}/'",
        "curl -sS 'https://api.example.com/[1-9]'",
        "curl -sS https://api.example.com/ https://evil.example/",
    ] {
        assert!(!allowed(&any, text) && !allowed(&listed, text), "{text}");
    }
    assert!(CommandPolicy::new(["curl {urls}"]).is_err());
}

#[test]
fn a_refusal_repeats_nothing_of_the_line() {
    let policy = CommandPolicy::new(["git status"]).unwrap();
    for text in
        ["hunter2 x", "git hunter2", "hunter2=1 git status", "git status > hunter2", "git status $hunter2"]
    {
        let refused = policy.check(&CommandLine::parse(text).unwrap()).unwrap();
        assert!(!refused.message.contains("hunter2"), "{}", refused.message);
    }
    assert_eq!(
        policy.check(&CommandLine::parse("git push").unwrap()).unwrap().message,
        "`git` with these words is not in `allow`; accepted: `git status`"
    );
}

proptest! {
    #[test]
    fn nothing_panics(text in "[a-z $(){}'\"`|&;<>\\\\\n#=\\[\\]!*~:/0-9-]{0,60}") {
        let _ = CommandLine::parse(&text);
    }

    /// Code in `bash -c` is read as it is read alone.
    #[test]
    fn code_within_code_is_read_alike(text in "[a-c $(){}\"|&;<>\n=!*-]{0,30}") {
        if let Ok(alone) = CommandLine::parse(&text)
            && !text.starts_with('-')
        {
            let within = CommandLine::from_argv(["bash", "-c", &text]);
            if let Ok(within) = within {
                let names = |line: &CommandLine| line.commands().iter().map(|one| one.all().map(|word| word.text().to_owned()).collect::<Vec<_>>()).collect::<Vec<_>>();
                prop_assert_eq!(names(&alone), names(&within).split_off(1));
            }
        }
    }
}
