//! How much of a stream a bundle's rules hold back.

use super::Engine;
use super::clean::ROUNDS;
use super::scan::RuleSet;
use crate::rule::Rule;
use crate::text::{Finder, Held, MAX_PART, SHORT_LINES};
use crate::verdict::Action;

/// How much of a stream is held back, in bytes, by the rules that do not hold it back to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldBack<'e> {
    /// By one open match of the rule that holds back most, of those not in `to_the_end`: `pack/rule`, and how much. `None`
    /// without such rules.
    ///
    /// White space, marks and invisible characters are counted as if they came one by one; a match that is looked for
    /// in the folded view holds them too.
    pub rule: Option<(&'e str, usize)>,
    /// Where nothing is open, besides `line`.
    pub idle: usize,
    /// Whether the line that has begun is held back too, since what looks encoded is read line by line: by some rule that
    /// reads decoded views. Lines that are together shorter than so many bytes count as one.
    pub line: Option<usize>,
    /// In all, whatever comes: with matches that overlap, what replacing reveals, and floods of white space.
    pub most: usize,
    /// Rules that hold the text back to its end: signals that redact, from their first one on.
    pub to_the_end: Vec<&'e str>,
}

impl Engine {
    /// How much a [`stream`](Engine::stream) with these rules holds back.
    #[must_use]
    pub fn hold_back(&self, rules: &RuleSet) -> HoldBack<'_> {
        let chosen = self.0.rules.iter().enumerate().filter(|(number, _)| rules.has(*number));
        let finders = chosen.filter_map(|(_, rule)| Some((&**rule, rule.finder()?)));
        let finders: Vec<_> = finders.collect();
        let redacts = |action: Action| action == Action::Redact;
        let holds = |(rule, finder): &&(&Rule, &Finder)| redacts(rule.action) && finder.is_signals();
        let flowing: Vec<(&Rule, Held)> =
            finders.iter().filter(|one| !holds(one)).map(|(rule, finder)| (*rule, finder.held())).collect();
        let rule = flowing.iter().map(|(rule, held)| (&*rule.id, held.short));
        // In each round: what is open, and matches that overlap it.
        let round = |any_action: bool| {
            let all = flowing.iter().filter(|(rule, _)| any_action || redacts(rule.action));
            let most =
                |bytes: usize, (_, held): &(&Rule, Held)| bytes.max(held.long.saturating_add(held.longest));
            all.fold(0, most).saturating_add(2 * MAX_PART)
        };
        let rounds = if flowing.iter().any(|(rule, _)| redacts(rule.action)) { ROUNDS } else { 1 };
        let to_the_end = finders.iter().filter(holds);
        HoldBack {
            rule: rule.max_by_key(|(_, bytes)| *bytes),
            idle: self.0.scanner.idle() * rounds,
            line: finders.iter().any(|(_, finder)| finder.holds_lines()).then_some(SHORT_LINES),
            most: round(true).saturating_add(round(false).saturating_mul(rounds - 1)),
            to_the_end: to_the_end.map(|(rule, _)| &*rule.id).collect(),
        }
    }
}
