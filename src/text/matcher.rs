//! The shapes that a finder looks for.

use super::pattern::{Found, Pattern};
use super::phrases::Phrases;
use super::places::Places;
use super::view::Text;
use super::{Conditions, FindError, Hit, Kind, Stopped};

/// One shape.
#[derive(Debug)]
pub(super) enum Matcher {
    /// A pattern or phrases.
    One(Leaf),
    Signals {
        at: f64,
        of: Vec<(Leaf, f64)>,
    },
}

/// What is looked for by itself.
#[derive(Debug)]
pub(super) enum Leaf {
    /// A pattern, and whether the folded view is searched too.
    Pattern(Pattern, bool),
    Phrases(Phrases),
}

impl Leaf {
    fn new(kind: &Kind, folded: bool, max_bytes: Option<usize>) -> Result<Self, FindError> {
        match kind {
            Kind::Pattern(pattern) => {
                Pattern::new(pattern, max_bytes).map(|pattern| Leaf::Pattern(pattern, folded))
            }
            Kind::Phrases(phrases) => Phrases::new(phrases).map(Leaf::Phrases),
            // A signal is one thing.
            Kind::Signals { .. } => Err(FindError::Weights),
        }
    }

    fn prove(&self) -> Result<(), FindError> {
        match self {
            Leaf::Pattern(pattern, _) => pattern.prove(),
            Leaf::Phrases(phrases) => phrases.prove(),
        }
    }

    /// Every match that fulfils the conditions, in any order. `number` is the leaf's among those of its finder.
    fn find(
        &self,
        number: usize,
        text: &Text<'_>,
        places: &mut Places<'_>,
        conditions: &Conditions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Hit>, Stopped> {
        let mut hits = Vec::new();
        match self {
            Leaf::Pattern(pattern, folded) => {
                let mut search =
                    |shown: &str,
                     places: &mut dyn Iterator<Item = (usize, usize)>,
                     original: &dyn Fn(usize, usize) -> Option<Hit>| {
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
                        pattern.find(shown, places, &mut accept, stop)
                    };
                let raw = &mut places.ranges(number, false);
                search(text.raw(), raw, &|start, end| Some(Hit { start, end }))?;
                if *folded && !places.none(number, true) {
                    let view = text.folded();
                    if view.text != text.raw() {
                        let folded = &mut places.ranges(number, true);
                        search(&view.text, folded, &|start, end| view.original(start, end))?;
                    }
                }
            }
            Leaf::Phrases(phrases) => {
                let mut occurrences = places.occurrences(number);
                let mut accept = |shown: &str, hit| {
                    let accepted = conditions.accept(shown, hit, text);
                    if accepted {
                        hits.push(hit);
                    }
                    accepted
                };
                let signs = &mut places.ranges(number, true);
                phrases.find(text, occurrences.as_deref_mut(), signs, &mut accept, stop)?;
            }
        }
        Ok(hits)
    }
}

impl Matcher {
    pub(super) fn new(kind: &Kind, folded: bool, max_bytes: Option<usize>) -> Result<Self, FindError> {
        let Kind::Signals { at, of } = kind else {
            return Leaf::new(kind, folded, max_bytes).map(Matcher::One);
        };
        let sum: f64 = of.iter().map(|signal| signal.weight).sum();
        let positive = |weight: f64| weight > 0.0 && weight.is_finite();
        if !of.iter().all(|signal| positive(signal.weight)) || !positive(*at) || sum < *at - 1e-9 {
            return Err(FindError::Weights);
        }
        let of = of
            .iter()
            .map(|signal| Ok((Leaf::new(&signal.what, folded, max_bytes)?, signal.weight)))
            .collect::<Result<_, _>>()?;
        Ok(Matcher::Signals { at: *at, of })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.leaves().try_for_each(Leaf::prove)
    }

    pub(super) fn leaves(&self) -> Box<dyn Iterator<Item = &Leaf> + '_> {
        match self {
            Matcher::One(leaf) => Box::new(std::iter::once(leaf)),
            Matcher::Signals { of, .. } => Box::new(of.iter().map(|(leaf, _)| leaf)),
        }
    }

    /// Every match that fulfils the conditions, in any order.
    pub(super) fn find(
        &self,
        text: &Text<'_>,
        places: &mut Places<'_>,
        conditions: &Conditions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Hit>, Stopped> {
        match self {
            Matcher::One(leaf) => leaf.find(0, text, places, conditions, stop),
            Matcher::Signals { at, of } => {
                let mut hits = Vec::new();
                let mut sum = 0.0;
                for (number, (signal, weight)) in of.iter().enumerate() {
                    let found = signal.find(number, text, places, conditions, stop)?;
                    if let Some(first) = found.into_iter().min() {
                        hits.push(first);
                        sum += weight;
                    }
                }
                // Sums of decimal fractions: 0.4 + 0.6 has to reach 1.0.
                if sum < at - 1e-9 {
                    hits.clear();
                }
                Ok(hits)
            }
        }
    }
}
