//! Pages whose commands are run one after the other, as a reader would type them.

use crate::book::page::{hold, played, read};

fn play(name: &str) {
    let page = read(name);
    assert!(page.contains("```console\n$ "), "docs/{name} shows no command");
    let folder = tempfile::tempdir().unwrap();
    hold(name, &page, &played(&page, folder.path()));
}

#[test]
fn first_policy_in_ten_minutes() {
    play("first-policy.md");
}

#[test]
fn migration_from_gitleaks() {
    play("migrate/gitleaks.md");
}

#[test]
fn migration_from_presidio() {
    play("migrate/presidio.md");
}

#[test]
fn migration_from_agent_governance_toolkit() {
    play("migrate/agent-governance-toolkit.md");
}

#[test]
fn migration_from_agentcore() {
    play("migrate/agentcore.md");
}
