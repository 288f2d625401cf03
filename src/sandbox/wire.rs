//! What host and launcher say to each other, over one socket that is the launcher's standard input.
//!
//! The host writes the same [`Spec`] three times, one for each process of the launcher; they take one after the other.
//! Each may answer in [`Frame`]s. Nothing of it stands in arguments, where other users could read it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::command::{Files, Limits, Network};
use super::confine::Level;
use super::program::Program;
use super::run::{Limit, Status};
use crate::protection::Protection;

/// A command as the launcher needs it. Paths are bytes that need not be UTF-8.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub program: Program,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    pub folder: OsString,
    /// Whether the folder was made for this command, and is removed with it.
    pub fresh: bool,
    pub files: Files,
    pub network: Network,
    pub limits: Limits,
    pub required: Vec<Protection>,
    /// Whether namespaces are tried at all.
    pub namespaces: bool,
}

/// What the launcher tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Frame {
    /// Namespaces were entered and can't be used or left: to be tried again without.
    NoNamespaces(String),
    /// What holds, said just before the program takes over.
    Level(Level),
    /// A required protection does not hold; nothing was run.
    Refused(Level),
    /// The program is not the one that was pinned; nothing was run.
    Changed,
    /// Something failed before the program took over.
    Failed { doing: String, why: String, code: Option<i32> },
    /// How the program ended.
    Ended(Status),
    /// Why everything was killed.
    Killed(Limit),
    /// Nothing is left running; what was used. The last frame.
    Used { cpu: Duration, memory_bytes: u64 },
}

/// Longer messages are not ours. The kernel takes 2 MiB of arguments and environment.
const MAX_BYTES: usize = 16 << 20;

pub(super) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let body = postcard::to_allocvec(message).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|&length| length as usize <= MAX_BYTES);
    let length = length.ok_or_else(|| io::Error::other("arguments and environment are too long"))?;
    Ok([&length.to_le_bytes()[..], &body].concat())
}

pub(super) fn write<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

/// Reads one message and no byte more: the next is for another process.
pub(super) fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_BYTES {
        return Err(io::Error::other("not a message of the sandbox"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    postcard::from_bytes(&body).map_err(io::Error::other)
}

/// Takes the first message off the front of what has come.
pub(super) fn take<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some((length, rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_BYTES {
        return Err(io::Error::other("not a message of the sandbox"));
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let message = postcard::from_bytes(body).map_err(io::Error::other)?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_as_they_come() {
        let frames = [Frame::Changed, Frame::Ended(Status::Exited(3)), Frame::NoNamespaces("why".into())];
        let bytes: Vec<u8> =
            frames.iter().flat_map(|frame| encode(frame).expect("it can be written")).collect();
        let (mut buffer, mut taken) = (Vec::new(), 0);
        for byte in &bytes {
            buffer.push(*byte);
            while take::<Frame>(&mut buffer).expect("a frame").is_some() {
                taken += 1;
            }
        }
        assert_eq!((taken, buffer.len()), (3, 0));
        // One reader leaves the next frame to the next.
        let mut from = bytes.as_slice();
        assert!(matches!(read::<Frame>(&mut from).expect("a frame"), Frame::Changed));
        assert!(matches!(read::<Frame>(&mut from).expect("a frame"), Frame::Ended(Status::Exited(3))));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(take::<Frame>(&mut vec![0xff; 8]).is_err());
        assert!(read::<Frame>(&[0xff; 8][..]).is_err());
        assert!(read::<Frame>(&[1, 0, 0, 0, 0x7f][..]).is_err());
        assert!(read::<Frame>(&[4, 0, 0, 0, 1][..]).is_err());
        assert!(encode(&vec![0_u8; MAX_BYTES + 1]).is_err());
    }
}
