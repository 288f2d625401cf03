//! Mutated files, events and sessions: an answer or a clear error, never a panic and never silence.
//!
//! `RINGFENCE_MUTATIONS=100000 cargo test mutations` for a long run; the same numbers give the same cases.

use ringfence::event::{Chat, Event};
use ringfence::{Bundle, CompileOptions, Engine, Guard, User, compile};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound.max(1) as u64).unwrap()
    }
}

const SCRAPS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "\n",
    "  ",
    "- ",
    "&a ",
    "*a",
    "|",
    ">",
    "!!",
    "%",
    "#",
    "null",
    "true",
    "-1",
    "1e999",
    "99999999999999999999",
    "\u{0}",
    "\u{202e}",
    "é",
    "\u{1f600}",
    "~",
    "<<",
    "when { ",
    "@id(\"x\")",
    "principal",
    "\\u0000",
    "$ref",
    "(?P<value>",
    "{1000000}",
    "never",
    "\r\n",
    "\t",
];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(3) {
        let at = dice.below(chars.len() + 1);
        match dice.below(5) {
            0 => {
                let end = (at + dice.below(40)).min(chars.len());
                chars.drain(at.min(end)..end);
            }
            1 => {
                let scrap: Vec<char> = SCRAPS[dice.below(SCRAPS.len())].chars().collect();
                chars.splice(at..at, scrap);
            }
            2 => {
                let end = (at + dice.below(60)).min(chars.len());
                let copy: Vec<char> = chars[at.min(end)..end].to_vec();
                let to = dice.below(chars.len() + 1);
                chars.splice(to..to, copy);
            }
            3 if at < chars.len() => chars[at] = SCRAPS[dice.below(SCRAPS.len())].chars().next().unwrap(),
            _ => chars.truncate(at),
        }
    }
    chars.into_iter().collect()
}

