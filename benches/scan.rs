//! Speed of the scanner: text by kind, messages, attacks, number of rules, start, memory.
//!
//! `cargo bench --bench scan [-- texts attacks alone messages growth start]`; with `RINGFENCE_BENCH_TEXT=FILE`, windows of that file too. Every text is a new one, and
//! time is that of the thread on the processor, so that other work on the machine disturbs less. Ratios within one run
//! count more than the numbers.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

mod patterns;
mod texts;

use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use regex_automata::meta::Regex;
use ringfence::engine::RuleSet;
use ringfence::{Bundle, CompileOptions, Engine, Event, Guard, User, compile};
use texts::{Seed, Writer, accented, cyrillic, han, respelt, windows};

/// Bytes of a document.
const DOCUMENT: usize = 64 << 10;
/// Bytes of all documents of one row.
const ALL: usize = 8 << 20;
/// Bytes of a text that was made to be slow.
const ATTACK: usize = 512 << 10;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match asked.first().map(String::as_str) {
        Some("--start") => return start(),
        // What `cargo test --benches` passes: nothing to prove here.
        Some("--test") => return,
        _ => {}
    }
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);
    let engine = Engine::embedded().unwrap();
    let rules = engine.rule_set(&[]).unwrap();
    let patterns = embedded_patterns();
    println!("{} patterns and phrases in the default bundle\n", patterns.len());

    if wanted("texts") {
        throughput(&engine, &rules);
    }
    if wanted("attacks") {
        attacks(&engine, &rules, &beginnings(&patterns));
    }
    if wanted("alone") {
        alone(&patterns);
    }
    if wanted("messages") {
        messages();
    }
    if wanted("growth") {
        growth();
    }
    if wanted("start") {
        starts();
        memory();
    }
}

/// Time that this thread was on the processor.
fn now() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
    }
    #[cfg(not(unix))]
    {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let before = now();
    let result = work();
    ((now() - before).as_secs_f64(), result)
}

fn scan_all(engine: &Engine, rules: &RuleSet, texts: &[String]) -> usize {
    texts.iter().map(|text| black_box(engine.scan(text, rules)).len()).sum()
}

/// MB/s at first sight and the best of three passes, and findings.
fn passes(texts: &[String], mut scan: impl FnMut(&[String]) -> usize) -> (f64, f64, usize) {
    let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
    let (first, hits) = timed(|| scan(texts));
    let best = (0..2).map(|_| timed(|| scan(texts)).0).fold(first, f64::min);
    (megabytes / first, megabytes / best, hits)
}

