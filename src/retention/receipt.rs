//! Receipts of erasures: what went, what stayed and why, signed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::audit::{LogError, PublicKey, Removed, SigningKey, Stayed, canonical, note};

const KIND: &str = "ringfence/erasure-receipt/1";

/// What was erased of a user. Its text is a signed note (C2SP `signed-note`) of three lines: what it is, the log, and this as canonical
/// JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence erasure receipt")]
pub struct Receipt {
    /// The log's name.
    pub log: String,
    /// The number of the record in it that says the same.
    pub record: u64,
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The erasure's name, which its records carry.
    pub run: String,
    /// Whose contents.
    pub user: String,
    /// Who asked for it.
    pub by: String,
    /// What went, by class.
    pub removed: Vec<Removed>,
    /// What stayed, and why.
    pub stayed: Vec<Stayed>,
    /// Data keys that were destroyed.
    pub keys: u64,
    /// Whether nothing of what went was left in any file of the log when this was signed; not so where another program was reading
    /// just then. It can't be read in any case: its keys are gone.
    pub clean: bool,
    #[serde(skip)]
    pub(super) note: String,
}

/// A text that is no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// None of the keys has signed it, or it was changed.
    #[error("the receipt is signed by none of the given keys, or was changed")]
    Signature,
    /// It is something else.
    #[error("it is no receipt of an erasure")]
    NoReceipt,
}

impl Receipt {
    pub(super) fn sign(&mut self, key: &SigningKey) -> Result<(), LogError> {
        let value = serde_json::to_value(&*self).map_err(crate::audit::AuditError::from)?;
        let json = canonical(&value).map_err(crate::audit::AuditError::from)?;
        self.note = note::sign(key, &self.log, &format!("{KIND}\n{}\n{json}\n", self.log));
        Ok(())
    }

    /// The signed text.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Reads a receipt that one of these keys has signed.
    ///
    /// # Errors
    /// When none has, or it is something else.
    pub fn check(text: &str, keys: &[PublicKey]) -> Result<Self, ReceiptError> {
        let text = format!("{}\n", text.trim_end_matches('\n'));
        let (body, name) = note::check(&text, keys).ok_or(ReceiptError::Signature)?;
        let mut lines = body.lines();
        let (Some(KIND), Some(log), Some(json), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(ReceiptError::NoReceipt);
        };
        let receipt: Self = serde_json::from_str(json).map_err(|_| ReceiptError::NoReceipt)?;
        if receipt.log != log || name != log {
            return Err(ReceiptError::NoReceipt);
        }
        Ok(Self { note: text, ..receipt })
    }
}
