//! Texts that come in pieces.

use std::sync::Arc;

use super::clean::{Cleaned, Editor, ROUNDS};
use super::find::Found;
use super::scan::RuleSet;
use super::{Engine, Inner};
use crate::rule::Rule;
use crate::text::{Decoder, Match, StreamScan, Wanted};
use crate::verdict::{Action, Finding};

/// Bytes that are gone through at once.
const PIECE: usize = 16 << 10;

/// Scans and cleans a text that comes in chunks, cut anywhere, inside a character too.
///
/// What comes out is what [`Engine::clean`] makes of the whole text, and what it finds in it. Text is released once
/// nothing that follows can change it: how much is held back at most is [`Engine::hold_back`].
#[derive(Debug)]
pub struct StreamScanner {
    engine: Engine,
    rules: RuleSet,
    decoder: Decoder,
    stages: Vec<Stage>,
}

/// What a stream scanner lets go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Released {
    /// Cleaned text that follows what was released before.
    pub text: String,
    /// What became known to be found. Offsets are those of the stream as it came in; invalid UTF-8 is read as a question
    /// mark for each byte. They come in order, but for signals, which fire together once there are enough.
    pub findings: Vec<Finding>,
}

/// One round of cleaning.
#[derive(Debug, Default)]
struct Stage {
    scan: StreamScan,
    editor: Editor,
}

impl Engine {
    /// Scans and cleans a text in chunks with these rules.
    #[must_use]
    pub fn stream(&self, rules: &RuleSet) -> StreamScanner {
        let redacts =
            |(number, rule): (usize, &Arc<Rule>)| rules.has(number) && rule.action == Action::Redact;
        // What replacing reveals is replaced too; without it, one look is enough.
        let rounds = if self.0.rules.iter().enumerate().any(redacts) { ROUNDS } else { 1 };
        StreamScanner {
            engine: self.clone(),
            rules: rules.clone(),
            decoder: Decoder::default(),
            stages: (0..rounds).map(|_| Stage::default()).collect(),
        }
    }
}

impl StreamScanner {
    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8]) -> Released {
        let mut released = Released::default();
        for piece in chunk.chunks(PIECE) {
            let mut text = String::new();
            self.decoder.push(piece, &mut text);
            self.pass(text, false, &mut released);
        }
        released
    }

    /// Ends the stream: everything that was held back is released.
    pub fn finish(mut self) -> Released {
        let mut released = Released::default();
        let mut text = String::new();
        self.decoder.finish(&mut text);
        self.pass(text, true, &mut released);
        released
    }

    /// Bytes of text that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.stages.iter().map(|stage| stage.scan.kept() + stage.editor.kept()).sum()
    }

    /// Bytes that were read so far, each time that they were: a bounded number of times.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.stages.iter().map(|stage| stage.scan.read()).sum()
    }

    fn pass(&mut self, text: String, last: bool, released: &mut Released) {
        let inner = &*self.engine.0;
        let mut piece = Cleaned { text, own: Vec::new() };
        for (round, stage) in self.stages.iter_mut().enumerate() {
            let wanted = |number: usize| {
                let rule = inner.rules.get(number).filter(|_| self.rules.has(number))?;
                (round == 0 || rule.action == Action::Redact).then(|| rule.finder())?
            };
            let (cleaned, found) = stage.pass(inner, &wanted, piece, last);
            if round == 0 {
                released.findings.extend(found);
            }
            piece = cleaned;
        }
        released.text.push_str(&piece.text);
    }
}

impl Stage {
    fn pass<'f>(
        &mut self,
        inner: &'f Inner,
        finder: &dyn Fn(usize) -> Option<&'f crate::text::Finder>,
        piece: Cleaned,
        last: bool,
    ) -> (Cleaned, Vec<Finding>) {
        let holds = |number: usize| inner.rules.get(number).is_some_and(|rule| rule.action == Action::Redact);
        let wanted = Wanted { scanner: &inner.scanner, finder, holds: &holds };
        self.editor.keep(piece.own);
        self.scan.push(&piece.text, &wanted);
        if last {
            self.scan.finish(&wanted);
        }
        let (text, matches) = self.scan.take();
        let found: Vec<Found> = matches.into_iter().filter_map(|one| found(inner, one)).collect();
        let findings = found.iter().map(|one| one.finding.clone()).collect();
        (self.editor.push(inner, text, found), findings)
    }
}

