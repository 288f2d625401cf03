//! Every recipe is a bundle of its own that loads without a warning and passes tests which would notice if it were weaker.

use std::fs;

use crate::book::page::{docs, hold, played, printed, read};

/// What share of weaker bundles the tests of a recipe have to notice.
const NOTICED: u32 = 80;

fn recipes() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(docs().join("cookbook"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "index.md")
        .collect();
    names.sort();
    names
}

#[test]
fn every_recipe_holds() {
    let names = recipes();
    assert!(names.len() >= 20, "{} recipes", names.len());
    for name in names {
        let page_name = format!("cookbook/{name}");
        let page = read(&page_name);
        let folder = tempfile::tempdir().unwrap();
        let told = played(&page, folder.path());
        let key = if folder.path().join(".host.key").exists() { " --key-file .host.key" } else { "" };
        let check =
            printed(folder.path(), &format!("ringfence check --deny-warnings --today 2026-11-22{key}"));
        assert!(check.starts_with("ok: "), "docs/{page_name}:\n{check}");
        // No event of a policy test asks for the value behind a pseudonym; `addresses_are_revealed` does.
        let reveals = page.contains("Action::\"reveal\"");
        let gates = if reveals {
            String::new()
        } else {
            format!("--deny-untested --mutate --min-mutation {NOTICED}")
        };
        let test = printed(folder.path(), &format!("ringfence test {gates}{key}"));
        assert!(test.contains(" passed, 0 failed"), "docs/{page_name}:\n{test}");
        assert!(!test.contains("[exit status"), "docs/{page_name}:\n{test}");
        assert!(page.contains("# tests/"), "docs/{page_name} has no tests");
        hold(&page_name, &page, &told);
    }
}

#[test]
fn every_recipe_is_listed() {
    let index = read("cookbook/index.md");
    for name in recipes() {
        let title =
            read(&format!("cookbook/{name}")).lines().next().unwrap().trim_start_matches("# ").to_owned();
        assert!(
            index.contains(&format!("[{title}]({name})")),
            "the cookbook does not list {name} as {title}"
        );
    }
}

/// What the page's tests say of `revealed`, for an application.
#[test]
fn addresses_are_revealed() {
    use ringfence::guard::To;
    use ringfence::{Bundle, CompileOptions, Event, Guard, User, compile};

    let folder = tempfile::tempdir().unwrap();
    let _ = played(&read("cookbook/masked-and-revealed.md"), folder.path());
    let options = CompileOptions::default().with_key("a key of sixteen bytes");
    let guard = Guard::new(compile(&Bundle::from_folder(folder.path()).unwrap(), &options).unwrap().engine);
    let (sue, uma) = (User::new("sue", ["support"]), User::new("uma", ["user"]));
    let event = Event::input("s1", sue.clone(), "assistant", "nina@post.example");
    let verdict = guard.check(&event);
    assert_eq!(verdict.edits[0].with, "<EMAIL_1>");
    let given = |user, tool| guard.reveal("s1", To { user, agent: "assistant", tool }, "<EMAIL_1>").text;
    assert_eq!(given(&sue, Some("send_mail")), "nina@post.example");
    assert_eq!(given(&sue, None), "nina@post.example");
    assert_eq!(given(&sue, Some("find_customer")), "<EMAIL_1>");
    assert_eq!(given(&uma, Some("send_mail")), "<EMAIL_1>");
    assert_eq!(given(&uma, None), "<EMAIL_1>");
}
