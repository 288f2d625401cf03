//! `sandbox:` of the manifest, checked.

use std::time::Duration;

use crate::bundle::{ByteSize, MANIFEST, Period, SandboxSpec};
use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::{Most, SandboxPolicy};
use crate::tool::changes_what_runs;

/// Descriptors that a program needs to start: its three, its own file and its libraries.
const LEAST_DESCRIPTORS: u32 = 8;

/// Words by which names of variables show that a secret is in them.
const SECRETS: [&str; 7] = ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "PRIVATE_KEY"];

pub(super) fn policy(spec: &SandboxSpec, out: &mut Vec<Diagnostic>) -> SandboxPolicy {
    limits(spec, out);
    for name in &spec.environment {
        variable(name, out);
    }
    let limits = &spec.limits;
    let period = |period: &Option<Spanned<Period>>| {
        period.as_ref().map(|period| Duration::from_secs(period.value.seconds))
    };
    let bytes = |bytes: &Option<Spanned<ByteSize>>| bytes.as_ref().map(|bytes| bytes.value.0);
    let mut required = spec.require.clone();
    required.sort_unstable();
    required.dedup();
    SandboxPolicy {
        required,
        environment: spec.environment.iter().map(|name| name.value.clone()).collect(),
        most: Most {
            time: period(&limits.time),
            output_bytes: bytes(&limits.output_bytes),
            cpu: period(&limits.cpu),
            memory_bytes: bytes(&limits.memory_bytes),
            file_bytes: bytes(&limits.file_bytes),
            processes: limits.processes.as_ref().map(|limit| limit.value),
            descriptors: limits.descriptors.as_ref().map(|limit| limit.value),
        },
    }
}

/// Limits within which no command can run.
fn limits(spec: &SandboxSpec, out: &mut Vec<Diagnostic>) {
    let limits = &spec.limits;
    let period = |limit: &Option<Spanned<Period>>| {
        limit.as_ref().filter(|limit| limit.value.seconds == 0).map(Spanned::range)
    };
    let bytes = |limit: &Option<Spanned<ByteSize>>| {
        limit.as_ref().filter(|limit| limit.value.0 == 0).map(Spanned::range)
    };
    let count = |limit: &Option<Spanned<u32>>, least: u32| {
        limit.as_ref().filter(|limit| limit.value < least).map(Spanned::range)
    };
    let time = "write a time such as `30s`; a command always has a limit";
    let all = [
        (period(&limits.time), "with this `time`, a command would be ended at once or never", time),
        (period(&limits.cpu), "with this `cpu`, a command would be ended at once or never", time),
        (
            bytes(&limits.output_bytes),
            "with `output_bytes: 0`, nothing of what a command prints is kept",
            "write a size such as `1MiB`",
        ),
        (
            bytes(&limits.memory_bytes),
            "with `memory_bytes: 0`, no command can run",
            "write a size such as `512MiB`",
        ),
        (
            count(&limits.processes, 1),
            "with `processes: 0`, no command can run",
            "write 1 for a command that starts no other",
        ),
        (
            count(&limits.descriptors, LEAST_DESCRIPTORS),
            "with so few `descriptors`, no program can start",
            "write 8 or more",
        ),
    ];
    for (at, message, help) in all {
        let Some(at) = at else { continue };
        let span = Span::new(&MANIFEST.into(), at.start, at.end);
        out.push(Diagnostic::new(Code::BadValue, message).at(span, "").help(help));
    }
}

fn variable(name: &Spanned<String>, out: &mut Vec<Diagnostic>) {
    let span = || Span::new(&MANIFEST.into(), name.start, name.end);
    let text = name.value.as_str();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if text.is_empty() || !text.bytes().all(plain) || text.starts_with(|first: char| first.is_ascii_digit()) {
        out.push(
            Diagnostic::new(Code::BadValue, format!("`{text}` is no name of a variable"))
                .at(span(), "")
                .help("write each variable by its name, without a value or `*`"),
        );
        return;
    }
    let upper = text.to_ascii_uppercase();
    let (why, help) = if changes_what_runs(&upper) {
        (
            "can make a command that was decided about run something else",
            "leave it out, or have the host set it to a value of its own",
        )
    } else if SECRETS.iter().any(|secret| upper.contains(secret)) {
        (
            "holds a secret by its name, and whatever a command is given it can print or send",
            "leave it out, and give the secret to the one tool that needs it",
        )
    } else {
        return;
    };
    out.push(Diagnostic::new(Code::UnsafeEnvironment, format!("`{text}` {why}")).at(span(), "").help(help));
}

