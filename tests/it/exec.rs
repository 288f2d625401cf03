//! `ringfence exec`: a tool call from decision to scanned result.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn exec(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
    command.arg("exec").args(arguments).current_dir(folder).output().unwrap()
}

fn shown(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_command_is_decided_run_and_its_output_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.txt"), "b").unwrap();
    fs::write(folder.path().join("mail ada@shop.example.net here"), "").unwrap();
    let command = |line: &str| {
        let arguments = ["--role", "engineer", "--tool", "run_command", "--command", line];
        shown(&exec(folder.path(), &arguments))
    };
    let (status, listing, errors) = command("ls");
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{listing}");
    assert!(listing.starts_with("b.txt\n") && !listing.contains("ada@"), "{listing}");
    // Through a shell, where the policy allows what needs one.
    assert_eq!(command("pwd && pwd").1.lines().count(), 2);
    for refused in ["rm -rf /", "ls; rm b.txt", "ls $(rm b.txt)", "sudo ls", "ls 'open"] {
        let (status, result, errors) = command(refused);
        assert_eq!((status, result.as_str()), (Some(1), ""), "{refused}: {errors}");
        assert!(errors.contains("the call is refused"), "{errors}");
    }
    assert!(folder.path().join("b.txt").is_file());
    let (status, _, errors) = command("ls missing");
    assert_eq!(status, Some(1));
    assert!(errors.contains("exited"), "{errors}");
}

#[test]
fn a_file_is_read_below_the_root_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.txt"), "write to ada@shop.example.net").unwrap();
    fs::write(folder.path().join("secret"), "out").unwrap();
    std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    let read = |path: &str| {
        exec(folder.path(), &["--tool", "read_file", "--root", "root", "--format", "json", "--path", path])
    };
    let output = read("a.txt");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = value["result"].as_str().unwrap();
    assert!(text.starts_with("write to ") && !text.contains("ada@"), "{text}");
    for path in ["../secret", "/etc/passwd", "link", "a.txt/../../secret"] {
        let output = read(path);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (output.status.code(), &value["decision"]),
            (Some(1), &Value::from("deny")),
            "{path}: {value}"
        );
    }
    assert_eq!(read("none.txt").status.code(), Some(2));
}

/// A bundle in which everybody may run `env`, `ls` and `sleep`, with this in its manifest.
fn bundle(folder: &Path, manifest: &str) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in [
        ("ringfence.yaml", format!("name: t\nversion: 1\n{manifest}").as_str()),
        (
            "directory.yaml",
            "roles: [{ name: user }]\nagents: [{ name: assistant }]\ntoolsets: [{ name: shell }]\n",
        ),
        (
            "tools.yaml",
            "tools:\n  - name: run_command\n    in: [shell]\n    args:\n      /command: { command: { allow: [env, 'ls **', 'sleep *'] } }\n",
        ),
        (
            "access.cedar",
            "@id(\"all\")\npermit(principal, action in [Action::\"run_agent\", Action::\"call_tool\", Action::\"read_result\"], resource);\n",
        ),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn a_bundle_says_what_the_sandbox_has_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let run = |manifest: &str, arguments: &[&str]| {
        bundle(&folder.path().join("bundle"), manifest);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        let command = command.args(["exec", "--bundle", "bundle", "--tool", "run_command"]);
        let command = command.args(arguments).env("KEPT", "yes").env("OTHER", "no").env("LANG", "C");
        shown(&command.current_dir(folder.path()).output().unwrap())
    };
    // What the bundle lists of the host's environment, and nothing else of it.
    let manifest = "sandbox: { environment: [KEPT, LANG, ABSENT] }\n";
    let (status, shown, errors) = run(manifest, &["--command", "env"]);
    assert_eq!(status, Some(0), "{errors}");
    let mut variables: Vec<&str> =
        shown.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    variables.sort_unstable();
    variables.dedup();
    assert_eq!(variables, ["HOME", "KEPT", "LANG", "PATH"], "{shown}");
    assert!(shown.contains("LANG=C\n"), "{shown}");
    let (_, shown, _) = run("", &["--command", "env"]);
    assert!(!shown.contains("KEPT") && shown.contains("LANG=C.UTF-8\n"), "{shown}");
    // A protection that does not hold refuses the command, whatever its flags say.
    let manifest = "sandbox: { require: [network] }\n";
    let (status, shown, errors) = run(manifest, &["--network", "--command", "env"]);
    assert_eq!((status, shown.as_str()), (Some(2), ""), "{errors}");
    assert!(errors.contains("required and not there: network"), "{errors}");
    // Time is what the bundle allows, and no flag adds to it.
    let manifest = "sandbox: { limits: { time: 1s } }\n";
    let (status, _, errors) = run(manifest, &["--command", "sleep 20"]);
    assert_eq!(status, Some(1), "{errors}");
    assert!(errors.contains("timed_out"), "{errors}");
    let (status, _, errors) = run(manifest, &["--time", "2", "--command", "env"]);
    assert_eq!(status, Some(2), "{errors}");
    assert!(errors.contains("more than the 1 seconds that the bundle allows"), "{errors}");
    // Output is cut where the bundle says.
    let manifest = "sandbox: { limits: { output_bytes: 8 } }\n";
    let (status, shown, errors) = run(manifest, &["--command", "env"]);
    assert_eq!(status, Some(0), "{errors}");
    assert!(shown.ends_with("[output cut]\n") && shown.len() < 32, "{shown}");
}

#[test]
fn a_database_records_what_was_run() {
    let folder = tempfile::tempdir().unwrap();
    let ringfence = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        shown(&command.args(arguments).current_dir(folder.path()).output().unwrap())
    };
    fs::create_dir(folder.path().join("root")).unwrap();
    assert_eq!(ringfence(&["audit", "init-key", "audit.key"]).0, Some(0));
    assert_eq!(ringfence(&["retain", "init-key", "payload.key"]).0, Some(0));
    let exec = |line: &str| {
        let records = [
            "--audit",
            "log.db",
            "--audit-key",
            "audit.key",
            "--checkpoints",
            "checkpoints",
            "--payload-key",
            "payload.key",
        ];
        let call =
            ["exec", "--root", "root", "--role", "engineer", "--tool", "run_command", "--command", line];
        ringfence(&[&call[..], &records].concat())
    };
    assert_eq!(exec("ls"), (Some(0), String::new(), String::new()));
    assert_eq!(exec("rm -rf /").0, Some(1));
    let (status, verified, errors) =
        ringfence(&["audit", "verify", "log.db", "--checkpoints", "checkpoints"]);
    assert_eq!(status, Some(0), "{verified}{errors}");
    // Access, call and result of the one, access and call of the other; the latest first.
    let (_, listed, _) = ringfence(&["audit", "list", "log.db", "--format", "json", "--no-record"]);
    let stages: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|record| record["stage"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(stages, ["tool_call", "access", "tool_result", "tool_call", "access"], "{listed}");
    assert!(!folder.path().join("root/checkpoints").exists(), "written where the tool ran");
}
