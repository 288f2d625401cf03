//! A request on its way to the model.

use bytes::Bytes;
use serde_json::Value;

use super::error::GuardError;
use super::wire;
use crate::decode;

/// A document that is decided about, and, for as long as nothing in it changes, the bytes that it was read from.
pub(crate) struct Draft {
    document: Value,
    written: Option<Bytes>,
}

impl Draft {
    /// A document that is not written yet.
    pub(crate) fn new(document: Value) -> Self {
        Self { document, written: None }
    }

    /// A body that the SDK wrote from its own types.
    pub(crate) fn read(body: &[u8]) -> Result<Self, GuardError> {
        if let Some(Ok(document)) = std::str::from_utf8(body).ok().map(decode::from_json) {
            return Ok(Self { document, written: Some(Bytes::copy_from_slice(body)) });
        }
        // Bytes of which two readers could make two documents are not sent: what is sent is what was decided about.
        serde_json::from_slice(body)
            .map(Self::new)
            .map_err(|_| GuardError::Setup("the request is no JSON".to_owned()))
    }

    /// What is decided about.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The same, to be changed.
    pub(crate) fn change(&mut self) -> &mut Value {
        self.written = None;
        &mut self.document
    }

    /// What is sent.
    pub(crate) fn body(&self) -> Bytes {
        self.written.clone().unwrap_or_else(|| Bytes::from(wire::written(&self.document)))
    }
}