/// The first bytes of a text, whole characters only.
fn head(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// MB/s by kind of text.
fn throughput(engine: &Engine, rules: &RuleSet) {
    println!(
        "{:<28}{:>12}{:>12}{:>14}{:>16}",
        "text", "first MB/s", "best MB/s", "hits per MB", "memchr MB/s"
    );
    let mut writer = Writer::new(1);
    let documents = |make: &mut dyn FnMut(usize) -> String| -> Vec<String> {
        (0..ALL / DOCUMENT).map(|_| make(DOCUMENT)).collect()
    };
    let mut rows = vec![
        ("prose", documents(&mut |bytes| writer.prose(bytes))),
        ("code", documents(&mut |bytes| writer.code(bytes))),
        ("dense", documents(&mut |bytes| writer.dense(bytes))),
    ];
    // Not alike in bytes, nor in letters, but in words.
    for (name, letter) in
        [("accents", accented as fn(u32) -> u32), ("Cyrillic letters", cyrillic), ("ideographs", han)]
    {
        rows.push((name, documents(&mut |bytes| respelt(&writer.prose(bytes), letter))));
    }
    if let Some(file) = std::env::var_os("RINGFENCE_BENCH_TEXT") {
        let text = std::fs::read(&file).unwrap();
        let mut text = windows(&String::from_utf8_lossy(&text), DOCUMENT);
        text.truncate(2 * ALL / DOCUMENT);
        rows.push(("file, windows of 64 KiB", text));
    }
    // Rules are compiled when they are first needed.
    let mut others = Writer::new(2);
    let letters = respelt(&others.prose(1 << 19), cyrillic) + &respelt(&others.prose(1 << 19), accented);
    scan_all(engine, rules, &[others.prose(1 << 20), others.code(1 << 20), others.dense(1 << 20), letters]);
    for (name, texts) in &rows {
        let (first, best, hits) = passes(texts, |texts| scan_all(engine, rules, texts));
        let (_, memchr, _) =
            passes(texts, |texts| texts.iter().filter_map(|text| memchr::memchr(1, text.as_bytes())).count());
        let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
        println!("{name:<28}{first:>12.0}{best:>12.0}{:>14.1}{memchr:>16.0}", hits as f64 / megabytes);
    }
    println!();
}

/// MB/s on texts that were made to be slow, beside prose of the same size.
fn attacks(engine: &Engine, rules: &RuleSet, beginnings: &[String]) {
    let mut writer = Writer::new(3);
    let prose = [writer.prose(ATTACK), writer.prose(ATTACK), writer.prose(ATTACK)];
    let (_, benign, _) = passes(&prose, |texts| scan_all(engine, rules, texts));
    println!("{:<28}{:>12}{:>20}{:>14}", "attack", "MB/s", "times as slow", "hits per MB");
    for (name, text) in writer.attacks(ATTACK, beginnings) {
        // What its rules need is compiled then.
        black_box(engine.scan(head(&text, ATTACK / 8), rules));
        let (time, hits) = timed(|| black_box(engine.scan(&text, rules)).len());
        let speed = text.len() as f64 / 1e6 / time;
        println!(
            "{name:<28}{speed:>12.1}{:>19.1}x{:>14.1}",
            benign / speed,
            hits as f64 / text.len() as f64 * 1e6
        );
    }
    println!();
}

fn embedded_patterns() -> Vec<String> {
    let bundle = Bundle::embedded();
    let packs = bundle.sources().filter(|source| source.name.starts_with("packs/"));
    let packs: Vec<String> = packs.map(|source| source.text.to_string()).collect();
    patterns::of_packs(&packs)
}

/// The longest literal of each pattern, as far as the eye can tell.
fn beginnings(patterns: &[String]) -> Vec<String> {
    let literal = |pattern: &String| {
        let text = pattern.replace("(?i)", " ").replace(r"\b", " ");
        let pieces = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ')));
        pieces.map(str::trim).max_by_key(|piece| piece.len()).map(str::to_owned)
    };
    patterns.iter().filter_map(literal).filter(|literal| literal.len() > 2).collect()
}

/// Each regular expression by itself, over little text.
fn alone(patterns: &[String]) {
    let regexes: Vec<Regex> = patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect();
    let mut writer = Writer::new(4);
    for (name, text) in [
        ("prose", writer.prose(256 << 10)),
        ("code", writer.code(256 << 10)),
        ("dense", writer.dense(256 << 10)),
    ] {
        regexes
            .iter()
            .for_each(|regex| assert!(regex.find(&text[..1000]).is_none_or(|found| !found.is_empty())));
        let (time, hits) =
            timed(|| regexes.iter().map(|regex| regex.find_iter(&text).count()).sum::<usize>());
        println!(
            "each of {} expressions alone, {name}: {:.2} MB/s ({hits} hits)",
            regexes.len(),
            text.len() as f64 / 1e6 / time
        );
    }
    println!();
}

/// Messages of 1.5 KB, no two of them equal: the first ones that an engine sees, and what each takes later.
fn messages() {
    const FIRST: usize = 1_000;
    let mut writer = Writer::new(5);
    let all: Vec<String> = (0..3_000).map(|_| writer.message()).collect();
    let engine = Engine::embedded().unwrap();
    let rules = engine.rule_set(&[]).unwrap();
    let mut times = Vec::with_capacity(all.len());
    for message in &all {
        let before = Instant::now();
        black_box(engine.scan(message, &rules));
        times.push(before.elapsed());
    }
    let mut later = times.split_off(FIRST);
    later.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let share = |of: f64| micros(later[(of * later.len() as f64) as usize]);
    println!(
        "2,000 messages of 1.5 KB: p50 {:.1} us, p90 {:.1} us, p99 {:.1} us; the first {FIRST} before them {:.1} us on average\n",
        share(0.5),
        share(0.9),
        share(0.99),
        micros(times.iter().sum()) / FIRST as f64
    );
}

/// A pack of so many rules: tokens of makers, keys behind names, phrases and numbers near words.
fn generated(rules: usize) -> Bundle {
    let mut seed = Seed(6);
    let mut pack =
        String::from("pack: made\ntitle: Made\nstages: [input, tool_result, output]\naction: flag\nrules:\n");
    for number in 0..rules {
        let name = |seed: &mut Seed| {
            let syllables = ["ka", "zor", "vel", "mi", "qua", "ner", "tho", "bri", "xan", "lu", "pod", "ryn"];
            (0..4).map(|_| seed.pick(&syllables)).collect::<String>()
        };
        let (a, b) = (name(&mut seed), name(&mut seed));
        let (find, yes, no) = match number % 4 {
            0 => (
                format!(
                    "{{ pattern: '\\b{a}_[A-Za-z0-9]{{24}}\\b', not: ['{a}_aaaaaaaaaaaaaaaaaaaaaaaa'] }}"
                ),
                format!("{a}_q7TzKpW2vLx9RmYb4NdHs6Gf"),
                format!("{a}_aaaaaaaaaaaaaaaaaaaaaaaa"),
            ),
            1 => (
                format!(
                    "{{ pattern: '(?i)\\b{a}[a-z_ -]{{0,24}}[=:]\\s{{0,3}}[\"'']?(?P<value>[a-z0-9]{{32}})\\b', check: entropy }}"
                ),
                format!("{a}_key = q7tzkpw2vlx9rmyb4ndhs6gfjc3aeuo8"),
                format!("{a}_key = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ),
            2 => (
                format!("{{ phrases: [never {a} the {b}, {b} all of the {a}] }}"),
                format!("please never {a} the {b}"),
                format!("never {a} that {b}"),
            ),
            _ => (
                format!(
                    "{{ pattern: '\\b\\d{{{}}}-\\d{{3}}\\b', near: {{ words: [{a}], within: 30 }} }}",
                    3 + number % 7
                ),
                format!("{a} {}-123", &"123456789012"[..3 + number % 7]),
                format!("{}-123", &"123456789012"[..3 + number % 7]),
            ),
        };
        pack.push_str(&format!(
            "  - {{ id: r{number}, title: R, severity: low, find: {find}, examples: {{ match: ['{yes}', 'x {yes}'], ignore: ['{no}', 'nothing'] }} }}\n"
        ));
    }
    Bundle::from_sources(
        "made",
        [("ringfence.yaml", "name: made\nversion: 1\n".to_owned()), ("packs/made.yaml", pack)],
    )
}

fn growth() {
    println!("{:<12}{:>14}{:>14}{:>22}", "rules", "prose MB/s", "code MB/s", "compile and prove ms");
    for rules in [200, 500, 1_000, 2_000] {
        let bundle = generated(rules);
        let (time, compiled) = timed(|| compile(&bundle, &CompileOptions::default()));
        let engine =
            compiled.unwrap_or_else(|error| panic!("{error}: {:?}", error.diagnostics.first())).engine;
        let set = engine.rule_set(&[]).unwrap();
        let mut writer = Writer::new(7);
        scan_all(&engine, &set, &[writer.prose(1 << 20), writer.code(1 << 20)]);
        let prose: Vec<String> = (0..64).map(|_| writer.prose(DOCUMENT)).collect();
        let code: Vec<String> = (0..64).map(|_| writer.code(DOCUMENT)).collect();
        let speed = |texts: &[String]| passes(texts, |texts| scan_all(&engine, &set, texts)).1;
        println!("{rules:<12}{:>14.0}{:>14.0}{:>22.0}", speed(&prose), speed(&code), time * 1e3);
    }
    println!();
}

/// In a process of its own: time to an engine, and to the first verdict.
fn start() {
    let message = Writer::new(8).message();
    let begun = Instant::now();
    let engine = Engine::embedded().unwrap();
    let ready = begun.elapsed();
    let guard = Guard::new(engine);
    let verdict = guard.check(&Event::input("s", User::new("local", ["user"]), "assistant", message));
    assert_eq!(verdict.decision, ringfence::Decision::Allow, "{verdict:?}");
    println!("{} {}", ready.as_secs_f64() * 1e3, begun.elapsed().as_secs_f64() * 1e3);
}

fn starts() {
    let this = std::env::current_exe().unwrap();
    let run = || {
        let output = Command::new(&this).arg("--start").output().unwrap();
        let times: Vec<f64> = String::from_utf8(output.stdout)
            .unwrap()
            .split_whitespace()
            .map(|time| time.parse().unwrap())
            .collect();
        (times[0], times[1])
    };
    let mut times: Vec<(f64, f64)> = (0..21).map(|_| run()).collect();
    times.sort_by(|one, other| one.1.total_cmp(&other.1));
    let (ready, verdict) = times[10];
    println!(
        "cold start, 21 processes: engine {ready:.1} ms, first verdict {verdict:.1} ms (p50); best {:.1} ms\n",
        times[0].1
    );
}

/// Most memory of `ringfence eval` with one session.
fn memory() {
    let session = serde_json::json!({ "id": "m", "messages": [
        { "role": "user", "content": Writer::new(9).message() },
        { "role": "assistant", "content": Writer::new(10).message() },
    ]});
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["eval", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{session}").unwrap();
    drop(input);
    // What the kernel says last before the process is gone.
    let mut peak = String::from("unknown");
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        if let Some(most) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            peak = most.trim().to_owned();
        }
    }
    println!("peak memory of `ringfence eval` with one session: {peak}");
}
