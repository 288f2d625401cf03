//! Holds: what is under one stays, whatever is due and whoever wants it gone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Retention, RetentionError};
use crate::audit::{ENGINE, HoldRecord, LogError, Record, Stayed};
use crate::store::{Held, Hold};

/// Longest text of a hold, in bytes.
const LONGEST: usize = 500;

/// A hold to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Its name, by which it is released.
    pub name: String,
    /// What it is on.
    pub on: Held,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Retention {
    /// Places a hold.
    ///
    /// # Errors
    /// When there is one of this name, a text of it is empty or longer than 500 bytes, or the log can't be written.
    pub fn hold(&mut self, hold: &NewHold, now: Timestamp) -> Result<(), RetentionError> {
        let texts = [&hold.name, &hold.reason, &hold.owner].map(String::as_str);
        let fits = |text: &str| (1..=LONGEST).contains(&text.len());
        let named = texts.into_iter().chain([hold.on.id()]).all(fits);
        if !named || hold.until.is_some_and(|until| until <= now) {
            return Err(RetentionError::BadHold);
        }
        let body = Record::Hold(self.record(&hold.on, hold, now)).to_json().map_err(LogError::from)?;
        let placed = Hold {
            name: hold.name.clone(),
            on: hold.on.clone(),
            reason: hold.reason.clone(),
            owner: hold.owner.clone(),
            placed: now.as_microsecond(),
            until: hold.until.map(Timestamp::as_microsecond),
        };
        let mut there = false;
        self.ledger.write(&mut |log, _| {
            there = log.holds()?.iter().any(|known| known.name == placed.name);
            if there {
                return Ok(Vec::new());
            }
            log.hold(&placed)?;
            Ok(vec![body.clone()])
        })?;
        if there {
            Err(RetentionError::HoldExists { name: hold.name.clone() })
        } else {
            Ok(self.ledger.sign()?)
        }
    }

    fn record<'a>(&'a self, on: &'a Held, hold: &'a NewHold, now: Timestamp) -> HoldRecord<'a> {
        let (user, session) = match on {
            Held::User(id) => (Some(id.as_str()), None),
            Held::Thread(id) => (None, Some(id.as_str())),
        };
        HoldRecord {
            at: now,
            name: &hold.name,
            user,
            session,
            reason: &hold.reason,
            owner: &hold.owner,
            until: hold.until,
            by: &self.by,
            engine: ENGINE,
        }
    }

    /// Releases a hold. What is due by then goes with the next run.
    ///
    /// # Errors
    /// When there is none of this name, or the log can't be written.
    pub fn release(&mut self, name: &str, reason: &str, now: Timestamp) -> Result<(), RetentionError> {
        if !(1..=LONGEST).contains(&reason.len()) {
            return Err(RetentionError::BadHold);
        }
        let missing = || RetentionError::NoHold { name: name.to_owned() };
        let known = self.holds()?.into_iter().find(|hold| hold.name == name).ok_or_else(missing)?;
        let until = known.until.and_then(|until| Timestamp::from_microsecond(until).ok());
        let (name, reason) = (name.to_owned(), reason.to_owned());
        let hold = NewHold { name, on: known.on.clone(), reason, owner: known.owner, until };
        let body = Record::Release(self.record(&known.on, &hold, now)).to_json().map_err(LogError::from)?;
        let mut released = false;
        self.ledger.write(&mut |log, _| {
            released = log.release(&hold.name)?;
            Ok(if released { vec![body.clone()] } else { Vec::new() })
        })?;
        if released { Ok(self.ledger.sign()?) } else { Err(missing()) }
    }

    /// Every hold, also those that have ended by themselves.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn holds(&mut self) -> Result<Vec<Hold>, RetentionError> {
        Ok(self.ledger.read(|rows| Ok(rows.holds()?))?)
    }
}

/// Counts a content that stays because of a hold.
pub(super) fn stays(stayed: &mut BTreeMap<(String, String), Stayed>, class: &str, hold: &Hold, bytes: u64) {
    let why = format!("hold {}: {}", hold.name, hold.reason);
    let until = hold.until.and_then(|until| Timestamp::from_microsecond(until).ok());
    count(stayed, class, why, until, bytes);
}

/// Counts a content that stays for a reason.
pub(super) fn count(
    stayed: &mut BTreeMap<(String, String), Stayed>,
    class: &str,
    why: String,
    until: Option<Timestamp>,
    bytes: u64,
) {
    let entry = stayed.entry((class.to_owned(), why.clone())).or_insert_with(|| Stayed {
        class: class.to_owned(),
        contents: 0,
        bytes: 0,
        why,
        until,
    });
    entry.contents += 1;
    entry.bytes += bytes;
    entry.until = entry.until.max(until);
}
