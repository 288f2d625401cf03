//! What is read of a line, held to what bash runs when every program writes down how it was called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use crate::tool::command::{CommandLine, CommandPolicy, Construct, Simple};

/// A line that runs all of its commands, whatever each returns, since all return 0.
fn line_strategy() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        4 => "[a-z]{1,4}",
        1 => "'[a-z ;|&$(]{0,5}'",
        1 => "\"[a-z ;|&']{0,5}\"",
        1 => Just(r"x\ y".to_owned()),
        1 => Just("--flag=v".to_owned()),
        1 => Just(r"$'a\tb'".to_owned()),
        1 => Just("{p,q}r".to_owned()),
        1 => Just("''".to_owned()),
        1 => Just("a#b".to_owned()),
    ];
    let words = prop::collection::vec(text, 0..4)
        .prop_map(|words| words.iter().fold(String::new(), |all, word| all + " " + word));
    let simple = (
        prop::sample::select(vec!["p0", "p1", "p2", "p3"]),
        words,
        prop::sample::select(vec!["", "", "", " 2>/dev/null", " </dev/null", " <<<x"]),
    )
        .prop_map(|(program, words, redirect)| format!("{program}{words}{redirect}"));
    let quoted = |code: &str| format!("'{}'", code.replace('\'', r"'\''"));
    simple.prop_recursive(4, 24, 3, move |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec!["; ", " && ", " | ", "\n", " & wait; "]),
                inner.clone()
            )
                .prop_map(|(a, sign, b)| format!("{a}{sign}{b}")),
            inner.clone().prop_map(|a| format!("( {a} )")),
            inner.clone().prop_map(|a| format!("{{ {a}; }}")),
            inner.clone().prop_map(|a| format!("if {a}; then {a}; fi")),
            inner.clone().prop_map(|a| format!("for x in 1; do {a}; done")),
            inner.clone().prop_map(|a| format!("{{ f() {{ {a}; }}; f; }}")),
            inner.clone().prop_map(|a| format!("case x in y) ;; x) {a};; esac")),
            inner.clone().prop_map(|a| format!("x=$( {a} )")),
            inner.clone().prop_map(move |a| format!("bash -c {}", quoted(&a))),
            inner.clone().prop_map(move |a| format!("eval {}", quoted(&a))),
            inner.clone().prop_map(|a| format!("nohup p0 x <<'END'\n{}\nEND\n{a}", "text")),
            inner.clone().prop_map(|a| format!("! {a}")),
        ]
    })
}

/// Programs that write down how they were called.
struct Recorder {
    folder: tempfile::TempDir,
}

