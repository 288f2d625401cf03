//! Any text as a command line: it is refused, or it means the same however it is asked for, and what is found lies in it.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::Engine;
use ringfence::tool::{CommandError, CommandLine, CommandPolicy, Construct, Simple};

static ENGINE: OnceLock<Engine> = OnceLock::new();

/// The commands without their places in the text.
fn placeless(commands: &[Simple]) -> Vec<Simple> {
    let mut commands = commands.to_vec();
    for one in &mut commands {
        one.span = 0..0;
    }
    commands
}

/// What each command is, without how it is reached.
fn said(commands: &[Simple]) -> Vec<String> {
    commands
        .iter()
        .map(|one| {
            let Simple { assignments, program, words, redirects, is_supposed, is_endless, .. } = one;
            format!("{assignments:?} {program:?} {words:?} {redirects:?} {is_supposed} {is_endless}")
        })
        .collect()
}

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let Ok(line) = CommandLine::parse(text) else { return };
    for one in line.commands() {
        assert!(text.get(one.span.clone()).is_some(), "a span lies outside the text");
    }
    let findings = engine.scan_command(&line);
    for finding in &findings {
        assert!(text.get(finding.start..finding.end).is_some(), "{finding:?} lies outside the text");
    }
    // The same text has the same meaning.
    assert_eq!(CommandLine::parse(text).as_ref(), Ok(&line));

    // A list that allows more refuses nothing that one that allows less lets through.
    let narrow = CommandPolicy::new(["git log **", "ls **"]).expect("patterns");
    let wide = CommandPolicy::new(["git log **", "ls **", "cat {path}"]).expect("patterns");
    let wider = wide.clone().with_constructs(Construct::ALL);
    assert!(narrow.check(&line).is_some() || wide.check(&line).is_none());
    assert!(wide.check(&line).is_some() || wider.check(&line).is_none());

    // A command that needs no shell is the same one when it is given by its words.
    if let Some((program, words)) = line.plain() {
        let given = CommandLine::from_argv(std::iter::once(program).chain(words)).expect("it was read once");
        assert_eq!(placeless(given.commands()), placeless(line.commands()));
    }

    // Code in `bash -c` is the code, whether a shell quoted it or not.
    let quoted = format!("bash -c '{}'", text.replace('\'', r"'\''"));
    match (CommandLine::from_argv(["bash", "-c", text]), CommandLine::parse(&quoted)) {
        (Ok(given), Ok(read)) => {
            assert_eq!(placeless(given.commands()), placeless(read.commands()));
            assert_eq!(given.constructs(), read.constructs());
            if !text.starts_with(['-', '+']) {
                let inner = given.commands().get(1..).unwrap_or_default();
                assert_eq!(said(inner), said(line.commands()));
                assert_eq!(given.constructs(), line.constructs());
                // A rule about a wrapper may find more there, and none finds less.
                let within = engine.scan_command(&given);
                for finding in &findings {
                    assert!(
                        within.iter().any(|other| other.rule == finding.rule),
                        "{} is lost",
                        finding.rule
                    );
                }
                assert_eq!(wider.check(&given).is_none(), wider.check(&line).is_none());
            }
        }
        (Err(one), Err(other)) => {
            let kinds = [&one, &other].map(std::mem::discriminant);
            assert_eq!(kinds[0], kinds[1], "{one} but {other}");
            // What was read alone is refused within another command only for its size, or for a word that looks like one of `cmd`.
            assert!(
                text.starts_with(['-', '+']) || !matches!(one, CommandError::Syntax { .. }),
                "{one}, though it was read alone"
            );
        }
        // Quotes make it longer.
        (Ok(_), Err(CommandError::TooLarge { .. })) => {}
        (given, read) => panic!("given: {given:?}, read: {read:?}"),
    }

    // A command behind it changes nothing of it.
    if !text.ends_with('\\')
        && let Ok(longer) = CommandLine::parse(&format!("{text}\n:"))
    {
        let (last, others) = longer.commands().split_last().expect("one was added");
        assert_eq!(last.name(), Some(":"));
        // What stands in `>(…)` beside no command may be given what a later one prints.
        if text.contains(">(") {
            assert_eq!(said(others), said(line.commands()));
        } else {
            assert_eq!(others, line.commands());
        }
        assert_eq!(engine.scan_command(&longer), findings);
    }
});
