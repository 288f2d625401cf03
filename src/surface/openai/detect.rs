//! Detectors outside the engine: what they say of a text becomes a fact of its event.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_openai::config::{Config, OpenAIConfig};
use futures_util::future::{BoxFuture, join_all};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::GuardError;
use super::keys::OneKey;
use super::transport::{self, Limits, Transport, Way};
use super::wire;
use crate::event::{Event, Stage, User};

/// Largest answer of a detector.
const MAX_ANSWER: usize = 256 << 10;

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

/// OpenAI's moderation model, as the fact `moderation`.
pub struct Moderation {
    way: Way,
    model: String,
    stages: Vec<Stage>,
}

impl std::fmt::Debug for Moderation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moderation")
            .field("model", &self.model)
            .field("stages", &self.stages)
            .finish_non_exhaustive()
    }
}

impl Moderation {
    /// `omni-moderation-latest`, for what users say and what models answer.
    ///
    /// # Errors
    /// Where the configuration has no key, or no connection can be set up.
    pub fn new(config: &OpenAIConfig) -> Result<Self, GuardError> {
        let way = Arc::new(Transport::new(config, Arc::new(OneKey::new(config.api_key())?), None)?);
        let stages = vec![Stage::Input, Stage::Output];
        Ok(Self { way, model: "omni-moderation-latest".to_owned(), stages })
    }

    /// Another model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Texts of these stages.
    #[must_use]
    pub fn stages(mut self, stages: impl IntoIterator<Item = Stage>) -> Self {
        self.stages = stages.into_iter().collect();
        self
    }
}

impl Detector for Moderation {
    fn fact(&self) -> &str {
        "moderation"
    }

    fn looks_at(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }

    fn scores<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Scores, DetectError>> {
        Box::pin(async move {
            let failed = |error: GuardError| DetectError(error.to_string());
            let request = wire::written(&json!({ "model": self.model, "input": text })).into();
            let nobody = User::default();
            let sent = self.way.send(&nobody, "/moderations", request, false);
            let response = sent.await.map_err(failed)?;
            let limits =
                Limits { bytes: MAX_ANSWER, time: Duration::from_secs(60), idle: Duration::from_secs(60) };
            let body = transport::read(response, &limits).await.map_err(failed)?;
            let answer = transport::document(&body).map_err(failed)?;
            let scores = answer.pointer("/results/0/category_scores").and_then(Value::as_object);
            let scores = scores.ok_or_else(|| DetectError("the answer holds no scores".to_owned()))?;
            let mut read = Scores::new();
            for (category, score) in scores {
                // A category that does not apply has no score.
                if let Some(score) = score.as_f64() {
                    read.insert(category.clone(), score);
                }
            }
            let flagged = answer.pointer("/results/0/flagged").and_then(Value::as_bool);
            if let Some(flagged) = flagged {
                read.insert("flagged".to_owned(), if flagged { 1.0 } else { 0.0 });
            }
            Ok(read)
        })
    }
}

/// Any detector that answers `{"text": …}` over HTTP with `{"scores": {category: score}}`.
#[derive(Debug, Clone)]
pub struct HttpDetector {
    http: reqwest::Client,
    url: String,
    fact: String,
    stages: Vec<Stage>,
}

impl HttpDetector {
    /// The detector at an address, for texts of these stages.
    ///
    /// # Errors
    /// Where no connection can be set up.
    pub fn new(
        fact: impl Into<String>,
        url: impl Into<String>,
        stages: impl IntoIterator<Item = Stage>,
    ) -> Result<Self, GuardError> {
        let stages = stages.into_iter().collect();
        Ok(Self { http: transport::http_client()?, url: url.into(), fact: fact.into(), stages })
    }
}

impl Detector for HttpDetector {
    fn fact(&self) -> &str {
        &self.fact
    }

    fn looks_at(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }

    fn scores<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Scores, DetectError>> {
        Box::pin(async move {
            let body = json!({ "text": text }).to_string();
            let request = self.http.post(&self.url).header(CONTENT_TYPE, "application/json").body(body);
            let response = request.send().await.and_then(reqwest::Response::error_for_status);
            // The address may hold what nobody should read.
            let response = response.map_err(|error| DetectError(error.without_url().to_string()))?;
            let limits =
                Limits { bytes: MAX_ANSWER, time: Duration::from_secs(60), idle: Duration::from_secs(60) };
            let body =
                transport::read(response, &limits).await.map_err(|error| DetectError(error.to_string()))?;
            let answer = transport::document(&body).map_err(|error| DetectError(error.to_string()))?;
            let scores = answer.get("scores").cloned().unwrap_or_default();
            serde_json::from_value(scores).map_err(|_| DetectError("the answer holds no scores".to_owned()))
        })
    }
}
