//! Packed and signed bundles.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use ringfence::audit::{PublicKey, SigningKey};
use ringfence::guard::{Reload, ReloadError, Watch};
use ringfence::signed::{Trust, Untrusted, sign};
use ringfence::{Bundle, CompileOptions, Guard};

use crate::files;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringfence")).args(arguments).current_dir(folder).output().unwrap()
}

/// What a run prints that goes well.
fn fine(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a run says that ends with this status.
fn wrong(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn set_version(folder: &Path, version: &str) {
    let manifest = folder.join("policies/ringfence.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let lines = text.lines().map(|line| match line.starts_with("version:") {
        true => format!("version: {version}\n"),
        false => format!("{line}\n"),
    });
    std::fs::write(manifest, lines.collect::<String>()).unwrap();
}

/// Packs the folder under a version, and signs it.
fn release(folder: &Path, version: &str, file: &str) {
    set_version(folder, version);
    fine(folder, &["bundle", "pack", "policies", "--output", file]);
    fine(folder, &["bundle", "sign", file, "--key", "bundle.key"]);
}

#[test]
fn only_what_is_signed_and_not_older_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fine(folder, &["init", "policies"]);
    fine(folder, &["bundle", "init-key", "bundle.key"]);
    fine(folder, &["bundle", "init-key", "other.key"]);
    release(folder, "1.9", "one");
    // The same bundle is the same file, and means the same as its folder.
    fine(folder, &["bundle", "pack", "policies", "-o", "again"]);
    let (one, again) =
        (std::fs::read(folder.join("one")).unwrap(), std::fs::read(folder.join("again")).unwrap());
    assert!(one.starts_with(&again) && one.len() > again.len());
    let (packed, plain) = (fine(folder, &["check", "one"]), fine(folder, &["check", "policies"]));
    assert_eq!(packed.replacen("one", "policies", 1), plain);
    let told = fine(folder, &["bundle", "verify", "one", "--key", "bundle.key.pub"]);
    assert!(told.contains(" 1.9, signed by ringfence-bundle, sha256:"), "{told}");
    let required = |bundle| {
        ["scan", "policies/ringfence.yaml", "--bundle", bundle, "--require-signature", "bundle.key.pub"]
    };
    fine(folder, &required("one"));
    for (bundle, says) in [("again", "is not signed"), ("policies", "is not signed")] {
        assert!(wrong(folder, &required(bundle), 2).contains(says));
    }
    let built_in =
        wrong(folder, &["eval", "--bundle", "built-in", "--require-signature", "bundle.key.pub"], 2);
    assert!(built_in.contains("`built-in` is not signed"), "{built_in}");
    // Somebody else's signature.
    std::fs::copy(folder.join("one"), folder.join("theirs")).unwrap();
    fine(folder, &["bundle", "sign", "theirs", "--key", "other.key"]);
    assert!(wrong(folder, &required("theirs"), 2).contains("none of the keys that are trusted"));
    assert!(
        wrong(folder, &["bundle", "verify", "theirs", "--key", "bundle.key.pub"], 1)
            .contains("none of the keys")
    );
    fine(folder, &["bundle", "verify", "theirs", "--key", "bundle.key.pub", "--key", "other.key.pub"]);
    // Newer, and then no older one; nor another one of the same version.
    release(folder, "1.10", "two");
    assert!(
        wrong(folder, &["check", "policies", "--require-signature", "bundle.key.pub"], 2)
            .contains("is not signed")
    );
    fine(folder, &["check", "one", "--require-signature", "bundle.key.pub"]);
    fine(folder, &required("two"));
    assert!(wrong(folder, &required("one"), 2).contains("version 1.9 is older than 1.10"));
    std::fs::write(folder.join("policies/notes.md"), "changed\n").unwrap();
    release(folder, "1.10", "three");
    assert!(
        wrong(folder, &required("three"), 2).contains("version 1.10 was used before with other contents")
    );
    fine(folder, &required("two"));
    let seen = ["bundle", "verify", "one", "--key", "bundle.key.pub", "--seen", "bundle.key.pub.seen"];
    assert!(wrong(folder, &seen, 1).contains("is older"));
    // What keeps the latest version is not guessed at.
    let kept = std::fs::read_to_string(folder.join("bundle.key.pub.seen")).unwrap();
    std::fs::write(folder.join("bundle.key.pub.seen"), kept.get(..20).unwrap()).unwrap();
    assert!(wrong(folder, &required("two"), 2).contains("which keeps the latest version"));
    // A refusal is recorded where a log is written.
    let events = [
        "eval",
        "none.jsonl",
        "--bundle",
        "again",
        "--require-signature",
        "bundle.key.pub",
        "--audit",
        "log.jsonl",
    ];
    wrong(folder, &events, 2);
    assert!(std::fs::read_to_string(folder.join("log.jsonl")).unwrap().contains(r#""errors":["unsigned"]"#));
    // A version that can't be compared, and a bundle that does not load.
    set_version(folder, "next");
    fine(folder, &["bundle", "pack", "policies", "-o", "next"]);
    assert!(wrong(folder, &["bundle", "sign", "next", "--key", "bundle.key"], 2).contains("is numbers"));
    std::fs::write(folder.join("policies/access.cedar"), "permit(").unwrap();
    wrong(folder, &["bundle", "pack", "policies", "-o", "broken"], 2);
    assert!(!folder.join("broken").exists());
}

fn bundle(version: &str) -> Bundle {
    let manifest = format!("name: test\nversion: {version}\n");
    Bundle::from_sources("test", files(&[("ringfence.yaml", &manifest)]))
}

#[test]
fn no_changed_byte_is_trusted() {
    let key = SigningKey::generate("acme").unwrap();
    let trust = Trust::new([key.public()]);
    let packed = sign(&bundle("1"), &key).unwrap().pack().unwrap();
    assert_eq!(trust.check(&Bundle::unpack("x", &packed).unwrap()).unwrap().version, "1");
    for at in 0..packed.len() {
        let mut changed = packed.clone().into_bytes();
        changed[at] ^= 1;
        let Ok(changed) = String::from_utf8(changed) else { continue };
        if let Ok(bundle) = Bundle::unpack("x", &changed) {
            assert!(matches!(trust.check(&bundle), Err(Untrusted::Signature { .. })), "{at}");
        }
    }
    // Line endings are part of what is signed, though not of the digest that verdicts name.
    let crlf = files(&[]).into_iter().map(|(name, text)| (name, text.replace('\n', "\r\n")));
    let crlf = Bundle::from_sources("x", crlf.collect::<Vec<_>>());
    let lf = Bundle::from_sources("x", files(&[]));
    assert_eq!(crlf.digest(), lf.digest());
    let signature = sign(&lf, &key).unwrap().signature().unwrap().to_owned();
    let moved = format!("{}{signature}", crlf.pack().unwrap());
    assert!(trust.check(&Bundle::unpack("x", &moved).unwrap()).is_err());
}

#[test]
fn a_guard_that_requires_signatures_takes_over_no_other_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let (file, seen) = (folder.path().join("b"), folder.path().join("seen"));
    let key = SigningKey::generate("acme").unwrap();
    let public = PublicKey::parse(&key.public().text()).unwrap();
    let trust = || Trust::new([public.clone()]).remembering(&seen);
    let options = CompileOptions::default();
    let refused = Guard::signed(&bundle("1"), &options, trust()).err();
    assert!(matches!(refused, Some(ReloadError::Untrusted(Untrusted::Unsigned { .. }))));
    let signed = |version: &str| sign(&bundle(version), &key).unwrap();
    let guard = std::sync::Arc::new(Guard::signed(&signed("2"), &options, trust()).unwrap().build());
    assert!(matches!(guard.reload(&bundle("3")), Err(ReloadError::Untrusted(Untrusted::Unsigned { .. }))));
    assert!(matches!(guard.reload(&signed("1")), Err(ReloadError::Untrusted(Untrusted::Older { .. }))));
    // What does not compile is not remembered as used.
    let broken =
        Bundle::from_sources("x", [("ringfence.yaml", "name: test\nversion: 9\n"), ("a.cedar", "permit(")]);
    assert!(matches!(guard.reload(&sign(&broken, &key).unwrap()), Err(ReloadError::Compile { .. })));
    assert!(matches!(guard.reload(&signed("3")), Ok(Reload::Replaced { .. })));
    let other = Bundle::from_sources("x", files(&[("ringfence.yaml", "name: other\nversion: 4\n")]));
    let refused = guard.reload(&sign(&other, &key).unwrap());
    assert!(matches!(refused, Err(ReloadError::Untrusted(Untrusted::OtherBundle { .. }))));
    assert_eq!(guard.engine().version(), "3");
    // In a packed file that is watched, too.
    let (tell, told) = std::sync::mpsc::channel();
    std::fs::write(&file, signed("3").pack().unwrap()).unwrap();
    let every = Duration::from_millis(20);
    let _watch = Watch::start(&guard, &file, every, move |outcome| tell.send(outcome).unwrap()).unwrap();
    std::fs::write(&file, bundle("4").pack().unwrap()).unwrap();
    let next = || told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(next(), Err(ReloadError::Untrusted(Untrusted::Unsigned { .. }))));
    std::fs::write(&file, signed("4").pack().unwrap()).unwrap();
    assert!(matches!(next(), Ok(Reload::Replaced { .. })));
    assert_eq!(guard.engine().version(), "4");
}
