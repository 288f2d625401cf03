//! The shapes that a finder looks for.

use super::pattern::{Answer, Found, Pattern, Progress, Shown, Sink};
use super::phrases::Phrases;
use super::places::Places;
use super::view::{Mapped, Text};
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

    /// The pattern that is searched in the raw text, or the folded one.
    pub(super) fn pattern(&self, folded: bool) -> Option<&Pattern> {
        match self {
            Leaf::Pattern(pattern, views) => Some(pattern).filter(|_| !folded || *views),
            Leaf::Phrases(phrases) => phrases.signs().filter(|_| folded),
        }
    }

    /// Every match that fulfils the conditions, in any order. `number` is the leaf's among those of its finder.
    fn find(
        &self,
        number: usize,
        text: &Text<'_>,
        places: &Places<'_>,
        conditions: &Conditions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Hit>, Stopped> {
        let mut hits = Vec::new();
        for folded in [false, true] {
            // Where the folded view shows the same, it has the same matches.
            let differs = || text.folded().text != text.raw();
            let wanted = match self {
                Leaf::Pattern(_, views) => !folded || (*views && !places.none(number, true) && differs()),
                Leaf::Phrases(phrases) => {
                    !folded || (phrases.signs().is_some() && !places.none(number, true))
                }
            };
            if wanted {
                let progress = &mut Progress::default();
                hits.extend(self.find_in(folded, number, text, places, conditions, progress, stop)?);
            }
        }
        Ok(hits)
    }

    /// Every match of one of its views; of phrases, the folded one is where those with signs are searched.
    #[expect(clippy::too_many_arguments, reason = "one search, told from where it goes on")]
    pub(super) fn find_in(
        &self,
        folded: bool,
        number: usize,
        text: &Text<'_>,
        places: &Places<'_>,
        conditions: &Conditions,
        progress: &mut Progress,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Hit>, Stopped> {
        let mut occurrences = None;
        let view = match self {
            Leaf::Phrases(phrases) if !folded => {
                occurrences = places.occurrences(number);
                match (&occurrences, text.is_clean()) {
                    (Some(_), true) => None,
                    (Some(_), false) => Some(text.folded()),
                    (None, _) if phrases.words().is_empty() => None,
                    (None, _) => Some(text.squashed()),
                }
            }
            _ => folded.then(|| text.folded()),
        };
        let mut sink = Collect { text, view, conditions, hits: Vec::new() };
        if let Leaf::Phrases(phrases) = self
            && !folded
        {
            phrases.find_words(text, occurrences.as_deref_mut(), progress, &mut sink);
        } else if let Some(pattern) = self.pattern(folded) {
            let shown = view.map_or(text.raw(), |view| &view.text);
            let shown = Shown { text: shown, ascii: text.is_clean(), open: text.is_open() };
            pattern.find(shown, progress, &mut places.ranges(number, folded), &mut sink, stop)?;
        }
        Ok(sink.hits)
    }
}

/// Collects matches that fulfil the conditions.
struct Collect<'c> {
    text: &'c Text<'c>,
    /// The view in which the matches stand, if it is not the raw text.
    view: Option<&'c Mapped>,
    conditions: &'c Conditions,
    hits: Vec<Hit>,
}

impl Collect<'_> {
    fn original(&self, start: usize, end: usize) -> Option<Hit> {
        match self.view {
            None => Some(Hit { start, end }),
            Some(view) => view.original(start, end),
        }
    }
}

impl Sink for Collect<'_> {
    fn accept(&mut self, decides: &str, found: Found) -> Answer {
        // What decides is at the beginning, where a match is very long.
        match self.original(found.value.0, found.decided) {
            Some(decided) => self.conditions.accept(decides, decided, self.text),
            None => Answer::No,
        }
    }

    fn bytes(&self, start: usize, end: usize) -> usize {
        self.original(start, end).map_or(0, |hit| hit.end - hit.start)
    }

    fn hit(&mut self, start: usize, end: usize) {
        self.hits.extend(self.original(start, end));
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

    /// One of its leaves.
    pub(super) fn leaf(&self, number: usize) -> Option<&Leaf> {
        match self {
            Matcher::One(leaf) => Some(leaf).filter(|_| number == 0),
            Matcher::Signals { of, .. } => of.get(number).map(|(leaf, _)| leaf),
        }
    }

    /// Every match that fulfils the conditions, in any order.
    pub(super) fn find(
        &self,
        text: &Text<'_>,
        places: &Places<'_>,
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
