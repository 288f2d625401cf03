//! Questions to a person.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;

use super::error::GuardError;
use super::transport::{self, Limits};
use crate::event::Event;
use crate::verdict::Verdict;

/// What a person is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The event as it would go on: an approval is bound to it.
    pub event: &'a Event,
    /// The verdict that asks.
    pub verdict: &'a Verdict,
    /// After this long there is no answer, and so no approval.
    pub expires: Duration,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It may happen, once and as it is.
    Approved {
        /// Who says so: stands in the record.
        by: String,
    },
    /// It may not.
    Refused,
}

/// Asks a person.
pub trait Approver: Send + Sync {
    /// Puts a question. Dropped before it is answered, it has expired.
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer>;
}

/// A function that asks.
///
/// ```
/// use ringfence::surface::openai::{Answer, Ask};
/// let nobody = Ask::new(|_| async { Answer::Refused });
/// ```
#[derive(Debug, Clone)]
pub struct Ask<F>(F);

impl<F, A> Ask<F>
where
    F: Fn(Question<'_>) -> A + Send + Sync,
    A: Future<Output = Answer> + Send + 'static,
{
    /// Asks by calling this.
    #[must_use]
    pub fn new(ask: F) -> Self {
        Self(ask)
    }
}

impl<F, A> Approver for Ask<F>
where
    F: Fn(Question<'_>) -> A + Send + Sync,
    A: Future<Output = Answer> + Send + 'static,
{
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer> {
        Box::pin((self.0)(question))
    }
}

/// Asks a service: it is sent the event as it would go on and why it is asked, and answers when a person has.
///
/// `POST` of `{"event": …, "message": …, "seq": …, "expires_seconds": …}`, answered with `{"approved": true, "by": "kim"}`. Whatever
/// else it answers is no approval.
#[derive(Debug, Clone)]
pub struct HttpApprover {
    http: reqwest::Client,
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    approved: bool,
    #[serde(default)]
    by: String,
}

impl HttpApprover {
    /// The service at an address.
    ///
    /// # Errors
    /// Where no connection can be set up.
    pub fn new(url: impl Into<String>) -> Result<Self, GuardError> {
        Ok(Self { http: transport::http_client()?, url: url.into() })
    }

    async fn answer(&self, question: Question<'_>) -> Option<Answer> {
        let body = json!({
            "event": question.event.to_spec(), "message": question.verdict.message, "seq": question.verdict.seq,
            "expires_seconds": question.expires.as_secs(),
        });
        let request =
            self.http.post(&self.url).header(CONTENT_TYPE, "application/json").body(body.to_string());
        let response = request.send().await.and_then(reqwest::Response::error_for_status).ok()?;
        let limits = Limits { bytes: 16 << 10, time: question.expires, idle: question.expires };
        let body = transport::read(response, &limits).await.ok()?;
        let approval: Approval = serde_json::from_value(transport::document(&body).ok()?).ok()?;
        // An approval is somebody's.
        (approval.approved && !approval.by.is_empty()).then_some(Answer::Approved { by: approval.by })
    }
}

impl Approver for HttpApprover {
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let answer = self.answer(question).await;
            if answer.is_none() {
                tracing::info!("the service approved nothing");
            }
            answer.unwrap_or(Answer::Refused)
        })
    }
}
