//! Hyperscan beside the scanner: the patterns and phrases of the default bundle, on the same texts in the same run.
//!
//! Hyperscan reports where matches end, not where they begin, knows no checks, words near a match, exceptions and views, and reads
//! only the raw text: it does less. `cargo run --release`, in this folder; with `RINGFENCE_BENCH_TEXT=FILE`, windows of that
//! file too.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../../patterns/mod.rs"]
mod patterns;
#[path = "../../texts/mod.rs"]
#[allow(dead_code)]
mod texts;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hyperscan::prelude::*;
use regex_syntax::hir::{Hir, HirKind};
use ringfence::{Bundle, Engine};
use texts::{Writer, windows};

/// Bytes of a document, and of all documents of one row.
const DOCUMENT: usize = 64 << 10;
const ALL: usize = 4 << 20;
const MESSAGE: usize = 1536;

/// A pattern in the syntax of Hyperscan.
fn translated(pattern: &str) -> Option<String> {
    let hir = regex_syntax::ParserBuilder::new().build().parse(pattern).ok()?;
    let mut text = String::new();
    regex_syntax::hir::print::Printer::new().print(&bare(&hir), &mut text).ok()?;
    Some(text.replace(r"(?-u:\b)", r"\b").replace("(?-u:", "(?:").replace('\0', r"\x00"))
}

/// The same without names of groups, and with word borders of ASCII.
fn bare(hir: &Hir) -> Hir {
    use regex_syntax::hir::Look;
    match hir.kind() {
        HirKind::Capture(capture) => bare(&capture.sub),
        HirKind::Look(Look::WordUnicode) => Hir::look(Look::WordAscii),
        HirKind::Repetition(repetition) => Hir::repetition(regex_syntax::hir::Repetition {
            sub: Box::new(bare(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(bare).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(bare).collect()),
        _ => hir.clone(),
    }
}

/// A pattern as Hyperscan takes it by itself: as it is written, of ASCII if it can be, which is quickest; or else translated.
fn pattern(number: usize, text: &str) -> Option<Pattern> {
    let written = text.replace("(?P<value>", "(?:");
    let ways = [
        (Some(written.clone()), CompileFlags::empty()),
        (Some(written), CompileFlags::UTF8),
        (translated(text), CompileFlags::UTF8),
    ];
    ways.into_iter().find_map(|(text, flags)| {
        let pattern = Pattern::with_flags(text?, flags | CompileFlags::ALLOWEMPTY).ok()?;
        let pattern = Pattern { id: Some(number), ..pattern };
        pattern.build::<hyperscan::Block>().ok().map(|_| pattern)
    })
}

/// Time of this thread on the processor.
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Seconds of the first pass and of the best of three, and what was found.
fn passes(texts: &[String], scan: &dyn Fn(&str) -> usize) -> (f64, f64, usize) {
    let (mut first, mut best, mut found) = (None, f64::MAX, 0);
    for _ in 0..3 {
        let begin = now();
        found = texts.iter().map(|text| black_box(scan(text))).sum();
        let took = (now() - begin).as_secs_f64();
        first.get_or_insert(took);
        best = best.min(took);
    }
    (first.unwrap(), best, found)
}

fn main() {
    let bundle = Bundle::embedded();
    let packs = bundle.sources().filter(|source| source.name.starts_with("packs/"));
    let all = patterns::of_packs(&packs.map(|source| source.text.to_string()).collect::<Vec<_>>());
    let begin = Instant::now();
    // What it can't take, or is too large for it by itself, is left out.
    let taken: Vec<Pattern> =
        all.iter().enumerate().filter_map(|(number, text)| pattern(number, text)).collect();
    println!(
        "{} of {} patterns and phrases compile by themselves ({:.1} s)",
        taken.len(),
        all.len(),
        begin.elapsed().as_secs_f64()
    );
    let begin = Instant::now();
    let count = taken.len();
    let database: BlockDatabase = Patterns(taken).build().unwrap();
    println!(
        "together, in {:.1} s: {:.1} MB\n",
        begin.elapsed().as_secs_f64(),
        database.size().unwrap() as f64 / 1e6
    );
    let scratch = database.alloc_scratch().unwrap();
    let theirs = |text: &str| {
        let mut found = 0;
        let each = |_: u32, _: u64, _: u64, _: u32| {
            found += 1;
            Matching::Continue
        };
        database.scan(text, &scratch, each).unwrap();
        found
    };
    let engine = Engine::embedded().unwrap();
    let rules = engine.rule_set(&[]).unwrap();
    let ours = |text: &str| engine.scan(text, &rules).len();

    let mut writer = Writer::new(1);
    let mut rows = Vec::new();
    for (name, size) in
        [("prose", DOCUMENT), ("code", DOCUMENT), ("dense", DOCUMENT), ("messages of 1.5 KB", MESSAGE)]
    {
        let make = |writer: &mut Writer| match name {
            "code" => writer.code(size),
            "dense" => writer.dense(size),
            _ => writer.prose(size),
        };
        let count = if size == MESSAGE { 2000 } else { ALL / size };
        rows.push((name, (0..count).map(|_| make(&mut writer)).collect::<Vec<String>>()));
    }
    if let Some(file) = std::env::var_os("RINGFENCE_BENCH_TEXT") {
        let text = std::fs::read(&file).unwrap();
        let mut text = windows(&String::from_utf8_lossy(&text), DOCUMENT);
        text.truncate(ALL / DOCUMENT);
        rows.push(("file", text));
    }
    // Rules are compiled when they are first needed.
    let mut others = Writer::new(2);
    for text in [others.prose(1 << 20), others.code(1 << 20), others.dense(1 << 20)] {
        black_box((ours(&text), theirs(&text)));
    }
    println!(
        "{:<22}{:>24}{:>24}{:>12}",
        "MB/s, first and best",
        format!("Hyperscan, {count}"),
        "Ringfence, all",
        "times"
    );
    for (name, texts) in &rows {
        let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
        let (their_first, their_best, _) = passes(texts, &theirs);
        let (first, best, _) = passes(texts, &ours);
        println!(
            "{name:<22}{:>12.1}{:>12.1}{:>12.1}{:>12.1}{:>12.2}",
            megabytes / their_first,
            megabytes / their_best,
            megabytes / first,
            megabytes / best,
            their_best / best
        );
    }
}
