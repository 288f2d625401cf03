//! Why a guarded call did not go through.

use std::time::Duration;

use async_openai::error::OpenAIError;

use super::keys::KeyError;
use super::wire::Unfit;
use crate::verdict::Verdict;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// Running or creating the agent.
    Access,
    /// Something on its way to the model.
    Input,
    /// A tool call.
    Call,
    /// The result of one.
    Result,
    /// What the model answered.
    Output,
}

impl What {
    /// In a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            What::Access => "the agent",
            What::Input => "the request",
            What::Call => "the tool call",
            What::Result => "the tool's result",
            What::Output => "the answer",
        }
    }
}

/// A refusal of the guard, with the verdict behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub what: What,
    /// The verdict; its `enforced` is `ask` where nobody answered.
    pub verdict: Verdict,
}

impl Refusal {
    /// What the agent or its user is told.
    #[must_use]
    pub fn message(&self) -> &str {
        self.verdict.message.as_deref().unwrap_or("this is not allowed")
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.verdict.reasons.first().map_or("refused", |reason| reason.code.name());
        write!(f, "{} was refused ({code}): {}", self.what.name(), self.message())
    }
}

impl std::error::Error for Refusal {}

/// Why a guarded call did not go through. In an [`OpenAIError`] it is boxed: [`GuardError::of`] finds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The guard refused it.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// An address that is not guarded, so that it is not called.
    #[error(
        "only `POST /chat/completions` and `POST /responses` are guarded: this client calls nothing else"
    )]
    Endpoint,
    /// The provider's answer is not one, or holds what is not understood.
    #[error("the provider's answer can't be used: {0}")]
    Answer(Unfit),
    /// The provider's answer is larger than the client takes.
    #[error("the provider's answer is larger than {limit} bytes")]
    TooLarge {
        /// Bytes that it may have.
        limit: usize,
    },
    /// The provider took too long.
    #[error("the provider did not answer within {} seconds", limit.as_secs())]
    TimedOut {
        /// The time that it had.
        limit: Duration,
    },
    /// The provider's answer ended before it was complete.
    #[error("the provider's answer ended before it was complete")]
    Truncated,
    /// There is no key for this user.
    #[error("no key for this call: {0}")]
    Key(#[from] KeyError),
    /// A limit of the tool loop was reached.
    #[error("the run has reached its limit of {limit} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// The host's set-up does not work.
    #[error("{0}")]
    Setup(String),
    /// The client or the provider failed.
    #[error("the call failed")]
    Upstream(#[source] Box<OpenAIError>),
}

impl GuardError {
    /// The refusal or failure inside an error of the client.
    ///
    /// ```
    /// use ringfence::surface::openai::GuardError;
    /// fn why(error: &async_openai::error::OpenAIError) -> String {
    ///     match GuardError::of(error) {
    ///         Some(GuardError::Refused(refusal)) => format!("not allowed: {}", refusal.message()),
    ///         _ => error.to_string(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn of(error: &OpenAIError) -> Option<&Self> {
        match error {
            OpenAIError::Boxed(boxed) => boxed.downcast_ref(),
            _ => None,
        }
    }

    /// The refusal, where it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            GuardError::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl From<Refusal> for GuardError {
    fn from(refusal: Refusal) -> Self {
        GuardError::Refused(Box::new(refusal))
    }
}

impl From<GuardError> for OpenAIError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Upstream(error) => *error,
            error => OpenAIError::Boxed(Box::new(error)),
        }
    }
}

impl From<OpenAIError> for GuardError {
    fn from(error: OpenAIError) -> Self {
        match error {
            OpenAIError::Boxed(boxed) => match boxed.downcast::<GuardError>() {
                Ok(own) => *own,
                Err(boxed) => GuardError::Upstream(Box::new(OpenAIError::Boxed(boxed))),
            },
            error => GuardError::Upstream(Box::new(error)),
        }
    }
}
