//! Arguments judged: commands, paths and URLs, each by all rules of the default bundle and by a list of what is allowed.
//!
//! `cargo bench --bench tool [-- commands paths urls]`. Every input is a new one, and time is that of the thread on the
//! processor. Ratios within one run count more than the numbers.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use ringfence::Engine;
use ringfence::tool::{Access, CommandLine, CommandPolicy, Construct, Glob, PathPolicy, Symlinks, UrlPolicy};

/// Inputs of one row, each decided once in each pass.
const INPUTS: usize = 2_000;
const PASSES: usize = 9;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // What `cargo test --benches` passes: nothing to prove here.
    if asked.first().is_some_and(|first| first == "--test") {
        return;
    }
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);
    let engine = Engine::embedded().unwrap();
    if wanted("commands") {
        commands(&engine);
    }
    if wanted("paths") {
        paths(&engine);
    }
    if wanted("urls") {
        urls(&engine);
    }
}

/// Time that this thread was on the processor.
fn now() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
    }
    #[cfg(not(unix))]
    {
        std::time::UNIX_EPOCH.elapsed().unwrap()
    }
}

/// The median and the 99th percentile of one input, in microseconds, of all inputs in all passes but the first.
fn row(name: &str, inputs: &[String], mut decide: impl FnMut(&str) -> bool) -> f64 {
    let mut times = Vec::with_capacity(inputs.len() * PASSES);
    let mut held = 0;
    for pass in 0..=PASSES {
        held = 0;
        for input in inputs {
            let before = now();
            let holds = black_box(decide(black_box(input)));
            let time = (now() - before).as_secs_f64() * 1e6;
            held += usize::from(holds);
            if pass > 0 {
                times.push(time);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    let bytes = inputs.iter().map(String::len).sum::<usize>() / inputs.len().max(1);
    println!(
        "{name:<44} {:>7.2} us p50 {:>7.2} us p99   {bytes} bytes, {held} of {} hold",
        at(0.5),
        at(0.99),
        inputs.len()
    );
    at(0.5)
}

fn filled(forms: &[&str]) -> Vec<String> {
    let forms = forms.iter().cycle();
    forms.take(INPUTS).enumerate().map(|(n, form)| form.replace("{n}", &format!("{n:04}"))).collect()
}

fn commands(engine: &Engine) {
    let kinds: [(&str, &[&str]); 5] = [
        (
            "one program with words",
            &[
                "git log --oneline --max-count=20 -- src/module{n}/parser.rs",
                "cargo test --package part{n} --lib -- tests::parser::reads ",
                "grep -rn \"fn parse_{n}\" src/tool tests --include='*.rs' -l",
                "ls -la --sort=time src/module{n}/command tests/cases/bypass",
                "find src/module{n} -name '*.rs' -newer Cargo.toml -type f -s",
            ],
        ),
        (
            "a pipe",
            &[
                "git log --oneline -n {n} | grep -i 'fix' | head -n 5 | wc -l",
                "cat notes/file{n}.txt | sort -k 2 -t , | uniq -c | tail -n 9",
            ],
        ),
        (
            "a list with a folder and a redirection",
            &["cd src/part{n} && cargo build --release > out{n}.log; ls -la"],
        ),
        ("variables and substitutions", &["for f in a{n} b c; do echo \"$f $(wc -l < notes/$f.md)\"; done"]),
        ("wrappers and code within code", &["timeout 30 env A={n} bash -c 'git status && ls -la src/{n}/x'"]),
    ];
    let allow = [
        "git log **",
        "git status",
        "git diff **",
        "cargo test **",
        "cargo build **",
        "grep **",
        "ls **",
        "find **",
        "cat {path}",
        "sort **",
        "uniq **",
        "head **",
        "tail **",
        "wc **",
        "cd {path}",
        "echo **",
    ];
    let policy = CommandPolicy::new(allow)
        .unwrap()
        .with_constructs([
            Construct::Pipe,
            Construct::Redirect,
            Construct::Glob,
            Construct::Substitution,
            Construct::Background,
        ])
        .with_assignments(["A"]);
    for (name, forms) in kinds {
        let inputs = filled(forms);
        let all = row(&format!("command: {name}"), &inputs, |text| match CommandLine::parse(text) {
            Ok(line) => engine.scan_command(&line).is_empty() && policy.check(&line).is_none(),
            Err(_) => false,
        });
        let parse = row("  of this, parsing", &inputs, |text| CommandLine::parse(text).is_ok());
        let lines: Vec<CommandLine> =
            inputs.iter().filter_map(|text| CommandLine::parse(text).ok()).collect();
        let mut next = lines.iter().cycle();
        let rules =
            row("  rules", &inputs, |_| next.next().is_some_and(|line| engine.scan_command(line).is_empty()));
        let mut next = lines.iter().cycle();
        let list = row("  list", &inputs, |_| next.next().is_some_and(|line| policy.check(line).is_none()));
        let share = |part: f64| 100.0 * part / all;
        println!("  {:.0} % parsing, {:.0} % rules, {:.0} % list\n", share(parse), share(rules), share(list));
    }
}

fn paths(engine: &Engine) {
    let kinds: [(&str, &[&str]); 3] = [
        (
            "below a folder",
            &["/srv/data/reports/2026/quarter{n}/summary.txt", "/srv/data/a/./b{n}/../c/notes.md"],
        ),
        ("encoded", &["/srv/data/a%20b/{n}.txt", "/srv/data/%2e%2e/%2e%2e/etc/passwd{n}"]),
        ("secret", &["/srv/data/app{n}/.env", "/home/ann{n}/.ssh/id_rsa"]),
    ];
    let deny = ["**/.git/**", "**/*.pem", "**/node_modules/**"].map(|glob| Glob::new(glob).unwrap());
    let policy = PathPolicy::under(["/srv/data"]).with_deny(deny).with_symlinks(Symlinks::Within);
    for (name, forms) in kinds {
        row(&format!("path: {name}"), &filled(forms), |path| {
            engine.scan_path(path, Access::Write).is_empty() && policy.check(path).is_ok()
        });
    }
    println!();
}

fn urls(engine: &Engine) {
    let kinds: [(&str, &[&str]); 3] = [
        (
            "a name",
            &[
                "https://api.example.com/v1/items/{n}?page=2&sort=name",
                "https://docs.example.com/guide/{n}#top",
            ],
        ),
        ("an address", &["http://10.0.0.1/{n}", "http://0x7f000001:8080/{n}"]),
        ("another host", &["https://example.net/{n}", "https://user@example.org/{n}"]),
    ];
    let policy = UrlPolicy::default().with_hosts(["*.example.com"]).unwrap();
    for (name, forms) in kinds {
        row(&format!("url: {name}"), &filled(forms), |url| {
            engine.scan_url(url).is_empty() && policy.check(url).is_ok()
        });
    }
}