fn found(inner: &Inner, one: Match) -> Option<Found> {
    let rule = inner.rules.get(one.finder)?;
    Some(Found {
        rule: one.finder,
        finding: super::find::finding(rule, String::new(), one.hit.start, one.hit.end),
        matched: one.text,
        action: rule.action,
        part: None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{RngAlgorithm, TestRng};

    use super::*;
    use crate::engine::texts::{Texts, cases};

    fn all(engine: &Engine) -> RuleSet {
        engine.rule_set(&[]).unwrap()
    }

    /// The rules that do not hold the line that has begun, in which encoded text may stand.
    fn without_lines(engine: &Engine) -> RuleSet {
        let rules =
            engine.0.rules.iter().filter(|rule| rule.finder().is_some_and(|finder| !finder.holds_lines()));
        let names: Vec<String> = rules.map(|rule| rule.id.to_string()).collect();
        engine.rule_set(&names).unwrap()
    }

    /// A stream of these chunks: what came out, and the most that was held.
    fn streamed<'c>(
        engine: &Engine,
        rules: &RuleSet,
        chunks: impl IntoIterator<Item = &'c [u8]>,
    ) -> (String, Vec<Finding>, usize) {
        let mut stream = engine.stream(rules);
        let (mut text, mut findings, mut held) = (String::new(), Vec::new(), 0);
        let mut take = |released: Released| {
            text.push_str(&released.text);
            findings.extend(released.findings);
        };
        for chunk in chunks {
            take(stream.push(chunk));
            held = held.max(stream.held());
        }
        take(stream.finish());
        let number = |one: &Finding| engine.0.rules.iter().position(|rule| *rule.id == one.rule);
        findings.sort_by_key(|one: &Finding| (one.start, one.end, number(one)));
        (text, findings, held)
    }

    /// Chunks of these lengths, over and over.
    fn chunks<'t>(text: &'t [u8], lengths: &[usize]) -> Vec<&'t [u8]> {
        let mut chunks = Vec::new();
        let mut rest = text;
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, later) = rest.split_at((*length).min(rest.len()));
            chunks.push(chunk);
            rest = later;
        }
        chunks
    }

    fn same(engines: &[(&Engine, RuleSet)], text: &str, lengths: &[usize]) -> Result<(), TestCaseError> {
        for (engine, rules) in engines {
            let (cleaned, findings) = engine.clean(text, rules);
            let (streamed, found, _) = streamed(engine, rules, chunks(text.as_bytes(), lengths));
            prop_assert_eq!(found, findings, "{:?} in {:?}", text, lengths);
            prop_assert_eq!(streamed, cleaned, "{:?} in {:?}", text, lengths);
        }
        Ok(())
    }

    #[test]
    fn every_chunking_comes_out_as_the_whole() {
        let engine = Engine::embedded().unwrap();
        let engines = [(&engine, all(&engine)), (&engine, without_lines(&engine))];
        let texts = Texts::of_the_packs();
        let lengths = prop_oneof![
            Just(vec![1]),
            proptest::collection::vec(1..8usize, 1..6),
            proptest::collection::vec(1..200usize, 1..6),
        ];
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases() / 2));
        let outcome = runner
            .run(&(texts.parts(), lengths), |(parts, lengths)| same(&engines, &texts.text(&parts), &lengths));
        outcome.unwrap();
    }

    #[test]
    fn long_encoded_texts_in_every_chunking_come_out_as_the_whole() {
        let (engine, flows, holds) = (Engine::embedded().unwrap(), nasty(false), nasty(true));
        let engines = [
            (&engine, all(&engine)),
            (&engine, without_lines(&engine)),
            (&flows, all(&flows)),
            (&holds, all(&holds)),
        ];
        let texts = Texts::of_the_packs();
        let lengths = prop_oneof![
            proptest::collection::vec(1..20usize, 1..6),
            proptest::collection::vec(1..3000usize, 1..6),
        ];
        // The same ones each time.
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let config = ProptestConfig::with_cases(cases() / 50);
        let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
        let outcome = runner.run(&(texts.long_parts(), lengths), |(parts, lengths)| {
            same(&engines, &texts.long_text(&parts), &lengths)
        });
        outcome.unwrap();
    }

    /// Rules of every kind over a small alphabet, so that they meet, overlap and reveal each other.
    const RULES: &str = r"
