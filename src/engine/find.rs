//! The second step: one scan of the event's texts, and thresholds against its facts.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use super::decide::Situation;
use super::{Engine, Inner};
use crate::bundle::Missing;
use crate::decode::pointer_segment;
use crate::event::{Event, Field, Stage};
use crate::rule::{Find, Rule};
use crate::text::{Hit, Stopped};
use crate::verdict::{Action, Finding, Reason, ReasonCode};

/// A rule that matched, with what the engine needs to act on it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Number of the rule.
    pub(super) rule: usize,
    pub(super) finding: Finding,
    /// The text that matched, where it can be replaced.
    pub(super) matched: Option<String>,
    /// What is done: the rule's action, or deny where a match can't be replaced.
    pub(super) action: Action,
    /// The simple command in which it was found, as far as the rule itself names its words.
    pub(super) part: Option<String>,
}

/// Most matches of one event. Nothing that is meant to be read holds as many, and each costs memory, a replacement and a
/// line of the record.
const MAX_FOUND: usize = 1 << 14;

/// Why a scan has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    Stopped,
    TooMany,
}

impl From<Stopped> for Unfinished {
    fn from(Stopped: Stopped) -> Self {
        Unfinished::Stopped
    }
}

impl Unfinished {
    pub(super) fn reason(self) -> Reason {
        match self {
            Unfinished::Stopped => {
                Reason::new(ReasonCode::TimeLimit, "deciding took longer than the bundle allows")
            }
            Unfinished::TooMany => {
                Reason::new(ReasonCode::Limit, format!("rules match in more than {MAX_FOUND} places"))
            }
        }
    }
}

/// What the rules of a bundle find in the texts of one event, so that none is scanned twice while it is decided in many ways.
///
/// INVARIANT: who uses it has the rules of this engine, of which some may do something else or apply nowhere.
#[derive(Debug)]
pub(crate) struct Scans {
    of: Engine,
    known: RefCell<HashMap<Scanned, Vec<(usize, Hit)>>>,
}

/// A text, where it stands.
type Scanned = (String, bool, String);

impl Scans {
    pub(crate) fn new(of: &Engine) -> Self {
        Self { of: of.clone(), known: RefCell::default() }
    }

    fn hits(
        &self,
        stage: Stage,
        field: &Field<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<(usize, Hit)>, Stopped> {
        let scanned = (field.pointer.clone(), field.is_key, field.text.to_owned());
        if let Some(hits) = self.known.borrow().get(&scanned) {
            return Ok(hits.clone());
        }
        let hits = self.of.0.hits(stage, field, stop)?;
        self.known.borrow_mut().insert(scanned, hits.clone());
        Ok(hits)
    }
}

/// What a scan found, and thresholds whose fact was missing.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) found: Vec<Found>,
    /// Rules whose fact the event lacks, where that is not to be skipped.
    pub(super) missing: Vec<(usize, Missing)>,
}

impl Inner {
    /// Finds everything that the rules of this stage find.
    pub(super) fn find(&self, event: &Event, situation: &Situation<'_>) -> Result<Findings, Unfinished> {
        let stage = event.stage();
        let mut findings = Findings::default();
        let fields = event.fields();
        let mut matched_keys: BTreeSet<String> = BTreeSet::new();
        for field in &fields {
            let hits = match situation.scans {
                Some(scans) => scans.hits(stage, field, situation.stop)?,
                None => self.hits(stage, field, situation.stop)?,
            };
            for (number, hit) in hits {
                let Some(rule) = self.rules.get(number).filter(|rule| rule.applies(stage, field.part)) else {
                    continue;
                };
                if field.is_key {
                    matched_keys.insert(field.pointer.clone());
                }
                if findings.found.len() == MAX_FOUND {
                    return Err(Unfinished::TooMany);
                }
                findings.found.push(found(number, rule, field, hit.start, hit.end));
            }
        }
        // In a key, or behind one that matched, nothing can be replaced, so what should be replaced there refuses the
        // event; and a pointer through such a key would repeat what matched.
        for one in &mut findings.found {
            if let Some(key) = key_on_the_way(&matched_keys, &one.finding.field) {
                let parent = key.rsplit_once('/').map_or("", |(parent, _)| parent);
                one.finding.field = format!("{parent}/*");
                one.matched = None;
                if one.action == Action::Redact {
                    one.action = Action::Deny;
                }
            }
        }
        self.thresholds(event, stage, &mut findings);
        Ok(findings)
    }

