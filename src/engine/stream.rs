//! Texts that come in pieces.

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
///
/// ```
/// use ringfence::Engine;
///
/// let engine = Engine::embedded()?;
/// let mut stream = engine.stream(&engine.rule_set(&[]).expect("no names"));
/// let mut shown = String::new();
/// for chunk in ["mail ann@corp", ".example or wr", "ite a letter"] {
///     shown += &stream.push(chunk.as_bytes()).text;
/// }
/// let end = stream.finish();
/// shown += &end.text;
/// assert_eq!(shown, "mail [EMAIL_REMOVED] or write a letter");
/// # Ok::<(), ringfence::CompileError>(())
/// ```
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
        let redacts = |(number, rule): (usize, &Rule)| rules.has(number) && rule.action == Action::Redact;
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
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::texts::{Texts, cases};

    /// A stream of these chunks: what came out, and the most that was held.
    fn streamed<'c>(
        engine: &Engine,
        chunks: impl IntoIterator<Item = &'c [u8]>,
    ) -> (String, Vec<Finding>, usize) {
        let mut stream = engine.stream(&engine.rule_set(&[]).unwrap());
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

    fn same(engine: &Engine, text: &str, lengths: &[usize]) -> Result<(), TestCaseError> {
        let (cleaned, findings) = engine.clean(text, &engine.rule_set(&[]).unwrap());
        let (streamed, found, _) = streamed(engine, chunks(text.as_bytes(), lengths));
        prop_assert_eq!(found, findings, "{:?} in {:?}", text, lengths);
        prop_assert_eq!(streamed, cleaned, "{:?} in {:?}", text, lengths);
        Ok(())
    }

    #[test]
    fn every_chunking_comes_out_as_the_whole() {
        let engine = Engine::embedded().unwrap();
        let texts = Texts::of_the_packs();
        let lengths = prop_oneof![
            Just(vec![1]),
            proptest::collection::vec(1..8usize, 1..6),
            proptest::collection::vec(1..200usize, 1..6),
        ];
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases()));
        let outcome = runner
            .run(&(texts.parts(), lengths), |(parts, lengths)| same(&engine, &texts.text(&parts), &lengths));
        outcome.unwrap();
    }
}
