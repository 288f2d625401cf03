//! PyPI's `openai` SDK: installed once, and asked to read what a server sends.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ringfence::surface::openai::Api;
use serde_json::{Value, json};

/// The packages, every one with its version.
const PACKAGES: &str = include_str!("requirements.txt");

/// One exchange that the SDK is to make.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// What it is, for the reader of a failure.
    pub(crate) name: String,
    pub(crate) api: Api,
    pub(crate) request: Value,
    /// What the server sends: one document, or events.
    pub(crate) answer: Vec<Value>,
}

impl Exchange {
    pub(crate) fn is_streamed(&self) -> bool {
        self.request["stream"] == json!(true)
    }

    /// How often the SDK asks: a complete stream of Responses once more, for its own way to put it together.
    pub(crate) fn requests(&self) -> usize {
        let last = self.answer.last().unwrap();
        1 + usize::from(self.is_streamed() && last["type"] == "response.completed")
    }
}

/// What the SDK, which finds the answers of these exchanges one behind the other at an address, says is wrong with each.
pub(crate) fn complaints(base: &str, exchanges: &[Exchange]) -> Vec<Option<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai/sdk.py");
    let mut python = Command::new(python())
        .args([script, base])
        .env_remove("OPENAI_BASE_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = String::new();
    for Exchange { api, request, answer, .. } in exchanges {
        let api = if *api == Api::Chat { "chat" } else { "responses" };
        lines.push_str(&json!({ "api": api, "request": request, "answer": answer }).to_string());
        lines.push('\n');
    }
    let mut stdin = python.stdin.take().unwrap();
    // Beside reading: what it prints must not wait for what it reads.
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the SDK's script failed: {failed}");
    writer.join().unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<Option<String>> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), exchanges.len(), "{failed}");
    said
}

/// A Python that has the SDK: in a virtual environment below the target folder, made when there is none of these versions.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(folder).unwrap();
    // Two test programs at once make one of it.
    let lock = fs::File::create(folder.join("openai-sdk.lock")).unwrap();
    lock.lock().unwrap();
    let home = folder.join("openai-sdk");
    let python = home.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let ready = home.join("packages.txt");
    if fs::read_to_string(&ready).is_ok_and(|packages| packages == PACKAGES) && python.exists() {
        return python;
    }
    if home.exists() {
        fs::remove_dir_all(&home).unwrap();
    }
    let system = if cfg!(windows) { "python" } else { "python3" };
    install(Command::new(system).args(["-m", "venv"]).arg(&home));
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai/requirements.txt");
    install(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "-q",
        "-r",
        list,
    ]));
    fs::write(&ready, PACKAGES).unwrap();
    python
}

fn install(command: &mut Command) {
    let output = command.output();
    let why = match &output {
        Ok(output) if output.status.success() => return,
        Ok(output) => {
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => error.to_string(),
    };
    panic!(
        "this test holds the guard to PyPI's `openai` SDK, which could not be installed: it needs `python3` with `venv`, and \
         PyPI (or what pip is set up to use instead of it).\n{command:?}\n{why}"
    );
}
