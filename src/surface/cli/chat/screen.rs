//! The terminal of a conversation: what is said goes to stdout, what is decided to stderr, and neither breaks into a line of the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::surface::cli::report::{self, Out};

/// Shared by everybody who has something to show.
#[derive(Debug, Clone)]
pub(super) struct Screen(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    out: Out,
    speaker: String,
    /// Whether a line has begun that the model is still writing.
    is_open: bool,
    /// Notes about what stands in it.
    waiting: Vec<String>,
    /// The first failure to write, which ends the conversation.
    failed: Option<anyhow::Error>,
}

impl Screen {
    pub(super) fn new(out: Out, speaker: &str) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            out,
            speaker: speaker.to_owned(),
            is_open: false,
            waiting: Vec::new(),
            failed: None,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More of what the model says.
    pub(super) fn said(&self, text: &str) {
        let mut inner = self.inner();
        if !std::mem::replace(&mut inner.is_open, true) {
            let begin = format!("{}> ", inner.speaker);
            inner.write(&begin);
        }
        inner.write(&shown(text));
        inner.flush();
    }

    /// A note about what is being said, for when that has been said.
    pub(super) fn remark(&self, text: String) {
        let mut inner = self.inner();
        if inner.is_open { inner.waiting.push(text) } else { report::note(&text) }
    }

    /// A note, once the line under way has ended.
    pub(super) fn note(&self, text: &str) {
        self.inner().end_line();
        report::note(text);
    }

    /// Ends the line under way.
    pub(super) fn end(&self) {
        self.inner().end_line();
    }

    /// A question, whose answer is typed behind it.
    pub(super) fn prompt(&self, text: &str) {
        self.inner().end_line();
        report::prompt(text);
    }

    /// A whole line of what is said.
    pub(super) fn line(&self, text: &str) -> anyhow::Result<()> {
        let mut inner = self.inner();
        inner.end_line();
        inner.write(&format!("{text}\n"));
        inner.flush();
        inner.failed.take().map_or(Ok(()), Err)
    }

    /// The model has finished; what it said, where nothing has been shown of it.
    pub(super) fn finish(&self, text: &str) -> anyhow::Result<()> {
        if !self.inner().is_open {
            self.said(text);
        }
        let mut inner = self.inner();
        inner.end_line();
        inner.failed.take().map_or(Ok(()), Err)
    }
}

impl Inner {
    fn write(&mut self, text: &str) {
        let written = self.out.raw(text.as_bytes());
        self.noted(written);
    }

    fn flush(&mut self) {
        let flushed = self.out.flush();
        self.noted(flushed);
    }

    fn noted(&mut self, done: anyhow::Result<()>) {
        if let Err(error) = done {
            self.failed.get_or_insert(error);
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.write("\n");
            self.flush();
        }
        for note in self.waiting.drain(..) {
            report::note(&note);
        }
    }
}

/// A model's text as a terminal may have it: lines, and nothing that moves the cursor.
fn shown(text: &str) -> String {
    text.split('\n').map(report::visible).collect::<Vec<_>>().join("\n")
}