#[cfg(test)]
mod tests {
    use crate::bundle::Bundle;
    use crate::compile::{CompileOptions, compile};

    /// What is said of a manifest with this `sandbox:`, with the text that it is said of.
    fn said(sandbox: &str) -> Vec<(String, String, Option<String>)> {
        let manifest = format!("name: t\nversion: 1\nsandbox: {sandbox}\n");
        let bundle = Bundle::from_sources("t", [("ringfence.yaml", manifest.as_str())]);
        let diagnostics = match compile(&bundle, &CompileOptions::default()) {
            Ok(compiled) => compiled.warnings,
            Err(error) => error.diagnostics,
        };
        let shown = diagnostics.into_iter().filter_map(|one| {
            let span = one.primary?.span;
            Some((one.code.name().to_owned(), manifest.get(span.start..span.end)?.to_owned(), one.help))
        });
        shown.collect()
    }

    #[test]
    fn what_can_not_be_meant_is_told() {
        for (sandbox, code, at) in [
            ("{ require: [file] }", "bad-value", "file"),
            ("{ requires: [files] }", "unknown-key", "requires"),
            ("{ limits: { time: 30 } }", "bad-value", "30"),
            ("{ limits: { time: never } }", "bad-value", "never"),
            ("{ limits: { cpu: 0s } }", "bad-value", "0s"),
            ("{ limits: { output_bytes: 0 } }", "bad-value", "0"),
            ("{ limits: { memory_bytes: 0MiB } }", "bad-value", "0MiB"),
            ("{ limits: { memory: 1GiB } }", "unknown-key", "memory"),
            ("{ limits: { processes: 0 } }", "bad-value", "0"),
            ("{ limits: { processes: 5000000000 } }", "bad-value", "5000000000"),
            ("{ limits: { descriptors: 3 } }", "bad-value", "3"),
            ("{ environment: ['AWS_*'] }", "bad-value", "'AWS_*'"),
            ("{ environment: [A=1] }", "bad-value", "A=1"),
            ("{ environment: [PATH] }", "unsafe-environment", "PATH"),
            ("{ environment: [AWS_SECRET_ACCESS_KEY] }", "unsafe-environment", "AWS_SECRET_ACCESS_KEY"),
        ] {
            let said = said(sandbox);
            assert!(
                matches!(said.as_slice(), [(is, place, _)] if is == code && place == at),
                "{sandbox}: {said:?}"
            );
        }
        let [(_, _, help)] = said("{ require: [file] }").try_into().unwrap();
        assert_eq!(help.as_deref(), Some("did you mean `files`?"));
        let whole = "{ require: [files, network, tree], environment: [LANG, TZ], limits: { time: 1m, output_bytes: 1MiB, cpu: 30s, \
                     memory_bytes: 1GiB, file_bytes: 0, processes: 8, descriptors: 64 } }";
        assert_eq!(said(whole), []);
    }

    #[test]
    #[cfg(all(unix, feature = "sandbox"))]
    fn what_a_bundle_requires_is_put_upon_a_command() {
        use std::collections::BTreeSet;
        use std::ffi::OsString;

        use crate::sandbox::{Command, Limits, Program};

        const ALL: &str = "limits, processes, tree, no-new-privileges, no-capabilities, files, network, signals, system-calls, namespaces";
        let manifest = format!(
            "name: t\nversion: 1\nsandbox: {{ require: [{ALL}], environment: [KEPT], limits: {{ time: 5s, processes: 100000 }} }}\n"
        );
        let bundle = Bundle::from_sources("t", [("ringfence.yaml", manifest.as_str())]);
        let engine = compile(&bundle, &CompileOptions::default()).unwrap().engine;
        let policy = engine.sandbox();
        let names: BTreeSet<&str> = policy.required().collect();
        assert_eq!(names, ALL.split(", ").collect());
        let limits = policy.limits();
        assert_eq!((limits.time.as_secs(), limits.processes), (5, 100_000));
        assert_eq!(limits.memory_bytes, Limits::default().memory_bytes);
        let command = Command::new(Program::find("sh", ["/bin", "/usr/bin"]).unwrap());
        let host = [("KEPT", "a"), ("OTHER", "b")]
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let shown = format!("{:?}", policy.confine(command, host));
        // The bundle's time is lower than what was asked for, its number of processes is not.
        assert!(shown.contains("time: 5s") && shown.contains("processes: 64"), "{shown}");
        assert!(shown.contains("KEPT") && !shown.contains("OTHER"), "{shown}");
        assert!(shown.contains("NoNewPrivileges") && shown.contains("Namespaces"), "{shown}");
    }
}
