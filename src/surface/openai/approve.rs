//! Questions to a person.

use std::time::Duration;

use futures_util::future::BoxFuture;

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
