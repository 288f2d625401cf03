//! `ringfence chat --offline`: the demonstration, as it is shown.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// What a run wrote to both streams; `answers` are typed where it asks.
fn chat(arguments: &[&str], answers: &str) -> (String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["chat", "--offline"])
        .args(arguments)
        .env_remove("OPENAI_API_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stderr}");
    (stdout, stderr)
}

#[test]
fn the_demonstration_shows_what_it_says() {
    for api in ["responses", "chat"] {
        let (stdout, stderr) = chat(&["--api", api], "");
        assert!(
            stdout.contains("helpdesk> Your order was shipped on 20 November. I may not mail it."),
            "{stdout}"
        );
        for shown in [
            "allow input [pii/card] 1 edited",
            "deny tool_result http_get [prompts/ignore_instructions, pii/email]",
            "ask tool_call http_get by untrusted-text-fetches-with-consent",
            "deny tool_call run_command",
            "allow tool_result read_file [pii/email, pii/card] 2 edited",
            "deny tool_call send_mail by private-data-stays-in",
        ] {
            assert!(stderr.contains(shown), "{shown} in {stderr}");
        }
        // Nobody has answered, so nothing was fetched; and no content stands in the verdicts.
        assert_eq!(stderr.matches("… http_get").count(), 1);
        assert!(!stderr.contains("4111") && !stderr.contains("\u{1b}["), "{stderr}");
        let (_, stderr) = chat(&["--api", api], "y\n");
        assert_eq!(stderr.matches("… http_get").count(), 2);
    }
}

#[test]
fn a_bundle_that_changes_meanwhile_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    let init = Command::new(env!("CARGO_BIN_EXE_ringfence")).args(["init", "--full"]).arg(&policies).output();
    assert!(init.unwrap().status.success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["chat", "--offline", "--watch", "--bundle", "policies"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // It waits for an answer, and then for the other bundle.
    lines.find(|line| line.starts_with("  ? ")).expect("somebody is asked");
    let tools = policies.join("tools.cedar");
    let text = std::fs::read_to_string(&tools).unwrap();
    let everything =
        "@id(\"nothing-goes-out\") forbid(principal, action == Action::\"send_output\", resource);\n";
    std::fs::write(&tools, format!("{text}\n{everything}")).unwrap();
    lines.find(|line| line.contains("the bundle has changed: sha256:")).expect("it is told");
    child.stdin.take().unwrap().write_all(b"y\n").unwrap();
    lines.find(|line| line.contains("deny output by nothing-goes-out")).expect("it decides");
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_bundle_without_the_agent_says_which_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let chat = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    chat(&["init", "policies"]);
    let (code, said) = chat(&["chat", "--offline"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains(
            "name another one with --agent: the bundle has no agent `helpdesk`; it has `assistant`"
        ),
        "{said}"
    );
    let (code, said) = chat(&["chat", "--offline", "--agent", "assistant"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("the bundle has no role `support`; it has `engineer`, `user`"), "{said}");
    let (code, said) = chat(&["chat", "--offline", "--agent", "assistant", "--role", "user"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_candidate_is_tried_beside_and_told_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let next = folder.path().join("next");
    let init = Command::new(env!("CARGO_BIN_EXE_ringfence")).args(["init", "--full"]).arg(&next).output();
    assert!(init.unwrap().status.success());
    let next = next.to_str().unwrap();
    let (_, stderr) = chat(&["--candidate", next], "");
    assert!(stderr.contains("  ~ candidate ringfence-default "), "{stderr}");
    assert!(stderr.contains(" events, none would be decided otherwise\n"), "{stderr}");
    let policy =
        "@id(\"nothing-goes-out\") forbid(principal, action == Action::\"send_output\", resource);\n";
    std::fs::write(folder.path().join("next/more.cedar"), policy).unwrap();
    let (stdout, stderr) = chat(&["--candidate", next], "");
    assert!(stdout.contains("helpdesk> Your order was shipped"), "{stdout}");
    assert!(stderr.contains("newly-denied\n  ~   nothing-goes-out: "), "{stderr}");
}

/// Interrupted, it takes its folder and its commands with it.
#[cfg(unix)]
#[test]
fn an_interrupted_conversation_leaves_no_folder_behind() {
    use std::io::Read;
    for signal in ["INT", "TERM", "HUP"] {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(["chat", "--offline"])
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Until it waits for an answer that nobody types.
        let mut stderr = child.stderr.take().unwrap();
        let mut shown = Vec::new();
        while !shown.ends_with(b"approve? [y/N] ") {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&shown));
            shown.push(byte[0]);
        }
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 1);
        let killed = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "{signal}");
    }
}
