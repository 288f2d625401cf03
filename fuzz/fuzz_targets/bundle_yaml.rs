//! Any bytes as any YAML file of a bundle: compiling gives an engine or diagnostics whose spans lie in the files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence::{Bundle, CompileOptions, compile};

const FILES: [&str; 6] = [
    "ringfence.yaml",
    "directory.yaml",
    "tools.yaml",
    "retention.yaml",
    "packs/pack.yaml",
    "tests/access.yaml",
];
const REST: [(&str, &str); 3] = [
    ("ringfence.yaml", "name: fuzz\nversion: 1\nfacts: { moderation: { type: scores, missing: skip } }\n"),
    (
        "directory.yaml",
        "roles: [{ name: user }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\nmodels: [m]\nlabels: [private]\n",
    ),
    ("access.cedar", "@id(\"run\")\npermit(principal, action == Action::\"run_agent\", resource);\n"),
];

fuzz_target!(|data: &[u8]| {
    // The first byte says which file, the others are the file.
    let Some((which, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let name = FILES[usize::from(*which) % FILES.len()];
    let rest = REST.iter().copied().filter(|(known, _)| *known != name);
    let bundle = Bundle::from_sources("fuzz", rest.chain([(name, text)]));
    let options = CompileOptions::default().with_key("fuzz");
    let diagnostics = match compile(&bundle, &options) {
        Ok(compiled) => {
            assert!(compiled.warnings.iter().all(|diagnostic| !diagnostic.is_error()));
            compiled.warnings
        }
        Err(error) => {
            assert!(
                error.diagnostics.iter().any(|diagnostic| diagnostic.is_error()),
                "refused without a reason"
            );
            error.diagnostics
        }
    };
    for diagnostic in diagnostics {
        for label in diagnostic.primary.iter().chain(&diagnostic.related) {
            let source = bundle.source(&label.span.file).expect("a span names a file of the bundle");
            assert!(
                source.text.get(label.span.start..label.span.end).is_some(),
                "a span lies outside: {diagnostic:?}"
            );
        }
    }
});