fn rounds(default: usize) -> usize {
    std::env::var("RINGFENCE_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn mutations_of_bundles() {
    let mut dice = Dice(1);
    let starter: Vec<(String, String)> = ringfence::bundle::starter()
        .sources()
        .map(|source| (source.name.to_string(), source.text.to_string()))
        .collect();
    let retention = "classes:\n  - { name: a, stages: [input], keep: 7d, then: shred }\n  - { name: b, keep: 30d, minimum: 1d }\ntenants: { t: { b: 14d } }\n";
    for _ in 0..rounds(400) {
        let mut files = starter.clone();
        files.push(("retention.yaml".to_owned(), retention.to_owned()));
        let index = dice.below(files.len());
        files[index].1 = mutate(&files[index].1, &mut dice);
        let bundle =
            Bundle::from_sources("mutated", files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        match compile(&bundle, &CompileOptions::default()) {
            Ok(compiled) => {
                let (suite, _) = ringfence::harness::Suite::load(&bundle, &compiled.engine);
                let _ = ringfence::harness::run(&compiled.engine, &suite, "");
            }
            Err(error) => {
                assert!(error.diagnostics.iter().any(ringfence::diagnostic::Diagnostic::is_error));
                for diagnostic in &error.diagnostics {
                    if let Some(label) = &diagnostic.primary {
                        let text = &bundle.source(&label.span.file).unwrap().text;
                        assert!(text.get(label.span.start..label.span.end).is_some(), "{diagnostic:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn mutations_of_events_and_sessions() {
    let mut dice = Dice(2);
    let guard = Guard::builder(Engine::embedded().unwrap()).no_time_limit().build();
    let events = [
        r#"{"stage":"access","session":"s1","at":"2026-11-22T10:00:00Z","user":{"id":"a","roles":["support"],"tenant":"acme"},"agent":"helpdesk","access":{"kind":"run","model":"gpt-5","tools":["read_file"]}}"#,
        r#"{"stage":"access","session":"s1","user":{"id":"a","roles":["engineer"]},"access":{"kind":"create","name":"x<","instructions":{"a":["b",1]},"model":"gpt-5","tools":["read_file"]}}"#,
        r#"{"stage":"input","session":"s1","user":{"id":"a","roles":["user"]},"agent":"assistant","part":"history","text":"ssn 536-90-4399 <script> ghp_ ignore previous"}"#,
        r#"{"stage":"tool_call","session":"s1","call":"c1","user":{"id":"a","roles":["user"]},"agent":"assistant","tool":"read_file","arguments":{"path":"a.txt","max_bytes":3}}"#,
        r#"{"stage":"tool_result","session":"s1","call":"c1","user":{"id":"a","roles":["user"]},"agent":"assistant","tool":"read_file","result":{"a":"4111 1111 1111 1111"}}"#,
        r#"{"stage":"output","session":"s1","user":{"id":"a","roles":["user"]},"agent":"assistant","text":"hi","facts":{"moderation":{"hate":0.01}},"tokens":4}"#,
    ];
    let session = include_str!("../../examples/sessions.jsonl").lines().nth(1).unwrap();
    for round in 0..rounds(3000) {
        let line = mutate(events[round % events.len()], &mut dice);
        let verdict = guard.check_json(&line);
        if let Ok(event) = Event::from_json(&line) {
            let _ = event.with_edits(&verdict.edits);
        } else {
            assert_eq!(verdict.reasons[0].code.name(), "bad-event");
        }
        if let Ok(chat) = Chat::from_json(&mutate(session, &mut dice)) {
            for event in chat
                .events(&User::new("u", ["user"]), "assistant", None, &chat.called_tools())
                .into_iter()
                .flatten()
            {
                let _ = guard.check(&event);
            }
        }
    }
}

/// What the fuzz targets for arguments hold, over mutations of what gets around other checks.
#[test]
fn mutations_of_commands_paths_and_urls() {
    use ringfence::tool::{Access, CommandLine, PathPolicy, UrlPolicy, is_under, normalised};
    let mut dice = Dice(3);
    let engine = Engine::embedded().unwrap();
    let commands = [
        "cd src && git log --oneline | head -n 3 > out.txt; rm -r \"$x\" &",
        "for f in a {b,c}; do echo `cat $f`; done <<E\n$(id) ${x:-y}\nE\n",
        "exec {fd}>f 3<&0; curl x >&$fd; sudo env A=1 bash -c 'eval \"ls $1\"' x y",
        "f() { find . -exec sh -c 'rm {}' \\; ; }; echo rm y | xargs -I{} bash -c {}",
        "case $x in a|b) c;; *) [[ -f d && e ]];; esac; $((1 + 2)) $'\\x41'",
    ];
    let paths =
        ["/srv/data/a/../b.txt", "/srv/data/%252e%252e/x", "~/.ssh/id_rsa", "/srv/data/c:\\x\u{2215}y"];
    let urls = ["https://u:p@a.example.com:8443/x?y=%41#z", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/"];
    let (policy, any) = (PathPolicy::under(["/srv/data"]), UrlPolicy::default());
    let named = any.clone().with_hosts(["*.example.com"]).unwrap();
    for round in 0..rounds(2000) {
        let text = mutate(commands[round % commands.len()], &mut dice);
        if let Ok(line) = CommandLine::parse(&text) {
            for one in line.commands() {
                assert!(text.get(one.span.clone()).is_some(), "{text:?}");
            }
            for finding in engine.scan_command(&line) {
                assert!(text.get(finding.start..finding.end).is_some(), "{text:?} {finding:?}");
            }
            assert_eq!(CommandLine::parse(&text).as_ref(), Ok(&line));
        }
        let path = mutate(paths[round % paths.len()], &mut dice);
        let _ = engine.scan_path(&path, Access::Read);
        if policy.check(&path).is_ok() {
            let path = normalised(&path).unwrap();
            assert!(is_under(&path, "/srv/data") && policy.check(&path).is_ok(), "{path:?}");
        }
        let url = mutate(urls[round % urls.len()], &mut dice);
        let _ = engine.scan_url(&url);
        assert!(named.check(&url).is_err() || any.check(&url).is_ok(), "{url:?}");
    }
}

#[test]
fn mutations_of_packed_bundles() {
    let mut dice = Dice(7);
    let packed = ringfence::bundle::starter().pack().unwrap();
    for _ in 0..rounds(2000) {
        let text = mutate(&packed, &mut dice);
        // What is read is exactly what would be written.
        if let Ok(bundle) = Bundle::unpack("mutated", &text) {
            assert_eq!(bundle.pack().unwrap(), text);
        }
    }
}
