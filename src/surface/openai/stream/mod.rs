//! Answers that come bit by bit: read, decided about, and written anew.

mod chat;
mod flow;
mod responses;
mod sse;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::sse::Frames;
use super::conversation::Conversation;
use super::error::{GuardError, What};
use super::service::respond;
use super::transport;
use super::wire::Api;

/// How much longer an answer is as events than as a document, at most.
const OVERHEAD: usize = 64;

/// What one API's events become.
enum Decider {
    Chat(Box<chat::ChatStream>),
    Responses(Box<responses::ResponseStream>),
}

impl Decider {
    async fn push(&mut self, event: Value) -> Result<Vec<Value>, GuardError> {
        match self {
            Decider::Chat(stream) => stream.push(event).await,
            Decider::Responses(stream) => stream.push(event).await,
        }
    }

    /// Whether everything that was begun has ended.
    fn is_complete(&self) -> bool {
        match self {
            Decider::Chat(stream) => stream.is_complete(),
            Decider::Responses(stream) => stream.is_complete(),
        }
    }

    /// Whether nothing more is wanted of the provider.
    fn is_over(&self) -> bool {
        matches!(self, Decider::Responses(stream) if stream.is_complete())
    }
}

/// An answer under way.
struct Pump {
    api: Api,
    conversation: Arc<Conversation>,
    response: reqwest::Response,
    frames: Frames,
    decider: Decider,
    ready: VecDeque<Bytes>,
    ended: bool,
    read: usize,
    deadline: Instant,
}

/// A response whose events are decided about as they come.
pub(crate) fn guarded(
    api: Api,
    conversation: Arc<Conversation>,
    response: reqwest::Response,
) -> Result<reqwest::Response, GuardError> {
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_none_or(|kind| !kind.starts_with("text/event-stream")) {
        let what = "is no stream of events, though one was asked for".to_owned();
        return Err(GuardError::Answer(super::wire::Unfit { at: String::new(), what }));
    }
    let decider = match api {
        Api::Chat => Decider::Chat(Box::new(chat::ChatStream::new(Arc::clone(&conversation)))),
        Api::Responses => {
            Decider::Responses(Box::new(responses::ResponseStream::new(Arc::clone(&conversation))))
        }
    };
    let settings = &conversation.settings;
    let pump = Pump {
        api,
        response,
        frames: Frames::new(settings.answer_bytes),
        decider,
        ready: VecDeque::new(),
        ended: false,
        read: 0,
        deadline: Instant::now() + settings.answer_time,
        conversation,
    };
    let body = futures_util::stream::unfold(pump, |mut pump| async move {
        let bytes = pump.next().await?;
        Some((Ok::<_, Infallible>(bytes), pump))
    });
    Ok(respond("text/event-stream", reqwest::Body::wrap_stream(body)))
}

impl Pump {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.step().await {
                self.ended = true;
                if let GuardError::Answer(unfit) = &error {
                    let _ = self.conversation.malformed(What::Output, &unfit.to_string());
                }
                self.fail(&error);
            }
        }
    }

    /// Reads what has come, and decides about each event in it.
    async fn step(&mut self) -> Result<(), GuardError> {
        let settings = Arc::clone(&self.conversation.settings);
        let idle = Instant::now() + settings.idle_time;
        let until = idle.min(self.deadline);
        let limit = if until == idle { settings.idle_time } else { settings.answer_time };
        let chunk = tokio::time::timeout_at(until, self.response.chunk()).await;
        let chunk = chunk.map_err(|_| GuardError::TimedOut { limit })?;
        let Some(chunk) = chunk.map_err(|_| GuardError::Truncated)? else {
            self.ended = true;
            // What ends in the middle of something has not been decided about.
            return if self.decider.is_complete() { Ok(()) } else { Err(GuardError::Truncated) };
        };
        self.read += chunk.len();
        if self.read > settings.answer_bytes.saturating_mul(OVERHEAD) {
            return Err(GuardError::TooLarge { limit: settings.answer_bytes });
        }
        self.frames.push(&chunk);
        while let Some(data) = self.frames.next()? {
            if data == b"[DONE]" {
                if !self.decider.is_complete() {
                    return Err(GuardError::Truncated);
                }
                self.ready.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
                self.ended = true;
                return Ok(());
            }
            let event = transport::document(&data)?;
            for event in self.decider.push(event).await? {
                self.write(&event);
            }
            if self.decider.is_over() {
                self.ended = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn write(&mut self, event: &Value) {
        let kind = event.get("type").and_then(Value::as_str).filter(|_| self.api == Api::Responses);
        let text = match kind {
            Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
            None => format!("data: {event}\n\n"),
        };
        self.ready.push_back(Bytes::from(text));
    }

    /// Tells of a failure as the API does in the middle of a stream.
    fn fail(&mut self, error: &GuardError) {
        let (message, code) = (error.to_string(), "guarded");
        let event = match self.api {
            Api::Chat => {
                json!({ "error": { "message": message, "type": "guard_error", "param": null, "code": code } })
            }
            Api::Responses => {
                json!({ "type": "error", "code": code, "message": message, "param": null, "sequence_number": 0 })
            }
        };
        self.write(&event);
    }
}
