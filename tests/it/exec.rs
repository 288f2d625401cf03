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
