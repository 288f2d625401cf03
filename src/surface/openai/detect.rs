//! Detectors outside the engine: what they say of a text becomes a fact of its event.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use sha2::{Digest, Sha256};

use crate::event::{Event, Stage};

/// Most texts whose scores are remembered.
const REMEMBERED: usize = 1024;

/// Scores from 0 to 1, by category.
pub type Scores = BTreeMap<String, f64>;

/// Scores a text. A fact of this name must be declared in the manifest, where `missing:` says what holds when there are no
/// scores.
pub trait Detector: Send + Sync {
    /// The fact that it states.
    fn fact(&self) -> &str;
    /// Whether it looks at texts of this stage.
    fn looks_at(&self, stage: Stage) -> bool;
    /// The scores of a text.
    fn scores<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Scores, DetectError>>;
}

/// Why a detector has no scores. The event then lacks the fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the detector gave no scores: {0}")]
pub struct DetectError(pub String);

/// A detector with its time limit and its memory.
pub(crate) struct Watch {
    detector: Arc<dyn Detector>,
    time: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    scores: HashMap<[u8; 32], Scores>,
    order: VecDeque<[u8; 32]>,
}

impl Watch {
    pub(crate) fn new(detector: Arc<dyn Detector>, time: Duration) -> Self {
        Self { detector, time, known: Mutex::default() }
    }

    pub(crate) fn looks_at(&self, stage: Stage) -> bool {
        self.detector.looks_at(stage)
    }

    async fn scores(&self, text: &str) -> Option<Scores> {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scores) = known().scores.get(&digest) {
            return Some(scores.clone());
        }
        let scores = match tokio::time::timeout(self.time, self.detector.scores(text)).await {
            Ok(Ok(scores)) => scores,
            Ok(Err(error)) => {
                tracing::warn!(fact = self.detector.fact(), %error, "no scores");
                return None;
            }
            Err(_) => {
                tracing::warn!(fact = self.detector.fact(), "the detector took too long");
                return None;
            }
        };
        // What is no score is no fact either: the manifest says what then holds.
        if scores.values().any(|score| !(0.0..=1.0).contains(score)) {
            tracing::warn!(fact = self.detector.fact(), "a score is not from 0 to 1");
            return None;
        }
        let mut known = known();
        if known.scores.insert(digest, scores.clone()).is_none() {
            known.order.push_back(digest);
            if known.order.len() > REMEMBERED
                && let Some(oldest) = known.order.pop_front()
            {
                known.scores.remove(&oldest);
            }
        }
        Some(scores)
    }
}

/// States what detectors say of an event.
pub(crate) async fn state(detectors: &[Watch], event: &mut Event) {
    let stage = event.stage();
    let looking: Vec<&Watch> = detectors.iter().filter(|watch| watch.looks_at(stage)).collect();
    if looking.is_empty() {
        return;
    }
    let texts: Vec<&str> = event.fields().iter().map(|field| field.text).collect();
    let text = texts.join("\n");
    if text.trim().is_empty() {
        return;
    }
    let scores = join_all(looking.iter().map(|watch| watch.scores(&text))).await;
    for (watch, scores) in looking.iter().zip(scores) {
        if let Some(scores) = scores {
            event.facts.insert(watch.detector.fact().to_owned(), scores);
        }
    }
}
