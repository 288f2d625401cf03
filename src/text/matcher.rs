//! The shapes that a finder looks for.

use super::pattern::{Found, Pattern};
use super::phrases::Phrases;
use super::view::Text;
use super::{Conditions, FindError, Hit, Kind, Stopped};

/// One shape.
#[derive(Debug)]
pub(super) enum Matcher {
    /// A pattern, and whether the folded view is searched too.
    Pattern(Pattern, bool),
    Phrases(Phrases),
    Signals {
        at: f64,
        of: Vec<(Matcher, f64)>,
    },
}

impl Matcher {
    pub(super) fn new(kind: &Kind, folded: bool, max_bytes: Option<usize>) -> Result<Self, FindError> {
        match kind {
            Kind::Pattern(pattern) => {
                Pattern::new(pattern, max_bytes).map(|pattern| Matcher::Pattern(pattern, folded))
            }
            Kind::Phrases(phrases) => Phrases::new(phrases).map(Matcher::Phrases),
            Kind::Signals { at, of } => {
                let sum: f64 = of.iter().map(|signal| signal.weight).sum();
                let positive = |weight: f64| weight > 0.0 && weight.is_finite();
                if !of.iter().all(|signal| positive(signal.weight)) || !positive(*at) || sum < *at - 1e-9 {
                    return Err(FindError::Weights);
                }
                let of = of
                    .iter()
                    .map(|signal| Ok((Matcher::new(&signal.what, folded, max_bytes)?, signal.weight)))
                    .collect::<Result<_, _>>()?;
                Ok(Matcher::Signals { at: *at, of })
            }
        }
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        match self {
            Matcher::Pattern(pattern, _) => pattern.prove(),
            Matcher::Phrases(phrases) => phrases.prove(),
            Matcher::Signals { of, .. } => of.iter().try_for_each(|(signal, _)| signal.prove()),
        }
    }

    /// Every match that fulfils the conditions, in any order.
    pub(super) fn find(
        &self,
        text: &Text<'_>,
        conditions: &Conditions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Hit>, Stopped> {
        let mut hits = Vec::new();
        match self {
            Matcher::Pattern(pattern, folded) => {
                let mut search = |shown: &str, original: &dyn Fn(usize, usize) -> Option<Hit>| {
                    let mut accept = |decides: &str, found: Found| {
                        let (start, end) = found.value;
                        // What decides is at the beginning, where a match is very long.
                        let (Some(hit), Some(decided)) =
                            (original(start, end), original(start, found.decided))
                        else {
                            return false;
                        };
                        let accepted = conditions.accept(decides, decided, text);
                        if accepted {
                            hits.push(hit);
                        }
                        accepted
                    };
                    pattern.find(shown, &mut accept, stop)
                };
                search(text.raw(), &|start, end| Some(Hit { start, end }))?;
                if *folded {
                    let folded = text.folded();
                    if folded.text != text.raw() {
                        search(&folded.text, &|start, end| folded.original(start, end))?;
                    }
                }
            }
            Matcher::Phrases(phrases) => phrases.find(text, &mut |shown, hit| {
                if conditions.accept(shown, hit, text) {
                    hits.push(hit);
                }
            }),
            Matcher::Signals { at, of } => {
                let mut sum = 0.0;
                for (signal, weight) in of {
                    if let Some(first) = signal.find(text, conditions, stop)?.into_iter().min() {
                        hits.push(first);
                        sum += weight;
                    }
                }
                // Sums of decimal fractions: 0.4 + 0.6 has to reach 1.0.
                if sum < at - 1e-9 {
                    hits.clear();
                }
            }
        }
        Ok(hits)
    }
}
