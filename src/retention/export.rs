//! Handing out what is kept of a user or thread.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Message, Retention, RetentionError};
use crate::audit::{AccessRecord, ENGINE, LogError, Record, VaultError, commitment};
use crate::store::{Held, Kept, Visit};

/// A content as it is handed out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Ringfence exported content")]
pub struct Exported {
    /// The number of its record.
    pub number: u64,
    /// When (RFC 3339).
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The session.
    pub session: String,
    /// The tenant; empty where there is none.
    pub tenant: String,
    /// The class.
    pub class: String,
    /// Who speaks: `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What was said: `text`, `arguments`, `result`, or `name` and `instructions`. Absent where its key was destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
}

impl Retention {
    /// Hands out every content of a user, as they were written, decrypted and held to the commitment in its record. That is
    /// recorded before the first is shown. How many there were.
    ///
    /// # Errors
    /// Without the payload key; when the log can't be read or written, a content is not what was written, or `show` fails.
    pub fn export<E: From<RetentionError>>(
        &mut self,
        user: &str,
        now: Timestamp,
        show: &mut dyn FnMut(&Exported) -> Result<(), E>,
    ) -> Result<u64, E> {
        let on = Held::User(user.to_owned());
        self.vault()?;
        let contents = self.count(&on)?;
        let record = AccessRecord { at: now, user, by: &self.by, contents, engine: ENGINE };
        let body =
            Record::AccessRequest(record).to_json().map_err(LogError::from).map_err(RetentionError::from)?;
        self.ledger.write(&mut |_, _| Ok(vec![body.clone()])).map_err(RetentionError::from)?;
        self.ledger.sign().map_err(RetentionError::from)?;
        self.each(&on, &mut |exported| show(&exported))?;
        Ok(contents)
    }

    /// A thread as it is kept: its messages, in order.
    ///
    /// # Errors
    /// Without the payload key, and when the log can't be read.
    pub fn conversation(&mut self, thread: &str) -> Result<Vec<Message>, RetentionError> {
        let mut messages = Vec::new();
        self.each(&Held::Thread(thread.to_owned()), &mut |Exported { role, at, content, .. }| {
            messages.push(Message { role, at, content: content.unwrap_or_default() });
            Ok::<_, RetentionError>(())
        })?;
        Ok(messages)
    }

    fn count(&mut self, on: &Held) -> Result<u64, RetentionError> {
        Ok(self.ledger.read(|rows| {
            let mut contents = 0;
            rows.of(on, 0, &mut |_| {
                contents += 1;
                Visit::More
            })?;
            Ok(contents)
        })?)
    }

    fn each<E: From<RetentionError>>(
        &mut self,
        on: &Held,
        show: &mut dyn FnMut(Exported) -> Result<(), E>,
    ) -> Result<(), E> {
        let all = self.ledger.read(|rows| {
            let mut all: Vec<Kept> = Vec::new();
            rows.of(on, 0, &mut |kept| {
                all.push(kept);
                Visit::More
            })?;
            Ok(all)
        });
        for kept in all.map_err(RetentionError::from)? {
            // One that was removed meanwhile is no longer handed out.
            let found =
                self.ledger.read(|rows| Ok(rows.sealed(kept.index)?.zip(commitment(rows, kept.index)?)));
            let Some((sealed, commitment)) = found.map_err(RetentionError::from)? else { continue };
            let content = match self.vault()?.unseal(kept.index, &kept.key, &sealed, &commitment) {
                Ok(plain) => Some(serde_json::from_slice(&plain).map_err(|_| {
                    RetentionError::from(VaultError::Damaged { what: format!("content {}", kept.index) })
                })?),
                Err(VaultError::Destroyed { .. }) => None,
                Err(error) => return Err(RetentionError::from(error).into()),
            };
            show(Exported {
                number: kept.index,
                at: Timestamp::from_microsecond(kept.at).unwrap_or(Timestamp::UNIX_EPOCH),
                session: kept.session,
                tenant: kept.tenant,
                class: kept.class,
                role: kept.role,
                content,
            })?;
        }
        Ok(())
    }
}