impl Recorder {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let script = "#!/bin/bash\nline=\"${0##*/}\"\nfor word in \"$@\"; do line+=\"\x01$word\"; done\nprintf '%s\\n' \"${line//$'\\n'/$'\\x02'}\" >> \"$RECORD\"\n";
        for program in ["p0", "p1", "p2", "p3"] {
            let file = bin.join(program);
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(bin.join("nohup"), "#!/bin/bash\nexec \"$@\"\n").unwrap();
        fs::set_permissions(bin.join("nohup"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::metadata("/bin/bash").ok()?;
        std::os::unix::fs::symlink("/bin/bash", bin.join("bash")).unwrap();
        Some(Self { folder })
    }

    /// What bash runs, sorted; none where it does not parse the line.
    fn run(&self, line: &str) -> Option<Vec<String>> {
        let (status, lines) = self.record(line);
        (status != Some(2)).then_some(lines)
    }

    /// What bash runs, whether it can make sense of all of the line or not.
    fn ran(&self, line: &str) -> Vec<String> {
        self.record(line).1
    }

    fn record(&self, line: &str) -> (Option<i32>, Vec<String>) {
        let record = self.folder.path().join("record");
        fs::write(&record, "").unwrap();
        let status = Command::new("/bin/bash")
            .args(["--norc", "-c", line])
            .env_clear()
            .env("PATH", self.folder.path().join("bin"))
            .env("RECORD", &record)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let mut lines: Vec<String> =
            fs::read_to_string(&record).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        (status.code(), lines)
    }
}

fn found(line: &str) -> Vec<String> {
    let line = CommandLine::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let recorded = |one: &&Simple| {
        one.name().is_some_and(|name| matches!(name, "p0" | "p1" | "p2" | "p3")) && !one.is_supposed
    };
    let mut found: Vec<String> = line
        .commands()
        .iter()
        .filter(recorded)
        .map(|one| one.all().map(|word| word.text().replace('\n', "\x02")).collect::<Vec<_>>().join("\x01"))
        .collect();
    found.sort();
    found
}

#[test]
fn commands_are_those_that_bash_runs() {
    let Some(recorder) = Recorder::new() else { return };
    let cases = std::env::var("RINGFENCE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let outcome = runner.run(&line_strategy(), |line| {
        // Of what stands behind `!` and `&&`, bash may leave out some.
        let Some(ran) = recorder.run(&line) else { return Ok(()) };
        let found = found(&line);
        if line.contains('!') {
            let mut rest = found.clone();
            for one in &ran {
                let at = rest.iter().position(|other| other == one);
                prop_assert!(at.is_some(), "{:?}: ran {:?}, found {:?}", line, ran, found);
                rest.remove(at.unwrap());
            }
        } else {
            prop_assert_eq!(&found, &ran, "{:?}", line);
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Arguments of an allowed command, into which a fragment is put without a thought.
const TEMPLATES: [&str; 8] = [
    "p1 {}",
    "p1 a{}",
    "p1 --flag={} b",
    "p1 '{}'",
    "p1 \"{}\"",
    "p1 a '{}' b | p1",
    "p1 \"a {}\" && p1",
    "p1 <<E\n{}\nE\n",
];

/// Of fragments in each of these places: how many made bash run another program, and which of those are let through.
fn injected(fragments: &[String]) -> (usize, Vec<String>) {
    let Some(recorder) = Recorder::new() else { return (0, Vec::new()) };
    let plain = CommandPolicy::new(["p1 **"]).unwrap();
    // Even where every construct may stand, each command has to be one that is allowed.
    let open = plain.clone().with_constructs(Construct::ALL);
    let (mut ran, mut passed) = (0, Vec::new());
    for template in TEMPLATES {
        for fragment in fragments {
            let line = template.replace("{}", fragment);
            let others = recorder.ran(&line);
            if !others.iter().any(|one| !one.starts_with("p1")) {
                continue;
            }
            ran += 1;
            let refused = |policy: &CommandPolicy| match CommandLine::parse(&line) {
                Ok(parsed) => policy.check(&parsed).is_some(),
                Err(_) => true,
            };
            if !refused(&plain) || !refused(&open) {
                passed.push(line);
            }
        }
    }
    (ran, passed)
}

#[test]
fn a_fragment_that_runs_something_else_is_refused() {
    let signs = [
        ";", "; ", "&", " & ", "&&", "||", "|", "|&", "\n", ";\n", " \n", "\r\n", "#\n", "\\\n;", ";;",
        "! \n",
    ];
    let mut fragments: Vec<String> = signs.iter().map(|sign| format!("{sign}p0 x")).collect();
    fragments.extend(signs.iter().map(|sign| format!("x{sign}p0 x{sign}")));
    for quote in ["'", "\""] {
        fragments.extend(signs.iter().map(|sign| format!("x{quote}{sign}p0 x{sign}p1 {quote}")));
    }
    let others = [
        "$(p0)",
        "`p0`",
        "${x:-$(p0)}",
        "$((1+$(p0)))",
        "<(p0)",
        ">(p0)",
        "$(p1; p0)",
        "x$(p0)y",
        "\"$(p0)\"",
        "'\"$(p0)\"'",
        "'$(p0)'",
        "\"'$(p0)'\"",
        "(p0)",
        ";(p0)",
        ";{ p0; }",
        "; if p0; then p1; fi",
        "; p1() { p0; }; p1",
        "; bash -c p0",
        "; eval p0",
        "; 'p0' x",
        "; p'0'",
        "; nohup p0",
        "| xargs p0",
        "\nE\np0\n",
        "\nE\np0 <<E",
        "x;p0<<<y",
        "${x:=`p0`}",
        "$( (p0) )",
        "; case x in x) p0;; esac",
        "& p0 & wait",
        "; ! p0",
        "; x=1 p0",
        "; >/dev/null p0",
    ];
    fragments.extend(others.map(str::to_owned));
    let (ran, passed) = injected(&fragments);
    assert!(ran == 0 || ran > 200, "{ran}");
    assert!(passed.is_empty(), "{passed:?}");
}

/// The same with labelled fragments: `RINGFENCE_COMMANDS=file.jsonl cargo test --lib measure_fragments -- --ignored --nocapture`. Rows
/// have `command` and `label`; those of `injection` are taken.
#[test]
#[ignore = "needs data that is not part of the project"]
fn measure_fragments() {
    let rows = fs::read_to_string(std::env::var("RINGFENCE_COMMANDS").unwrap()).unwrap();
    let rows = rows.lines().map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap());
    let fragments: Vec<String> = rows
        .filter(|row| row["label"] == "injection")
        .map(|row| row["command"].as_str().unwrap().replace("{cmd}", "p0").replace("/usr/bin/id", "p0"))
        .map(|fragment| fragment.replace("id", "p0"))
        .collect();
    let (ran, passed) = injected(&fragments);
    println!(
        "{} fragments, {} lines, {ran} run something else, let through: {passed:?}",
        fragments.len(),
        fragments.len() * TEMPLATES.len()
    );
}
