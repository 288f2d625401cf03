//! `ringfence fmt`.

use std::fs;

use ringfence::{Bundle, CompileOptions, compile};

use crate::cli::{out, run};

#[test]
fn files_are_laid_out_once_and_say_what_they_said() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "b"], "");
    let path = |name: &str| folder.path().join("b").join(name);
    // As it was written out, but for what a careless editor leaves.
    let policies = fs::read_to_string(path("access.cedar")).unwrap();
    let squeezed = format!(
        "{policies}\n// the last word\n@id(\"extra\") forbid(principal,action,resource)  // never\nwhen{{context.session.calls>1000}};"
    );
    fs::write(path("access.cedar"), squeezed).unwrap();
    let tools = fs::read_to_string(path("tools.yaml")).unwrap();
    fs::write(
        path("tools.yaml"),
        tools.replace("reads: [private] ", "reads: [private]  \t") + "# the end  \n\n\n",
    )
    .unwrap();
    let verdicts = || {
        let engine =
            compile(&Bundle::from_folder(&path("")).unwrap(), &CompileOptions::default()).unwrap().engine;
        let of = |policy: &ringfence::PolicyInfo| (policy.id.clone(), policy.effect);
        (engine.policies().iter().map(of).collect::<Vec<_>>(), engine.inventory().tools.len())
    };
    let before = verdicts();

    let check = run(folder.path(), &["fmt", "b", "--check"], "");
    assert_eq!((check.status.code(), out(&check).as_str()), (Some(1), "access.cedar\ntools.yaml\n"));
    assert!(fs::read_to_string(path("tools.yaml")).unwrap().ends_with("\n\n\n"), "nothing is written");
    let fmt = run(folder.path(), &["fmt", "b"], "");
    assert_eq!((fmt.status.code(), out(&fmt).as_str()), (Some(0), "access.cedar\ntools.yaml\n"));
    let again = run(folder.path(), &["fmt", "b", "--check"], "");
    assert_eq!((again.status.code(), out(&again).as_str()), (Some(0), ""));
    assert_eq!(verdicts(), before);
    let text = fs::read_to_string(path("access.cedar")).unwrap();
    assert!(text.contains("// the last word\n@id(\"extra\")\nforbid") && text.contains("// never"), "{text}");
    let text = fs::read_to_string(path("tools.yaml")).unwrap();
    assert!(text.ends_with("# the end\n") && text.lines().all(|line| line.trim_end() == line), "{text}");

    // What is no Cedar is left as it is, and the rest is done.
    fs::write(path("access.cedar"), "permit(").unwrap();
    fs::write(path("tools.yaml"), format!("{text}\n\n")).unwrap();
    let broken = run(folder.path(), &["fmt", "b"], "");
    assert_eq!((broken.status.code(), out(&broken).as_str()), (Some(2), "tools.yaml\n"));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("`access.cedar` is left as it is"));
    assert_eq!(fs::read_to_string(path("access.cedar")).unwrap(), "permit(");
}

#[test]
fn the_schema_for_editors_says_what_the_bundle_declares() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run(folder, &["init", "b"], "");
    let path = folder.join("b/.schemas/policies.cedarschema");
    let printed = out(&run(folder, &["schema", "cedar", "--bundle", "b"], ""));
    assert_eq!(fs::read_to_string(&path).unwrap(), printed);
    let settings: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("b/.vscode/settings.json")).unwrap()).unwrap();
    assert!(folder.join("b").join(settings["cedar.schemaFile"].as_str().unwrap()).exists());
    // What is written is laid out as everything is to be.
    let fine = run(folder, &["fmt", "b", "--check"], "");
    assert_eq!((fine.status.code(), out(&fine)), (Some(0), String::new()));
    // With a tool more it is old, until it is written anew; a bundle that does not compile leaves it as it is.
    let tools = folder.join("b/tools.yaml");
    let text = fs::read_to_string(&tools).unwrap();
    fs::write(&tools, format!("{text}  - {{ name: another, input: {{ type: object }} }}\n")).unwrap();
    let old = run(folder, &["fmt", "b", "--check"], "");
    assert_eq!((old.status.code(), out(&old).as_str()), (Some(1), ".schemas/policies.cedarschema\n"));
    assert_eq!(run(folder, &["fmt", "b"], "").status.code(), Some(0));
    let schema = fs::read_to_string(&path).unwrap();
    assert!(schema.contains("action \"another\""), "{schema}");
    assert_eq!(out(&run(folder, &["fmt", "b", "--check"], "")), "");
    fs::write(&tools, format!("{text}  - {{ nam: another }}\n")).unwrap();
    run(folder, &["fmt", "b"], "");
    assert_eq!(fs::read_to_string(&path).unwrap(), schema);
}