pack: p
stages: [input, output]
action: redact
rules:
  - { id: short, find: { pattern: 'ab{1,3}c?' }, replace: '[S]' }
  - { id: border, find: { pattern: '\bfoo\b' }, replace: { remove: } }
  - { id: line, find: { pattern: '(?m)^zz$' }, replace: 'Z' }
  - { id: ends, find: { pattern: 'oo\z' }, replace: 'E' }
  - { id: begins, find: { pattern: '\Afo' }, replace: 'B' }
  - { id: open, find: { pattern: 'x[a-z ]*y', max_bytes: 4 }, replace: { mask: all } }
  - { id: goes_on, find: { pattern: 'k=(?P<value>[a-z0-9]*)', max_bytes: 6 }, replace: '[K]' }
  - { id: refused, find: { pattern: 'q[a-z0-9 ]*', max_bytes: 9, not: [{ pattern: '1' }] }, replace: '[Q]' }
  - { id: tag, find: { pattern: '<[^>]*>?', max_bytes: 12 }, severity: low, replace: { escape: html } }
  - { id: number, find: { pattern: '\b\d{3}-?\d{2}\b', near: { words: [ssn, tax id], within: 7, unless: separated } }, replace: { mask: last4 } }
  - { id: near_value, find: { pattern: '[0-9]{2,9}', near: { words: ['no:'], within: 5 } }, replace: { hash: } }
  - { id: checked, find: { pattern: '\b[0-9 ]{4,20}\b', check: luhn }, severity: high, replace: { pseudonym: CARD } }
  - { id: late, find: { pattern: '[a-f0-9]{0,40}@b' }, replace: 'L' }
  - { id: folded, find: { pattern: 'e[eé]?\s?vil', views: [folded] }, replace: '[V]' }
  - { id: folded_open, find: { pattern: 'kg[a-z ]*;', views: [folded], max_bytes: 5 }, replace: '[G]' }
  - { id: always, find: { pattern: '[ae]{2,5}', views: [folded] }, replace: '' }
  - { id: said, action: flag, find: { phrases: [ignore that, that is it, 'act as', act, 指示, 'sys:'] } }
  - { id: told, find: { phrases: [tell me all, 'me all'] }, replace: '[T]' }
  - { id: two, action: deny, find: { signals: { at: 1.0, of: [{ phrases: [act as], weight: 0.4 }, { pattern: 'ab', weight: 0.6 }, { phrases: [that], weight: 0.5 }] } } }
  - { id: coded, find: { phrases: [tell me all, act as, of the], views: [base64, hex, percent, html, rot13, reversed, leet, spaced] }, replace: '[D]' }
  - { id: coded_open, find: { pattern: '(?i)m[a-z ]*y', max_bytes: 4, views: [base64, percent, reversed, folded] }, replace: '' }
  - { id: coded_near, find: { pattern: '\b\d{3}', near: { words: [ssn], within: 9 }, views: [base64, hex, rot13] }, replace: { mask: all } }
  - { id: coded_two, action: deny, find: { signals: { at: 1.0, of: [{ phrases: [act as, the], weight: 0.6 }, { pattern: 'a[bn]', weight: 0.5 }, { pattern: '[tf]o', weight: 0.4 }] }, views: [base64, percent, html, reversed, leet, folded] } }
  - { id: marks, find: { pattern: '[\x{200b}\x{301}]+', max_bytes: 8 }, replace: '' }
";
    const SIGNALS: &str = r"
  - { id: held, find: { signals: { at: 1.0, of: [{ phrases: [me], weight: 0.5 }, { pattern: 'foo', weight: 0.5 }, { pattern: 'zz', weight: 0.5 }] } }, replace: '[H]' }
  - { id: held_coded, find: { signals: { at: 1.0, of: [{ phrases: [act as], weight: 0.5 }, { pattern: 'foo', weight: 0.5 }] }, views: [base64, reversed, leet] }, replace: '[C]' }
