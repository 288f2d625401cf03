//! The house: fresh schemas, complete embedded bundles.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// `RINGFENCE_BLESS=1 cargo test` writes the schemas anew.
#[test]
fn schemas_are_fresh() {
    for name in ringfence::schema::NAMES {
        let path = root().join(format!("schemas/{name}.json"));
        let text = serde_json::to_string_pretty(&ringfence::schema::named(name).unwrap()).unwrap() + "\n";
        if std::env::var_os("RINGFENCE_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
    }
}

#[test]
fn shipped_yaml_fits_its_published_schema() {
    for bundle in [ringfence::Bundle::embedded(), ringfence::bundle::starter()] {
        assert!(ringfence::compile(&bundle, &ringfence::CompileOptions::default()).is_ok());
    }
}

#[test]
fn embedded_bundles_hold_every_file() {
    for (folder, bundle) in
        [("policies", ringfence::Bundle::embedded()), ("starter", ringfence::bundle::starter())]
    {
        let mut files = Vec::new();
        walk(&root().join(folder), &mut files);
        for path in files {
            let name = path.strip_prefix(root().join(folder)).unwrap().to_string_lossy().replace('\\', "/");
            // The default bundle's tests are not needed at run time.
            if folder == "policies" && name.starts_with("tests/") {
                continue;
            }
            let embedded = bundle.source(&name).unwrap_or_else(|| panic!("{folder}/{name} is not embedded"));
            assert_eq!(*embedded.text, *fs::read_to_string(&path).unwrap());
        }
    }
}

/// What is prepared of the default bundle decides as the bundle does.
#[test]
fn prepared_and_compiled_decide_alike() {
    use ringfence::{Bundle, CompileOptions, Engine, compile, harness};
    let bundle = Bundle::embedded();
    let run = |engine: &Engine| {
        let (suite, diagnostics) = harness::Suite::load(&bundle, engine);
        assert_eq!(diagnostics, []);
        let report = harness::run(engine, &suite, "");
        assert!(report.passed() > 500, "{}", report.passed());
        format!("{report:#?}")
    };
    let compiled = compile(&bundle, &CompileOptions::default()).unwrap().engine;
    assert_eq!(run(&Engine::embedded().unwrap()), run(&compiled));
}