    /// What the rules of a stage find in one text.
    fn hits(
        &self,
        stage: Stage,
        field: &Field<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<(usize, Hit)>, Stopped> {
        let wanted = |number: usize| match self.rules.get(number) {
            Some(rule) if rule.applies(stage, field.part) => rule.finder(),
            _ => None,
        };
        let mut hits = Vec::new();
        if !self.nothing.has(stage, field) {
            hits = self.scanner.scan(&wanted, field.text, stop)?;
            if hits.is_empty() {
                self.nothing.add(stage, field);
            }
        }
        self.named.add_named(self, field, &wanted, &mut hits, stop)?;
        Ok(hits)
    }

    fn thresholds(&self, event: &Event, stage: Stage, findings: &mut Findings) {
        for &number in &self.thresholds {
            let Some(rule) = self.rules.get(number).filter(|rule| rule.applies(stage, None)) else {
                continue;
            };
            let Find::Threshold(threshold) = &*rule.find else { continue };
            let score = event.facts.get(&threshold.fact).and_then(|scores| scores.get(&threshold.category));
            match score {
                Some(score) if *score >= threshold.at => {
                    let field = format!(
                        "/facts/{}/{}",
                        pointer_segment(&threshold.fact),
                        pointer_segment(&threshold.category)
                    );
                    findings.found.push(Found {
                        rule: number,
                        finding: finding(rule, field, 0, 0),
                        matched: None,
                        action: rule.action,
                        part: None,
                    });
                }
                Some(_) => {}
                None => match self.facts.get(&threshold.fact).copied().unwrap_or_default() {
                    Missing::Skip => {}
                    missing => findings.missing.push((number, missing)),
                },
            }
        }
    }
}

/// The first of these keys whose member is at a pointer or above it.
fn key_on_the_way<'p>(keys: &BTreeSet<String>, pointer: &'p str) -> Option<&'p str> {
    if keys.is_empty() {
        return None;
    }
    let ends = pointer.match_indices('/').map(|(at, _)| at).skip(1).chain([pointer.len()]);
    ends.filter_map(|end| pointer.get(..end)).find(|above| keys.contains(*above))
}

pub(super) fn finding(rule: &Rule, field: String, start: usize, end: usize) -> Finding {
    Finding {
        rule: rule.id.to_string(),
        field,
        start,
        end,
        action: rule.action,
        waived: false,
        severity: rule.severity,
        tags: rule.tags.iter().map(ToString::to_string).collect(),
    }
}

fn found(number: usize, rule: &Rule, field: &Field<'_>, start: usize, end: usize) -> Found {
    let matched = field.text.get(start..end).map(str::to_owned);
    let (start, end) = if field.is_key { (0, 0) } else { (start, end) };
    Found {
        rule: number,
        finding: finding(rule, field.pointer.clone(), start, end),
        matched,
        action: rule.action,
        part: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Hit;
    use crate::Engine;
    use crate::engine::texts::{Texts, cases};
    use crate::text::scan;

    /// Both scanners on one text.
    fn both(engine: &Engine, text: &str) -> [Vec<(usize, Hit)>; 2] {
        let inner = &engine.0;
        let finder = |number: usize| inner.rules.get(number)?.finder();
        let all = inner.rules.iter().enumerate();
        let finders = all.filter_map(|(number, rule)| Some((number, rule.finder()?)));
        let plain = scan(finders, text, &|| false).unwrap();
        [inner.scanner.scan(&finder, text, &|| false).unwrap(), plain]
    }

    #[test]
    fn findings_are_those_of_the_plain_scanner() {
        let engine = Engine::embedded().unwrap();
        let texts = Texts::of_the_packs();
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases()));
        let outcome = runner.run(&texts.parts(), |parts| {
            let text = texts.text(&parts);
            let [fast, plain] = both(&engine, &text);
            prop_assert_eq!(fast, plain, "{:?}", text);
            Ok(())
        });
        outcome.unwrap();
    }
}