";
    const PIECES: &[&str] = &[
        "a",
        "b",
        "c",
        "ab",
        "abb",
        "foo",
        "f",
        "o",
        "\n",
        "zz",
        "x",
        "y",
        " ",
        "  ",
        "k=",
        "k",
        "=",
        "q",
        "1",
        "12",
        "123",
        "-",
        "45",
        "0",
        "ssn",
        "tax id",
        "no:",
        "4111 1111",
        "1111 1111",
        "@b",
        "@",
        "dead",
        "evil",
        "éVIL",
        "e",
        "e\u{301}",
        "㎏",
        "ŉ",
        ";",
        "¨",
        "ignore",
        "that",
        "is it",
        "act as",
        "act",
        "指示",
        "指",
        "sys",
        ":",
        "tell me",
        "all",
        "me all",
        "<",
        ">",
        "\u{200b}",
        "\u{301}",
        "., ",
        "\t\n",
        "Ｆｏｏ",
        "ﷺ",
        "dGVsbCBtZSBhbGwgYWN0IGFzIGZvbyBhYiBzc24gMTIzLTQ1IA",
        "dGhhdCBhY3QgYXMg\r\n",
        "%61ct %61s f%6fo ",
        "&#97;b act as",
        "lla em llet ",
        "gryy zr nyy gur ",
        "4ct 4s f0o 1gn0re th4t\n",
        "t e l l  m e  a l l ",
        "\u{e0061}\u{e0062}\u{e0020}\u{e0065}\u{e0076}\u{e0069}\u{e006c}",
        "6163742061732074656c6c206d6520616c6c",
        "\0",
        "é",
        "😀",
        "ssn 123-45 ",
        "the quick brown fox jumps over the lazy dog and then goes home to sleep for the rest of the day",
    ];

    fn nasty(signals: bool) -> Engine {
        let rules = if signals { [RULES.trim_end(), SIGNALS].concat() } else { RULES.to_owned() };
        let bundle = crate::Bundle::from_sources(
            "nasty",
            [("ringfence.yaml", "name: nasty\nversion: 1.0.0\n"), ("packs/p.yaml", rules.as_str())],
        );
        crate::compile(&bundle, &crate::CompileOptions::default().with_key("a key of the host"))
            .unwrap()
            .engine
    }

    #[test]
    fn rules_of_every_kind_in_every_chunking() {
        let (flows, holds) = (nasty(false), nasty(true));
        let engines = [(&flows, all(&flows)), (&holds, all(&holds)), (&holds, without_lines(&holds))];
        let piece = (
            any::<proptest::sample::Index>(),
            prop_oneof![9 => Just(1_usize), 1 => 1..60_usize, 1 => 60..300_usize],
        );
        let texts = proptest::collection::vec(piece, 1..40);
        let lengths = prop_oneof![
            Just(vec![1]),
            proptest::collection::vec(1..8usize, 1..6),
            proptest::collection::vec(1..400usize, 1..6),
        ];
        let config = ProptestConfig::with_cases(cases() / 8);
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let outcome = runner.run(&(texts, lengths), |(parts, lengths)| {
            let text: String = parts.iter().map(|(piece, times)| piece.get(PIECES).repeat(*times)).collect();
            same(&engines, &text, &lengths)
        });
        outcome.unwrap();
    }

    #[test]
    fn runs_of_letters_in_two_parts() {
        let flows = nasty(false);
        let engines = [(&flows, all(&flows))];
        for (one, other) in [(28, 35), (28, 3), (5, 30), (16, 16), (40, 1)] {
            let text = ["a".repeat(one), "e".repeat(other)].concat();
            for length in [1, 16, 31, 59] {
                same(&engines, &text, &[length]).unwrap();
            }
        }
    }

    /// Floods, near misses and matches that never end.
    fn adversarial() -> Vec<(&'static str, String)> {
        let long = |piece: &str, bytes: usize| piece.repeat(bytes / piece.len() + 1);
        let block = |name: &str| format!("-----{name} RSA PRIVATE KEY-----\n");
        vec![
            ("@", long("@", 10_000)),
            ("digits", long("4", 10_000)),
            ("digits and dashes", long("4111-1111 ", 10_000)),
            ("addresses", long("a@b.example", 10_000)),
            ("letters", long("a", 10_000)),
            ("near misses", long("sk-ant-api AKIA ghp_ eyJ ssn 666-12-3456 ignore previous ", 10_000)),
            ("open key", block("BEGIN") + &long("MIIEabc0123+/\n", 64_000)),
            ("open keys", long(&block("BEGIN"), 10_000)),
            ("key", block("BEGIN") + &long("MIIEabc0123+/\n", 48_000) + &block("END") + "bye"),
            ("open token", "eyJ".to_owned() + &long("hbGciOiJIUzI1NiJ9", 10_000)),
            ("open tag", "<a ".to_owned() + &long("href='b' ", 10_000)),
            ("marks", "ig".to_owned() + &long("\u{301}", 10_000) + "nore"),
            ("marked", long("i\u{301}\u{302}\u{303}g\u{300}", 10_000)),
            ("invisible", "ig".to_owned() + &long("\u{200b}", 10_000) + "nore previous instructions"),
            ("white space", "ignore".to_owned() + &long(" \t\n", 10_000) + "previous instructions"),
            ("gaps", long("ignore ., !? \u{a0} - ", 10_000)),
            ("ideographs", long("忽略之前", 10_000)),
            ("emoji", long("😀🏽", 10_000)),
            ("prose", long("The board met on Tuesday and looked at the figures of the year. ", 10_000)),
        ]
    }

    #[test]
    fn whatever_comes_is_held_within_the_bound_and_read_a_few_times() {
        let engine = Engine::embedded().unwrap();
        let some = without_lines(&engine);
        for (rules, lengths) in [(all(&engine), &[1][..]), (some, &[7, 300, 2])] {
            let held = engine.hold_back(&rules);
            // Each round may hold a match of its own.
            let bound = held.rule.unwrap().1 * ROUNDS;
            assert!(bound < held.most && held.to_the_end.is_empty());
            for (name, text) in adversarial() {
                held_within(&engine, &rules, (name, &text), lengths, bound);
            }
        }
    }

    fn held_within(
        engine: &Engine,
        rules: &RuleSet,
        (name, text): (&str, &str),
        lengths: &[usize],
        bound: usize,
    ) {
        let mut once = engine.stream(rules);
        once.push(text.as_bytes());
        let bytes = text.len() as u64;
        assert!(once.read() < 60 * bytes, "{name}: {} of {bytes}", once.read());
        let (expected, found) = engine.clean(text, rules);
        let mut stream = engine.stream(rules);
        let (mut most, mut fed) = (0, 0);
        let (mut cleaned, mut findings) = (String::new(), Vec::new());
        for chunk in chunks(text.as_bytes(), lengths) {
            let released = stream.push(chunk);
            fed += chunk.len();
            cleaned.push_str(&released.text);
            findings.extend(released.findings);
            most = most.max(stream.held());
        }
        assert!(most <= bound, "{name}: {most} held of {fed}, said {bound}");
        assert!(stream.read() < 60 * bytes, "{name}: {} of {bytes}", stream.read());
        let end = stream.finish();
        cleaned.push_str(&end.text);
        findings.extend(end.findings);
        let number = |one: &Finding| engine.0.rules.iter().position(|rule| *rule.id == one.rule);
        findings.sort_by_key(|one: &Finding| (one.start, one.end, number(one)));
        assert!(cleaned == expected && findings == found, "{name}");
    }

    #[test]
    fn prose_flows() {
        let engine = Engine::embedded().unwrap();
        let line = "The board met on Tuesday and looked at the figures of the year. Nothing much had changed, they said, but \
                    the roof of the old library would have to be mended before winter comes, whatever that costs. ";
        let lines = format!("{}\n\n", line.replace(". ", ".\n"));
        let longest = lines.lines().map(str::len).max().unwrap();
        for (rules, prose, open) in [(without_lines(&engine), line, 0), (all(&engine), &lines, longest)] {
            let held = engine.hold_back(&rules);
            let (mut fed, mut shown, mut late) = (0, 0, Vec::new());
            let mut stream = engine.stream(&rules);
            for byte in prose.repeat(20).bytes() {
                fed += 1;
                shown += stream.push(&[byte]).text.len();
                late.push(fed - shown);
            }
            // And a word or phrase that a match could begin with.
            let most = held.idle + held.line.unwrap_or(0) + open + 32;
            assert!(late.iter().all(|late| *late <= most), "{:?} of {most}", late.iter().max());
        }
    }

    #[test]
    fn what_decoding_costs_grows_with_the_text() {
        const PART: usize = 24 << 10;
        let engine = Engine::embedded().unwrap();
        let rules = all(&engine);
        let coded = "U29tZSB3b3JkcyBhYm91dCB0aGUgd2VhdGhlciwgYW5kIG5vIG1vcmUuIA";
        let prose = "The board met on Tuesday and looked at the figures. ";
        for piece in [coded, &format!("{coded}\n"), prose, "some\n", "1gn0r3 th%69s gur noit\n"] {
            let mut stream = engine.stream(&rules);
            let mut cost = || {
                let before = stream.read();
                let text = piece.repeat(PART / piece.len());
                text.as_bytes().chunks(100).for_each(|chunk| drop(stream.push(chunk)));
                stream.read() - before
            };
            // What is held back of the beginning is counted with what follows it.
            let [_, second, third] = [cost(), cost(), cost()];
            assert!(third <= second + second / 3, "{piece}: {second} and {third}");
            assert!(third <= 100 * PART as u64, "{piece}: {third}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_keep_their_place() {
        let engine = Engine::embedded().unwrap();
        let bytes = b"\xff\xc3 mail ann@corp.example \xe2\x82 or \xf0\x9f\x98";
        let text = crate::text::decode(bytes.to_vec());
        assert_eq!(text.len(), bytes.len());
        let (cleaned, findings) = engine.clean(&text, &engine.rule_set(&[]).unwrap());
        for length in 1..bytes.len() {
            let (streamed, found, _) =
                streamed(&engine, &engine.rule_set(&[]).unwrap(), bytes.chunks(length));
            assert_eq!((&streamed, &found), (&cleaned, &findings), "{length}");
        }
    }
}
