//! Answers that come bit by bit: read, decided about, and written anew.

mod chat;
mod collect;
mod flow;
mod responses;
mod sse;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) use self::collect::together;
use self::sse::Frames;
use super::conversation::{Conversation, Ruled};
use super::error::{GuardError, Refusal, What};
use super::service::respond;
use super::transport;
use super::wire::{self, Api};

/// How much longer an answer is as events than as a document, at most.
const OVERHEAD: usize = 64;

/// What becomes of tool calls that were decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// They stand in the stream, but for refused ones.
    Told,
    /// They are kept for the tool loop, refused ones too, and do not stand in the stream.
    Kept,
}

/// What is known of an answer beside its events.
#[derive(Debug, Default)]
struct Outcome {
    /// Calls that were kept, in order.
    calls: Vec<Ruled>,
    /// The refusal of what the model wrote.
    refused: Option<Box<Refusal>>,
}

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

    fn outcome(&mut self) -> Outcome {
        match self {
            Decider::Chat(stream) => std::mem::take(&mut stream.outcome),
            Decider::Responses(stream) => std::mem::take(&mut stream.outcome),
        }
    }

    /// Whether the provider has told what was used.
    fn is_counted(&self) -> bool {
        match self {
            Decider::Chat(stream) => stream.is_counted(),
            Decider::Responses(stream) => stream.is_counted(),
        }
    }

    /// The number of the next event, where events have one.
    fn next_number(&self) -> u64 {
        match self {
            Decider::Chat(_) => 0,
            Decider::Responses(stream) => stream.next_number(),
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
    /// Whether the provider has marked the end.
    is_marked: bool,
    read: usize,
    /// What the request is taken to have cost, and what has come for it so far, in tokens.
    estimate: u64,
    deadline: Instant,
}

/// Where the provider has not told what was used (it was not asked, or not listened to any more), it is taken to be what the texts
/// come to: nobody gets past a limit by looking away.
impl Drop for Pump {
    fn drop(&mut self) {
        if !self.decider.is_counted() {
            self.conversation.spent(Some(self.estimate));
        }
    }
}

/// A response whose events are decided about as they come.
pub(crate) fn guarded(
    api: Api,
    conversation: Arc<Conversation>,
    response: reqwest::Response,
    estimate: u64,
) -> Result<reqwest::Response, GuardError> {
    let pump = Pump::new(api, conversation, response, estimate, Calls::Told)?;
    let body = futures_util::stream::unfold(pump, |mut pump| async move {
        let bytes = pump.next().await?;
        Some((Ok::<_, Infallible>(bytes), pump))
    });
    Ok(respond("text/event-stream", reqwest::Body::wrap_stream(body)))
}

impl Pump {
    fn new(
        api: Api,
        conversation: Arc<Conversation>,
        response: reqwest::Response,
        estimate: u64,
        calls: Calls,
    ) -> Result<Self, GuardError> {
        let kind = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_none_or(|kind| !kind.starts_with("text/event-stream")) {
            let what = "is no stream of events, though one was asked for".to_owned();
            return Err(GuardError::Answer(wire::Unfit { at: String::new(), what }));
        }
        let decider = match api {
            Api::Chat => Decider::Chat(Box::new(chat::ChatStream::new(Arc::clone(&conversation), calls))),
            Api::Responses => {
                Decider::Responses(Box::new(responses::ResponseStream::new(Arc::clone(&conversation), calls)))
            }
        };
        let settings = &conversation.settings;
        Ok(Self {
            api,
            response,
            frames: Frames::new(settings.answer_bytes),
            decider,
            ready: VecDeque::new(),
            ended: false,
            is_marked: false,
            read: 0,
            estimate,
            deadline: Instant::now() + settings.answer_time,
            conversation,
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            let mut events = Vec::new();
            let stepped = self.step(&mut events).await;
            events.iter().for_each(|event| self.write(event));
            if let Err(error) = stepped {
                self.fail(&error);
            }
            if std::mem::take(&mut self.is_marked) {
                self.ready.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
            }
        }
    }

    /// Reads what has come, and decides about each event in it. What failed is over.
    async fn step(&mut self, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let stepped = self.read_on(out).await;
        if let Err(error) = &stepped {
            self.ended = true;
            if let GuardError::Answer(unfit) = error {
                let _ = self.conversation.malformed(What::Output, &unfit.to_string());
            }
        }
        stepped
    }

    async fn read_on(&mut self, out: &mut Vec<Value>) -> Result<(), GuardError> {
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
                self.is_marked = true;
                self.ended = true;
                return Ok(());
            }
            let event = transport::document(&data)?;
            self.estimate = self.estimate.saturating_add(wire::estimated_tokens_of_event(&event));
            out.extend(self.decider.push(event).await?);
            if self.decider.is_over() {
                self.ended = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn write(&mut self, event: &Value) {
        let kind = event.get("type").and_then(Value::as_str).filter(|_| self.api == Api::Responses);
        let mut bytes = Vec::with_capacity(512);
        if let Some(kind) = kind {
            bytes.extend_from_slice(b"event: ");
            bytes.extend_from_slice(kind.as_bytes());
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(b"data: ");
        wire::append(&mut bytes, event);
        bytes.extend_from_slice(b"\n\n");
        self.ready.push_back(Bytes::from(bytes));
    }

    /// Tells of a failure as the API does in the middle of a stream.
    fn fail(&mut self, error: &GuardError) {
        let (message, code) = (error.to_string(), "guarded");
        let event = match self.api {
            Api::Chat => {
                json!({ "error": { "message": message, "type": "guard_error", "param": null, "code": code } })
            }
            Api::Responses => {
                let number = self.decider.next_number();
                json!({ "type": "error", "code": code, "message": message, "param": null, "sequence_number": number })
            }
        };
        self.write(&event);
    }
}
