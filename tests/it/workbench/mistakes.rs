//! Ten mistakes that people make in a bundle, and what finds each. The page `docs/mistakes.md` is made of what is really printed:
//! `RINGFENCE_BLESS=1 cargo test mistakes` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::cli::{out, run};

struct Mistake {
    title: &'static str,
    /// What happened, for the reader.
    story: &'static str,
    file: &'static str,
    /// What is replaced, and by what; an empty text is the end of the file.
    edit: (&'static str, &'static str),
    /// What is typed.
    command: &'static [&'static str],
    /// What its output has to say.
    told: &'static [&'static str],
    mend: &'static str,
}

const EVENTS: &str = r#"{"stage":"tool_result","session":"s1","at":"2026-01-15T10:00:00Z","user":{"id":"uma","roles":["user"]},"agent":"assistant","tool":"read_file","result":"write to nina@post.example"}
{"stage":"tool_call","session":"s2","at":"2026-01-15T10:00:00Z","user":{"id":"uma","roles":["user"]},"agent":"assistant","tool":"restart_service","arguments":{"service":"worker"}}
"#;

const MISTAKES: &[Mistake] = &[
    Mistake {
        title: "A misspelt role",
        story: "A permit names `engineers`; the role is called `engineer`. In other engines such a permit applies to nobody, and such a forbid lets everybody pass.",
        file: "access.cedar",
        edit: (r#"principal in Role::"engineer","#, r#"principal in Role::"engineers","#),
        command: &["check", "policies"],
        told: &["error[undeclared-name]", "access.cedar:18", "did you mean `engineer`?"],
        mend: "Write the name that the help suggests.",
    },
    Mistake {
        title: "A permit that is too wide",
        story: "The role was left out of a permit, so that everybody may restart services.",
        file: "access.cedar",
        edit: (r#"principal in Role::"engineer","#, "principal,"),
        command: &["diff", "before", "policies", "--on", "events.jsonl", "--fail-on", "newly-allowed"],
        told: &["newly-allowed", "engineers-restart-services", "events.jsonl:2", "by role\n  user"],
        mend: "Look at who is newly allowed, and through which policy. `ringfence who --can call_tool --tool restart_service` lists everybody who may now; the bundle's own tests fail, too.",
    },
    Mistake {
        title: "A rule that nothing looks at",
        story: "A rule only notes what it finds, for a policy that was never written.",
        file: "packs/pii.yaml",
        edit: (
            "",
            "  - id: badge\n    action: flag\n    find: { pattern: 'badge-[0-9]{4}' }\n    examples: { match: [badge-1234], ignore: [badge-12] }\n",
        ),
        command: &["check", "policies", "--deny-warnings"],
        told: &[
            "warning[unused-name]",
            "`pii/badge` only flags, and no policy looks at it",
            "packs/pii.yaml:",
        ],
        mend: "Name the rule in a policy, or give it an action of its own.",
    },
    Mistake {
        title: "A forbid in the shadow of another",
        story: "A second forbid says what the first one says already. Nobody notices when one of them is broken, since the other still refuses.",
        file: "access.cedar",
        edit: (
            "",
            "\n@id(\"no-mail-after-reading\")\nforbid(principal, action == Action::\"send_mail\", resource)\nwhen { context.session.labels.contains(Label::\"private\") };\n",
        ),
        command: &["test", "policies", "--mutate"],
        told: &["no test notices policy `no-mail-after-reading` removed", "access.cedar:"],
        mend: "Remove one of the two, or add a test that only this one decides.",
    },
    Mistake {
        title: "A waiver that is too wide",
        story: "An exception for one officer was given to every user.",
        file: "access.cedar",
        edit: (
            "",
            "\n@id(\"audit-reads-mail-addresses\")\n@owner(\"audit\")\npermit(principal in Role::\"user\", action == Action::\"waive\", resource in Pack::\"pii\");\n",
        ),
        command: &["diff", "before", "policies", "--on", "events.jsonl", "--fail-on", "newly-allowed"],
        told: &["newly-allowed", "audit-reads-mail-addresses", "pii/email in /result at 9..26"],
        mend: "Name the role, the rule and the stage that are meant: `when { context.stage == Stage::\"tool_result\" }`.",
    },
    Mistake {
        title: "An exception that has expired",
        story: "An exception had an end, which has passed. What it excused is done again.",
        file: "access.cedar",
        edit: (
            "",
            "\n@id(\"migration-reads-mail-addresses\")\n@owner(\"it\")\n@expires(\"2026-03-31\")\npermit(principal in Role::\"engineer\", action == Action::\"waive\", resource == Rule::\"pii/email\");\n",
        ),
        command: &["check", "policies", "--deny-warnings", "--today", "2026-04-01"],
        told: &["warning[expired]", "`migration-reads-mail-addresses` has expired on 2026-03-31"],
        mend: "Remove it, or have its owner agree to a new date.",
    },
    Mistake {
        title: "A pattern that matches too much",
        story: "The check behind the pattern was taken out, and file names such as `logo@2x.png` are replaced.",
        file: "packs/pii.yaml",
        edit: ("      check: email                    # a plausible host: not logo@2x.png\n", ""),
        command: &["check", "policies"],
        told: &[
            "error[example-fails]",
            "`pii/email` matches an example that it should ignore",
            "logo@2x.png",
        ],
        mend: "Put the check back, or narrow the pattern. A rule whose own example fails does not load.",
    },
    Mistake {
        title: "A label that nothing sets",
        story: "A tool no longer says that it reads private data. The forbid that holds private data back stays, and never applies.",
        file: "tools.yaml",
        edit: ("    reads: [private]          # after this, the session holds private data\n", ""),
        command: &["check", "policies", "--deny-warnings"],
        told: &[
            "warning[unused-name]",
            "no tool reads or writes the label `private`, so no session ever has it",
        ],
        mend: "Say at the tool what it reads. `ringfence test` fails as well, where a test walks the whole way.",
    },
    Mistake {
        title: "Kept for too long",
        story: "A tenant was given more time than the class of the data allows.",
        file: "retention.yaml",
        edit: ("# tenants: { acme: { dialogue: 14d } }", "tenants: { acme: { dialogue: 60d } }"),
        command: &["check", "policies"],
        told: &["error[retention-conflict]", "retention.yaml:8"],
        mend: "Shorten the period, or let the class say `longer: allowed`.",
    },
    Mistake {
        title: "A test that proves nothing",
        story: "A test walks up to the refusal and then expects only that no rule matches.",
        file: "tests/access.yaml",
        edit: ("expect: { decision: deny, by: private-data-stays-in }", "expect: { found: [] }"),
        command: &["test", "policies", "--mutate", "--min-mutation", "60"],
        told: &["no test notices policy `private-data-stays-in` removed"],
        mend: "Expect the decision, and with `by:` what decides.",
    },
];

/// Everything that a command prints.
fn printed(folder: &Path, command: &[&str]) -> (Option<i32>, String) {
    let output = run(folder, command, "");
    let text = out(&output) + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.lines().map(|line| format!("{}\n", line.trim_end())).collect())
}

#[test]
fn ten_mistakes_are_found() {
    let mut page = String::from(
        "# Ten mistakes, and what finds them\n\nEach is made in the bundle that `ringfence init policies` writes, of which `before` is a copy. What stands here is what the\nprogram prints; a test makes every mistake and holds this page to it.\n",
    );
    assert_eq!(MISTAKES.len(), 10);
    for mistake in MISTAKES {
        let folder = tempfile::tempdir().unwrap();
        for name in ["before", "policies"] {
            assert_eq!(run(folder.path(), &["init", name], "").status.code(), Some(0));
        }
        fs::write(folder.path().join("events.jsonl"), EVENTS).unwrap();
        let path = folder.path().join("policies").join(mistake.file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let (from, to) = mistake.edit;
        let edited = if from.is_empty() { text + to } else { text.replacen(from, to, 1) };
        assert!(edited.contains(to) && (from.is_empty() || !edited.contains(from)), "{}", mistake.title);
        fs::write(&path, edited).unwrap();

        let (status, text) = printed(folder.path(), mistake.command);
        for told in mistake.told {
            assert!(text.contains(told), "{}: {told} is not in\n{text}", mistake.title);
        }
        let listed = mistake.command.contains(&"--mutate") && !mistake.command.contains(&"--min-mutation");
        assert_eq!(status, Some(i32::from(!listed)), "{}\n{text}", mistake.title);

        let _ = write!(page, "\n## {}\n\n{}\n\n", mistake.title, mistake.story);
        let _ =
            writeln!(page, "```text\n$ ringfence {}\n{}```\n", mistake.command.join(" "), shortened(&text));
        let _ = writeln!(page, "{}", mistake.mend);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mistakes.md");
    if std::env::var_os("RINGFENCE_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), page);
}

/// A long list in its first lines and its last.
fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= 30 {
        return text.to_owned();
    }
    let (first, last) = (&lines[..24], &lines[lines.len() - 3..]);
    format!("{}\n…\n{}\n", first.join("\n"), last.join("\n"))
}
