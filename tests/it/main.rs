//! Behaviour through the public door.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests too"
)]

mod accuracy;
mod agents;
mod audit;
#[cfg(unix)]
mod book;
mod candidate;
mod cases;
#[cfg(all(unix, feature = "openai", feature = "sandbox"))]
mod chat;
mod cli;
mod diagnostics;
mod edits;
#[cfg(all(unix, feature = "sandbox"))]
mod exec;
mod mutations;
mod project;
mod ranks;
mod reasons;
mod records;
mod reload;
mod retention;
mod sarif;
mod scan;
mod schemas;
mod sessions;
mod signed;
mod workbench;

use ringfence::{Bundle, CompileOptions, Engine, compile};

/// The least manifest there is.
pub(crate) const MANIFEST: &str = "name: test\nversion: 1\n";

/// A small bundle, of which a test replaces what it is about.
pub(crate) fn files<'a>(change: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut files = vec![
        ("ringfence.yaml", MANIFEST),
        (
            "directory.yaml",
            "roles: [{ name: user }, { name: boss, in: [user] }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\n\
             models: [m1, m2]\nlabels: [private]\n",
        ),
        (
            "tools.yaml",
            "tools:\n  - name: note\n    in: [set]\n    reads: [private]\n    input: { type: object, required: [text], \
             properties: { text: { type: string, maxLength: 40 }, size: { type: integer } } }\n",
        ),
        (
            "access.cedar",
            "@id(\"all\")\npermit(principal in Role::\"user\", action in [Action::\"run_agent\", Action::\"send_input\", \
             Action::\"send_output\", Action::\"read_result\", Action::\"note\"], resource);\n",
        ),
    ];
    for (name, text) in change {
        match files.iter_mut().find(|(known, _)| known == name) {
            Some(file) => file.1 = text,
            None => files.push((name, text)),
        }
    }
    files
}

pub(crate) fn engine_of(files: &[(&str, &str)], options: &CompileOptions) -> Engine {
    let bundle = Bundle::from_sources("test", files.iter().copied());
    compile(&bundle, options).unwrap_or_else(|error| panic!("{:#?}", error.diagnostics)).engine
}

pub(crate) fn engine(change: &[(&str, &str)]) -> Engine {
    engine_of(&files(change), &CompileOptions::default())
}
